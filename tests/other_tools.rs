//! Other tools read a recording as it is, by what docs/recording.md shows, and come to the
//! figures that the tool shows. Not here: what the figures ought to be.

mod support;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use support::needs::{need, need_root};
use support::scene::recorded;
use support::tool::command;

const DOCUMENT: &str = include_str!("../docs/recording.md");

/// How often each state followed each other one.
type Times = BTreeMap<(String, String), u64>;

/// The blocks of the document in this language, in their order.
fn blocks(language: &str) -> Vec<&'static str> {
    let blocks = DOCUMENT.split("```").skip(1).step_by(2);
    blocks.filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n')).collect()
}

/// The lines that the tool prints of the recording.
fn shown(folder: &Path, arguments: &[&str]) -> Result<Vec<Value>> {
    let output = command().args(arguments).current_dir(folder).output()?;
    ensure!(output.status.success(), "{output:?}");
    let lines = str::from_utf8(&output.stdout)?.lines();
    Ok(lines.map(serde_json::from_str).collect::<Result<_, _>>()?)
}

fn of_type<'l>(lines: &'l [Value], r#type: &str) -> Vec<&'l Value> {
    lines.iter().filter(|line| line["type"] == r#type).collect()
}

/// What `text` comes to: a list of rows.
fn run(language: &str, text: &str, folder: &Path) -> Result<Vec<Vec<Value>>> {
    let mut child = Command::new(interpreter())
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/other_tools/run.py"))
        .arg(language)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    child.stdin.take().context("no stdin")?.write_all(text.as_bytes())?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "{text}");
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn interpreter() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python/bin/python")
}

fn times(rows: &[Vec<Value>]) -> Result<Times> {
    let one = |row: &Vec<Value>| {
        let [from, to, count] = row.as_slice() else { return None };
        let key = (from.as_str()?.to_owned(), to.as_str()?.to_owned());
        Some((key, count.as_u64()?))
    };
    rows.iter().map(|row| one(row).with_context(|| format!("{row:?}"))).collect()
}

/// As `uniq -c` prints it.
fn counted(text: &str) -> Result<Vec<Vec<Value>>> {
    let row = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        let [count, from, to] = words.as_slice() else { anyhow::bail!("{line}") };
        Ok(vec![json!(from), json!(to), json!(count.parse::<u64>()?)])
    };
    text.lines().map(row).collect()
}

/// How often each state followed each other one, as `trace` shows it.
fn traced(folder: &Path) -> Result<Times> {
    let lines = shown(folder, &["trace", "--from", "a.jsonl.zst", "--format", "json"])?;
    let mut times = Times::new();
    for line in of_type(&lines, "transition") {
        let state = |key: &str| line[key].as_str().context("no state").map(str::to_owned);
        *times.entry((state("from")?, state("to")?)).or_default() += 1;
    }
    ensure!(times.keys().any(|(_, to)| to == "loss"), "no loss: {times:?}");
    ensure!(times.values().sum::<u64>() > 50, "{times:?}");
    Ok(times)
}

/// What is not SQL comes to the same transitions.
fn scripts_count_the_same(folder: &Path, expected: &Times) -> Result<()> {
    let [shell] = blocks("sh")[..] else { anyhow::bail!("one block of shell is tested") };
    let output = Command::new("sh").args(["-c", shell]).current_dir(folder).output()?;
    ensure!(output.status.success(), "{output:?}");
    ensure!(times(&counted(str::from_utf8(&output.stdout)?)?)? == *expected, "jq");
    let [polars, pandas] = blocks("python")[..] else { anyhow::bail!("two of Python") };
    ensure!(times(&run("python", polars, folder)?)? == *expected, "polars");
    ensure!(times(&run("python", pandas, folder)?)? == *expected, "pandas");
    Ok(())
}

/// How many births there are, by the lines themselves.
fn births(folder: &Path) -> Result<usize> {
    let plain = Command::new("zstd").args(["-dc", "a.jsonl.zst"]).current_dir(folder).output()?;
    ensure!(plain.status.success(), "{plain:?}");
    let lines = str::from_utf8(&plain.stdout)?.lines();
    let lines: Vec<Value> = lines.map(serde_json::from_str).collect::<Result<_, _>>()?;
    Ok(of_type(&lines, "birth").len())
}

#[test]
fn other_tools_read_a_recording_as_it_is_and_come_to_the_same_figures() -> Result<()> {
    let test = "other_tools_read_a_recording_as_it_is_and_come_to_the_same_figures";
    if !need_root(test) || !need(test, interpreter().exists(), "`scripts/setup.sh test`") {
        return Ok(());
    }
    let folder = recorded("others", [500, 900, 800])?;
    let folder = folder.path();
    let reported = shown(folder, &["--from", "a.jsonl.zst", "--format", "json", "--all"])?;
    let expected = traced(folder)?;
    scripts_count_the_same(folder, &expected)?;
    let births = births(folder)?;
    // Both ends of the connections that began meanwhile.
    ensure!(births >= 6, "{births} births");
    let [by_states, lives, in_loss, parquet] = blocks("sql")[..] else {
        anyhow::bail!("four of SQL are tested")
    };
    run("sql", parquet, folder)?;
    for file in ["a.jsonl.zst", "a.parquet"] {
        let query = |text: &str| run("sql", &text.replace("a.jsonl.zst", file), folder);
        ensure!(times(&query(by_states)?)? == expected, "DuckDB, {file}");
        let flows = of_type(&reported, "flow");
        let [report] = of_type(&reported, "report")[..] else { anyhow::bail!("one report") };
        let ended = flows.iter().filter(|flow| flow["ended"] == true).count();
        let rows = query(lives)?;
        ensure!(rows[0][1] == ended && rows[0][1] == report["flows_ended"], "{rows:?}: {report}");
        ensure!(rows[0][0] == births, "{rows:?}, not {births}");
        let key = |row: &[Value]| format!("{row:?}");
        let mut in_all: Vec<_> = flows
            .iter()
            .filter(|flow| flow["loss_ns"] != 0)
            .map(|flow| ["cookie", "lport", "rport", "loss_ns"].map(|key| flow[key].clone()))
            .map(|row| key(&row))
            .collect();
        let mut told: Vec<_> = query(in_loss)?.iter().map(|row| key(row.as_slice())).collect();
        in_all.sort();
        told.sort();
        ensure!(in_all.len() >= 3 && told == in_all, "{file}: {told:#?}, not {in_all:#?}");
    }
    Ok(())
}
