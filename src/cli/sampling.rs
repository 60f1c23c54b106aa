//! The options of a run without BPF, for every command that has `--attach`. Not here: the
//! looking.

use std::time::Duration;

use clap::Args as Group;

use super::config::{DEFAULT_BUFFER, attach, buffer, max_flows};
use super::{UsageError, choice};
use tcpcong_core::model::Filter;
use tcpcong_live::{Attach, Options, Selection};

/// How often sockets can be looked at.
const LEAST: Duration = Duration::from_millis(1);
const MOST: Duration = Duration::from_secs(10);

/// How sockets are looked at where nothing is attached.
#[derive(Debug, Default, Group)]
pub struct Sampling {
    /// With --attach sample: look at the sockets so often, as 10ms or 1s [default: 100ms]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub sample_every: Option<String>,
}

/// What the kernel side is told, as commands that show everything are told it.
pub(super) struct KernelSide<'a> {
    pub(super) max_flows: Option<&'a str>,
    pub(super) buffer: &'a str,
    pub(super) attach: &'a str,
    pub(super) sampling: &'a Sampling,
    pub(super) verbose: bool,
}

impl KernelSide<'_> {
    /// Checked, for flows that pass the filter: with all figures, costs and owners.
    pub(super) fn with_all_figures(&self, filter: &Filter) -> Result<Options, UsageError> {
        let (attach, sample_every) = hook((self.attach, self.buffer), self.sampling)?;
        Ok(Options {
            selection: Selection::of(filter),
            max_flows: self.max_flows.map(max_flows).transpose()?,
            buffer_bytes: buffer(self.buffer)?,
            attach,
            sample_every,
            verifier_statistics: self.verbose,
            figures: true,
            costs: true,
            owners: true,
        })
    }
}

/// Which hook, of its name and the buffer asked for, and how often sockets are looked at
/// without one.
pub(super) fn hook(
    (name, buffer): (&str, &str),
    given: &Sampling,
) -> Result<(Attach, Duration), UsageError> {
    let attach = attach(name)?;
    if attach.is_sample() && buffer != DEFAULT_BUFFER {
        return Err(UsageError("--buffer: not with --attach sample, which has none".to_owned()));
    }
    let Some(text) = &given.sample_every else { return Ok((attach, Options::SAMPLE_EVERY)) };
    if !attach.is_sample() {
        return Err(UsageError("--sample-every: only with --attach sample".to_owned()));
    }
    let every = choice::time_ns(text).ok().map(Duration::from_nanos);
    let every = every.filter(|every| (LEAST..=MOST).contains(every));
    let why = || UsageError(format!("--sample-every {text}: not a time from 1ms to 10s"));
    every.ok_or_else(why).map(|every| (attach, every))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hooked(name: &str, every: &str) -> Result<(Attach, Duration), String> {
        hook((name, DEFAULT_BUFFER), &Sampling { sample_every: Some(every.to_owned()) })
            .map_err(|UsageError(why)| why)
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
        assert!(hook(("sample", "1M"), &Sampling::default()).is_err());
        assert!(hook(("kprobe", "1M"), &Sampling::default()).is_ok());
    }
}
