//! What the service shows of connections, as the other commands show it: the options of those
//! are the parameters here. Not here: who may see it.

use std::ffi::OsString;
use std::io::{self, Cursor};

use super::view;
use super::why::{plan_why, why_view};
use crate::cli::{self, Config, Format, Request, WhyConfig};
use crate::serve::http::{Answer, Request as Asked};
use crate::view::Paper;
use tcpcong_core::model::{Report, Start};
use tcpcong_core::recording::Recording;
use tcpcong_core::session::Session;
use tcpcong_core::sink::Output;

/// Parameters, and the options that they are.
const OPTIONS: [(&str, &str); 21] = [
    ("L", "localport"),
    ("localport", "localport"),
    ("R", "remoteport"),
    ("remoteport", "remoteport"),
    ("laddr", "laddr"),
    ("raddr", "raddr"),
    ("pid", "pid"),
    ("comm", "comm"),
    ("cc", "cc"),
    ("cgroup", "cgroup"),
    ("netns", "netns"),
    ("sort", "sort"),
    ("top", "top"),
    ("by", "by"),
    ("o", "columns"),
    ("columns", "columns"),
    ("format", "format"),
    ("state", "state"),
    ("min-time", "min-time"),
    ("min-changes", "min-changes"),
    ("all", "all"),
];
/// What is shown where nobody says what.
const COLUMNS: &str = "laddr,lport,raddr,rport,comm,cc,state,disorder,cwr,recovery,loss,changes,\
                       rtos,retrans,rtt,cwnd";
/// Letters in a line of text.
const WIDTH: usize = 100;

/// A table of connections that was asked for.
pub struct FlowsPage(Config);

/// Verdicts that were asked for.
pub struct WhyPage(WhyConfig);

impl FlowsPage {
    /// What these parameters ask for; or what is to be answered instead.
    pub fn asked(asked: &Asked) -> Result<Self, Answer> {
        match parsed(line(&["tcpcong", "--color=never"], asked))? {
            Request::Reports(config) => Ok(Self(config)),
            _ => Err(refused("these are no parameters of a table")),
        }
    }

    /// The connections of the last interval.
    #[must_use]
    pub fn answer(&self, start: &Start, report: &Report, asked: &Asked) -> Answer {
        let config = &self.0;
        let mut report = report.clone();
        config.filter.apply(&mut report);
        config.filter.apply_named(&mut report);
        config.arrangement.apply(&mut report);
        let shown = shown(|out| {
            let mut view = view(config);
            // A table begins with what only a terminal needs.
            let is_table = matches!(config.format, Format::Table | Format::Columns);
            let mut nowhere = io::sink();
            let data: &mut dyn io::Write = if is_table { &mut nowhere } else { &mut *out.data };
            view.started(start, &mut Output { data, remarks: &mut *out.remarks })?;
            view.interval(&report, out)?;
            let seconds = report.interval_ns() as f64 / 1e9;
            writeln!(out.remarks, "tcpcong: in the {seconds:.1} s up to {:.3}", report.at)?;
            Ok(())
        });
        answer(shown, asked)
    }
}

impl WhyPage {
    /// What these parameters ask for; or what is to be answered instead.
    pub fn asked(asked: &Asked) -> Result<Self, Answer> {
        let subject = asked.parameter("subject");
        // It would be an option, which only parameters are.
        if subject.is_some_and(|subject| subject.starts_with('-')) {
            return Err(refused("subject: it cannot begin with -; options are parameters here"));
        }
        let first: Vec<_> = ["tcpcong", "why"].into_iter().chain(subject).collect();
        let line = line(&first, asked).map(|mut line| {
            line.push("--from=-".into());
            line
        });
        match parsed(line)? {
            Request::Why(config) => Ok(Self(config)),
            _ => Err(refused("these are no parameters of verdicts")),
        }
    }

    /// The verdicts on what a recording has.
    #[must_use]
    pub fn answer(&self, recording: Vec<u8>, asked: &Asked) -> Answer {
        let config = &self.0;
        let shown = shown(|out| {
            let mut recording = Recording::open(Box::new(Cursor::new(recording)))?;
            let mut plan = plan_why(config);
            plan.ledger.tick_ns = Some(recording.tick_ns());
            let mut owners = recording.owners();
            let mut sink = why_view(config, Paper { width: WIDTH, unicode: true });
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
}

fn parsed(line: Result<Vec<OsString>, String>) -> Result<Request, Answer> {
    match line.map(cli::parse) {
        Ok(Ok(Request::Print(text))) => Err(Answer::ok("text/plain; charset=utf-8", text)),
        Ok(Ok(request)) => Ok(request),
        Ok(Err(error)) => Err(refused(&error.to_string())),
        Err(why) => Err(refused(&why)),
    }
}

/// What was asked for is said again, but not to a terminal.
fn refused(why: &str) -> Answer {
    let shown: String =
        why.chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect();
    Answer::line(400, shown)
}

/// The command line that has these parameters as options.
fn line(first: &[&str], asked: &Asked) -> Result<Vec<OsString>, String> {
    let is_why = first.contains(&"why");
    let mut line: Vec<OsString> = first.iter().map(OsString::from).collect();
    for (name, value) in asked.query() {
        let option = OPTIONS.iter().find(|(known, _)| known == name).map(|(_, option)| *option);
        match (name.as_str(), option) {
            ("subject", _) if is_why => {}
            ("all", _) if !is_why => {
                return Err("all: the last interval has no connections that stayed in Open".into());
            }
            ("all", _) if matches!(value.as_str(), "" | "true") => line.push("--all".into()),
            ("all", _) if value == "false" => {}
            ("all", _) => return Err(format!("all {value}: not true or false")),
            (_, Some(option)) => line.push(format!("--{option}={value}").into()),
            (name, None) => {
                let known: Vec<_> = OPTIONS.iter().map(|(known, _)| *known).collect();
                let known = known.join(", ");
                return Err(format!("no parameter is called {name}; there are {known}"));
            }
        }
    }
    let is_table = asked.parameter("format").is_none_or(|format| format == "table");
    let has_own = ["by", "o", "columns"].iter().any(|name| asked.parameter(name).is_some());
    if !is_why && is_table && !has_own {
        line.push(format!("-o{COLUMNS}").into());
    }
    Ok(line)
}

/// Data, and remarks.
type Shown = anyhow::Result<(Vec<u8>, Vec<u8>)>;

/// Data, and remarks after it.
fn shown(show: impl FnOnce(&mut Output<'_>) -> anyhow::Result<()>) -> Shown {
    let (mut data, mut remarks) = (Vec::new(), Vec::new());
    show(&mut Output { data: &mut data, remarks: &mut remarks })?;
    Ok((data, remarks))
}

fn answer(shown: Shown, asked: &Asked) -> Answer {
    match (shown, asked.parameter("format")) {
        (Ok((data, _)), Some("json")) => Answer::ok("application/x-ndjson", data),
        (Ok((data, _)), Some("csv")) => Answer::ok("text/csv; charset=utf-8", data),
        (Ok((mut data, remarks)), _) => {
            data.extend(remarks);
            // What parts reports on a terminal.
            let blank = data.iter().take_while(|byte| **byte == b'\n').count();
            data.drain(..blank);
            Answer::ok("text/plain; charset=utf-8", data)
        }
        (Err(error), _) => Answer::line(500, format!("{error:#}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_no_option() {
        let asked = |query: &str| WhyPage::asked(&Asked::new(&format!("/why?{query}")).unwrap());
        for option in ["--seconds=1", "-h", "-"] {
            let answer = asked(&format!("subject={option}")).err().unwrap();
            assert_eq!(answer.status(), 400, "{option}");
        }
        assert!(asked("subject=:443&top=1").is_ok());
    }
}
