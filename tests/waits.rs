//! The waits before timeouts, on real traffic over the demo's paths, against the kernel's
//! trace events; and time in Loss against what the kernel itself counts of that.
//! Not what a timeout costs: that is the rules'.

mod support;

use std::collections::BTreeMap;
use std::net::{SocketAddr, SocketAddrV4};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use nix::time::{ClockId, clock_getres};
use serde_json::Value;
use support::info::{Figure, Socket};
use support::ledger::LOSS;
use support::needs::{need, need_root};
use support::quiet::{Quiet, is_possible, name_device};
use support::rows::{number, printed, reports};
use support::tool::pause;
use support::trace::{Trace, ends};
use support::truth::monotonic_ns;
use tcpcong::demo::cases::{self, Running};
use tcpcong::path::Path as DemoPath;

const NEAR_PORT: u16 = 40_000;
/// How names of near ends' devices begin.
const DEVICES: &str = "waits";
/// What this kernel may not trace.
const EVENTS: &str = "tcp_probe, tcp_retransmit_skb and net_dev_start_xmit";

/// A case under way, and the name of its near end's device.
struct Stage {
    case: Running,
    device: String,
}

impl Stage {
    fn new(name: &str) -> Result<Self> {
        let case = cases::run(name, "cubic")?;
        let [.., network, host] = case.near_endpoints().0.ip().octets();
        let device = format!("{DEVICES}{network}-{host}");
        name_device(&case.path().near().path(), DemoPath::DEVICE, &device)?;
        Ok(Self { case, device })
    }

    fn ends(&self) -> (SocketAddrV4, SocketAddrV4) {
        self.case.near_endpoints()
    }
}

/// What the kernel counts its timers in, nanoseconds.
fn tick_ns() -> Result<u64> {
    let tick = Duration::from(clock_getres(ClockId::CLOCK_MONOTONIC_COARSE)?);
    Ok(u64::try_from(tick.as_nanos())?)
}

fn is_timeout(transition: &Value) -> bool {
    ["rto", "rto-repeat", "syn-timeout"].iter().any(|cause| transition["cause"] == *cause)
}

/// The transitions of one flow.
fn of(transitions: &[Value], (local, remote): (SocketAddrV4, SocketAddrV4)) -> Result<Vec<&Value>> {
    let wanted = [SocketAddr::V4(local), SocketAddr::V4(remote)];
    let mut its = Vec::new();
    for transition in transitions {
        if ends(transition)? == wanted {
            its.push(transition);
        }
    }
    Ok(its)
}

fn can_run(test: &str) -> bool {
    need_root(test)
        && need(test, Path::new("/dev/net/tun").exists(), "/dev/net/tun")
        && need(test, is_possible(), EVENTS)
}

#[test]
fn waits_are_within_a_tick_of_the_kernels_events() -> Result<()> {
    let test = "waits_are_within_a_tick_of_the_kernels_events";
    if !can_run(test) {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("waits.jsonl.zst");
    let file = file.to_str().context("its name")?;
    let trace = Trace::start(&["--raddr", "198.19.0.0/16", "--record", file])?;
    let quiet = Quiet::start(NEAR_PORT, Running::PORT, DEVICES)?;
    let names = ["tail-loss", "outage", "black-hole", "not-answered"];
    let stages = names.iter().map(|name| Stage::new(name)).collect::<Result<Vec<_>>>()?;
    // The outage is over after 4.5 s, and what came of it after 6.
    pause(Duration::from_secs(7));
    let interrupted_ns = monotonic_ns()?;
    let told = trace.finish()?;
    let connections: Vec<_> =
        stages.iter().map(|stage| (stage.ends(), stage.device.clone())).collect();
    let stories = quiet.finish(&connections)?;
    ensure!(told.dropped == 0, "{} were dropped", told.dropped);

    let most_ns = tick_ns()?;

    let mut sums = BTreeMap::new();
    for ((name, stage), story) in names.iter().zip(&stages).zip(&stories) {
        let timeouts = story.timeouts().with_context(|| (*name).to_owned())?;
        let its = of(&told.transitions, stage.ends())?;
        let told: Vec<_> = its.into_iter().filter(|one| is_timeout(one)).collect();
        let mut before = None;
        let mut compared = 0;
        for truth in &timeouts {
            let was_hidden = before.replace(truth).is_some_and(|before| before.hidden);
            let same = |one: &&&Value| {
                one["at_ns"].as_u64().is_some_and(|at_ns| at_ns.abs_diff(truth.at_ns) < most_ns)
            };
            let Some(told) = told.iter().find(same) else {
                // One that comes as the tool ends may be the kernel's alone.
                let is_late = truth.at_ns + 500_000_000 > interrupted_ns;
                ensure!(truth.hidden || is_late, "{name}: {truth:?} is missing");
                continue;
            };
            let waited_ns = number(told, "waited_ns")?;
            let off_ns = waited_ns.abs_diff(truth.waited_ns);
            println!("{name}: {} waited {waited_ns}, {}: {off_ns}", told["cause"], truth.waited_ns);
            // In a handshake it is since the timeout before, if that was seen.
            let is_known = told["cause"] != "syn-timeout" || !was_hidden;
            ensure!(off_ns <= most_ns || !is_known, "{name}: {waited_ns}, {truth:?}");
            compared += 1;
            let state = told["from"].as_str().context("no state")?.to_lowercase();
            *sums.entry((stage.ends(), state)).or_insert(0) += waited_ns;
            *sums.entry((stage.ends(), String::new())).or_insert(0) += waited_ns;
        }
        ensure!(compared == told.len(), "{name}: {} were not timeouts", told.len() - compared);
    }
    rows_sum_up(file, &stages, &sums)
}

/// `waited` of the rows, in all states and in each, is what the transitions have.
fn rows_sum_up(
    file: &str,
    stages: &[Stage],
    sums: &BTreeMap<((SocketAddrV4, SocketAddrV4), String), u64>,
) -> Result<()> {
    let columns = "laddr,lport,raddr,rport,waited,waited_open,waited_disorder,waited_loss,rtos";
    let reports = reports(&printed(&["--from", file, "-o", columns, "1"])?)?;
    for stage in stages {
        for (state, column) in [
            ("", "waited_ns"),
            ("open", "waited_open_ns"),
            ("disorder", "waited_disorder_ns"),
            ("loss", "waited_loss_ns"),
        ] {
            let rows = reports.iter().filter_map(|report| report.of(stage.ends()));
            let shown = rows.map(|row| row[column].as_u64().unwrap_or(0)).sum::<u64>();
            let expected = sums.get(&(stage.ends(), state.to_owned())).copied().unwrap_or(0);
            ensure!(
                shown == expected,
                "{} {column}: {shown}, not {expected}",
                stage.case.case().name
            );
        }
    }
    Ok(())
}

/// What a recording has at the end of a flow's near end.
fn recorded_rto_time_ms(file: &str, ends: (SocketAddrV4, SocketAddrV4)) -> Result<u64> {
    let output = Command::new("zstd").args(["-dc", file]).output().context("running zstd")?;
    for line in String::from_utf8(output.stdout)?.lines() {
        let line: Value = serde_json::from_str(line)?;
        let is_its = line["laddr"] == ends.0.ip().to_string() && line["lport"] == ends.0.port();
        if line["type"] == "end" && is_its {
            return Ok(line["total_rto_time_ms"].as_u64().unwrap_or(0));
        }
    }
    bail!("the recording has no end of {}", ends.0)
}

/// From 6.7 on the kernel counts how long timeouts have lasted (`tcpi_total_rto_time`,
/// milliseconds): from the first one without progress since, after its retransmission
/// (`tcp_update_rto_stats()`, `net/ipv4/tcp_timer.c`), to the ACK that takes the socket out of
/// Loss (`tcp_update_rto_time()`, `net/ipv4/tcp_input.c`). That is the time in Loss; but where
/// an ACK brings progress within Loss and the timer runs out again, the count starts again
/// and what was before is lost to it, which `tcpi_total_rto_recoveries` shows.
#[test]
fn time_in_loss_is_what_the_kernel_counts_for_timeouts() -> Result<()> {
    let test = "time_in_loss_is_what_the_kernel_counts_for_timeouts";
    if !can_run(test) {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("loss.jsonl.zst");
    let file = file.to_str().context("its name")?;
    let trace = Trace::start(&["--raddr", "198.19.0.0/16", "--record", file])?;
    let quiet = Quiet::start(NEAR_PORT, Running::PORT, DEVICES)?;
    let running = ["tail-loss", "outage"].map(|name| cases::run(name, "cubic"));
    let running = running.into_iter().collect::<Result<Vec<_>, _>>()?;
    let sockets = running.iter().map(|case| {
        let (local, remote) = case.near_endpoints();
        Socket::find(local, remote)
    });
    let sockets = sockets.collect::<Result<Vec<_>>>()?;
    if !need(test, sockets[0].info()?.has(Figure::TotalRtoTime).is_some(), "Linux 6.7") {
        return Ok(());
    }
    pause(Duration::from_millis(7_500));
    let mut counted = Vec::new();
    for (case, socket) in running.iter().zip(&sockets) {
        // Between two timeouts nothing of it goes on.
        let info = loop {
            let info = socket.info()?;
            if info.get(Figure::CaState)? < u64::from(LOSS) {
                break info;
            }
            pause(Duration::from_millis(5));
        };
        counted.push((case.case().name, case.near_endpoints(), info));
    }
    // What their ends show is in the recording.
    drop((sockets, running));
    let told = trace.finish()?;
    let connections: Vec<_> = counted.iter().map(|(_, ends, _)| (*ends, String::new())).collect();
    let stories = quiet.finish(&connections)?;
    for ((name, ends, info), story) in counted.into_iter().zip(&stories) {
        if story.hidden > 0 {
            println!("{name}: {} events were hidden from programs", story.hidden);
            continue;
        }
        let (mut loss_ns, mut spells, mut timeouts) = (0, 0, 0);
        let mut is_last = true;
        for one in of(&told.transitions, ends)? {
            if number(one, "at_ns")? > info.at_ns {
                is_last = false;
                break;
            }
            timeouts += u64::from(is_timeout(one));
            if one["from"] == "loss" && one["to"] != "loss" {
                loss_ns += number(one, "spell_ns")?;
                spells += 1;
            }
        }
        let kernel_ms = info.get(Figure::TotalRtoTime)?;
        let recoveries = info.get(Figure::TotalRtoRecoveries)?;
        println!(
            "{name}: {:.1} ms in Loss, {spells} spells, {timeouts} timeouts; kernel {kernel_ms} \
             ms, {recoveries}, {}",
            loss_ns as f64 / 1e6,
            info.get(Figure::TotalRto)?
        );
        ensure!(info.get(Figure::TotalRto)? == timeouts && timeouts > 0, "{name}: {timeouts}");
        let counted_ns = kernel_ms * 1_000_000;
        let slack_ns = 2_000_000 * spells;
        ensure!(counted_ns <= loss_ns + slack_ns, "{name}: {counted_ns}, {loss_ns}");
        ensure!(recoveries > spells || counted_ns + slack_ns >= loss_ns, "{name}: {loss_ns}");
        let recorded_ms = recorded_rto_time_ms(file, ends)?;
        let is_same = recorded_ms == kernel_ms || !is_last && recorded_ms > kernel_ms;
        ensure!(is_same, "{name}: {recorded_ms} recorded, {kernel_ms}");
    }
    Ok(())
}
