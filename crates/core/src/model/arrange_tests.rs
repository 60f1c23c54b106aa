use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::model::Totals;
use crate::model::field::Merge;
use crate::model::sample::{report, row, rows};
use crate::model::{FIELDS, field};

fn arranged(by: Option<&str>, order: Option<&str>, top: Option<usize>, report: &Report) -> Report {
    let mut report = report.clone();
    let by = by.map(|text| By::parse(text).unwrap());
    let order = order.map(|text| Order::parse(text).unwrap());
    Arrangement { by, order, top }.apply(&mut report);
    report
}

fn ports(report: &Report) -> Vec<u16> {
    report.rows.iter().map(|row| row.connection.endpoints.lport).collect()
}

#[test]
fn numbers_go_down_and_texts_go_up_unless_a_sign_says_otherwise() {
    let mut rows = vec![row(1), row(2), row(3)];
    for (row, (changes, addr)) in rows.iter_mut().zip([(5, "9.9.9.9"), (7, "::1"), (5, "8.8.8.8")])
    {
        row.changes = changes;
        row.connection.endpoints.raddr = addr.parse().unwrap();
    }
    let report = report(rows);
    for (order, expected) in [
        ("changes", [2, 1, 3]),
        ("-changes", [2, 1, 3]),
        ("+changes", [1, 3, 2]),
        ("raddr", [3, 1, 2]),
        ("-raddr", [2, 1, 3]),
        ("+raddr", [3, 1, 2]),
        // All alike: as they were.
        ("loss_ns", [1, 2, 3]),
        ("comm", [1, 2, 3]),
    ] {
        assert_eq!(ports(&arranged(None, Some(order), None, &report)), expected, "{order}");
    }
    assert_eq!(Order::parse("open").map(|order| order.to_string()).as_deref(), Some("-open"));
    assert_eq!(Order::parse("state").map(|order| order.to_string()).as_deref(), Some("+state"));
    for bad in ["", "-", "--open", "opened", "é"] {
        assert_eq!(Order::parse(bad), None, "{bad}");
    }
}

#[test]
fn the_top_is_of_what_is_listed_and_the_totals_are_of_all() {
    let mut rows = vec![row(1), row(2), row(3), row(3)];
    for (row, changes) in rows.iter_mut().zip([1, 2, 3, 4]) {
        row.changes = changes;
    }
    let report = report(rows);
    let two = arranged(None, Some("changes"), Some(2), &report);
    assert_eq!(two.rows.iter().map(|row| row.changes).collect::<Vec<_>>(), [4, 3]);
    assert_eq!((two.flows, two.flows_listed(), two.totals.changes), (4, 2, 10));
    let group = arranged(Some("lport"), Some("changes"), Some(1), &report);
    assert_eq!((group.flows, group.flows_listed(), group.totals.changes), (4, 2, 10));
    let groups = group.groups.unwrap();
    assert_eq!((groups.in_all, groups.listed.len()), (3, 1));
    assert_eq!(groups.listed[0].key, [("lport", Value::Count(3))]);
    assert_eq!(field("changes").unwrap().of_group(&groups.listed[0]), Value::Count(7));
}

#[test]
fn a_group_shows_what_its_rows_share_and_one_of_the_unknown_comes_last() {
    let mut rows = vec![row(1), row(2), row(3)];
    rows[1].cc = crate::model::Name::from_text("bbr");
    rows[2].cc = crate::model::Name::from_text("bbr");
    (rows[1].exact, rows[1].ended, rows[1].spell_ns, rows[2].spell_ns) = (false, true, 4, 9);
    let groups = arranged(Some("cc"), None, None, &report(rows)).groups.unwrap().listed;
    let values = |name: &str| -> Vec<_> {
        groups.iter().map(|group| field(name).unwrap().of_group(group)).collect()
    };
    assert_eq!(values("cc"), [Value::Text("bbr".into()), Value::Nothing]);
    assert_eq!(values("flows"), [Value::Count(2), Value::Count(1)]);
    assert_eq!(values("lport"), [Value::Nothing, Value::Count(1)]);
    assert_eq!(values("rport"), [Value::Count(80), Value::Count(80)]);
    assert_eq!(values("exact"), [Value::Is(false), Value::Is(true)]);
    assert_eq!(values("ended"), [Value::Count(1), Value::Count(0)]);
    assert_eq!(values("spell"), [Value::Time(9), Value::Time(0)]);
    assert_eq!(values("pid"), [Value::Nothing, Value::Nothing]);
}

#[test]
fn the_key_of_a_prefix_is_as_long_as_was_asked() {
    let mut rows = vec![row(1), row(2)];
    rows[0].connection.endpoints.raddr = "10.1.2.3".parse().unwrap();
    rows[1].connection.endpoints.raddr = "10.1.9.9".parse().unwrap();
    let report = report(rows);
    for (by, expected) in [
        ("prefix", vec!["10.1.2.0/24", "10.1.9.0/24"]),
        ("prefix/16", vec!["10.1.0.0/16"]),
        ("prefix/64", vec!["10.1.2.0/24", "10.1.9.0/24"]),
    ] {
        let groups = arranged(Some(by), None, None, &report).groups.unwrap().listed;
        let keys: Vec<_> = groups
            .iter()
            .map(|group| match field("prefix").unwrap().of_group(group) {
                Value::Prefix(prefix) => prefix.to_string(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(keys, expected, "{by}");
    }
}

proptest! {
    /// Every row is in exactly one group, and all that adds up adds up to the
    /// same, whatever the rows are put together by.
    #[test]
    fn groups_sum_exactly_to_their_rows(rows in rows(), top in proptest::option::of(1..4_usize)) {
        let report = report(rows);
        for by in By::names().replace("[/N[/N]]", "/25/48").split(", ") {
            let grouped = arranged(Some(by), Some("-loss"), None, &report);
            let groups = grouped.groups.clone().unwrap();
            prop_assert_eq!(grouped.totals, Totals::of(&report.rows));
            prop_assert_eq!(groups.in_all, groups.listed.len());
            let keys: HashSet<_> = groups.listed.iter().map(|group| &group.key).collect();
            prop_assert_eq!(keys.len(), groups.in_all, "a key twice");
            let parse = By::parse(by).unwrap();
            for group in &groups.listed {
                prop_assert!(group.rows.iter().all(|row| parse.of_row(row) == group.key));
            }
            for field in FIELDS.iter().filter(|field| field.merge == Merge::Sum) {
                let of_rows: u64 = report.rows.iter().map(|row| field.of_row(row).amount()).sum();
                let of_groups: u64 =
                    groups.listed.iter().map(|group| field.of_group(group).amount()).sum();
                prop_assert_eq!(of_groups, of_rows, "{} by {}", field.name, by);
            }
            let first = arranged(Some(by), Some("-loss"), top, &report).groups.unwrap();
            let most = top.unwrap_or(usize::MAX).min(groups.in_all);
            prop_assert_eq!(&first.listed, &groups.listed[..most]);
        }
    }
}
