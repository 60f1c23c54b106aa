/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * The accounting of one flow: the record of a socket's life, and time that
 * becomes time in a state. All changes of a record are made under its socket's
 * lock (owner or softirq), so it has one writer at a time.
 */
#ifndef TCPCONG_FLOW_H
#define TCPCONG_FLOW_H

#include "maps.h"
#include "cost.h"
#include "who.h"

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

	f->undo = UNDO_UNKNOWN;
	f->now.missed += 1;
	f->now.doubtful_ns += now > since ? now - since : 0;
}

/* Whether the open spell's beginning was seen: not of one that went on already
 * when the record began, nor of one that was found later. */
static __always_inline bool began_in_sight(const struct flow *f)
{
	if (f->now.flags & TALLY_FOUND_LATE)
		return false;
	return !(f->flags & FLOW_FOUND) || SPELL_SINCE(f->now.spell) != f->born_ns;
}

/* Tells that the open spell ends, where no transition tells it. */
static __always_inline void tell_spell(const struct flow *f, __u64 key, __u32 next, __u64 now)
{
	__u64 spell = f->now.spell;
	struct transition *t;

	if (!tell_spells)
		return;
	t = bpf_ringbuf_reserve(&transitions, sizeof(*t), 0);
	if (!t) {
		count(transitions_untold);
		return;
	}
	__builtin_memset(t, 0, sizeof(*t));
	t->at_ns = now;
	t->socket = key;
	t->born_ns = f->born_ns;
	t->spell_ns = now > SPELL_SINCE(spell) ? now - SPELL_SINCE(spell) : 0;
	t->who = f->who;
	t->from = SPELL_STATE(spell);
	t->to = next;
	t->cause = CAUSE_NONE;
	t->exact = began_in_sight(f);
	bpf_ringbuf_submit(t, 0);
}

/* The socket is found in `state`. */
static __always_inline void find_in(struct flow *f, __u64 key, __u32 state, __u64 now)
{
	doubt(f, now);
	count(transitions_missed);
	tell_spell(f, key, state, now);
	turn_to(f, state, now);
	f->now.flags |= TALLY_FOUND_LATE;
}

/*
 * Completes a record at the first moment when both ends are the connection's
 * own, which they are not at its birth: a client has no local port yet, and
 * LISTEN->SYN_RECV shows the listener's ends and cookie up to 6.12. Returns
 * false where the port filter now says no; the record is gone then.
 */
static __always_inline bool ends_known(struct flow *f, const struct subject *it)
{
	__u64 key = (__u64)it->sk;

	if (f->flags & FLOW_ENDS_KNOWN)
		return true;
	read_ends(&f->who, it);
	read_context(&f->who, it);
	f->flags |= FLOW_ENDS_KNOWN;
	if (ends_match(&f->who))
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
	tell_spell(f, key, STATE_ENDED, now);
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

/* What a record is before it is filled in: being written. It is filled in where it
 * is, as it would take up most of a program's stack. */
const volatile struct flow blank = { .guard_head = 1, .guard_tail = 1 };
/* Where a survey makes it; there is one at a time. */
struct flow draft;

/* Fills in a blank record. */
static __always_inline void fill(struct flow *f, const struct subject *it, const struct who *who,
				 __u64 born, enum entry how, __u32 late)
{
	f->who = *who;
	f->born_ns = born;
	f->first_state = it->state;
	f->surveyed = survey_round;
	f->now.spell = SPELL(born, it->state);
	f->now.flags = late;
	f->now.missed = late;
	/* One that is used again keeps its former life's account. */
	open_account(&f->cost, it->sk, how == BORN ? 0 : bpf_ktime_get_ns() - born);
	if (how != BORN) {
		f->flags = FLOW_FOUND | FLOW_ENDS_KNOWN;
		if (it->state >= TCP_CA_Recovery)
			f->undo = UNDO_UNKNOWN;
	}
}

/* A record for a socket that is born, or is met in the midst of its life; NULL
 * where a filter or the lack of room says no. */
static __always_inline struct flow *enter(const struct subject *it, __u64 born,
					  enum entry how, __u32 late)
{
	__u64 key = (__u64)it->sk;
	struct who who = {};
	struct flow *f;
	long error;

	read_ends(&who, it);
	if (only_netns && who.netns != only_netns)
		return NULL;
	if (!ports_may_match(who.lport, who.rport))
		return NULL;
	if (how != BORN && !ends_match(&who))
		return NULL;
	if (how != BORN)
		read_context(&who, it);
	else if (context && it->tcp_state == TCP_SYN_SENT)
		read_process(&who);
	if (how == MET_BY_SURVEY) {
		/* Without the socket's lock, an event may come as soon as it is there. */
		__builtin_memset(&draft, 0, sizeof(draft));
		fill(&draft, it, &who, born, how, late);
		error = bpf_map_update_elem(&flows, &key, &draft, BPF_NOEXIST);
	} else {
		error = bpf_map_update_elem(&flows, &key, (const void *)&blank,
					    how == BORN ? BPF_ANY : BPF_NOEXIST);
	}
	if (error && error != -EEXIST) {
		ever_refused = true;
		if (how == MET_AT_EVENT)
			count(events_unaccounted);
		else if (how == BORN || survey_round == 1)
			count(births_refused);
		return NULL;
	}
	f = bpf_map_lookup_elem(&flows, &key);
	if (f && !error && how != MET_BY_SURVEY) {
		fill(f, it, &who, born, how, late);
		write_end(f);
	}
	return f;
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
 * start and has shown no event was in its state since then.
 */
static __always_inline struct flow *adopt(const struct subject *it, __u64 now, enum entry how)
{
	bool late = should_be_known(it->sk);
	struct flow *f;

	f = enter(it, late ? now : started_ns, how, late);
	if (f && late)
		count(births_missed);
	return f;
}

#endif
