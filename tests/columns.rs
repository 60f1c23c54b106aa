//! Columns, groups, orders and result filters of the binary, on real traffic.
//! Not whether the figures are true: `accuracy` and `costs` compare those.

mod support;

use std::net::SocketAddr;
use std::process::{Child, Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use support::lab::Lab;
use support::needs::need_root;
use support::server::Server;
use support::tool::{Flow, Report, Tool, command, pause};
use support::traffic::{Amount, Dial, Ending, Sender};

const SECOND: Duration = Duration::from_secs(1);

/// Three connections of IPv4 and one of IPv6 through a tight place, to one port
/// each: enough that all have rows in every second.
struct Scene {
    senders: Vec<Sender>,
    four: Server,
    six: Server,
    lab: Lab,
}

impl Scene {
    fn set(name: &str) -> Result<Self> {
        let lab = Lab::new(name)?;
        lab.bottleneck("50mbit", "32k", "60k")?;
        let four = Server::listen(&lab.server, (lab.server_v4(), 0).into())?;
        let six = Server::listen(&lab.server, (lab.server_v6(), four.address().port()).into())?;
        let start = |to: SocketAddr| {
            let dial = Dial::to(to).congestion_control("cubic");
            Sender::start(&lab.client, &dial, Amount::UntilStopped)
        };
        let to = [four.address(), four.address(), four.address(), six.address()];
        let senders = to.into_iter().map(start).collect::<Result<Vec<_>>>()?;
        four.wait_until(20 * SECOND, |counts| counts.read_bytes > 1_000_000)?;
        six.wait_until(20 * SECOND, |counts| counts.read_bytes > 100_000)?;
        Ok(Self { senders, four, six, lab })
    }

    /// Starts the tool for the connections' near ends, two reports.
    fn watch(&self, arguments: &str) -> Result<Child> {
        let port = self.four.address().port().to_string();
        Ok(command()
            .args(["-R", &port])
            .args(arguments.split_whitespace())
            .args(["1", "2"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?)
    }

    fn end(self) -> Result<()> {
        for sender in self.senders {
            sender.stop(Ending::Reset)?;
        }
        Ok(())
    }
}

/// What it printed, once it is done.
fn printed(child: Child) -> Result<(String, String)> {
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "{output:?}");
    Ok((String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?))
}

fn lines_of(text: &str, kind: &str) -> Result<Vec<Value>> {
    let lines = text.lines().map(serde_json::from_str);
    let mut lines: Vec<Value> = lines.collect::<serde_json::Result<_>>()?;
    lines.retain(|line| line["type"] == kind);
    Ok(lines)
}

fn keys(line: &Value) -> Vec<&str> {
    line.as_object().map(|line| line.keys().map(String::as_str).collect()).unwrap_or_default()
}

#[test]
fn the_same_columns_in_every_format() -> Result<()> {
    if !need_root("the_same_columns_in_every_format") {
        return Ok(());
    }
    let scene = Scene::set("columns")?;
    let columns = "-o raddr,lport,pid,comm,netns_name,cc,recovery,changes,pod --sort +lport";
    let json = scene.watch(&format!("--format json {columns}"))?;
    let csv = scene.watch(&format!("--format csv {columns}"))?;
    let table = scene.watch(&format!("{columns} --color always"))?;
    let ((json, _), (csv, _), (table, _)) = (printed(json)?, printed(csv)?, printed(table)?);
    let mut ports: Vec<_> = scene.senders.iter().map(|sender| sender.local.port()).collect();
    ports.sort_unstable();

    let flows = lines_of(&json, "flow")?;
    ensure!(!flows.is_empty(), "{json}");
    let mut seen = Vec::new();
    for flow in &flows {
        let names = [
            "type",
            "time",
            "interval_ns",
            "raddr",
            "lport",
            "pid",
            "comm",
            "netns_name",
            "cc",
            "recovery_ns",
            "changes",
            "pod",
        ];
        let mut sorted = names;
        sorted.sort_unstable();
        let mut found = keys(flow);
        found.sort_unstable();
        ensure!(found == sorted, "{flow}");
        ensure!(json.contains(r#"{"type":"flow","time":"#), "{json}");
        ensure!(flow["cc"] == "cubic" && flow["pod"].is_null(), "{flow}");
        ensure!(flow["pid"] == std::process::id(), "{flow}");
        ensure!(flow["netns_name"] == scene.lab.client.name(), "{flow}");
        seen.push(flow["lport"].as_u64().context("no lport")?);
    }
    ensure!(seen.iter().all(|port| ports.contains(&u16::try_from(*port).unwrap_or(0))), "{seen:?}");

    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let head = "time,interval_ns,raddr,lport,pid,comm,netns_name,cc,recovery_ns,changes,pod";
    ensure!(reader.headers()?.iter().eq(head.split(',')), "{csv}");
    let records = reader.records().collect::<csv::Result<Vec<_>>>()?;
    ensure!(!records.is_empty(), "{csv}");
    for record in &records {
        ensure!(ports.contains(&record[3].parse()?) && &record[7] == "cubic", "{record:?}");
        ensure!(record[1].parse::<u64>()? > 0 && record[10].is_empty(), "{record:?}");
    }

    let plain = ["1", "31", "33", "0"]
        .iter()
        .fold(table.clone(), |text, code| text.replace(&format!("\u{1b}[{code}m"), ""));
    ensure!(plain.len() < table.len(), "no colour: {table}");
    let heads: Vec<_> = plain.lines().filter(|line| line.starts_with("RAddr ")).collect();
    ensure!(heads.len() == 2, "{plain}");
    ensure!(heads[0].ends_with("Recovery_ms  Chgs  Pod") && heads[0].contains("  CC "), "{plain}");
    // As wide as the IPv6 address, and numbers end where their title does.
    let six = scene.six.address().ip().to_string();
    let end = heads[1].find(" LPort").context("no LPort")? + " LPort".len();
    ensure!(end >= six.len() + "  LPort".len(), "{plain}");
    let wide = plain.lines().rfind(|line| line.starts_with(&six)).context("no IPv6 row")?;
    let port = wide.get(..end).and_then(|line| line.split_whitespace().last());
    ensure!(port == Some(&*scene.senders[3].local.port().to_string()), "{plain}");
    scene.end()
}

#[test]
fn transitions_have_the_same_columns_in_every_format() -> Result<()> {
    if !need_root("transitions_have_the_same_columns_in_every_format") {
        return Ok(());
    }
    let scene = Scene::set("telling")?;
    let trace = |format: &str| -> Result<Child> {
        Ok(command()
            .args(["trace", "-R", &scene.four.address().port().to_string(), "--seconds", "2"])
            .args(["-o", "raddr,lport,to,cause,spell,comm", "--format", format])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?)
    };
    let [json, csv, table] = ["json", "csv", "table"].map(trace);
    let ((json, _), (csv, said), (table, _)) = (printed(json?)?, printed(csv?)?, printed(table?)?);
    let all_seen = said.starts_with("tcpcong: exact: ") && said.ends_with(", nothing missed\n");
    // A machine may hide an event from every program, and then the next one tells of it.
    let some_hidden =
        said.starts_with("tcpcong: not exact: ") && said.contains(" learned of only afterwards");
    ensure!(all_seen || some_hidden, "{said}");

    let lines = lines_of(&json, "transition")?;
    let names = ["cause", "comm", "lport", "raddr", "spell_ns", "time", "to", "type"];
    for line in &lines {
        let mut keys = keys(line);
        keys.sort_unstable();
        ensure!(keys == names, "{line}");
    }
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    ensure!(reader.headers()?.iter().eq("time,raddr,lport,to,cause,spell_ns,comm".split(',')));
    let records = reader.records().collect::<csv::Result<Vec<_>>>()?;
    let (head, rows) = table.split_once('\n').context("no titles")?;
    ensure!(head.split_whitespace().eq("TIME RAddr LPort To Cause Spell_ms Comm".split(' ')));
    ensure!(!lines.is_empty() && !records.is_empty() && rows.lines().count() > 0, "{table}");
    // They began and ended one after the other, but saw nearly the same.
    let own = std::fs::read_to_string("/proc/self/comm")?;
    let own = own.trim_end();
    let line = lines.last().context("none")?;
    let port = line["lport"].to_string();
    let same = |record: &&csv::StringRecord| {
        record[2] == *port && line["to"] == record[3] && line["cause"] == record[4]
    };
    let record = records.iter().rfind(same).with_context(|| format!("{line} is not in {csv}"))?;
    ensure!(record[6] == *own && line["comm"] == own, "{record:?}: not {own}");
    ensure!(rows.lines().any(|row| row.split_whitespace().nth(2) == Some(&port)), "{table}");
    scene.end()
}

#[test]
fn a_prefix_of_all_of_ipv6_has_no_ipv4_in_it() -> Result<()> {
    if !need_root("a_prefix_of_all_of_ipv6_has_no_ipv4_in_it") {
        return Ok(());
    }
    let scene = Scene::set("families")?;
    let [six, four] =
        ["::/0", "0.0.0.0/0"].map(|all| scene.watch(&format!("--all --format json --raddr {all}")));
    for (child, alive) in [(six?, 1), (four?, 3)] {
        let (json, _) = printed(child)?;
        // Counted by the kernel side, before any row is made.
        for report in lines_of(&json, "report")? {
            ensure!(report["flows_alive"] == alive && report["flows"] == alive, "{json}");
        }
    }
    scene.end()
}

#[test]
fn groups_have_all_their_connections() -> Result<()> {
    if !need_root("groups_have_all_their_connections") {
        return Ok(());
    }
    let scene = Scene::set("groups")?;
    let [by_prefix, by_process, by_unit, table] = [
        "--all --format json --by prefix",
        "--all --format json --by process --top 1",
        "--all --format json --by unit",
        "--by raddr --sort -flows --top 1",
    ]
    .map(|arguments| scene.watch(arguments));
    let (prefixes, _) = printed(by_prefix?)?;
    let groups = lines_of(&prefixes, "group")?;
    let reports = lines_of(&prefixes, "report")?;
    ensure!(lines_of(&prefixes, "flow")?.is_empty() && reports.len() == 2, "{prefixes}");
    ensure!(groups.len() == 4, "two networks in each of two reports: {prefixes}");
    for (groups, report) in groups.chunks(2).zip(&reports) {
        ensure!((&groups[0]["flows"], &groups[1]["flows"]) == (&3.into(), &1.into()), "{groups:?}");
        ensure!(report["flows"] == 4 && report["groups"] == 2 && report["flows_shown"] == 4);
        for field in ["open_ns", "disorder_ns", "cwr_ns", "recovery_ns", "loss_ns", "changes"] {
            let sum = |line: &Value| line[field].as_u64().context("no figure");
            ensure!(sum(&groups[0])? + sum(&groups[1])? == sum(report)?, "{field}: {prefixes}");
        }
    }
    let four = scene.four.address().ip().to_string();
    let (network, _) = four.rsplit_once('.').context("no IPv4")?;
    ensure!(groups[0]["prefix"] == format!("{network}.0/24"), "{prefixes}");

    let (processes, _) = printed(by_process?)?;
    for group in lines_of(&processes, "group")? {
        ensure!(group["pid"] == std::process::id() && group["flows"] == 4, "{processes}");
    }
    let (units, _) = printed(by_unit?)?;
    let flows = |line: &Value| line["flows"].as_u64();
    ensure!(lines_of(&units, "group")?.iter().filter_map(flows).sum::<u64>() == 8, "{units}");
    let (table, remarks) = printed(table?)?;
    ensure!(table.matches("RAddr").count() == 2 && table.contains(&four), "{table}");
    ensure!(remarks.contains("tcpcong: 1 of 2 groups"), "{remarks}");
    scene.end()
}

#[test]
fn filters_leave_out_and_say_so() -> Result<()> {
    if !need_root("filters_leave_out_and_say_so") {
        return Ok(());
    }
    let scene = Scene::set("filters")?;
    let pid = std::process::id();
    let (client, router) = (scene.lab.client.name(), scene.lab.router.name());
    let four = scene.four.address().ip();
    let here = format!("--pid {pid} --netns {client} --cc cubic --raddr {four} --laddr 10.0.0.0/8");
    let there = ["--comm nobody-has-it", "--cc bbr", "--min-time 1000s"];
    let started = |arguments: &str| scene.watch(&format!("--all --format json {arguments}"));
    let mut running = vec![(started(&here)?, 3)];
    let inode = scene.lab.client.inode()?;
    running.push((started(&format!("--netns {inode}"))?, 4));
    for arguments in there.iter().copied().chain(["--pid 1"]) {
        running.push((started(arguments)?, 0));
    }
    let in_kernel = [started("--netns 1")?, started(&format!("--netns {router}"))?];
    let old_table = scene.watch("--raddr fd77::/16")?;
    for (child, flows) in running {
        let (text, remarks) = printed(child)?;
        for report in lines_of(&text, "report")? {
            ensure!(report["flows"] == flows, "{text}");
            // What the kernel side has left out nobody counts.
            ensure!(flows > 0 || report["flows_filtered_out"] == 4, "{text}");
        }
        ensure!(lines_of(&text, "flow")?.len() == 2 * flows, "{text}");
        ensure!(remarks.is_empty(), "{remarks}");
    }
    for child in in_kernel {
        for report in lines_of(&printed(child)?.0, "report")? {
            ensure!(report["flows_alive"] == 0 && report["flows_filtered_out"] == 0, "{report}");
        }
    }
    let (table, _) = printed(old_table)?;
    let rows = |start: &str| table.lines().filter(|line| line.starts_with(start)).count();
    ensure!(rows("fd77:") == 2 && rows("10.") == 0, "{table}");
    scene.end()
}

/// Two programs stamp one event a moment apart, more where they are interrupted.
const APART_NS: u64 = 1_000_000;

#[test]
fn filters_change_no_figure_of_what_remains() -> Result<()> {
    if !need_root("filters_change_no_figure_of_what_remains") {
        return Ok(());
    }
    let lab = Lab::new("same")?;
    lab.bottleneck("50mbit", "32k", "60k")?;
    let server = Server::listen(&lab.server, (lab.server_v4(), 0).into())?;
    let netns = lab.client.inode()?;
    let address = server.address().ip().to_string();
    let filters = [
        vec!["--netns", &netns],
        vec!["--raddr", &address],
        vec!["--cc", "cubic"],
        vec!["--state", "recovery", "--min-changes", "1"],
    ];
    let unfiltered = Tool::start(&["--all"])?;
    let filtered: Vec<_> =
        filters.iter().map(|flow| Tool::start(&[&["--all"], &flow[..]].concat())).collect();
    let dial = Dial::to(server.address()).congestion_control("cubic");
    let start = |_| Sender::start(&lab.client, &dial, Amount::UntilStopped);
    let senders = (0..4).map(start).collect::<Result<Vec<_>>>()?;
    pause(2 * SECOND);
    let ends: Vec<_> = senders.iter().map(|sender| sender.local).collect();
    // One report has the whole of each life, when it is made by whichever run.
    senders.into_iter().try_for_each(|sender| sender.stop(Ending::Reset).map(drop))?;
    let whole = unfiltered.finish()?;
    for (filter, tool) in filters.iter().zip(filtered) {
        let some = tool?.finish()?;
        let ([whole], [some]) = (&whole[..], &some[..]) else { panic!("one report each") };
        for local in &ends {
            let [of_all] = whole.of(*local, server.address())[..] else { panic!("{local}") };
            let [remaining] = some.of(*local, server.address())[..] else { panic!("{filter:?}") };
            let counts = |flow: &Flow| (flow.changes, flow.repeated, flow.state.clone());
            ensure!(counts(remaining) == counts(of_all), "{remaining:?} is not {of_all:?}");
            // What the machine hides, each run finds out when it looks for itself.
            let apart_ns = APART_NS + remaining.uncertain_ns.max(of_all.uncertain_ns);
            for (mine, other) in remaining.times_ns.iter().zip(of_all.times_ns) {
                ensure!(mine.abs_diff(other) < apart_ns, "{remaining:?} is not {of_all:?}");
            }
            ensure!(of_all.changes > 1 && of_all.times_ns[3] > 0, "{of_all:?}");
        }
        // The server's ends are flows too, with the machine's congestion control.
        let others = |report: &Report| report.flows.iter().any(|flow| ends.contains(&flow.remote));
        ensure!(others(whole) && (filter[0] == "--cc" || !others(some)), "{filter:?}: {some:?}");
    }
    Ok(())
}

fn run(arguments: &str) -> Result<Output> {
    Ok(command().args(arguments.split_whitespace()).output()?)
}

#[test]
fn columns_are_listed_without_any_privilege() -> Result<()> {
    let output = run("-o help")?;
    ensure!(output.status.code() == Some(0) && output.stderr.is_empty(), "{output:?}");
    let text = String::from_utf8(output.stdout)?;
    ensure!(text.lines().any(|line| line.starts_with("loss ")), "{text}");
    Ok(())
}

#[test]
fn bad_choices_are_one_line_and_exit_code_2() -> Result<()> {
    for arguments in [
        "-o loss,nothing",
        "--sort nothing",
        "--by nothing",
        "--top 0",
        "--state lost",
        "--min-time 5",
        "--min-changes x",
        "--pid 0",
        "--cgroup web",
        "--laddr 10.0.0.0/33",
        "--raddr host",
        "--netns 0",
        "--color sometimes",
        "-d -o laddr",
        "-d --format csv",
    ] {
        let output = run(arguments)?;
        let message = String::from_utf8(output.stderr.clone())?;
        ensure!(output.status.code() == Some(2) && output.stdout.is_empty(), "{output:?}");
        ensure!(message.starts_with("tcpcong: ") && message.lines().count() == 1, "{message}");
    }
    Ok(())
}
