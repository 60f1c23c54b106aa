/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * Learns of lives: net/ipv4/af_inet.c, inet_sk_set_state(), whose tracepoint
 * comes before the store, and net/ipv4/tcp_ipv4.c, tcp_v4_destroy_sock().
 */
#ifndef TCPCONG_LIVES_H
#define TCPCONG_LIVES_H

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(btf_sock_state, struct sock *sk, int old, int new)
{
	struct subject it = { .sk = sk, .typed = true };
	struct tcp_sock *tp;

	/* An MPTCP connection's own socket fires this too. */
	if (!started_ns || !bears_on_life(old, new) || sk->sk_protocol != IPPROTO_TCP)
		return 0;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return 0;
	it.state = congestion_state(tp);
	life(&it, old, new);
	return 0;
}

SEC("tracepoint/sock/inet_sock_set_state")
int classic_sock_state(struct trace_event_raw_inet_sock_set_state *ctx)
{
	int old = ctx->oldstate, new = ctx->newstate;
	struct subject it;

	if (!started_ns || !bears_on_life(old, new) || ctx->protocol != IPPROTO_TCP)
		return 0;
	it = untyped((struct sock *)ctx->skaddr);
	life(&it, old, new);
	return 0;
}

SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(btf_destroy, struct sock *sk)
{
	destroyed(sk);
	return 0;
}

SEC("tracepoint/tcp/tcp_destroy_sock")
int classic_destroy(struct trace_event_raw_tcp_event_sk *ctx)
{
	destroyed((struct sock *)ctx->skaddr);
	return 0;
}

#endif
