//! What this system lacks for the programs to load or attach, and what would
//! help. Only asked after something was refused.

use std::fs;
use std::path::Path;

use thiserror::Error;

const BTF: &str = "/sys/kernel/btf/vmlinux";

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
         sudo setcap cap_bpf,cap_perfmon,cap_sys_admin+ep $(command -v tcpcong) \
         (cap_sys_admin to see the sockets that were there before in other network namespaces)",
        lacking.join(" and ")
    )]
    Capabilities {
        /// Load or attach.
        what: &'static str,
        /// Their names.
        lacking: Vec<&'static str>,
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
        if !Path::new(BTF).exists() {
            return Self::Btf;
        }
        if answer.kind() == libbpf_rs::ErrorKind::NotFound || log.contains("btf_trace_") {
            return Self::Tracepoint { kernel: super::kernel_release() };
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

/// The effective set of /proc/PID/status, `proc_pid_status(5)`.
fn effective(status: &str) -> Option<u64> {
    let hex = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(hex.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effective_set_is_read_as_proc_prints_it() {
        let status = "Name:\ttcpcong\nCapPrm:\t000001ffffffffff\nCapEff:\t000000c000000000\n";
        assert_eq!(effective(status), Some(1 << 39 | 1 << 38));
        assert_eq!(effective("Name:\tx\n"), None);
    }
}
