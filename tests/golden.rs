//! A recording of each version of the lines, kept in tests/golden/, replays to what it always
//! has: what people have recorded stays readable. Not here: whether that is right, which
//! other tests show on the kernel's own events.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use support::tool::command;
use tempfile::TempDir;

const RECORDING: &str = "a.jsonl.zst";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn replays_to(name: &str, arguments: &[&str]) -> Result<()> {
    let output = command().args(arguments).current_dir(folder()).env("TZ", "UTC").output()?;
    ensure!(output.status.success(), "{output:?}");
    let shown = String::from_utf8(output.stdout)?;
    let golden = fs::read_to_string(folder().join(name))?;
    let differ = shown.lines().zip(golden.lines()).find(|(shown, golden)| shown != golden);
    ensure!(
        shown == golden,
        "{name}: {} lines, not {}; they first differ in {differ:#?}. If that is meant, \
         `scripts/golden.sh replay` writes it anew",
        shown.lines().count(),
        golden.lines().count()
    );
    Ok(())
}

#[test]
fn the_table_is_what_it_was() -> Result<()> {
    replays_to("table.txt", &["--from", RECORDING, "--all", "-T", "1"])
}

#[test]
fn the_json_lines_are_what_they_were() -> Result<()> {
    replays_to("json.jsonl", &["--from", RECORDING, "--format", "json", "1"])
}

#[test]
fn the_transitions_are_what_they_were() -> Result<()> {
    replays_to("trace.txt", &["trace", "--from", RECORDING, "-o", "wide"])
}

#[test]
fn the_verdicts_are_what_they_were() -> Result<()> {
    replays_to("why.txt", &["why", "--from", RECORDING])
}

/// What a shell command makes of the recording, which it finds as `$1`.
fn repacked(by: &str) -> Result<Vec<u8>> {
    let output = Command::new("sh")
        .args(["-c", by, "sh"])
        .arg(folder().join(RECORDING))
        .output()
        .context("running sh")?;
    ensure!(output.status.success() && !output.stdout.is_empty(), "{by}: {output:?}");
    Ok(output.stdout)
}

/// What the tool says of a file of these bytes.
fn trace(bytes: &[u8]) -> Result<Output> {
    let temporary = TempDir::new()?;
    let file = temporary.path().join("a");
    fs::write(&file, bytes)?;
    let arguments = ["trace", "-o", "wide", "--from"];
    Ok(command().args(arguments).arg(file).env("TZ", "UTC").output()?)
}

#[test]
fn a_recording_that_was_repacked_replays_to_the_same() -> Result<()> {
    let golden = fs::read_to_string(folder().join("trace.txt"))?;
    for by in [
        "zstd -dc $1",
        "zstd -dc $1 | zstd",
        "zstd -dc $1 | zstd -19 --no-check",
        "zstd -dc $1 | head -n 100 | zstd; zstd -dc $1 | tail -n +101 | zstd",
    ] {
        let output = trace(&repacked(by)?)?;
        ensure!(output.status.success(), "{by}: {output:?}");
        ensure!(str::from_utf8(&output.stdout)? == golden, "{by}: {output:?}");
    }
    Ok(())
}

#[test]
fn what_was_repacked_and_is_broken_off_or_damaged_is_said_to_be() -> Result<()> {
    let said = |bytes: &[u8]| -> Result<(Option<i32>, String)> {
        let output = trace(bytes)?;
        Ok((output.status.code(), String::from_utf8(output.stderr)?))
    };
    let mut stream = repacked("zstd -dc $1 | zstd")?;
    for bytes in [&stream[..stream.len() - 9], &repacked("zstd -dc $1 | head -c 50000")?] {
        let (code, remarks) = said(bytes)?;
        ensure!(code == Some(0) && remarks.contains("it has no end"), "{code:?}: {remarks}");
    }
    // The checksum is the last.
    *stream.last_mut().context("it is empty")? ^= 1;
    let (code, remarks) = said(&stream)?;
    ensure!(code == Some(2) && remarks.contains("it cannot be read on"), "{code:?}: {remarks}");
    let (code, remarks) = said(&repacked("zstd -dc $1 | zstd --ultra -22 --long=27")?)?;
    ensure!(code == Some(2) && remarks.contains("a window of 8 MiB"), "{code:?}: {remarks}");
    let taken_out = said(&repacked("zstd -dc $1 | sed 20,60d")?)?.1;
    ensure!(
        taken_out.contains("41 lines of the recording damaged or missing, in 2 gaps"),
        "{taken_out}"
    );
    Ok(())
}

#[test]
fn every_documented_type_of_line_is_in_it() -> Result<()> {
    let plain = Command::new("zstd").arg("-dc").arg(folder().join(RECORDING)).output()?;
    ensure!(plain.status.success(), "{plain:?}");
    let lines = str::from_utf8(&plain.stdout)?.lines();
    let types = lines.map(|line| {
        let line: Value = serde_json::from_str(line)?;
        Ok(line["type"].as_str().context("no type")?.to_owned())
    });
    let types = types.collect::<Result<BTreeSet<_>>>()?;
    let document = include_str!("../docs/recording.md");
    let (_, document) = document.split_once("## The lines").context("its part")?;
    let (document, _) = document.split_once("\n## ").unwrap_or((document, ""));
    let mut is_type = false;
    for line in document.lines() {
        is_type = line.starts_with("| type |") || is_type && line.starts_with('|');
        let name = line.split('`').nth(1).filter(|_| is_type && line.starts_with("| `"));
        ensure!(name.is_none_or(|name| types.contains(name)), "it has no {name:?}: {types:?}");
    }
    Ok(())
}
