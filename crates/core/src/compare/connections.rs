//! What a recording shows of each connection: sums, and how long its spells were.
//! Not here: what is made of them, nor which connections are wanted.

use std::collections::BTreeMap;

use crate::model::{Cause, FlowId, OngoingSpells, Row, Sample, State, StateTimes, Transition};

/// A mean over time, of a figure that is known at instants: between two of them it is taken
/// to go from the one to the other evenly.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct TimedMean {
    /// The figure times the nanoseconds.
    pub area: f64,
    /// Nanoseconds for which it is known.
    pub time_ns: f64,
}

impl TimedMean {
    fn between(&mut self, from: Option<u32>, to: Option<u32>, time_ns: u64) {
        if let Some((from, to)) = from.zip(to) {
            let time_ns = time_ns as f64;
            self.area += f64::midpoint(from.into(), to.into()) * time_ns;
            self.time_ns += time_ns;
        }
    }

    fn add(&mut self, other: &Self) {
        self.area += other.area;
        self.time_ns += other.time_ns;
    }
}

/// What was seen of a connection: of one end, or of both where both are this machine's.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Observed {
    /// Time in each state.
    pub times: StateTimes,
    /// Transitions.
    pub changes: u64,
    /// Loss entered, or set again.
    pub rtos: u64,
    /// Of those, Loss set again while in Loss.
    pub repeated_rtos: u64,
    /// How often each cause came; all undoing is one.
    pub causes: BTreeMap<Cause, u64>,
    /// How long the spells in each state were that ended, nanoseconds.
    pub spells_ns: [Vec<u64>; 5],
    /// Time of which it is known what came of it, nanoseconds.
    pub measured_ns: u64,
    /// Segments delivered in that time.
    pub delivered: u64,
    /// Segments retransmitted in that time.
    pub retransmitted: u64,
    /// The congestion window, segments.
    pub cwnd: TimedMean,
    /// The smoothed round-trip time, microseconds.
    pub srtt: TimedMean,
}

impl Observed {
    /// Adds what was seen of the other end, or of another connection between the same ends.
    pub fn add(&mut self, other: Self) {
        self.times.add(&other.times);
        self.changes += other.changes;
        self.rtos += other.rtos;
        self.repeated_rtos += other.repeated_rtos;
        for (cause, count) in other.causes {
            *self.causes.entry(cause).or_default() += count;
        }
        for (mine, theirs) in self.spells_ns.iter_mut().zip(other.spells_ns) {
            mine.extend(theirs);
        }
        self.measured_ns += other.measured_ns;
        self.delivered += other.delivered;
        self.retransmitted += other.retransmitted;
        self.cwnd.add(&other.cwnd);
        self.srtt.add(&other.srtt);
    }
}

/// One flow, as far as it was seen.
#[derive(Debug, Clone)]
pub(super) struct Flow {
    /// Its row of the whole recording: filters and keys ask it.
    pub(super) row: Row,
    pub(super) observed: Observed,
    last: Option<Sample>,
}

impl Flow {
    pub(super) fn new(row: &Row) -> Self {
        let row = Row::new(row.id, row.connection);
        Self { row, observed: Observed::default(), last: None }
    }

    /// Adds what an interval has of it.
    pub(super) fn add_row(&mut self, row: &Row) {
        let sum = &mut self.row;
        sum.times.add(&row.times);
        sum.changes = sum.changes.saturating_add(row.changes);
        sum.rtos = sum.rtos.saturating_add(row.rtos);
        sum.repeated_rtos = sum.repeated_rtos.saturating_add(row.repeated_rtos);
        sum.exact &= row.exact;
        sum.uncertain_ns += row.uncertain_ns;
        (sum.connection, sum.names) = (row.connection, row.names.clone());
        sum.cc = row.cc.or(sum.cc);
        (sum.state, sum.spell_ns, sum.ended) = (row.state, row.spell_ns, row.ended);
        let seen = &mut self.observed;
        seen.times.add(&row.times);
        seen.changes += u64::from(row.changes);
        seen.rtos += u64::from(row.rtos);
        seen.repeated_rtos += u64::from(row.repeated_rtos);
        if let Some(stats) = &row.stats {
            seen.measured_ns += row.times.total_ns();
            seen.delivered += stats.delivered_in_all();
            seen.retransmitted += stats.retransmitted_in_all();
        }
    }

    pub(super) fn add_spell(&mut self, state: State, length_ns: u64) {
        self.observed.spells_ns[state as usize].push(length_ns);
    }

    pub(super) fn add_transition(&mut self, transition: &Transition) {
        let cause = match transition.cause {
            Cause::Undo(_) => Cause::Undo(None),
            cause => cause,
        };
        *self.observed.causes.entry(cause).or_default() += 1;
    }

    pub(super) fn add_sample(&mut self, sample: &Sample) {
        if let Some(last) = self.last.replace(*sample) {
            let time_ns = sample.at_ns.saturating_sub(last.at_ns);
            let window = |sample: &Sample| (sample.cwnd != 0).then_some(sample.cwnd);
            self.observed.cwnd.between(window(&last), window(sample), time_ns);
            self.observed.srtt.between(last.srtt_us, sample.srtt_us, time_ns);
        }
    }
}

/// Between whom a connection is, whichever end is looked from.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Between {
    Ends([(std::net::IpAddr, u16); 2]),
    /// Not both ends are known: it is taken for one of its own.
    Unknown(FlowId),
}

/// What one network namespace has of a connection between these ends.
#[derive(Debug, Default)]
struct Seen {
    /// Its ends that were there: the one whose own address is the lesser, and the other.
    ends: [bool; 2],
    observed: Observed,
}

impl Between {
    fn of(row: &Row) -> Self {
        let ends = &row.connection.endpoints;
        if !row.connection.is_complete() {
            return Self::Unknown(row.id);
        }
        let mut both = [(ends.laddr, ends.lport), (ends.raddr, ends.rport)];
        both.sort_unstable();
        Self::Ends(both)
    }
}

/// The connections between the same ends: one for each namespace, as addresses are of that;
/// but one where one namespace has one end and another the other.
fn connections_of(by_netns: BTreeMap<u32, Seen>) -> Vec<Observed> {
    let mut seen: Vec<_> = by_netns.into_values().collect();
    if let [one, other] = &mut seen[..]
        && one.ends.iter().zip(other.ends).all(|(one, other)| *one != other)
    {
        one.observed.add(std::mem::take(&mut other.observed));
        seen.truncate(1);
    }
    seen.into_iter().map(|seen| seen.observed).collect()
}

/// The connections of one recording, or those of one group.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Population {
    /// Ends of connections on this machine, each a row elsewhere.
    pub flows: usize,
    /// The connections: what is independent of each other. Two ends that are both this
    /// machine's are one.
    pub connections: Vec<Observed>,
    /// Spells that had not ended, by state in the kernel's order.
    pub ongoing: [OngoingSpells; 5],
}

impl Population {
    pub(super) fn of(flows: Vec<Flow>) -> Self {
        let mut population = Self {
            flows: flows.len(),
            ongoing: OngoingSpells::of(flows.iter().map(|flow| &flow.row)),
            ..Self::default()
        };
        let mut connections: BTreeMap<_, BTreeMap<u32, Seen>> = BTreeMap::new();
        for Flow { row, observed, .. } in flows {
            let by_netns = connections.entry(Between::of(&row)).or_default();
            let seen = by_netns.entry(row.connection.netns).or_default();
            let ends = &row.connection.endpoints;
            let is_other = (ends.laddr, ends.lport) > (ends.raddr, ends.rport);
            seen.ends[usize::from(is_other)] = true;
            seen.observed.add(observed);
        }
        population.connections = connections.into_values().flat_map(connections_of).collect();
        population
    }

    /// Time in each state, of all together.
    #[must_use]
    pub fn times(&self) -> StateTimes {
        let mut times = StateTimes::default();
        self.connections.iter().for_each(|connection| times.add(&connection.times));
        times
    }

    /// A figure summed up over all.
    #[must_use]
    pub fn sum(&self, figure: impl Fn(&Observed) -> u64) -> u64 {
        self.connections.iter().map(figure).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample::row;

    fn flow(netns: u32, socket: u64, is_mirrored: bool) -> Flow {
        let mut row = row(4000);
        row.id.socket = socket;
        row.connection.netns = netns;
        if is_mirrored {
            let ends = &mut row.connection.endpoints;
            std::mem::swap(&mut ends.lport, &mut ends.rport);
        }
        let mut flow = Flow::new(&row);
        flow.add_row(&row);
        flow
    }

    fn count(flows: Vec<Flow>) -> usize {
        Population::of(flows).connections.len()
    }

    #[test]
    fn two_ends_are_one_connection_and_the_same_addresses_elsewhere_are_another() {
        assert_eq!(count(vec![flow(1, 1, false), flow(1, 2, true)]), 1, "loopback");
        assert_eq!(count(vec![flow(1, 1, false), flow(2, 2, true)]), 1, "a pair of namespaces");
        assert_eq!(count(vec![flow(1, 1, false), flow(2, 2, false)]), 2, "the same addresses");
        let both = |netns| [flow(netns, 1, false), flow(netns, 2, true)];
        assert_eq!(count(both(1).into_iter().chain(both(2)).collect()), 2, "loopback of two");
    }
}
