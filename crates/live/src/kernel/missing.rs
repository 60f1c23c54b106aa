//! What this system lacks for the programs to load or attach, and what would
//! help. Only asked after something was refused.

use std::fs;
use std::path::Path;

use caps::Capability;
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit};
use thiserror::Error;

use super::{log, privilege};
use tcpcong_core::model::RejectedMethod;

/// So many files are enough for every way to attach.
const FILES: u64 = 256;
/// Where the kernel tells that it has kprobes (`kernel/events/core.c`, `perf_kprobe`).
const KPROBES: &str = "/sys/bus/event_source/devices/kprobe";
const TRACEFS: &str = "/sys/kernel/tracing";
const PARANOID: &str = "/proc/sys/kernel/perf_event_paranoid";
const BTF: &str = "/sys/kernel/btf/vmlinux";

/// Why the programs cannot run here. The exit code is 3.
#[derive(Debug, Error)]
pub enum Missing {
    /// Not root, and not the capabilities either.
    #[error(
        "the kernel did not let the programs {what}: this process lacks {}. Run it as root \
         (sudo tcpcong), or give it what it needs: \
         sudo setcap cap_bpf,cap_perfmon,cap_sys_admin,cap_sys_ptrace+ep $(command -v tcpcong) \
         (the last two to see the sockets that were there before in other network namespaces). \
         Without any, --attach sample estimates",
        lacking.join(" and ")
    )]
    Capabilities {
        /// Load or attach.
        what: &'static str,
        /// Their names.
        lacking: Vec<String>,
    },
    /// Root of a user namespace, whose capabilities the kernel does not ask.
    #[error(
        "the kernel did not let the programs {what}: this process is root of a user namespace \
         (a container without privileges?), and CAP_BPF and CAP_PERFMON count in the machine's own \
         alone. Run it there: sudo tcpcong. Here --attach sample estimates"
    )]
    UserNamespace {
        /// Load or attach.
        what: &'static str,
    },
    /// A file system that everybody has is not mounted.
    #[error(
        "{point} is not mounted here, and without it nothing tells what this kernel has and lets \
         this process do: mount -t {kind} {kind} {point}"
    )]
    Mount {
        /// Where it belongs.
        point: &'static str,
        /// Its type.
        kind: &'static str,
    },
    /// Sockets are not listed.
    #[error(
        "this kernel does not list its sockets (sock_diag): {answer}. One built with CONFIG_INET_DIAG \
         does, where that is a module once it is loaded: sudo modprobe tcp_diag"
    )]
    SockDiag {
        /// What it says.
        answer: String,
    },
    /// Too few files may be open.
    #[error(
        "this process may have {limit} files open, and each program, map and iterator is one: raise \
         the limit to {0} or more, by ulimit -n {0}, or LimitNOFILE={0} in a systemd unit",
        enough(*.limit)
    )]
    Files {
        /// The present limit.
        limit: u64,
    },
    /// No BTF.
    #[error(
        "this kernel has no type information (BTF): {BTF} is not there. A kernel built with \
         CONFIG_DEBUG_INFO_BTF=y has it, as those of Debian 11, Ubuntu 20.10, Fedora 31, RHEL 8.2 \
         and later do. Without it --attach sample estimates"
    )]
    Btf,
    /// Maps count against a limit that this process may not raise.
    #[error(
        "the kernel did not make the tables: before Linux 5.11 they count against the limit on \
         locked memory, which is {limit_kib} KiB here, and this process lacks CAP_SYS_RESOURCE to \
         raise it. Raise it: ulimit -l unlimited, or LimitMEMLOCK=infinity in a systemd unit. Without \
         that, --attach sample estimates"
    )]
    LockedMemory {
        /// The present limit.
        limit_kib: u64,
    },
    /// None of the ways that may be taken works.
    #[error("{}: {}", if *.any { "no way to attach works here (--attach sample, which attaches \
        nothing, estimates)" } else { "it cannot be attached as asked (see --attach)" },
        listed(methods))]
    AttachMethod {
        /// Any way might have been taken.
        any: bool,
        /// Each with its reason.
        methods: Vec<RejectedMethod>,
    },
}

/// More than there may be now, as each network namespace is a file as well.
fn enough(limit: u64) -> u64 {
    FILES.max(limit.saturating_mul(4))
}

fn listed(methods: &[RejectedMethod]) -> String {
    let methods: Vec<_> =
        methods.iter().map(|method| format!("{}: {}", method.attach, method.why)).collect();
    methods.join("; ")
}

impl Missing {
    /// Nothing tells of this machine's processes and namespaces.
    pub(super) fn is_without_proc() -> bool {
        !Path::new("/proc/self").exists()
    }

    /// What is wrong around this process, whatever it was refused then.
    pub(super) fn around() -> Option<Self> {
        if Self::is_without_proc() {
            return Some(Self::Mount { point: "/proc", kind: "proc" });
        }
        if !Path::new("/sys/kernel").exists() {
            return Some(Self::Mount { point: "/sys", kind: "sysfs" });
        }
        let (limit, _) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
        (limit < FILES).then_some(Self::Files { limit })
    }

    /// Whether it means that too few files may be open.
    pub(super) fn is_of_files(error: &anyhow::Error) -> bool {
        format!("{error:#}").contains(Errno::EMFILE.desc())
    }

    /// The same error, or what it means: that too few files may be open.
    pub(super) fn files_or(error: anyhow::Error) -> anyhow::Error {
        if !Self::is_of_files(&error) {
            return error;
        }
        match getrlimit(Resource::RLIMIT_NOFILE) {
            Ok((limit, _)) => Self::Files { limit }.into(),
            Err(_) => error,
        }
    }

    /// The privilege that `what` was refused for, if it is that.
    pub(super) fn privilege(what: &'static str, answer: &libbpf_rs::Error) -> Option<Self> {
        if answer.kind() != libbpf_rs::ErrorKind::PermissionDenied {
            return None;
        }
        let lacking = privilege::lacking_to_attach();
        if !lacking.is_empty() {
            return Some(Self::Capabilities { what, lacking });
        }
        if in_user_namespace() {
            return Some(Self::UserNamespace { what });
        }
        let (limit, _) = getrlimit(Resource::RLIMIT_MEMLOCK).ok()?;
        let unlimited = limit == nix::libc::RLIM_INFINITY;
        let tables = log::has("failed to create map") || log::has("Error in bpf_create_map");
        let raises = privilege::has(Capability::CAP_SYS_RESOURCE);
        (tables && !unlimited && !raises).then_some(Self::LockedMemory { limit_kib: limit / 1024 })
    }

    /// What would help where a probe could not be attached, after libbpf's line.
    pub(super) fn hint(what: &str, log: &str) -> Option<String> {
        let (kprobe, tracepoint) = (log.contains("kprobe"), log.contains("tracepoint"));
        if what != "attach" || !(kprobe || tracepoint) {
            return None;
        }
        if kprobe && !Path::new(KPROBES).exists() {
            return Some(
                " (this kernel has none: it is built without CONFIG_KPROBE_EVENTS)".into(),
            );
        }
        if tracepoint && !Path::new(TRACEFS).join("events").exists() {
            return Some(format!(
                " (tracefs is not mounted, or may not be looked into: mount -t tracefs nodev \
                 {TRACEFS}; as another user than root CAP_DAC_READ_SEARCH opens it)"
            ));
        }
        let paranoid = fs::read_to_string(PARANOID).ok()?;
        let paranoid: i32 = paranoid.trim().parse().ok()?;
        (paranoid > 2 && !privilege::has(Capability::CAP_SYS_ADMIN)).then(|| {
            format!(
                " (kernel.perf_event_paranoid is {paranoid}: above 2 this needs CAP_SYS_ADMIN, or \
                 sysctl kernel.perf_event_paranoid=2)"
            )
        })
    }

    /// No way works, each for its reason.
    pub(super) fn method(any: bool, methods: &[RejectedMethod]) -> Self {
        if Path::new(BTF).exists() {
            Self::AttachMethod { any, methods: methods.to_vec() }
        } else {
            Self::Btf
        }
    }
}

/// Whether user ids are mapped, `user_namespaces(7)`.
fn in_user_namespace() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let numbers: Vec<_> = map.split_whitespace().collect();
    !numbers.is_empty() && numbers != ["0", "0", "4294967295"]
}
