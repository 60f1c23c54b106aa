//! How connections are traced, or looked at without BPF: options of every command that does.
//! Not here: the tracing.

use std::time::Duration;

use clap::Args as Group;

use super::config::{bytes, whole};
use super::{UsageError, choice};
use tcpcong_core::model::Filter;
use tcpcong_live::{Attach, Options, Selection};

/// The heading of these options in the help.
const TRACING: &str = "Tracing";

/// What these are where nobody says.
const DEFAULT_ATTACH: &str = "auto";
const DEFAULT_BUFFER: &str = "8M";
/// The room for entries in the kernel, bytes.
const BUFFER_LEAST: u64 = 64 << 10;
const BUFFER_MOST: u64 = 4 << 30;
/// More room would need more than 8 GiB of kernel memory once filled.
const MAX_FLOWS_MOST: u32 = 1 << 25;

/// How often sockets can be looked at.
const LEAST: Duration = Duration::from_millis(1);
const MOST: Duration = Duration::from_secs(10);

/// What the kernel side is told.
#[derive(Debug, Group)]
pub struct KernelSide {
    /// Kernel hook to use: tracepoint, fentry or kprobe, or one form of them, as
    /// kprobe:callers; "sample" uses none, takes no privilege, and estimates
    #[arg(long, value_name = "HOOK", default_value = DEFAULT_ATTACH, help_heading = TRACING)]
    pub attach: String,
    /// With --attach sample: look at the sockets so often, as 10ms or 1s [default: 100ms]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, help_heading = TRACING)]
    pub sample_every: Option<String>,
    /// Track at most so many connections at a time; others are counted
    /// [default: 1048576; before Linux 5.19 262144, and 65536 with kprobes]
    #[arg(long, value_name = "N", allow_hyphen_values = true, help_heading = TRACING)]
    pub max_flows: Option<String>,
    /// Size of the event buffer in the kernel, all CPUs together; events that do not fit are
    /// counted
    #[arg(
        long,
        value_name = "SIZE",
        allow_hyphen_values = true,
        default_value = DEFAULT_BUFFER,
        help_heading = TRACING
    )]
    pub buffer: String,
    /// Print on stderr which hook is used, why better ones are not, and how many instructions
    /// of each program the kernel verified
    #[arg(short = 'v', long, help_heading = TRACING)]
    pub verbose: bool,
}

impl KernelSide {
    /// Checked, for flows that pass the filter: without figures, costs and owners.
    pub(super) fn options(&self, filter: &Filter) -> Result<Options, UsageError> {
        let (attach, sample_every) = self.hook()?;
        Ok(Options {
            selection: Selection::of(filter),
            max_flows: self.max_flows.as_deref().map(max_flows).transpose()?,
            buffer_bytes: buffer(&self.buffer)?,
            attach,
            sample_every,
            verbose: self.verbose,
            ..Options::default()
        })
    }

    /// Checked, for flows that pass the filter: with all figures, costs and owners.
    pub(super) fn with_all_figures(&self, filter: &Filter) -> Result<Options, UsageError> {
        Ok(Options { figures: true, costs: true, owners: true, ..self.options(filter)? })
    }

    /// Which hook, and how often sockets are looked at without one.
    fn hook(&self) -> Result<(Attach, Duration), UsageError> {
        let attach = attach(&self.attach)?;
        if attach.is_sample() && self.buffer != DEFAULT_BUFFER {
            return Err(UsageError(
                "--buffer: not with --attach sample, which has none".to_owned(),
            ));
        }
        let Some(text) = &self.sample_every else { return Ok((attach, Options::SAMPLE_EVERY)) };
        if !attach.is_sample() {
            return Err(UsageError("--sample-every: only with --attach sample".to_owned()));
        }
        let every = choice::time_ns(text).ok().map(Duration::from_nanos);
        let every = every.filter(|every| (LEAST..=MOST).contains(every));
        let why = || UsageError(format!("--sample-every {text}: not a time from 1ms to 10s"));
        every.ok_or_else(why).map(|every| (attach, every))
    }

    /// An option that was given, of those that are of no use where no kernel is asked.
    pub(super) fn given(&self) -> Option<&'static str> {
        let given = [
            ("--attach", self.attach != DEFAULT_ATTACH),
            ("--sample-every", self.sample_every.is_some()),
            ("--buffer", self.buffer != DEFAULT_BUFFER),
            ("--max-flows", self.max_flows.is_some()),
            ("-v", self.verbose),
        ];
        given.iter().find_map(|&(option, is_given)| is_given.then_some(option))
    }
}

fn attach(name: &str) -> Result<Attach, UsageError> {
    Attach::by_name(name).ok_or_else(|| {
        let names: Vec<_> = Attach::NAMES.iter().map(|(name, _)| *name).collect();
        UsageError(format!("--attach {name}: not one of {}", names.join(", ")))
    })
}

fn max_flows(text: &str) -> Result<u32, UsageError> {
    whole(text)
        .and_then(|flows| u32::try_from(flows).ok())
        .filter(|flows| (1..=MAX_FLOWS_MOST).contains(flows))
        .ok_or_else(|| {
            UsageError(format!(
                "--max-flows {text}: not a whole number of connections from 1 to {MAX_FLOWS_MOST}"
            ))
        })
}

fn buffer(text: &str) -> Result<u64, UsageError> {
    bytes(text).filter(|bytes| (BUFFER_LEAST..=BUFFER_MOST).contains(bytes)).ok_or_else(|| {
        UsageError(format!("--buffer {text}: not a size from 64K to 4G, such as 8M"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel_side(attach: &str, buffer: &str, sample_every: Option<&str>) -> KernelSide {
        KernelSide {
            attach: attach.to_owned(),
            sample_every: sample_every.map(str::to_owned),
            max_flows: None,
            buffer: buffer.to_owned(),
            verbose: false,
        }
    }

    fn hooked(name: &str, every: &str) -> Result<(Attach, Duration), String> {
        kernel_side(name, DEFAULT_BUFFER, Some(every)).hook().map_err(|UsageError(why)| why)
    }

    #[test]
    fn sockets_are_looked_at_as_often_as_asked_within_bounds() {
        assert_eq!(hooked("sample", "1ms"), Ok((Attach::SAMPLE, LEAST)));
        assert_eq!(hooked("sample", "10s"), Ok((Attach::SAMPLE, MOST)));
        for text in ["999us", "10.1s", "-1ms", "0", "often", ""] {
            let why = hooked("sample", text).expect_err("out of bounds");
            assert_eq!(why, format!("--sample-every {text}: not a time from 1ms to 10s"));
        }
        let why = hooked("kprobe", "10ms").expect_err("no sampling");
        assert_eq!(why, "--sample-every: only with --attach sample");
        assert!(kernel_side("sample", "1M", None).hook().is_err());
        assert!(kernel_side("kprobe", "1M", None).hook().is_ok());
    }
}
