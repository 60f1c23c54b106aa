//! What this system lacks for the programs to load or attach, and what would
//! help. Only asked after something was refused.

use std::fs;
use std::path::Path;

use thiserror::Error;

const BTF: &str = "/sys/kernel/btf/vmlinux";
/// The type by which a `tp_btf` program finds the tracepoint.
const TRACEPOINT_TYPE: &str = "btf_trace_tcp_cong_state_set";

/// Capabilities by their bit (include/uapi/linux/capability.h) and name.
const CAPABILITIES: [(u32, &str); 2] = [(39, "CAP_BPF"), (38, "CAP_PERFMON")];
const CAP_SYS_ADMIN: u32 = 21;

/// Why the programs cannot run here. The exit code is 3.
#[derive(Debug, Error)]
pub enum Missing {
    /// Not root, and not the capabilities either.
    #[error(
        "the kernel did not let the programs {what}: this process lacks {}. Run it as root \
         (sudo tcpcong), or give it what it needs: \
         sudo setcap cap_bpf,cap_perfmon,cap_sys_admin,cap_sys_ptrace+ep $(command -v tcpcong) \
         (the last two to see the sockets that were there before in other network namespaces)",
        lacking.join(" and ")
    )]
    Capabilities {
        /// Load or attach.
        what: &'static str,
        /// Their names.
        lacking: Vec<&'static str>,
    },
    /// Root of a user namespace, whose capabilities the kernel does not ask.
    #[error(
        "the kernel did not let the programs {what}: this process is root of a user namespace \
         (a container without privileges?), and CAP_BPF and CAP_PERFMON count in the machine's own \
         alone. Run it there: sudo tcpcong"
    )]
    UserNamespace {
        /// Load or attach.
        what: &'static str,
    },
    /// No BTF.
    #[error(
        "this kernel has no type information (BTF): {BTF} is not there. A kernel built with \
         CONFIG_DEBUG_INFO_BTF=y has it, as those of Debian 11, Ubuntu 20.10, Fedora 31, RHEL 8.2 \
         and later do"
    )]
    Btf,
    /// No tracepoint.
    #[error(
        "this kernel has no tracepoint tcp:tcp_cong_state_set, which came with Linux 5.19; this \
         is {kernel}. A newer kernel has it"
    )]
    Tracepoint {
        /// Its release.
        kernel: String,
    },
    /// Something else.
    #[error("the kernel did not let the programs {what}: {answer}{}", said(log))]
    Refused {
        /// Load or attach.
        what: &'static str,
        /// What the system answered.
        answer: String,
        /// What libbpf said last.
        log: String,
    },
}

fn said(log: &str) -> String {
    if log.is_empty() { String::new() } else { format!(" ({log})") }
}

impl Missing {
    /// Finds out why `what` was refused with `answer`.
    pub(super) fn find(what: &'static str, answer: &libbpf_rs::Error, log: String) -> Self {
        let lacking = lacking();
        if !lacking.is_empty() && answer.kind() == libbpf_rs::ErrorKind::PermissionDenied {
            return Self::Capabilities { what, lacking };
        }
        if answer.kind() == libbpf_rs::ErrorKind::PermissionDenied && in_user_namespace() {
            return Self::UserNamespace { what };
        }
        match fs::read(BTF) {
            Err(_) if !Path::new(BTF).exists() => return Self::Btf,
            Ok(types) if !has_name(&types, TRACEPOINT_TYPE) => {
                return Self::Tracepoint { kernel: super::kernel_release() };
            }
            _ => {}
        }
        Self::Refused { what, answer: answer.to_string(), log }
    }
}

/// The capabilities that loading needs and this process does not have.
fn lacking() -> Vec<&'static str> {
    let has = fs::read_to_string("/proc/self/status").ok().and_then(|status| effective(&status));
    let Some(has) = has else { return Vec::new() };
    // CAP_SYS_ADMIN stands for both, as it did before 5.8.
    if has & (1 << CAP_SYS_ADMIN) != 0 {
        return Vec::new();
    }
    CAPABILITIES.iter().filter(|(bit, _)| has & (1 << bit) == 0).map(|(_, name)| *name).collect()
}

/// Whether a kernel's type information has a type of this name: its names stand
/// in it with a zero byte on either side.
fn has_name(types: &[u8], name: &str) -> bool {
    let name = [b"\0", name.as_bytes(), b"\0"].concat();
    types.windows(name.len()).any(|window| window == name)
}

/// Whether user ids are mapped, `user_namespaces(7)`.
fn in_user_namespace() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let numbers: Vec<_> = map.split_whitespace().collect();
    !numbers.is_empty() && numbers != ["0", "0", "4294967295"]
}

/// The effective set of /proc/PID/status, `proc_pid_status(5)`.
fn effective(status: &str) -> Option<u64> {
    let hex = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(hex.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tracepoint_is_looked_for_by_its_whole_name() {
        let types = b"\0btf_trace_tcp_probe\0btf_trace_tcp_cong_state_set_2\0";
        assert!(has_name(types, "btf_trace_tcp_probe"));
        assert!(!has_name(types, TRACEPOINT_TYPE));
    }

    #[test]
    fn effective_set_is_read_as_proc_prints_it() {
        let status = "Name:\ttcpcong\nCapPrm:\t000001ffffffffff\nCapEff:\t000000c000000000\n";
        assert_eq!(effective(status), Some(1 << 39 | 1 << 38));
        assert_eq!(effective("Name:\tx\n"), None);
    }
}
