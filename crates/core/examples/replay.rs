//! Prints a report on the entries in a file: JSON lines, the first of which says how the run
//! began. `tcpcong-live`'s example `record` writes such a file.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::PathBuf;

use anyhow::Context as _;
use tcpcong_core::model::{LedgerOptions, Report, State};
use tcpcong_core::session::{Plan, Session};
use tcpcong_core::sink::{Output, Sink};
use tcpcong_core::source::{NoEnrichment, Replay};

struct Print;

impl Sink for Print {
    fn interval(&mut self, report: &Report, out: &mut Output<'_>) -> io::Result<()> {
        for row in &report.rows {
            write!(out.data, "{}:", row.connection.endpoints)?;
            for state in State::ALL {
                write!(out.data, " {} {:.1} ms,", state.name(), row.times[state] as f64 / 1e6)?;
            }
            writeln!(out.data, " {} transitions", row.changes)?;
        }
        Ok(())
    }
}

fn main() -> anyhow::Result<()> {
    let given = std::env::args_os().nth(1).map(PathBuf::from);
    let path = given
        .unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/examples/entries.jsonl").into());
    let mut lines = BufReader::new(File::open(path)?).lines();
    let start = serde_json::from_str(&lines.next().context("an empty file")??)?;
    let entries: Vec<_> =
        lines.map(|line| anyhow::Ok(serde_json::from_str(&line?)?)).collect::<Result<_, _>>()?;
    let (mut data, mut remarks) = (io::stdout(), io::stderr());
    let session = Session {
        source: &mut Replay::new(start, entries),
        enrichment: &mut NoEnrichment,
        sink: &mut Print,
        out: Output { data: &mut data, remarks: &mut remarks },
        backlog: &(),
    };
    let ledger = LedgerOptions { list_quiet: true, ..LedgerOptions::default() };
    session.run(&Plan { ledger, ..Plan::default() })?;
    Ok(())
}
