//! The kernel matrix: every way of attaching, on every kernel, against that kernel's own events.
//! Not a part of plain `cargo test`: `make test-kernels` boots the kernels and runs it in each.

mod causes;
mod fastopen;
mod guest;
mod judge;
mod lines;
mod lossy;
mod nested;
mod nests;
mod page;
mod paths;
mod results;
mod scenario;
mod seeding;
#[path = "../support/mod.rs"]
mod support;
mod verdicts;
mod waiting;
mod ways;

use std::process::ExitCode;

use anyhow::{Result, bail, ensure};
use results::Results;

const USAGE: &str = "\
usage: kernels guest [--scenario NAME | --way NAME]...
                                            run all or these on this kernel, as root; JSON lines
       kernels causes WAY...                the causes alone, as these ways tell them
       kernels verdicts [CASE...]           the verdicts alone
       kernels page FILE...                 the lines of all kernels as a page
       kernels check FILE...                exit 1 where one of them says red";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["guest", ref rest @ ..] => guest(rest),
        ["causes", ref ways @ ..] => guest::run_causes(ways).map(|()| ExitCode::SUCCESS),
        ["verdicts", ref cases @ ..] => guest::run_verdicts(cases).map(|()| ExitCode::SUCCESS),
        ["page", ref files @ ..] => read(files).map(|all| {
            print!("{}", page::page(&all));
            ExitCode::SUCCESS
        }),
        ["check", ref files @ ..] => read(files).map(|all| check(&all)),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("kernels: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn guest(words: &[&str]) -> Result<ExitCode> {
    let (mut scenarios, mut ways) = (Vec::new(), Vec::new());
    for pair in words.chunks(2) {
        match *pair {
            ["--scenario", name] => scenarios.push(name),
            ["--way", name] => ways.push(name),
            _ => bail!("{USAGE}"),
        }
    }
    guest::run(&scenarios, &ways)?;
    Ok(ExitCode::SUCCESS)
}

fn read(files: &[&str]) -> Result<Vec<Results>> {
    ensure!(!files.is_empty(), "{USAGE}");
    files.iter().map(|file| Results::read(file)).collect()
}

fn check(all: &[Results]) -> ExitCode {
    let mut red: Vec<_> = all.iter().flat_map(Results::red).collect();
    if all.len() > 1 && !all.iter().any(Results::nested) {
        red.push("nested: on no kernel did a call interrupt another".to_owned());
    }
    for line in &red {
        eprintln!("kernels: red: {line}");
    }
    let cells: usize = all.iter().map(|results| results.cells.len()).sum();
    println!("kernels: {cells} cells on {} kernels, {} red", all.len(), red.len());
    ExitCode::from(u8::from(!red.is_empty()))
}
