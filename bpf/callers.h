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

/* Not inlined: one copy for all the programs below. */
static __noinline int look_at(struct sock *sk, enum look look, bool early, enum place place)
{
	struct subject it;

	if (!started_ns)
		return 0;
	it = untyped(sk);
	looked(&it, look, early, place);
	return 0;
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
		if (started_ns)
			count(calls_lost);
		return 0;
	}
	look_at((struct sock *)*value, look, false, place);
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
		return look_at(sk, look, true, place);                         \
	}

#define FEXIT(name, look, place)                                               \
	SEC("fexit/" #name)                                                    \
	int BPF_PROG(fexit_##name, struct sock *sk)                            \
	{                                                                      \
		return look_at(sk, look, false, place);                        \
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
	KPROBE(name, look_at(sk, before, true, PLACE_UNKNOWN);                 \
	       call(sk, RETURN_STACK(ctx), function))                          \
	KRETPROBE(name, function, after, place)

#define LOOK_ON_RETURN(name, function, after)                                  \
	FEXIT(name, after, PLACE_UNKNOWN)                                      \
	KPROBE(name, call(sk, RETURN_STACK(ctx), function))                    \
	KRETPROBE(name, function, after, PLACE_UNKNOWN)

#define LOOK_ON_ENTRY(name, before, place)                                     \
	FENTRY(name, before, place)                                            \
	KPROBE(name, look_at(sk, before, true, place))

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
