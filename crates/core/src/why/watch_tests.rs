//! What a watch gathers of entries that a ledger has made rows, transitions and samples of.

use jiff::Timestamp;

use super::*;
use crate::model::sample::{Script, account};
use crate::model::{Figures, Ledger, LedgerOptions, PathFigures, Receiving};

const START_NS: u64 = 1_000_000_000;
const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;
const TICK_NS: u64 = 4 * MS;

/// Milliseconds after the start.
fn ms(ms: u64) -> u64 {
    START_NS + ms * MS
}

/// A run that is watched.
struct Run {
    ledger: Ledger,
    entries: std::vec::IntoIter<crate::model::Entry>,
    watch: Watch,
}

impl Run {
    fn of(script: Script) -> Self {
        let options = LedgerOptions {
            list_quiet: true,
            transitions: true,
            samples: true,
            tick_ns: Some(TICK_NS),
            ..LedgerOptions::default()
        };
        Self {
            ledger: Ledger::new(START_NS, options),
            entries: script.entries.into_iter(),
            watch: Watch::new(START_NS),
        }
    }

    /// Up to these milliseconds, an interval each second.
    fn until(mut self, end_ms: u64) -> Self {
        let (_, from_ns) = self.watch.window();
        let mut to_ns = from_ns;
        while to_ns < ms(end_ms) {
            to_ns = (to_ns + SECOND).min(ms(end_ms));
            while let Some(entry) = self.entries.as_slice().first() {
                if entry.at_ns >= to_ns {
                    break;
                }
                self.ledger.apply(entry);
                self.entries.next();
            }
            let mut report = self.ledger.close(to_ns, Timestamp::UNIX_EPOCH);
            report.transitions = self.ledger.take_transitions();
            self.watch.add(&report);
        }
        self
    }

    /// Of the flow that has this port.
    fn evidence(&self, lport: u16) -> Evidence {
        let is_it = |row: &Row| row.connection.endpoints.lport == lport;
        let row = self.watch.rows().find(is_it).expect("no such flow");
        self.watch.evidence(&row)
    }
}

/// As a survey finds it: so many bytes were acknowledged, and so many have come.
fn found(acked: u64, received: u64) -> Figures {
    let delivered = u32::try_from(acked / 1_000).expect("few");
    Figures {
        snd_cwnd: 40,
        srtt_us: 42_000 * 8,
        path: Some(PathFigures {
            bytes_acked: acked,
            rtt_min_us: 40_000,
            mss: 1_448,
            ..PathFigures::default()
        }),
        receiving: Some(Receiving { bytes_received: received, ..Receiving::default() }),
        ..account([0, 0, 0], delivered, 0)
    }
}

fn with_path(figures: Figures, change: impl FnOnce(&mut PathFigures)) -> Figures {
    let mut path = figures.path.unwrap_or_default();
    change(&mut path);
    Figures { path: Some(path), ..figures }
}

fn with_receiving(figures: Figures, change: impl FnOnce(&mut Receiving)) -> Figures {
    let mut receiving = figures.receiving.unwrap_or_default();
    change(&mut receiving);
    Figures { receiving: Some(receiving), ..figures }
}

fn born() -> Script {
    Script::default().birth(1, ms(0)).with(account([0, 0, 0], 0, 0))
}

fn open(script: Script, at_ms: u64, figures: Figures) -> Script {
    script.seen(1, ms(at_ms), State::Open).with(figures)
}

#[test]
fn looks_are_counted_and_those_while_something_is_acknowledged_apart() {
    let limited =
        |figures| with_path(figures, |path| (path.cwnd_limited, path.app_limited) = (true, true));
    let at = |acked, srtt_us: u32| Figures { srtt_us: srtt_us * 8, ..limited(found(acked, 0)) };
    // Begun after the watch, or what the first look shows may be from before it.
    let begun = Script::default().birth(1, ms(1)).with(account([0, 0, 0], 0, 0));
    let script = open(begun, 900, at(1_000_000, 49_000));
    let script = open(script, 1_900, at(2_000_000, 50_000));
    let script = open(script, 2_900, at(2_000_000, 200_000));
    let script = open(script, 3_900, at(3_000_000, 120_000));
    let looks = Run::of(script).until(4_000).evidence(1).looks;
    assert_eq!((looks.count, looks.sending), (4, 3));
    assert_eq!((looks.cwnd_limited, looks.app_limited, looks.cwnd_sum), (3, 3, 120));
    assert_eq!((looks.srtt_mean_us(), looks.queueing_us()), (73_000, 33_000));
    assert_eq!((looks.queued, looks.bloated), (2, 1), "from 10 ms, and from 80 ms of waiting on");
    assert!((looks.share_of_sending(looks.queued) - 2.0 / 3.0).abs() < 1e-9);
}

#[test]
fn a_buffer_is_the_limit_where_all_of_it_is_sent_and_the_window_has_room() {
    let at = |acked, in_flight, unsent| {
        let figures = Figures { packets_out: in_flight, ..found(acked, 0) };
        with_path(figures, |path| (path.no_space, path.unsent) = (true, unsent))
    };
    let looks = |figures| {
        let script = open(open(born(), 900, found(1_000, 0)), 1_900, figures);
        Run::of(script).until(2_000).evidence(1).looks.buffer_full
    };
    assert_eq!(looks(at(2_000, 39, 0)), 1);
    assert_eq!(looks(with_path(at(2_000, 39, 0), |path| path.no_space = false)), 0);
    assert_eq!(looks(at(2_000, 39, 1)), 0, "something else keeps it from sending the rest");
    assert_eq!(looks(at(2_000, 40, 0)), 0, "the window is full as well");
    assert_eq!(looks(at(2_000, 0, 0)), 0, "nothing is on its way");
    assert_eq!(looks(at(1_000, 39, 0)), 0, "nothing came of it");
}

#[test]
fn a_full_buffer_is_the_part_of_sending_that_it_is_of_the_looks() {
    let limits = |sending_ns, sndbuf_ns| Limits { sending_ns, sndbuf_ns, rwnd_ns: 0 };
    let looks = |busy, buffer_full| Looks { busy, buffer_full, ..Looks::default() };
    let stats = SendStats { open: limits(6_000, 2_000), ..SendStats::default() };
    assert_eq!(looks(8, 4).buffer_full_ns(&stats, 0), 2_000, "the chronograph has the other half");
    assert_eq!(looks(8, 8).buffer_full_ns(&stats, 0), 6_000);
    assert_eq!(looks(8, 1).buffer_full_ns(&stats, 0), 0, "it has more than that");
    assert_eq!(looks(1, 1).buffer_full_ns(&stats, 0), 0, "one look says nothing");
    let stats = SendStats { other: limits(7_000, 0), open: limits(3_000, 0), ..stats };
    assert_eq!(looks(8, 8).buffer_full_ns(&stats, 7_000), 3_000, "outages apart");
    // However inexact a fraction of it is.
    let stats = SendStats { open: limits(u64::MAX >> 1, 0), ..SendStats::default() };
    assert_eq!(looks(8, 8).buffer_full_ns(&stats, 0), u64::MAX >> 1);
}

#[test]
fn a_syn_that_was_acknowledged_is_no_sending() {
    let script = open(open(born(), 900, found(1, 0)), 1_900, found(1, 0));
    let looks = Run::of(script).until(2_000).evidence(1).looks;
    assert_eq!((looks.count, looks.sending, looks.rates), (2, 0, [0.0; 3]));
}

#[test]
fn what_is_unread_and_the_largest_window_are_kept_of_all_looks() {
    let at = |unread, window| {
        with_receiving(found(0, 5_000), |receiving| {
            (receiving.unread, receiving.window) = (unread, window);
            receiving.rcv_rtt_us = (40_000 + unread) * 8;
            (receiving.rcvbuf, receiving.buffer_locked) = (window, window == 9_000);
            receiving.max_pacing_rate = Some(125_000);
        })
    };
    let script = open(open(born(), 900, at(0, 90_000)), 1_900, at(27_000, 9_000));
    let script = open(script, 2_900, at(26_999, 9_000));
    let looks = Run::of(script).until(3_000).evidence(1).looks;
    assert_eq!((looks.count, looks.unread, looks.full), (3, 2, 1));
    assert_eq!((looks.unread_most, looks.window_most), (27_000, 90_000));
    assert_eq!((looks.rcv_rtt_us, looks.buffer_locked), (40_000, true));
    assert_eq!(looks.max_pacing_rate, Some(125_000));
}

#[test]
fn rates_are_those_between_looks() {
    let script = open(born(), 990, found(1_237_500, 2_475_000));
    let script = open(script, 1_990, found(2_487_500, 4_975_000));
    let script = open(script, 2_990, found(3_737_500, 7_475_000));
    let evidence = Run::of(script).until(3_000).evidence(1);
    assert!((evidence.rate_bits() - 10e6).abs() < 1.0, "{}", evidence.rate_bits());
    assert!((evidence.recv_rate_bits() - 20e6).abs() < 1.0, "{}", evidence.recv_rate_bits());
    assert!(evidence.looks.rate_variation().is_some_and(|variation| variation < 1e-3));
    assert!(evidence.all_measured() && !evidence.receives());
}

#[test]
fn rates_that_differ_vary() {
    let script = open(born(), 999, found(500_000, 0));
    let script = open(script, 1_999, found(2_000_000, 0));
    let run = Run::of(open(script, 2_999, found(2_500_000, 0)));
    let two = Run { watch: Watch::new(START_NS), ..run }.until(2_000);
    assert_eq!(two.evidence(1).looks.rate_variation(), None, "two intervals say nothing");
    let three = two.until(3_000).evidence(1).looks;
    // 4, 12 and 4 Mbit/s: 3.77 of 6.67.
    assert!(three.rate_variation().is_some_and(|variation| (0.56..0.57).contains(&variation)));
}

#[test]
fn it_is_still_since_the_look_that_found_something_more() {
    let script = open(open(born(), 900, found(0, 4_000)), 1_900, found(0, 5_000));
    let script = open(open(script, 2_900, found(0, 5_000)), 3_900, found(0, 5_000));
    let run = Run::of(script).until(4_000);
    assert_eq!(run.evidence(1).still_ns, 2_100 * MS);
    let never = Run::of(open(born(), 900, found(0, 0))).until(2_000);
    assert_eq!(never.evidence(1).still_ns, 2_000 * MS, "since it was born");
}

#[test]
fn a_flow_that_ended_is_still_until_then_and_says_of_what_it_ended() {
    let end = with_receiving(found(0, 5_000), |receiving| receiving.error = 104);
    let script = open(born(), 900, found(0, 5_000)).end(1, ms(1_500), State::Open).with(end);
    let run = Run::of(script).until(4_000);
    let evidence = run.evidence(1);
    assert_eq!((evidence.still_ns, evidence.errno), (600 * MS, 104));
    assert_eq!((evidence.watched_ns(), evidence.measured_ns), (1_500 * MS, 1_500 * MS));
    assert!(run.watch.rows().all(|row| row.ended));
}

#[test]
fn what_an_icmp_message_said_is_told_apart_from_what_ended_it() {
    let said = |error, error_soft| {
        let figures = with_receiving(found(0, 0), |receiving| {
            (receiving.error, receiving.error_soft) = (error, error_soft);
        });
        let evidence = Run::of(open(born(), 900, figures)).until(1_000).evidence(1);
        (evidence.errno, evidence.errno_soft)
    };
    assert_eq!((said(0, 113), said(111, 113), said(0, 0)), ((0, 113), (111, 113), (0, 0)));
}

#[test]
fn probes_are_keepalive_ones_only_where_nothing_is_on_its_way() {
    let probed = |keepalive| {
        let figures = with_receiving(found(0, 0), |receiving| {
            (receiving.probes_out, receiving.keepalive) = (3, keepalive);
        });
        Run::of(open(born(), 900, figures)).until(1_000).evidence(1).probes
    };
    assert_eq!((probed(true), probed(false)), (3, 0), "others are of a zero window");
}

#[test]
fn waits_and_outages_are_those_of_timeouts() {
    let quiet = |ticks, sacked_out| {
        let figures = with_path(found(5_000, 0), |path| {
            (path.quiet, path.retransmits) = (ticks, u8::from(sacked_out > 0));
        });
        Figures { sacked_out, ..figures }
    };
    let script = open(born(), 900, found(5_000, 0))
        .transition(1, ms(1_300), State::Open, State::Loss)
        .with(quiet(50, 0))
        .transition(1, ms(1_700), State::Loss, State::Loss)
        .with(quiet(100, 1))
        .transition(1, ms(2_000), State::Loss, State::Open)
        .with(found(9_000, 0));
    let evidence = Run::of(script).until(3_000).evidence(1);
    assert_eq!(evidence.waited[State::Open], 200 * MS);
    assert_eq!(evidence.waited[State::Loss], 400 * MS);
    assert_eq!((evidence.causes.rto, evidence.passed_by), (2, 1));
    let outages = evidence.outages;
    assert_eq!((outages.count, outages.timeouts, outages.goes_on), (1, 2, false));
    assert_eq!((outages.longest_from_ns, outages.total_ns), (ms(1_100), 900 * MS));
    assert_eq!(evidence.timeouts_ns(), 0, "they are the outage's");
}

#[test]
fn a_single_timeout_takes_what_was_waited_and_loss() {
    let quiet = with_path(found(5_000, 0), |path| path.quiet = 50);
    let script = open(born(), 900, found(5_000, 0))
        .transition(1, ms(1_300), State::Open, State::Loss)
        .with(quiet)
        .transition(1, ms(1_400), State::Loss, State::Open)
        .with(found(9_000, 0));
    let evidence = Run::of(script).until(3_000).evidence(1);
    assert_eq!((evidence.timeouts_ns(), evidence.outages.count), (300 * MS, 0));
}

#[test]
fn losses_are_detected_in_disorder_and_repaired_in_recovery() {
    let reduced = Figures { snd_cwnd: 28, prior_cwnd: 40, undo_marker: true, ..found(5_000, 0) };
    let script = open(born(), 900, found(5_000, 0))
        .transition(1, ms(1_000), State::Open, State::Disorder)
        .with(found(5_000, 0))
        .transition(1, ms(1_010), State::Disorder, State::Recovery)
        .with(reduced)
        .transition(1, ms(1_060), State::Recovery, State::Open)
        .with(reduced)
        .transition(1, ms(1_500), State::Open, State::Disorder)
        .with(found(5_000, 0))
        .transition(1, ms(1_507), State::Disorder, State::Open)
        .with(found(5_000, 0));
    let evidence = Run::of(script).until(2_000).evidence(1);
    assert_eq!((evidence.detection_ns, evidence.repair_ns), (10 * MS, 50 * MS));
    let reduced = evidence.reduced(Trigger::Loss);
    assert_eq!((reduced.count, reduced.before, reduced.after), (1, 40, 28));
}

#[test]
fn segments_are_smaller_for_the_path_only_after_a_timeout() {
    let small = |figures| with_path(figures, |path| path.mss = 1_228);
    let script = open(born(), 500, found(5_000, 0));
    let without = Run::of(open(script.clone(), 1_900, small(found(9_000, 0))));
    assert_eq!(without.until(2_000).evidence(1).shrunk, 0, "options take room as well");
    let script = script
        .transition(1, ms(1_300), State::Open, State::Loss)
        .with(found(5_000, 0))
        .transition(1, ms(1_700), State::Loss, State::Open)
        .with(small(found(9_000, 0)));
    let after = Run::of(open(script, 1_900, small(found(9_900, 0))));
    assert_eq!(after.until(2_000).evidence(1).shrunk, 1);
}

#[test]
fn a_flow_met_late_is_measured_from_its_second_interval_on() {
    let script = Script::default().seen(1, ms(500), State::Open).with(found(5_000_000, 0));
    let script = open(script, 1_500, found(6_250_000, 0));
    let evidence = Run::of(script).until(2_000).evidence(1);
    assert_eq!((evidence.watched_ns(), evidence.measured_ns), (2 * SECOND, SECOND));
    assert!(!evidence.all_measured());
    assert_eq!(evidence.unanswered_ns, 0, "that it was born is not known");
    assert!((evidence.rate_bits() - 10e6).abs() < 1.0, "{}", evidence.rate_bits());
}

#[test]
fn a_connection_born_in_sight_of_which_nothing_was_acknowledged_is_not_answered() {
    let born = |at_ms| Script::default().birth(1, ms(at_ms)).with(account([0, 0, 0], 0, 0));
    let silent = Run::of(open(born(10), 900, found(0, 0))).until(2_000).evidence(1);
    assert_eq!((silent.unanswered_ns, silent.stats.open_idle_ns), (1_990 * MS, 0));
    let answered = Run::of(open(born(10), 900, found(1_000, 0))).until(2_000).evidence(1);
    assert_eq!((answered.unanswered_ns, answered.stats.open_idle_ns), (0, 1_990 * MS));
    let before = Run::of(open(born(0), 900, found(0, 0))).until(2_000).evidence(1);
    assert_eq!(before.unanswered_ns, 0, "it was there when the watch began");
}

#[test]
fn entries_that_were_lost_make_it_inexact_and_causes_incomplete() {
    let script = open(born(), 900, found(5_000, 0)).gap(ms(1_200), ms(1_300), 5);
    let run = Run::of(script).until(2_000);
    let evidence = run.evidence(1);
    assert_eq!(run.watch.dropped, 5);
    assert!(!evidence.all_told && !evidence.exact);
    assert_eq!(evidence.uncertain_ns, 100 * MS);
}

#[test]
fn a_watch_begins_where_the_one_before_has_ended_and_knows_nothing_of_it() {
    let script = open(born(), 900, found(1_250_000, 0))
        .transition(1, ms(950), State::Open, State::Loss)
        .with(found(1_250_000, 0))
        .transition(1, ms(980), State::Loss, State::Open)
        .with(found(1_250_000, 0));
    let script = open(open(script, 1_900, found(2_500_000, 0)), 2_900, found(3_750_000, 0));
    let mut run = Run::of(script).until(1_000);
    let row = run.watch.rows().next().expect("a row");
    assert_eq!((run.evidence(1).causes.rto, run.evidence(1).looks.count), (1, 3));
    run.watch.restart();
    assert_eq!(run.watch.window(), (ms(1_000), ms(1_000)));
    assert_eq!(run.watch.evidence(&row), Evidence::default(), "of no flow any more");
    let run = run.until(3_000);
    let evidence = run.evidence(1);
    assert_eq!(run.watch.window(), (ms(1_000), ms(3_000)));
    assert_eq!((evidence.watched_ns(), evidence.window_ns), (2 * SECOND, 2 * SECOND));
    assert_eq!((evidence.causes.rto, evidence.looks.count), (0, 2));
    assert_eq!(evidence.times[State::Loss], 0);
    assert_eq!(evidence.stats.traffic.acked_bytes, 2_500_000);
    assert_eq!(evidence.unanswered_ns, 0);
}

#[test]
fn flows_of_one_watch_are_kept_apart_and_a_group_is_their_sum() {
    let refused = |errno| with_receiving(found(0, 0), |receiving| receiving.error = errno);
    let script = Script::default()
        .birth(1, ms(0))
        .with(account([0, 0, 0], 0, 0))
        .birth(2, ms(0))
        .with(account([0, 0, 0], 0, 0))
        .birth(3, ms(0))
        .with(account([0, 0, 0], 0, 0))
        .transition(2, ms(500), State::Open, State::Loss)
        .with(with_path(found(0, 0), |path| path.quiet = 50))
        .end(2, ms(600), State::Loss)
        .with(refused(111))
        .end(3, ms(700), State::Open)
        .with(refused(111));
    let run = Run::of(open(script, 900, found(1_250_000, 0))).until(1_000);
    let [one, two, three] = [1, 2, 3].map(|lport| run.evidence(lport));
    assert_eq!([&one, &two, &three].map(|one| one.causes.rto), [0, 1, 0]);
    assert_eq!([&one, &two, &three].map(|one| one.errno), [0, 111, 111]);
    assert_eq!(one.times[State::Loss], 0);
    let sum = Evidence::sum([&one, &two, &three]);
    assert_eq!((sum.flows, sum.watched_ns(), sum.measured_ns), (3, 2_300 * MS, 2_300 * MS));
    assert_eq!((sum.waited[State::Open], sum.errno, sum.window_ns), (200 * MS, 0, SECOND));
    assert_eq!(sum.looks.count, [one, two, three].iter().map(|one| one.looks.count).sum::<u32>());
    assert!((sum.rate_bits() - 10e6).abs() < 1.0, "over the whole watch: {}", sum.rate_bits());
    assert_eq!(Evidence::sum([&two, &three]).errno, 111, "the same for all");
    assert_eq!(Evidence::sum([&two, &three, &one]).errno, 0);
}

#[test]
fn rows_are_in_the_order_of_both_ends_whatever_came_first() {
    let ports = [7, 3, 60_000, 1, 12, 5, 443, 80];
    let script = ports
        .iter()
        .fold(Script::default(), |script, port| script.birth(*port, ms(u64::from(*port % 9))));
    let run = Run::of(script.ports(80).birth(4_000, ms(500)).birth(3_999, ms(500))).until(1_000);
    let rows: Vec<_> =
        run.watch.rows().map(|row| (row.connection.endpoints.lport, row.id.socket)).collect();
    let mut sorted = rows.clone();
    sorted.sort_unstable();
    assert_eq!((rows.len(), rows), (10, sorted), "of those alike by the socket");
}
