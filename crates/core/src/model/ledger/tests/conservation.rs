//! Every moment of a life is in exactly one state's column: lives of all kinds, told by
//! several CPUs, some of it never, held against a reckoning that knows nothing of the
//! ledger.

use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;

use super::{START_NS, ledger, listing_all};
use crate::model::sample::Script;
use crate::model::{
    Entry, FlowId, IntervalSums, Ledger, LedgerOptions, Report, Row, State, StateTimes, SumBy,
    SumKey, Sums,
};

/// So much sooner than another an entry may be made and come later.
const APART_NS: u64 = 50_000;
const SOCKETS: u16 = 4;

/// One life of a socket: when it begins after the one before, and what it goes through.
#[derive(Debug, Clone)]
pub(super) struct Life {
    pause_ns: u64,
    /// How long each spell lasts, and the state after it.
    spells: Vec<(u64, State)>,
    last_ns: u64,
    /// Whether its beginning, its end, and each of its transitions are told.
    birth_told: bool,
    end_told: bool,
    told: Vec<bool>,
}

fn life(all_told: bool) -> impl Strategy<Value = Life> {
    let state = (0..5_usize).prop_map(|state| State::ALL[state]);
    let told = move || prop_oneof![9 => Just(true), 1 => Just(all_told)];
    let spell = (1..400_000_u64, state, told());
    let spells = proptest::collection::vec(spell, 0..8);
    (1..900_000_u64, spells, 1..400_000_u64, told(), told()).prop_map(
        |(pause_ns, spells, last_ns, birth_told, end_told)| Life {
            pause_ns,
            told: spells.iter().map(|(_, _, told)| *told).collect(),
            spells: spells.into_iter().map(|(length, state, _)| (length, state)).collect(),
            last_ns,
            birth_told,
            end_told,
        },
    )
}

/// The lives of each socket.
pub(super) fn lives(all_told: bool) -> impl Strategy<Value = Vec<Vec<Life>>> {
    let of_one = proptest::collection::vec(life(all_told), 0..5);
    proptest::collection::vec(of_one, usize::from(SOCKETS))
}

/// What a life was in, from when until when.
type Piece = (u64, u64, State);

/// A life as it was, whoever tells of it.
pub(super) struct Truth {
    socket: u16,
    pieces: Vec<Piece>,
}

impl Truth {
    fn born_ns(&self) -> u64 {
        self.pieces[0].0
    }

    fn times(&self, from_ns: u64, to_ns: u64) -> [u64; 5] {
        let mut times = [0; 5];
        for (begin, end, state) in &self.pieces {
            let within = (*end).min(to_ns).saturating_sub((*begin).max(from_ns));
            times[*state as usize] += within;
        }
        times
    }

    /// Transitions in this time, and repeated RTOs.
    fn changes(&self, from_ns: u64, to_ns: u64) -> (u32, u32) {
        let (mut changes, mut repeated) = (0, 0);
        for pair in self.pieces.windows(2) {
            let ((_, at_ns, from), (_, _, to)) = (pair[0], pair[1]);
            if (from_ns..to_ns).contains(&at_ns) {
                changes += u32::from(from != to);
                repeated += u32::from(from == to && from == State::Loss);
            }
        }
        (changes, repeated)
    }
}

/// The lives as they were, and the entries that tell of them.
pub(super) fn played(lives: &[Vec<Life>]) -> (Vec<Truth>, Vec<Entry>) {
    // All that were there were met, so what nobody knows has come since.
    let (mut truths, mut script) = (Vec::new(), Script::default().surveyed(START_NS, START_NS));
    for (socket, lives) in (1..).zip(lives) {
        let mut now_ns = START_NS;
        for life in lives {
            now_ns += life.pause_ns;
            let mut pieces = Vec::new();
            let mut state = State::Open;
            if life.birth_told {
                script = script.birth(socket, now_ns);
            }
            for ((length_ns, next), told) in life.spells.iter().zip(&life.told) {
                pieces.push((now_ns, now_ns + length_ns, state));
                now_ns += length_ns;
                if *told && (state != *next || state == State::Loss) {
                    script = script.transition(socket, now_ns, state, *next);
                }
                state = *next;
            }
            pieces.push((now_ns, now_ns + life.last_ns, state));
            now_ns += life.last_ns;
            if life.end_told {
                script = script.end(socket, now_ns, state);
            }
            truths.push(Truth { socket, pieces });
        }
    }
    (truths, script.entries)
}

/// Brings entries into the order in which several CPUs may deliver them, and then into
/// that of their times, as far as is known at each round: as a collector does.
fn collected(mut entries: Vec<Entry>, delays: &[u64]) -> Vec<Entry> {
    let delayed =
        |(index, entry): (usize, Entry)| (entry.at_ns + delays[index % delays.len()], entry);
    entries.sort_by_key(|entry| entry.at_ns);
    let mut arriving: Vec<_> = entries.into_iter().enumerate().map(delayed).collect();
    arriving.sort_by_key(|(arrives_ns, _)| *arrives_ns);
    let (mut waiting, mut out) = (Vec::new(), Vec::new());
    let mut round_ns = START_NS;
    for (arrives_ns, entry) in arriving {
        while arrives_ns > round_ns {
            waiting.sort_by_key(|entry: &Entry| entry.at_ns);
            let known = waiting.partition_point(|entry| entry.at_ns + APART_NS < round_ns);
            out.extend(waiting.drain(..known));
            round_ns += 3 * APART_NS;
        }
        waiting.push(entry);
    }
    waiting.sort_by_key(|entry| entry.at_ns);
    out.extend(waiting);
    out
}

/// The reports of intervals of this length, until all is over.
fn reports(entries: &[Entry], interval_ns: u64) -> Vec<Report> {
    let mut ledger = ledger(LedgerOptions { sums: Some(SumBy::Lport), ..listing_all() });
    let mut reports = Vec::new();
    let mut end_ns = START_NS + interval_ns;
    // Sums come several times in an interval.
    let (mut taken, mut sums_ns) = (Vec::new(), START_NS);
    for entry in entries {
        while entry.at_ns >= end_ns {
            reports.push(closed(&mut ledger, std::mem::take(&mut taken), end_ns));
            end_ns += interval_ns;
        }
        if entry.at_ns > sums_ns + interval_ns / 4 {
            taken.push(take_sums(&mut ledger, entry.at_ns));
            sums_ns = entry.at_ns;
        }
        ledger.apply(entry);
    }
    reports.push(closed(&mut ledger, taken, end_ns));
    reports
}

fn take_sums(ledger: &mut Ledger, at_ns: u64) -> IntervalSums {
    ledger.take_sums(at_ns, Timestamp::UNIX_EPOCH).expect("sums were asked for")
}

/// An interval's report, which the sums of its parts agree with.
fn closed(ledger: &mut Ledger, mut taken: Vec<IntervalSums>, end_ns: u64) -> Report {
    taken.push(take_sums(ledger, end_ns));
    let report = ledger.close(end_ns, Timestamp::UNIX_EPOCH);
    let mut by_key: BTreeMap<SumKey, Sums> = BTreeMap::new();
    let mut spells = Vec::new();
    for part in taken {
        for sums in by_key.values_mut() {
            sums.alive = [0; 5];
        }
        for one in part.by_key {
            by_key.entry(one.key).or_default().add(&one.sums);
        }
        spells.extend(part.spells);
    }
    summed(&report, &by_key, &spells);
    report
}

/// Rows by flow, in order.
fn by_flow(reports: &[Report]) -> BTreeMap<FlowId, Vec<(u64, u64, Row)>> {
    let mut flows: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for report in reports {
        for row in &report.rows {
            flows.entry(row.id).or_default().push((report.from_ns, report.to_ns, row.clone()));
        }
    }
    flows
}

/// What is so whatever was told: a flow's rows follow one another without a gap, and each
/// has as much time as it lived of its interval.
fn conserved(reports: &[Report]) -> Result<(), TestCaseError> {
    for (id, rows) in by_flow(reports) {
        let mut expected_from = None;
        for (index, (from_ns, to_ns, row)) in rows.iter().enumerate() {
            prop_assert!(expected_from.is_none_or(|expected| expected == *from_ns), "{id:?}");
            expected_from = Some(*to_ns);
            let lived = to_ns - from_ns.max(&id.born_ns);
            let is_last = index + 1 == rows.len();
            prop_assert_eq!(row.ended && !is_last, false, "{:?}", id);
            if row.ended {
                prop_assert!(row.times.total_ns() <= lived);
            } else {
                prop_assert_eq!(row.times.total_ns(), lived, "{:?}", id);
            }
        }
    }
    Ok(())
}

/// What is summed as entries come is what the rows add up to.
fn summed(report: &Report, by_key: &BTreeMap<SumKey, Sums>, spells: &[(State, u64)]) {
    let mut of_rows: BTreeMap<SumKey, (StateTimes, u64, [u64; 5], u64)> = BTreeMap::new();
    for row in &report.rows {
        let key = SumKey::Lport(row.connection.endpoints.lport);
        let (times, changes, alive, ended) = of_rows.entry(key).or_default();
        times.add(&row.times);
        *changes += u64::from(row.changes + row.repeated_rtos);
        alive[row.state as usize] += u64::from(!row.ended);
        *ended += u64::from(row.ended);
    }
    let of_sums = by_key.iter().map(|(key, sums)| {
        let changes = sums.transitions.values().sum();
        (*key, (sums.times, changes, sums.alive, sums.ended))
    });
    assert_eq!(of_sums.collect::<BTreeMap<_, _>>(), of_rows);
    let mut all = Sums::default();
    for sums in by_key.values() {
        all.add(sums);
    }
    assert_eq!(all.rtos, report.totals.rtos);
    assert_eq!(all.repeated_rtos, report.totals.repeated_rtos);
    assert!(all.uncertain_ns <= report.totals.uncertain_ns);
    assert_eq!(all.alive.iter().sum::<u64>(), report.flows_alive);
    // Spells that came to be found later are no transitions.
    let spells = spells.len() as u64;
    let changes = all.transitions.iter().filter(|((from, to, _), _)| from != to);
    let changes: u64 = changes.map(|(_, count)| count).sum();
    assert_eq!(spells, changes + report.losses.transitions_missed + all.ended);
}

proptest! {
    #[test]
    fn what_was_told_whole_is_shown_to_the_nanosecond(
        lives in lives(true),
        interval_ns in 50_000..2_000_000_u64,
        delays in proptest::collection::vec(0..APART_NS, 1..20),
    ) {
        let (truths, entries) = played(&lives);
        let reports = reports(&collected(entries, &delays), interval_ns);
        conserved(&reports)?;
        prop_assert!(reports.iter().all(Report::is_exact));
        let flows = by_flow(&reports);
        prop_assert_eq!(flows.len(), truths.len());
        for truth in &truths {
            let id = FlowId { socket: truth.socket.into(), born_ns: truth.born_ns() };
            for (from_ns, to_ns, row) in &flows[&id] {
                prop_assert_eq!(row.times.0, truth.times(*from_ns, *to_ns));
                let counts = (row.changes, row.repeated_rtos);
                prop_assert_eq!(counts, truth.changes(*from_ns, *to_ns));
            }
        }
    }

    #[test]
    fn other_intervals_change_no_sum(
        lives in lives(false),
        first_ns in 50_000..2_000_000_u64,
        second_ns in 50_000..2_000_000_u64,
    ) {
        let (_, mut entries) = played(&lives);
        entries.sort_by_key(|entry| entry.at_ns);
        // Both end at the same instant.
        let end_ns = entries.last().map_or(START_NS, |entry| entry.at_ns) + 1;
        let sums = |interval_ns| {
            let mut sums: BTreeMap<_, ([u64; 5], u32)> = BTreeMap::new();
            let mut ledger = ledger(listing_all());
            let mut at_ns = START_NS;
            let mut all = Vec::new();
            for entry in &entries {
                while entry.at_ns >= at_ns + interval_ns {
                    at_ns += interval_ns;
                    all.push(ledger.close(at_ns, Timestamp::UNIX_EPOCH));
                }
                ledger.apply(entry);
            }
            all.push(ledger.close(end_ns, Timestamp::UNIX_EPOCH));
            for row in all.iter().flat_map(|report| &report.rows) {
                let (times, changes) = sums.entry(row.id).or_default();
                times.iter_mut().zip(row.times.0).for_each(|(sum, time)| *sum += time);
                *changes += row.changes;
            }
            sums
        };
        prop_assert_eq!(sums(first_ns), sums(second_ns));
    }

    #[test]
    fn whatever_goes_untold_is_conserved_and_counted(
        lives in lives(false),
        interval_ns in 50_000..2_000_000_u64,
        delays in proptest::collection::vec(0..APART_NS, 1..20),
        surveys in proptest::collection::vec(0..4_000_000_u64, 0..4),
        gaps in proptest::collection::vec((0..4_000_000_u64, 1..300_000_u64), 0..3),
    ) {
        let (truths, entries) = played(&lives);
        let lost: Vec<_> = gaps
            .iter()
            .map(|(from, length)| (START_NS + from, START_NS + from + length))
            .collect();
        let is_lost = |at_ns: u64| lost.iter().any(|(from, to)| (*from..*to).contains(&at_ns));
        let (gone, mut entries): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| is_lost(entry.at_ns));
        let mut script = Script::default();
        for (from_ns, to_ns) in &lost {
            script = script.gap(*from_ns, *to_ns, 1);
        }
        for at_ns in surveys.iter().map(|at| START_NS + at) {
            for truth in &truths {
                let (socket, piece) = (truth.socket, truth.pieces.iter());
                if let Some((.., state)) = piece.clone().find(|(b, e, _)| (*b..*e).contains(&at_ns)) {
                    script = script.seen(socket, at_ns, *state);
                }
            }
            script = script.surveyed(at_ns + 1, at_ns);
        }
        entries.extend(script.entries);
        let reports = reports(&collected(entries, &delays), interval_ns);
        conserved(&reports)?;
        let untold = lives.iter().flatten().any(|life| {
            !life.birth_told || !life.end_told || life.told.contains(&false)
        });
        if gone.is_empty() && !untold && lost.is_empty() {
            prop_assert!(reports.iter().all(Report::is_exact));
        }
        let gaps: u64 = reports.iter().map(|report| report.losses.gaps).sum();
        prop_assert_eq!(gaps, lost.len() as u64);
    }
}
