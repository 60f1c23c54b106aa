//! Prints the man page of `tcpcong`, or of the subcommand that is named, made from the
//! definitions behind `--help`. `make man` writes `man/` with it, and a test holds them
//! equal.

use std::io::{Error, ErrorKind, stdout};

fn main() -> std::io::Result<()> {
    let mut command = tcpcong::cli::definition();
    command.build();
    let command = match std::env::args().nth(1) {
        None => &command,
        Some(name) => command
            .find_subcommand(&name)
            .ok_or_else(|| Error::new(ErrorKind::NotFound, format!("no subcommand {name}")))?,
    };
    clap_mangen::Man::new(command.clone()).section("8").render(&mut stdout())
}
