/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * Where CWR was set, which tells its cause. Other causes are told by what the entry has
 * anyway (crates/core/src/model/cause.rs).
 *
 * CWR is set on an ACK with the echo of an ECN mark (tcp_enter_cwr() from
 * tcp_try_to_open(), which may be inlined into tcp_fastretrans_alert()), on one that
 * shows a tail loss probe to have repaired a loss (tcp_process_tlp_ack(), maybe inlined
 * into tcp_ack()), or when a packet does not get into the local queue (tcp_enter_cwr()
 * from __tcp_transmit_skb()), which may happen in the midst of handling an ACK. The
 * congestion control `cdg` sets it on an ACK for reasons of its own (tcp_cdg_backoff(),
 * net/ipv4/tcp_cdg.c).
 */
#ifndef TCPCONG_CWR_H
#define TCPCONG_CWR_H

#include "socket.h"

/*
 * Where the kernel's functions lie that tell them apart, from /proc/kallsyms; all 0
 * where that does not tell.
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

#define FRAMES 12

/* include/net/tcp.h: TCP_ECN_OK, which became TCP_ECN_MODE_RFC3168, and
 * TCP_ECN_MODE_ACCECN, a bit that was unused before. */
enum { ECN_MODES = 1 | 16 };

static __always_inline bool lies_in(__u64 address, const volatile struct code *code)
{
	return address >= code->start && address < code->end;
}

static __always_inline bool is_cdg(const __u8 name[16])
{
	return name[0] == 'c' && name[1] == 'd' && name[2] == 'g' && !name[3];
}

/* By the kernel's stack: the innermost of the callers tells. Takes 2 us. */
static __always_inline __u8 place_on_stack(void *ctx)
{
	__u64 frames[FRAMES] = {};
	int i;

	if (!code_transmit.end || bpf_get_stack(ctx, frames, sizeof(frames), 0) <= 0)
		return PLACE_UNKNOWN;
#pragma unroll
	for (i = 0; i < FRAMES; i++) {
		if (lies_in(frames[i], &code_transmit))
			return PLACE_TRANSMIT;
		if (lies_in(frames[i], &code_try_to_open) ||
		    lies_in(frames[i], &code_fastretrans_alert))
			return PLACE_FASTRETRANS_ALERT;
		if (lies_in(frames[i], &code_process_tlp_ack))
			return PLACE_TLP_ACK;
		if (lies_in(frames[i], &code_ack))
			return PLACE_ACK;
	}
	return PLACE_UNKNOWN;
}

/*
 * By the socket alone where that is enough. A packet that is being sent has set
 * tcp_wstamp_ns to no less than the socket's clock (__tcp_transmit_skb()), which each
 * ACK sets to the present (tcp_mstamp_refresh()): so they are the same while one is
 * being sent, and the clock is ahead while an ACK is handled, unless pacing has put the
 * next packet off, as it may with `fq` and BBR. Of ACKs only a tail loss probe's comes
 * with the undo_marker or the prior_ssthresh that tcp_enter_cwr() clears, and
 * only after a probe that was a retransmission (tlp_retrans).
 */
static __always_inline __u8 place_of_cwr(void *ctx, const struct subject *s, const __u8 name[16])
{
	__u64 sent = GET(s, tcp_wstamp_ns);
	__u64 clock = GET(s, tcp_clock_cache);

	if (is_cdg(name))
		return place_on_stack(ctx);
	if (sent == clock)
		return PLACE_TRANSMIT;
	if (sent > clock)
		return place_on_stack(ctx);
	if (GET(s, undo_marker) || GET(s, prior_ssthresh) || !(GET(s, ecn_flags) & ECN_MODES))
		return PLACE_TLP_ACK;
	if (bpf_core_field_exists(struct tcp_sock, tlp_retrans) && !GET_BITS(s, tlp_retrans))
		return PLACE_FASTRETRANS_ALERT;
	return place_on_stack(ctx);
}

#endif
