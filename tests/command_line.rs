//! The binary as a shell meets it: messages, exit codes, signals, pipes.
//! What the figures are is `accuracy`'s and `lives`' business.

mod support;

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::needs::{need, need_root};
use support::tool::{command, copy_for_all, pause};

const BANNER: &str = "Tracing tcp congestion control status duration... Hit Ctrl-C to end.\n";

fn run(arguments: &[&str]) -> Result<Output> {
    command().args(arguments).output().context("running tcpcong")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Starts it and reads the banner.
fn started(arguments: &[&str]) -> Result<(Child, BufReader<std::process::ChildStdout>)> {
    let mut tool = Command::new("env");
    // A hangup is taken, though these tests be run under nohup.
    tool.arg("--default-signal=HUP").arg(command().get_program()).args(arguments);
    let mut child = tool.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("no stdout")?);
    let mut line = String::new();
    lines.read_line(&mut line)?;
    ensure!(line == BANNER, "{line}");
    Ok((child, lines))
}

fn signal(child: &Child, signal: Signal) -> Result<()> {
    Ok(kill(Pid::from_raw(i32::try_from(child.id())?), signal)?)
}

#[test]
fn bad_input_is_one_line_and_exit_code_2() -> Result<()> {
    let lines: [&[&str]; 19] = [
        &["-L", "0"],
        &["-R", "70000"],
        &["-L", "a-b"],
        &["-L", "1-2-3"],
        &["0"],
        &["-1"],
        &["abc"],
        &["1", "0"],
        &["1", "x"],
        &["--max-flows", "0"],
        &["--format", "xml"],
        &["--no-such-option"],
        &["why", "10.0.0.1"],
        &["why", "5", "--seconds", "5"],
        &["why", "987654"],
        &["why", ":443", "--format", "csv"],
        &["why", "--follow", "-o", "verdict"],
        &["why", "--sort", "nonsense"],
        &["why", "pid"],
    ];
    for arguments in lines {
        let output = run(arguments)?;
        let message = stderr(&output);
        ensure!(output.status.code() == Some(2), "{arguments:?}: {output:?}");
        ensure!(output.stdout.is_empty(), "{arguments:?}: {output:?}");
        ensure!(message.starts_with("tcpcong: ") && message.lines().count() == 1, "{message}");
    }
    Ok(())
}

#[test]
fn what_a_filter_asks_for_must_be_there() -> Result<()> {
    let test = "what_a_filter_asks_for_must_be_there";
    // Elsewhere /proc shows other ids than the kernel's (PID_NS_INIT_INO, linux/nsfs.h).
    let pids = std::fs::metadata("/proc/self/ns/pid")?.ino() == 0xEFFF_FFFC;
    let cgroups = std::fs::read_to_string("/proc/self/mountinfo")?.contains(" - cgroup2 ");
    for (option, value, can, what) in [
        ("--netns", "nope", true, ""),
        ("--cc", "nope", true, ""),
        ("--pid", "4194999", pids, "the machine's own process ids"),
        ("--cgroup", "/no/such", cgroups, "a mount of cgroup2"),
    ] {
        if !need(test, can, what) {
            continue;
        }
        for command in [&["0.1", "1"][..], &["trace", "--seconds", "1"], &["why", "--seconds", "1"]]
        {
            let output = run(&[command, &[option, value]].concat())?;
            let message = stderr(&output);
            ensure!(output.status.code() == Some(2) && output.stdout.is_empty(), "{output:?}");
            let begins = message.starts_with(&format!("tcpcong: {option} {value}: "));
            ensure!(begins && message.lines().count() == 1, "{message}");
        }
    }
    Ok(())
}

#[test]
fn help_is_asked_for_as_elsewhere() -> Result<()> {
    for (arguments, expected) in [
        (&["help"][..], "Usage: tcpcong"),
        (&["help", "trace"], "Usage: tcpcong trace"),
        (&["trace", "--help"], "before→after"),
    ] {
        let output = run(arguments)?;
        let text = String::from_utf8(output.stdout)?;
        ensure!(output.status.success() && text.contains(expected), "{arguments:?}: {text}");
    }
    let output = run(&["trace", "--no-such-option"])?;
    ensure!(stderr(&output).trim_end().ends_with("; see tcpcong trace --help"), "{output:?}");
    Ok(())
}

#[test]
fn the_program_is_printed_without_any_privilege() -> Result<()> {
    let output = run(&["--ebpf"])?;
    ensure!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    ensure!(String::from_utf8(output.stdout)?.contains("SEC(\"tp_btf/tcp_cong_state_set\")"));
    Ok(())
}

#[test]
fn the_man_pages_are_those_made_from_the_options() -> Result<()> {
    let mut tool = tcpcong::cli::definition();
    tool.build();
    for command in std::iter::once(&tool).chain(tool.get_subcommands()) {
        let name = command.get_display_name().unwrap_or(command.get_name());
        let mut page = Vec::new();
        clap_mangen::Man::new(command.clone()).section("8").render(&mut page)?;
        let kept = format!("{}/man/{name}.8", env!("CARGO_MANIFEST_DIR"));
        let kept = std::fs::read(&kept).with_context(|| kept)?;
        ensure!(page == kept, "man/{name}.8 is out of date: run make man");
    }
    Ok(())
}

#[test]
fn without_privilege_it_says_which_and_how_to_give_it() -> Result<()> {
    if !need_root("without_privilege_it_says_which_and_how_to_give_it") {
        return Ok(());
    }
    let folder = copy_for_all()?;
    let copy = folder.path().join("tcpcong");
    let output = Command::new(&copy).arg("1").uid(65_534).gid(65_534).output()?;
    let message = stderr(&output);
    ensure!(output.status.code() == Some(3), "{output:?}");
    ensure!(output.stdout.is_empty() && message.lines().count() == 1, "{output:?}");
    for part in ["CAP_BPF", "CAP_PERFMON", "sudo", "setcap"] {
        ensure!(message.contains(part), "{part} is not in: {message}");
    }
    let demo = Command::new(&copy).arg("demo").uid(65_534).gid(65_534).output()?;
    ensure!(demo.status.code() == Some(3), "{demo:?}");
    Ok(())
}

#[test]
fn what_is_missing_around_it_is_named_with_its_mend() -> Result<()> {
    if !need_root("what_is_missing_around_it_is_named_with_its_mend") {
        return Ok(());
    }
    let tool = command().get_program().to_string_lossy().into_owned();
    for (shell, code, expected) in [
        (&hiding("/sys"), 3, "mount -t sysfs sysfs /sys"),
        // The programs need no /proc.
        (&hiding("/proc"), 0, "mount -t proc proc /proc"),
    ] {
        let output = Command::new("sh").args(["-c", &shell.replace("TOOL", &tool)]).output()?;
        let message = stderr(&output);
        ensure!(output.status.code() == Some(code) && message.contains(expected), "{output:?}");
        ensure!(code == 0 || message.lines().count() == 1, "{message}");
    }
    Ok(())
}

/// What runs the tool where nothing is mounted at this point.
fn hiding(point: &str) -> String {
    format!("exec unshare -m sh -c 'mount -t tmpfs none {point}; exec TOOL 0.2 1'")
}

#[test]
fn each_signal_gives_the_last_report_and_exit_code_0() -> Result<()> {
    if !need_root("each_signal_gives_the_last_report_and_exit_code_0") {
        return Ok(());
    }
    for asked in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        for arguments in [&[][..], &["60"][..]] {
            let (mut child, mut lines) = started(arguments)?;
            signal(&child, asked)?;
            let mut rest = String::new();
            lines.read_to_string(&mut rest)?;
            ensure!(rest.starts_with('\n'), "no last report: {rest:?}");
            let status = child.wait()?;
            ensure!(status.code() == Some(0), "{asked}: {status}");
            let mut remarks = String::new();
            child.stderr.take().context("no stderr")?.read_to_string(&mut remarks)?;
            ensure!(remarks.lines().last().is_some_and(|line| line.starts_with("tcpcong: ")));
        }
    }
    Ok(())
}

#[test]
fn a_second_signal_ends_at_once() -> Result<()> {
    if !need_root("a_second_signal_ends_at_once") {
        return Ok(());
    }
    let (mut child, _lines) = started(&["60"])?;
    // Stopped, it meets both signals together, in whatever it is doing.
    signal(&child, Signal::SIGSTOP)?;
    signal(&child, Signal::SIGINT)?;
    signal(&child, Signal::SIGTERM)?;
    signal(&child, Signal::SIGCONT)?;
    let status = child.wait()?;
    ensure!(matches!(status.code(), Some(130 | 143)), "{status}");
    Ok(())
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() -> Result<()> {
    if !need_root("a_reader_that_goes_away_ends_it_quietly") {
        return Ok(());
    }
    // With an interval it notices when it writes, without one while it waits.
    for arguments in [&["0.1"][..], &[][..]] {
        let (mut child, lines) = started(arguments)?;
        drop(lines);
        let deadline = Instant::now() + Duration::from_secs(10);
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            ensure!(Instant::now() < deadline, "{arguments:?}: it goes on without a reader");
            pause(Duration::from_millis(20));
        };
        let mut remarks = String::new();
        child.stderr.take().context("no stderr")?.read_to_string(&mut remarks)?;
        ensure!(status.code() == Some(0) && remarks.is_empty(), "{status}: {remarks}");
    }
    Ok(())
}

#[test]
fn remarks_that_cannot_be_written_cost_no_data() -> Result<()> {
    if !need_root("remarks_that_cannot_be_written_cost_no_data") {
        return Ok(());
    }
    let full = std::fs::File::options().write(true).open("/dev/full")?;
    let output = command().args(["-d", "0.1", "3"]).stderr(full).output()?;
    ensure!(output.status.code() == Some(0), "{output:?}");
    let data = String::from_utf8(output.stdout)?;
    ensure!(data.starts_with(&format!("{BANNER}\n")), "{data}");
    let data = std::fs::File::options().write(true).open("/dev/full")?;
    let output = command().args(["0.1", "3"]).stdout(data).output()?;
    ensure!(output.status.code() == Some(1), "{output:?}");
    ensure!(stderr(&output).contains("writing to stdout: No space left on device"), "{output:?}");
    Ok(())
}

#[test]
fn after_nohup_a_hangup_ends_nothing() -> Result<()> {
    if !need_root("after_nohup_a_hangup_ends_nothing") {
        return Ok(());
    }
    let mut nohup = Command::new("nohup");
    nohup.arg(command().get_program()).args(["-L", "1", "0.3", "3"]);
    let mut child = nohup.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("no stdout")?);
    let mut text = String::new();
    lines.read_line(&mut text)?;
    signal(&child, Signal::SIGHUP)?;
    lines.read_to_string(&mut text)?;
    ensure!(child.wait()?.success() && text == format!("{BANNER}\n\n\n"), "{text:?}");
    Ok(())
}

#[test]
fn killed_it_leaves_nothing_in_the_kernel() -> Result<()> {
    if !need_root("killed_it_leaves_nothing_in_the_kernel") {
        return Ok(());
    }
    let (mut child, _lines) = started(&["60"])?;
    let mine = ids_held_by(child.id())?;
    ensure!(mine.len() >= 3, "{mine:?}");
    signal(&child, Signal::SIGKILL)?;
    let status = child.wait()?;
    ensure!(status.signal() == Some(Signal::SIGKILL as i32), "{status}");
    // The kernel frees them a moment later.
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let there: Vec<_> = libbpf_rs::query::ProgInfoIter::default()
            .map(|program| program.id)
            .filter(|id| mine.contains(id))
            .collect();
        if there.is_empty() {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "the programs {there:?} are still loaded");
        pause(Duration::from_millis(20));
    }
}

/// The ids of the BPF programs that a process holds, by `/proc/PID/fdinfo`.
fn ids_held_by(pid: u32) -> Result<Vec<u32>> {
    let mut ids = Vec::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/fdinfo"))? {
        let info = std::fs::read_to_string(entry?.path()).unwrap_or_default();
        let is_program = info.lines().any(|line| line.starts_with("prog_type:"));
        let id = info.lines().find_map(|line| line.strip_prefix("prog_id:"));
        if let (true, Some(id)) = (is_program, id) {
            ids.push(id.trim().parse()?);
        }
    }
    Ok(ids)
}

#[test]
fn the_demo_shows_all_five_states() -> Result<()> {
    let test = "the_demo_shows_all_five_states";
    let tun = std::path::Path::new("/dev/net/tun").exists();
    if !need_root(test) || !need(test, tun, "/dev/net/tun") {
        return Ok(());
    }
    let output = run(&["demo", "--seconds", "8", "-u"])?;
    ensure!(output.status.success(), "{output:?}");
    let table = String::from_utf8(output.stdout)?;
    let rows = table.lines().filter(|line| line.starts_with("198.18."));
    let mut sums = [0_u64; 5];
    for row in rows {
        for (sum, time) in sums.iter_mut().zip(row.split_whitespace().skip(2)) {
            *sum += time.parse::<u64>()?;
        }
    }
    ensure!(sums.iter().all(|time_us| *time_us > 0), "{sums:?} in\n{table}");
    ensure!(table.matches("LAddrPort").count() == 8, "{table}");
    Ok(())
}

#[test]
fn a_case_of_the_demo_has_verdicts_at_both_ends() -> Result<()> {
    let name = "a_case_of_the_demo_has_verdicts_at_both_ends";
    let tun = std::path::Path::new("/dev/net/tun").exists();
    if !need_root(name) || !need(name, tun, "/dev/net/tun") {
        return Ok(());
    }
    let arguments = "demo --case stopped-reader --cc reno --seconds 4";
    let output = run(&arguments.split(' ').collect::<Vec<_>>())?;
    ensure!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout)?;
    let heads: Vec<_> = text.lines().filter(|line| line.contains(" 198.19.")).collect();
    let is_near = |line: &&&str| line.contains(":7010 pid") && line.ends_with(" reno");
    ensure!(heads.len() == 2 && heads.iter().filter(is_near).count() == 1, "{text}");
    ensure!(heads.iter().any(|line| line.starts_with("receiver window")), "{text}");
    let remarks = String::from_utf8(output.stderr)?;
    ensure!(remarks.contains("To be expected: receiver window at the sender;"), "{remarks}");

    let unknown = run(&["demo", "--case", "ecn", "--cc", "nonesuch"])?;
    ensure!(unknown.status.code() == Some(2) && unknown.stdout.is_empty(), "{unknown:?}");
    let message = String::from_utf8(unknown.stderr)?;
    ensure!(message.starts_with("tcpcong: --cc nonesuch: "), "{message}");
    ensure!(message.lines().count() == 1, "{message}");
    Ok(())
}
