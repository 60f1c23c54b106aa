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
	__u64 cookie; /* 0: not known */
	__u8 laddr[16]; /* 4 bytes used for AF_INET */
	__u8 raddr[16];
	__u16 lport; /* host order, 0: not known yet */
	__u16 rport;
	__u32 netns; /* inode number of the network namespace */
	__u8 family;
	__u8 flags;
	__u8 first_state; /* when the record began */
	__u8 unused;
	__u32 surveyed; /* the last survey that met the socket */
	__u64 guard_tail;
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
};

#define SPELL_SLOTS 64

/* Ended spells by length: slot n counts lengths of 2^n to 2^(n+1)-1 units,
 * slot 0 those of 0 as well. */
struct spell_slots {
	__u64 count[SPELL_SLOTS];
};

_Static_assert(sizeof(struct tally) == 72, "tally");
_Static_assert(sizeof(struct flow) == 232, "flow");
_Static_assert(sizeof(struct ended_key) == 16, "ended_key");
_Static_assert(sizeof(struct counters) == 56, "counters");
_Static_assert(sizeof(struct spell_slots) == 512, "spell_slots");

#endif
