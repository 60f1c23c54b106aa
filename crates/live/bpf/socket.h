/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * A socket at the moment of an event: its states, its ends, its figures, and whether a
 * filter wants it. Everything is read from the socket; nothing is kept.
 */
#ifndef TCPCONG_SOCKET_H
#define TCPCONG_SOCKET_H

#include "kernel.h"
#include "wire.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>

/* Set before load. */
const volatile __u16 lport_first = 0, lport_last = 65535;
const volatile __u16 rport_first = 0, rport_last = 65535;
/* Addresses, IPv4 ones as IPv4-mapped: those that are the same under the mask. */
struct prefix {
	__be32 address[4];
	__be32 mask[4];
	bool six; /* an IPv6 one, which no IPv4-mapped address is below */
};
const volatile struct prefix laddr_prefix = {}, raddr_prefix = {};
const volatile bool filters_addresses = false;
const volatile __u32 only_netns = 0; /* inode number; 0: all */

struct subject {
	struct tcp_sock *tp;
	/* The verifier knows the pointer's type (BTF), so that fields are loaded as they
	 * are and helpers take it. To be constant wherever it is asked. */
	bool typed;
	__u8 tcp_state;
	__u8 ca_state;
};

/* A field of struct tcp_sock, one behind a pointer in it, and one of bits. */
#define GET(s, field)                                                          \
	({                                                                     \
		struct tcp_sock *tp_ = (s)->tp;                                \
		(s)->typed ? tp_->field : BPF_CORE_READ(tp_, field);           \
	})
#define GET_BEHIND(s, pointer, field)                                          \
	({                                                                     \
		struct tcp_sock *tp_ = (s)->tp;                                \
		(s)->typed ? tp_->pointer->field : BPF_CORE_READ(tp_, pointer, field); \
	})
#define GET_BITS(s, field)                                                     \
	({                                                                     \
		struct tcp_sock *tp_ = (s)->tp;                                \
		(s)->typed ? BPF_CORE_READ_BITFIELD(tp_, field) :              \
			     BPF_CORE_READ_BITFIELD_PROBED(tp_, field);        \
	})
#define COMMON(field) inet_conn.icsk_inet.sk.__sk_common.field

/* A socket whose type the verifier knows. */
static __always_inline struct subject typed_subject(struct tcp_sock *tp)
{
	return (struct subject){
		.tp = tp,
		.typed = true,
		.tcp_state = tp->COMMON(skc_state),
		.ca_state = BPF_CORE_READ_BITFIELD(&tp->inet_conn, icsk_ca_state),
	};
}

/* A socket to which a program has no more than its address. */
static __always_inline struct subject untyped_subject(const void *sk)
{
	struct inet_connection_sock *icsk = (struct inet_connection_sock *)sk;

	return (struct subject){
		.tp = (struct tcp_sock *)sk,
		.tcp_state = BPF_CORE_READ((struct sock *)sk, __sk_common.skc_state),
		.ca_state = BPF_CORE_READ_BITFIELD_PROBED(icsk, icsk_ca_state),
	};
}

static __always_inline bool lives(__u8 tcp_state)
{
	return tcp_state != TCP_CLOSE && tcp_state != TCP_LISTEN;
}

/*
 * The local port, host order. In SYN_SENT before it is chosen inet_sport may be a
 * former connection's, and at ->CLOSE skc_num is 0 already (inet_put_port()), so the
 * one stands in for the other.
 */
static __always_inline __u16 lport_of(const struct subject *s)
{
	__u16 num = GET(s, COMMON(skc_num));

	if (!num && s->tcp_state != TCP_SYN_SENT)
		num = bpf_ntohs(GET(s, inet_conn.icsk_inet.inet_sport));
	return num;
}

static __always_inline __u16 rport_of(const struct subject *s)
{
	return bpf_ntohs(GET(s, COMMON(skc_dport)));
}

static __always_inline __u32 netns_of(const struct subject *s)
{
	return GET_BEHIND(s, COMMON(skc_net.net), ns.inum);
}

/* As IPv4-mapped ones where they are IPv4's. Without CONFIG_IPV6 there are no fields
 * for others, nor such sockets. */
static __always_inline __u8 read_addresses(__be32 laddr[4], __be32 raddr[4],
					   const struct subject *s)
{
	__u8 family = GET(s, COMMON(skc_family));

	if (family == AF_INET6 && bpf_core_field_exists(struct sock_common, skc_v6_daddr)) {
		laddr[0] = GET(s, COMMON(skc_v6_rcv_saddr.in6_u.u6_addr32[0]));
		laddr[1] = GET(s, COMMON(skc_v6_rcv_saddr.in6_u.u6_addr32[1]));
		laddr[2] = GET(s, COMMON(skc_v6_rcv_saddr.in6_u.u6_addr32[2]));
		laddr[3] = GET(s, COMMON(skc_v6_rcv_saddr.in6_u.u6_addr32[3]));
		raddr[0] = GET(s, COMMON(skc_v6_daddr.in6_u.u6_addr32[0]));
		raddr[1] = GET(s, COMMON(skc_v6_daddr.in6_u.u6_addr32[1]));
		raddr[2] = GET(s, COMMON(skc_v6_daddr.in6_u.u6_addr32[2]));
		raddr[3] = GET(s, COMMON(skc_v6_daddr.in6_u.u6_addr32[3]));
	} else {
		laddr[0] = raddr[0] = laddr[1] = raddr[1] = 0;
		laddr[2] = raddr[2] = bpf_htonl(0xffff);
		laddr[3] = GET(s, COMMON(skc_rcv_saddr));
		raddr[3] = GET(s, COMMON(skc_daddr));
	}
	return family;
}

static __always_inline bool ports_match(__u16 lport, __u16 rport)
{
	return lport >= lport_first && lport <= lport_last &&
	       rport >= rport_first && rport <= rport_last;
}

static __always_inline bool address_matches(const __be32 address[4],
					    const volatile struct prefix *prefix)
{
	if (prefix->six && !address[0] && !address[1] && address[2] == bpf_htonl(0xffff))
		return false;
	return (address[0] & prefix->mask[0]) == prefix->address[0] &&
	       (address[1] & prefix->mask[1]) == prefix->address[1] &&
	       (address[2] & prefix->mask[2]) == prefix->address[2] &&
	       (address[3] & prefix->mask[3]) == prefix->address[3];
}

/* Whether filters want the connection, once both ends are its own. */
static __always_inline bool is_wanted(const struct subject *s, __u16 lport, __u16 rport)
{
	__be32 laddr[4], raddr[4];

	if (!ports_match(lport, rport))
		return false;
	if (only_netns && netns_of(s) != only_netns)
		return false;
	if (!filters_addresses)
		return true;
	read_addresses(laddr, raddr, s);
	return address_matches(laddr, &laddr_prefix) && address_matches(raddr, &raddr_prefix);
}

/* Whether they may want it, where a port may not be known yet. LISTEN->SYN_RECV shows
 * the listener's ends up to 6.12. */
static __always_inline bool may_be_wanted(const struct subject *s, __u16 lport, __u16 rport)
{
	return ports_match(lport ? lport : lport_first, rport ? rport : rport_first) &&
	       (!only_netns || netns_of(s) == only_netns);
}

static __always_inline void read_cc(__u8 name[16], const struct subject *s)
{
	struct tcp_sock *tp = s->tp;
	__u64 *to = (__u64 *)name;

	if (s->typed) {
		const __u64 *from = (const __u64 *)tp->inet_conn.icsk_ca_ops->name;

		to[0] = from[0];
		to[1] = from[1];
	} else {
		BPF_CORE_READ_INTO((char(*)[16])name, tp, inet_conn.icsk_ca_ops, name);
	}
}

/* 0 where it is not known: before 5.12, and for an untyped pointer, it shows only once
 * somebody has asked for it (net/core/sock_diag.c). */
static __always_inline __u64 cookie_of(const struct subject *s)
{
#ifndef RING
	if (s->typed)
		return bpf_get_socket_cookie(s->tp);
#endif
	return GET(s, COMMON(skc_cookie.counter));
}

static __always_inline __u64 cgroup_of(const struct subject *s)
{
	struct tcp_sock *tp = s->tp;
	struct cgroup *cgroup;

	if (!bpf_core_field_exists(struct sock_cgroup_data, cgroup))
		return 0;
	/* Once cgroup v1's net_cls or net_prio were used, an odd number (5.14 and before)
	 * stands in the pointer's place: a typed load from there yields 0. */
	if (s->typed)
		return tp->inet_conn.icsk_inet.sk.sk_cgrp_data.cgroup->kn->id;
	cgroup = BPF_CORE_READ(tp, inet_conn.icsk_inet.sk.sk_cgrp_data.cgroup);
	return (__u64)cgroup & 1 ? 0 : BPF_CORE_READ(cgroup, kn, id);
}

/* Those with a link-local peer are always bound to an interface (net/ipv6/tcp_ipv6.c,
 * tcp_v6_connect() and tcp_v6_init_req()). */
static __always_inline void read_endpoints(struct endpoints *e, const struct subject *s)
{
	int ifindex = GET(s, COMMON(skc_bound_dev_if));

	e->family = read_addresses((__be32 *)e->laddr, (__be32 *)e->raddr, s);
	e->unused = 0;
	e->ifindex = ifindex > 0xffff ? 0 : ifindex;
	e->netns = netns_of(s);
	e->cookie = cookie_of(s);
	e->cgroup = cgroup_of(s);
}

/* The running part of the chronograph is added, as tcp_get_info_chrono_stats() does
 * (net/ipv4/tcp.c). Its types: 1 busy, 2 limited by the receiver, 3 by the send buffer. */
static __always_inline void read_account(struct figures *f, const struct subject *s)
{
	__u32 running = GET_BITS(s, chrono_type);
	__u32 ran = (__u32)bpf_jiffies64() - GET(s, chrono_start);

	f->chrono_stat[0] = GET(s, chrono_stat[0]) + (running == 1 ? ran : 0);
	f->chrono_stat[1] = GET(s, chrono_stat[1]) + (running == 2 ? ran : 0);
	f->chrono_stat[2] = GET(s, chrono_stat[2]) + (running == 3 ? ran : 0);
	f->delivered = GET(s, delivered);
	f->total_retrans = GET(s, total_retrans);
}

/*
 * Whether the peer has just not taken the data of the SYN: nothing but the SYN was
 * acknowledged so far (tcp_rcv_fastopen_synack(), net/ipv4/tcp_input.c).
 */
static __always_inline bool tfo_failed(const struct subject *s)
{
	return bpf_core_field_exists(struct tcp_sock, fastopen_client_fail) &&
	       GET_BITS(s, fastopen_client_fail) && GET(s, bytes_acked) <= 1;
}

/* Everything by which causes and costs are told, of the entry's own line as well. */
static __always_inline void read_figures(struct figures *f, struct entry *e,
					 const struct subject *s)
{
	read_account(f, s);
	f->snd_cwnd = GET(s, snd_cwnd);
	f->snd_ssthresh = GET(s, snd_ssthresh);
	f->prior_cwnd = GET(s, prior_cwnd);
	f->srtt_us = GET(s, srtt_us);
	f->packets_out = GET(s, packets_out);
	f->sacked_out = GET(s, sacked_out);
	f->lost_out = GET(s, lost_out);
	f->retrans_out = GET(s, retrans_out);
	f->undo_retrans = GET(s, undo_retrans);
	e->retrans_stamp = GET(s, retrans_stamp);
	e->rcv_tsecr = GET(s, rx_opt.rcv_tsecr);
	e->pending = GET(s, inet_conn.icsk_pending);
	e->flags = (GET(s, undo_marker) ? FLAG_UNDO_MARKER : 0) |
		   (GET_BITS(s, rx_opt.saw_tstamp) ? FLAG_TIMESTAMPS : 0) |
		   (GET_BITS(s, frto) ? FLAG_FRTO : 0) |
		   (tfo_failed(s) ? FLAG_TFO_FAILED : 0) |
		   (GET(s, rcv_tstamp) == (__u32)bpf_jiffies64() ? FLAG_ACK_NOW : 0);
}

/* A counter that a later kernel brought, or a build may leave out. */
#define GET_IF(s, field) \
	(bpf_core_field_exists(struct tcp_sock, field) ? GET(s, field) : 0)

/* __tcp_transmit_skb() notes when data was sent, retransmissions too (lsndtime), and
 * tcp_ack() when an ACK came (rcv_tstamp). */
static __always_inline __u32 quiet_for(const struct subject *s)
{
	__u32 now = (__u32)bpf_jiffies64();
	__u32 since_ack = now - GET(s, rcv_tstamp), since_sent = now - GET(s, lsndtime);

	return since_ack < since_sent ? since_ack : since_sent;
}

/* sk_stream_wait_memory() and tcp_poll() set it, and sk_stream_write_space() takes it away
 * (net/core/stream.c). A socket that nobody has open any more has no struct socket: 0 is read. */
static __always_inline bool awaits_space(const struct subject *s)
{
	return GET_BEHIND(s, inet_conn.icsk_inet.sk.sk_socket, flags) & 1UL << SOCK_NOSPACE;
}

static __always_inline void read_path(struct path *p, const struct subject *s)
{
	p->bytes_acked = GET(s, bytes_acked);
	p->rtt_min = GET(s, rtt_min.s[0].v);
	p->rate_delivered = GET(s, rate_delivered);
	p->rate_interval_us = GET(s, rate_interval_us);
	p->delivered_ce = GET(s, delivered_ce);
	p->dsack_dups = GET(s, dsack_dups);
	p->reord_seen = GET(s, reord_seen);
	p->snd_wnd = GET(s, snd_wnd);
	p->unsent = GET(s, write_seq) - GET(s, snd_nxt);
	p->quiet = 0;
	p->total_rto_time = GET_IF(s, total_rto_time);
	p->rto = GET(s, inet_conn.icsk_rto);
	p->mss_cache = GET(s, mss_cache);
	p->flags = (GET_BITS(s, is_cwnd_limited) ? PATH_CWND_LIMITED : 0) |
		   (GET_BITS(s, rate_app_limited) ? PATH_APP_LIMITED : 0);
	p->retransmits = GET(s, inet_conn.icsk_retransmits);
}

/* The window as tcp_receive_window() has it (include/net/tcp.h). */
static __always_inline void read_receiving(struct receiving *r, const struct subject *s)
{
	__u32 next = GET(s, rcv_nxt);
	__s32 window = GET(s, rcv_wup) + GET(s, rcv_wnd) - next;
	__s32 unread = next - GET(s, copied_seq);
	bool nothing_to_send = GET(s, snd_una) == GET(s, write_seq);

	r->bytes_received = GET(s, bytes_received);
	r->rcv_ooopack = GET_IF(s, rcv_ooopack);
	r->data_segs_in = GET(s, data_segs_in);
	/* A FIN is none of the application's bytes (tcp_inq(), net/ipv4/tcp.c). */
	if (s->tcp_state == TCP_CLOSE_WAIT || s->tcp_state == TCP_LAST_ACK ||
	    s->tcp_state == TCP_CLOSING)
		unread--;
	r->unread = unread > 0 ? unread : 0;
	r->window = window > 0 ? window : 0;
	r->window_clamp = GET(s, window_clamp);
	r->rcv_rtt = GET(s, rcv_rtt_est.rtt_us);
	r->rcv_space = GET(s, rcvq_space.space);
	r->rcvbuf = GET(s, inet_conn.icsk_inet.sk.sk_rcvbuf);
	r->err = GET(s, inet_conn.icsk_inet.sk.sk_err);
	r->err_soft = GET(s, inet_conn.icsk_inet.sk.sk_err_soft);
	r->probes_out = GET(s, inet_conn.icsk_probes_out);
	r->backoff = GET(s, inet_conn.icsk_backoff);
	r->flags = (GET_BITS(s, inet_conn.icsk_inet.sk.sk_userlocks) & SOCK_RCVBUF_LOCK ?
			    RECEIVING_BUFFER_LOCKED : 0) |
		   (nothing_to_send ? RECEIVING_KEEPALIVE : 0);
	r->unused = 0;
	r->max_pacing_rate = GET(s, inet_conn.icsk_inet.sk.sk_max_pacing_rate);
}

#endif
