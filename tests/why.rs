//! Verdicts of `tcpcong why` on real traffic: each is provoked, and a connection
//! beside it, or the same path with another fault, must not get it. Connections on which
//! nothing is answered are in `stalls`; what netem alone can provoke is in `kernels`.

mod support;

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use support::calm::{
    CALM, SECOND, cubic, listen, one_segment_at_a_time, start, start_calm, start_calm_aside,
    start_calm_back, until_read,
};
use support::lab::Lab;
use support::needs::need_root;
use support::netns::Netns;
use support::server::{Appetite, Server};
use support::tool::{command, pause};
use support::traffic::{Dial, Ending, Sender};
use support::watch::{Found, Watch, relied_on};

/// Has both ends agree on ECN.
fn ecn(lab: &Lab) -> Result<()> {
    lab.client.sysctl("net.ipv4.tcp_ecn", "1")?;
    lab.server.sysctl("net.ipv4.tcp_ecn", "1")
}

#[test]
fn a_full_router_is_path_full() -> Result<()> {
    if !need_root("a_full_router_is_path_full") {
        return Ok(());
    }
    let lab = Lab::new("full")?;
    lab.bottleneck("50mbit", "16k", "25k")?;
    let server = listen(&lab)?;
    let watch = Watch::start(6, &[])?;
    let (_back, calm) = start_calm_back(&lab)?;
    let sender = start(&lab, &cubic(&server))?;
    let found = watch.found()?;
    let line = found.is(&sender, "path full")?;
    // Its losses are the full queue's.
    ensure!(line["recoveries"].as_u64() > Some(2), "{line}");
    let mbit = line["rate"].as_f64().context("no rate")? / 1e6;
    ensure!((40.0..50.0).contains(&mbit), "{mbit} Mbit/s of 50");
    found.is(&calm, "healthy")?;
    sender.stop(Ending::Reset).map(drop)
}

#[test]
fn a_router_that_drops_now_and_then_is_path_loss() -> Result<()> {
    if !need_root("a_router_that_drops_now_and_then_is_path_loss") {
        return Ok(());
    }
    let lab = Lab::new("lossy")?;
    one_segment_at_a_time(&lab)?;
    let (server, spared) = (listen(&lab)?, listen(&lab)?);
    let port = server.address().port();
    lab.forward(&format!("tcp dport {port} meta length > 1000 numgen random mod 50 0 drop"))?;
    let watch = Watch::start(3, &[])?;
    let calm = start_calm(&lab, &spared)?;
    let sender = start(&lab, &cubic(&server))?;
    let found = watch.found()?;
    found.is(&sender, "path loss")?;
    found.is(&calm, "healthy")?;
    sender.stop(Ending::Reset).map(drop)
}

#[test]
fn a_server_that_reads_slowly_is_the_receiver_window() -> Result<()> {
    if !need_root("a_server_that_reads_slowly_is_the_receiver_window") {
        return Ok(());
    }
    let lab = Lab::new("rwnd")?;
    let slowly = Appetite::Bites(16 * 1024, Duration::from_millis(20));
    let slow = Server::reading(&lab.server, (lab.server_v4(), 0).into(), slowly)?;
    let server = listen(&lab)?;
    let watch = Watch::start(3, &[])?;
    let calm = start_calm(&lab, &server)?;
    let sender = start(&lab, &cubic(&slow))?;
    let found = watch.found()?;
    found.is(&sender, "receiver window")?;
    found.is(&calm, "healthy")?;
    sender.stop(Ending::Reset).map(drop)
}

#[test]
fn too_little_room_to_write_into_is_the_send_buffer() -> Result<()> {
    if !need_root("too_little_room_to_write_into_is_the_send_buffer") {
        return Ok(());
    }
    let lab = Lab::new("sndbuf")?;
    // What is on its way takes a while, and the window may grow beyond it. Alone and
    // with large writes, so that the kernel's own account has it.
    lab.bottleneck("20mbit", "2k", "1mb")?;
    let server = listen(&lab)?;
    let watch = Watch::start(3, &[])?;
    let (_aside, calm) = start_calm_aside(&lab)?;
    let sender = start(&lab, &cubic(&server).send_buffer(4608))?;
    let found = watch.found()?;
    let line = found.is(&sender, "send buffer")?;
    ensure!(line["sndbuf_limited_ns"].as_u64() > Some(0), "{line}");
    found.is(&calm, "healthy")?;
    sender.stop(Ending::Reset).map(drop)
}

#[test]
fn a_queue_that_does_not_drain_is_a_standing_queue_also_for_acknowledgements() -> Result<()> {
    if !need_root("a_queue_that_does_not_drain_is_a_standing_queue_also_for_acknowledgements") {
        return Ok(());
    }
    let lab = Lab::new("bloat")?;
    lab.bottleneck("20mbit", "4k", "1mb")?;
    let server = listen(&lab)?;
    let watch = Watch::start(8, &[])?;
    let (_aside, calm) = start_calm_aside(&lab)?;
    let (_back, waiting) = start_calm_back(&lab)?;
    let sender = start(&lab, &cubic(&server))?;
    let found = watch.found()?;
    for sender in [&sender, &waiting] {
        let line = found.is(sender, "standing queue")?;
        ensure!(line["queueing_ns"].as_u64() > Some(25_000_000), "{line}");
    }
    found.is(&calm, "healthy")?;
    sender.stop(Ending::Reset).map(drop)
}

#[test]
fn a_word_now_and_then_is_an_idle_application() -> Result<()> {
    if !need_root("a_word_now_and_then_is_an_idle_application") {
        return Ok(());
    }
    let lab = Lab::new("idle")?;
    let server = listen(&lab)?;
    let watch = Watch::start(60, &[])?;
    let calm = start_calm(&lab, &server)?;
    let mut stream = cubic(&server).connect(&lab.client, 5 * SECOND)?;
    for _ in 0..20 {
        stream.write_all(&[0; 1000])?;
        pause(Duration::from_millis(100));
    }
    let found = watch.interrupt()?;
    relied_on(found.on(stream.local_addr()?, stream.peer_addr()?)?, "application idle")?;
    found.is(&calm, "healthy").map(drop)
}

#[test]
fn marks_on_the_way_are_ecn_marking() -> Result<()> {
    if !need_root("marks_on_the_way_are_ecn_marking") {
        return Ok(());
    }
    let lab = Lab::new("ecn")?;
    ecn(&lab)?;
    lab.bottleneck("100mbit", "32k", "4mb")?;
    let (server, unmarked) = (listen(&lab)?, listen(&lab)?);
    let port = server.address().port();
    // What passes the router with a payload is marked now and then.
    let sometimes = "ip ecn ect0 meta length > 1000 numgen random mod 20 0 ip ecn set ce";
    lab.forward(&format!("tcp dport {port} {sometimes}"))?;
    let watch = Watch::start(3, &[])?;
    let calm = start_calm(&lab, &unmarked)?;
    let sender = start(&lab, &cubic(&server))?;
    let found = watch.found()?;
    found.is(&sender, "ECN marking")?;
    found.is(&calm, "healthy")?;
    sender.stop(Ending::Reset).map(drop)
}

#[test]
fn a_full_device_is_the_local_queue_even_where_ecn_was_agreed_on() -> Result<()> {
    if !need_root("a_full_device_is_the_local_queue_even_where_ecn_was_agreed_on") {
        return Ok(());
    }
    let lab = Lab::new("own")?;
    ecn(&lab)?;
    one_segment_at_a_time(&lab)?;
    lab.local_bottleneck("50mbit", "8k", "20k")?;
    let server = listen(&lab)?;
    let watch = Watch::start(3, &[])?;
    let (_back, calm) = start_calm_back(&lab)?;
    // Each connection on its own leaves room in the queue.
    let senders = (0..16).map(|_| start(&lab, &cubic(&server))).collect::<Result<Vec<_>>>()?;
    let found = watch.found()?;
    let mut dropped = 0;
    for sender in &senders {
        let line = found.on(sender.local, sender.remote)?;
        // One or the other is lucky, and waits in that queue without a drop that matters.
        if line["verdict"] != "healthy" && line["verdict"] != "path full" {
            relied_on(line, "local queue")?;
            dropped += 1;
        }
    }
    ensure!(dropped > 8, "only {dropped} of 16");
    found.is(&calm, "healthy").map(drop)
}

#[test]
fn a_full_device_that_drops_parts_is_the_local_queue() -> Result<()> {
    if !need_root("a_full_device_that_drops_parts_is_the_local_queue") {
        return Ok(());
    }
    let lab = Lab::new("parts")?;
    lab.local_bottleneck("50mbit", "8k", "20k")?;
    let server = listen(&lab)?;
    let port = server.address().port().to_string();
    let watch = Watch::start(3, &["-R", &port, "--by", "rport"])?;
    let _senders = (0..8).map(|_| start(&lab, &cubic(&server))).collect::<Result<Vec<_>>>()?;
    let Found(groups) = watch.found()?;
    ensure!(groups.len() == 1 && groups[0]["flows"] == 8, "{groups:?}");
    println!("{}", groups[0]);
    relied_on(&groups[0], "local queue")
}

#[test]
fn overtaking_without_a_retransmission_is_reordering() -> Result<()> {
    if !need_root("overtaking_without_a_retransmission_is_reordering") {
        return Ok(());
    }
    let lab = Lab::new("order")?;
    // What is on its way waits in a queue, so that a round trip is long, and the
    // sender waits some milliseconds before it takes what was overtaken as lost.
    lab.bottleneck("20mbit", "4k", "4mb")?;
    lab.client.sysctl("net.ipv4.tcp_min_rtt_wlen", "1")?;
    one_segment_at_a_time(&lab)?;
    lanes(&lab.client, "c0", "1gbit", "2mbit")?;
    let (server, other) = (listen(&lab)?, listen(&lab)?);
    let dial = Dial::to(server.address()).congestion_control("reno");
    // Another one keeps the queue.
    let _filler =
        start(&lab, &Dial::to(other.address()).congestion_control("reno").send_buffer(256 * 1024))?;
    let sender = start(&lab, &dial.paced(4 * CALM))?;
    let calm = start_calm(&lab, &other)?;
    until_round_trips_are_long(&lab, sender.local)?;
    // Of the three in the slow lane the last is some milliseconds behind.
    let lane = "meta priority set numgen inc mod 16 map { 0-2 : 1:20, 3-15 : 1:10 }";
    let rule = format!("tcp dport {} meta length > 1000 {lane}", server.address().port());
    let chain = format!("chain out {{ type filter hook output priority 0; {rule}; }}");
    lab.client.run("nft", &[&format!("table inet lanes {{ {chain}; }};")])?;
    let watch = Watch::start(6, &[])?;
    let found = watch.found()?;
    found.is(&sender, "reordering")?;
    found.is(&calm, "healthy")?;
    sender.stop(Ending::Reset).map(drop)
}

#[test]
fn overtaking_that_looks_like_loss_is_reordering() -> Result<()> {
    if !need_root("overtaking_that_looks_like_loss_is_reordering") {
        return Ok(());
    }
    let lab = Lab::new("lanes")?;
    one_segment_at_a_time(&lab)?;
    lanes(&lab.router, "r1", "20mbit", "20mbit")?;
    let server = listen(&lab)?;
    let lane = "meta priority set numgen random mod 2 map { 0 : 1:10, 1 : 1:20 }";
    lab.forward(&format!("tcp dport {} {lane}", server.address().port()))?;
    let watch = Watch::start(3, &[])?;
    let (_back, calm) = start_calm_back(&lab)?;
    let sender = start(&lab, &cubic(&server))?;
    let found = watch.found()?;
    found.is(&sender, "reordering")?;
    found.is(&calm, "healthy")?;
    sender.stop(Ending::Reset).map(drop)
}

/// Waits until the shortest round trips, before there was a queue, are forgotten.
fn until_round_trips_are_long(lab: &Lab, local: SocketAddr) -> Result<()> {
    let socket = format!("sport = :{}", local.port());
    for _ in 0..100 {
        let text = lab.client.run("ss", &["-tinH", &socket])?;
        let shortest = text.split_once("minrtt:").context("no minrtt")?.1;
        let shortest = shortest.split_whitespace().next().unwrap_or_default();
        if shortest.parse::<f64>()? > 60.0 {
            return Ok(());
        }
        pause(Duration::from_millis(100));
    }
    anyhow::bail!(
        "after ten seconds round trips are still short: {}",
        lab.client.run("ss", &["-tinH", &socket])?
    )
}

/// Makes two lanes of a device, 1:10 and 1:20, which a packet's priority chooses from.
fn lanes(netns: &Netns, device: &str, one: &str, other: &str) -> Result<()> {
    let tc = |arguments: &str| -> Result<()> {
        netns.run("tc", &arguments.split_whitespace().collect::<Vec<_>>()).map(drop)
    };
    tc(&format!("qdisc replace dev {device} root handle 1: htb"))?;
    for (class, rate) in [("1:10", one), ("1:20", other)] {
        // Less than a segment: none goes along with the one before.
        let shape = format!("htb rate {rate} burst 1000 cburst 1000");
        tc(&format!("class add dev {device} parent 1: classid {class} {shape}"))?;
    }
    Ok(())
}

#[test]
fn a_paced_sender_is_healthy_whatever_its_congestion_control() -> Result<()> {
    if !need_root("a_paced_sender_is_healthy_whatever_its_congestion_control") {
        return Ok(());
    }
    let lab = Lab::new("calm")?;
    let server = listen(&lab)?;
    let watch = Watch::start(3, &[])?;
    let dial = |name: &str| Dial::to(server.address()).congestion_control(name).paced(4 * CALM);
    let senders = ["cubic", "reno", "bbr"].map(|name| start(&lab, &dial(name)));
    let senders = senders.into_iter().collect::<Result<Vec<_>>>()?;
    let found = watch.found()?;
    for sender in &senders {
        let line = found.is(sender, "healthy")?;
        ensure!(line["held_up_ns"] == 0, "{line}");
    }
    Ok(())
}

/// A connection that loses packets to one address, and two to another, whose server
/// hardly reads: together they are held up for longer than one can be.
struct TwoServers {
    senders: Vec<Sender>,
    lossy: Server,
    slow: Server,
    _lab: Lab,
}

impl TwoServers {
    fn set(name: &str) -> Result<Self> {
        let lab = Lab::new(name)?;
        let lossy = Server::listen(&lab.server, (lab.server_v4(), 0).into())?;
        let port = lossy.address().port();
        let slowly = Appetite::Bites(4 * 1024, Duration::from_millis(20));
        let slow = Server::reading(&lab.server, (lab.server_v6(), port).into(), slowly)?;
        lab.bottleneck("50mbit", "32k", "1mb")?;
        lab.forward("meta nfproto ipv4 meta length > 1000 numgen random mod 25 0 drop")?;
        one_segment_at_a_time(&lab)?;
        let to = [&slow, &lossy, &slow].map(|server| start(&lab, &cubic(server)));
        let senders = to.into_iter().collect::<Result<Vec<_>>>()?;
        until_read(&lossy, 100_000)?;
        Ok(Self { senders, lossy, slow, _lab: lab })
    }

    /// Watches the near ends.
    fn watch(&self, seconds: u64, arguments: &str) -> Result<Watch> {
        let port = self.lossy.address().port().to_string();
        let arguments: Vec<_> = ["-R", &port].into_iter().chain(arguments.split(' ')).collect();
        Watch::start(seconds, &arguments)
    }
}

#[test]
fn each_group_has_its_own_verdict_the_worst_first() -> Result<()> {
    if !need_root("each_group_has_its_own_verdict_the_worst_first") {
        return Ok(());
    }
    let scene = TwoServers::set("groups")?;
    let (v4, v6) = (scene.lossy.address().ip().to_string(), scene.slow.address().ip().to_string());
    let groups = scene.watch(6, "--by raddr")?;
    let top = scene.watch(6, "--by raddr --top 1")?;
    let some = scene.watch(6, &format!("--raddr {v4}"))?;
    let Found(groups) = groups.found()?;
    let [slow, lossy] = &groups[..] else { anyhow::bail!("{groups:?}") };
    relied_on(slow, "receiver window")?;
    relied_on(lossy, "path loss")?;
    ensure!((&slow["raddr"], &slow["flows"]) == (&v6.into(), &2.into()), "{slow}");
    ensure!((&lossy["raddr"], &lossy["flows"]) == (&(*v4).into(), &1.into()), "{lossy}");
    ensure!(slow["held_up_ns"].as_u64() > lossy["held_up_ns"].as_u64(), "{groups:?}");
    ensure!(slow["lport"].is_null() && slow["cookie"].is_null(), "not of a group: {slow}");
    let Found(top) = top.found()?;
    ensure!(top.len() == 1 && top[0]["raddr"] == slow["raddr"], "{top:?}");
    let some = some.found()?;
    let line = some.is(&scene.senders[1], "path loss")?;
    ensure!(some.0.len() == 1, "{:?}", some.0);
    ensure!(line["flows"] == 1 && line["cc"] == "cubic", "{line}");
    ensure!(line["pid"] == std::process::id(), "{line}");
    ensure!(line["recoveries"].as_u64() > Some(0) && line["retrans"].as_u64() > Some(0), "{line}");
    Ok(())
}

#[test]
fn an_interrupt_ends_the_watch_sooner() -> Result<()> {
    if !need_root("an_interrupt_ends_the_watch_sooner") {
        return Ok(());
    }
    let scene = TwoServers::set("sooner")?;
    let watch = scene.watch(600, "--top 2")?;
    let table = command()
        .args(["why", "--seconds", "5", "--top", "1", "--by", "raddr", "-R"])
        .arg(scene.lossy.address().port().to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    pause(4 * SECOND);
    let found = watch.interrupt()?;
    let [slow, lossy, other] = [0, 1, 2].map(|at| scene.senders[at].local.port());
    let worst = |line: &Value| line["held_up_ns"].as_u64().max(line["cost_ns"].as_u64());
    ensure!(found.0.len() == 2 && worst(&found.0[0]) >= worst(&found.0[1]), "{:?}", found.0);
    for line in &found.0 {
        let is_lossy = line["lport"] == lossy;
        ensure!(is_lossy || line["lport"] == slow || line["lport"] == other, "{line}");
        relied_on(line, if is_lossy { "path loss" } else { "receiver window" })?;
    }
    let watched = found.0.iter().map(|line| line["watched_ns"].as_u64());
    ensure!(watched.clone().all(|ns| ns < Some(60_000_000_000)), "{:?}", found.0);
    ensure!(found.0[0]["rport"] == found.0[1]["rport"], "{:?}", found.0);

    let output = table.wait_with_output()?;
    let (text, remarks) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
    let (head, facts) = text.split_once('\n').context("one line")?;
    let slow = format!(" raddr {}", scene.slow.address().ip());
    ensure!(head.starts_with("receiver window ") && head.ends_with(&slow), "{text}");
    ensure!(facts.contains("limited by the receiver's window"), "{text}");
    ensure!(output.status.success() && remarks.contains("tcpcong: 1 of 2,"), "{remarks}");
    Ok(())
}

#[test]
fn what_makes_no_sense_is_refused_in_one_line() -> Result<()> {
    for arguments in ["-o nothing", "--sort nothing", "--by nothing", "--top 0", "--seconds 0"] {
        let output = command().arg("why").args(arguments.split(' ')).output()?;
        let message = String::from_utf8(output.stderr.clone())?;
        ensure!(output.status.code() == Some(2) && output.stdout.is_empty(), "{output:?}");
        ensure!(message.starts_with("tcpcong: ") && message.lines().count() == 1, "{message}");
    }
    Ok(())
}
