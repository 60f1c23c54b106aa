//! What the service shows of connections, as the other commands show it: the options of those
//! are the parameters here. Not here: who may see it.

use std::ffi::OsString;
use std::io::{self, Cursor};

use anyhow::Result;

use super::view;
use super::why::{plan_why, why_view};
use crate::cli::{self, Format, Request};
use crate::serve::http::{Answer, Request as Asked};
use crate::view::Paper;
use tcpcong_core::model::{Report, Start};
use tcpcong_core::recording::Recording;
use tcpcong_core::session::Session;
use tcpcong_core::sink::Output;

/// Parameters that are options of both.
const COMMON: [&str; 11] =
    ["L", "R", "laddr", "raddr", "pid", "comm", "cc", "cgroup", "netns", "sort", "top"];
/// And those that are of one or both by the same name.
const MORE: [&str; 7] = ["by", "o", "format", "state", "min-time", "min-changes", "all"];
/// What is shown where nobody says what.
const COLUMNS: &str = "laddr,lport,raddr,rport,comm,cc,state,disorder,cwr,recovery,loss,changes,\
                       rtos,retrans,rtt,cwnd";
/// Letters in a line of text.
const WIDTH: usize = 100;

/// The connections of the last interval, as the table has them.
pub fn answer_flows(start: &Start, report: &Report, asked: &Asked) -> Answer {
    let config = match line(&["tcpcong", "--color=never"], asked).map(cli::parse) {
        Ok(Ok(Request::Reports(config))) => config,
        Ok(Ok(Request::Print(text))) => return Answer::ok("text/plain; charset=utf-8", text),
        Ok(Ok(_)) => return Answer::line(400, "these are no parameters of a table"),
        Ok(Err(error)) => return Answer::line(400, error.to_string()),
        Err(why) => return Answer::line(400, why),
    };
    let mut report = report.clone();
    config.filter.apply(&mut report);
    config.filter.apply_named(&mut report);
    config.arrangement.apply(&mut report);
    let shown = shown(|out| {
        let mut view = view(&config);
        // A table begins with what only a terminal needs.
        let is_table = matches!(config.format, Format::Table | Format::Columns);
        let mut nowhere = io::sink();
        let data: &mut dyn io::Write = if is_table { &mut nowhere } else { &mut *out.data };
        view.started(start, &mut Output { data, remarks: &mut *out.remarks })?;
        Ok(view.interval(&report, out)?)
    });
    answer(shown, asked)
}

/// The verdicts on what a recording has, as `tcpcong why` gives them.
#[must_use]
pub fn answer_why(recording: Vec<u8>, asked: &Asked) -> Answer {
    let first = ["tcpcong", "why"];
    let first: Vec<_> = first.into_iter().chain(asked.parameter("subject")).collect();
    let config = match line(&first, asked).map(|mut line| {
        line.push("--from=-".into());
        cli::parse(line)
    }) {
        Ok(Ok(Request::Why(config))) => config,
        Ok(Ok(Request::Print(text))) => return Answer::ok("text/plain; charset=utf-8", text),
        Ok(Ok(_)) => return Answer::line(400, "these are no parameters of verdicts"),
        Ok(Err(error)) => return Answer::line(400, error.to_string()),
        Err(why) => return Answer::line(400, why),
    };
    let shown = shown(|out| {
        let mut recording = Recording::open(Box::new(Cursor::new(recording)))?;
        let mut plan = plan_why(&config);
        plan.ledger.tick_ns = Some(recording.tick_ns());
        let mut owners = recording.owners();
        let mut sink = why_view(&config, Paper { width: WIDTH, unicode: true });
        let out = Output { data: &mut *out.data, remarks: &mut *out.remarks };
        let session = Session {
            source: &mut recording,
            enrichment: &mut owners,
            sink: &mut sink,
            out,
            backlog: &(),
        };
        session.run(&plan).map(|_| ())
    });
    answer(shown, asked)
}

/// The command line that has these parameters as options.
fn line(first: &[&str], asked: &Asked) -> Result<Vec<OsString>, String> {
    let is_why = first.contains(&"why");
    let mut line: Vec<OsString> = first.iter().map(OsString::from).collect();
    for (name, value) in asked.query() {
        let is_known = COMMON.contains(&name.as_str()) || MORE.contains(&name.as_str());
        match name.as_str() {
            "subject" if is_why => {}
            "all" if is_why => line.push("--all".into()),
            "all" => {
                return Err(
                    "all: the last interval has no connections that stayed in Open".to_owned()
                );
            }
            name if !is_known => {
                let known: Vec<_> = COMMON.iter().chain(&MORE).copied().collect();
                let known = known.join(", ");
                return Err(format!("no parameter is called {name}; there are {known}"));
            }
            name if name.len() == 1 => line.extend([format!("-{name}").into(), value.into()]),
            name => line.push(format!("--{name}={value}").into()),
        }
    }
    let is_table = asked.parameter("format").is_none_or(|format| format == "table");
    let has_own = asked.parameter("by").is_some() || asked.parameter("o").is_some();
    if !is_why && is_table && !has_own {
        line.push(format!("-o{COLUMNS}").into());
    }
    Ok(line)
}

/// Data, and remarks after it.
fn shown(show: impl FnOnce(&mut Output<'_>) -> Result<()>) -> Result<(Vec<u8>, Vec<u8>)> {
    let (mut data, mut remarks) = (Vec::new(), Vec::new());
    show(&mut Output { data: &mut data, remarks: &mut remarks })?;
    Ok((data, remarks))
}

fn answer(shown: Result<(Vec<u8>, Vec<u8>)>, asked: &Asked) -> Answer {
    match (shown, asked.parameter("format")) {
        (Ok((data, _)), Some("json")) => Answer::ok("application/x-ndjson", data),
        (Ok((data, _)), Some("csv")) => Answer::ok("text/csv; charset=utf-8", data),
        (Ok((mut data, remarks)), _) => {
            data.extend(remarks);
            Answer::ok("text/plain; charset=utf-8", data)
        }
        (Err(error), _) => Answer::line(500, format!("{error:#}")),
    }
}
