/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * The maps, and the words that user space and the programs share.
 */
#ifndef TCPCONG_MAPS_H
#define TCPCONG_MAPS_H

/* Set before load. */
const volatile __u16 lport_first = 0, lport_last = 65535;
const volatile __u16 rport_first = 0, rport_last = 65535;
/* Addresses, IPv4 ones as IPv4-mapped: those that are the same under the mask. */
struct prefix {
	__be32 address[4];
	__be32 mask[4];
	bool six; /* an IPv6 one, which no IPv4-mapped address is below */
};
const volatile struct prefix laddr_prefix = {}, raddr_prefix = {};
const volatile __u32 only_netns = 0;       /* inode number; 0: all */
const volatile bool explain = false;       /* tell each transition */
const volatile bool tell_spells = false;   /* and the ends of other spells */
const volatile bool context = true;        /* whose each flow is */
const volatile bool keep_quiet = false;    /* list flows that stayed Open too */
const volatile __u64 spell_unit_ns = 0;    /* of the histogram; 0: none */
const volatile bool cookie_helper = true;  /* bpf_get_socket_cookie() may be called */

/* Written by user space while the programs run. */
volatile __u64 started_ns = 0; /* 0: nothing counts yet */
/* The end of the present interval, always an even number of nanoseconds; the
 * lowest bit is the interval's parity. */
volatile __u64 boundary = ~1ULL;
volatile __u32 survey_round = 0;

/* Written by the programs. */
volatile bool ever_refused = false;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 262144);
	__type(key, __u64); /* the socket's address */
	__type(value, struct flow);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct ended_key);
	__type(value, struct flow);
} ended SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct counters);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2 * STATES); /* by the interval's parity, then state */
	__type(key, __u32);
	__type(value, struct spell_slots);
} spells SEC(".maps");

/* What is told, one by one, where `explain` says so. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 << 20);
} transitions SEC(".maps");

/* Network namespaces, by inode number, all of whose sockets have been met. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u8);
} surveyed SEC(".maps");

#endif
