//! What stands below a report on request: which state followed which, and the
//! longest spells. Not here: the reports themselves, which other views print.

use std::io::{self, Write};
use std::net::SocketAddr;

use serde::Serialize;

use super::{Output, Style, Unit, View};
use crate::model::{FlowId, Report, Row, Start, State, Summary, matrix};

/// What is asked for below a report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Extras {
    /// How often each state followed each.
    pub matrix: bool,
    /// So many of the longest spells outside Open.
    pub spells: Option<usize>,
}

impl Extras {
    /// Whether anything is.
    #[must_use]
    pub fn any(self) -> bool {
        self.matrix || self.spells.is_some()
    }
}

/// A view with something below its reports.
pub struct WithExtras {
    view: Box<dyn View>,
    extras: Extras,
    style: Style,
    unit: Unit,
}

/// What comes after a spell.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    GoesOn,
    Ended,
    State(State),
}

/// One of the longest spells.
struct LongSpell<'r> {
    row: &'r Row,
    state: State,
    length_ns: u64,
    then: Then,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Line {
    Matrix {
        time: String,
        interval_ns: u64,
        from: &'static str,
        open: u64,
        disorder: u64,
        cwr: u64,
        recovery: u64,
        loss: u64,
        ended: u64,
    },
    Spell {
        time: String,
        interval_ns: u64,
        laddr: String,
        lport: u16,
        raddr: String,
        rport: u16,
        netns: u32,
        cookie: Option<u64>,
        state: &'static str,
        spell_ns: u64,
        goes_on: bool,
        next: Option<&'static str>,
    },
}

impl WithExtras {
    /// `view`, and below each of its reports what `extras` asks for.
    #[must_use]
    pub fn new(view: Box<dyn View>, extras: Extras, style: Style, unit: Unit) -> Self {
        Self { view, extras, style, unit }
    }

    fn matrix(&self, report: &Report, data: &mut dyn Write) -> io::Result<()> {
        let counts = matrix(&report.ended_spells);
        if self.style == Style::Table {
            writeln!(
                data,
                "\n{:<10} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}",
                "From\\To", "Open", "Dod", "Cwr", "Rcov", "Los", "ended"
            )?;
        }
        for (state, [open, disorder, cwr, recovery, loss, ended]) in
            State::ALL.into_iter().zip(counts)
        {
            let from = state.name();
            match self.style {
                Style::Table => writeln!(
                    data,
                    "{from:<10} {open:>8} {disorder:>8} {cwr:>8} {recovery:>8} {loss:>8} {ended:>8}"
                )?,
                Style::Json => {
                    let (time, interval_ns) = (report.at.to_string(), report.interval_ns());
                    let line = Line::Matrix {
                        time,
                        interval_ns,
                        from,
                        open,
                        disorder,
                        cwr,
                        recovery,
                        loss,
                        ended,
                    };
                    print(&line, data)?;
                }
            }
        }
        Ok(())
    }

    fn spells(&self, report: &Report, most: usize, data: &mut dyn Write) -> io::Result<()> {
        if self.style == Style::Table {
            let unit = self.unit.name();
            writeln!(
                data,
                "\n{:<10} {:>14} {:<8} Connection",
                "Spell",
                format!("Length_{unit}"),
                "Then"
            )?;
        }
        for spell in longest(report, most) {
            let ends = spell.row.ends;
            let state = spell.state.name();
            match self.style {
                Style::Table => {
                    let near = SocketAddr::new(ends.laddr, ends.lport);
                    let far = SocketAddr::new(ends.raddr, ends.rport);
                    let length = spell.length_ns / self.unit.ns();
                    let then = match spell.then {
                        Then::GoesOn => "goes on",
                        Then::Ended => "ended",
                        Then::State(next) => next.name(),
                    };
                    writeln!(data, "{state:<10} {length:>14} {then:<8} {near} > {far}")?;
                }
                Style::Json => print(
                    &Line::Spell {
                        time: report.at.to_string(),
                        interval_ns: report.interval_ns(),
                        laddr: ends.laddr.to_string(),
                        lport: ends.lport,
                        raddr: ends.raddr.to_string(),
                        rport: ends.rport,
                        netns: spell.row.netns,
                        cookie: spell.row.cookie,
                        state,
                        spell_ns: spell.length_ns,
                        goes_on: spell.then == Then::GoesOn,
                        next: match spell.then {
                            Then::State(next) => Some(next.name()),
                            Then::GoesOn | Then::Ended => None,
                        },
                    },
                    data,
                )?,
            }
        }
        Ok(())
    }
}

/// The longest spells outside Open, those that go on among them.
fn longest(report: &Report, most: usize) -> Vec<LongSpell<'_>> {
    let rows = || {
        let grouped = report.groups.iter().flat_map(|groups| &groups.listed);
        report.rows.iter().chain(grouped.flat_map(|group| &group.rows))
    };
    let by_id: std::collections::HashMap<FlowId, &Row> = rows().map(|row| (row.id, row)).collect();
    let ended = report.ended_spells.iter().filter_map(|spell| {
        let row = by_id.get(&spell.id)?;
        Some(LongSpell {
            row,
            state: spell.state,
            length_ns: spell.length_ns,
            then: spell.next.map_or(Then::Ended, Then::State),
        })
    });
    let open = rows().filter(|row| !row.ended).map(|row| LongSpell {
        row,
        state: row.state,
        length_ns: row.spell_ns,
        then: Then::GoesOn,
    });
    let mut spells: Vec<_> = ended.chain(open).filter(|it| it.state != State::Open).collect();
    spells.sort_by_key(|spell| (std::cmp::Reverse(spell.length_ns), spell.row.id));
    spells.truncate(most);
    spells
}

impl View for WithExtras {
    fn start(&mut self, start: &Start, out: &mut Output<'_>) -> io::Result<()> {
        self.view.start(start, out)
    }

    fn report(&mut self, report: &Report, out: &mut Output<'_>) -> io::Result<()> {
        // In JSON the report's own line is the last.
        if self.style == Style::Table {
            self.view.report(report, out)?;
        }
        if self.extras.matrix {
            self.matrix(report, out.data)?;
        }
        if let Some(most) = self.extras.spells {
            self.spells(report, most, out.data)?;
        }
        if self.style == Style::Json {
            self.view.report(report, out)?;
        }
        out.data.flush()
    }

    fn end(&mut self, start: &Start, summary: &Summary, out: &mut Output<'_>) -> io::Result<()> {
        self.view.end(start, summary, out)
    }
}

fn print(line: &Line, data: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *data, line)?;
    writeln!(data)
}
