/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * Lists which process has which TCP socket open, listening ones among them. Not from events: nearly all
 * of them interrupt a task that has nothing to do with the socket.
 */
#ifndef TCPCONG_OWNERS_H
#define TCPCONG_OWNERS_H

#include "kernel.h"
#include "wire.h"
#include "socket.h"

/* So many subflows of an MPTCP connection are looked at (MPTCP_SUBFLOWS_MAX is 8). */
#define SUBFLOWS_MOST 16

static __always_inline void list_holder(struct seq_file *seq, struct holder *holder,
					const struct sock *sk)
{
	struct subject s = untyped_subject(sk);
	__be32 raddr[4];

	holder->socket = (__u64)sk;
	holder->cookie = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);
	holder->lport = 0;
	if (s.tcp_state == TCP_LISTEN) {
		holder->netns = netns_of(&s);
		holder->lport = lport_of(&s);
		read_addresses(holder->laddr, raddr, &s);
	}
	/* What does not fit comes again. */
	if (s.tcp_state != TCP_CLOSE)
		bpf_seq_write(seq, holder, sizeof(*holder));
}

/* An MPTCP connection's subflows are sockets of the kernel's own, with no file. Not
 * inlined: a kernel without MPTCP has no such types, and must not meet their offsets. */
static __noinline int list_subflows(struct seq_file *seq, struct holder *holder,
				    const struct sock *sk)
{
	struct mptcp_sock *connection = (struct mptcp_sock *)sk;
	struct mptcp_subflow_context *subflow;
	struct list_head *head, *node;
	int i;

	head = __builtin_preserve_access_index(&connection->conn_list);
	node = BPF_CORE_READ(head, next);
	for (i = 0; i < SUBFLOWS_MOST && node && node != head; i++) {
		subflow = (void *)node - bpf_core_field_offset(struct mptcp_subflow_context, node);
		sk = BPF_CORE_READ(subflow, tcp_sock);
		if (sk)
			list_holder(seq, holder, sk);
		node = BPF_CORE_READ(node, next);
	}
	return 0;
}

/*
 * Visits every open file of every task that is in the pid namespace of the
 * iterator's maker or below it, once for threads that share their files
 * (kernel/bpf/task_iter.c, task_file_seq_get_next()). The file is held
 * meanwhile, so its socket lives.
 */
SEC("iter/task_file")
int list_holders(struct bpf_iter__task_file *ctx)
{
	/* Copies, because 6.18's verifier forgets what it knew of the context's. */
	struct task_struct *task = ctx->task, *leader;
	struct file *file = ctx->file;
	struct holder holder = {};
	struct socket *socket;
	struct sock *sk;
	__u16 protocol;

	if (!task || !file)
		return 0;
	/* Of net/socket.c, sock_alloc_file(); or a path's, with nothing behind it. */
	if ((file->f_inode->i_mode & S_IFMT) != S_IFSOCK)
		return 0;
	socket = file->private_data;
	sk = BPF_CORE_READ(socket, sk);
	if (!sk)
		return 0;
	protocol = BPF_CORE_READ(sk, sk_protocol);
	if (protocol != IPPROTO_TCP && protocol != IPPROTO_MPTCP)
		return 0;
	leader = task->group_leader;
	holder.started_ns = leader->start_boottime;
	holder.pid = leader->tgid;
	BPF_CORE_READ_STR_INTO(&holder.comm, leader, comm);
	if (protocol == IPPROTO_TCP)
		list_holder(ctx->meta->seq, &holder, sk);
	else if (bpf_core_type_exists(struct mptcp_sock) &&
		 bpf_core_type_exists(struct mptcp_subflow_context))
		list_subflows(ctx->meta->seq, &holder, sk);
	return 0;
}

#endif
