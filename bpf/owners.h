/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * Lists which process has which flow's socket open. Not from events: nearly all
 * of them interrupt a task that has nothing to do with the socket.
 */
#ifndef TCPCONG_OWNERS_H
#define TCPCONG_OWNERS_H

#include "maps.h"

/* A process that has a flow's socket open; decoded by src/whose/owners.rs. */
struct holder {
	/* Which flow: its socket, and when its record began. */
	__u64 socket;
	__u64 born_ns;
	/* When the process began, CLOCK_BOOTTIME nanoseconds. */
	__u64 started_ns;
	__u32 pid; /* in the first pid namespace */
	__u8 comm[16];
	__u32 connected; /* it is the one that connected the socket */
};

_Static_assert(sizeof(struct holder) == 48, "holder");

/*
 * Visits every open file of every task that is in the pid namespace of the
 * iterator's maker or below it, once for threads that share their files
 * (kernel/bpf/task_iter.c, task_file_seq_get_next()). The file is held
 * meanwhile, so its socket lives, and a record under its address is its own.
 */
SEC("iter/task_file")
int list_holders(struct bpf_iter__task_file *ctx)
{
	/* Copies, because 6.18's verifier forgets what it knew of the context's. */
	struct task_struct *task = ctx->task, *leader;
	struct file *file = ctx->file;
	struct holder it = {};
	struct socket *socket;
	struct flow *f;

	if (!task || !file)
		return 0;
	/* Of net/socket.c, sock_alloc_file(); or a path's, with nothing behind it. */
	if ((file->f_inode->i_mode & S_IFMT) != S_IFSOCK)
		return 0;
	socket = file->private_data;
	it.socket = (__u64)BPF_CORE_READ(socket, sk);
	f = bpf_map_lookup_elem(&flows, &it.socket);
	if (!f)
		return 0;
	leader = task->group_leader;
	it.born_ns = f->born_ns;
	it.started_ns = leader->start_boottime;
	it.pid = leader->tgid;
	it.connected = f->who.pid == it.pid;
	BPF_CORE_READ_STR_INTO(&it.comm, leader, comm);
	/* What does not fit comes again. */
	bpf_seq_write(ctx->meta->seq, &it, sizeof(it));
	return 0;
}

#endif
