//! The live source: programs at work, the thread that empties their log, surveys, and
//! the merging of what both tell. What entries mean is the model's business.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use jiff::Timestamp;

use super::attach::{Attached, TransportKind, attach};
use super::clock::{monotonic_ns, tick_ns};
use super::collector::Collector;
use super::holders::MachineLookups;
use super::log::Verified;
use super::missing::Missing;
use super::options::Options;
use super::pace::Pace;
use super::privilege;
use super::programs::Programs;
use super::raw::SharedVars;
use super::sockets::Sockets;
use super::survey::Surveyor;
use super::transport::{CLOCKS_APART_NS, CpuLogs, Ring, Undecoded};
use crate::files::raise_limit;
use crate::wait::{Waiter, Wake};
use tcpcong_core::model::{Body, Entry, Losses, Start, SurveyedNamespace};
use tcpcong_core::source::{End, Reached, Source, SourceCost, TakeEntry, Wait};

/// A wait lasts no longer.
const WAIT_MOST_NS: u64 = 1_000_000_000;
/// So many sockets are met before they are handed on.
const LOT: usize = 4096;

/// Entries of this machine's kernel.
pub struct LiveSource<'w> {
    waiter: &'w mut dyn Waiter,
    start: Start,
    shared: SharedVars,
    surveyor: Surveyor,
    collector: Collector,
    programs: Programs,
    verified: Vec<Verified>,
    /// What came of the flows is measured at each interval's end.
    costs: bool,
    /// What the log has told, and how far that goes.
    from_log: Undecoded,
    until_ns: u64,
    /// What surveys have, in the order of its times.
    met: Vec<Entry>,
    /// Runs that the kernel had skipped, and calls that were lost, when last asked.
    recursion_misses: u64,
    calls_lost: u64,
    /// When surveys are made, and what they go by.
    pace: Pace,
    sockets: Sockets,
}

impl<'w> LiveSource<'w> {
    /// Loads and attaches the programs. Returns also what finds whose the flows are.
    pub fn start(options: &Options, waiter: &'w mut dyn Waiter) -> Result<(Self, MachineLookups)> {
        Self::try_start(options, waiter).map_err(|error| match Missing::around() {
            Some(missing) => missing.into(),
            None => error,
        })
    }

    fn try_start(options: &Options, waiter: &'w mut dyn Waiter) -> Result<(Self, MachineLookups)> {
        raise_limit();
        let mut attached = attach(options)?;
        let shared = SharedVars::new(attached.map(".bss")?)
            .context("mapping the variables shared with the programs")?;
        let (at, at_ns) = (Timestamp::now(), monotonic_ns());
        shared.started().store(true, Ordering::SeqCst);
        let collector = collect(&attached, at_ns)?;
        let lookups = MachineLookups::new(attached.holders.take());
        let max_flows = attached.max_flows(options);
        let Attached {
            object, links, survey, method, limitations, attach_rejected, verified, ..
        } = attached;
        let mut source = Self {
            waiter,
            start: Start {
                at,
                at_ns,
                kernel: super::kernel_release(),
                attach: method.to_string(),
                attach_rejected,
                limitations,
                max_flows,
                buffer_bytes: options.buffer_bytes,
                namespaces: 0,
                namespaces_unreached: 0,
                estimated: false,
                only: Vec::new(),
            },
            shared,
            surveyor: Surveyor::new(survey, options.figures),
            collector,
            programs: Programs { object, links },
            verified,
            costs: options.costs,
            from_log: Undecoded::default(),
            until_ns: at_ns,
            met: Vec::new(),
            recursion_misses: 0,
            calls_lost: 0,
            pace: Pace::default(),
            sockets: Sockets::new(options.costs),
        };
        if Missing::is_without_proc() {
            let what = "sockets from before the start, nor whose any are: /proc is not mounted (mount \
                        -t proc proc /proc)";
            source.start.limitations.push(what.to_owned());
        }
        if source.programs.recursion_misses(&source.shared)?.is_none() {
            let what = "runs of its programs that the kernel skips (this one does not count them)";
            source.start.limitations.push(what.to_owned());
        }
        Ok((source, lookups))
    }

    /// What the verifier told of each program, where it was asked to.
    #[must_use]
    pub fn verified(&self) -> &[Verified] {
        &self.verified
    }

    /// The kernel's tick, in which sockets' own accounts are kept, nanoseconds.
    #[must_use]
    pub fn tick_ns() -> u64 {
        tick_ns()
    }

    /// Takes in what the log tells: all from before `wanted_ns`, which is past by then.
    fn take_until(&mut self, wanted_ns: u64) -> Result<()> {
        // All from before has been made known once the clocks are past it.
        let passed_ns = wanted_ns.saturating_add(CLOCKS_APART_NS + 1);
        thread::sleep(Duration::from_nanos(passed_ns.saturating_sub(monotonic_ns())));
        self.until_ns = self.collector.take_until(wanted_ns, &mut self.from_log)?;
        Ok(())
    }

    /// Takes in what waits.
    fn take_waiting(&mut self) -> Result<()> {
        self.until_ns = self.collector.take(&mut self.from_log)?;
        Ok(())
    }

    /// Hands over all from before which nothing can come any more.
    fn hand_over(&mut self, take: TakeEntry<'_>) -> Result<()> {
        let until_ns = self.until_ns;
        // Surveys may have told more than the log so far: that waits.
        let later = self.met.partition_point(|entry| entry.at_ns < until_ns);
        let mut met = std::mem::take(&mut self.met);
        for entry in met.drain(..later) {
            self.hand_over_log(entry.at_ns, take)?;
            self.note(&entry);
            take(entry);
        }
        self.met = met;
        self.hand_over_log(until_ns, take)
    }

    /// Hands over what the log has told from before `end_ns`.
    fn hand_over_log(&mut self, end_ns: u64, take: TakeEntry<'_>) -> Result<()> {
        while self.from_log.next_ns().is_some_and(|at_ns| at_ns < end_ns) {
            let Some(entry) = self.from_log.next() else { break };
            let entry = entry?;
            self.note(&entry);
            take(entry);
        }
        Ok(())
    }

    /// Notes what an entry says about surveys.
    fn note(&mut self, entry: &Entry) {
        match &entry.body {
            Body::Socket(event) => {
                if self.sockets.note(event, &self.surveyor) {
                    self.pace.look_again();
                }
            }
            Body::Gap { .. } => {
                self.pace.look_now();
                // Somebody may not be known any more.
                self.shared.all_met().store(false, Ordering::SeqCst);
            }
            Body::Ongoing(_) | Body::Surveyed(_) => {}
        }
    }

    /// Meets all sockets of all namespaces.
    fn survey_all(&mut self, take: TakeEntry<'_>) -> Result<()> {
        self.pace.looks();
        let began_ns = monotonic_ns();
        self.surveyor.find_namespaces();
        let found_ns = monotonic_ns();
        let all = self.surveyor.namespaces().collect();
        self.survey(&all, take)?;
        self.pace.looked(began_ns, found_ns, monotonic_ns());
        for netns in self.sockets.take_unknown() {
            if self.surveyor.is_new(netns) {
                self.surveyor.note_unreached(netns);
            }
        }
        let all_met = self.surveyor.unreached() == 0;
        // A gap that came meanwhile calls for another one.
        if !self.pace.is_urgent() {
            self.shared.all_met().store(all_met, Ordering::SeqCst);
        }
        Ok(())
    }

    /// Meets all sockets of these namespaces. They come in by the thousand, each lot
    /// together with what the log has told by then, so that not all are in memory at once.
    fn survey(&mut self, which: &BTreeSet<u32>, take: TakeEntry<'_>) -> Result<()> {
        let mut surveyed = Vec::new();
        for netns in which {
            let began_ns = monotonic_ns();
            let meeting = match self.surveyor.meet(*netns) {
                // A run that has begun goes on, and says what it did not see.
                Err(error) if self.pace.has_looked() && Missing::is_of_files(&error) => {
                    self.surveyor.note_unreached(*netns);
                    None
                }
                meeting => meeting?,
            };
            let Some(mut meeting) = meeting else { continue };
            loop {
                let met = meeting.next(LOT)?;
                let is_over = met.is_empty();
                let last_ns = met.last().map_or(0, |entry| entry.at_ns);
                self.met.extend(met);
                if is_over {
                    break;
                }
                self.take_until(last_ns + 1)?;
                self.hand_over(take)?;
            }
            surveyed.push(SurveyedNamespace { netns: *netns, began_ns });
        }
        let at_ns = monotonic_ns();
        self.met.push(Entry { at_ns, body: Body::Surveyed(surveyed) });
        self.take_until(at_ns + 1)?;
        self.hand_over(take)
    }

    /// Makes a survey where one is due.
    fn survey_if_due(&mut self, take: TakeEntry<'_>) -> Result<()> {
        if self.pace.is_due(monotonic_ns()) { self.survey_all(take) } else { Ok(()) }
    }

    /// What is to be known at an interval's end: what came of the flows, and the ends of
    /// those that are connecting.
    fn survey_for(&mut self, boundary_ns: u64, take: TakeEntry<'_>) -> Result<()> {
        self.pace.measures(boundary_ns);
        let began_ns = monotonic_ns();
        self.take_waiting()?;
        self.hand_over(take)?;
        let mut which = BTreeSet::new();
        if self.costs {
            which.extend(self.sockets.populated());
        }
        if self.pace.may_look(began_ns) {
            which.extend(self.sockets.connecting());
        }
        if which.is_empty() {
            return Ok(());
        }
        self.survey(&which, take)?;
        self.pace.measured(began_ns, monotonic_ns());
        Ok(())
    }

    /// Waits. Returns why it has ended, if the run is to end with it.
    fn wait(&mut self, until_ns: u64) -> Result<Option<End>> {
        let left = Duration::from_nanos(until_ns.saturating_sub(monotonic_ns()));
        Ok(match self.waiter.wait(left, self.collector.waiting())? {
            Wake::Time | Wake::Ready => None,
            Wake::Signal => Some(End::Signal),
            Wake::ReaderGone => Some(End::ReaderGone),
        })
    }
}

impl Source for LiveSource<'_> {
    fn start(&self) -> &Start {
        &self.start
    }

    fn begin(&mut self, take: TakeEntry<'_>) -> Result<()> {
        self.survey_all(take).map_err(Missing::files_or)?;
        self.start.namespaces = self.surveyor.reached();
        self.start.namespaces_unreached = self.surveyor.unreached();
        Ok(())
    }

    fn next(&mut self, wait: Wait, take: TakeEntry<'_>) -> Result<Reached> {
        self.collector.be_prompt(wait.promptly);
        let now_ns = monotonic_ns();
        let boundary_ns = wait.until_ns.unwrap_or(u64::MAX);
        let measure_ns = self.pace.measure_at(boundary_ns);
        let measures = self.costs || self.sockets.connecting().next().is_some();
        let is_measured = !measures || self.pace.is_measured(boundary_ns);
        let wake_ns = if is_measured { boundary_ns } else { measure_ns };
        let end = self.wait(wake_ns.min(now_ns + WAIT_MOST_NS))?;
        if end != Some(End::ReaderGone) {
            self.survey_if_due(take)?;
            let is_last = end.is_some();
            if is_last || (!is_measured && monotonic_ns() >= measure_ns) {
                self.survey_for(boundary_ns, take)?;
            }
            let now_ns = monotonic_ns();
            if is_last || now_ns >= boundary_ns {
                let ends_ns = boundary_ns.max(self.pace.measured_ns());
                self.take_until(if is_last { now_ns } else { ends_ns })?;
            } else {
                self.take_waiting()?;
            }
            self.hand_over(take)?;
        }
        Ok(Reached { until_ns: self.until_ns, not_before_ns: self.pace.measured_ns(), end })
    }

    fn wall(&self, at_ns: u64) -> Timestamp {
        Timestamp::now() - Duration::from_nanos(monotonic_ns().saturating_sub(at_ns))
    }

    fn losses(&mut self) -> Result<(Losses, usize)> {
        // One that is rescued just now is not rescued yet, and then is.
        let recursion_misses =
            self.programs.recursion_misses(&self.shared)?.unwrap_or(0).max(self.recursion_misses);
        let calls_lost = self.shared.calls_lost();
        // What was missed is found by looking, the sooner the fewer intervals are wrong.
        let before = (self.recursion_misses, self.calls_lost);
        if before != (recursion_misses, calls_lost) {
            self.pace.look_again();
        }
        (self.recursion_misses, self.calls_lost) = (recursion_misses, calls_lost);
        let flows_refused = self.shared.sockets_refused();
        let losses = Losses { flows_refused, recursion_misses, calls_lost, ..Losses::default() };
        Ok((losses, self.surveyor.unreached()))
    }

    fn look_again(&mut self) {
        self.pace.look_again();
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is a part of what fits"
    )]
    fn cost(&mut self) -> SourceCost {
        let (run_ns, runs) = self.programs.runs().unzip();
        let fill = self.collector.take_fill().min(1.0);
        let log_used_bytes = (fill * self.start.buffer_bytes as f64) as u64;
        SourceCost { run_ns, runs, log_used_bytes }
    }
}

/// Starts the thread that empties the log.
fn collect(attached: &Attached, started_ns: u64) -> Result<Collector> {
    let heads = attached.map("heads")?;
    match attached.transport {
        TransportKind::Log(room) => {
            let lines = attached.map("lines")?;
            Collector::start(started_ns, move || {
                let logs = CpuLogs::new(&heads, lines, room, started_ns)?;
                privilege::drop_all().map(|()| logs)
            })
        }
        TransportKind::Ring { bytes, cpus } => {
            let ring = attached.map("ring")?;
            Collector::start(started_ns, move || {
                // Before 5.19 even asking for what a map is takes CAP_BPF.
                let ring = Ring::new(&heads, &ring, cpus, bytes.into(), started_ns)?;
                privilege::drop_all().map(|()| ring)
            })
        }
    }
}
