//! Lives with something special about them: how they begin, end, hide, or repeat.
//! Ordinary congestion is in `accuracy`.

mod support;

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use support::compare::compare;
use support::lab::Lab;
use support::ledger::{LOSS, Ledger, RECOVERY};
use support::needs::need_root;
use support::netns::Netns;
use support::server::{Counts, Server};
use support::tool::{Report, Tool, pause};
use support::traffic::{Amount, Dial, Ending, Sender, short_connections};
use support::truth::{Event, Truth, What, monotonic_ns};

const SECOND: Duration = Duration::from_secs(1);
/// Of `sk_state`: `include/net/tcp_states.h`.
const SYN_RECV: u32 = 3;
const FIN_WAIT1: u32 = 4;
/// No first retransmission timer is longer on a connection that has sent.
const UNTIL_LOSS: Duration = Duration::from_millis(1500);

fn until(server: &Server, enough: impl Fn(&Counts) -> bool) -> Result<()> {
    server.wait_until(20 * SECOND, enough).map(drop)
}

/// The time that the rows of the flow from `local` give to `state`.
fn time_ns(reports: &[Report], local: SocketAddr, state: u8) -> u64 {
    let rows = reports.iter().flat_map(|report| &report.flows);
    rows.filter(|row| row.local == local).map(|row| row.times_ns[usize::from(state)]).sum()
}

/// One line for those who run with `--nocapture`.
fn told(name: &str, outcome: &support::compare::Outcome) {
    println!("{name}: {outcome:?}");
}

#[test]
fn a_socket_silent_in_loss_since_before_the_start_is_in_the_first_report() -> Result<()> {
    if !need_root("a_socket_silent_in_loss_since_before_the_start_is_in_the_first_report") {
        return Ok(());
    }
    let lab = Lab::new("before")?;
    lab.bottleneck("100mbit", "32k", "60k")?;
    let server = Server::listen(&lab.server, (lab.server_v4(), 0).into())?;
    let sender = Sender::start(&lab.client, &Dial::to(server.address()), Amount::UntilStopped)?;
    until(&server, |counts| counts.read_bytes > 2_000_000)?;
    lab.silence(true)?;
    // Several timeouts, so that the next one is seconds away.
    pause(5 * SECOND);
    let truth = Truth::start()?;
    let mut tool = Tool::start(&["0.2"])?;
    let report = tool.report()?.context("no report")?;
    let record = truth.finish()?;
    let eventful = record.events.iter().any(|event| {
        event.saddr == lab.client_v4()
            && event.at_ns <= report.to_ns
            && event.sport == sender.local.port()
    });
    println!("an event of its own in the first interval: {eventful}");
    let [row] = report.of(sender.local, sender.remote)[..] else {
        anyhow::bail!("no row, or two: {report:?}")
    };
    ensure!(row.state == "loss" && row.exact, "{row:?}");
    ensure!(row.times_ns[usize::from(LOSS)] == report.to_ns - report.from_ns, "{row:?}");
    ensure!(row.changes == 0, "{row:?}");
    // Known since the start only.
    ensure!(row.spell_ns == report.to_ns - report.from_ns, "{row:?}");
    let again = tool.finish()?;
    ensure!(again.iter().all(|report| report.of(sender.local, sender.remote).len() == 1));
    lab.silence(false)?;
    sender.stop(Ending::Reset).map(drop)
}

#[test]
fn a_silent_peer_is_loss_in_the_handshake() -> Result<()> {
    if !need_root("a_silent_peer_is_loss_in_the_handshake") {
        return Ok(());
    }
    let lab = Lab::new("syn")?;
    let peer = SocketAddr::new(lab.silent_v4()?, 80);
    let truth = Truth::start()?;
    let tool = Tool::start(&["0.5"])?;
    let dial = Dial::to(peer).from(lab.client_v4(), 34_567);
    let connected = dial.connect(&lab.client, Duration::from_millis(2500));
    ensure!(connected.is_err(), "nobody is at {peer}");
    let reports = tool.finish()?;
    let ours = [lab.client_v4(), peer.ip()];
    let outcome = compare(&reports, &Ledger::new(&truth.finish()?), |ip| ours.contains(&ip))?;
    told("SYN timeout", &outcome);
    let local = SocketAddr::new(lab.client_v4(), 34_567);
    // The first SYN is repeated after a second.
    let loss_ns = time_ns(&reports, local, LOSS);
    ensure!(
        outcome.uncertain > 0 || (1_200_000_000..1_700_000_000).contains(&loss_ns),
        "{loss_ns}"
    );
    Ok(())
}

#[test]
fn a_reset_in_recovery_ends_the_row_in_recovery() -> Result<()> {
    if !need_root("a_reset_in_recovery_ends_the_row_in_recovery") {
        return Ok(());
    }
    let lab = Lab::new("recovery")?;
    lab.bottleneck("20mbit", "8k", "20k")?;
    let server = Server::listen(&lab.server, (lab.server_v4(), 0).into())?;
    let dial = Dial::to(server.address()).congestion_control("cubic");
    let truth = Truth::start()?;
    let tool = Tool::start(&["0.5"])?;
    // Where a close falls is chance: of so many some fall into Recovery.
    for round in 1..=8_usize {
        let start = |_| Sender::start(&lab.client, &dial, Amount::UntilStopped);
        let senders = (0..4).map(start).collect::<Result<Vec<_>>>()?;
        let read = server.counts().read_bytes;
        until(&server, |counts| counts.read_bytes > read + 300_000)?;
        for sender in senders {
            sender.stop(Ending::Reset)?;
        }
        until(&server, |counts| counts.closed == 4 * round)?;
    }
    let reports = tool.finish()?;
    let ours = [lab.client_v4(), lab.server_v4()];
    let outcome = compare(&reports, &Ledger::new(&truth.finish()?), |ip| ours.contains(&ip))?;
    told("reset in recovery", &outcome);
    let rows = || reports.iter().flat_map(|report| &report.flows).filter(|row| row.ended);
    ensure!(rows().any(|row| row.state == "recovery"), "no close fell into Recovery");
    ensure!(rows().all(|row| row.spell_ns == 0));
    ensure!(outcome.by_state_ns[usize::from(RECOVERY)] > 0);
    Ok(())
}

#[test]
fn a_reset_in_loss_ends_the_loss() -> Result<()> {
    if !need_root("a_reset_in_loss_ends_the_loss") {
        return Ok(());
    }
    let lab = Lab::new("reset")?;
    let server = Server::listen(&lab.server, (lab.server_v4(), 0).into())?;
    let truth = Truth::start()?;
    let tool = Tool::start(&["0.5"])?;
    let sender = Sender::start(&lab.client, &Dial::to(server.address()), Amount::UntilStopped)?;
    until(&server, |counts| counts.read_bytes > 1_000_000)?;
    lab.silence(true)?;
    pause(UNTIL_LOSS);
    // Its next retransmission is answered with a reset.
    lab.reject(true)?;
    let local = sender.local;
    ensure!(sender.wait().is_err(), "the router had reset it");
    let reports = tool.finish()?;
    let ours = [lab.client_v4(), lab.server_v4()];
    let outcome = compare(&reports, &Ledger::new(&truth.finish()?), |ip| ours.contains(&ip))?;
    told("RST in Loss", &outcome);
    let rows: Vec<_> =
        reports.iter().flat_map(|report| &report.flows).filter(|row| row.local == local).collect();
    let last = rows.last().context("no row")?;
    ensure!(last.ended && (last.state == "loss" || outcome.uncertain > 0), "{last:?}");
    ensure!(rows.iter().filter(|row| row.ended).count() == 1, "{rows:?}");
    Ok(())
}

#[test]
fn the_same_addresses_alive_in_two_namespaces_are_two_rows() -> Result<()> {
    if !need_root("the_same_addresses_alive_in_two_namespaces_are_two_rows") {
        return Ok(());
    }
    let twin = |which| Netns::new(&format!("tcpcong-twin-{}-{which}", std::process::id()));
    let twins = [twin("a")?, twin("b")?];
    let local = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 40_404);
    let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 7_070);
    let servers = [Server::listen(&twins[0], address)?, Server::listen(&twins[1], address)?];
    // Slower than the servers read: over a closed window nothing would be lost.
    let dial = Dial::to(address).from(local.ip(), local.port()).paced(20_000_000);
    let tool = Tool::start(&["0.5"])?;
    let senders = [
        Sender::start(&twins[0], &dial, Amount::UntilStopped)?,
        Sender::start(&twins[1], &dial, Amount::UntilStopped)?,
    ];
    for server in &servers {
        until(server, |counts| counts.read_bytes > 1_000_000)?;
    }
    for netns in &twins {
        let chain = "chain input { type filter hook input priority 0; drop; };";
        netns.run("nft", &[&format!("table inet silence {{ {chain} }};")])?;
    }
    pause(2 * SECOND);
    let reports = tool.finish()?;
    for sender in senders {
        sender.stop(Ending::Reset)?;
    }
    let last = reports.last().context("no report")?;
    let rows = last.of(local, address);
    ensure!(rows.len() == 2, "{last:?}");
    ensure!(rows[0].netns != rows[1].netns, "{rows:?}");
    ensure!(rows.iter().all(|row| row.times_ns[usize::from(LOSS)] == last.to_ns - last.from_ns));
    Ok(())
}

#[test]
fn two_thousand_short_connections_are_all_counted_and_leave_nothing() -> Result<()> {
    if !need_root("two_thousand_short_connections_are_all_counted_and_leave_nothing") {
        return Ok(());
    }
    let lab = Lab::new("short")?;
    let server = Server::listen(&lab.server, (lab.server_v4(), 0).into())?;
    let truth = Truth::start()?;
    let port = server.address().port().to_string();
    let mut tool = Tool::start(&["--all", "-R", &port, "0.5"])?;
    short_connections(&lab.client, &Dial::to(server.address()), 2000, 1000)?;
    until(&server, |counts| counts.closed == 2000)?;
    // An end that the machine hid is found by two surveys, a second apart each.
    let done_ns = monotonic_ns()? + 4_000_000_000;
    let mut reports = Vec::new();
    let alive = loop {
        let report = tool.report()?.context("the tool has ended")?;
        let (alive, at_ns) = (report.sum("flows_alive")?, report.to_ns);
        reports.push(report);
        if alive == 0 && at_ns + 3_000_000_000 > done_ns || at_ns > done_ns {
            break alive;
        }
    };
    reports.extend(tool.finish()?);
    let ledger = Ledger::new(&truth.finish()?);
    let ended = reports.iter().flat_map(|report| &report.flows).filter(|row| row.ended).count();
    let hidden = ledger.flows_of(lab.server_v4()).filter(|life| !life.uncertain.is_empty()).count();
    println!(
        "2000 connections: {ended} ended rows, {alive} left alive, {hidden} had a hidden event"
    );
    ensure!(alive == 0, "{alive} flows are left behind in the map");
    ensure!(ended <= 2000 && ended + hidden >= 2000, "{ended} rows of 2000 connections");
    Ok(())
}

#[test]
fn a_child_closed_before_it_is_established_is_left_out_by_a_filter() -> Result<()> {
    if !need_root("a_child_closed_before_it_is_established_is_left_out_by_a_filter") {
        return Ok(());
    }
    let lab = Lab::new("child")?;
    // Data in the SYN without a cookie, and for every listener.
    lab.client.sysctl("net.ipv4.tcp_fastopen", "5")?;
    lab.server.sysctl("net.ipv4.tcp_fastopen", "1538")?;
    let listener = lab.in_server(|| TcpListener::bind((lab.server_v4(), 0)))??;
    let truth = Truth::start()?;
    // No client has that port.
    let port = listener.local_addr()?.port().to_string();
    let start = |raddr: &str| Tool::start(&["--all", "-L", &port, "--raddr", raddr, "0.5"]);
    let (elsewhere, there) = (start("192.0.2.0/24")?, start(&lab.client_v4().to_string())?);
    // The SYN arrives, and no answer to it.
    lab.forward(&format!("ip saddr {} drop", lab.server_v4()))?;
    let dial = Dial::to(listener.local_addr()?).from(lab.client_v4(), 34_583).fast_open();
    let mut client = dial.connect(&lab.client, 10 * SECOND)?;
    client.write_all(&[0; 1000])?;
    let (mut child, _) = listener.accept()?;
    child.read_exact(&mut [0; 1000])?;
    drop(child);
    pause(SECOND);
    let closed = |event: &Event| {
        let is = matches!(event.what, What::TcpState { from: SYN_RECV, to: FIN_WAIT1, .. });
        is && event.saddr == lab.server_v4()
    };
    ensure!(truth.finish()?.events.iter().any(closed), "no child was closed in SYN_RECV");
    for (tool, alive) in [(elsewhere, 0), (there, 1)] {
        let reports = tool.finish()?;
        let most = reports.iter().map(|report| report.sum("flows_alive"));
        let most = most.collect::<Result<Vec<_>>>()?.into_iter().max();
        ensure!(most == Some(alive), "{most:?} flows, not {alive}");
    }
    Ok(())
}

#[test]
fn a_map_made_too_small_is_said_and_what_fits_is_right() -> Result<()> {
    if !need_root("a_map_made_too_small_is_said_and_what_fits_is_right") {
        return Ok(());
    }
    let lab = Lab::new("small")?;
    let server = Server::listen(&lab.server, (lab.server_v4(), 0).into())?;
    let port = server.address().port().to_string();
    let mut tool = Tool::start(&["--all", "--max-flows", "4", "-R", &port, "0.5"])?;
    let dial = Dial::to(server.address());
    let start = |_| Sender::start(&lab.client, &dial, Amount::UntilStopped);
    let senders = (0..10).map(start).collect::<Result<Vec<_>>>()?;
    until(&server, |counts| counts.read_bytes > 1_000_000)?;
    let next = |tool: &mut Tool| tool.report()?.context("no report");
    let mut reports = vec![next(&mut tool)?, next(&mut tool)?];
    reports.extend(tool.finish()?);
    drop(senders);
    let refused: u64 =
        reports.iter().map(|report| report.sum("flows_refused")).sum::<Result<u64>>()?;
    let most = reports.iter().map(|report| report.flows.len()).max().unwrap_or(0);
    println!("room for 4, 10 connections: {refused} refused, {most} rows");
    ensure!(most == 4, "{most} rows in a map for 4");
    // Born in the first interval, alive until the end.
    for report in &reports[1..] {
        let whole = report.to_ns - report.from_ns;
        // One whose birth the machine hid is met later, and marked.
        let exact = report.flows.iter().filter(|row| row.exact);
        let sums = exact.map(|row| row.times_ns.iter().sum::<u64>());
        ensure!(sums.clone().all(|sum| sum == whole), "{:?} of {whole}", sums.collect::<Vec<_>>());
    }
    // Of the six, the machine may have hidden a birth.
    ensure!((5..=6).contains(&refused), "{refused} refused");
    ensure!(reports.iter().any(|report| report.sums["exact"] == false), "{reports:?}");
    Ok(())
}

#[test]
fn a_port_filter_keeps_everything_else_out() -> Result<()> {
    if !need_root("a_port_filter_keeps_everything_else_out") {
        return Ok(());
    }
    let lab = Lab::new("filter")?;
    let server = Server::listen(&lab.server, (lab.server_v4(), 0).into())?;
    let port = server.address().port();
    let within = Dial::to(server.address()).from(lab.client_v4(), 34_101);
    let range = Tool::start(&["--all", "-L", "34110-34100", "0.5"])?;
    let nothing = Tool::start(&["--all", "-L", "1-5", "0.5"])?;
    let both = Tool::start(&["--all", "-L", "34101", "-R", &port.to_string(), "0.5"])?;
    let sender = Sender::start(&lab.client, &within, Amount::Bytes(100_000))?;
    let other = Dial::to(server.address()).from(lab.client_v4(), 34_111);
    let others = Sender::start(&lab.client, &other, Amount::Bytes(100_000))?;
    sender.wait()?;
    others.wait()?;
    // Refused before it is established: the port it had counts all the same.
    let closed = SocketAddr::new(lab.server_v4(), if port == 9 { 10 } else { 9 });
    for from in [34_102, 34_112] {
        let refused = Dial::to(closed).from(lab.client_v4(), from).connect(&lab.client, SECOND);
        ensure!(refused.is_err(), "somebody is at {closed}");
    }
    for (tool, expected) in [(range, &[34_101, 34_102][..]), (nothing, &[]), (both, &[34_101])] {
        let reports = tool.finish()?;
        let rows = reports.iter().flat_map(|report| &report.flows);
        let mut ports: Vec<_> = rows.map(|row| row.local.port()).collect();
        ports.sort_unstable();
        ports.dedup();
        let missed =
            reports.iter().map(|report| report.sum("births_missed")).sum::<Result<u64>>()?;
        ensure!(ports == expected || missed > 0, "{ports:?} in place of {expected:?}");
        ensure!(ports.iter().all(|port| expected.contains(port)), "{ports:?}");
    }
    Ok(())
}

#[test]
fn rtos_are_as_many_as_the_kernel_counts_timeouts() -> Result<()> {
    if !need_root("rtos_are_as_many_as_the_kernel_counts_timeouts") {
        return Ok(());
    }
    // A machine may hide an event from programs, and a repeated RTO that was hidden shows
    // nowhere; but what the tool itself counts wrongly it counts wrongly each time.
    for _ in 0..3 {
        let [timeouts, rtos, repeated] = timeouts_and_rtos()?;
        println!("{timeouts} timeouts; {rtos} RTOs, of which {repeated} repeated");
        ensure!(rtos <= timeouts && rtos > repeated && repeated > 0);
        if rtos == timeouts && rtos >= repeated + 4 {
            return Ok(());
        }
    }
    bail!("never as many RTOs as timeouts")
}

/// Timeouts as the kernel counts them where four connections meet an outage; RTOs as the tool
/// does, and the repeated ones among them.
fn timeouts_and_rtos() -> Result<[u64; 3]> {
    let lab = Lab::new("rtos")?;
    lab.bottleneck("100mbit", "32k", "60k")?;
    let server = Server::listen(&lab.server, (lab.server_v4(), 0).into())?;
    let mut tool = Tool::start(&["--netns", lab.client.name()])?;
    let before = lab.client.counter("netstat", "TCPTimeouts")?;
    // So slow that the receiver keeps up: a timer that fires at a closed window sets Loss too,
    // and is not counted (tcp_retransmit_timer()).
    let dial = Dial::to(server.address()).congestion_control("cubic").paced(300_000);
    let start = |_| Sender::start(&lab.client, &dial, Amount::UntilStopped);
    let senders = (0..4).map(start).collect::<Result<Vec<_>>>()?;
    until(&server, |counts| counts.read_bytes > 500_000)?;
    lab.silence(true)?;
    // One timeout of each at least, and others that repeat it.
    pause(2 * SECOND);
    lab.silence(false)?;
    let read = server.counts().read_bytes;
    until(&server, |counts| counts.read_bytes > read + 500_000)?;
    senders.into_iter().try_for_each(|sender| sender.stop(Ending::Reset).map(drop))?;
    let timeouts = lab.client.counter("netstat", "TCPTimeouts")? - before;
    tool.interrupt()?;
    let report = tool.report()?.context("no report")?;
    let (rtos, repeated) = (report.sum("rtos")?, report.sum("repeated_rtos")?);
    Ok([timeouts, rtos, repeated])
}
