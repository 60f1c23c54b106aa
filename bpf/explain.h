/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * Why a transition was made, and what the connection looked like: told for each
 * transition as it happens, where user space asks for it. Nothing here bears on
 * the figures of a flow, and a run that does not ask has none of it loaded.
 */
#ifndef TCPCONG_EXPLAIN_H
#define TCPCONG_EXPLAIN_H

#include "flow.h"

/* Not used: so that the type is among those that user space is given. */
const struct transition *const volatile transition_layout = 0;

/*
 * Where the kernel's functions lie that tell causes apart, from /proc/kallsyms;
 * all 0 where that does not tell.
 */
struct code {
	__u64 start;
	__u64 end;
};
const volatile struct code code_transmit = {};         /* __tcp_transmit_skb */
const volatile struct code code_try_to_open = {};      /* tcp_try_to_open */
const volatile struct code code_fastretrans_alert = {};/* tcp_fastretrans_alert */
const volatile struct code code_process_tlp_ack = {};  /* tcp_process_tlp_ack */
const volatile struct code code_ack = {};              /* tcp_ack */

/* In what call the transition was learned of, where the way to attach knows. */
enum place {
	PLACE_UNKNOWN,
	PLACE_FASTRETRANS_ALERT,
	PLACE_TLP_ACK,
	PLACE_KEEP_OPEN,
	PLACE_ENTER_CWR,
	PLACE_SIMPLE_RETRANSMIT,
};

#define FRAMES 12

#define READ_TCP(sk, field)                                                    \
	({                                                                     \
		struct tcp_sock *tp_ = (struct tcp_sock *)(sk);                \
		BPF_CORE_READ(tp_, field);                                     \
	})

static __always_inline bool lies_in(__u64 address, const volatile struct code *code)
{
	return address >= code->start && address < code->end;
}

/*
 * CWR is set on an ACK with the echo of an ECN mark (tcp_try_to_open(), which
 * may be inlined into tcp_fastretrans_alert()), on one that shows a tail loss
 * probe to have repaired a loss (tcp_process_tlp_ack(), maybe inlined into
 * tcp_ack()), or when a packet does not get into the local queue
 * (__tcp_transmit_skb()), which may happen in the midst of handling an ACK:
 * the innermost of the callers tells. The congestion control `cdg` sets it on an
 * ACK for reasons of its own (tcp_cdg_backoff(), net/ipv4/tcp_cdg.c).
 */
static __always_inline __u8 cause_of_cwr(void *ctx, const struct flow *f, enum place place)
{
	const char *cc = (const char *)f->who.cc;
	bool cdg = cc[0] == 'c' && cc[1] == 'd' && cc[2] == 'g' && !cc[3];
	__u64 frames[FRAMES] = {};
	int i;

	if (place == PLACE_FASTRETRANS_ALERT)
		return CAUSE_ECN;
	if (place == PLACE_TLP_ACK || place == PLACE_KEEP_OPEN)
		return CAUSE_TLP;
	if (place == PLACE_ENTER_CWR)
		return cdg ? CAUSE_UNKNOWN : CAUSE_LOCAL_DROP;
	if (!ctx || !code_transmit.end || bpf_get_stack(ctx, frames, sizeof(frames), 0) <= 0)
		return CAUSE_UNKNOWN;
#pragma unroll
	for (i = 0; i < FRAMES; i++) {
		if (lies_in(frames[i], &code_transmit))
			return CAUSE_LOCAL_DROP;
		if (lies_in(frames[i], &code_try_to_open) ||
		    lies_in(frames[i], &code_fastretrans_alert))
			return CAUSE_ECN;
		if (lies_in(frames[i], &code_process_tlp_ack))
			return CAUSE_TLP;
		if (lies_in(frames[i], &code_ack))
			return cdg ? CAUSE_UNKNOWN : CAUSE_TLP;
	}
	return CAUSE_UNKNOWN;
}

/*
 * Whether the peer has just not taken the data of the SYN: nothing but the SYN was
 * acknowledged so far (tcp_rcv_fastopen_synack(), net/ipv4/tcp_input.c).
 */
static __always_inline bool tfo_failed(struct sock *sk)
{
	struct tcp_sock *tp = (struct tcp_sock *)sk;

	return bpf_core_field_exists(tp->fastopen_client_fail) &&
	       BPF_CORE_READ_BITFIELD_PROBED(tp, fastopen_client_fail) &&
	       BPF_CORE_READ(tp, bytes_acked) <= 1;
}

/*
 * The retransmission timer's handler takes its name off icsk_pending before it
 * acts (tcp_write_timer_handler(), net/ipv4/tcp_timer.c). Where it has not, Loss is
 * set for a packet that was too big (tcp_simple_retransmit()), or, from 6.10 on, for
 * the data of a SYN, neither of which can be undone; or an ICMP message has brought
 * the timeout about (tcp_ld_RTO_revert(), net/ipv4/tcp_ipv4.c, RFC 6069).
 */
static __always_inline __u8 cause_of_loss(struct sock *sk, __u8 tcp_state, __u32 from,
					  enum place place)
{
	struct inet_connection_sock *icsk = (struct inet_connection_sock *)sk;

	if (place == PLACE_SIMPLE_RETRANSMIT)
		return CAUSE_PMTU;
	if (from != TCP_CA_Loss && BPF_CORE_READ(icsk, icsk_pending) &&
	    !READ_TCP(sk, undo_marker))
		return tfo_failed(sk) ? CAUSE_TFO_FAIL : CAUSE_PMTU;
	if (tcp_state == TCP_SYN_SENT || tcp_state == TCP_SYN_RECV)
		return CAUSE_SYN_TIMEOUT;
	return from == TCP_CA_Loss ? CAUSE_RTO_REPEAT : CAUSE_RTO;
}

/* Recovery begins on an ACK, or when RACK's reordering timer has run out without
 * one (tcp_rack_reo_timeout(), net/ipv4/tcp_recovery.c). */
static __always_inline __u8 cause_of_recovery(struct sock *sk)
{
	struct inet_connection_sock *icsk = (struct inet_connection_sock *)sk;

	if (BPF_CORE_READ(icsk, icsk_pending) == ICSK_TIME_REO_TIMEOUT &&
	    READ_TCP(sk, rcv_tstamp) != (__u32)bpf_jiffies64())
		return CAUSE_RACK_TIMER;
	return CAUSE_FAST_RETRANSMIT;
}

/*
 * Back to Open, or from Recovery to Disorder, where it is undone before all of the
 * loss is acknowledged (tcp_try_undo_partial()). Recovery and Loss note an
 * undo_marker when they begin, and tcp_undo_cwnd_reduction() takes it away when it
 * restores the window. It does
 * so when all retransmissions were reported as duplicates (undo_retrans), when
 * the ACK echoes an older timestamp than the first retransmission's
 * (tcp_packet_delayed()), or by F-RTO (tcp_process_loss()).
 */
static __always_inline __u8 cause_of_return(struct sock *sk, const struct flow *f, __u32 from)
{
	struct tcp_sock *tp = (struct tcp_sock *)sk;
	__u32 echoed, stamp;
	bool timestamps;

	if (f->undo == UNDO_NO || (from != TCP_CA_Recovery && from != TCP_CA_Loss) ||
	    READ_TCP(sk, undo_marker))
		return CAUSE_RECOVERED;
	if (f->undo == UNDO_UNKNOWN)
		return CAUSE_UNKNOWN;
	if (!READ_TCP(sk, undo_retrans))
		return CAUSE_UNDO_DSACK;
	echoed = READ_TCP(sk, rx_opt.rcv_tsecr);
	stamp = READ_TCP(sk, retrans_stamp);
	timestamps = BPF_CORE_READ_BITFIELD_PROBED(tp, rx_opt.saw_tstamp) && echoed;
	if (timestamps && stamp && (__s32)(echoed - stamp) < 0)
		return CAUSE_UNDO_TIMESTAMPS;
	if (from == TCP_CA_Loss && BPF_CORE_READ_BITFIELD_PROBED(tp, frto))
		return CAUSE_UNDO_FRTO;
	/* tcp_try_undo_partial() has cleared the stamp after it compared it. */
	return timestamps && !stamp ? CAUSE_UNDO_TIMESTAMPS : CAUSE_UNDO;
}

static __always_inline __u8 cause_of(void *ctx, const struct subject *it, const struct flow *f,
				     __u32 from, __u32 to, enum place place)
{
	if (to == TCP_CA_Loss)
		return cause_of_loss(it->sk, it->tcp_state, from, place);
	if (to == TCP_CA_Recovery)
		return cause_of_recovery(it->sk);
	if (to == TCP_CA_CWR)
		return cause_of_cwr(ctx, f, place);
	if (to == TCP_CA_Disorder && from != TCP_CA_Recovery)
		return CAUSE_REORDERING;
	return cause_of_return(it->sk, f, from);
}

/* Keeps what the next transition is told by. */
static __always_inline void keep_window(struct flow *f, struct sock *sk, __u32 to)
{
	f->cwnd = READ_TCP(sk, snd_cwnd);
	f->ssthresh = READ_TCP(sk, snd_ssthresh);
	if (to == TCP_CA_Recovery || to == TCP_CA_Loss)
		f->undo = READ_TCP(sk, undo_marker) ? UNDO_ARMED : UNDO_NO;
}

/* Tells of a transition that was just booked, or of Loss set again. `spell`: the one
 * that ended, or goes on. `exact`: its beginning was seen. */
static __always_inline void tell(void *ctx, const struct subject *it, struct flow *f, __u64 now,
				 __u32 from, __u32 to, __u64 spell, bool exact,
				 enum place place)
{
	struct sock *sk = it->sk;
	struct transition *t;

	if (!explain)
		return;
	t = bpf_ringbuf_reserve(&transitions, sizeof(*t), 0);
	if (!t) {
		count(transitions_untold);
		keep_window(f, sk, to);
		return;
	}
	t->at_ns = now;
	t->socket = (__u64)sk;
	t->spell_ns = now > SPELL_SINCE(spell) ? now - SPELL_SINCE(spell) : 0;
	t->from = from;
	t->to = to;
	t->exact = exact;
	t->cause = cause_of(ctx, it, f, from, to, place);
	/* The kernel keeps what the window was before the first of several reductions
	 * (tcp_init_cwnd_reduction(), tcp_enter_loss()), and has none for a packet that
	 * was too big; before anything else the window is taken to be what it was after
	 * the last transition. */
	t->cwnd_before = f->cwnd;
	t->ssthresh_before = f->ssthresh;
	keep_window(f, sk, to);
	if (t->cause == CAUSE_PMTU || t->cause == CAUSE_TFO_FAIL)
		t->cwnd_before = f->cwnd;
	else if (to >= TCP_CA_CWR && from <= TCP_CA_Disorder)
		t->cwnd_before = READ_TCP(sk, prior_cwnd);
	t->cwnd_after = f->cwnd;
	t->ssthresh_after = f->ssthresh;
	t->srtt_us = READ_TCP(sk, srtt_us) >> 3; /* kept in eighths */
	t->packets_out = READ_TCP(sk, packets_out);
	t->sacked_out = READ_TCP(sk, sacked_out);
	t->lost_out = READ_TCP(sk, lost_out);
	t->retrans_out = READ_TCP(sk, retrans_out);
	t->born_ns = f->born_ns;
	t->who = f->who;
	bpf_ringbuf_submit(t, 0);
}

#endif
