//! The flows' records as they are taken out of the kernel: each once, none half
//! written, those of flows that have ended too. Not here: when they are taken, nor
//! what becomes of them.

use std::collections::HashSet;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use libbpf_rs::{MapCore as _, MapFlags, MapHandle, MapMut};

use super::reader::Reader;
use super::survey::Surveyor;
use super::tracer::monotonic_ns;
use crate::model::{Blind, Reading};
use crate::wire::{self, FlowRecord, WireError};

/// So many ended flows are kept until a report, at most: some 300 MB.
const MAX_HELD: usize = 1 << 20;
/// Fewer records than the kernel hands over at once (eight pages).
const ONE_READ: usize = 64;
/// A record that is being written is read again after a pause, until it has been
/// for so long: its writer's CPU may have been taken away.
const TORN_PAUSE: Duration = Duration::from_micros(100);
const TORN_MOST_NS: u64 = 10_000_000_000;

/// What is read of the maps `flows` and `ended`, and what waits to be handed over.
pub(super) struct Records {
    /// `flows`, where single records are asked for.
    map: MapHandle,
    flows: Reader,
    ended: Reader,
    /// The kernel's tick, where costs are measured.
    tick_ns: Option<u64>,
    /// Sockets that had a record when all were last read.
    alive_before: HashSet<u64>,
    /// Ended flows taken from the kernel and not yet handed over.
    held: Vec<FlowRecord>,
    /// What user space itself could not keep or see.
    blind: Blind,
}

impl Records {
    pub(super) fn new(
        map: &MapMut<'_>,
        flows: Reader,
        ended: Reader,
        tick_ns: Option<u64>,
    ) -> Result<Self> {
        Ok(Self {
            map: MapHandle::try_from(map).context("keeping the map of flows")?,
            flows,
            ended,
            tick_ns,
            alive_before: HashSet::new(),
            held: Vec::new(),
            blind: Blind::default(),
        })
    }

    /// What user space itself could not keep or see, so far.
    pub(super) fn blind(&self) -> &Blind {
        &self.blind
    }

    /// Every flow that is alive, now that `boundary_ns` has passed. Those that have
    /// ended meanwhile are taken out of the kernel, and those whose socket the survey
    /// found gone. `survey_writes`: it has put costs into the records.
    pub(super) fn living(
        &mut self,
        surveyor: &mut Surveyor,
        boundary_ns: u64,
        survey_writes: bool,
    ) -> Result<Vec<FlowRecord>> {
        let mut living = self.read()?;
        surveyor.note_unreached(&living);
        let gone = self.remove_gone(&mut living, surveyor, boundary_ns)?;
        self.take_ended()?;
        self.hold_gone(gone);
        self.add_passed_over(&mut living)?;
        if let Some(tick_ns) = self.tick_ns {
            complete_costs(&mut living, surveyor, survey_writes, tick_ns);
        }
        Ok(living)
    }

    /// All flows at `at_ns`, those that ended before it for the last time.
    pub(super) fn hand_over(&mut self, living: &[FlowRecord], at_ns: u64) -> Vec<Reading> {
        let (over, later) = std::mem::take(&mut self.held)
            .into_iter()
            .partition(|record| record.latest().tally.has_ended_before(at_ns));
        self.held = later;
        merged(living, &over, &self.held, at_ns)
    }

    /// Lets go of the ended flows that were taken so far.
    pub(super) fn forget_ended(&mut self) {
        self.held.clear();
    }

    /// Takes the ended flows out of the kernel.
    pub(super) fn take_ended(&mut self) -> Result<()> {
        let (held, blind, tick_ns) = (&mut self.held, &mut self.blind, self.tick_ns);
        let mut broken = None;
        // A pass goes on by counting records in a bucket out of which it has
        // taken some, so it passes others over; the next finds them.
        loop {
            let mut taken = 0;
            let read = self.ended.read(|key, value| {
                taken += 1;
                let record = wire::ended_socket(key)
                    .and_then(|socket| FlowRecord::decode(socket, value, tick_ns));
                match record {
                    Ok(_) if held.len() >= MAX_HELD => blind.rows_lost += 1,
                    Ok(record) => held.push(record),
                    Err(error) => broken = Some(error),
                }
            });
            read.context("reading the ended flows")?;
            if taken < ONE_READ {
                break;
            }
        }
        broken.map_or(Ok(()), |error| Err(error).context("reading the ended flows"))
    }

    /// Every flow that is alive, read in one pass.
    fn read(&mut self) -> Result<Vec<FlowRecord>> {
        let tick_ns = self.tick_ns;
        let mut records = Vec::new();
        let mut torn = Vec::new();
        let mut broken = None;
        let mut known = HashSet::with_capacity(self.alive_before.len());
        let read = self.flows.read(|key, value| {
            let Ok(socket) = key.try_into().map(u64::from_ne_bytes) else { return };
            match FlowRecord::decode(socket, value, tick_ns) {
                Ok(record) if known.insert(socket) => records.push(record),
                Ok(_) => {} // it came twice
                Err(WireError::Torn) => torn.push(socket),
                Err(error) => broken = Some(error),
            }
        });
        read.context("reading the flows")?;
        if let Some(error) = broken {
            return Err(error).context("reading the flows");
        }
        for socket in torn {
            if known.insert(socket) {
                records.extend(self.read_again(socket)?);
            }
        }
        Ok(records)
    }

    /// What was there before, has not come, and is not among those that ended:
    /// the reading has passed it over.
    fn add_passed_over(&mut self, living: &mut Vec<FlowRecord>) -> Result<()> {
        let sockets = |records: &[FlowRecord]| -> HashSet<u64> {
            records.iter().map(|record| record.latest().id.socket).collect()
        };
        let (mut known, ended) = (sockets(living), sockets(&self.held));
        for socket in self.alive_before.iter().filter(|socket| !ended.contains(socket)) {
            if known.insert(*socket) {
                living.extend(self.read_again(*socket)?);
            }
        }
        self.alive_before = sockets(living);
        Ok(())
    }

    fn read_again(&self, socket: u64) -> Result<Option<FlowRecord>> {
        let until_ns = monotonic_ns() + TORN_MOST_NS;
        loop {
            let value = self.map.lookup(&socket.to_ne_bytes(), MapFlags::ANY)?;
            let Some(value) = value else { return Ok(None) };
            match FlowRecord::decode(socket, &value, self.tick_ns) {
                Err(WireError::Torn) if monotonic_ns() < until_ns => thread::sleep(TORN_PAUSE),
                read => return Ok(Some(read?)),
            }
        }
    }

    /// Takes out the records whose socket two surveys have not met: its end was
    /// not seen, and it was not seen being destroyed either.
    fn remove_gone(
        &self,
        living: &mut Vec<FlowRecord>,
        surveyor: &Surveyor,
        boundary_ns: u64,
    ) -> Result<Vec<FlowRecord>> {
        let mut gone = Vec::new();
        for record in living.iter() {
            let Some(at_ns) = surveyor.found_gone_at(record) else { continue };
            let id = record.latest().id;
            // The address may be a new socket's by now.
            let still = self.read_again(id.socket)?.is_some_and(|now| now.latest().id == id);
            if still && self.map.delete(&id.socket.to_ne_bytes()).is_ok() {
                gone.push(record.clone().found_gone(at_ns, boundary_ns));
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
                self.blind.ends_missed += 1;
                self.held.push(record);
            }
        }
    }
}

/// Has the costs of each record be of the survey that was just made, where it has
/// met the socket: elsewhere what came since the last transition is not known.
fn complete_costs(
    living: &mut [FlowRecord],
    surveyor: &Surveyor,
    survey_writes: bool,
    tick_ns: u64,
) {
    for record in living {
        match surveyor.account_of(record) {
            Some(account) => record.add_cost(account, tick_ns),
            None if survey_writes && surveyor.has_met(record) => {}
            None => record.drop_cost(),
        }
    }
}

/// All flows at `at_ns`, each once. One that ended while the living were read
/// is in both sets, and the record of its end is the complete one.
fn merged(
    living: &[FlowRecord],
    over: &[FlowRecord],
    held: &[FlowRecord],
    at_ns: u64,
) -> Vec<Reading> {
    let ended: HashSet<_> = over.iter().chain(held).map(|record| record.latest().id).collect();
    living
        .iter()
        .filter(|record| !ended.contains(&record.latest().id))
        .chain(over)
        .chain(held)
        .filter_map(|record| record.at(at_ns))
        .collect()
}
