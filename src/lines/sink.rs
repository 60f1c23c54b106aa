//! The sink that makes lines: what the views print of an interval, with host and number,
//! handed to the spool. Not here: how it gets to the receiver.

use std::io;
use std::sync::Arc;

use jiff::Timestamp;
use rustc_hash::FxHashMap;
use serde::Serialize;

use super::options::{Kinds, LineOptions, Target};
use super::receiver::receiver;
use super::spool::{Health, LineCounters, Spool};
use super::stamp::Stamp;
use super::writer;
use crate::recordings::FileError;
use crate::view::{
    Form, JsonView, RunParams, TransitionsView, json_time, print_json, print_sums, print_verdict,
};
use tcpcong_core::model::{FlowId, Listed, Report, Row, Start, Summary, TransitionField, listed};
use tcpcong_core::sink::{Output, Sink, TransitionBatch};
use tcpcong_core::why::{VerdictField, Verdicts};

/// Writes a run as lines. It never waits for who takes them.
#[derive(Debug)]
pub struct LinesSink {
    of: Kinds,
    to: Target,
    spool_bytes: u64,
    flows: JsonView,
    transitions: TransitionsView,
    verdict_columns: Vec<VerdictField>,
    stamp: Stamp,
    spool: Arc<Spool>,
    /// Up to when all was told.
    told: Timestamp,
}

/// Opens the file anew, from wherever a signal is heeded.
#[derive(Debug, Clone)]
pub struct Reopener(Arc<Spool>);

impl Reopener {
    /// Somebody has moved the file away: another begins with the next line. Sockets and stdout
    /// stay as they are.
    pub fn reopen(&self) {
        self.0.reopen();
    }
}

/// The sums of a watch.
#[derive(Serialize)]
#[serde(tag = "type", rename = "watch")]
struct Watch {
    time: String,
    interval_ns: u64,
    verdicts: usize,
    verdicts_shown: usize,
    not_watched: u64,
    entries_dropped: u64,
}

/// The last line.
#[derive(Serialize)]
#[serde(tag = "type", rename = "end")]
struct End {
    time: String,
}

impl LinesSink {
    /// Begins to write. What the first line says of the run is `params`.
    pub fn new(options: &LineOptions, params: &RunParams) -> Result<Self, FileError> {
        let said = |error: io::Error| FileError::new(format!("--lines.to {}: {error}", options.to));
        let spool = Arc::new(Spool::new(&options.host, options.spool_bytes));
        writer::start(Arc::clone(&spool), receiver(options).map_err(said)?).map_err(said)?;
        let columns = TransitionField::usual();
        Ok(Self {
            of: options.of,
            to: options.to.clone(),
            spool_bytes: options.spool_bytes,
            flows: JsonView::new(params.clone(), &LineOptions::flow_columns(), false),
            transitions: TransitionsView::new(Form::Json(columns), params.clone()),
            verdict_columns: VerdictField::of_object(None),
            stamp: Stamp::new(&options.host, Arc::clone(&spool)),
            spool,
            told: Timestamp::UNIX_EPOCH,
        })
    }

    /// How many lines there were, for whoever asks at any time.
    #[must_use]
    pub fn counters(&self) -> Arc<LineCounters> {
        self.spool.counters()
    }

    /// Opens the file anew, as SIGHUP asks for.
    pub fn reopen(&self) {
        self.spool.reopen();
    }

    /// The same for another thread.
    #[must_use]
    pub fn reopener(&self) -> Reopener {
        Reopener(Arc::clone(&self.spool))
    }

    /// Memory that waiting lines take, bytes.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.spool.waiting()
    }

    fn print_transitions(&mut self, report: &Report, out: &mut Output<'_>) -> io::Result<()> {
        if report.transitions.is_empty() {
            return Ok(());
        }
        let mut rows: FxHashMap<FlowId, &Row> = FxHashMap::default();
        for listed in listed(report) {
            match listed {
                Listed::Row(row) => drop(rows.insert(row.id, row)),
                Listed::Group(group) => rows.extend(group.rows.iter().map(|row| (row.id, row))),
            }
        }
        // Whose the flow is was looked up for its row.
        let named = report.transitions.iter().map(|transition| {
            let mut row = Row::of_transition(transition);
            if let Some(known) = rows.get(&transition.id) {
                row.connection = known.connection;
                row.names = known.names.clone();
            }
            (*transition, row)
        });
        let batch =
            TransitionBatch { now_ns: report.to_ns, wall: report.at, lines: named.collect() };
        let mut out = Output { data: &mut self.stamp, remarks: &mut *out.remarks };
        self.transitions.transitions(&batch, &mut out)
    }

    /// Passes on the last of what was printed, and says where nobody takes it.
    fn hand_over(&mut self, out: &mut Output<'_>) -> io::Result<()> {
        self.stamp.cut();
        let to = &self.to;
        match self.spool.news() {
            None => Ok(()),
            Some(Health::Well) => {
                let dropped = self.spool.counters().dropped();
                writeln!(
                    out.remarks,
                    "tcpcong: lines: {to}: taken again; {dropped} lines were dropped so far"
                )
            }
            Some(Health::Away(why)) => {
                let room = self.spool_bytes >> 10;
                writeln!(
                    out.remarks,
                    "tcpcong: lines: {to}: {why}; up to {room} KiB of them wait for it"
                )
            }
        }
    }
}

impl Sink for LinesSink {
    fn started(&mut self, start: &Start, out: &mut Output<'_>) -> io::Result<()> {
        self.told = start.at;
        self.stamp.begin(start.at);
        self.stamp.tells_of(start.at, start.at);
        let mut data = Output { data: &mut self.stamp, remarks: &mut *out.remarks };
        self.flows.started(start, &mut data)?;
        // It has the clock from there, and prints the same line, which nobody needs twice.
        let mut nowhere = Output { data: &mut io::sink(), remarks: &mut *out.remarks };
        self.transitions.started(start, &mut nowhere)?;
        self.hand_over(out)
    }

    fn transitions(&mut self, batch: &TransitionBatch, out: &mut Output<'_>) -> io::Result<()> {
        if self.of.transitions {
            self.stamp.tells_of(self.told, batch.wall);
            let mut data = Output { data: &mut self.stamp, remarks: &mut *out.remarks };
            self.transitions.transitions(batch, &mut data)?;
        }
        self.hand_over(out)
    }

    fn interval(&mut self, report: &Report, out: &mut Output<'_>) -> io::Result<()> {
        self.told = report.at;
        self.stamp.tells_of(report.wall(report.from_ns), report.at);
        if self.of.flows {
            self.flows.print_listed(report, &mut self.stamp)?;
        }
        if self.of.transitions {
            self.print_transitions(report, out)?;
        }
        print_sums(report, &mut self.stamp)?;
        self.hand_over(out)
    }

    fn verdicts(&mut self, verdicts: &Verdicts, out: &mut Output<'_>) -> io::Result<()> {
        if !self.of.verdicts {
            return Ok(());
        }
        let interval_ns = verdicts.to_ns.saturating_sub(verdicts.from_ns);
        let length = jiff::SignedDuration::from_nanos(interval_ns.cast_signed());
        self.stamp.tells_of(verdicts.at - length, verdicts.at);
        let is_of_use = |finding: &&_| -> bool {
            let finding: &tcpcong_core::why::Finding = finding;
            !finding.judgement.verdict.is_calm()
        };
        let mut shown = 0;
        for finding in verdicts.findings.iter().filter(is_of_use) {
            print_verdict(&self.verdict_columns, finding, verdicts, &mut self.stamp)?;
            shown += 1;
        }
        let watch = Watch {
            time: json_time(verdicts.at),
            interval_ns,
            verdicts: verdicts.in_all,
            verdicts_shown: shown,
            not_watched: verdicts.not_taken,
            entries_dropped: verdicts.dropped,
        };
        print_json(&watch, &mut self.stamp)?;
        self.hand_over(out)
    }

    fn ended(&mut self, _: &Start, _: &Summary, out: &mut Output<'_>) -> io::Result<()> {
        self.stamp.tells_of(self.told, self.told);
        print_json(&End { time: json_time(self.told) }, &mut self.stamp)?;
        self.hand_over(out)?;
        let unwritten = self.spool.finish();
        if unwritten > 0 {
            let to = &self.to;
            writeln!(out.remarks, "tcpcong: lines: {to}: {unwritten} lines were not taken")?;
        }
        Ok(())
    }
}

impl Drop for LinesSink {
    fn drop(&mut self) {
        self.spool.close();
    }
}
