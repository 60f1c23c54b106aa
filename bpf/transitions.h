/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * Learns of transitions where the one function that makes them all can be
 * watched: net/ipv4/tcp_cong.c, tcp_set_ca_state(), or the tracepoint with
 * which it begins. There the old state is still in the socket. (5.19 and later;
 * before it was inlined wherever it was called.)
 */
#ifndef TCPCONG_TRANSITIONS_H
#define TCPCONG_TRANSITIONS_H

static __always_inline int typed_transition(void *ctx, struct sock *sk, __u8 new)
{
	struct subject it = { .sk = sk, .typed = true };
	struct tcp_sock *tp;

	if (!started_ns)
		return 0;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return 0;
	it.state = congestion_state(tp);
	it.tcp_state = tp->inet_conn.icsk_inet.sk.__sk_common.skc_state;
	transition(ctx, &it, new);
	return 0;
}

static __always_inline int untyped_transition(void *ctx, struct sock *sk, __u8 new)
{
	struct subject it;

	if (!started_ns)
		return 0;
	it = untyped(sk);
	transition(ctx, &it, new);
	return 0;
}

SEC("tp_btf/tcp_cong_state_set")
int BPF_PROG(btf_transition, struct sock *sk, __u8 new)
{
	return typed_transition(ctx, sk, new);
}

SEC("fentry/tcp_set_ca_state")
int BPF_PROG(fentry_transition, struct sock *sk, __u8 new)
{
	return typed_transition(ctx, sk, new);
}

SEC("tracepoint/tcp/tcp_cong_state_set")
int classic_transition(struct trace_event_raw_tcp_cong_state_set *ctx)
{
	return untyped_transition(ctx, (struct sock *)ctx->skaddr, ctx->cong_state);
}

SEC("kprobe/tcp_set_ca_state")
int BPF_KPROBE(kprobe_transition, struct sock *sk, __u8 new)
{
	return untyped_transition(ctx, sk, new);
}

#endif
