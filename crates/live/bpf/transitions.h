/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * Learns of transitions where the one function that makes them all can be
 * watched: net/ipv4/tcp_cong.c, tcp_set_ca_state(), or the tracepoint with
 * which it begins. There the old state is still in the socket. (5.19 and later;
 * before it was inlined wherever it was called.)
 */
#ifndef TCPCONG_TRANSITIONS_H
#define TCPCONG_TRANSITIONS_H

#include "cwr.h"
#include "emit.h"
#include "uninterrupted.h"

static __always_inline int on_transition(void *ctx, const struct subject *s, __u8 new)
{
	__u8 name[16] __attribute__((aligned(8)));
	__u8 place = PLACE_UNKNOWN;

	/* Every accepted child and every disconnect set Open on Open. */
	if (s->ca_state == new && new != TCP_CA_Loss)
		return 0;
	/* After its life, tcp_disconnect() resets the state. */
	if (s->tcp_state == TCP_CLOSE)
		return 0;
	if (all_figures && new == TCP_CA_CWR) {
		read_cc(name, s);
		place = place_of_cwr(ctx, s, name);
	}
	emit_transition(s, s->ca_state, new, place);
	return 0;
}

static __always_inline int on_typed_transition(void *ctx, struct sock *sk, __u8 new)
{
	struct tcp_sock *tp;
	struct subject s;

	if (!started)
		return 0;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return 0;
	s = typed_subject(tp);
	return on_transition(ctx, &s, new);
}

static __always_inline int on_untyped_transition(void *ctx, const void *sk, __u8 new)
{
	struct subject s;

	if (!started)
		return 0;
	s = untyped_subject(sk);
	return on_transition(ctx, &s, new);
}

SEC("tp_btf/tcp_cong_state_set")
int BPF_PROG(btf_transition, struct sock *sk, __u8 new)
{
	note_first(ctx, HOOK_TRANSITION);
	return UNINTERRUPTED(on_typed_transition(ctx, sk, new));
}

SEC("tp_btf/tcp_cong_state_set")
int BPF_PROG(btf_transition_second, struct sock *sk, __u8 new)
{
	if (!first_was_skipped(ctx, HOOK_TRANSITION))
		return 0;
	return UNINTERRUPTED(on_typed_transition(ctx, sk, new));
}

SEC("fentry/tcp_set_ca_state")
int BPF_PROG(fentry_transition, struct sock *sk, __u8 new)
{
	return UNINTERRUPTED(on_typed_transition(ctx, sk, new));
}

SEC("tracepoint/tcp/tcp_cong_state_set")
int classic_transition(struct trace_event_raw_tcp_cong_state_set *ctx)
{
	return on_untyped_transition(ctx, ctx->skaddr, ctx->cong_state);
}

SEC("kprobe/tcp_set_ca_state")
int BPF_KPROBE(kprobe_transition, struct sock *sk, __u8 new)
{
	return on_untyped_transition(ctx, sk, new);
}

#endif
