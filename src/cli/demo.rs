//! `tcpcong demo`: its options as they are typed, and the checked configurations made of them.
//! Nothing here runs anything.

use std::ffi::OsStr;

use clap::Args as Group;
use clap::builder::{PossibleValue, TypedValueParser};

use super::args::{Args, Command};
use super::{Request, UsageError, WhyConfig, config, why};
use crate::demo::cases::{self, CASES};

/// How long a case is watched where nobody says, seconds.
const CASE_SECONDS: &str = "8";
const TABLE_SECONDS: &str = "10";
const USUAL_CONGESTION_CONTROL: &str = "cubic";

/// What to show.
#[derive(Debug, Group)]
pub struct Demo {
    /// How long [default: 10, with --case 8]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub seconds: Option<String>,

    /// Print times in microseconds instead of milliseconds
    #[arg(short = 'u', long, conflicts_with = "case")]
    pub microseconds: bool,

    /// Make this happen to one connection instead, and say what holds it up, as `tcpcong why`
    /// does
    #[arg(long, value_name = "NAME", value_parser = CaseName, hide_possible_values = true)]
    pub case: Option<String>,

    /// With --case: the connection's congestion control [default: cubic]
    #[arg(long, value_name = "NAME", requires = "case")]
    pub cc: Option<String>,

    /// List the cases, with the verdict to be expected at each end
    #[arg(long, conflicts_with_all = ["seconds", "microseconds", "case", "cc"])]
    pub list: bool,
}

/// A run of `tcpcong demo --case`, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseConfig {
    /// The case's name.
    pub case: &'static str,
    /// Of its connection.
    pub congestion_control: String,
    /// How its connection is watched. Which one it is, is not in it yet.
    pub why: WhyConfig,
}

/// Any text, as what is wrong with it is said elsewhere; shells complete the names.
#[derive(Debug, Clone)]
struct CaseName;

impl TypedValueParser for CaseName {
    type Value = String;

    fn parse_ref(
        &self,
        _: &clap::Command,
        _: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<String, clap::Error> {
        Ok(value.to_string_lossy().into_owned())
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(CASES.iter().map(|case| PossibleValue::new(case.name).help(case.makes))))
    }
}

pub(super) fn demo(args: &Demo) -> Result<Request, UsageError> {
    if args.list {
        return Ok(Request::Print(cases::list()));
    }
    let Some(name) = &args.case else {
        let seconds = args.seconds.as_deref().unwrap_or(TABLE_SECONDS);
        return config::demo(seconds, args.microseconds).map(Request::Demo);
    };
    let case = cases::find(name).map_err(|error| UsageError(format!("--case: {error}")))?;
    let seconds = args.seconds.as_deref().unwrap_or(CASE_SECONDS);
    config::demo(seconds, false)?;
    let cc = args.cc.as_deref().unwrap_or(USUAL_CONGESTION_CONTROL);
    Ok(Request::Case(CaseConfig {
        case: case.name,
        congestion_control: cc.to_owned(),
        why: watch(seconds)?,
    }))
}

/// As `tcpcong why` has it where nobody says otherwise.
fn watch(seconds: &str) -> Result<WhyConfig, UsageError> {
    use clap::Parser as _;
    let words = ["tcpcong", "why", "--all", "--seconds", seconds];
    match Args::try_parse_from(words).map(|args| args.command) {
        Ok(Some(Command::Why(args))) => why::why(&args),
        _ => Err(UsageError(format!("--seconds {seconds}: not what `tcpcong why` takes"))),
    }
}
