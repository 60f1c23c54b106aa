//! Takes one recording's reports and keeps what a comparison needs: some hundred bytes a
//! connection, and eight a spell. Not here: what is made of it.

use std::collections::BTreeMap;
use std::io;

use rustc_hash::FxHashMap;

use super::connections::{Flow, Population};
use crate::model::{
    By, Filter, FilteredOut, FlowId, LedgerOptions, Name, Report, Start, StateTimes, Summary, Value,
};
use crate::sink::{Output, Sink};

/// Puts a recording's intervals together. It prints nothing.
#[derive(Debug, Default)]
pub struct Recorder {
    start: Option<Start>,
    ended_ns: u64,
    flows: FxHashMap<FlowId, Flow>,
    summary: Summary,
}

/// What one recording shows of the connections that were asked for.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// How it began.
    pub start: Start,
    /// How long it is, nanoseconds.
    pub length_ns: u64,
    /// All connections under an empty key, or groups of them each under what they have in
    /// common.
    pub groups: BTreeMap<Vec<(&'static str, Value)>, Population>,
    /// How many rows there are, their times and transitions, and what could not be seen.
    pub summary: Summary,
    /// Ends of connections.
    pub flows: usize,
    /// Connections: two ends that are both this machine's are one.
    pub connections: usize,
    /// How many flows had each congestion control, as last seen.
    pub congestion_controls: BTreeMap<Option<Name>, usize>,
    /// Of those, the ones whose figures are not exact.
    pub inexact: u64,
    /// Time in each state.
    pub times: StateTimes,
}

impl Recorder {
    /// What the ledger must be asked for.
    #[must_use]
    pub fn needs(tick_ns: u64) -> LedgerOptions {
        LedgerOptions {
            list_quiet: true,
            transitions: true,
            spells: true,
            samples: true,
            tick_ns: Some(tick_ns),
            ..LedgerOptions::default()
        }
    }

    /// Adds one interval.
    pub fn add(&mut self, report: &Report) {
        for row in &report.rows {
            self.flows.entry(row.id).or_insert_with(|| Flow::new(row)).add_row(row);
        }
        for spell in &report.ended_spells {
            if let Some(flow) = self.flows.get_mut(&spell.id) {
                flow.add_spell(spell.state, spell.length_ns);
            }
        }
        for transition in &report.transitions {
            if let Some(flow) = self.flows.get_mut(&transition.id) {
                flow.add_transition(transition);
            }
        }
        for sample in &report.samples {
            if let Some(flow) = self.flows.get_mut(&sample.id) {
                flow.add_sample(sample);
            }
        }
        self.ended_ns = report.to_ns;
    }

    /// What it came to, of the connections that pass the filter; nothing if it never began.
    /// The filter is asked once, about all that the recording has of a connection.
    #[must_use]
    pub fn finish(self, filter: &Filter, by: Option<&By>) -> Option<Recorded> {
        let start = self.start?;
        let mut filtered_out = FilteredOut::default();
        let mut flows: Vec<_> = self.flows.into_values().collect();
        flows.retain(|flow| filter.keeps(&flow.row, &mut filtered_out));
        // So that sums of fractions come out the same each time.
        flows.sort_unstable_by_key(|flow| (flow.row.id.born_ns, flow.row.id.socket));
        let mut summary = Summary { filtered_out, changes: 0, uncertain_ns: 0, ..self.summary };
        let (mut times, mut inexact) = (StateTimes::default(), 0);
        let mut congestion_controls = BTreeMap::new();
        for Flow { row, .. } in &flows {
            *congestion_controls.entry(row.cc).or_default() += 1;
            times.add(&row.times);
            inexact += u64::from(!row.exact);
            summary.changes += u64::from(row.changes);
            summary.uncertain_ns += row.uncertain_ns;
        }
        let in_all = flows.len();
        let mut groups: BTreeMap<_, Vec<Flow>> = BTreeMap::new();
        for flow in flows {
            let key = by.map(|by| by.of_row(&flow.row)).unwrap_or_default();
            groups.entry(key).or_default().push(flow);
        }
        let groups = groups.into_iter().map(|(key, flows)| (key, Population::of(flows)));
        let groups: BTreeMap<_, _> = groups.collect();
        Some(Recorded {
            length_ns: self.ended_ns.saturating_sub(start.at_ns),
            start,
            connections: groups.values().map(|group| group.connections.len()).sum(),
            groups,
            summary,
            flows: in_all,
            congestion_controls,
            inexact,
            times,
        })
    }
}

impl Sink for Recorder {
    fn started(&mut self, start: &Start, _: &mut Output<'_>) -> io::Result<()> {
        self.ended_ns = start.at_ns;
        self.start = Some(start.clone());
        Ok(())
    }

    fn interval(&mut self, report: &Report, _: &mut Output<'_>) -> io::Result<()> {
        self.add(report);
        Ok(())
    }

    fn ended(&mut self, _: &Start, summary: &Summary, _: &mut Output<'_>) -> io::Result<()> {
        self.summary = *summary;
        Ok(())
    }
}

impl Recorded {
    /// Whether nothing that bears on its figures went unseen.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        let Summary { losses, filtered_out, namespaces_unreached, .. } = &self.summary;
        losses.is_exact()
            && filtered_out.inexact == 0
            && *namespaces_unreached == 0
            && self.inexact == 0
            && !self.start.estimated
    }
}
