/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * The kernel types that the programs touch, kept by hand: only the fields that
 * are read, found in the running kernel through BTF (CO-RE), so neither their
 * order nor the fields left out matter. Not a copy of any kernel header.
 */
#ifndef TCPCONG_KERNEL_H
#define TCPCONG_KERNEL_H

/* For bpf_tracing.h: the registers bear the kernel's own names here. */
#define __VMLINUX_H__

typedef unsigned char __u8;
typedef signed short __s16;
typedef unsigned short __u16;
typedef signed int __s32;
typedef unsigned int __u32;
typedef signed long long __s64;
typedef unsigned long long __u64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u64 __be64;
typedef __u32 __wsum;
typedef _Bool bool;
#define true 1
#define false 0

/* include/uapi/linux/bpf.h: part of the system call's interface, so fixed. */
enum {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_RINGBUF = 27,
};
enum { BPF_ANY = 0, BPF_NOEXIST = 1 };
enum { BPF_F_NO_PREALLOC = 1, BPF_F_MMAPABLE = 1 << 10 };
enum { BPF_RB_NO_WAKEUP = 1 };

/* include/linux/socket.h, include/uapi/linux/in.h, include/net/tcp_states.h,
 * include/uapi/linux/tcp.h (enum tcp_ca_state). */
enum { AF_INET = 2, AF_INET6 = 10 };
enum { IPPROTO_TCP = 6, IPPROTO_MPTCP = 262 };
enum {
	TCP_ESTABLISHED = 1,
	TCP_SYN_SENT = 2,
	TCP_SYN_RECV = 3,
	TCP_CLOSE = 7,
	TCP_CLOSE_WAIT = 8,
	TCP_LAST_ACK = 9,
	TCP_LISTEN = 10,
	TCP_CLOSING = 11,
};
enum {
	TCP_CA_Open = 0,
	TCP_CA_Disorder = 1,
	TCP_CA_CWR = 2,
	TCP_CA_Recovery = 3,
	TCP_CA_Loss = 4,
};
/* include/linux/sched.h */
enum { PF_KTHREAD = 0x00200000 };
/* include/uapi/linux/stat.h */
enum { S_IFMT = 0170000, S_IFSOCK = 0140000 };
/* include/net/sock.h */
enum { SOCK_RCVBUF_LOCK = 2 };
/* include/linux/net.h: a bit's number */
enum { SOCK_NOSPACE = 2 };
/* include/net/inet_connection_sock.h */
enum { ICSK_TIME_REO_TIMEOUT = 6 };

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct ns_common {
	unsigned int inum;
};

struct net {
	struct ns_common ns;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct in6_addr {
	union {
		__be32 u6_addr32[4];
	} in6_u;
};

typedef struct {
	__s64 counter;
} atomic64_t;

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	int skc_bound_dev_if;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	atomic64_t skc_cookie;
};

struct kernfs_node {
	__u64 id;
};

struct cgroup {
	struct kernfs_node *kn;
};

struct sock_cgroup_data {
	struct cgroup *cgroup;
};

struct sock {
	struct sock_common __sk_common;
	__u16 sk_protocol;
	__u8 sk_userlocks : 4; /* a whole byte on later kernels */
	int sk_rcvbuf;
	unsigned long sk_max_pacing_rate;
	int sk_err;
	int sk_err_soft;
	struct sock_cgroup_data sk_cgrp_data;
	struct socket *sk_socket;
};

struct tcp_congestion_ops {
	char name[16];
};

struct task_struct {
	unsigned int flags;
	struct task_struct *group_leader;
	int tgid;
	__u64 start_boottime;
	char comm[16];
};

struct socket {
	unsigned long flags;
	struct sock *sk;
};

struct inode {
	unsigned short i_mode;
};

struct file {
	struct inode *f_inode;
	void *private_data;
};

struct list_head {
	struct list_head *next;
};

/* net/mptcp/protocol.h: there where the kernel is built with CONFIG_MPTCP. */
struct mptcp_sock {
	struct list_head conn_list;
};

struct mptcp_subflow_context {
	struct list_head node;
	struct sock *tcp_sock;
};

struct inet_sock {
	struct sock sk;
	__be16 inet_sport;
};

struct inet_connection_sock {
	struct inet_sock icsk_inet;
	const struct tcp_congestion_ops *icsk_ca_ops;
	__u32 icsk_rto;
	__u8 icsk_retransmits;
	__u8 icsk_pending;
	__u8 icsk_backoff;
	__u8 icsk_probes_out;
	__u8 icsk_ca_state : 5;
};

struct tcp_options_received {
	__u32 rcv_tsecr;
	__u16 saw_tstamp : 1;
};

/* include/linux/win_minmax.h: the first is the least. */
struct minmax_sample {
	__u32 t;
	__u32 v;
};

struct minmax {
	struct minmax_sample s[3];
};

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	__u32 rcv_tstamp;
	__u32 srtt_us;
	__u32 packets_out;
	__u32 sacked_out;
	__u32 lost_out;
	__u32 retrans_out;
	__u32 snd_cwnd;
	__u32 snd_ssthresh;
	__u32 prior_cwnd;
	__u32 prior_ssthresh;
	__u32 undo_marker;
	__u32 undo_retrans;
	__u32 retrans_stamp;
	__u32 chrono_start;
	__u32 chrono_stat[3];
	__u8 chrono_type : 2;
	__u32 delivered;
	__u32 total_retrans;
	__u8 frto : 1;
	__u8 tlp_retrans : 1;
	__u8 ecn_flags;
	__u64 tcp_wstamp_ns;
	__u64 tcp_clock_cache;
	__u8 fastopen_client_fail : 2;
	__u64 bytes_acked;
	__u64 bytes_received;
	struct minmax rtt_min;
	__u32 rate_delivered;
	__u32 rate_interval_us;
	__u8 rate_app_limited : 1;
	__u8 is_cwnd_limited : 1;
	__u32 mss_cache;
	__u32 delivered_ce;
	__u32 dsack_dups;
	__u32 reord_seen;
	__u32 snd_wnd;
	__u32 snd_nxt;
	__u32 snd_una;
	__u32 write_seq;
	__u32 lsndtime;
	__u32 total_rto_time;
	__u32 rcv_nxt;
	__u32 rcv_wup;
	__u32 rcv_wnd;
	__u32 copied_seq;
	__u32 window_clamp;
	__u32 rcv_ooopack;
	__u32 data_segs_in;
	struct {
		__u32 rtt_us;
	} rcv_rtt_est;
	struct {
		__u32 space;
	} rcvq_space;
	struct tcp_options_received rx_opt;
};

struct bpf_iter_meta {
	struct seq_file *seq;
};

/* net/ipv4/tcp_ipv4.c: the context of an iter/tcp program. */
struct bpf_iter__tcp {
	struct bpf_iter_meta *meta;
	struct sock_common *sk_common;
};

/* kernel/bpf/task_iter.c: the context of an iter/task_file program. */
struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	struct file *file;
};

/* net/ipv4/tcp_ipv4.c: came in 5.15 with the iterator's taking the sockets' locks. */
struct bpf_tcp_iter_state {
	unsigned int cur_sk;
};

/* include/trace/events/tcp.h and sock.h: what classic tracepoints hand over. */
struct trace_event_raw_tcp_cong_state_set {
	const void *skaddr;
	__u8 cong_state;
};

struct trace_event_raw_inet_sock_set_state {
	const void *skaddr;
	int oldstate;
	int newstate;
	__u16 protocol;
};

/* The registers that kprobes hand over: arch/x86/include/asm/ptrace.h,
 * arch/arm64/include/uapi/asm/ptrace.h. */
struct pt_regs {
	unsigned long di;
	unsigned long si;
	unsigned long sp;
};

struct user_pt_regs {
	__u64 regs[31];
	__u64 sp;
};

#pragma clang attribute pop

#define offsetof(type, member) __builtin_offsetof(type, member)
#define NULL ((void *)0)

#endif
