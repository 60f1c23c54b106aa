//! The programs' life: settings, load, attach, boundaries, snapshots.
//! What the records mean is `wire`'s and the model's business.

use std::mem::offset_of;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use libbpf_rs::query::{LinkTypeInfo, PerfEventLinkInfo, PerfEventType};
use libbpf_rs::skel::Skel as _;
use libbpf_rs::{Link, MapCore as _, MapFlags, ProgramImpl};
use nix::time::{ClockId, clock_getres, clock_gettime};

use super::attach::{Storage, attach};
use super::holders::Holders;
use super::log::Verified;
use super::options::Options;
use super::raw::{self, Words, layout, skeleton};
use super::records::Records;
use super::stream::Stream;
use super::survey::Surveyor;
use crate::model::{Blind, Row, Snapshot, SpellLengths, Start, State, Told};
use crate::source::{Source, Wanted};
use crate::whose::Finder;

/// How long before a boundary it is made known, at least: longer than an event's
/// program takes, so that all that run after the boundary know of it.
const NOTICE_NS: u64 = 1_000_000;
/// How long after a boundary reading begins: programs that read the clock
/// before it are done by then.
const SETTLE: Duration = Duration::from_micros(200);
/// The word of an interval without an end yet.
const NO_BOUNDARY: u64 = !1;

/// The live source. When it is dropped, or the process ends in whatever way,
/// nothing of it stays in the kernel: nothing is pinned.
pub struct Tracer<'s> {
    skel: skeleton::TcpcongSkel<'s>,
    words: Words<'s>,
    links: Vec<Link>,
    surveyor: Surveyor,
    records: Records,
    start: Start,
    /// The end of the present interval, if it has one.
    boundary_ns: Option<u64>,
    /// 0 or 1, in turn: the lowest bit of the boundary's word.
    parity: u32,
    /// Spells counted so far, for each parity.
    spells_before: [Option<SpellLengths>; 2],
    histogram_unit_ns: Option<u64>,
    verified: Vec<Verified>,
    stream: Option<Stream>,
    /// The kernel's tick, where costs are measured.
    tick_ns: Option<u64>,
    /// The survey writes costs into the records; else it hands them over.
    survey_writes: bool,
    /// Lists who has the sockets, where they were asked for.
    holders: Option<Holders>,
    finder: Finder,
}

impl<'s> Tracer<'s> {
    /// Loads and attaches the programs, then meets all sockets that are there.
    pub fn start(storage: &'s mut Storage, options: &Options) -> Result<Self> {
        let attached = attach(storage, options)?;
        let mut skel = attached.skel;
        let stream = options.explain.then(|| Stream::new(&skel.maps.transitions)).transpose()?;
        let bss = skel.maps.bss_data.take().context("the object has no .bss")?;
        let data = skel.maps.data_data.take().context("the object has no .data")?;
        let words = Words::new(bss, data);
        let (at, at_ns) = (Timestamp::now(), monotonic_ns());
        words.started_ns.store(at_ns, Ordering::SeqCst);
        let tick_ns = options.costs.then(tick_ns);
        let records = Records::new(&skel.maps.flows, attached.flows, attached.ended, tick_ns)?;
        let mut tracer = Self {
            skel,
            words,
            links: attached.links,
            surveyor: Surveyor::new(attached.iterator),
            records,
            start: Start {
                at,
                at_ns,
                kernel: super::kernel_release(),
                attach: attached.way.to_string(),
                passed_over: attached.passed_over,
                cannot_see: attached.cannot_see,
                max_flows: attached.max_flows,
                namespaces: 0,
                namespaces_unreached: 0,
            },
            boundary_ns: None,
            parity: 0,
            spells_before: [None, None],
            histogram_unit_ns: options.histogram_unit_ns,
            verified: attached.verified,
            stream,
            tick_ns,
            survey_writes: attached.survey_writes,
            holders: attached.holders,
            finder: Finder::default(),
        };
        if tracer.runs_skipped()?.is_none() {
            let what = "runs of its programs that the kernel skips (this one does not count them)";
            tracer.start.cannot_see.push(what.to_owned());
        }
        tracer.seed()?;
        Ok(tracer)
    }

    /// What the verifier told of each program, where it was asked to.
    #[must_use]
    pub fn verified(&self) -> &[Verified] {
        &self.verified
    }

    /// How often the kernel has skipped a program; nothing where it does not tell.
    fn runs_skipped(&self) -> Result<Option<u64>> {
        let mut skipped = 0;
        for program in self.skel.object().progs().filter(ProgramImpl::autoload) {
            match raw::recursion_misses(&program)? {
                Some(misses) => skipped += misses,
                None => return Ok(None),
            }
        }
        // Before 6.7 these are not told, as `cannot_see` says.
        Ok(Some(skipped + self.links.iter().filter_map(probe_misses).sum::<u64>()))
    }

    /// Meets the sockets that were there before the start.
    fn seed(&mut self) -> Result<()> {
        self.surveyor.survey(&self.words, &self.skel.maps.surveyed)?;
        self.start.namespaces = self.surveyor.reached();
        self.start.namespaces_unreached = self.surveyor.unreached();
        Ok(())
    }

    fn publish(&self, at_ns: u64) {
        self.words.set_boundary(at_ns | u64::from(self.parity));
    }

    fn counters_per_cpu(&self) -> Result<Vec<Vec<u8>>> {
        self.skel
            .maps
            .counters
            .lookup_percpu(&0_u32.to_ne_bytes(), MapFlags::ANY)?
            .context("the counters are gone")
    }

    /// What one of the kernel side's counters, by its offset, has come to.
    fn counter(&self, at: usize) -> Result<u64> {
        Ok(sum_word(&self.counters_per_cpu()?, at))
    }

    fn counters(&self) -> Result<(Blind, u64)> {
        let per_cpu = self.counters_per_cpu()?;
        let sum = |at: usize| sum_word(&per_cpu, at);
        let own = self.records.blind();
        let blind = Blind {
            flows_refused: sum(offset_of!(layout::counters, births_refused)),
            births_missed: sum(offset_of!(layout::counters, births_missed)),
            ends_missed: sum(offset_of!(layout::counters, ends_missed)) + own.ends_missed,
            transitions_missed: sum(offset_of!(layout::counters, transitions_missed)),
            events_unaccounted: sum(offset_of!(layout::counters, events_unaccounted)),
            rows_lost: sum(offset_of!(layout::counters, ends_refused)) + own.rows_lost,
            runs_skipped: self.runs_skipped()?.unwrap_or(0),
            calls_lost: sum(offset_of!(layout::counters, calls_lost)),
            transitions_untold: sum(offset_of!(layout::counters, transitions_untold)),
        };
        Ok((blind, sum(offset_of!(layout::counters, ended_quiet))))
    }

    /// The ended spells of the interval of the present parity.
    fn spells(&mut self) -> Result<Option<SpellLengths>> {
        let Some(unit_ns) = self.histogram_unit_ns else { return Ok(None) };
        let mut counts: [Vec<u64>; 5] = Default::default();
        for (state, counts) in State::ALL.iter().zip(&mut counts) {
            let key = self.parity * 5 + *state as u32;
            let per_cpu = self
                .skel
                .maps
                .spells
                .lookup_percpu(&key.to_ne_bytes(), MapFlags::ANY)?
                .context("the histogram is gone")?;
            let slots = size_of::<layout::spell_slots>() / size_of::<u64>();
            *counts = (0..slots).map(|slot| sum_word(&per_cpu, slot * size_of::<u64>())).collect();
        }
        let now = SpellLengths { unit_ns, counts };
        let before = self.spells_before[self.parity as usize].replace(now.clone());
        Ok(Some(before.map_or(now.clone(), |before| now.since(&before))))
    }
}

impl Source for Tracer<'_> {
    fn start(&self) -> &Start {
        &self.start
    }

    fn wall(&self, at_ns: u64) -> Timestamp {
        Timestamp::now() - Duration::from_nanos(monotonic_ns().saturating_sub(at_ns))
    }

    fn now_ns(&self) -> u64 {
        monotonic_ns()
    }

    fn end_interval_at(&mut self, at_ns: u64) -> u64 {
        // One that is here, or about to be, has its events already.
        if let Some(near_ns) = self.boundary_ns.filter(|near| *near <= monotonic_ns() + NOTICE_NS) {
            return near_ns;
        }
        loop {
            // Even, because the lowest bit is the parity's.
            let chosen = at_ns.max(monotonic_ns() + 2 * NOTICE_NS) & !1;
            self.publish(chosen);
            // Held up in between, it may not have been known in time.
            if monotonic_ns() + NOTICE_NS <= chosen {
                self.boundary_ns = Some(chosen);
                return chosen;
            }
        }
    }

    fn tend(&mut self) -> Result<()> {
        self.records.take_ended()?;
        self.surveyor.survey_if_due(&self.words, &self.skel.maps.surveyed)?;
        self.holders.as_ref().map_or(Ok(()), |holders| self.finder.tend(|| holders.list()))
    }

    fn forget_ended(&mut self) {
        self.records.forget_ended();
    }

    fn snapshot(&mut self) -> Result<Snapshot> {
        let at_ns = match self.boundary_ns {
            Some(at_ns) => at_ns,
            None => self.end_interval_at(0),
        };
        let left = Duration::from_nanos(at_ns.saturating_sub(monotonic_ns()));
        thread::sleep(left + SETTLE);
        let at = self.wall(at_ns);
        if self.tick_ns.is_some() {
            // It measures as well.
            self.surveyor.survey(&self.words, &self.skel.maps.surveyed)?;
        } else {
            // It completes what has no local port yet, too.
            self.surveyor.survey_if_due(&self.words, &self.skel.maps.surveyed)?;
        }
        let living = self.records.living(&mut self.surveyor, at_ns, self.survey_writes)?;
        let (blind, ended_quiet) = self.counters()?;
        let spells = self.spells()?;
        self.parity ^= 1;
        self.boundary_ns = None;
        // Only now: until here the records kept the figures of `at_ns`.
        self.publish(NO_BOUNDARY);
        let flows = self.records.hand_over(&living, at_ns);
        self.finder.keep_for(&flows, at_ns);
        Ok(Snapshot {
            at,
            at_ns,
            flows,
            ended_quiet,
            spells,
            blind,
            namespaces_unreached: self.surveyor.unreached(),
        })
    }

    fn transitions(&mut self) -> Result<Told> {
        let Some(stream) = &self.stream else { return Ok(Told::default()) };
        let told = stream.take()?;
        let untold = self.counter(offset_of!(layout::counters, transitions_untold))?;
        Ok(Told { untold, ..told })
    }

    fn identify(&mut self, rows: &mut [Row], wanted: Wanted) -> Result<()> {
        let holders = self.holders.as_ref();
        self.finder.identify(rows, wanted, || holders.map_or(Ok(Vec::new()), Holders::list))
    }
}

/// How often the kernel has passed over a kprobe, or a kretprobe, before it came
/// to the program: another probe was being handled, or no instance was free.
fn probe_misses(link: &Link) -> Option<u64> {
    match link.info().ok()?.info {
        LinkTypeInfo::PerfEvent(PerfEventLinkInfo {
            event_type: PerfEventType::Kprobe { missed, .. },
            ..
        }) => Some(missed),
        _ => None,
    }
}

fn sum_word(per_cpu: &[Vec<u8>], at: usize) -> u64 {
    per_cpu
        .iter()
        .filter_map(|cpu| cpu.get(at..at + size_of::<u64>())?.try_into().ok())
        .map(u64::from_ne_bytes)
        .sum()
}

/// The kernel's tick (`TICK_NSEC`), which is what its coarse clocks go by.
fn tick_ns() -> u64 {
    let tick = clock_getres(ClockId::CLOCK_MONOTONIC_COARSE).map(Duration::from);
    u64::try_from(tick.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX)
}

/// `CLOCK_MONOTONIC`, the clock of `bpf_ktime_get_ns()`.
pub(super) fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from);
    // The clock is always there; were it not, time would stand still.
    u64::try_from(now.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX)
}
