//! `--attach sample` as nobody, beside the exact tool on the same real losses: what lasts is
//! found, times are as exact as it says, and every format says that they are estimates.

mod support;

use std::collections::BTreeMap;
use std::fs::{Permissions, set_permissions};
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use support::lab::Lab;
use support::needs::need_root;
use support::netns::Netns;
use support::rows::number;
use support::server::Server;
use support::tool::{copy_for_all, pause};
use support::trace::Trace;
use support::traffic::{Amount, Dial, Ending, Sender};
use tempfile::TempDir;

/// From one look to the next where nobody says, nanoseconds.
const EVERY_NS: u64 = 100_000_000;
const STATES: [&str; 5] = ["open", "disorder", "cwr", "recovery", "loss"];

/// A copy of the tool that nobody can run, in a folder in which nobody can write.
struct Copy(TempDir);

impl Copy {
    fn new() -> Result<Self> {
        let folder = copy_for_all()?;
        set_permissions(folder.path(), Permissions::from_mode(0o777))?;
        Ok(Self(folder))
    }

    /// The tool with no privilege whatever, to be run as nobody.
    fn as_nobody(&self) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
        command.args(["--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all"]);
        command.arg("--no-new-privs").arg(self.0.path().join("tcpcong"));
        command
    }

    /// It printed this in the namespace until it ended by itself.
    fn printed(&self, netns: &Netns, arguments: &[&str]) -> Result<Output> {
        let output = netns.enter(|| self.as_nobody().args(arguments).output())??;
        ensure!(output.status.success(), "{arguments:?}: {output:?}");
        Ok(output)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

/// The tool in a namespace as nobody, printing JSON.
struct Sampling {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
    start: Value,
}

impl Sampling {
    /// Returns once it has looked.
    fn start(copy: &Copy, netns: &Netns, arguments: &[&str]) -> Result<Self> {
        let mut command = copy.as_nobody();
        command.args(arguments).args(["--format", "json"]).stdout(Stdio::piped());
        let mut child = netns.enter(|| command.spawn())??;
        let mut lines = BufReader::new(child.stdout.take().context("no stdout")?);
        let mut first = String::new();
        lines.read_line(&mut first)?;
        let start = serde_json::from_str(&first).with_context(|| format!("no start: {first:?}"))?;
        Ok(Self { child, lines, start })
    }

    /// Interrupts it as Ctrl-C does, and returns all that it has printed.
    fn finish(mut self) -> Result<Vec<Value>> {
        kill(Pid::from_raw(i32::try_from(self.child.id())?), Signal::SIGINT)?;
        let mut text = String::new();
        self.lines.read_to_string(&mut text)?;
        let status = self.child.wait()?;
        ensure!(status.success(), "it ended with {status}");
        json(&text)
    }
}

fn json(text: &str) -> Result<Vec<Value>> {
    text.lines().map(|line| serde_json::from_str(line).context("no JSON")).collect()
}

fn of_type<'l>(lines: &'l [Value], kind: &'l str) -> impl Iterator<Item = &'l Value> {
    lines.iter().filter(move |line| line["type"] == kind)
}

/// Nothing passes the router, three times.
fn go_dark_three_times(lab: &Lab) -> Result<()> {
    for _ in 0..3 {
        pause(Duration::from_millis(900));
        lab.silence(true)?;
        pause(Duration::from_millis(1100));
        lab.silence(false)?;
    }
    pause(Duration::from_millis(900));
    Ok(())
}

/// A spell outside Open, from when to when.
#[derive(Debug, Clone, PartialEq)]
struct Spell {
    state: String,
    from_ns: u64,
    to_ns: u64,
}

/// Those of transitions of one flow, which say when each ended.
fn spells(transitions: &[Value]) -> Result<Vec<Spell>> {
    let ended = transitions.iter().filter(|one| one["from"] != one["to"] && one["from"] != "open");
    let spell = |one: &Value| {
        let to_ns = number(one, "at_ns")?;
        let state = one["from"].as_str().context("no from")?.to_owned();
        Ok(Spell { state, from_ns: to_ns - number(one, "spell_ns")?, to_ns })
    };
    ended.map(spell).collect()
}

/// Time in each state, and by how much it may be off.
fn sums(lines: &[Value]) -> Result<([u64; 5], u64)> {
    let (mut times_ns, mut uncertain_ns) = ([0; 5], 0);
    for flow in of_type(lines, "flow") {
        for (time_ns, state) in times_ns.iter_mut().zip(STATES) {
            *time_ns += number(flow, &format!("{state}_ns"))?;
        }
        uncertain_ns += number(flow, "uncertain_ns")?;
    }
    Ok((times_ns, uncertain_ns))
}

#[test]
fn long_spells_are_found_and_times_are_as_exact_as_it_says() -> Result<()> {
    if !need_root("long_spells_are_found_and_times_are_as_exact_as_it_says") {
        return Ok(());
    }
    let lab = Lab::new("sample")?;
    let server = Server::listen(&lab.server, (lab.server_v4(), 0).into())?;
    let port = server.address().port().to_string();
    let copy = Copy::new()?;
    let recording = copy.file("a.jsonl.zst");
    let recording = recording.to_str().context("its name")?;
    let exact = support::tool::Tool::start(&["-R", &port, "--all", "60"])?;
    let trace = Trace::start(&["-R", &port])?;
    let arguments = ["--attach", "sample", "-R", &port, "--all", "1", "--record", recording];
    let sampling = Sampling::start(&copy, &lab.client, &arguments)?;
    ensure!(sampling.start["attach"] == "sample", "{}", sampling.start);
    ensure!(sampling.start["estimated"] == true, "{}", sampling.start);
    ensure!(!sampling.start["limitations"].as_array().context("a list")?.is_empty());

    let dial = Dial::to(server.address()).congestion_control("cubic").paced(2_000_000);
    let sender = Sender::start(&lab.client, &dial, Amount::UntilStopped)?;
    go_dark_three_times(&lab)?;
    sender.stop(Ending::Reset)?;
    pause(Duration::from_millis(300));
    let sampled = sampling.finish()?;
    let exact = exact.finish()?;
    let told = trace.finish()?;

    // Conservation: each interval that the connection lived through is all there.
    let flows: Vec<_> = of_type(&sampled, "flow").collect();
    ensure!(flows.len() >= 5, "{flows:?}");
    for flow in &flows[1..flows.len() - 1] {
        let (times_ns, _) = sums(&[(*flow).clone()])?;
        ensure!(times_ns.iter().sum::<u64>() == number(flow, "interval_ns")?, "{flow}");
    }
    ensure!(flows.iter().all(|flow| flow["exact"] == false), "{flows:?}");
    for report in of_type(&sampled, "report") {
        ensure!(report["estimated"] == true && report["exact"] == false, "{report}");
        ensure!(report["transitions_missed"] == 0 && report["births_missed"] == 0, "{report}");
    }

    // The recording of it has the same transitions.
    let output = copy.printed(&lab.client, &["trace", "--from", recording, "--format", "json"])?;
    let replayed = json(&String::from_utf8(output.stdout)?)?;
    ensure!(replayed[0]["estimated"] == true, "{}", replayed[0]);
    let transitions: Vec<_> = of_type(&replayed, "transition").cloned().collect();
    let (found, all) = (spells(&transitions)?, spells(&told.transitions)?);
    let overlaps =
        |one: &Spell, other: &Spell| one.from_ns < other.to_ns && other.from_ns < one.to_ns;
    let long: Vec<_> = all.iter().filter(|one| one.to_ns - one.from_ns >= 5 * EVERY_NS).collect();
    ensure!(long.len() >= 3, "too few for a test: {all:?}");
    for spell in &long {
        let same = found.iter().find(|one| one.state == spell.state && overlaps(one, spell));
        let same = same.with_context(|| format!("{spell:?} was not found: {found:?}"))?;
        let apart = [same.from_ns.abs_diff(spell.from_ns), same.to_ns.abs_diff(spell.to_ns)];
        ensure!(apart.iter().all(|ns| *ns < 2 * EVERY_NS), "{spell:?} and {same:?}");
    }

    // Times by state, but for spells that came and went between two looks.
    let unseen = all.iter().filter(|one| !found.iter().any(|other| overlaps(one, other)));
    let unseen_ns: u64 = unseen.map(|one| one.to_ns - one.from_ns).sum();
    let (times_ns, uncertain_ns) = sums(&sampled)?;
    ensure!(uncertain_ns >= 6 * EVERY_NS / 2, "{uncertain_ns}");
    let mut exact_ns = [0; 5];
    for flow in exact.iter().flat_map(|report| &report.flows) {
        exact_ns.iter_mut().zip(flow.times_ns).for_each(|(sum, time_ns)| *sum += time_ns);
    }
    let bound_ns = uncertain_ns + unseen_ns;
    for ((sampled_ns, exact_ns), state) in times_ns.iter().zip(exact_ns).zip(STATES) {
        let off_ns = sampled_ns.abs_diff(exact_ns);
        ensure!(off_ns <= bound_ns, "{state}: {sampled_ns} for {exact_ns}, within {bound_ns}");
    }
    // Lower bounds.
    let of_exact = |name: &str| exact.iter().map(|report| report.sum(name)).sum::<Result<u64>>();
    for name in ["changes", "rtos", "repeated_rtos"] {
        let seen: u64 =
            of_type(&sampled, "report").map(|report| number(report, name)).sum::<Result<_>>()?;
        ensure!(seen > 0 && seen <= of_exact(name)?, "{name}: {seen} of {}", of_exact(name)?);
    }
    Ok(())
}

#[test]
fn every_format_says_that_it_is_an_estimate() -> Result<()> {
    if !need_root("every_format_says_that_it_is_an_estimate") {
        return Ok(());
    }
    let lab = Lab::new("marks")?;
    let server = Server::listen(&lab.server, (lab.server_v4(), 0).into())?;
    let dial = Dial::to(server.address()).congestion_control("cubic").paced(2_000_000);
    let sender = Sender::start(&lab.client, &dial, Amount::UntilStopped)?;
    pause(Duration::from_millis(500));
    // From here on there is nothing but Loss.
    lab.silence(true)?;
    pause(Duration::from_millis(700));
    let copy = Copy::new()?;
    let file = copy.file("a.jsonl.zst");
    let file = file.to_str().context("its name")?;
    let live = ["--attach", "sample", "--sample-every", "20ms"];
    let run = |arguments: &[&str]| copy.printed(&lab.client, arguments);
    let recorded = run(&[&["record", "-o", file, "--seconds", "2"], &live[..]].concat())?;
    ensure!(text(&recorded.stderr).contains("tcpcong: an estimate: "), "{recorded:?}");

    // What ends by itself, live and of the recording.
    let from = ["--from", file];
    let runs: [(&[&str], &[&str]); 6] = [
        (&["1", "2"], &["1"]),
        (&["-d", "1", "2"], &["-d", "1"]),
        (&["--format", "csv", "1", "2"], &["--format", "csv", "1"]),
        (&["-o", "loss,exact", "1", "2"], &["-o", "loss,exact", "1"]),
        (&["trace", "--seconds", "1"], &["trace"]),
        (&["why", "2"], &["why"]),
    ];
    for (lives, replays) in runs {
        for arguments in [[lives, &live[..]].concat(), [replays, &from[..]].concat()] {
            let stderr = text(&run(&arguments)?.stderr);
            let said = stderr.lines().filter(|line| line.starts_with("tcpcong: an estimate: "));
            ensure!(said.count() >= 2, "{arguments:?} at the start and at the end: {stderr}");
            ensure!(!stderr.contains("exact: "), "{arguments:?}: {stderr}");
        }
    }
    let why = run(&[&["why", "2", "--format", "json"], &live[..]].concat())?;
    let why = json(&text(&why.stdout))?;
    let verdicts: Vec<_> = of_type(&why, "verdict").collect();
    ensure!(!verdicts.is_empty(), "{why:?}");
    ensure!(verdicts.iter().all(|verdict| verdict["confidence"] == "low"), "{verdicts:?}");
    let end = of_type(&why, "end").next().context("no end")?;
    ensure!(end["estimated"] == true, "{end}");
    sender.stop(Ending::Reset)?;
    Ok(())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn root_sees_other_namespaces_also_those_that_come_later_and_whose_sockets_are() -> Result<()> {
    let test = "root_sees_other_namespaces_also_those_that_come_later_and_whose_sockets_are";
    if !need_root(test) {
        return Ok(());
    }
    let columns = "lport,rport,netns,pid,comm,cc,cgroup_id,cookie,open,ended";
    let mut reports = support::rows::Reports::start(&[
        "--attach",
        "sample",
        "--all",
        "-o",
        columns,
        "--raddr",
        "10.77.0.0/16",
        "1",
    ])?;
    let lab = Lab::new("later")?;
    let server = Server::listen(&lab.server, (lab.server_v4(), 0).into())?;
    let port = server.address().port();
    let dial = Dial::to(server.address()).congestion_control("reno").paced(1_000_000);
    let sender = Sender::start(&lab.client, &dial, Amount::UntilStopped)?;
    let netns: u64 = lab.client.inode()?.parse()?;
    let mut rows = BTreeMap::new();
    for _ in 0..5 {
        let report = reports.next()?.context("it ended")?;
        for row in report.rows {
            if row["rport"] == port && row["netns"] == netns {
                rows.insert(report.to_ns, row);
            }
        }
    }
    sender.stop(Ending::Reset)?;
    let last = reports.finish()?;
    ensure!(rows.len() >= 2, "its rows are missing: {rows:?}");
    let (_, row) = rows.last_key_value().context("a row")?;
    ensure!(row["pid"] == std::process::id(), "{row}");
    ensure!(row["cc"] == "reno" && row["cookie"].as_u64() > Some(0), "{row}");
    let same = |one: &&Value| one["cookie"] == row["cookie"];
    let ended = last.rows.iter().find(same).context("it has no last row")?;
    ensure!(ended["ended"] == true, "{ended}");
    Ok(())
}

#[test]
fn a_socket_without_room_is_refused_once() -> Result<()> {
    if !need_root("a_socket_without_room_is_refused_once") {
        return Ok(());
    }
    let lab = Lab::new("no-room")?;
    let ends = lab.client.enter(|| -> Result<_> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let connect = || {
            let near = TcpStream::connect(listener.local_addr()?)?;
            Ok((near, listener.accept()?))
        };
        (0..4).map(|_| connect()).collect::<Result<Vec<_>>>()
    })??;
    let arguments = "--attach sample --max-flows 3 --format json -o delivered 1 4";
    let arguments: Vec<_> = arguments.split(' ').collect();
    let printed = Copy::new()?.printed(&lab.client, &arguments)?;
    let lines = json(&text(&printed.stdout))?;
    let refused: u64 =
        of_type(&lines, "report").map(|one| number(one, "flows_refused")).sum::<Result<_>>()?;
    ensure!(refused == 2 * ends.len() as u64 - 3, "{refused} refused: {lines:?}");
    Ok(())
}
