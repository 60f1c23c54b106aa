/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * How entries get to user space: the one seam between programs and reader
 * (src/kernel/transport/). Two transports, chosen when this is compiled:
 *
 * - a log for each CPU in a mapped array, which overwrites the oldest;
 * - with -DRING a BPF ring buffer, which drops the newest: before Linux 5.12 there are
 *   no atomic operations that return what was there.
 *
 * An entry is reserved first and then reads the clock: so a reader that reads the clock
 * and then what is reserved finds every entry from before.
 */
#ifndef TCPCONG_LOG_H
#define TCPCONG_LOG_H

#include "kernel.h"
#include "wire.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* as many as there can be CPUs */
	__type(key, __u32);
	__type(value, struct log_head);
} heads SEC(".maps");

/* An entry that is being written; parts that it does not have are NULL. */
struct writing {
	struct entry *entry;
	struct endpoints *endpoints;
	struct figures *figures;
	struct path *path;
	struct receiving *receiving;
	__u64 line; /* the first line's number, and the entry's above it */
};

/* Which of an entry's lines a part is, and how many there are. `parts` is constant. */
static __always_inline __u32 line_of(__u8 parts, __u8 part)
{
	return 1 + __builtin_popcount(parts & (part - 1));
}

static __always_inline __u32 lines_of(__u8 parts)
{
	return 1 + __builtin_popcount(parts);
}

static __always_inline struct log_head *log_head(__u32 cpu)
{
	return bpf_map_lookup_elem(&heads, &cpu);
}

/* Set before load, where it is not a ring. A power of two. */
const volatile __u32 lines_per_cpu = 1;

#ifdef RING

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} ring SEC(".maps");

/* `parts` must be constant. */
static __always_inline bool log_reserve(struct writing *w, __u8 parts)
{
	struct entry *lines;

	lines = bpf_ringbuf_reserve(&ring, lines_of(parts) * LINE_BYTES, 0);
	if (!lines) {
		struct log_head *head = log_head(bpf_get_smp_processor_id());

		if (head)
			__sync_fetch_and_add(&head->dropped, 1);
		return false;
	}
	w->entry = lines;
	w->endpoints = parts & PART_ENDPOINTS ? (void *)(lines + line_of(parts, PART_ENDPOINTS)) : NULL;
	w->figures = parts & PART_FIGURES ? (void *)(lines + line_of(parts, PART_FIGURES)) : NULL;
	w->path = parts & PART_PATH ? (void *)(lines + line_of(parts, PART_PATH)) : NULL;
	w->receiving = parts & PART_RECEIVING ? (void *)(lines + line_of(parts, PART_RECEIVING)) : NULL;
	return true;
}

static __always_inline void log_commit(struct writing *w)
{
	/* The reader polls: with wake-ups, a full ring would never wake it. */
	bpf_ringbuf_submit(w->entry, BPF_RB_NO_WAKEUP);
}

#else

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* lines_per_cpu for each CPU, one after the other */
	__type(key, __u32);
	__type(value, struct entry);
} lines SEC(".maps");

static __always_inline void *log_line(__u32 cpu, __u64 line)
{
	__u32 at = cpu * lines_per_cpu + ((__u32)line & (lines_per_cpu - 1));

	return bpf_map_lookup_elem(&lines, &at);
}

static __always_inline bool log_reserve(struct writing *w, __u8 parts)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct log_head *head = log_head(cpu);

	w->endpoints = NULL;
	w->figures = NULL;
	w->path = NULL;
	w->receiving = NULL;
	if (!head)
		return false;
	/* Atomic although per CPU: one program may interrupt another. */
	w->line = __sync_fetch_and_add(&head->reserved, lines_of(parts) + (1ULL << ENTRY_SHIFT));
	w->entry = log_line(cpu, w->line);
	if (!w->entry)
		return false;
	if (parts & PART_ENDPOINTS) {
		w->endpoints = log_line(cpu, w->line + line_of(parts, PART_ENDPOINTS));
		if (!w->endpoints)
			return false;
	}
	if (parts & PART_FIGURES) {
		w->figures = log_line(cpu, w->line + line_of(parts, PART_FIGURES));
		if (!w->figures)
			return false;
	}
	if (parts & PART_PATH) {
		w->path = log_line(cpu, w->line + line_of(parts, PART_PATH));
		if (!w->path)
			return false;
	}
	if (parts & PART_RECEIVING) {
		w->receiving = log_line(cpu, w->line + line_of(parts, PART_RECEIVING));
		if (!w->receiving)
			return false;
	}
	return true;
}

/* A line is complete, and shows as such only after all of it has. */
static __always_inline void log_commit_line(__u64 *commit, __u64 word)
{
#if defined(bpf_target_x86)
	/* Stores become visible in their order. */
	asm volatile("" ::: "memory");
	*(volatile __u64 *)commit = word;
#else
	__sync_lock_test_and_set(commit, word);
#endif
}

static __always_inline void log_commit(struct writing *w)
{
	__u64 word = w->line + 1;

	if (w->endpoints)
		log_commit_line(&w->endpoints->commit, ++word | PART_BIT);
	if (w->figures)
		log_commit_line(&w->figures->commit, ++word | PART_BIT);
	if (w->path)
		log_commit_line(&w->path->commit, ++word | PART_BIT);
	if (w->receiving)
		log_commit_line(&w->receiving->commit, ++word | PART_BIT);
	log_commit_line(&w->entry->commit, w->line + 1);
}

#endif
#endif
