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
		bool wait = preemptible && bpf_ksym_exists(bpf_local_irq_save); \
		unsigned long flags;                                           \
		int result;                                                    \
									       \
		if (wait)                                                      \
			bpf_local_irq_save(&flags);                            \
		result = (call);                                               \
		asm volatile("" : "+r"(wait));                                 \
		if (wait)                                                      \
			bpf_local_irq_restore(&flags);                         \
		result;                                                        \
	})

/* Written by the programs: what a second one has done for the first. */
volatile __u64 runs_rescued = 0;

/*
 * Sockets whose event the first program has seen and the second one not yet. By the
 * socket, which has one event at a time, as whoever makes it has its lock; another one with
 * the same place in between would make it two, which takes a preemption just there.
 */
enum { PLACES = 1024 };
volatile __u64 seen_by_first[PLACES] SEC(".bss.first");

/* The ports tell places apart as well as the address, with which nothing can be reckoned. */
static __always_inline volatile __u64 *place_of(const struct sock *sk)
{
	return &seen_by_first[(sk->__sk_common.skc_num ^ sk->__sk_common.skc_dport) % PLACES];
}

/* In a first program, before anything else. */
static __always_inline void note_first(const struct sock *sk)
{
	if (preemptible)
		*place_of(sk) = (__u64)sk;
}

/* In a second program: whether the first one was skipped. */
static __always_inline bool first_was_skipped(const struct sock *sk)
{
	volatile __u64 *place = place_of(sk);

	if (*place == (__u64)sk) {
		*place = 0;
		return false;
	}
	__sync_fetch_and_add(&runs_rescued, 1);
	return true;
}

#endif
