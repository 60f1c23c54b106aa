/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * The maps, and the accounting of one flow: how a (socket, old state, new
 * state) that some program has learned becomes time in a state. How it is
 * learned is no concern of this file. All calls for one socket come under its
 * lock (socket owner or softirq), so a record has one writer at a time.
 */
#ifndef TCPCONG_FLOW_H
#define TCPCONG_FLOW_H

/* Set before load. */
const volatile __u16 lport_first = 0, lport_last = 65535;
const volatile __u16 rport_first = 0, rport_last = 65535;
const volatile bool keep_quiet = false;    /* list flows that stayed Open too */
const volatile __u64 spell_unit_ns = 0;    /* of the histogram; 0: none */

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

/* Network namespaces, by inode number, all of whose sockets have been met. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u8);
} surveyed SEC(".maps");

#define barrier() asm volatile("" ::: "memory")

/* Atomic although per CPU: since 7.2 one program may preempt another. */
#define count(field)                                                           \
	({                                                                     \
		__u32 zero_ = 0;                                               \
		struct counters *c_ = bpf_map_lookup_elem(&counters, &zero_);  \
		if (c_)                                                        \
			__sync_fetch_and_add(&c_->field, 1);                   \
	})

/*
 * Every change of a record stands between these two. The first change after
 * the interval's end keeps the figures of that instant.
 */
static __always_inline void write_begin(struct flow *f, __u64 now)
{
	__u64 odd = f->guard_head + 1;
	__u64 at = boundary & ~1ULL;

	*(volatile __u64 *)&f->guard_head = odd;
	*(volatile __u64 *)&f->guard_tail = odd;
	barrier();
	if (now >= at && f->frozen_at != at) {
		f->frozen = f->now;
		f->frozen_at = at;
	}
}

static __always_inline void write_end(struct flow *f)
{
	__u64 even = f->guard_head + 1;

	barrier();
	*(volatile __u64 *)&f->guard_head = even;
	*(volatile __u64 *)&f->guard_tail = even;
}

static __always_inline __u32 log2_slot(__u64 units)
{
	__u32 slot = 0;

	if (units >> 32) { units >>= 32; slot += 32; }
	if (units >> 16) { units >>= 16; slot += 16; }
	if (units >> 8) { units >>= 8; slot += 8; }
	if (units >> 4) { units >>= 4; slot += 4; }
	if (units >> 2) { units >>= 2; slot += 2; }
	if (units >> 1) slot += 1;
	return slot;
}

static __always_inline void count_spell(__u32 state, __u64 length_ns, __u64 now)
{
	struct spell_slots *slots;
	__u64 limit = boundary;
	__u32 parity = limit & 1;
	__u32 key, slot;

	if (!spell_unit_ns)
		return;
	/* A spell that ends after the boundary belongs to the next interval. */
	if (now >= (limit & ~1ULL))
		parity ^= 1;
	key = parity * STATES + state;
	slots = bpf_map_lookup_elem(&spells, &key);
	if (!slots)
		return;
	slot = log2_slot(length_ns / spell_unit_ns) & (SPELL_SLOTS - 1);
	__sync_fetch_and_add(&slots->count[slot], 1);
}

/* Ends the open spell at `now` and opens one in `next`. */
static __always_inline void turn_to(struct flow *f, __u32 next, __u64 now)
{
	__u64 since = SPELL_SINCE(f->now.spell);
	__u32 state = SPELL_STATE(f->now.spell);

	if (now < since) /* two CPUs' clocks a hair apart */
		now = since;
	if (state < STATES) {
		f->now.spent_ns[state] += now - since;
		count_spell(state, now - since, now);
	}
	f->now.spell = SPELL(now, next);
	f->now.flags &= ~TALLY_FOUND_LATE;
}

/* The stored state turned out not to be the socket's, or the socket to be
 * gone: the spell's time stays with the stored state, for want of better. */
static __always_inline void doubt(struct flow *f, __u64 now)
{
	__u64 since = SPELL_SINCE(f->now.spell);

	f->now.missed += 1;
	f->now.doubtful_ns += now > since ? now - since : 0;
}

static __always_inline bool ports_match(__u16 lport, __u16 rport)
{
	return lport >= lport_first && lport <= lport_last &&
	       rport >= rport_first && rport <= rport_last;
}

/* The same at a birth, where a port that is not known yet decides nothing. */
static __always_inline bool ports_may_match(__u16 lport, __u16 rport)
{
	return ports_match(lport ? lport : lport_first, rport ? rport : rport_first);
}

/*
 * Reads both ends of the connection. In SYN_SENT before the port is chosen
 * inet_sport may be a former connection's, and at ->CLOSE skc_num is 0 already
 * (inet_put_port), so the one stands in for the other.
 */
static __always_inline void read_ends(struct flow *f, struct sock *sk, __u8 tcp_state)
{
	__u16 num = BPF_CORE_READ(sk, __sk_common.skc_num);

	if (!num && tcp_state != TCP_SYN_SENT)
		num = bpf_ntohs(BPF_CORE_READ((struct inet_sock *)sk, inet_sport));
	f->lport = num;
	f->rport = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	f->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	f->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	if (f->family == AF_INET6) {
		BPF_CORE_READ_INTO(&f->laddr, sk, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO(&f->raddr, sk, __sk_common.skc_v6_daddr);
	} else {
		*(__be32 *)f->laddr = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);
		*(__be32 *)f->raddr = BPF_CORE_READ(sk, __sk_common.skc_daddr);
	}
}

/*
 * Completes a record at the first moment when both ends are the connection's
 * own, which they are not at its birth: a client has no local port yet, and
 * LISTEN->SYN_RECV shows the listener's ends and cookie up to 6.12. Returns
 * false where the port filter now says no; the record is gone then.
 */
static __always_inline bool ends_known(struct flow *f, struct sock *sk, __u8 tcp_state)
{
	__u64 key = (__u64)sk;

	if (f->flags & FLOW_ENDS_KNOWN)
		return true;
	read_ends(f, sk, tcp_state);
	f->cookie = bpf_get_socket_cookie(sk);
	f->flags |= FLOW_ENDS_KNOWN;
	if (ports_match(f->lport, f->rport))
		return true;
	bpf_map_delete_elem(&flows, &key);
	return false;
}

static __always_inline bool stayed_open(const struct tally *t)
{
	return SPELL_STATE(t->spell) == TCP_CA_Open && !t->changes &&
	       !t->repeated_rtos && !t->missed;
}

/*
 * Ends the life: the record moves to `ended`, where the socket's next life does
 * not overwrite it. It is put there before it leaves `flows`, so a reader who
 * takes `flows` first finds it in one of them at least. `seen`: at ->CLOSE, not
 * found out later.
 */
static __always_inline void leave(struct flow *f, __u64 key, __u64 now, bool seen)
{
	struct ended_key done = { .socket = key, .born_ns = f->born_ns };
	bool quiet;
	__u32 last;

	write_begin(f, now);
	if (!seen) {
		doubt(f, now);
		count(ends_missed);
	}
	quiet = stayed_open(&f->now) && !keep_quiet;
	last = SPELL_STATE(f->now.spell);
	turn_to(f, STATE_ENDED, now);
	f->now.flags |= last << TALLY_LAST_STATE_SHIFT;
	write_end(f);
	if (quiet)
		count(ended_quiet);
	else if (bpf_map_update_elem(&ended, &done, f, BPF_ANY))
		count(ends_refused);
	bpf_map_delete_elem(&flows, &key);
}

/* How a socket comes to a record. */
enum entry {
	BORN,
	MET_AT_EVENT,
	MET_BY_SURVEY,
};

/* A record for a socket that is born, or is met in the midst of its life; NULL
 * where the port filter or the lack of room says no. */
static __always_inline struct flow *enter(struct sock *sk, __u8 tcp_state, __u32 state,
					  __u64 born, enum entry how, __u32 late)
{
	__u64 key = (__u64)sk;
	struct flow f = {};

	read_ends(&f, sk, tcp_state);
	if (!ports_may_match(f.lport, f.rport))
		return NULL;
	if (how != BORN) {
		f.flags = FLOW_FOUND | FLOW_ENDS_KNOWN;
		f.cookie = bpf_get_socket_cookie(sk);
	}
	f.born_ns = born;
	f.surveyed = survey_round;
	f.first_state = state;
	f.now.spell = SPELL(born, state);
	f.now.flags = late;
	f.now.missed = late;
	if (bpf_map_update_elem(&flows, &key, &f, BPF_ANY)) {
		ever_refused = true;
		if (how == MET_AT_EVENT)
			count(events_unaccounted);
		else if (how == BORN || survey_round == 1)
			count(births_refused);
		return NULL;
	}
	return bpf_map_lookup_elem(&flows, &key);
}

/* Whether a socket without a record can only be one whose birth was missed, or
 * refused for lack of room: all that were there at the start have been met. */
static __always_inline bool should_be_known(struct sock *sk)
{
	__u32 netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);

	return ever_refused || bpf_map_lookup_elem(&surveyed, &netns);
}

/*
 * A record for a socket whose birth was not seen. One that was there at the
 * start and has shown no event was in `state` since then.
 */
static __always_inline struct flow *adopt(struct sock *sk, __u8 tcp_state, __u32 state,
					  __u64 now, enum entry how)
{
	bool late = should_be_known(sk);
	struct flow *f;

	f = enter(sk, tcp_state, state, late ? now : started_ns, how, late);
	if (f && late)
		count(births_missed);
	return f;
}

#endif
