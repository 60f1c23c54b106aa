//! Lines of a real run, of several network namespaces that stand for hosts, in the real engines:
//! their sums are those of the JSON view to the nanosecond, and both answer the questions of
//! engines/ alike. Not here: what becomes of lines on the way, which src/lines tests.

#![cfg(feature = "serve")]

#[path = "engines/hosts.rs"]
mod hosts;
mod support;

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use hosts::{Host, RECORDING, record, write_all};
use serde_json::{Number, Value, json};
use support::needs::need_root;
use support::tool::command;
use tcpcong::lines::{Given, LineOptions};
use tcpcong_core::model::{Field, TransitionField};
use tempfile::TempDir;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/engines");

/// Of each host, by name, what something comes to.
type Sums = BTreeMap<String, BTreeMap<String, u64>>;

fn shown(folder: &Path, arguments: &[&str]) -> Result<Vec<Value>> {
    let output = command().args(arguments).current_dir(folder).output()?;
    ensure!(output.status.success(), "{output:?}");
    let lines = str::from_utf8(&output.stdout)?.lines();
    Ok(lines.map(serde_json::from_str).collect::<Result<_, _>>()?)
}

/// Sums of every figure that is a number, of the lines of this type.
fn summed(lines: &[Value], r#type: &str) -> Result<BTreeMap<String, u64>> {
    let mut sums = BTreeMap::new();
    for line in lines.iter().filter(|line| line["type"] == r#type) {
        for (key, value) in line.as_object().context("no object")? {
            if let Some(figure) = value.as_u64() {
                *sums.entry(key.clone()).or_default() += figure;
            }
        }
    }
    Ok(sums)
}

/// What the JSON view of the recording comes to, of each host.
fn views(folder: &Path, hosts: &[Host], r#type: &str) -> Result<Sums> {
    let columns: Vec<_> = LineOptions::flow_columns().iter().map(|field| field.name).collect();
    let columns = columns.join(",");
    let of_host = |host: &Host| {
        let arguments =
            ["--from", RECORDING, "--netns", &host.netns, "--format", "json", "-o", &columns, "1"];
        Ok((host.name.to_owned(), summed(&shown(folder, &arguments)?, r#type)?))
    };
    hosts.iter().map(of_host).collect()
}

fn run_python(folder: &Path, arguments: &[&str], input: &Value) -> Result<Value> {
    let interpreter = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python/bin/python");
    ensure!(interpreter.exists(), "`scripts/setup.sh test` installs what this takes");
    let mut child = Command::new(interpreter)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/engines/run.py"))
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    child.stdin.take().context("no stdin")?.write_all(input.to_string().as_bytes())?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "{arguments:?}");
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The figures' sums in a table, as a query; and what it answers.
struct InTable<'k> {
    table: &'static str,
    keys: Vec<&'k str>,
}

impl<'k> InTable<'k> {
    fn new(table: &'static str, of: &'k Sums, but: &[&str]) -> Self {
        let keys = of.values().flat_map(BTreeMap::keys).map(String::as_str);
        let mut keys: Vec<_> = keys.filter(|key| !but.contains(key)).collect();
        keys.sort_unstable();
        keys.dedup();
        Self { table, keys }
    }

    fn query(&self) -> String {
        let sums: Vec<_> =
            self.keys.iter().map(|key| format!("sum(coalesce(t.{key}, 0))")).collect();
        let (sums, table) = (sums.join(", "), self.table);
        format!("SELECT t.host, {sums} FROM {table} AS t GROUP BY t.host ORDER BY t.host")
    }

    fn holds(&self, of: &Sums, answer: &Value) -> Result<()> {
        let rows = answer.as_array().context("no rows")?;
        ensure!(rows.len() == of.len(), "{}: {rows:?}", self.table);
        for (row, (host, sums)) in rows.iter().zip(of) {
            ensure!(row[0] == *host.as_str(), "{row}");
            for (at, key) in self.keys.iter().enumerate() {
                let (found, expected) = (&row[at + 1], sums.get(*key).copied().unwrap_or(0));
                ensure!(
                    found.as_u64() == Some(expected),
                    "{} of {host} in {}: {found}, not {expected}",
                    key,
                    self.table
                );
            }
        }
        Ok(())
    }
}

/// The queries of a file, without its remarks.
fn queries(file: &str) -> Result<Vec<String>> {
    let text = fs::read_to_string(Path::new(FOLDER).join(file))?;
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with("--")).collect();
    let text = lines.join("\n");
    let queries = text.split(';').map(str::trim).filter(|query| !query.is_empty());
    Ok(queries.map(str::to_owned).collect())
}

/// What is summed by the minute has these of the flows' figures.
const PER_MINUTE: [&str; 16] = [
    "open_ns",
    "disorder_ns",
    "cwr_ns",
    "recovery_ns",
    "loss_ns",
    "waited_ns",
    "waited_loss_ns",
    "rwnd_limited_ns",
    "sndbuf_limited_ns",
    "changes",
    "rtos",
    "delivered",
    "retrans",
    "acked_bytes",
    "uncertain_ns",
    "run",
];

struct Expected {
    flows: Sums,
    reports: Sums,
    /// Transitions by host and cause.
    causes: Vec<Value>,
}

impl Expected {
    fn new(folder: &Path, hosts: &[Host]) -> Result<Self> {
        let mut causes = BTreeMap::<_, u64>::new();
        for host in hosts {
            let arguments =
                ["trace", "--from", RECORDING, "--netns", &host.netns, "--format", "json"];
            let lines = shown(folder, &arguments)?;
            for line in lines.iter().filter(|line| line["type"] == "transition") {
                let cause = line["cause"].as_str().context("no cause")?.to_owned();
                *causes.entry((host.name, cause)).or_default() += 1;
            }
        }
        let causes = causes.iter().map(|((host, cause), times)| json!([host, cause, times]));
        Ok(Self {
            flows: views(folder, hosts, "flow")?,
            reports: views(folder, hosts, "report")?,
            causes: causes.collect(),
        })
    }

    /// Holds an engine's tables to it. Returns what it answers to the questions.
    fn hold(&self, folder: &Path, engine: &str, setup: &str, by_minute: bool) -> Result<Value> {
        let database = if by_minute { "tcpcong." } else { "" };
        let table = |name: &str| -> &'static str { format!("{database}{name}").leak() };
        // Two keys of reports are not kept.
        let but = ["flows_shown", "flows_filtered_out_unknown", "end_ns", "flows_ended_quiet"];
        let but: Vec<_> = but.into_iter().chain(["calls_lost", "lines_damaged", "gaps"]).collect();
        let flows = InTable::new(table("flows"), &self.flows, &[]);
        let reports = InTable::new(table("reports"), &self.reports, &but);
        let causes = format!(
            "SELECT t.host, t.cause, count(*) FROM {} AS t GROUP BY ALL ORDER BY ALL",
            table("transitions")
        );
        let mut minutes = InTable::new(table("flows_per_minute"), &self.flows, &[]);
        minutes.keys.retain(|key| PER_MINUTE.contains(key));
        let mut asked = vec![flows.query(), reports.query(), causes];
        asked.extend(by_minute.then(|| minutes.query()));
        let questions = asked.len();
        asked.extend(queries(&format!("{engine}/queries.sql"))?);
        let setup = format!("{FOLDER}/{engine}/{setup}");
        let mut answers = run_python(folder, &[engine, &setup], &json!(asked))?;
        flows.holds(&self.flows, &answers[0])?;
        reports.holds(&self.reports, &answers[1])?;
        ensure!(answers[2] == json!(self.causes), "{}", answers[2]);
        if by_minute {
            minutes.holds(&self.flows, &answers[3])?;
        }
        Ok(answers.as_array_mut().context("no answers")?.split_off(questions).into())
    }
}

#[test]
fn both_engines_have_the_json_views_sums_and_answer_alike() -> Result<()> {
    if !need_root("both_engines_have_the_json_views_sums_and_answer_alike") {
        return Ok(());
    }
    let folder = TempDir::new()?;
    let folder = folder.path();
    let hosts = record(folder)?;
    write_all(folder, &hosts)?;
    let expected = Expected::new(folder, &hosts)?;
    let sum =
        |key: &str| expected.flows.values().filter_map(|sums| sums.get(key)).copied().sum::<u64>();
    let keys = ["loss_ns", "recovery_ns", "retrans", "waited_ns", "waited_loss_ns", "delivered"];
    for key in keys.into_iter().chain(["rtos"]) {
        ensure!(sum(key) > 0, "nothing to hold it against: no {key}");
    }
    let clickhouse = expected.hold(folder, "clickhouse", "schema.sql", true)?;
    let duckdb = expected.hold(folder, "duckdb", "views.sql", false)?;
    let answers = clickhouse.as_array().context("no answers")?;
    for (at, answer) in answers.iter().enumerate() {
        ensure!(
            are_alike(answer, &duckdb[at]),
            "question {}: {answer}, but DuckDB {}",
            at + 1,
            duckdb[at]
        );
    }
    ensure!(answers.len() == 6, "{} answers", answers.len());
    let rows = |at: usize| answers[at].as_array().map_or(0, Vec::len);
    ensure!((0..6).all(|at| rows(at) > 0), "a question without an answer: {clickhouse:#}");
    // What timeouts cost: no time of it twice.
    let cost_ns = sum("waited_ns") - sum("waited_loss_ns") + sum("loss_ns");
    let of_rows = answers[2].as_array().into_iter().flatten().filter_map(|row| row[5].as_f64());
    let differs = (of_rows.sum::<f64>() - cost_ns as f64 / 1e9).abs();
    ensure!(differs < 0.01, "timeouts cost {cost_ns} ns: {}", answers[2]);
    // The last says how far it is true: nothing was dropped, and nothing is missing.
    let is_whole = |row: &Value| row[5] == 0 && row[6] == 0;
    ensure!(rows(5) == 4 && answers[5].as_array().is_some_and(|rows| rows.iter().all(is_whole)));
    Ok(())
}

/// Whether they are equal, but that what lies in the middle is rounded up by one engine and to
/// the even digit by the other.
fn are_alike(one: &Value, other: &Value) -> bool {
    let digits =
        |number: &Number| number.to_string().split_once('.').map_or(0, |(_, digits)| digits.len());
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(a, b)| are_alike(a, b))
        }
        (Value::Number(one), Value::Number(other)) if one != other => {
            let digits = digits(one).max(digits(other));
            let difference = one.as_f64().zip(other.as_f64()).map(|(a, b)| (a - b).abs());
            digits > 0
                && difference.is_some_and(|by| by < (0..digits).fold(1.5, |step, _| step / 10.0))
        }
        _ => one == other,
    }
}

/// Lines that were dropped count where they were: before the first that came, after the last,
/// and in a run of which nothing else came.
#[test]
fn lines_are_missing_that_neither_came_nor_were_told_of() -> Result<()> {
    let folder = TempDir::new()?;
    let now = jiff::Timestamp::now().to_string();
    let dropped = |run: u64, first: u64, last: u64| {
        json!({
            "type": "dropped", "time": now, "from_time": now, "lines": last - first + 1,
            "bytes": 1, "first_line": first, "last_line": last, "host": "h", "run": run,
        })
    };
    let came = (501..=510).filter(|number| !(503..=505).contains(number)).map(|number| {
        json!({
            "type": "report", "time": now, "exact": false, "estimated": number > 506,
            "uncertain_ns": 0, "entries_dropped": 0, "host": "h", "run": 1, "line": number,
        })
    });
    let told = [dropped(1, 1, 500), dropped(1, 511, 512), dropped(2, 1, 4)];
    let lines: Vec<_> = told.into_iter().chain(came).map(|line| line.to_string()).collect();
    fs::write(folder.path().join("lines.jsonl"), lines.join("\n") + "\n")?;
    let engines = [("clickhouse", "schema.sql", "tcpcong."), ("duckdb", "views.sql", "")];
    for (engine, setup, database) in engines {
        let last = queries(&format!("{engine}/queries.sql"))?.pop().context("no query")?;
        let estimated = format!("SELECT count(*) FROM {database}reports WHERE estimated");
        let setup = format!("{FOLDER}/{engine}/{setup}");
        let answers = run_python(folder.path(), &[engine, &setup], &json!([last, estimated]))?;
        let expected = json!([[["h", 7, 0, 0, 0, 506, 3]], [[4]]]);
        ensure!(answers == expected, "{engine}: {answers}");
    }
    Ok(())
}

/// The tables have a column for whatever stands in flows and transitions, and for the mark of
/// reports that are estimates.
#[test]
fn what_flows_and_transitions_have_is_a_column_of_both_engines() -> Result<()> {
    let flows = LineOptions::flow_columns().into_iter().map(Field::key);
    let transitions = TransitionField::usual().into_iter().map(|field| field.key());
    for file in ["clickhouse/schema.sql", "duckdb/views.sql"] {
        let text = fs::read_to_string(Path::new(FOLDER).join(file))?;
        let words = text.split(|letter: char| !(letter.is_alphanumeric() || letter == '_'));
        let words: HashSet<_> = words.collect();
        let estimated = ["estimated".to_owned()];
        for key in flows.clone().chain(transitions.clone()).chain(estimated) {
            ensure!(words.contains(key.as_str()), "{file} has no {key}");
        }
    }
    Ok(())
}

/// Neither is packaged where this is built: they are read, and no more.
#[test]
fn what_ships_lines_is_yaml_and_inserts_into_the_table_that_there_is() -> Result<()> {
    let read = |file: &str| {
        run_python(Path::new(FOLDER), &["yaml", &format!("{FOLDER}/{file}")], &Value::Null)
    };
    let vector = read("vector/vector.yaml")?;
    let (source, sink) = (&vector["sources"]["tcpcong"], &vector["sinks"]["clickhouse"]);
    ensure!(sink["inputs"] == json!(["tcpcong"]) && sink["skip_unknown_fields"] == true, "{sink}");
    let fluent_bit = read("fluent-bit/fluent-bit.yaml")?;
    let pipeline = &fluent_bit["pipeline"];
    let (input, output) = (&pipeline["inputs"][0], &pipeline["outputs"][0]);
    ensure!(input["tag"] == output["match"] && output["json_date_key"] == false, "{pipeline}");
    let schema = fs::read_to_string(Path::new(FOLDER).join("clickhouse/schema.sql"))?;
    let word = |value: &Value| value.as_str().map(str::to_owned).context("no text");
    let table = format!("{}.{}", word(&sink["database"])?, word(&sink["table"])?);
    ensure!(schema.contains(&format!("CREATE TABLE IF NOT EXISTS {table}\n")), "{table}");
    ensure!(word(&output["uri"])?.contains(&table), "{output}");
    // The ends that they listen on are what --lines.to takes.
    let unix = format!("unix:{}", word(&source["path"])?);
    let tcp = format!("tcp:{}:{}", word(&input["listen"])?, input["port"]);
    for (to, file) in [(unix, "vector/vector.yaml"), (tcp, "fluent-bit/fluent-bit.yaml")] {
        LineOptions::parse(&Given { to: &to, ..Given::default() }).map_err(anyhow::Error::msg)?;
        let said = fs::read_to_string(Path::new(FOLDER).join(file))?;
        ensure!(said.contains(&format!("--lines.to {to}\n")), "{file}: {to}");
    }
    Ok(())
}
