/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * What the programs tell user space: entries of a log, plain structs of fixed
 * layout, decoded by src/kernel/wire.rs. Times are CLOCK_MONOTONIC nanoseconds.
 * Not here: how entries get there (log.h), and what they mean
 * (crates/core/src/model/).
 */
#ifndef TCPCONG_WIRE_H
#define TCPCONG_WIRE_H

/*
 * An entry is one line that says what happened to which socket, and the parts that
 * go with it, a line each. A line is a cache line. Once it is complete, `commit` is the
 * line's number in its CPU's log plus one, with PART_BIT if it is a part, and above that
 * the entry's number, as far as there is room.
 */
#define LINE_BYTES 64
#define PART_BIT (1ULL << 43)
#define ENTRY_SHIFT 44

/* What happened. The states are the kernel's own numbers (enum tcp_ca_state,
 * include/uapi/linux/tcp.h). */
enum entry_kind {
	ENTRY_NONE,
	ENTRY_BIRTH,     /* the life begins; with the endpoints where it connects */
	ENTRY_ENDPOINTS, /* both ends are the connection's own by now */
	ENTRY_FILTERED_OUT, /* they show that a filter does not want it */
	ENTRY_TRANSITION, /* old_state to new_state; Loss to Loss: a repeated RTO */
	ENTRY_FOUND,     /* the socket is in new_state, whatever was told before */
	ENTRY_END,       /* the life ends in new_state */
	ENTRY_SEEN,      /* a survey has met the socket in new_state */
};

/* The parts that follow an entry's first line, in this order. */
#define PART_ENDPOINTS 1
#define PART_FIGURES 2
#define PART_PATH 4
#define PART_RECEIVING 8

/* Where the transition was made, as far as that is known and tells its cause. */
enum place {
	PLACE_UNKNOWN,
	PLACE_FASTRETRANS_ALERT,
	PLACE_TLP_ACK,
	PLACE_KEEP_OPEN,
	PLACE_ENTER_CWR,
	PLACE_SIMPLE_RETRANSMIT,
	PLACE_TRANSMIT,
	PLACE_ACK,
};

#define FLAG_UNDO_MARKER 1 /* a reduction can be undone */
#define FLAG_TIMESTAMPS 2  /* the last segment had them */
#define FLAG_FRTO 4        /* F-RTO is under way */
#define FLAG_TFO_FAILED 8  /* the peer has just not taken the data of the SYN */
#define FLAG_ACK_NOW 16    /* an ACK came in this jiffy */
#define FLAG_UNLOCKED 32   /* read without the socket's lock */
#define FLAG_ACCOUNT_UNSURE 64 /* the account was being changed meanwhile */

struct entry {
	__u64 commit;
	__u64 at_ns;
	__u64 socket; /* its address in the kernel */
	__u8 kind;    /* ENTRY_ */
	__u8 old_state;
	__u8 new_state;
	__u8 tcp_state; /* sk_state at the event */
	__u16 lport; /* host order, 0: not known */
	__u16 rport;
	/* The congestion control's name; of ENTRY_BIRTH the process's that connects. */
	__u8 name[16];
	__u8 parts;   /* PART_ */
	__u8 place;   /* PLACE_ */
	__u8 flags;   /* FLAG_ */
	__u8 pending; /* icsk_pending */
	__u32 pid;    /* ENTRY_BIRTH: of the process that connects; 0: not known */
	__u32 retrans_stamp; /* with figures */
	__u32 rcv_tsecr;
};

struct endpoints {
	__u64 commit;
	__u8 laddr[16]; /* IPv4 ones as IPv4-mapped, whatever the family */
	__u8 raddr[16];
	__u64 cookie; /* 0: not known */
	__u64 cgroup; /* kernfs id, the inode number of its folder; 0: not known */
	__u32 netns;  /* inode number of the network namespace */
	__u8 family;
	__u8 unused;
	__u16 ifindex; /* of the interface that it is bound to; 0: none, or beyond 16 bits */
};

/* struct tcp_sock's fields under their own names; segments, but for srtt_us, which is
 * kept in eighths of microseconds, and chrono_stat. */
struct figures {
	__u64 commit;
	__u32 snd_cwnd, snd_ssthresh, prior_cwnd;
	__u32 srtt_us;
	__u32 packets_out, sacked_out, lost_out, retrans_out;
	__u32 undo_retrans;
	/* Cumulative; times in jiffies, the one that is running included: sending,
	 * limited by the receiver, limited by the send buffer. */
	__u32 delivered, total_retrans;
	__u32 chrono_stat[3];
};

#define PATH_CWND_LIMITED 1 /* the congestion window was the limit */
#define PATH_APP_LIMITED 2  /* the last rate sample was taken while there was too little to send */
#define PATH_NO_SPACE 4     /* surveys: a writer or a poller found no room in the send buffer */

/* What the way to the peer is like, under the kernel's own names where there are such. */
struct path {
	__u64 commit;
	__u64 bytes_acked;
	__u32 rtt_min; /* over the last five minutes (net.ipv4.tcp_min_rtt_wlen), microseconds */
	__u32 rate_delivered, rate_interval_us; /* the last rate sample: segments, and in what time */
	__u32 delivered_ce; /* segments that arrived with an ECN mark, cumulative */
	__u32 dsack_dups;   /* segments that the peer reported as duplicates, cumulative */
	__u32 reord_seen;   /* segments that had been overtaken, cumulative */
	__u32 snd_wnd; /* the receiver's window, bytes */
	__u32 unsent;  /* bytes that wait to be sent */
	/* ENTRY_TRANSITION: jiffies since the last ACK, or the last transmission, if that
	 * was later. */
	__u32 quiet;
	__u32 total_rto_time; /* in timeouts, until recovered from; milliseconds; from 6.7 on */
	__u32 rto;            /* jiffies */
	__u16 mss_cache;      /* bytes */
	__u8 flags;           /* PATH_ */
	__u8 retransmits;     /* timeouts since the last progress */
};

#define RECEIVING_BUFFER_LOCKED 1 /* SO_RCVBUF was set: the buffer does not grow */
#define RECEIVING_KEEPALIVE 2 /* nothing is on its way or waits: probes are keep-alives */

/* What comes from the peer, and how the connection is. */
struct receiving {
	__u64 commit;
	__u64 bytes_received;
	__u32 rcv_ooopack;  /* segments that came out of order, cumulative */
	__u32 data_segs_in; /* segments with data, cumulative */
	__u32 unread;       /* bytes in order that the application has not read */
	__u32 window;       /* bytes that may still come */
	__u32 window_clamp; /* bytes, the largest window that may be offered */
	__u32 rcv_rtt;      /* round-trip time as the receiver sees it, eighths of microseconds */
	__u32 rcv_space;    /* bytes that the application reads in a round trip, at most so far */
	__u32 rcvbuf;       /* bytes, sk_rcvbuf */
	__u16 err, err_soft; /* errno: what ended it; what an ICMP message said */
	__u8 probes_out;    /* probes of a zero window, or keep-alive ones, not answered */
	__u8 backoff;
	__u8 flags; /* RECEIVING_ */
	__u8 unused;
	__u64 max_pacing_rate; /* bytes a second, SO_MAX_PACING_RATE; all ones: none */
};

/* What the log of one CPU has come to. */
struct log_head {
	__u64 reserved; /* lines, and entries from ENTRY_SHIFT on */
	__u64 dropped;  /* entries that found no room (only in a ring) */
	__u64 unused[6];
};

/* What a survey hands over: an entry with its endpoints, and its figures where the
 * run wants any. */
struct seen {
	struct entry entry;
	struct endpoints endpoints;
	struct figures figures;
	struct path path;
	struct receiving receiving;
};

/* A process that has a TCP socket open: a connection's, or one that listens. */
struct holder {
	__u64 socket;
	__u64 cookie; /* 0: nobody has asked for it so far */
	/* When the process began, CLOCK_BOOTTIME nanoseconds. */
	__u64 started_ns;
	__u32 pid; /* in the first pid namespace */
	__u8 comm[16];
	/* Where it listens, if it does. */
	__u32 netns;
	__be32 laddr[4]; /* an IPv4 address as an IPv4-mapped one */
	__u16 lport;     /* 0: it does not listen */
	__u8 unused[6];
};

_Static_assert(sizeof(struct entry) == LINE_BYTES, "entry");
_Static_assert(sizeof(struct endpoints) == LINE_BYTES, "endpoints");
_Static_assert(sizeof(struct figures) == LINE_BYTES, "figures");
_Static_assert(sizeof(struct path) == LINE_BYTES, "path");
_Static_assert(sizeof(struct receiving) == LINE_BYTES, "receiving");
_Static_assert(sizeof(struct log_head) == LINE_BYTES, "log_head");
_Static_assert(sizeof(struct holder) == 72, "holder");

#endif
