/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * What a connection's time went into, and what it sent: the kernel's own account
 * (tcp_chrono_start() of net/ipv4/tcp.c, and its counters), kept apart by
 * congestion state. A run that does not ask for it reads none of it.
 */
#ifndef TCPCONG_COST_H
#define TCPCONG_COST_H

const volatile bool costs = false;

/* Not used: so that the type is among those that user space is given. */
const struct glance *const volatile glance_layout = 0;

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

/*
 * The same without the socket's lock, under which the chronograph may be changed
 * meanwhile. A reading that has one part of it from before and one from after is
 * off by the whole of a run, and the next one is not: two that agree, but for a
 * tick, are right. Returns whether there were two.
 */
static __always_inline bool glance_at_account(struct account *a, struct sock *sk)
{
	struct account again = {};
	int i;

	read_account(&again, sk);
#pragma unroll
	for (i = 0; i < 3; i++) {
		*a = again;
		read_account(&again, sk);
		if (again.chrono[0] - a->chrono[0] <= 1 && again.chrono[1] - a->chrono[1] <= 1 &&
		    again.chrono[2] - a->chrono[2] <= 1)
			return true;
	}
	return false;
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
