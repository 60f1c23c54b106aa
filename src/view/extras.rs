//! What stands below a report on request: which state followed which, and the
//! longest spells. Not here: the reports themselves, which other views print.

use std::io::{self, Write};

use serde::Serialize;

use super::{Style, Unit, json};
use tcpcong_core::model::{FlowId, Report, Row, Start, State, Summary, matrix};
use tcpcong_core::sink::{Output, Sink};

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
    view: Box<dyn Sink>,
    extras: Extras,
    style: Style,
    unit: Unit,
}

/// What comes after a spell.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    Ongoing,
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
        ongoing: bool,
        next: Option<&'static str>,
    },
}

impl WithExtras {
    /// `view`, and below each of its reports what `extras` asks for.
    #[must_use]
    pub fn new(view: Box<dyn Sink>, extras: Extras, style: Style, unit: Unit) -> Self {
        Self { view, extras, style, unit }
    }

    fn matrix(&self, report: &Report, data: &mut dyn Write) -> io::Result<()> {
        let counts = matrix(&report.ended_spells);
        if self.style == Style::Table {
            writeln!(
                data,
                "\n{:<10} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}",
                "From\\To", "Open", "Disorder", "CWR", "Recovery", "Loss", "ended"
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
                    let (time, interval_ns) = (json::time(report.at), report.interval_ns());
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
            let (endpoints, names) = (spell.row.connection.endpoints, &spell.row.names);
            let state = spell.state.name();
            match self.style {
                Style::Table => {
                    let (near, far) = (endpoints.local(names), endpoints.remote(names));
                    let length = spell.length_ns / self.unit.ns();
                    let then = match spell.then {
                        Then::Ongoing => "ongoing",
                        Then::Ended => "ended",
                        Then::State(next) => next.name(),
                    };
                    writeln!(data, "{state:<10} {length:>14} {then:<8} {near} > {far}")?;
                }
                Style::Json => print(
                    &Line::Spell {
                        time: json::time(report.at),
                        interval_ns: report.interval_ns(),
                        laddr: endpoints.local_address(names),
                        lport: endpoints.lport,
                        raddr: endpoints.remote_address(names),
                        rport: endpoints.rport,
                        netns: spell.row.connection.netns,
                        cookie: spell.row.connection.cookie,
                        state,
                        spell_ns: spell.length_ns,
                        ongoing: spell.then == Then::Ongoing,
                        next: match spell.then {
                            Then::State(next) => Some(next.name()),
                            Then::Ongoing | Then::Ended => None,
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
    let ongoing = rows().filter(|row| !row.ended).map(|row| LongSpell {
        row,
        state: row.state,
        length_ns: row.spell_ns,
        then: Then::Ongoing,
    });
    let mut spells: Vec<_> =
        ended.chain(ongoing).filter(|spell| spell.state != State::Open).collect();
    spells.sort_by_key(|spell| (std::cmp::Reverse(spell.length_ns), spell.row.id));
    spells.truncate(most);
    spells
}

impl Sink for WithExtras {
    fn started(&mut self, start: &Start, out: &mut Output<'_>) -> io::Result<()> {
        self.view.started(start, out)
    }

    fn interval(&mut self, report: &Report, out: &mut Output<'_>) -> io::Result<()> {
        // In JSON the report's own line is the last.
        if self.style == Style::Table {
            self.view.interval(report, out)?;
        }
        if self.extras.matrix {
            self.matrix(report, out.data)?;
        }
        if let Some(most) = self.extras.spells {
            self.spells(report, most, out.data)?;
        }
        if self.style == Style::Json {
            self.view.interval(report, out)?;
        }
        out.data.flush()
    }

    fn ended(&mut self, start: &Start, summary: &Summary, out: &mut Output<'_>) -> io::Result<()> {
        self.view.ended(start, summary, out)
    }
}

fn print(line: &Line, data: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *data, line)?;
    writeln!(data)
}
