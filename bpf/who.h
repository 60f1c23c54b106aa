/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * Who a socket's connection is between and whose it is, read from the socket; and
 * whether a filter wants it.
 */
#ifndef TCPCONG_WHO_H
#define TCPCONG_WHO_H

#include "maps.h"

static __always_inline bool ports_match(__u16 lport, __u16 rport)
{
	return lport >= lport_first && lport <= lport_last &&
	       rport >= rport_first && rport <= rport_last;
}

/* The same at a birth, where a port that is not known yet decides nothing. */
static __always_inline bool ports_may_match(__u16 lport, __u16 rport)
{
	return ports_match(lport ? lport : lport_first, rport ? rport : rport_first);
}

/* A socket at the moment of an event. */
struct subject {
	struct sock *sk;
	__u8 tcp_state;
	__u32 state; /* its congestion state */
	/* The program knows the pointer's type (BTF), so helpers take it. */
	bool typed;
};

/* 0 where it is not known: before 5.12, and for an untyped pointer, it shows
 * only once somebody has asked for it (net/core/sock_diag.c). */
static __always_inline __u64 cookie_of(const struct subject *it)
{
	struct sock *sk = it->sk;

	if (it->typed && cookie_helper)
		return bpf_get_socket_cookie(sk);
	return BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
}

static __always_inline bool address_matches(const __u8 address[16], __u8 family,
					    const volatile struct prefix *prefix)
{
	const __be32 *words = (const __be32 *)address;
	__be32 w[4] = { words[0], words[1], words[2], words[3] };

	if (family == AF_INET) {
		w[3] = words[0];
		w[2] = bpf_htonl(0xffff);
		w[0] = w[1] = 0;
	}
	if (prefix->six && !w[0] && !w[1] && w[2] == bpf_htonl(0xffff))
		return false;
	return (w[0] & prefix->mask[0]) == prefix->address[0] &&
	       (w[1] & prefix->mask[1]) == prefix->address[1] &&
	       (w[2] & prefix->mask[2]) == prefix->address[2] &&
	       (w[3] & prefix->mask[3]) == prefix->address[3];
}

/* Whether the flow is wanted, once both ends are the connection's own. */
static __always_inline bool ends_match(const struct who *who)
{
	return ports_match(who->lport, who->rport) &&
	       address_matches(who->laddr, who->family, &laddr_prefix) &&
	       address_matches(who->raddr, who->family, &raddr_prefix);
}

/*
 * Reads both ends of the connection. In SYN_SENT before the port is chosen
 * inet_sport may be a former connection's, and at ->CLOSE skc_num is 0 already
 * (inet_put_port), so the one stands in for the other.
 */
static __always_inline void read_ends(struct who *who, const struct subject *it)
{
	struct sock *sk = it->sk;
	__u16 num = BPF_CORE_READ(sk, __sk_common.skc_num);

	if (!num && it->tcp_state != TCP_SYN_SENT)
		num = bpf_ntohs(BPF_CORE_READ((struct inet_sock *)sk, inet_sport));
	who->lport = num;
	who->rport = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	who->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	who->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	/* Without CONFIG_IPV6 there are no such fields, nor such sockets. */
	if (who->family == AF_INET6 && bpf_core_field_exists(struct sock_common, skc_v6_daddr)) {
		BPF_CORE_READ_INTO(&who->laddr, sk, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO(&who->raddr, sk, __sk_common.skc_v6_daddr);
	} else {
		*(__be32 *)who->laddr = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);
		*(__be32 *)who->raddr = BPF_CORE_READ(sk, __sk_common.skc_daddr);
	}
}

static __always_inline void read_cc(__u64 name[2], struct sock *sk)
{
	struct inet_connection_sock *icsk = (struct inet_connection_sock *)sk;

	BPF_CORE_READ_STR_INTO((char(*)[16])name, icsk, icsk_ca_ops, name);
}

/* Whose the socket is, as far as the socket tells. */
static __always_inline void read_context(struct who *who, const struct subject *it)
{
	struct sock *sk = it->sk;
	struct cgroup *cgroup = NULL;

	who->cookie = cookie_of(it);
	if (!context)
		return;
	read_cc(who->cc, sk);
	if (bpf_core_field_exists(sk->sk_cgrp_data.cgroup))
		cgroup = BPF_CORE_READ(sk, sk_cgrp_data.cgroup);
	/* Once cgroup v1's net_cls or net_prio were used, an odd number (5.14
	 * and before) stands in the pointer's place. */
	if (cgroup && !((__u64)cgroup & 1))
		who->cgroup = BPF_CORE_READ(cgroup, kn, id);
}

/* A connection may be given another congestion control in mid-life. */
static __always_inline void refresh_cc(struct who *who, const struct subject *it)
{
	if (context)
		read_cc(who->cc, it->sk);
}

/* A connecting socket's first event comes within connect() or sendto(), so the
 * task is its process's; at no other event is it known whose the task is. MPTCP's
 * further subflows are connected by the kernel itself, which is nobody. */
static __always_inline void read_process(struct who *who)
{
	struct task_struct *leader = (struct task_struct *)bpf_get_current_task();

	if (BPF_CORE_READ(leader, flags) & PF_KTHREAD)
		return;
	leader = BPF_CORE_READ(leader, group_leader);
	who->pid = BPF_CORE_READ(leader, tgid);
	BPF_CORE_READ_STR_INTO((char(*)[16])who->comm, leader, comm);
}

#endif
