/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * What a connection's time went into, and what it sent: the kernel's own account
 * (tcp_chrono_start() of net/ipv4/tcp.c, and its counters), kept apart by
 * congestion state. A run that does not ask for it reads none of it.
 */
#ifndef TCPCONG_COST_H
#define TCPCONG_COST_H

const volatile bool costs = false;

/* The account as it stands, the chronograph's running part included
 * (tcp_get_info_chrono_stats()). */
static __always_inline void read_account(struct account *a, struct sock *sk)
{
	struct tcp_sock *tp = (struct tcp_sock *)sk;
	__u32 running = BPF_CORE_READ_BITFIELD_PROBED(tp, chrono_type);
	__u32 since = BPF_CORE_READ(tp, chrono_start);

	BPF_CORE_READ_INTO(&a->chrono, tp, chrono_stat);
	/* 0: none; 1: busy; 2: limited by the receiver; 3: by the send buffer. */
	if (running == 1)
		a->chrono[0] += (__u32)bpf_jiffies64() - since;
	else if (running == 2)
		a->chrono[1] += (__u32)bpf_jiffies64() - since;
	else if (running == 3)
		a->chrono[2] += (__u32)bpf_jiffies64() - since;
	a->delivered = BPF_CORE_READ(tp, delivered);
	a->retransmitted = BPF_CORE_READ(tp, total_retrans);
}

/* Books what has come since the last time as having come in `state`. */
static __always_inline void charge(struct cost *c, struct sock *sk, __u32 state)
{
	struct account now = {};
	int i;

	if (!costs)
		return;
	read_account(&now, sk);
	if (state < STATES) {
#pragma unroll
		for (i = 0; i < 3; i++) {
			__u32 more = now.chrono[i] - c->last.chrono[i];

			if (state == TCP_CA_Open)
				c->open_ticks[i] += more;
			else
				c->other_ticks[i] += more;
		}
		c->delivered[state] += now.delivered - c->last.delivered;
		c->retransmitted[state] += now.retransmitted - c->last.retransmitted;
	}
	c->last = now;
}

/* What came before the socket was met is not charged to anything. `late_ns`: how
 * long the record is to have existed by now. */
static __always_inline void open_account(struct cost *c, struct sock *sk, __u64 late_ns)
{
	if (!costs)
		return;
	read_account(&c->last, sk);
	c->late_ms = late_ns / 1000000;
}

#endif
