/* SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause */
/*
 * Hands the records to user space. Not by the system calls that read maps:
 * while those are at work the kernel skips every kprobe and classic tracepoint
 * program on their CPU (bpf_disable_instrumentation(), include/linux/bpf.h).
 */
#ifndef TCPCONG_READERS_H
#define TCPCONG_READERS_H

/* A record whole, its key first; what does not fit comes again. */
static __always_inline bool hand_over(struct seq_file *seq, void *key, __u32 key_bytes,
				      void *value)
{
	return !bpf_seq_write(seq, key, key_bytes) &&
	       !bpf_seq_write(seq, value, sizeof(struct flow));
}

SEC("iter/bpf_map_elem")
int read_flows(struct bpf_iter__bpf_map_elem *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	void *key = ctx->key, *value = ctx->value;

	if (key && value)
		hand_over(seq, key, sizeof(__u64), value);
	return 0;
}

SEC("iter/bpf_map_elem")
int take_ended(struct bpf_iter__bpf_map_elem *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	struct ended_key *key = ctx->key, copy;
	void *value = ctx->value;

	if (!key || !value)
		return 0;
	copy = *key;
	if (hand_over(seq, key, sizeof(copy), value))
		bpf_map_delete_elem(&ended, &copy);
	return 0;
}

#endif
