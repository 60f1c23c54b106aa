// SPDX-License-Identifier: GPL-2.0-only OR BSD-3-Clause
/*
 * The programs. Of those that learn of transitions one way's are loaded, of
 * those that learn of lives one kind; src/kernel/method.rs chooses. Compiled twice: with
 * -DRING for kernels before 5.12 (log.h).
 */
#include "kernel.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_tracing.h>
#include "wire.h"
#include "transitions.h"
#include "callers.h"
#include "lives.h"
#include "survey.h"
#include "owners.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* Not used: so that the types are among those that user space is given. */
const struct entry *const volatile entry_layout = 0;
const struct endpoints *const volatile endpoints_layout = 0;
const struct figures *const volatile figures_layout = 0;
const struct seen *const volatile seen_layout = 0;
const struct holder *const volatile holder_layout = 0;
