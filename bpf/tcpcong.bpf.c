// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/*
 * The programs. Of those that learn of transitions one way's are loaded, of
 * those that learn of lives one kind; src/kernel/way.rs chooses.
 */
#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_tracing.h>
#include "wire.h"
#include "events.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

static __always_inline __u32 congestion_state(struct tcp_sock *tp)
{
	return BPF_CORE_READ_BITFIELD(&tp->inet_conn, icsk_ca_state);
}

/* A socket to which a program has no more than its address. */
static __always_inline struct subject untyped(struct sock *sk)
{
	struct inet_connection_sock *icsk = (struct inet_connection_sock *)sk;

	return (struct subject){
		.sk = sk,
		.tcp_state = BPF_CORE_READ(sk, __sk_common.skc_state),
		.state = BPF_CORE_READ_BITFIELD_PROBED(icsk, icsk_ca_state),
	};
}

#include "transitions.h"
#include "callers.h"
#include "lives.h"
#include "readers.h"
#include "owners.h"

/* Hands over a socket's account, where it may not be written into the record. */
static __always_inline void show_account(struct seq_file *seq, const struct subject *it)
{
	struct glance glance = {};
	struct flow *f;

	glance.socket = (__u64)it->sk;
	f = bpf_map_lookup_elem(&flows, &glance.socket);
	if (!f || !glance_at_account(&glance.account, it->sk))
		return;
	glance.born_ns = f->born_ns;
	bpf_seq_write(seq, &glance, sizeof(glance));
}

/*
 * Meets every TCP socket of the namespace in which its iterator was made
 * (net/ipv4/tcp_ipv4.c, bpf_iter_tcp_seq_show()): gives a record to those that
 * have none and, from 5.15 on, where it holds their lock, compares the others'.
 */
SEC("iter/tcp")
int survey(struct bpf_iter__tcp *ctx)
{
	struct sock_common *skc = ctx->sk_common;
	struct subject it = { .typed = true };
	struct tcp_sock *tp;
	bool locked;

	if (!skc)
		return 0;
	tp = bpf_skc_to_tcp_sock(skc); /* not for TIME_WAIT and request sockets */
	if (!tp)
		return 0;
	it.sk = (struct sock *)skc;
	it.tcp_state = tp->inet_conn.icsk_inet.sk.__sk_common.skc_state;
	if (!lives(it.tcp_state))
		return 0;
	it.state = congestion_state(tp);
	locked = bpf_core_type_exists(struct bpf_tcp_iter_state);
	met(&it, locked);
	if (costs && !locked)
		show_account(ctx->meta->seq, &it);
	return 0;
}
