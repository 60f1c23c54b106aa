//! The source: looks when it is time to, and hands over what was found. Not here: what is
//! found by comparing two looks, which is `sightings`'.

use std::time::Duration;

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::os::fd::AsFd as _;

use super::diag::DiagSocket;
use super::owners::{OpenInodes, SampleLookups};
use super::pace::Pace;
use super::sightings::Wanted;
use super::spaces::Spaces;
use crate::files::raise_limit;
use crate::kernel::clock::{monotonic_ns, tick_ns};
use crate::kernel::{Missing, Options, kernel_release, privilege, version};
use crate::wait::{Waiter, Wake};
use tcpcong_core::model::{Entry, Losses, Start};
use tcpcong_core::source::{End, Reached, Source, TakeEntry, Wait};

/// A wait lasts no longer.
const WAIT_MOST_NS: u64 = 1_000_000_000;
/// What sockets look like is told so often, where nothing asks for it sooner.
const MEASURE_NS: u64 = 900_000_000;

/// Entries of this machine's sockets, found by looking at them from time to time.
pub struct SampleSource<'w> {
    waiter: &'w mut dyn Waiter,
    /// Nothing ever comes here: time alone is waited for.
    never: EventFd,
    start: Start,
    spaces: Spaces,
    pace: Pace,
    /// What came of the flows is measured at each interval's end, ...
    costs: bool,
    /// ... or then last.
    measured_ns: u64,
    /// How far entries have come.
    until_ns: u64,
}

impl<'w> SampleSource<'w> {
    /// Finds out whether it can look. Returns also what finds whose the flows are.
    pub fn start(options: &Options, waiter: &'w mut dyn Waiter) -> Result<(Self, SampleLookups)> {
        raise_limit();
        // The first answer may load a module, which takes its time.
        let probed = DiagSocket::open().and_then(|mut diag| diag.list(&mut |_, _| {}));
        probed.map_err(|error| Missing::SockDiag { answer: error.to_string() })?;
        let kernel = kernel_release();
        let inodes = OpenInodes::default();
        let wanted = Wanted {
            selection: options.selection.clone(),
            figures: options.figures,
            tick_ns: tick_ns(),
            cookies_are_unique: version(&kernel).is_none_or(|version| version >= (5, 4)),
        };
        let lookups = SampleLookups::new(options.owners.then(|| inodes.clone()));
        let mut spaces = Spaces::new(wanted, inodes);
        // Before anything is known there is nothing to end.
        spaces.find_if_due(&mut Vec::new());
        let (at, at_ns) = (Timestamp::now(), monotonic_ns());
        let every_ns = u64::try_from(options.sample_every.as_nanos()).unwrap_or(u64::MAX);
        let source = Self {
            waiter,
            never: EventFd::from_flags(EfdFlags::EFD_CLOEXEC).context("making an eventfd")?,
            start: Start {
                at,
                at_ns,
                kernel,
                attach: "sample".to_owned(),
                attach_rejected: Vec::new(),
                limitations: Vec::new(),
                max_flows: options.max_flows.unwrap_or(u32::MAX),
                buffer_bytes: 0,
                namespaces: 0,
                namespaces_unreached: 0,
                estimated: true,
                only: Vec::new(),
            },
            spaces,
            pace: Pace::new(every_ns),
            costs: options.costs,
            measured_ns: 0,
            until_ns: at_ns,
        };
        Ok((source, lookups))
    }

    /// What it does, in words.
    #[must_use]
    pub fn describe(&self) -> String {
        format!(
            "looks at the TCP sockets of {} every {}, through sock_diag",
            namespaces(self.spaces.reached()),
            milliseconds(self.pace.every_ns())
        )
    }

    /// Looks, and hands over what it finds.
    fn look(&mut self, for_interval: bool, take: TakeEntry<'_>) -> Result<()> {
        let mut entries = Vec::new();
        self.spaces.find_if_due(&mut entries);
        let began_ns = monotonic_ns();
        let is_old = began_ns >= self.measured_ns.saturating_add(MEASURE_NS);
        let measure = self.costs && (for_interval || is_old);
        self.spaces.look(measure, &mut entries).context("listing the TCP sockets")?;
        let ended_ns = monotonic_ns();
        if measure {
            self.measured_ns = began_ns;
        }
        self.pace.looked(began_ns, ended_ns);
        entries.sort_by_key(|entry| entry.at_ns);
        for Entry { at_ns, body } in entries {
            // An interval that has ended does not change any more.
            take(Entry { at_ns: at_ns.max(self.until_ns), body });
        }
        self.until_ns = self.until_ns.max(ended_ns);
        Ok(())
    }

    /// Waits. Returns why it has ended, if the run is to end with it.
    fn wait(&mut self, until_ns: u64) -> Result<Option<End>> {
        let left_ns = until_ns.saturating_sub(monotonic_ns());
        // A waiter has milliseconds, rounded up; the rest is waited for here.
        let whole = Duration::from_millis(left_ns / 1_000_000);
        let end = match self.waiter.wait(whole, self.never.as_fd())? {
            Wake::Time | Wake::Ready => None,
            Wake::Signal => Some(End::Signal),
            Wake::ReaderGone => Some(End::ReaderGone),
        };
        let left_ns = until_ns.saturating_sub(monotonic_ns());
        if end.is_none() && left_ns < 1_000_000 {
            std::thread::sleep(Duration::from_nanos(left_ns));
        }
        Ok(end)
    }
}

impl Source for SampleSource<'_> {
    fn begin(&mut self, take: TakeEntry<'_>) -> Result<()> {
        self.look(true, take)?;
        self.start.namespaces = self.spaces.reached();
        self.start.namespaces_unreached = self.spaces.unreached();
        self.start.limitations = limitations(&self.start.kernel, self.pace.every_ns());
        Ok(())
    }

    fn start(&self) -> &Start {
        &self.start
    }

    fn next(&mut self, wait: Wait, take: TakeEntry<'_>) -> Result<Reached> {
        let boundary_ns = wait.until_ns.unwrap_or(u64::MAX);
        let (due_ns, for_interval) = self.pace.due(boundary_ns);
        let wake_ns = due_ns.min(boundary_ns).min(monotonic_ns() + WAIT_MOST_NS);
        let end = self.wait(wake_ns)?;
        if end != Some(End::ReaderGone) {
            let is_last = end.is_some();
            if is_last || monotonic_ns() >= due_ns {
                self.look(for_interval || is_last, take)?;
            }
            let now_ns = monotonic_ns();
            if now_ns >= boundary_ns {
                self.until_ns = self.until_ns.max(boundary_ns);
            }
        }
        Ok(Reached { until_ns: self.until_ns, not_before_ns: 0, end })
    }

    fn wall(&self, at_ns: u64) -> Timestamp {
        Timestamp::now() - Duration::from_nanos(monotonic_ns().saturating_sub(at_ns))
    }

    fn losses(&mut self) -> Result<(Losses, usize)> {
        let losses =
            Losses { samples_late: self.pace.late() + self.spaces.failed(), ..Losses::default() };
        Ok((losses, self.spaces.unreached()))
    }
}

/// What does not show this way.
fn limitations(kernel: &str, every_ns: u64) -> Vec<String> {
    let mut limitations = vec![
        format!("what came and went between two looks, {} apart", milliseconds(every_ns)),
        "when between two looks something has happened (halfway is taken)".to_owned(),
        "why recoveries ended, and what but ECN brought CWR about".to_owned(),
    ];
    if !privilege::has(caps::Capability::CAP_SYS_PTRACE) {
        limitations.push("which of other users' processes has a socket".to_owned());
    }
    let is_before = |release| version(kernel).is_some_and(|version| version < release);
    // tcp_info grew by them (include/uapi/linux/tcp.h).
    if is_before((4, 18)) {
        limitations
            .push("what was delivered, and what limited it (told from Linux 4.18 on)".into());
    }
    if is_before((6, 2)) {
        limitations.push("this end's window (told from Linux 6.2 on)".into());
    }
    limitations
}

fn milliseconds(ns: u64) -> String {
    format!("{} ms", (ns as f64 / 1e5).round() / 10.0)
}

fn namespaces(count: usize) -> String {
    format!("{count} network namespace{}", if count == 1 { "" } else { "s" })
}
