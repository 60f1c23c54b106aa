/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * Meets every TCP socket of the namespace in which its iterator was made
 * (net/ipv4/tcp_ipv4.c, bpf_iter_tcp_seq_show()), and tells what it is and how it is.
 */
#ifndef TCPCONG_SURVEY_H
#define TCPCONG_SURVEY_H

#include "callers.h"
#include "emit.h"

/* From 5.15 on the iterator holds each socket's lock, so no event is under way. */
static __always_inline bool holds_lock(void)
{
	return bpf_core_type_exists(struct bpf_tcp_iter_state);
}

/*
 * Without the lock the chronograph may be changed meanwhile. A reading that has one part
 * of it from before and one from after is off by the whole of a run, and the next one is
 * not: two that agree, but for a tick, are right. Returns whether there were two.
 */
static __always_inline bool agrees(const struct figures *f, const struct subject *s)
{
	struct figures again = {};

	read_account(&again, s);
	return again.chrono_stat[0] - f->chrono_stat[0] <= 1 &&
	       again.chrono_stat[1] - f->chrono_stat[1] <= 1 &&
	       again.chrono_stat[2] - f->chrono_stat[2] <= 1;
}

/* Where it goes without the lock an event may come in between: the state that an entry
 * has was there before its time. */
SEC("iter/tcp")
int survey(struct bpf_iter__tcp *ctx)
{
	struct sock_common *skc = ctx->sk_common;
	__u64 size = all_figures ? sizeof(struct seen) : offsetof(struct seen, figures);
	struct seen seen = {};
	struct tcp_sock *tp;
	__u16 lport, rport;
	struct subject s;
	__u64 key;

	if (!skc)
		return 0;
	tp = bpf_skc_to_tcp_sock(skc); /* not for TIME_WAIT and request sockets */
	if (!tp)
		return 0;
	s = typed_subject(tp);
	key = (__u64)tp;
	if (!lives(s.tcp_state))
		return 0;
	lport = lport_of(&s);
	rport = rport_of(&s);
	fill(&seen.entry, &s, ENTRY_SEEN, s.ca_state, s.ca_state, lport, rport);
	if (!is_wanted(&s, lport, rport)) {
		/* Its birth may have been told before it had a local port. */
		if (s.tcp_state != TCP_SYN_SENT || !may_be_wanted(&s, 0, rport))
			return 0;
		seen.entry.kind = ENTRY_FILTERED_OUT;
	}
	seen.entry.parts = all_figures ? PARTS_OF_LIFE : PART_ENDPOINTS;
	read_cc(seen.entry.name, &s);
	read_endpoints(&seen.endpoints, &s);
	if (all_figures) {
		read_figures(&seen.figures, &seen.entry, &s);
		read_path(&seen.path, &s);
		/* Nobody asks for it at an event. */
		seen.path.flags |= awaits_space(&s) ? PATH_NO_SPACE : 0;
		read_receiving(&seen.receiving, &s);
	}
	if (!holds_lock()) {
		seen.entry.flags |= FLAG_UNLOCKED;
		if (all_figures && !agrees(&seen.figures, &s))
			seen.entry.flags |= FLAG_ACCOUNT_UNSURE;
	}
	if (watches_callers && s.ca_state != TCP_CA_Open && !bpf_map_lookup_elem(&watched, &key))
		watch(&s, 0);
	bpf_seq_write(ctx->meta->seq, &seen, size);
	return 0;
}

#endif
