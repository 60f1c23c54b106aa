//! What the running kernel has, as its types (BTF) tell: never its version.
//! Whether it also lets us have it, only trying shows: `attach`.

use std::cell::OnceCell;

use libbpf_rs::btf::{Btf, types};

use super::method::AttachMethod;

/// The running kernel's types, read when they are first asked for.
#[derive(Default)]
pub(super) struct KernelTypes(OnceCell<Option<Btf<'static>>>);

impl KernelTypes {
    fn get(&self) -> Option<&Btf<'static>> {
        self.0.get_or_init(|| Btf::from_vmlinux().ok()).as_ref()
    }

    pub(super) fn has_function(&self, name: &str) -> bool {
        self.get().is_some_and(|btf| btf.type_by_name::<types::Func<'_>>(name).is_some())
    }

    fn has_struct(&self, name: &str) -> bool {
        self.get().is_some_and(|btf| btf.type_by_name::<types::Struct<'_>>(name).is_some())
    }

    /// Whether maps may get room bit by bit even where a kprobe or a classic
    /// tracepoint asks for it: since 6.1, with kernel/bpf/memalloc.c.
    pub(super) fn allocates_in_probes(&self) -> bool {
        self.has_struct("bpf_mem_alloc")
    }

    /// Or what is lacking.
    pub(super) fn has_what_it_takes(&self, method: AttachMethod) -> Result<(), String> {
        let (there, what) = match method {
            AttachMethod::TracepointBtf => (
                self.get().is_some_and(|btf| {
                    btf.type_by_name::<types::Typedef<'_>>("btf_trace_tcp_cong_state_set").is_some()
                }),
                "tracepoint tcp_cong_state_set (Linux 5.19 has it)",
            ),
            AttachMethod::TracepointClassic => (
                self.has_struct("trace_event_raw_tcp_cong_state_set"),
                "tracepoint tcp_cong_state_set (Linux 5.19 has it)",
            ),
            AttachMethod::FentrySetter | AttachMethod::KprobeSetter => (
                self.has_function("tcp_set_ca_state"),
                "function tcp_set_ca_state (it is inlined before Linux 5.19)",
            ),
            AttachMethod::FentryCallers | AttachMethod::KprobeCallers => return Ok(()),
        };
        if there { Ok(()) } else { Err(format!("this kernel has no {what}")) }
    }
}
