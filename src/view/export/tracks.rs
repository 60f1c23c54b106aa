//! Which tracks a Perfetto trace has: one for each process or remote host, below it one for
//! each flow, and below that its counters. Not here: what happens on them.

use std::io;

use rustc_hash::FxHashMap;

use super::packets::Packets;
use super::proto::{
    ChildTracksOrdering, CounterDescriptor, ProcessDescriptor, SiblingMergeBehavior,
    TrackDescriptor,
};
use crate::view::harmless;
use tcpcong_core::model::{Process, Row};

/// The track that says how far to trust the others.
pub(super) const TRUST: u64 = 1;
/// A flow's track and its counters have so many numbers; flows are numbered from 1 on.
const NUMBERS: u64 = 8;
/// The tracks of processes and hosts are numbered from here on.
const GROUPS: u64 = 1 << 62;
/// So many processes and hosts are known at a time. One that comes again after that has
/// another track of the same name, which viewers show as one.
const GROUPS_MOST: usize = 1 << 16;
/// A rate is of this time at least, nanoseconds: of less it would be the distance of two
/// acknowledgements.
const RATE_LEAST_NS: u64 = 10_000_000;

/// What of a flow is shown over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counter {
    Cwnd,
    Ssthresh,
    Rtt,
    DeliveryRate,
}

impl Counter {
    const ALL: [Self; 4] = [Self::Cwnd, Self::Ssthresh, Self::Rtt, Self::DeliveryRate];

    /// Its name and its unit.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Cwnd => ("cwnd", "segments"),
            Self::Ssthresh => ("ssthresh", "segments"),
            Self::Rtt => ("RTT", "us"),
            Self::DeliveryRate => ("delivery rate", "segments/s"),
        }
    }
}

/// What flows have in common whose tracks are together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Group {
    Process(Process),
    Host(String),
}

impl Group {
    fn of(row: &Row) -> Self {
        match row.connection.owner.process {
            Some(process) => Self::Process(process),
            None => Self::Host(row.connection.endpoints.remote_address(&row.names)),
        }
    }
}

/// One flow's tracks.
#[derive(Debug)]
pub(super) struct FlowTrack {
    /// The track of its spells.
    pub(super) uuid: u64,
    parent: u64,
    /// Its name says between whom it is.
    is_named: bool,
    /// What each counter is; nothing of one that has no track.
    counters: [Option<f64>; Counter::ALL.len()],
    /// When the segments delivered were last counted, and how many they were, modulo 2^32.
    counted: Option<(u64, u32)>,
}

impl FlowTrack {
    /// Whether the counter was ever anything but without a value.
    pub(super) fn has(&self, counter: Counter) -> bool {
        self.counters[counter as usize].is_some()
    }

    /// The counter is this from now on.
    pub(super) fn set(
        &mut self,
        counter: Counter,
        at_ns: u64,
        value: f64,
        packets: &mut Packets,
    ) -> io::Result<()> {
        let uuid = self.uuid + 1 + counter as u64;
        #[expect(clippy::float_cmp, reason = "what is the same is not written again")]
        match self.counters[counter as usize].replace(value) {
            Some(before) if before == value => return Ok(()),
            Some(_) => {}
            None => {
                let (name, unit) = counter.names();
                packets.track(TrackDescriptor {
                    uuid: Some(uuid),
                    parent_uuid: Some(self.uuid),
                    name: Some(name.to_owned()),
                    counter: Some(CounterDescriptor { unit_name: Some(unit.to_owned()) }),
                    sibling_order_rank: Some(counter as i32),
                    ..TrackDescriptor::default()
                })?;
            }
        }
        packets.counter(uuid, at_ns, value)
    }

    /// So many segments were delivered until now, modulo 2^32: the rate since they were last
    /// counted, segments a second, and since when.
    pub(super) fn rate(&mut self, at_ns: u64, delivered: u32) -> Option<(u64, f64)> {
        let (since_ns, before) = *self.counted.get_or_insert((at_ns, delivered));
        let (time_ns, more) = (at_ns.saturating_sub(since_ns), delivered.wrapping_sub(before));
        // It seems to have become less where the reading before was of a moment later.
        if time_ns < RATE_LEAST_NS || more.cast_signed() < 0 {
            return None;
        }
        self.counted = Some((at_ns, delivered));
        Some((since_ns, f64::from(more) * 1e9 / time_ns as f64))
    }

    /// The flow is over: nothing is in flight any more.
    pub(super) fn end(&mut self, at_ns: u64, packets: &mut Packets) -> io::Result<()> {
        let known = Counter::ALL.into_iter().filter(|counter| self.has(*counter));
        let known: Vec<_> = known.collect();
        known.into_iter().try_for_each(|counter| self.set(counter, at_ns, 0.0, packets))
    }
}

/// All tracks that may be written to.
#[derive(Debug, Default)]
pub(super) struct Tracks {
    flows: FxHashMap<u64, FlowTrack>,
    groups: FxHashMap<Group, u64>,
    /// How many there were.
    grouped: u64,
    /// The processes that have a track as such, by their ids: only the first of each id, as
    /// a viewer takes an id for one process.
    processes: FxHashMap<u32, Process>,
}

impl Tracks {
    /// The flow's tracks, made where there are none.
    pub(super) fn of_flow(
        &mut self,
        flow: u64,
        row: &Row,
        packets: &mut Packets,
    ) -> io::Result<&mut FlowTrack> {
        if !self.flows.contains_key(&flow) {
            let uuid = flow * NUMBERS;
            let parent = self.of_group(Group::of(row), packets)?;
            let (is_named, counters) = (is_known(row), [None; Counter::ALL.len()]);
            let track = FlowTrack { uuid, parent, is_named, counters, counted: None };
            packets.track(flow_track(&track, row))?;
            self.flows.insert(flow, track);
        }
        let track = self.flows.get_mut(&flow).ok_or_else(|| io::Error::other("no such track"))?;
        if !track.is_named && is_known(row) {
            track.is_named = true;
            packets.track(flow_track(track, row))?;
        }
        Ok(track)
    }

    /// Lets go of the flow's tracks.
    pub(super) fn remove(&mut self, flow: u64) -> Option<FlowTrack> {
        self.flows.remove(&flow)
    }

    fn of_group(&mut self, group: Group, packets: &mut Packets) -> io::Result<u64> {
        if let Some(uuid) = self.groups.get(&group) {
            return Ok(*uuid);
        }
        if self.groups.len() >= GROUPS_MOST {
            self.groups.clear();
        }
        let uuid = GROUPS + self.grouped;
        self.grouped += 1;
        let mut track = TrackDescriptor {
            uuid: Some(uuid),
            child_ordering: Some(ChildTracksOrdering::Chronological.into()),
            ..TrackDescriptor::default()
        };
        match &group {
            Group::Host(address) => track.name = Some(format!("host {address}")),
            Group::Process(process) => {
                let comm = process.comm.map(|comm| comm.to_string());
                let is_first = *self.processes.entry(process.pid).or_insert(*process) == *process;
                if let (true, Ok(pid)) = (is_first, i32::try_from(process.pid)) {
                    track.process = Some(ProcessDescriptor { pid: Some(pid), process_name: comm });
                } else {
                    let comm = comm.unwrap_or_default();
                    track.name = Some(format!("{comm} {}", process.pid));
                }
            }
        }
        packets.track(track)?;
        self.groups.insert(group, uuid);
        Ok(uuid)
    }
}

/// Whether it is known between whom it is: of a flow that was met in the midst of its life
/// maybe not at first. The last description of a track is the one that counts.
fn is_known(row: &Row) -> bool {
    row.connection.is_complete() && row.connection.cookie.is_some()
}

fn flow_track(track: &FlowTrack, row: &Row) -> TrackDescriptor {
    let (endpoints, names) = (row.connection.endpoints, &row.names);
    let cc = row.cc.map(|cc| format!(" {cc}")).unwrap_or_default();
    let (local, remote) = (endpoints.local(names), endpoints.remote(names));
    TrackDescriptor {
        uuid: Some(track.uuid),
        parent_uuid: Some(track.parent),
        name: Some(harmless(&format!("{local} \u{2192} {remote}{cc}"))),
        description: Some(harmless(&description(row))),
        child_ordering: Some(ChildTracksOrdering::Explicit.into()),
        // Two connections with the same ends are two.
        sibling_merge_behavior: Some(SiblingMergeBehavior::None.into()),
        ..TrackDescriptor::default()
    }
}

/// What else is known of whose it is.
fn description(row: &Row) -> String {
    let mut parts = vec![match &row.names.netns {
        Some(name) => format!("network namespace {} ({name})", row.connection.netns),
        None => format!("network namespace {}", row.connection.netns),
    }];
    parts.extend(row.connection.cookie.map(|cookie| format!("socket cookie {cookie}")));
    parts.extend(row.names.cgroup.as_ref().map(|path| format!("cgroup {path}")));
    parts.join(", ")
}

/// The track that says how far to trust the others.
pub(super) fn trust_track() -> TrackDescriptor {
    TrackDescriptor {
        uuid: Some(TRUST),
        name: Some("tcpcong: how far to trust it".to_owned()),
        ..TrackDescriptor::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_of_ten_milliseconds_at_least_and_of_all_that_came_in_them() {
        let mut track = FlowTrack {
            uuid: 8,
            parent: GROUPS,
            is_named: true,
            counters: [None; Counter::ALL.len()],
            counted: None,
        };
        let before_round = u32::MAX - 9;
        assert_eq!(track.rate(1_000_000_000, before_round), None);
        assert_eq!(track.rate(1_009_999_999, 5), None, "too short a time");
        assert_eq!(track.rate(1_020_000_000, 10), Some((1_000_000_000, 1_000.0)));
        assert_eq!(track.rate(1_040_000_000, 9), None, "a reading of a moment before");
        assert_eq!(track.rate(1_120_000_000, 10), Some((1_020_000_000, 0.0)));
    }
}
