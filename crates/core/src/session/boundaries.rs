//! When a session's intervals end. Not here: what happens then.

use std::time::Duration;

use super::{Plan, Product, nanoseconds};

/// Without another interval one ends so often: so that what nobody asks for is let go.
const HOUSEKEEPING: Duration = Duration::from_secs(1);

/// A watch for verdicts looks at the flows so often.
const LOOK: Duration = Duration::from_secs(1);
/// However short it is, it looks so often, but no more often than this.
const LOOKS_LEAST: u32 = 5;
const LOOK_LEAST: Duration = Duration::from_millis(100);

/// When intervals end.
#[allow(clippy::struct_field_names)] // units are part of names
pub(super) struct Boundaries {
    pub(super) interval_ns: Option<u64>,
    due_ns: u64,
    /// When all is over.
    end_ns: Option<u64>,
}

impl Boundaries {
    pub(super) fn new(plan: &Plan, started_ns: u64) -> Self {
        let interval = match plan.product {
            Product::Reports => plan.interval,
            Product::Transitions => Some(HOUSEKEEPING),
            Product::Verdicts => Some(look(plan)),
        };
        let end_ns = plan.duration.map(|duration| started_ns + nanoseconds(duration));
        Self { interval_ns: interval.map(nanoseconds), due_ns: started_ns, end_ns }
    }

    /// The next one, if there is to be any.
    pub(super) fn next(&mut self) -> Option<u64> {
        let due_ns = self.interval_ns.map(|interval_ns| {
            self.due_ns += interval_ns;
            self.due_ns
        });
        match (due_ns, self.end_ns) {
            (Some(due_ns), Some(end_ns)) => Some(due_ns.min(end_ns)),
            (due_ns, end_ns) => due_ns.or(end_ns),
        }
    }

    pub(super) fn are_over(&self, to_ns: u64) -> bool {
        self.end_ns.is_some_and(|end_ns| to_ns >= end_ns)
    }

    /// After a late report the next ones keep their distance.
    pub(super) fn passed(&mut self, to_ns: u64) {
        self.due_ns = self.due_ns.max(to_ns);
    }
}

/// How often a watch looks: several times, however short it is.
fn look(plan: &Plan) -> Duration {
    let watch = plan.verdicts_every.or(plan.duration);
    let most = watch.map_or(LOOK, |watch| (watch / LOOKS_LEAST).max(LOOK_LEAST));
    plan.interval.unwrap_or(LOOK).min(most)
}
