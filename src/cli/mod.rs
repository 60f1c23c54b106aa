//! The command line: raw arguments, and the checked configuration made of them.
//! Nothing here runs anything.

mod args;
mod choice;
mod completions;
mod config;
mod demo;
mod diff;
mod export;
mod kernel_side;
mod moment;
#[cfg(feature = "serve")]
mod otlp;
mod record;
mod report;
#[cfg(feature = "serve")]
mod serve;
#[cfg(feature = "serve")]
mod serve_file;
mod show;
mod top;
mod why;

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};
use thiserror::Error;

pub use args::{Args, Command};
pub use config::{Config, Format, Origin, Pace, TransitionsConfig};
pub use demo::{CaseConfig, Demo};
pub use diff::{Diff, DiffConfig};
pub use export::{ExportConfig, ExportFormat};
pub use moment::{Moment, Range};
pub use record::{Extent, RecordConfig};
pub use report::ReportConfig;
#[cfg(feature = "serve")]
pub use serve::ServeConfig;
pub use show::Show;
pub use top::TopConfig;
pub use why::WhyConfig;

#[cfg(feature = "serve")]
pub(crate) use {config::bytes, record::keep, record::max_size};

/// What the person asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// Report on this machine's connections.
    Reports(Config),
    /// Trace transitions one by one.
    Transitions(TransitionsConfig),
    /// Watch, and say what holds connections up.
    Why(WhyConfig),
    /// Show a live screen.
    Top(TopConfig),
    /// Record what happens.
    Record(RecordConfig),
    /// Make a page of a recording.
    Report(ReportConfig),
    /// Serve metrics.
    #[cfg(feature = "serve")]
    Serve(Box<ServeConfig>),
    /// Compare two recordings.
    Diff(DiffConfig),
    /// Write what a recording has in other formats.
    Export(ExportConfig),
    /// Trace connections of our own making.
    Demo(Config),
    /// Watch one connection of our own making, and say what holds it up.
    Case(CaseConfig),
    /// Print a text to stdout: help, version, or the kernel program's source.
    Print(String),
}

/// Arguments without sense. The exit code is 2.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub struct UsageError(pub String);

/// Reads a command line, the program's name first.
pub fn parse<I>(line: I) -> Result<Request, UsageError>
where
    I: IntoIterator,
    I::Item: Into<OsString>,
{
    let mut line: Vec<_> = line.into_iter().map(Into::into).collect();
    // Not a command of clap's, which would want a man page of its own.
    if line.get(1).is_some_and(|word| word == "help") {
        line.remove(1);
        line.push("--help".into());
    }
    refuse_unknown_command(&line)?;
    let args = match Args::try_parse_from(&line) {
        Ok(args) => args,
        Err(error) => return reported(&error, &line),
    };
    match args.command {
        Some(Command::Demo(args)) => demo::demo(&args),
        Some(Command::Completions(args)) => Ok(Request::Print(completions::script(args.shell))),
        Some(Command::Why(args)) if args.columns.as_deref() == Some("help") => {
            Ok(Request::Print(choice::verdict_column_help()))
        }
        Some(Command::Why(args)) => why::why(&args).map(Request::Why),
        Some(Command::Top(args)) => top::top(&args).map(Request::Top),
        Some(Command::Record(args)) => record::record(*args).map(Request::Record),
        Some(Command::Report(args)) => report::checked(*args).map(Request::Report),
        #[cfg(feature = "serve")]
        Some(Command::Serve(args)) => served(*args, &line),
        Some(Command::Diff(args)) => diff::diff(*args).map(Request::Diff),
        Some(Command::Export(args)) => export::export(*args).map(Request::Export),
        Some(Command::Trace(args)) if args.columns.as_deref() == Some("help") => {
            Ok(Request::Print(choice::transition_column_help()))
        }
        Some(Command::Trace(args)) => config::transitions(&args).map(Request::Transitions),
        None if args.reports.ebpf => Ok(Request::Print(tcpcong_live::program_text())),
        None if args.reports.show.columns.as_deref() == Some("help") => {
            Ok(Request::Print(choice::column_help()))
        }
        None => config::reports(&args.reports).map(Request::Reports),
    }
}

/// With what its file says.
#[cfg(feature = "serve")]
fn served(args: serve::Serve, line: &[OsString]) -> Result<Request, UsageError> {
    let Some(file) = &args.config_file else {
        return serve::serve(args, line.to_vec()).map(|config| Request::Serve(Box::new(config)));
    };
    let matches = definition().try_get_matches_from(line).ok();
    let given = matches.as_ref().and_then(|matches| matches.subcommand_matches("serve"));
    let empty = clap::ArgMatches::default();
    let merged = serve_file::merged(line, file, given.unwrap_or(&empty), &|line| {
        checked_serve(line).map(|_| ())
    })?;
    let config = checked_serve(&merged)?;
    Ok(Request::Serve(Box::new(ServeConfig { line: line.to_vec(), ..config })))
}

/// A command line of `serve`, whatever its file says.
#[cfg(feature = "serve")]
fn checked_serve(line: &[OsString]) -> Result<ServeConfig, UsageError> {
    match Args::try_parse_from(line) {
        Ok(Args { command: Some(Command::Serve(args)), .. }) => serve::serve(*args, line.to_vec()),
        Ok(_) => Err(UsageError("serve comes first".to_owned())),
        Err(error) => Err(UsageError(one_line(&error))),
    }
}

/// The options as clap knows them, for what is generated from them.
#[must_use]
pub fn definition() -> clap::Command {
    Args::command()
}

/// A first word of letters alone can be nothing but a command.
fn refuse_unknown_command(line: &[OsString]) -> Result<(), UsageError> {
    let first = line.get(1).and_then(|word| word.to_str());
    let is_word = |word: &&str| word.bytes().all(|byte| byte.is_ascii_lowercase());
    let Some(word) = first.filter(|word| !word.is_empty()).filter(is_word) else {
        return Ok(());
    };
    let command = definition();
    if command.find_subcommand(word).is_some() {
        return Ok(());
    }
    let names: Vec<_> = command.get_subcommands().map(clap::Command::get_name).collect();
    Err(UsageError(format!("no command is called {word}; there are {}", names.join(", "))))
}

/// Help and version are texts to print; anything else is one line.
fn reported(error: &clap::Error, line: &[OsString]) -> Result<Request, UsageError> {
    let text = error.render().to_string();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Ok(Request::Print(text)),
        _ => {
            let what = one_line(error);
            let first = line.get(1).and_then(|word| word.to_str());
            let command = first.filter(|word| definition().find_subcommand(word).is_some());
            let command = command.map(|word| format!(" {word}")).unwrap_or_default();
            Err(UsageError(format!("{what}; see tcpcong{command} --help")))
        }
    }
}

/// What clap has to say, without what it adds.
fn one_line(error: &clap::Error) -> String {
    // With two numbers given clap takes a third word for a command.
    let text = error.render().to_string().replace("the subcommand '", "unexpected argument '");
    let what = text.split("\n\n").next().unwrap_or_default();
    let what: Vec<_> = what.split_whitespace().collect();
    let what = what.join(" ");
    let what = what.strip_prefix("error: ").unwrap_or(&what);
    let unexpected = what.starts_with("unexpected argument");
    let end = what.find(" cannot be used with").filter(|_| unexpected);
    what[..end.unwrap_or(what.len())].to_owned()
}
