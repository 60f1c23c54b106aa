//! The documents name everything that there is. Not here: whether what they say of it is
//! right, which the tests of each thing show.

use tcpcong::demo::cases::CASES;
use tcpcong_core::compare::Measure;
use tcpcong_core::model::{Cause, FIELDS, TransitionField};
use tcpcong_core::why::{RULES, VerdictField};

const JSON: &str = include_str!("../docs/json.md");
const WHY: &str = include_str!("../docs/why.md");

#[test]
fn every_field_is_in_the_documentation() {
    for field in FIELDS {
        assert!(JSON.contains(&format!("`{}`", field.key())), "{}", field.key());
    }
    let (_, of_trace) = JSON.split_once("# `tcpcong trace").expect("its part");
    for field in TransitionField::all() {
        assert!(of_trace.contains(&format!("`{}`", field.key())), "{}", field.key());
    }
    let (_, of_why) = JSON.split_once("# `tcpcong why").expect("its part");
    let own = VerdictField::all().filter(|field| matches!(field, VerdictField::Own(_)));
    // The states stand there as the first and the last of them.
    let states = ["disorder_ns", "cwr_ns", "recovery_ns"];
    for field in own.filter(|field| !states.contains(&&*field.key())) {
        assert!(of_why.contains(&format!("`{}`", field.key())), "{}", field.key());
    }
}

#[test]
fn the_core_shows_the_live_example_as_it_is() {
    let lines = include_str!("../crates/core/src/lib.rs").lines();
    let texts = lines.filter_map(|line| line.strip_prefix("//!"));
    let texts: Vec<_> = texts.map(|text| text.strip_prefix(' ').unwrap_or(text)).collect();
    let example = include_str!("../crates/live/examples/transitions.rs");
    let (_, code) = example.split_once("\n\n").expect("what it does comes first");
    assert!(texts.join("\n").contains(code.trim_end()), "crates/core/src/lib.rs");
}

#[test]
fn every_rule_is_in_the_documentation() {
    for rule in RULES {
        let row = format!("| {} | {} |", rule.verdict, rule.when);
        assert!(WHY.contains(&row), "docs/why.md lacks: {row}");
    }
}

#[test]
fn every_case_has_its_verdicts_in_the_documentation() {
    let (_, table) = WHY.split_once("<!-- verdicts -->").expect("the table");
    for case in &CASES {
        assert!(
            table.contains(&format!("| {} | sends |", case.makes)),
            "make verdicts: {}",
            case.name
        );
    }
}

#[test]
fn every_measure_is_in_the_documentation() {
    let (_, of_diff) = JSON.split_once("# `tcpcong diff").expect("its part");
    for measure in Measure::all(std::iter::once(Cause::Rto)) {
        assert!(of_diff.contains(&format!("`{}`", measure.name())), "{}", measure.name());
    }
}
