/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * What the programs and user space hand each other: plain structs of fixed
 * layout, decoded by src/wire.rs. Times are CLOCK_MONOTONIC nanoseconds.
 */
#ifndef TCPCONG_WIRE_H
#define TCPCONG_WIRE_H

/* The states are the kernel's own numbers, include/uapi/linux/tcp.h. */
#define STATES 5
/* Stands in the state's place once the life has ended. */
#define STATE_ENDED 7

/* A moment and the state that began at it, in one word, so that neither can be
 * seen without the other. 61 bits of nanoseconds are 73 years of uptime. */
#define SPELL(ns, state) ((ns) << 3 | (state))
#define SPELL_SINCE(spell) ((spell) >> 3)
#define SPELL_STATE(spell) ((spell) & 7)

/* The open spell's beginning was not seen: its state was found later. */
#define TALLY_FOUND_LATE 1
/* Where the flags keep the state in which the life ended. */
#define TALLY_LAST_STATE_SHIFT 8

/* The cumulative figures of one flow. They only grow. */
struct tally {
	__u64 spell;            /* the open spell, SPELL() */
	__u64 spent_ns[STATES]; /* by state, in the spells that have ended */
	__u32 changes;          /* transitions */
	__u32 repeated_rtos;    /* Loss set again while in Loss */
	__u32 missed;           /* transitions learned of only afterwards */
	__u32 flags;
	__u64 doubtful_ns;      /* time that may belong to another state */
};

#define FLOW_ENDS_KNOWN 1 /* addresses and ports are the connection's own */
#define FLOW_FOUND 2      /* its birth was not seen */

/* Whether an undo_marker was there when the present Recovery or Loss began. */
enum {
	UNDO_NO,
	UNDO_ARMED,
	UNDO_UNKNOWN, /* its beginning was not seen */
};

/* Who a flow is between, and whose. */
struct who {
	__u64 cookie; /* 0: not known */
	__u8 laddr[16]; /* 4 bytes used for AF_INET */
	__u8 raddr[16];
	__u16 lport; /* host order, 0: not known yet */
	__u16 rport;
	__u32 netns;   /* inode number of the network namespace */
	__u64 cgroup;  /* kernfs id, the inode number of its folder; 0: not known */
	__u64 cc[2];   /* the congestion control's name; "": not known */
	__u8 comm[16]; /* of the process that connected it, then */
	__u32 pid;     /* and its id; 0: not known */
	__u8 family;
	__u8 unused[3];
};

/* A socket's own account, cumulative. Times are in ticks (jiffies). */
struct account {
	__u32 chrono[3]; /* sending; limited by the receiver; by the send buffer */
	__u32 delivered; /* segments that were acknowledged */
	__u32 retransmitted; /* segments that were sent again */
};

/* What of it came while the socket was observed, by congestion state. */
struct cost {
	struct account last; /* as it stood when last looked at */
	__u32 open_ticks[3]; /* while in Open */
	__u32 other_ticks[3];
	__u32 delivered[STATES];
	__u32 retransmitted[STATES];
	__u32 late_ms; /* so long after the record's beginning it was opened */
};

/* A socket's account as a survey found it that may not write it down: without the
 * socket's lock an event may be under way. */
struct glance {
	__u64 socket;
	__u64 born_ns;
	struct account account;
	__u32 unused;
};

/* One TCP socket's life. */
struct flow {
	/* Both guards are odd while the record is being written and go up by two
	 * with each write: a reader whose two copies differ, or are odd, has a
	 * torn copy, whichever way the copying went. */
	__u64 guard_head;
	__u64 born_ns; /* or since when the tool has known it */
	struct tally now;
	/* The figures as they stood at this boundary, kept by the first event
	 * after it, so that a report is of one instant though reading takes time. */
	__u64 frozen_at;
	struct tally frozen;
	struct who who;
	struct cost cost; /* all 0 where it was not asked for */
	/* From here on in one cache line with the guard, as each event takes both. */
	__u32 surveyed;   /* the last survey that met the socket */
	__u8 flags;       /* FLOW_ */
	__u8 first_state; /* when the record began */
	/* For telling the next transition's cause; see explain.h. */
	__u8 undo;
	/* Of calls that may set the state: how many are under way; see events.h. */
	__u8 depth;
	__u32 cwnd;     /* after the last transition; 0: none was told */
	__u32 ssthresh;
	__u64 guard_tail;
};

/* Why a transition was made. */
enum {
	CAUSE_UNKNOWN,
	CAUSE_RTO,
	CAUSE_RTO_REPEAT,
	CAUSE_SYN_TIMEOUT,
	CAUSE_PMTU,
	CAUSE_FAST_RETRANSMIT,
	CAUSE_RACK_TIMER,
	CAUSE_ECN,
	CAUSE_LOCAL_DROP,
	CAUSE_TLP,
	CAUSE_REORDERING,
	CAUSE_RECOVERED,
	CAUSE_UNDO, /* the window was restored, and how is not known, or: */
	CAUSE_UNDO_DSACK,
	CAUSE_UNDO_TIMESTAMPS,
	CAUSE_UNDO_FRTO,
	CAUSE_TFO_FAIL,
	CAUSE_NONE, /* no transition was seen: a spell ended nevertheless */
};

/* One transition, or Loss set again, as it is told; or, where `cause` is
 * CAUSE_NONE, the end of a spell alone, without figures: with the life, `to` being
 * STATE_ENDED, or because the socket was found in another state. */
struct transition {
	__u64 at_ns;
	__u64 socket;
	__u64 born_ns;
	__u64 spell_ns; /* of the spell that ended, or goes on where from == to */
	struct who who;
	/* Segments, as the kernel counts them; 0 before: not known. */
	__u32 cwnd_before, cwnd_after;
	__u32 ssthresh_before, ssthresh_after;
	__u32 packets_out, sacked_out, lost_out, retrans_out;
	__u32 srtt_us;
	__u8 from, to;
	__u8 cause; /* CAUSE_ */
	__u8 exact; /* the spell's beginning was seen */
};

/* The key of a life that is over: the socket's address alone may be in use
 * again. */
struct ended_key {
	__u64 socket;
	__u64 born_ns;
};

/* What the programs could not do, and what they did not list; per CPU. */
struct counters {
	__u64 births_refused;     /* no room in the map */
	__u64 births_missed;      /* sockets found that had no record but should */
	__u64 ends_missed;        /* records found whose socket was gone */
	__u64 transitions_missed;
	__u64 events_unaccounted; /* transitions of sockets without a record */
	__u64 ends_refused;       /* records of ended flows lost for lack of room */
	__u64 ended_quiet;        /* flows that ended without leaving Open */
	__u64 transitions_untold; /* for lack of room in the ring buffer */
	__u64 calls_lost;         /* returns of calls that no one noted */
};

#define SPELL_SLOTS 64

/* Ended spells by length: slot n counts lengths of 2^n to 2^(n+1)-1 units,
 * slot 0 those of 0 as well. */
struct spell_slots {
	__u64 count[SPELL_SLOTS];
};

_Static_assert(sizeof(struct tally) == 72, "tally");
_Static_assert(sizeof(struct who) == 96, "who");
_Static_assert(sizeof(struct glance) == 40, "glance");
_Static_assert(sizeof(struct flow) == 376, "flow");
_Static_assert(sizeof(struct transition) == 168, "transition");
_Static_assert(sizeof(struct ended_key) == 16, "ended_key");
_Static_assert(sizeof(struct counters) == 72, "counters");
_Static_assert(sizeof(struct spell_slots) == 512, "spell_slots");

#endif
