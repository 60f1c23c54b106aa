/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * Learns of lives: net/ipv4/af_inet.c, inet_sk_set_state(), whose tracepoint
 * comes before the store.
 */
#ifndef TCPCONG_LIVES_H
#define TCPCONG_LIVES_H

#include "callers.h"
#include "emit.h"
#include "uninterrupted.h"

static __always_inline void on_sk_state(struct subject *s, int old, int new)
{
	if (lives(old) != lives(new))
		unwatch(s);
	emit_lifecycle(s, old, new);
}

static __always_inline int on_typed_sk_state(struct sock *sk, int old, int new)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	struct subject s;

	if (!tp)
		return 0;
	s = typed_subject(tp);
	on_sk_state(&s, old, new);
	return 0;
}

/* An MPTCP connection's own socket fires this too. */
static __always_inline bool is_wanted_sk_state(const struct sock *sk, int old, int new)
{
	return started && bears_on_life(old, new) && sk->sk_protocol == IPPROTO_TCP;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(btf_sock_state, struct sock *sk, int old, int new)
{
	note_first(ctx, HOOK_SK_STATE);
	if (!is_wanted_sk_state(sk, old, new))
		return 0;
	return UNINTERRUPTED(on_typed_sk_state(sk, old, new));
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(btf_sock_state_second, struct sock *sk, int old, int new)
{
	if (!first_was_skipped(ctx, HOOK_SK_STATE) || !is_wanted_sk_state(sk, old, new))
		return 0;
	return UNINTERRUPTED(on_typed_sk_state(sk, old, new));
}

SEC("tracepoint/sock/inet_sock_set_state")
int classic_sock_state(struct trace_event_raw_inet_sock_set_state *ctx)
{
	int old = ctx->oldstate, new = ctx->newstate;
	struct subject s;

	if (!started || !bears_on_life(old, new) || ctx->protocol != IPPROTO_TCP)
		return 0;
	s = untyped_subject(ctx->skaddr);
	on_sk_state(&s, old, new);
	return 0;
}

#endif
