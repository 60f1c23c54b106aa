//! The programs' life: settings, load, attach, boundaries, snapshots.
//! What the records mean is `wire`'s and the model's business.

use std::collections::HashSet;
use std::mem::{MaybeUninit, offset_of};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use libbpf_rs::skel::{OpenSkel as _, SkelBuilder as _};
use libbpf_rs::{Link, MapCore as _, MapFlags, OpenObject};
use nix::time::{ClockId, clock_gettime};

use super::missing::Missing;
use super::raw::{self, After, Words, layout, skeleton};
use super::survey::Surveyor;
use crate::model::{Blind, Snapshot, SpellLengths, Start, State};
use crate::source::Source;
use crate::wire::{self, FlowRecord, WireError};

/// Where the loaded object lives; the tracer borrows it.
pub type Storage = MaybeUninit<OpenObject>;

/// How long before a boundary it is made known, at least: longer than an event's
/// program takes, so that all that run after the boundary know of it.
const NOTICE_NS: u64 = 1_000_000;
/// How long after a boundary reading begins: programs that read the clock
/// before it are done by then.
const SETTLE: Duration = Duration::from_micros(200);
/// The word of an interval without an end yet.
const NO_BOUNDARY: u64 = !1;
/// So many ended flows are kept until a report, at most: some 300 MB.
const MAX_HELD: usize = 1 << 20;
/// A record that was being written is read again, this often at most.
const TORN_RETRIES: usize = 1000;

/// An inclusive range of ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRange {
    /// The lowest.
    pub first: u16,
    /// The highest.
    pub last: u16,
}

impl PortRange {
    /// Every port, and sockets that have none yet.
    pub const ALL: Self = Self { first: 0, last: u16::MAX };
}

/// What the kernel side is told before it is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Flows with another local port are left out.
    pub lports: PortRange,
    /// Flows with another remote port are left out.
    pub rports: PortRange,
    /// Flows that end without having left Open are handed over too.
    pub keep_quiet: bool,
    /// Ended spells are counted by length, in units of so many nanoseconds.
    pub histogram_unit_ns: Option<u64>,
    /// Room for flows.
    pub max_flows: u32,
}

/// The live source. When it is dropped, or the process ends in whatever way,
/// nothing of it stays in the kernel: nothing is pinned.
pub struct Tracer<'s> {
    skel: skeleton::TcpcongSkel<'s>,
    words: Words<'s>,
    _links: [Link; 3],
    surveyor: Surveyor,
    start: Start,
    /// The end of the present interval, if it has one.
    boundary_ns: Option<u64>,
    /// 0 or 1, in turn: the lowest bit of the boundary's word.
    parity: u32,
    /// Ended flows taken from the kernel and not yet handed over.
    held: Vec<FlowRecord>,
    /// What user space itself could not keep or see.
    own_blind: Blind,
    /// Spells counted so far, for each parity.
    spells_before: [Option<SpellLengths>; 2],
    histogram_unit_ns: Option<u64>,
}

impl<'s> Tracer<'s> {
    /// Loads and attaches the programs, then meets all sockets that are there.
    pub fn start(storage: &'s mut Storage, options: &Options) -> Result<Self> {
        super::log::keep_warnings();
        let refused = |what| {
            move |error: libbpf_rs::Error| Missing::find(what, &error, super::log::last_warning())
        };
        let mut open =
            skeleton::TcpcongSkelBuilder::default().open(storage).map_err(refused("open"))?;
        configure(&mut open, options)?;
        let mut skel = open.load().map_err(refused("load"))?;
        let links = [
            skel.progs.on_sock_state.attach().map_err(refused("attach"))?,
            skel.progs.on_destroy.attach().map_err(refused("attach"))?,
            skel.progs.on_cong_state_set.attach().map_err(refused("attach"))?,
        ];
        let iterator = skel.progs.survey.attach().map_err(refused("attach"))?;
        let bss = skel.maps.bss_data.take().context("the object has no .bss")?;
        let data = skel.maps.data_data.take().context("the object has no .data")?;
        let words = Words::new(bss, data);
        let at_ns = monotonic_ns();
        words.started_ns.store(at_ns, Ordering::SeqCst);
        let mut tracer = Self {
            skel,
            words,
            _links: links,
            surveyor: Surveyor::new(iterator),
            start: Start {
                at: Timestamp::now(),
                at_ns,
                kernel: super::kernel_release(),
                attach: "tp_btf".to_owned(),
                max_flows: options.max_flows,
                namespaces: 0,
                namespaces_unreached: 0,
            },
            boundary_ns: None,
            parity: 0,
            held: Vec::new(),
            own_blind: Blind::default(),
            spells_before: [None, None],
            histogram_unit_ns: options.histogram_unit_ns,
        };
        tracer.seed()?;
        Ok(tracer)
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

    /// Takes the ended flows out of the kernel.
    fn take_ended(&mut self) -> Result<()> {
        let (held, blind) = (&mut self.held, &mut self.own_blind);
        let mut broken = None;
        raw::read_all(&self.skel.maps.ended, After::Delete, |key, value| match wire::ended_socket(
            key,
        )
        .and_then(|socket| FlowRecord::decode(socket, value))
        {
            Ok(_) if held.len() >= MAX_HELD => blind.rows_lost += 1,
            Ok(record) => held.push(record),
            Err(error) => broken = Some(error),
        })
        .context("reading the ended flows")?;
        broken.map_or(Ok(()), |error| Err(error).context("reading the ended flows"))
    }

    /// Every flow that is alive, read in one pass.
    fn living(&mut self) -> Result<Vec<FlowRecord>> {
        let mut records = Vec::new();
        let mut torn = Vec::new();
        let mut broken = None;
        raw::read_all(&self.skel.maps.flows, After::Keep, |key, value| {
            let Ok(socket) = key.try_into().map(u64::from_ne_bytes) else { return };
            match FlowRecord::decode(socket, value) {
                Ok(record) => records.push(record),
                Err(WireError::Torn) => torn.push(socket),
                Err(error) => broken = Some(error),
            }
        })
        .context("reading the flows")?;
        if let Some(error) = broken {
            return Err(error).context("reading the flows");
        }
        for socket in torn {
            records.extend(self.read_again(socket)?);
        }
        Ok(records)
    }

    fn read_again(&self, socket: u64) -> Result<Option<FlowRecord>> {
        for _ in 0..TORN_RETRIES {
            let value = self.skel.maps.flows.lookup(&socket.to_ne_bytes(), MapFlags::ANY)?;
            let Some(value) = value else { return Ok(None) };
            match FlowRecord::decode(socket, &value) {
                Err(WireError::Torn) => thread::yield_now(),
                read => return Ok(Some(read?)),
            }
        }
        anyhow::bail!("a flow's record stays half written: {:?}", WireError::Torn)
    }

    /// Takes out the records whose socket two surveys have not met: its end was
    /// not seen, and it was not seen being destroyed either.
    fn remove_gone(&self, living: &mut Vec<FlowRecord>) -> Result<Vec<FlowRecord>> {
        let mut gone = Vec::new();
        for record in living.iter() {
            let Some(at_ns) = self.surveyor.found_gone_at(record) else { continue };
            let id = record.latest().id;
            // The address may be a new socket's by now.
            let still = self.read_again(id.socket)?.is_some_and(|now| now.latest().id == id);
            if still && self.skel.maps.flows.delete(&id.socket.to_ne_bytes()).is_ok() {
                gone.push(record.found_gone(at_ns));
            }
        }
        let ids: HashSet<_> = gone.iter().map(|record| record.latest().id).collect();
        living.retain(|record| !ids.contains(&record.latest().id));
        Ok(gone)
    }

    /// Keeps the records found gone, but for those that ended in the kernel
    /// after all.
    fn hold_gone(&mut self, gone: Vec<FlowRecord>) {
        let ended: HashSet<_> = self.held.iter().map(|record| record.latest().id).collect();
        for record in gone {
            if !ended.contains(&record.latest().id) {
                self.own_blind.ends_missed += 1;
                self.held.push(record);
            }
        }
    }

    fn counters(&self) -> Result<(Blind, u64)> {
        let per_cpu = self
            .skel
            .maps
            .counters
            .lookup_percpu(&0_u32.to_ne_bytes(), MapFlags::ANY)?
            .context("the counters are gone")?;
        let sum = |at: usize| sum_word(&per_cpu, at);
        let mut runs_skipped = 0;
        for program in [
            &self.skel.progs.on_cong_state_set,
            &self.skel.progs.on_sock_state,
            &self.skel.progs.on_destroy,
        ] {
            runs_skipped += raw::recursion_misses(program)?;
        }
        let own = &self.own_blind;
        let blind = Blind {
            flows_refused: sum(offset_of!(layout::counters, births_refused)),
            births_missed: sum(offset_of!(layout::counters, births_missed)),
            ends_missed: sum(offset_of!(layout::counters, ends_missed)) + own.ends_missed,
            transitions_missed: sum(offset_of!(layout::counters, transitions_missed)),
            events_unaccounted: sum(offset_of!(layout::counters, events_unaccounted)),
            rows_lost: sum(offset_of!(layout::counters, ends_refused)) + own.rows_lost,
            runs_skipped,
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
        self.take_ended()?;
        self.surveyor.survey_if_due(&self.words, &self.skel.maps.surveyed)
    }

    fn snapshot(&mut self) -> Result<Snapshot> {
        let at_ns = match self.boundary_ns {
            Some(at_ns) => at_ns,
            None => self.end_interval_at(0),
        };
        let left = Duration::from_nanos(at_ns.saturating_sub(monotonic_ns()));
        thread::sleep(left + SETTLE);
        let at = Timestamp::now() - Duration::from_nanos(monotonic_ns() - at_ns);
        let mut living = self.living()?;
        self.surveyor.note_unreached(&living);
        let gone = self.remove_gone(&mut living)?;
        self.take_ended()?;
        self.hold_gone(gone);
        let (blind, ended_quiet) = self.counters()?;
        let spells = self.spells()?;
        self.parity ^= 1;
        self.boundary_ns = None;
        // Only now: until here the records kept the figures of `at_ns`.
        self.publish(NO_BOUNDARY);
        let (over, later) = std::mem::take(&mut self.held)
            .into_iter()
            .partition(|record| record.latest().tally.has_ended_by(at_ns));
        self.held = later;
        Ok(Snapshot {
            at,
            at_ns,
            flows: merged(&living, &over, &self.held, at_ns),
            ended_quiet,
            spells,
            blind,
            namespaces_unreached: self.surveyor.unreached(),
        })
    }
}

fn configure(open: &mut skeleton::OpenTcpcongSkel<'_>, options: &Options) -> Result<()> {
    let rodata = open.maps.rodata_data.as_mut().context("the object has no .rodata")?;
    rodata.lport_first = options.lports.first;
    rodata.lport_last = options.lports.last;
    rodata.rport_first = options.rports.first;
    rodata.rport_last = options.rports.last;
    rodata.keep_quiet = options.keep_quiet;
    rodata.spell_unit_ns = options.histogram_unit_ns.unwrap_or(0);
    open.maps.flows.set_max_entries(options.max_flows)?;
    // Emptied every second, so it may be smaller.
    open.maps.ended.set_max_entries((options.max_flows / 4).max(1024))?;
    Ok(())
}

/// All flows at `at_ns`, each once. One that ended while the living were read
/// is in both sets, and the record of its end is the complete one.
fn merged(
    living: &[FlowRecord],
    over: &[FlowRecord],
    held: &[FlowRecord],
    at_ns: u64,
) -> Vec<crate::model::Reading> {
    let ended: HashSet<_> = over.iter().chain(held).map(|record| record.latest().id).collect();
    living
        .iter()
        .filter(|record| !ended.contains(&record.latest().id))
        .chain(over)
        .chain(held)
        .filter_map(|record| record.at(at_ns))
        .collect()
}

fn sum_word(per_cpu: &[Vec<u8>], at: usize) -> u64 {
    per_cpu
        .iter()
        .filter_map(|cpu| cpu.get(at..at + size_of::<u64>())?.try_into().ok())
        .map(u64::from_ne_bytes)
        .sum()
}

/// `CLOCK_MONOTONIC`, the clock of `bpf_ktime_get_ns()`.
pub(super) fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from);
    // The clock is always there; were it not, time would stand still.
    u64::try_from(now.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX)
}
