/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * What can happen to a socket, and what it does to the socket's record. How a
 * program learns of it is no concern of this file.
 */
#ifndef TCPCONG_EVENTS_H
#define TCPCONG_EVENTS_H

#include "flow.h"
#include "explain.h"

static __always_inline bool lives(__u8 tcp_state)
{
	return tcp_state != TCP_CLOSE && tcp_state != TCP_LISTEN;
}

/*
 * Begins a change of a record: writing it, and what is done at any event. Ends
 * with write_end(); false where a filter says no now, and the record is gone.
 */
static __always_inline bool change_begin(struct flow *f, const struct subject *it, __u64 now)
{
	write_begin(f, now);
	if (!ends_known(f, it))
		return false;
	refresh_cc(&f->who, it);
	charge(&f->cost, it->sk, SPELL_STATE(f->now.spell));
	return true;
}

/* The congestion state is about to become `new`; the old one is still there. */
static __always_inline void transition(void *ctx, const struct subject *it, __u32 new)
{
	__u64 key = (__u64)it->sk;
	__u32 old = it->state;
	__u64 now, spell;
	struct flow *f;
	bool exact;

	/* Every accepted child and every disconnect set Open on Open. */
	if (old == new && new == TCP_CA_Open)
		return;
	/* After its life, tcp_disconnect() resets the state. */
	if (it->tcp_state == TCP_CLOSE)
		return;
	now = bpf_ktime_get_ns();
	f = bpf_map_lookup_elem(&flows, &key);
	if (!f)
		f = adopt(it, now, MET_AT_EVENT);
	if (!f)
		return;
	if (!change_begin(f, it, now))
		return;
	if (SPELL_STATE(f->now.spell) != old)
		find_in(f, key, old, now);
	spell = f->now.spell;
	exact = began_in_sight(f);
	if (old != new) {
		turn_to(f, new, now);
		f->now.changes += 1;
	} else if (new == TCP_CA_Loss) {
		f->now.repeated_rtos += 1;
	}
	write_end(f);
	if (old != new || new == TCP_CA_Loss)
		tell(ctx, it, f, now, old, new, spell, exact, PLACE_UNKNOWN);
}

/*
 * Where a look at a socket's congestion state is taken: before or after a call of
 * a function that may set it, or in the midst of one. Outer functions are called
 * by none of the others, inner ones by others or from elsewhere.
 */
enum look {
	LOOK_BEFORE_OUTER,
	LOOK_AFTER_OUTER,
	LOOK_AFTER_LOSS, /* the same, and it has set Loss */
	LOOK_BEFORE_INNER,
	LOOK_AFTER_INNER,
	LOOK_WITHIN,  /* before one that is looked at only there */
	LOOK_RETURNED, /* after one that is looked at only there */
};

/*
 * Keeps count of the calls under way, as far as they are seen. Returns whether
 * none was: then nothing can have set the state since the last look, unless it
 * went unseen.
 */
static __always_inline bool looked_from_outside(struct flow *f, enum look look)
{
	__u8 depth = f->depth;

	switch (look) {
	case LOOK_BEFORE_OUTER:
		f->depth = 1;
		return true;
	case LOOK_AFTER_OUTER:
	case LOOK_AFTER_LOSS:
		f->depth = 0;
		return false;
	case LOOK_BEFORE_INNER:
		f->depth = depth + 1;
		return !depth;
	case LOOK_AFTER_INNER:
		f->depth = depth ? depth - 1 : 0;
		return false;
	case LOOK_WITHIN:
		return !depth;
	default:
		return false;
	}
}

/*
 * What a look finds changed has changed just now, but for one from outside. Two
 * changes between two looks are one, or none; that is what this way of learning
 * cannot see. `early`: before a call. Afterwards it is too late to tell in which
 * state a socket was that is not known.
 */
static __always_inline void looked(const struct subject *it, enum look look, bool early,
				   enum place place)
{
	__u64 key = (__u64)it->sk;
	__u64 now, spell;
	struct flow *f;
	bool exact, outside;
	__u32 stored;

	if (!lives(it->tcp_state))
		return;
	now = bpf_ktime_get_ns();
	f = bpf_map_lookup_elem(&flows, &key);
	if (!f) {
		if (early)
			f = adopt(it, now, MET_AT_EVENT);
		if (f)
			looked_from_outside(f, look);
		return;
	}
	outside = looked_from_outside(f, look);
	spell = f->now.spell;
	stored = SPELL_STATE(spell);
	exact = began_in_sight(f);
	if (stored == it->state && look != LOOK_AFTER_LOSS)
		return;
	if (!change_begin(f, it, now))
		return;
	if (stored == it->state) {
		f->now.repeated_rtos += 1;
	} else if (outside) {
		find_in(f, key, it->state, now);
	} else {
		turn_to(f, it->state, now);
		f->now.changes += 1;
	}
	write_end(f);
	if (!outside)
		tell(NULL, it, f, now, stored, it->state, spell, exact, place);
}

/* Whether a change of sk_state begins or ends a life, or shows both ends. */
static __always_inline bool bears_on_life(int old, int new)
{
	return lives(old) != lives(new) || (lives(old) && new == TCP_ESTABLISHED);
}

/*
 * sk_state goes from `old` to `new`: the life lasts from leaving CLOSE or
 * LISTEN until entering CLOSE.
 */
static __always_inline void life(struct subject *it, int old, int new)
{
	__u64 key = (__u64)it->sk;
	__u64 now = bpf_ktime_get_ns();
	struct flow *f = bpf_map_lookup_elem(&flows, &key);

	if (!lives(old)) {
		/* A former life's end was missed. */
		if (f)
			leave(f, key, now, false);
		it->tcp_state = new;
		enter(it, now, BORN, 0);
		return;
	}
	it->tcp_state = old;
	if (!f) {
		/* Nothing to account where a birth was refused. */
		if (ever_refused)
			return;
		f = adopt(it, now, MET_AT_EVENT);
		if (!f)
			return;
	}
	/* At ->CLOSE the port may be in inet_sport alone, whatever came before. */
	if (!lives(new))
		it->tcp_state = new;
	if (!change_begin(f, it, now))
		return;
	if (SPELL_STATE(f->now.spell) != it->state)
		find_in(f, key, it->state, now);
	write_end(f);
	if (!lives(new))
		leave(f, key, now, true);
}

/* The socket goes away: a record is left only where ->CLOSE was not seen. */
static __always_inline void destroyed(struct sock *sk)
{
	__u64 key = (__u64)sk;
	struct flow *f = bpf_map_lookup_elem(&flows, &key);

	if (f)
		leave(f, key, bpf_ktime_get_ns(), false);
}

/*
 * Somebody looks whether the socket has a record, and whether it is right.
 * `locked`: under the socket's lock; without it only the first can be asked,
 * as an event may be under way.
 */
static __always_inline void met(const struct subject *it, bool locked)
{
	__u64 cc[2] = {};
	__u64 now = bpf_ktime_get_ns();
	__u64 key = (__u64)it->sk;
	struct flow *f = bpf_map_lookup_elem(&flows, &key);

	if (!f) {
		adopt(it, now, MET_BY_SURVEY);
		return;
	}
	f->surveyed = survey_round;
	if (!locked)
		return;
	if (context)
		read_cc(cc, it->sk);
	if ((f->flags & FLOW_ENDS_KNOWN) && SPELL_STATE(f->now.spell) == it->state &&
	    f->who.cc[0] == cc[0] && f->who.cc[1] == cc[1] && !costs)
		return;
	if (!change_begin(f, it, now))
		return;
	if (SPELL_STATE(f->now.spell) != it->state)
		find_in(f, key, it->state, now);
	write_end(f);
}

#endif
