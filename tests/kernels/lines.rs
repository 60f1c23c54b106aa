//! The lines that a guest prints and the page is made of.
//! Not how they come about, nor how they look on the page.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One line of a guest.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Line {
    Way(Way),
    Cell(Cell),
    Causes(Causes),
    Verdict(Verdict),
    End(End),
}

/// One way of attaching on one kernel.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Way {
    pub(crate) kernel: String,
    /// As asked for.
    pub(crate) name: String,
    /// What came of it, where it traces.
    pub(crate) attach: Option<String>,
    /// What the tool says that it cannot see.
    pub(crate) limitations: Vec<String>,
    /// What was tried before, and why it was not that.
    pub(crate) attach_rejected: Vec<PassedOver>,
    /// Instructions that the verifier went through, by program.
    pub(crate) verifier: BTreeMap<String, u64>,
    /// What it says that it missed, and what the kernel counted for it.
    pub(crate) transitions_missed: u64,
    pub(crate) recursion_misses: u64,
    /// Calls of the kernel whose socket it did not find when they returned.
    pub(crate) calls_lost: u64,
    /// What the tool said, where it does not trace.
    pub(crate) refused: Option<String>,
    /// What is wrong with that.
    pub(crate) red: Vec<String>,
}

/// A way that `auto` did not take.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct PassedOver {
    pub(crate) attach: String,
    pub(crate) why: String,
}

/// One scenario seen by one way of attaching on one kernel.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Cell {
    pub(crate) kernel: String,
    pub(crate) way: String,
    pub(crate) scenario: String,
    /// Flows with a row.
    pub(crate) flows: usize,
    /// Flow-intervals compared; of those, the ones that sum up to the nanosecond,
    /// as each flow's must that lives the whole interval.
    pub(crate) intervals: usize,
    pub(crate) conserved: usize,
    /// Flow-intervals that the tool itself marked as not exact.
    pub(crate) marked: usize,
    /// Flows that differ from the truth, by runs that the kernel skipped where it is not red.
    pub(crate) differ: usize,
    pub(crate) changes: SeenTruth,
    pub(crate) repeated: SeenTruth,
    /// Transitions that go with spells too short for a way that cannot see flashes.
    pub(crate) flashes: usize,
    pub(crate) largest_error_us: f64,
    pub(crate) error_us_per_event: f64,
    /// Where calls interrupted each other: those whose socket was lost by it.
    pub(crate) lost: Option<usize>,
    /// What else is to be known of it.
    pub(crate) notes: Vec<String>,
    pub(crate) red: Vec<String>,
}

/// Why the transitions of one scenario were made, as one way of attaching tells.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Causes {
    pub(crate) kernel: String,
    pub(crate) way: String,
    pub(crate) scenario: String,
    /// How often, by state and cause.
    pub(crate) told: BTreeMap<String, usize>,
    pub(crate) red: Vec<String>,
}

/// What `tcpcong why` said of one case, at both ends.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Verdict {
    pub(crate) kernel: String,
    pub(crate) case: String,
    pub(crate) cc: String,
    /// At the end that sends, and at the other; `-` where it has no connection.
    pub(crate) said: [String; 2],
    /// How often it was tried.
    pub(crate) tries: u32,
    /// Why the kernel cannot have it.
    pub(crate) lacks: Option<String>,
    pub(crate) red: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct SeenTruth {
    pub(crate) seen: usize,
    pub(crate) truth: usize,
}

/// The last line: without it the guest did not come to its end.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct End {
    pub(crate) kernel: String,
    pub(crate) seconds: f64,
}

impl Line {
    pub(crate) fn print(&self) {
        // Of plain values, which always become JSON.
        println!("{}", serde_json::to_string(self).unwrap_or_default());
    }
}
