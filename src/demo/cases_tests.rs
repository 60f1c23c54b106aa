//! Whether the table of cases is whole, and its cases are found. Not here: whether they happen.

use super::*;

#[test]
fn every_case_is_found_and_has_a_name_of_its_own() {
    for case in &CASES {
        assert!(std::ptr::eq(find(case.name).unwrap(), case), "{}", case.name);
        assert!(!case.makes.is_empty() && !case.near.is_empty() && !case.far.is_empty());
    }
}

#[test]
fn an_unknown_case_names_the_nearest() {
    let said = |name| find(name).unwrap_err().to_string();
    assert_eq!(
        said("pathloss"),
        "no case is called pathloss, but one is path-loss; tcpcong demo --list shows all"
    );
    assert_eq!(said("xyz"), "no case is called xyz; tcpcong demo --list shows all");
    assert_eq!(said(""), "no case is called ; tcpcong demo --list shows all");
}

#[test]
fn distances_are_those_of_levenshtein() {
    for (one, other, expected) in
        [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("abc", "abc", 0)]
    {
        assert_eq!(distance(one, other), expected, "{one} {other}");
        assert_eq!(distance(other, one), expected, "{other} {one}");
    }
}

#[test]
fn the_list_is_aligned_and_fits_a_wide_terminal() {
    let list = list();
    let lines: Vec<_> = list.lines().collect();
    assert_eq!(lines.len(), CASES.len() + 1);
    let second = lines[0].find("What").unwrap();
    for (line, case) in lines[1..].iter().zip(&CASES) {
        assert_eq!(line.find(case.makes), Some(second), "{line}");
        assert!(line.len() <= 140, "{}: {line}", line.len());
    }
}
