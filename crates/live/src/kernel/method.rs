//! The ways to learn of transitions, what each needs and what it cannot see.
//! Pure: nothing is loaded here.

use std::fmt;

/// How transitions are learned. `Setter` is `tcp_set_ca_state()` of
/// `net/ipv4/tcp_cong.c`, which is a function of its own since Linux 5.19;
/// `Callers` are the functions that it is inlined into before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AttachMethod {
    /// The tracepoint, with typed pointers.
    TracepointBtf,
    /// A BPF trampoline at the setter.
    FentrySetter,
    /// The tracepoint, as tracefs knows it.
    TracepointClassic,
    /// A kprobe at the setter.
    KprobeSetter,
    /// BPF trampolines around the callers.
    FentryCallers,
    /// Kprobes and kretprobes around the callers.
    KprobeCallers,
}

/// Which ways may be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attach(&'static [AttachMethod]);

impl Attach {
    /// Any: first those that see every transition, the cheaper first.
    pub const AUTO: Self = Self(&[
        AttachMethod::TracepointBtf,
        AttachMethod::FentrySetter,
        AttachMethod::TracepointClassic,
        AttachMethod::KprobeSetter,
        AttachMethod::FentryCallers,
        AttachMethod::KprobeCallers,
    ]);

    /// None: sockets are looked at from time to time instead, which is never the automatic
    /// choice.
    pub const SAMPLE: Self = Self(&[]);

    /// What `--attach` takes: any, a family, one way, or none.
    pub const NAMES: [(&'static str, Self); 11] = [
        ("auto", Self::AUTO),
        ("tracepoint", Self(&[AttachMethod::TracepointBtf, AttachMethod::TracepointClassic])),
        ("fentry", Self(&[AttachMethod::FentrySetter, AttachMethod::FentryCallers])),
        ("kprobe", Self(&[AttachMethod::KprobeSetter, AttachMethod::KprobeCallers])),
        ("tracepoint:btf", Self(&[AttachMethod::TracepointBtf])),
        ("tracepoint:classic", Self(&[AttachMethod::TracepointClassic])),
        ("fentry:setter", Self(&[AttachMethod::FentrySetter])),
        ("fentry:callers", Self(&[AttachMethod::FentryCallers])),
        ("kprobe:setter", Self(&[AttachMethod::KprobeSetter])),
        ("kprobe:callers", Self(&[AttachMethod::KprobeCallers])),
        ("sample", Self::SAMPLE),
    ];

    /// The request of this name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(known, _)| *known == name).map(|(_, attach)| attach)
    }

    /// Whether sockets are looked at from time to time, and nothing is attached.
    #[must_use]
    pub fn is_sample(self) -> bool {
        self.0.is_empty()
    }

    /// The ways, the best first.
    pub(super) fn methods(self) -> &'static [AttachMethod] {
        self.0
    }
}

impl fmt::Display for AttachMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TracepointBtf => "tracepoint:btf",
            Self::FentrySetter => "fentry:setter",
            Self::TracepointClassic => "tracepoint:classic",
            Self::KprobeSetter => "kprobe:setter",
            Self::FentryCallers => "fentry:callers",
            Self::KprobeCallers => "kprobe:callers",
        })
    }
}

/// A function of `net/ipv4/tcp_input.c` around which the state is looked at.
struct Caller {
    name: &'static str,
    /// The probes that `bpf/callers.h` has for it.
    entry: bool,
    exit: bool,
    /// What goes unseen without it, where no other function's exit shows it.
    without: Option<&'static str>,
}

const fn caller(
    name: &'static str,
    entry: bool,
    exit: bool,
    without: Option<&'static str>,
) -> Caller {
    Caller { name, entry, exit, without }
}

const CALLERS: [Caller; 11] = [
    caller("tcp_fastretrans_alert", true, true, Some("most transitions")),
    caller("tcp_enter_loss", true, true, Some("retransmission timeouts")),
    caller("tcp_enter_recovery", true, true, Some("recoveries that RACK's timer begins")),
    caller("tcp_enter_cwr", true, true, Some("CWR after drops in a local queue")),
    caller("tcp_process_tlp_ack", true, true, Some("CWR after a tail loss probe")),
    caller("tcp_simple_retransmit", true, true, Some("Loss after an ICMP 'too big'")),
    caller("tcp_rcv_synrecv_state_fastopen", true, true, None),
    caller("tcp_try_keep_open", true, false, None),
    caller("tcp_try_undo_recovery", false, true, None),
    caller("tcp_try_undo_loss", false, true, None),
    caller("tcp_rcv_state_process", false, true, Some("Loss after a SYN's data was not taken")),
];

/// Without these two there is no point.
const INDISPENSABLE: usize = 2;

/// Whether it does what the program before it on the same hook was skipped for
/// (`bpf/uninterrupted.h`).
pub(super) fn is_second(program: &str) -> bool {
    program.ends_with("_second")
}

/// Whether a way can do without this program of its own.
pub(super) fn is_dispensable(program: &str) -> bool {
    CALLERS[INDISPENSABLE..].iter().any(|caller| program.ends_with(caller.name))
}

/// What a way comes to on a kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Probes {
    /// The programs that learn of transitions.
    pub programs: Vec<String>,
    /// What they cannot see.
    pub limitations: Vec<String>,
}

impl AttachMethod {
    /// Whether its programs get typed pointers, as trampolines give them.
    pub(super) fn is_typed(self) -> bool {
        matches!(self, Self::TracepointBtf | Self::FentrySetter | Self::FentryCallers)
    }

    /// Whether what a probe sits on tells the cause of what it sees.
    pub(super) fn looks_at_callers(self) -> bool {
        matches!(self, Self::FentryCallers | Self::KprobeCallers)
    }

    /// Whether it needs the place on which a kretprobe finds its arguments.
    pub(super) fn uses_frames(self) -> bool {
        self == Self::KprobeCallers
    }

    fn only(self, programs: &[&str]) -> Probes {
        let programs = programs.iter().map(|&program| program.to_owned()).collect();
        Probes { programs, limitations: self.limitations() }
    }

    /// What goes unseen this way, wherever it is.
    fn limitations(self) -> Vec<String> {
        let mut limitations = Vec::new();
        if self.looks_at_callers() {
            limitations
                .push("transitions that one call of the kernel makes and unmakes".to_owned());
        }
        if !self.is_typed() {
            limitations.push(
                "runs of its programs that the kernel skips while another such program runs on \
                 the CPU (counted from Linux 6.7 on)"
                    .to_owned(),
            );
        }
        limitations
    }

    /// The programs of this way. `has_function` tells whether the kernel has a
    /// function under this name that can be probed.
    pub(super) fn probes(self, has_function: impl Fn(&str) -> bool) -> Result<Probes, String> {
        let (entry, exit) = match self {
            Self::TracepointBtf => {
                return Ok(self.only(&["btf_transition", "btf_transition_second"]));
            }
            Self::TracepointClassic => return Ok(self.only(&["classic_transition"])),
            Self::FentrySetter => return Ok(self.only(&["fentry_transition"])),
            Self::KprobeSetter => return Ok(self.only(&["kprobe_transition"])),
            Self::FentryCallers => ("fentry", "fexit"),
            Self::KprobeCallers => ("kprobe", "kretprobe"),
        };
        let mut probes = Probes { programs: Vec::new(), limitations: self.limitations() };
        for (at, caller) in CALLERS.iter().enumerate() {
            let name = caller.name;
            if has_function(name) {
                // What a kretprobe returns from, its kprobe has noted.
                if caller.entry || self == Self::KprobeCallers {
                    probes.programs.push(format!("{entry}_{name}"));
                }
                if caller.exit {
                    probes.programs.push(format!("{exit}_{name}"));
                }
            } else if at < INDISPENSABLE {
                return Err(format!("this kernel has no function {name} to probe"));
            } else if let Some(lost) = caller.without {
                probes.limitations.push(format!("{lost} (no function {name} to probe)"));
            }
        }
        Ok(probes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_goes_by_the_name_that_it_prints() {
        for method in Attach::AUTO.methods() {
            let attach = Attach::by_name(&method.to_string()).expect("a name");
            assert_eq!(attach.methods(), [*method]);
        }
        assert_eq!(Attach::by_name("ptrace"), None);
    }

    #[test]
    fn a_missing_function_is_said_or_forbids_the_way() {
        let all = AttachMethod::FentryCallers.probes(|_| true).expect("all there");
        assert_eq!(all.programs.len(), 8 + 10);
        assert_eq!(all.limitations.len(), 1);
        let some =
            AttachMethod::KprobeCallers.probes(|name| name != "tcp_enter_cwr").expect("enough");
        assert!(some.limitations[2].contains("local queue"), "{some:?}");
        assert!(!some.programs.iter().any(|name| name.contains("enter_cwr")));
        let refused = AttachMethod::FentryCallers.probes(|name| name != "tcp_enter_loss");
        assert!(refused.expect_err("indispensable").contains("tcp_enter_loss"));
    }
}
