/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * What can happen to a socket, and the entry that reports it: emit_*() decides whether a
 * filter wants it, write_*() writes it into the log. How a program learns of it is no
 * concern of this file.
 */
#ifndef TCPCONG_EMIT_H
#define TCPCONG_EMIT_H

#include "log.h"
#include "socket.h"

/* Set before load: transitions, births and ends come with all figures. */
const volatile bool all_figures = false;

/* Written by user space while the programs run. */
volatile bool started = false; /* nothing counts before */
/*
 * User space has met every socket. Otherwise (before it has, after entries were lost
 * until it has again, and where there are namespaces that it cannot enter) a socket's ends
 * go with each of its entries.
 */
volatile bool all_met = false;

/* The first line of an entry. The clock is read once it is reserved. */
static __always_inline void fill(struct entry *e, const struct subject *s, __u8 kind, __u8 old_state,
				 __u8 new_state, __u16 lport, __u16 rport)
{
	e->at_ns = bpf_ktime_get_ns();
	e->socket = (__u64)s->tp;
	e->kind = kind;
	e->old_state = old_state;
	e->new_state = new_state;
	e->tcp_state = s->tcp_state;
	e->lport = lport;
	e->rport = rport;
	e->place = PLACE_UNKNOWN;
	e->flags = 0;
	e->pending = 0;
	e->pid = 0;
}

static __always_inline void write_endpoints(const struct subject *s, __u16 lport, __u16 rport)
{
	struct writing w;

	if (!log_reserve(&w, PART_ENDPOINTS))
		return;
	fill(w.entry, s, ENTRY_ENDPOINTS, s->ca_state, s->ca_state, lport, rport);
	w.entry->parts = PART_ENDPOINTS;
	read_cc(w.entry->name, s);
	read_endpoints(w.endpoints, s);
	log_commit(&w);
}

#define PARTS_OF_EVENT (PART_FIGURES | PART_PATH)
#define PARTS_OF_LIFE (PART_ENDPOINTS | PART_FIGURES | PART_PATH | PART_RECEIVING)

/* An entry of one line, with figures where the run wants them. */
static __always_inline void write_event(const struct subject *s, __u8 kind, __u8 old_state,
					__u8 new_state, __u16 lport, __u16 rport, __u8 place)
{
	struct writing w;
	__u8 parts = all_figures ? PARTS_OF_EVENT : 0;

	if (all_figures ? !log_reserve(&w, PARTS_OF_EVENT) : !log_reserve(&w, 0))
		return;
	fill(w.entry, s, kind, old_state, new_state, lport, rport);
	w.entry->parts = parts;
	w.entry->place = place;
	read_cc(w.entry->name, s);
	if (all_figures) {
		read_figures(w.figures, w.entry, s);
		read_path(w.path, s);
		if (kind == ENTRY_TRANSITION)
			w.path->quiet = quiet_for(s);
	}
	log_commit(&w);
}

static __always_inline void write_filtered_out(const struct subject *s, __u16 lport, __u16 rport)
{
	struct writing w;

	if (!log_reserve(&w, 0))
		return;
	fill(w.entry, s, ENTRY_FILTERED_OUT, s->ca_state, s->ca_state, lport, rport);
	w.entry->parts = 0;
	log_commit(&w);
}

/* The life ends. Its ends come with it, whatever was told before: a short life is shown
 * by them alone where the kernel has skipped the program that should have told them. */
static __always_inline void write_end(const struct subject *s, __u16 lport, __u16 rport)
{
	struct writing w;

	if (all_figures ? !log_reserve(&w, PARTS_OF_LIFE) : !log_reserve(&w, PART_ENDPOINTS))
		return;
	fill(w.entry, s, ENTRY_END, s->ca_state, s->ca_state, lport, rport);
	w.entry->parts = all_figures ? PARTS_OF_LIFE : PART_ENDPOINTS;
	read_cc(w.entry->name, s);
	read_endpoints(w.endpoints, s);
	if (all_figures) {
		read_figures(w.figures, w.entry, s);
		read_path(w.path, s);
		read_receiving(w.receiving, s);
	}
	log_commit(&w);
}

/* Whether the connection is among those of which user space has both ends only if they
 * go with what is told: it is not established yet, or was there before the tool. */
static __always_inline bool endpoints_may_be_unknown(__u8 tcp_state)
{
	return !all_met || tcp_state == TCP_SYN_SENT || tcp_state == TCP_SYN_RECV;
}

/* The congestion state becomes `new_state`, or Loss is set again. */
static __always_inline void emit_transition(const struct subject *s, __u8 old_state, __u8 new_state,
					    __u8 place)
{
	__u16 lport = lport_of(s), rport = rport_of(s);

	if (!is_wanted(s, lport, rport))
		return;
	if (endpoints_may_be_unknown(s->tcp_state))
		write_endpoints(s, lport, rport);
	write_event(s, ENTRY_TRANSITION, old_state, new_state, lport, rport, place);
}

/* The socket is in this state, whatever is known of it. */
static __always_inline void emit_found(const struct subject *s)
{
	__u16 lport = lport_of(s), rport = rport_of(s);

	if (!is_wanted(s, lport, rport))
		return;
	if (endpoints_may_be_unknown(s->tcp_state))
		write_endpoints(s, lport, rport);
	write_event(s, ENTRY_FOUND, s->ca_state, s->ca_state, lport, rport, PLACE_UNKNOWN);
}

/* A connecting socket's first event comes within connect() or sendto(), so the task is
 * its process's; at no other event is it known whose the task is. MPTCP's further
 * subflows are connected by a worker of the kernel's, which is nobody, or by whoever asks
 * the path manager to (net/mptcp/pm_netlink.c), until their owner is looked up. */
static __always_inline void read_process(struct entry *e)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct task_struct *leader;

	if (BPF_CORE_READ(task, flags) & PF_KTHREAD)
		return;
	leader = BPF_CORE_READ(task, group_leader);
	e->pid = BPF_CORE_READ(leader, tgid);
	BPF_CORE_READ_STR_INTO((char(*)[16])e->name, leader, comm);
}

static __always_inline void emit_birth_of_client(const struct subject *s, __u16 lport, __u16 rport)
{
	const __u8 both = PART_ENDPOINTS | PART_FIGURES;
	struct writing w;

	if (all_figures ? !log_reserve(&w, both) : !log_reserve(&w, PART_ENDPOINTS))
		return;
	fill(w.entry, s, ENTRY_BIRTH, s->ca_state, s->ca_state, lport, rport);
	w.entry->parts = all_figures ? both : PART_ENDPOINTS;
	w.entry->name[0] = 0;
	read_process(w.entry);
	read_endpoints(w.endpoints, s);
	/* One that is used again keeps its former life's account. */
	if (all_figures)
		read_figures(w.figures, w.entry, s);
	log_commit(&w);
}

static __always_inline void emit_birth(const struct subject *s)
{
	__u16 lport = lport_of(s), rport = rport_of(s);
	struct writing w;

	if (!may_be_wanted(s, lport, rport))
		return;
	if (s->tcp_state == TCP_SYN_SENT) {
		emit_birth_of_client(s, lport, rport);
		return;
	}
	/* An accepted one's ends are told when it is established, a moment later. */
	if (!log_reserve(&w, 0))
		return;
	fill(w.entry, s, ENTRY_BIRTH, s->ca_state, s->ca_state, lport, rport);
	w.entry->parts = 0;
	w.entry->name[0] = 0;
	log_commit(&w);
}

/*
 * The handshake is over, in one way or the other, so both ends are the connection's
 * own, which they are not at its birth: a client has no local port yet, and
 * LISTEN->SYN_RECV shows the listener's ends and cookie up to 6.12. No filter wants it:
 * those are told who may have been told of its birth.
 */
static __always_inline void emit_filtered_out(const struct subject *s, int old, __u16 lport,
					      __u16 rport)
{
	if (old != TCP_SYN_SENT && old != TCP_SYN_RECV)
		return;
	if (may_be_wanted(s, old == TCP_SYN_SENT ? 0 : lport, old == TCP_SYN_RECV ? 0 : rport))
		write_filtered_out(s, lport, rport);
}

/*
 * Whether a change of sk_state begins or ends a life, or shows both ends: whatever comes after the
 * handshake, as a child of TCP Fast Open may be closed before it is established.
 */
static __always_inline bool bears_on_life(int old, int new)
{
	return lives(old) != lives(new) || old == TCP_SYN_SENT || old == TCP_SYN_RECV;
}

/*
 * sk_state goes from `old` to `new`: the life lasts from leaving CLOSE or LISTEN until
 * entering CLOSE.
 */
static __always_inline void emit_lifecycle(struct subject *s, int old, int new)
{
	__u16 lport, rport;

	/* At ->CLOSE the port may be in inet_sport alone, whatever came before. */
	s->tcp_state = lives(old) && lives(new) ? old : new;
	if (!lives(old)) {
		emit_birth(s);
		return;
	}
	lport = lport_of(s);
	rport = rport_of(s);
	if (lives(new)) {
		if (is_wanted(s, lport, rport))
			write_endpoints(s, lport, rport);
		else
			emit_filtered_out(s, old, lport, rport);
		return;
	}
	if (is_wanted(s, lport, rport))
		write_end(s, lport, rport);
	else
		emit_filtered_out(s, old, lport, rport);
}

#endif
