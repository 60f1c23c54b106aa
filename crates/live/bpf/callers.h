/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * Learns of transitions where tcp_set_ca_state() is inlined (before 5.19), or
 * as if it were: looks at the socket before, within and after each call of the
 * functions of net/ipv4/tcp_input.c that hold the places where the state is
 * set. Which those are was read in 5.10; what a function is inlined into is
 * among them, as a real symbol may be inlined too (tcp_enter_cwr is, into
 * tcp_try_to_open, and with that into tcp_fastretrans_alert).
 */
#ifndef TCPCONG_CALLERS_H
#define TCPCONG_CALLERS_H

#include "emit.h"
#include "uninterrupted.h"

/*
 * The state in which each socket was last seen, without which a change could not be
 * told. Those that have none have not left Open since all sockets were met.
 */
struct watched {
	__u8 ca_state;
	/* Of calls that may set the state: how many are under way. */
	__u8 depth;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1); /* as many as flows */
	__type(key, __u64);     /* the socket's address */
	__type(value, struct watched);
} watched SEC(".maps");

/* Set before load. */
const volatile bool watches_callers = false;

/* Written by the programs: what they could not do. */
volatile __u64 sockets_refused = 0; /* for lack of room in the map */
volatile __u64 calls_lost = 0;      /* returns of calls that no one noted */

/*
 * Where a look at a socket's congestion state is taken: before or after a call of
 * a function that may set it, or in the midst of one. Outer functions are called
 * by none of the others, inner ones by others or from elsewhere.
 */
enum look {
	LOOK_BEFORE_OUTER,
	LOOK_AFTER_OUTER,
	LOOK_AFTER_LOSS, /* the same, and it has set Loss */
	LOOK_BEFORE_INNER,
	LOOK_AFTER_INNER,
	LOOK_WITHIN,  /* before one that is looked at only there */
	LOOK_RETURNED, /* after one that is looked at only there */
};

/*
 * Keeps count of the calls under way, as far as they are seen. Returns whether
 * none was: then nothing can have set the state since the last look, unless it
 * went unseen.
 */
static __always_inline bool is_from_outside(struct watched *w, enum look look)
{
	__u8 depth = w->depth;

	switch (look) {
	case LOOK_BEFORE_OUTER:
		w->depth = 1;
		return true;
	case LOOK_AFTER_OUTER:
	case LOOK_AFTER_LOSS:
		w->depth = 0;
		return false;
	case LOOK_BEFORE_INNER:
		w->depth = depth + 1;
		return !depth;
	case LOOK_AFTER_INNER:
		w->depth = depth ? depth - 1 : 0;
		return false;
	case LOOK_WITHIN:
		return !depth;
	default:
		return false;
	}
}

/* Begins to watch a socket. Returns whether there is room. */
static __always_inline bool watch(const struct subject *s, __u8 depth)
{
	struct watched fresh = { .ca_state = s->ca_state, .depth = depth };
	__u64 key = (__u64)s->tp;

	if (!bpf_map_update_elem(&watched, &key, &fresh, BPF_NOEXIST))
		return true;
	__sync_fetch_and_add(&sockets_refused, 1);
	return false;
}

/* The first look at a socket. After a call it is too late to tell in which state it was
 * before, unless that can only have been Open. */
static __always_inline void look_first(const struct subject *s, enum look look, bool early,
				       enum place place)
{
	bool enters = look == LOOK_BEFORE_OUTER || look == LOOK_BEFORE_INNER;

	if (early) {
		if (watch(s, enters))
			emit_found(s);
	} else if (s->ca_state != TCP_CA_Open && all_met && !sockets_refused) {
		if (watch(s, 0))
			emit_transition(s, TCP_CA_Open, s->ca_state, place);
	}
}

/*
 * What a look finds changed has changed just now, but for one from outside. Two
 * changes between two looks are one, or none; that is what this way of learning
 * cannot see. `early`: before a call. Not inlined: one copy for all the programs below.
 */
static __noinline int on_probe(struct sock *sk, enum look look, bool early, enum place place)
{
	__u64 key = (__u64)sk;
	struct watched *w;
	struct subject s;
	bool outside;
	__u8 old;

	if (!started)
		return 0;
	s = untyped_subject(sk);
	if (!lives(s.tcp_state))
		return 0;
	w = bpf_map_lookup_elem(&watched, &key);
	if (!w) {
		look_first(&s, look, early, place);
		return 0;
	}
	outside = is_from_outside(w, look);
	old = w->ca_state;
	if (old == s.ca_state && look != LOOK_AFTER_LOSS)
		return 0;
	w->ca_state = s.ca_state;
	if (outside && old != s.ca_state)
		emit_found(&s);
	else
		emit_transition(&s, old, s.ca_state, place);
	return 0;
}

/* The socket's life begins or ends. */
static __always_inline void unwatch(const struct subject *s)
{
	__u64 key = (__u64)s->tp;

	if (watches_callers)
		bpf_map_delete_elem(&watched, &key);
}

/*
 * A kretprobe is not told the arguments, so its function's kprobe leaves the
 * socket here: under the place on the stack at which the call returns, which is
 * no other call's while this one lasts, whatever interrupts or nests.
 */
struct frame {
	__u64 stack;
	__u64 function;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH); /* so that what a skipped run left goes */
	__uint(max_entries, 4096);
	__type(key, struct frame);
	__type(value, __u64); /* the socket's address */
} frames SEC(".maps");

/* The stack pointer after the return, as the entry's probe can tell it. */
#if defined(bpf_target_x86)
#define RETURN_STACK(ctx) (PT_REGS_SP(ctx) + 8) /* the call pushed its return address */
#else
#define RETURN_STACK(ctx) PT_REGS_SP(ctx)
#endif

static __noinline int call(struct sock *sk, __u64 stack, __u64 function)
{
	struct frame frame = { .stack = stack, .function = function };
	__u64 value = (__u64)sk;

	bpf_map_update_elem(&frames, &frame, &value, BPF_ANY);
	return 0;
}

static __noinline int returned(__u64 stack, __u64 function, enum look look, enum place place)
{
	struct frame frame = { .stack = stack, .function = function };
	__u64 *value = bpf_map_lookup_elem(&frames, &frame);

	if (!value) {
		/* The kernel has skipped the program at the entry. */
		if (started)
			__sync_fetch_and_add(&calls_lost, 1);
		return 0;
	}
	on_probe((struct sock *)*value, look, false, place);
	bpf_map_delete_elem(&frames, &frame);
	return 0;
}

/* The numbers that tell the functions apart in struct frame. */
enum function {
	FASTRETRANS_ALERT,
	ENTER_LOSS,
	PROCESS_TLP_ACK,
	ENTER_RECOVERY,
	ENTER_CWR,
	SIMPLE_RETRANSMIT,
	SYNRECV_FASTOPEN,
	UNDO_RECOVERY,
	UNDO_LOSS,
	STATE_PROCESS,
};

#define FENTRY(name, look, place)                                              \
	SEC("fentry/" #name)                                                   \
	int BPF_PROG(fentry_##name, struct sock *sk)                           \
	{                                                                      \
		return UNINTERRUPTED(on_probe(sk, look, true, place));         \
	}

#define FEXIT(name, look, place)                                               \
	SEC("fexit/" #name)                                                    \
	int BPF_PROG(fexit_##name, struct sock *sk)                            \
	{                                                                      \
		return UNINTERRUPTED(on_probe(sk, look, false, place));        \
	}

#define KPROBE(name, actions)                                                  \
	SEC("kprobe/" #name)                                                   \
	int BPF_KPROBE(kprobe_##name, struct sock *sk)                         \
	{                                                                      \
		actions;                                                       \
		return 0;                                                      \
	}

#define KRETPROBE(name, function, look, place)                                 \
	SEC("kretprobe/" #name)                                                \
	int kretprobe_##name(struct pt_regs *ctx)                              \
	{                                                                      \
		return returned(PT_REGS_SP(ctx), function, look, place);       \
	}

#define LOOK_AROUND(name, function, before, after, place)                      \
	FENTRY(name, before, PLACE_UNKNOWN)                                    \
	FEXIT(name, after, place)                                              \
	KPROBE(name, on_probe(sk, before, true, PLACE_UNKNOWN);                 \
	       call(sk, RETURN_STACK(ctx), function))                          \
	KRETPROBE(name, function, after, place)

#define LOOK_ON_RETURN(name, function, after)                                  \
	FEXIT(name, after, PLACE_UNKNOWN)                                      \
	KPROBE(name, call(sk, RETURN_STACK(ctx), function))                    \
	KRETPROBE(name, function, after, PLACE_UNKNOWN)

#define LOOK_ON_ENTRY(name, before, place)                                     \
	FENTRY(name, before, place)                                            \
	KPROBE(name, on_probe(sk, before, true, place))

/* Outer ones: called from outside of all the others. */
LOOK_AROUND(tcp_fastretrans_alert, FASTRETRANS_ALERT, LOOK_BEFORE_OUTER, LOOK_AFTER_OUTER,
	    PLACE_FASTRETRANS_ALERT)
LOOK_AROUND(tcp_enter_loss, ENTER_LOSS, LOOK_BEFORE_OUTER, LOOK_AFTER_LOSS, PLACE_UNKNOWN)
LOOK_AROUND(tcp_process_tlp_ack, PROCESS_TLP_ACK, LOOK_BEFORE_OUTER, LOOK_AFTER_OUTER,
	    PLACE_TLP_ACK)
/* Inner ones: called from within others as well, and seeing what they have set before. */
LOOK_AROUND(tcp_enter_recovery, ENTER_RECOVERY, LOOK_BEFORE_INNER, LOOK_AFTER_INNER,
	    PLACE_UNKNOWN)
LOOK_AROUND(tcp_enter_cwr, ENTER_CWR, LOOK_BEFORE_INNER, LOOK_AFTER_INNER, PLACE_ENTER_CWR)
LOOK_AROUND(tcp_simple_retransmit, SIMPLE_RETRANSMIT, LOOK_BEFORE_INNER, LOOK_AFTER_INNER,
	    PLACE_SIMPLE_RETRANSMIT)
LOOK_AROUND(tcp_rcv_synrecv_state_fastopen, SYNRECV_FASTOPEN, LOOK_BEFORE_INNER,
	    LOOK_AFTER_INNER, PLACE_UNKNOWN)
/* Called from within others alone. */
LOOK_ON_ENTRY(tcp_try_keep_open, LOOK_WITHIN, PLACE_KEEP_OPEN)
LOOK_ON_RETURN(tcp_try_undo_recovery, UNDO_RECOVERY, LOOK_RETURNED)
LOOK_ON_RETURN(tcp_try_undo_loss, UNDO_LOSS, LOOK_RETURNED)
/* Of handshakes and ends: what it sets itself, where a SYN's data was not taken, it
 * sets after all the others (tcp_rcv_fastopen_synack()). */
LOOK_ON_RETURN(tcp_rcv_state_process, STATE_PROCESS, LOOK_RETURNED)

#endif
