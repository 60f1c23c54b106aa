//! Going on where another ledger is: all that it knows of its flows as entries, and flows
//! made of such. Not here: what a report shows, which is the same in both.

use super::Ledger;
use super::costs::Costs;
use super::flow::{Flow, IntervalFigures};
use super::list::Links;
use crate::model::{Body, Entry, Ongoing, SurveyedNamespace};

impl Ledger {
    /// Entries of this instant, after which another ledger that was told nothing else says
    /// of what comes the same as this one, but that what is not exact yet may be so for
    /// longer. All entries from before have been applied, and none from after.
    pub fn key_frame(&self, at_ns: u64) -> impl Iterator<Item = Entry> + use<'_> {
        let flows = self.in_state.iter().flat_map(|list| list.iter(&self.flows));
        let entry = move |body| Entry { at_ns, body };
        let ongoing =
            move |at: u32| entry(Body::Ongoing(Box::new(self.ongoing(&self.flows[at as usize]))));
        let mut surveyed: Vec<_> = self
            .surveyed
            .iter()
            .map(|netns| SurveyedNamespace { netns: *netns, began_ns: self.measured_ns })
            .collect();
        surveyed.sort_unstable_by_key(|one| one.netns);
        let surveyed = (!surveyed.is_empty()).then(|| entry(Body::Surveyed(surveyed)));
        flows.map(ongoing).chain(surveyed)
    }

    fn ongoing(&self, flow: &Flow) -> Ongoing {
        let after_gap = self.last_gap.is_some_and(|gap| flow.since_ns < gap.to_ns);
        Ongoing {
            id: flow.id,
            connection: flow.connection,
            cc: flow.cc,
            state: flow.state,
            since_ns: flow.since_ns,
            seen_ns: flow.seen_ns,
            cause: flow.cause,
            found: flow.found,
            found_late: flow.found_late || after_gap,
            last_rto_ns: flow.last_rto_ns,
            told: flow.costs.as_ref().map(|costs| costs.last()),
            window: flow.window,
        }
    }

    /// Goes on with a flow. What is known of it already is not told again.
    pub(super) fn on_ongoing(&mut self, ongoing: &Ongoing, at_ns: u64) {
        if let Some(at) = self.sockets.get(&ongoing.id.socket).copied() {
            if self.flows[at as usize].id == ongoing.id {
                return;
            }
            self.end_unseen(at, at_ns);
        }
        if self.is_full() {
            self.ever_refused = true;
            self.losses.flows_refused += 1;
            return;
        }
        // The part of the spell that goes on from before this interval was another's.
        let before = self.interval.wrapping_sub(1);
        let costs = ongoing.told.filter(|_| self.options.tick_ns.is_some());
        let costs = costs.map(|(at_ns, told)| Box::new(Costs::new(told, at_ns, before)));
        let at = self.insert(Flow {
            id: ongoing.id,
            connection: ongoing.connection,
            cc: ongoing.cc,
            state: ongoing.state,
            since_ns: ongoing.since_ns.min(at_ns),
            seen_ns: ongoing.seen_ns.max(ongoing.since_ns).min(at_ns),
            cause: ongoing.cause,
            found: ongoing.found,
            found_late: ongoing.found_late,
            last_entry_ns: at_ns,
            unmet: 0,
            links: Links::default(),
            interval: 0,
            figures: IntervalFigures::default(),
            window: ongoing.window,
            last_rto_ns: ongoing.last_rto_ns,
            costs,
            summed: None,
        });
        self.sum_started(at, self.from_ns);
        if ongoing.found_late {
            self.touch(at).inexact = true;
        }
        // In the midst of an interval: nobody has told of the spells before this one.
        let from_ns = self.from_ns.max(ongoing.id.born_ns);
        let unknown_ns = ongoing.since_ns.min(at_ns).saturating_sub(from_ns);
        if unknown_ns > 0 {
            let figures = self.touch(at);
            figures.times[ongoing.state] += unknown_ns;
            figures.inexact = true;
            figures.uncertain_ns += unknown_ns;
            self.sum(at, |sums| {
                let time_ns = &mut sums.times[ongoing.state];
                *time_ns = time_ns.saturating_add(unknown_ns);
                sums.uncertain_ns = sums.uncertain_ns.saturating_add(unknown_ns);
            });
        }
    }
}
