// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/*
 * An empty program on the congestion event: what any program costs there, the
 * kernel's own measuring included.
 */
#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("tp_btf/tcp_cong_state_set")
int BPF_PROG(floor_cong_state_set)
{
	return 0;
}
