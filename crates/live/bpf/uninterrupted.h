/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * What comes between. From Linux 7.2 on a tracepoint's program may be preempted, for as long
 * as other threads take. Meanwhile an entry may be reserved and not written, and its clock
 * not read. And a program that is at work is not run once more on the same CPU: the kernel
 * skips it (kernel/trace/bpf_trace.c, __bpf_trace_run()), for all that those threads do.
 *
 * Two remedies. Interrupts wait (kernel/bpf/helpers.c, 6.14 and later). And each tracepoint
 * has a second program, which does what the first one was skipped for. Before 7.2 both would
 * cost more than they save.
 */
#ifndef TCPCONG_UNINTERRUPTED_H
#define TCPCONG_UNINTERRUPTED_H

#include "kernel.h"
#include <bpf/bpf_helpers.h>

/* Set before load. */
const volatile bool preemptible = false;

extern void bpf_local_irq_save(unsigned long *flags) __weak __ksym;
extern void bpf_local_irq_restore(unsigned long *flags) __weak __ksym;

/* For programs of type BPF_PROG_TYPE_TRACING. The assembly keeps the compiler from writing
 * the call twice, with interrupts and without. */
#define UNINTERRUPTED(call)                                                    \
	({                                                                     \
		bool masks = preemptible && bpf_ksym_exists(bpf_local_irq_save); \
		unsigned long flags;                                           \
		int result;                                                    \
									       \
		if (masks)                                                     \
			bpf_local_irq_save(&flags);                            \
		result = (call);                                               \
		asm volatile("" : "+r"(masks));                                \
		if (masks)                                                     \
			bpf_local_irq_restore(&flags);                         \
		result;                                                        \
	})

/* Written by the programs: what second ones have done for first ones. */
volatile __u64 runs_rescued = 0;

/* The tracepoint that a program sits on, added to a socket's address, which is even. */
enum hook { HOOK_TRANSITION, HOOK_SK_STATE };

#ifdef RING

/* Before 5.12, where there are no second programs. */
static __always_inline void note_first(const void *ctx, enum hook hook)
{
}

static __always_inline bool first_was_skipped(const void *ctx, enum hook hook)
{
	return false;
}

#else

/*
 * Sockets whose event the first program has seen and the second one not yet: each has one
 * event at a time, as whoever makes it has its lock. A slot is the first free one of a few
 * that the address tells. What a second program that was skipped itself leaves there stays
 * until the socket's next event, or until all of the few are taken.
 */
enum { SLOTS = 4096, PROBES = 4 };
volatile __u64 seen_by_first[SLOTS] SEC(".bss.first");

/* The tracepoint's first argument, as a number with which the verifier lets one reckon. */
static __always_inline __u64 mark_of(const void *ctx, enum hook hook)
{
	__u64 sk = 0;

	bpf_probe_read_kernel(&sk, sizeof(sk), ctx);
	return sk + hook;
}

static __always_inline volatile __u64 *slot_of(__u64 mark, int probe)
{
	/* Fibonacci hashing: the upper bits of a product with 2^64 / the golden ratio. */
	return &seen_by_first[((mark * 0x9e3779b97f4a7c15ULL >> 52) + probe) % SLOTS];
}

/* In a first program, before anything else. */
static __always_inline void note_first(const void *ctx, enum hook hook)
{
	__u64 mark;
	int probe;

	if (!preemptible)
		return;
	mark = mark_of(ctx, hook);
#pragma unroll
	for (probe = 0; probe < PROBES; probe++) {
		if (!__sync_val_compare_and_swap(slot_of(mark, probe), 0, mark))
			return;
	}
	*slot_of(mark, 0) = mark;
}

/* In a second program, before anything else: whether the first one was skipped. */
static __always_inline bool first_was_skipped(const void *ctx, enum hook hook)
{
	__u64 mark = mark_of(ctx, hook);
	int probe;

#pragma unroll
	for (probe = 0; probe < PROBES; probe++) {
		if (*slot_of(mark, probe) == mark) {
			*slot_of(mark, probe) = 0;
			return false;
		}
	}
	__sync_fetch_and_add(&runs_rescued, 1);
	return true;
}

#endif

#endif
