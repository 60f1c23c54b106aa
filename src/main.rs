//! Parses, runs, and turns an error into an exit code. Nothing else.

use std::io::{self, Write as _};
use std::process::ExitCode;

use tcpcong::cli::{self, Request};
use tcpcong::recordings::FileError;
use tcpcong::{command, demo};
use tcpcong_live::Missing;

fn main() -> ExitCode {
    let mut request = match cli::parse(std::env::args_os()) {
        Ok(request) => request,
        Err(error) => return failed(&error, 2),
    };
    if let Err(error) = command::resolve(&mut request) {
        return failed(&error, 2);
    }
    let outcome = match request {
        Request::Print(text) => io::stdout().write_all(text.as_bytes()).map_err(Into::into),
        Request::Reports(config) => command::reports(&config),
        Request::Transitions(config) => command::transitions(&config),
        Request::Why(config) => command::why(&config),
        Request::Top(config) => command::top(config),
        Request::Record(config) => command::record(&config),
        Request::Report(config) => command::report(&config),
        #[cfg(feature = "serve")]
        Request::Serve(config) => command::serve(&config),
        Request::Diff(config) => command::diff(&config),
        Request::Export(config) => command::export(&config),
        Request::Demo(config) => command::demo(&config),
        Request::Case(config) => command::case(&config),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if reader_has_gone(&error) => ExitCode::SUCCESS,
        Err(error) if error.is::<Missing>() || error.is::<demo::StageError>() => {
            failed(&format_args!("{error:#}"), 3)
        }
        Err(error) if error.is::<demo::cases::NoCongestionControl>() => failed(&error, 2),
        Err(error) if error.is::<FileError>() || error.is::<command::NoTerminal>() => {
            failed(&error, 2)
        }
        Err(error) => failed(&format_args!("{error:#}"), 1),
    }
}

fn failed(error: &dyn std::fmt::Display, code: u8) -> ExitCode {
    // Where stderr is gone too, the code alone tells.
    _ = writeln!(io::stderr(), "tcpcong: {error}");
    ExitCode::from(code)
}

/// `tcpcong 1 | head` ends quietly.
fn reader_has_gone(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
