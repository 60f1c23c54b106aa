// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/*
 * The programs: each learns of something that happened to a socket and hands
 * it to the accounting in flow.h.
 */
#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_tracing.h>
#include "wire.h"
#include "flow.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

static __always_inline __u32 congestion_state(struct tcp_sock *tp)
{
	return BPF_CORE_READ_BITFIELD(&tp->inet_conn, icsk_ca_state);
}

/*
 * net/ipv4/tcp_cong.c, tcp_set_ca_state(): fires before the store, so the old
 * state is still in the socket. (5.19 and later.)
 */
SEC("tp_btf/tcp_cong_state_set")
int BPF_PROG(on_cong_state_set, struct sock *sk, __u8 new)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	__u64 key = (__u64)sk;
	struct flow *f;
	__u8 tcp_state;
	__u32 old;
	__u64 now;

	if (!tp || !started_ns)
		return 0;
	old = congestion_state(tp);
	/* Every accepted child and every disconnect set Open on Open. */
	if (old == new && new == TCP_CA_Open)
		return 0;
	tcp_state = tp->inet_conn.icsk_inet.sk.__sk_common.skc_state;
	/* After its life, tcp_disconnect() resets the state. */
	if (tcp_state == TCP_CLOSE)
		return 0;
	now = bpf_ktime_get_ns();
	f = bpf_map_lookup_elem(&flows, &key);
	if (!f)
		f = adopt(sk, tcp_state, old, now, MET_AT_EVENT);
	if (!f)
		return 0;
	write_begin(f, now);
	if (!ends_known(f, sk, tcp_state))
		return 0;
	if (SPELL_STATE(f->now.spell) != old) {
		doubt(f, now);
		count(transitions_missed);
		turn_to(f, new, now);
		if (old == new) /* when this spell began is not known */
			f->now.flags |= TALLY_FOUND_LATE;
	} else if (old != new) {
		turn_to(f, new, now);
	}
	if (old != new)
		f->now.changes += 1;
	else if (new == TCP_CA_Loss)
		f->now.repeated_rtos += 1;
	write_end(f);
	return 0;
}

/*
 * net/ipv4/af_inet.c, inet_sk_set_state(): fires before the store. Gives the
 * life: from leaving CLOSE or LISTEN until entering CLOSE.
 */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_sock_state, struct sock *sk, int old, int new)
{
	bool alive_before = old != TCP_CLOSE && old != TCP_LISTEN;
	bool alive_after = new != TCP_CLOSE && new != TCP_LISTEN;
	__u64 key = (__u64)sk;
	struct tcp_sock *tp;
	struct flow *f;
	__u32 state;
	__u64 now;

	/* An MPTCP connection's own socket fires this too. */
	if (!started_ns || sk->sk_protocol != IPPROTO_TCP)
		return 0;
	if (alive_before == alive_after && new != TCP_ESTABLISHED)
		return 0;
	tp = bpf_skc_to_tcp_sock(sk);
	if (!tp)
		return 0;
	state = congestion_state(tp);
	now = bpf_ktime_get_ns();
	f = bpf_map_lookup_elem(&flows, &key);
	if (!alive_before) {
		/* A former life's end was missed. */
		if (f)
			leave(f, key, now, false);
		enter(sk, new, state, now, BORN, 0);
		return 0;
	}
	if (!f) {
		/* Nothing to account where a birth was missed or refused. */
		if (should_be_known(sk))
			return 0;
		f = adopt(sk, old, state, now, MET_AT_EVENT);
		if (!f)
			return 0;
	}
	write_begin(f, now);
	/* At ->CLOSE the port may be in inet_sport alone, whatever came before. */
	if (!ends_known(f, sk, alive_after ? old : new))
		return 0;
	if (SPELL_STATE(f->now.spell) != state) {
		doubt(f, now);
		count(transitions_missed);
		turn_to(f, state, now);
		f->now.flags |= TALLY_FOUND_LATE;
	}
	write_end(f);
	if (!alive_after)
		leave(f, key, now, true);
	return 0;
}

/*
 * net/ipv4/tcp_ipv4.c, tcp_v4_destroy_sock(): the socket goes away. A record
 * is left only where ->CLOSE was not seen.
 */
SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(on_destroy, struct sock *sk)
{
	__u64 key = (__u64)sk;
	struct flow *f = bpf_map_lookup_elem(&flows, &key);

	if (f)
		leave(f, key, bpf_ktime_get_ns(), false);
	return 0;
}

/*
 * Meets every TCP socket of the namespace in which its iterator was made, each
 * under its lock (net/ipv4/tcp_ipv4.c, bpf_iter_tcp_seq_show(); 5.15 and
 * later): gives a record to those that have none, and compares the others'.
 */
SEC("iter/tcp")
int survey(struct bpf_iter__tcp *ctx)
{
	struct sock_common *skc = ctx->sk_common;
	struct tcp_sock *tp;
	struct flow *f;
	__u8 tcp_state;
	__u64 key, now;
	__u32 state;

	if (!skc)
		return 0;
	tp = bpf_skc_to_tcp_sock(skc); /* not for TIME_WAIT and request sockets */
	if (!tp)
		return 0;
	tcp_state = tp->inet_conn.icsk_inet.sk.__sk_common.skc_state;
	if (tcp_state == TCP_LISTEN || tcp_state == TCP_CLOSE)
		return 0;
	state = congestion_state(tp);
	now = bpf_ktime_get_ns();
	key = (__u64)skc;
	f = bpf_map_lookup_elem(&flows, &key);
	if (!f) {
		adopt((struct sock *)skc, tcp_state, state, now, MET_BY_SURVEY);
		return 0;
	}
	f->surveyed = survey_round;
	if ((f->flags & FLOW_ENDS_KNOWN) && SPELL_STATE(f->now.spell) == state)
		return 0;
	write_begin(f, now);
	if (!ends_known(f, (struct sock *)skc, tcp_state))
		return 0;
	if (SPELL_STATE(f->now.spell) != state) {
		doubt(f, now);
		count(transitions_missed);
		turn_to(f, state, now);
		f->now.flags |= TALLY_FOUND_LATE;
	}
	write_end(f);
	return 0;
}
