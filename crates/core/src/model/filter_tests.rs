use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::model::sample::{report, row, rows};
use crate::model::{Name, Process, StateTimes, Totals};

fn applied(filter: &Filter, rows: &[Row]) -> Report {
    let mut report = report(rows.to_vec());
    filter.apply(&mut report);
    filter.apply_named(&mut report);
    report
}

/// The local ports of the rows that stay.
fn stay(filter: &Filter, rows: &[Row]) -> Vec<u16> {
    applied(filter, rows).rows.iter().map(|row| row.connection.endpoints.lport).collect()
}

#[test]
fn a_port_that_is_not_known_yet_may_become_the_one() {
    let rows = [row(0), row(80), row(443), row(8080)];
    let lport = Some(PortRange { first: 80, last: 443 });
    assert_eq!(stay(&Filter { lport, ..Filter::default() }, &rows), [0, 80, 443]);
    assert_eq!(stay(&Filter { rport: lport, ..Filter::default() }, &rows), [0, 80, 443, 8080]);
    let rport = Some(PortRange { first: 81, last: 443 });
    assert_eq!(stay(&Filter { rport, ..Filter::default() }, &rows), [0; 0]);
    assert!(Filter { lport, rport, ..Filter::default() }.is_of_kernel());
}

#[test]
fn a_state_is_one_that_took_time_or_the_last_one() {
    let mut rows = [row(1), row(2), row(3)];
    rows[0].times = StateTimes([5, 0, 0, 0, 7]);
    rows[1].times = StateTimes([5, 9, 0, 0, 0]);
    rows[2].times = StateTimes([1, 0, 0, 0, 0]);
    rows[2].state = State::Loss;
    let filter = |states: &[State], min_time_ns| Filter {
        state: (!states.is_empty()).then(|| states.to_vec()),
        min_time_ns,
        ..Filter::default()
    };
    assert_eq!(stay(&filter(&[State::Loss], None), &rows), [1, 3]);
    assert_eq!(stay(&filter(&[State::Loss, State::Disorder], None), &rows), [1, 2, 3]);
    assert_eq!(stay(&filter(&[State::Cwr], None), &rows), [0; 0]);
    // Without states it is the time outside Open that counts, else that in them.
    assert_eq!(stay(&filter(&[], Some(7)), &rows), [1, 2]);
    assert_eq!(stay(&filter(&[], Some(8)), &rows), [2]);
    assert_eq!(stay(&filter(&[State::Loss], Some(1)), &rows), [1]);
    assert_eq!(stay(&filter(&[State::Open, State::Loss], Some(12)), &rows), [1]);
}

#[test]
fn what_is_unknown_passes_no_filter_for_it_and_is_counted() {
    let rows = [row(1)];
    for (filter, unknown) in [
        (Filter { pid: Some(1), ..Filter::default() }, 1),
        (Filter { comm: Some("curl".into()), ..Filter::default() }, 1),
        (Filter { cc: Some("cubic".into()), ..Filter::default() }, 1),
        (Filter { cgroup: Some("/".into()), ..Filter::default() }, 1),
        // What has no name is not the one of that name.
        (Filter { netns: Some(Netns::Name("blue".into())), ..Filter::default() }, 0),
        // Nor is it wanted whatever else were known.
        (Filter { pid: Some(1), min_changes: Some(9), ..Filter::default() }, 0),
        (Filter { cc: Some("bbr".into()), min_changes: Some(9), ..Filter::default() }, 0),
    ] {
        let report = applied(&filter, &rows);
        assert!(report.rows.is_empty(), "{filter:?}");
        assert_eq!(
            (report.filtered_out.rows, report.filtered_out.unknown),
            (1, unknown),
            "{filter:?}"
        );
    }
    assert_eq!(stay(&Filter::default(), &rows), [1]);
    assert_eq!(stay(&Filter { netns: Some(Netns::Inode(1)), ..Filter::default() }, &rows), [1]);
}

#[test]
fn names_are_whole_and_cgroups_are_subtrees() {
    let mut rows = [row(1), row(2), row(3), row(4)];
    for (row, path) in rows.iter_mut().zip(["/", "/web", "/web/a", "/webber"]) {
        row.names.cgroup = Some(Arc::from(path));
        row.names.netns = Some(Arc::from(path.trim_start_matches('/')));
        row.cc = Name::from_text("bbr");
        let (pid, comm) = (row.connection.endpoints.lport.into(), Name::from_text(path));
        row.connection.owner.process = Some(Process { pid, comm });
    }
    let below = |path: &str| Filter { cgroup: Some(path.into()), ..Filter::default() };
    assert_eq!(stay(&below("/"), &rows), [1, 2, 3, 4]);
    assert_eq!(stay(&below("/web"), &rows), [2, 3]);
    assert_eq!(stay(&below("/web/"), &rows), [2, 3]);
    assert_eq!(stay(&below("/web/a/b"), &rows), [0; 0]);
    let comm = Filter { comm: Some("/web".into()), ..Filter::default() };
    assert_eq!(stay(&comm, &rows), [2]);
    assert_eq!(stay(&Filter { pid: Some(4), ..comm.clone() }, &rows), [0; 0]);
    assert_eq!(stay(&Filter { pid: Some(4), ..Filter::default() }, &rows), [4]);
    assert_eq!(
        stay(&Filter { netns: Some(Netns::Name("webber".into())), ..Filter::default() }, &rows),
        [4]
    );
    assert_eq!(stay(&Filter { cc: Some("bb".into()), ..Filter::default() }, &rows), [0; 0]);
}

#[test]
fn an_end_is_either_one_and_not_for_the_kernel_to_decide() {
    let mut rows = [row(443), row(1), row(2)];
    rows[1].connection.endpoints.rport = 443;
    let filter = |text: &str| Filter { endpoint: text.parse().ok(), ..Filter::default() };
    assert_eq!(stay(&filter(":443"), &rows), [443, 1]);
    assert_eq!(stay(&filter("127.0.0.1:80"), &rows), [443, 2]);
    assert!(!filter(":443").is_of_kernel() && filter(":443").options_of_kernel().is_empty());
}

#[test]
fn addresses_are_those_of_both_ends_in_one_family() {
    let mut rows = [row(1), row(2)];
    rows[1].connection.endpoints.raddr = "2001:db8::1".parse().unwrap();
    let prefix = |text: &str| text.parse::<AddressPrefix>().ok();
    let local = Filter { laddr: prefix("::ffff:127.0.0.0/104"), ..Filter::default() };
    assert_eq!(stay(&local, &rows), [1, 2]);
    assert_eq!(stay(&Filter { raddr: prefix("::/0"), ..local.clone() }, &rows), [2]);
    assert_eq!(stay(&Filter { raddr: prefix("0.0.0.0/0"), ..local }, &rows), [1]);
}

#[test]
fn a_report_is_not_exact_if_wrong_figures_may_have_left_a_row_out() {
    let mut uncertain = row(1);
    (uncertain.exact, uncertain.uncertain_ns) = (false, 9);
    let mut by_figures = report(vec![uncertain.clone(), row(2)]);
    Filter { min_changes: Some(1), ..Filter::default() }.apply(&mut by_figures);
    assert_eq!(
        by_figures.filtered_out,
        super::super::FilteredOut { rows: 2, inexact: 1, unknown: 0 }
    );
    assert!(!by_figures.is_exact());
    // Of another address it is not the row that was asked for, whatever its figures.
    let mut by_address = report(vec![uncertain]);
    let laddr = "10.0.0.0/8".parse().ok();
    Filter { laddr, min_changes: Some(1), ..Filter::default() }.apply(&mut by_address);
    assert_eq!(
        by_address.filtered_out,
        super::super::FilteredOut { rows: 1, inexact: 0, unknown: 0 }
    );
    assert!(by_address.is_exact());
}

proptest! {
    /// What stays is as it was, in its order, and the totals are its sums.
    #[test]
    fn a_filter_changes_no_figure_of_what_remains(
        rows in rows(),
        states in proptest::option::of(proptest::sample::subsequence(State::ALL.to_vec(), 1..3)),
        min_time_ns in proptest::option::of(0..9_000_000_u64),
        min_changes in proptest::option::of(0..9_u32),
        pid in proptest::option::of(0..3_u32),
        cgroup in proptest::option::of(Just("/a".to_owned())),
    ) {
        let filter = Filter { state: states, min_time_ns, min_changes, pid, cgroup, ..Filter::default() };
        let unfiltered = report(rows.clone());
        let mut filtered = unfiltered.clone();
        filter.apply(&mut filtered);
        filter.apply_named(&mut filtered);
        let mut unseen = unfiltered.rows.iter();
        for row in &filtered.rows {
            prop_assert!(unseen.any(|there| there == row), "{:?} is new, or moved", row);
        }
        prop_assert_eq!(filtered.flows, filtered.rows.len());
        prop_assert_eq!(filtered.flows + filtered.filtered_out.rows, unfiltered.flows);
        prop_assert_eq!(filtered.totals, Totals::of(&filtered.rows));
        let mut rest = filtered.clone();
        rest.rows = unfiltered.rows.clone();
        rest.keep(|row| filtered.rows.contains(row));
        prop_assert_eq!(rest.totals, filtered.totals);
    }
}
