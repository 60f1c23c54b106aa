//! Why transitions were made: each cause is provoked on a real path, and only
//! it may be told. What netem alone can provoke is in `kernels`.

mod support;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use nix::sys::socket::{setsockopt, sockopt};
use serde_json::Value;
use support::lab::Lab;
use support::needs::need_root;
use support::server::{Counts, Server};
use support::tool::pause;
use support::trace::{Told, Trace};
use support::traffic::{Amount, Dial, Ending, Sender, disconnect};

/// No first retransmission timer is longer on a connection that has sent.
const UNTIL_LOSS: Duration = Duration::from_millis(1500);

/// `tcpcong trace` at work; of interest is what goes to `reaches`.
struct Watch {
    trace: Trace,
    reaches: IpAddr,
}

impl Watch {
    /// Returns once it traces.
    fn start(reaches: IpAddr) -> Result<Self> {
        Ok(Self { trace: Trace::start(&[])?, reaches })
    }

    /// The transitions until now.
    fn finish(self) -> Result<Vec<Value>> {
        let Told { mut transitions, dropped } = self.trace.finish()?;
        ensure!(dropped == 0, "{dropped} were not told");
        let reaches = self.reaches.to_string();
        transitions.retain(|line| line["raddr"] == reaches);
        Ok(transitions)
    }
}

/// How often each `from>to cause` came.
fn counted(transitions: &[Value]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for event in transitions {
        let word = |name: &str| event[name].as_str().unwrap_or("?").to_owned();
        let key = format!("{}>{} {}", word("from"), word("to"), word("cause"));
        *counts.entry(key).or_default() += 1;
    }
    counts
}

/// Whether all transitions to `state` are for one of `causes`, and some are.
fn only(transitions: &[Value], state: &str, causes: &[&str]) -> Result<()> {
    let counts = counted(transitions);
    let to: Vec<_> = transitions.iter().filter(|event| event["to"] == state).collect();
    ensure!(!to.is_empty(), "nothing went to {state}: {counts:?}");
    for event in to {
        let cause = event["cause"].as_str().unwrap_or("?");
        if cause == "unknown" && event["exact"] == false {
            continue; // the machine has hidden what came before
        }
        ensure!(causes.contains(&cause), "{cause} is not of {causes:?}: {event}\n{counts:?}");
    }
    Ok(())
}

fn until_read(server: &Server, bytes: u64) -> Result<()> {
    let enough = |counts: &Counts| counts.read_bytes > bytes;
    server.wait_until(Duration::from_secs(30), enough).map(drop)
}

fn cubic(server: &Server) -> Dial {
    Dial::to(server.address()).congestion_control("cubic")
}

#[test]
fn a_full_router_is_fast_retransmit_then_recovered() -> Result<()> {
    if !need_root("a_full_router_is_fast_retransmit_then_recovered") {
        return Ok(());
    }
    let lab = Lab::new("full")?;
    lab.bottleneck("100mbit", "32k", "60k")?;
    let server = Server::listen(&lab.server, (lab.server_v4(), 0).into())?;
    let watch = Watch::start(lab.server_v4())?;
    let sender = Sender::start(&lab.client, &cubic(&server), Amount::UntilStopped)?;
    until_read(&server, 20_000_000)?;
    sender.stop(Ending::Reset)?;
    let all = watch.finish()?;
    only(&all, "recovery", &["fast-retransmit", "rack-timer"])?;
    only(&all, "open", &["recovered", "undo"])?;
    let into: Vec<_> = all.iter().filter(|event| event["to"] == "recovery").collect();
    // Cubic cuts to 0.7 of the window, RFC 9438.
    for event in into {
        let size = |name: &str| event[name].as_u64().context("no size");
        let (cwnd, target) = (size("cwnd_before")?, size("ssthresh_after")?);
        ensure!(target < cwnd.max(3), "no reduction from {cwnd} to {target}: {event}");
        ensure!(event["lost"].as_u64() > Some(0), "nothing counts as lost: {event}");
        ensure!(event["srtt_us"].as_u64() > Some(0), "no round-trip time: {event}");
    }
    Ok(())
}

#[test]
fn three_duplicate_acknowledgements_are_fast_retransmit_and_no_timer() -> Result<()> {
    if !need_root("three_duplicate_acknowledgements_are_fast_retransmit_and_no_timer") {
        return Ok(());
    }
    let lab = Lab::new("reno")?;
    // RACK's timer needs SACK.
    lab.client.sysctl("net.ipv4.tcp_sack", "0")?;
    lab.bottleneck("100mbit", "32k", "60k")?;
    let server = Server::listen(&lab.server, (lab.server_v4(), 0).into())?;
    let watch = Watch::start(lab.server_v4())?;
    let sender = Sender::start(&lab.client, &cubic(&server), Amount::UntilStopped)?;
    until_read(&server, 10_000_000)?;
    sender.stop(Ending::Reset)?;
    only(&watch.finish()?, "recovery", &["fast-retransmit"])
}

#[test]
fn a_loss_that_too_few_acknowledgements_show_is_found_by_racks_timer() -> Result<()> {
    if !need_root("a_loss_that_too_few_acknowledgements_show_is_found_by_racks_timer") {
        return Ok(());
    }
    let lab = Lab::new("rack")?;
    // Another connection's data, never lost, makes round trips of some 40 ms.
    lab.bottleneck("8mbit", "1600", "1mb")?;
    let server = Server::listen(&lab.server, (lab.server_v4(), 0).into())?;
    let dial = cubic(&server).send_buffer(40_000);
    let other = Sender::start(&lab.client, &dial, Amount::UntilStopped)?;
    until_read(&server, 300_000)?;
    let mut stream = cubic(&server).connect(&lab.client, Duration::from_secs(5))?;
    stream.set_nodelay(true)?;
    let watch = Watch::start(lab.server_v4())?;
    // One segment is lost, by its first byte behind a header with timestamps; two come
    // after it, and nothing more: fewer than the three that would do without a timer
    // (RFC 8985, 6.2). The tail loss probe's timer takes twice as long.
    lab.forward("meta l4proto tcp @th,256,8 0x77 drop")?;
    for first in [0x77, 0, 0] {
        stream.write_all(&[first; 1000])?;
    }
    pause(Duration::from_millis(500));
    lab.silence(false)?;
    let port = stream.local_addr()?.port();
    disconnect(&stream)?;
    other.stop(Ending::Reset)?;
    let mut all = watch.finish()?;
    all.retain(|event| event["lport"] == port);
    only(&all, "recovery", &["rack-timer"])
}

#[test]
fn data_of_a_syn_that_the_peer_does_not_take_is_no_loss_of_the_path() -> Result<()> {
    if !need_root("data_of_a_syn_that_the_peer_does_not_take_is_no_loss_of_the_path") {
        return Ok(());
    }
    let lab = Lab::new("nofastopen")?;
    // The client sends data in its SYN without having asked for a cookie, and the
    // server knows nothing of it: Documentation/networking/ip-sysctl.rst.
    lab.client.sysctl("net.ipv4.tcp_fastopen", "5")?;
    lab.server.sysctl("net.ipv4.tcp_fastopen", "0")?;
    let server = Server::listen(&lab.server, (lab.server_v4(), 0).into())?;
    let watch = Watch::start(lab.server_v4())?;
    let mut stream = cubic(&server).fast_open().connect(&lab.client, Duration::from_secs(5))?;
    stream.write_all(&[0; 1000])?;
    until_read(&server, 999)?;
    disconnect(&stream)?;
    only(&watch.finish()?, "loss", &["tfo-fail"])
}

#[test]
fn silence_is_a_timeout_and_then_more_of_them() -> Result<()> {
    if !need_root("silence_is_a_timeout_and_then_more_of_them") {
        return Ok(());
    }
    let lab = Lab::new("rto")?;
    let server = Server::listen(&lab.server, (lab.server_v4(), 0).into())?;
    let watch = Watch::start(lab.server_v4())?;
    let sender = Sender::start(&lab.client, &cubic(&server), Amount::UntilStopped)?;
    until_read(&server, 1_000_000)?;
    lab.silence(true)?;
    pause(UNTIL_LOSS);
    lab.silence(false)?;
    pause(UNTIL_LOSS);
    sender.stop(Ending::Reset)?;
    let all = watch.finish()?;
    only(&all, "loss", &["rto", "rto-repeat"])?;
    let counts = counted(&all);
    ensure!(counts.contains_key("loss>loss rto-repeat"), "{counts:?}");
    ensure!(counts.keys().any(|key| key.ends_with(">loss rto")), "{counts:?}");
    Ok(())
}

/// Such a message has the timer run out at once, if it comes later than the timer would
/// have without backing off (RFC 6069): here after two requests for the address of a
/// machine that is gone, a second each.
#[test]
fn a_timeout_that_an_icmp_message_brings_about_is_one() -> Result<()> {
    if !need_root("a_timeout_that_an_icmp_message_brings_about_is_one") {
        return Ok(());
    }
    let lab = Lab::new("gone")?;
    lab.router.sysctl("net.ipv4.neigh.r1.mcast_solicit", "2")?;
    let server = Server::listen(&lab.server, (lab.server_v4(), 0).into())?;
    let watch = Watch::start(lab.server_v4())?;
    let sender = Sender::start(&lab.client, &cubic(&server), Amount::UntilStopped)?;
    until_read(&server, 1_000_000)?;
    lab.server.run("ip", &["link", "set", "s0", "arp", "off"])?;
    lab.router.run("ip", &["neigh", "flush", "dev", "r1"])?;
    pause(Duration::from_secs(3));
    sender.stop(Ending::Reset)?;
    let counters = lab.client.run("nstat", &["-asz", "IcmpInDestUnreachs"])?;
    let unreachable =
        counters.split_whitespace().skip_while(|word| *word != "IcmpInDestUnreachs").nth(1);
    ensure!(unreachable.is_some_and(|count| count != "0"), "no message came: {counters}");
    only(&watch.finish()?, "loss", &["rto", "rto-repeat"])
}

#[test]
fn a_handshake_without_an_answer_is_a_syn_timeout() -> Result<()> {
    if !need_root("a_handshake_without_an_answer_is_a_syn_timeout") {
        return Ok(());
    }
    let lab = Lab::new("syn")?;
    let nobody = lab.silent_v4()?;
    let watch = Watch::start(nobody)?;
    let refused = Dial::to((nobody, 7001).into()).connect(&lab.client, Duration::from_secs(4));
    ensure!(refused.is_err(), "somebody answered");
    only(&watch.finish()?, "loss", &["syn-timeout"])
}

#[test]
fn a_drop_in_the_own_queue_is_one_even_where_ecn_was_agreed_on() -> Result<()> {
    if !need_root("a_drop_in_the_own_queue_is_one_even_where_ecn_was_agreed_on") {
        return Ok(());
    }
    let lab = Lab::new("own")?;
    ecn(&lab)?;
    lab.local_bottleneck("100mbit", "32k", "60k")?;
    let server = Server::listen(&lab.server, (lab.server_v4(), 0).into())?;
    let watch = Watch::start(lab.server_v4())?;
    let sender = Sender::start(&lab.client, &cubic(&server), Amount::UntilStopped)?;
    until_read(&server, 20_000_000)?;
    sender.stop(Ending::Reset)?;
    only(&watch.finish()?, "cwr", &["local-drop"])
}

#[test]
fn a_mark_on_the_way_is_ecn() -> Result<()> {
    if !need_root("a_mark_on_the_way_is_ecn") {
        return Ok(());
    }
    let lab = Lab::new("ecn")?;
    ecn(&lab)?;
    // What passes the router with a payload is marked now and then.
    lab.forward("ip ecn ect0 meta length > 1000 numgen random mod 20 0 ip ecn set ce")?;
    let server = Server::listen(&lab.server, (lab.server_v4(), 0).into())?;
    let watch = Watch::start(lab.server_v4())?;
    let sender = Sender::start(&lab.client, &cubic(&server), Amount::UntilStopped)?;
    until_read(&server, 5_000_000)?;
    sender.stop(Ending::Reset)?;
    only(&watch.finish()?, "cwr", &["ecn"])
}

#[test]
fn a_path_that_became_too_narrow_is_pmtu() -> Result<()> {
    if !need_root("a_path_that_became_too_narrow_is_pmtu") {
        return Ok(());
    }
    let lab = Lab::new("pmtu")?;
    let server = Server::listen(&lab.server, (lab.server_v4(), 0).into())?;
    let mut stream = cubic(&server).connect(&lab.client, Duration::from_secs(5))?;
    stream.write_all(&vec![0; 100_000])?;
    until_read(&server, 99_999)?;
    let watch = Watch::start(lab.server_v4())?;
    lab.router.run("ip", &["link", "set", "r1", "mtu", "1200"])?;
    stream.write_all(&vec![0; 100_000])?;
    until_read(&server, 199_999)?;
    disconnect(&stream)?;
    only(&watch.finish()?, "loss", &["pmtu"])
}

#[test]
fn a_probe_that_repaired_a_loss_is_tlp() -> Result<()> {
    if !need_root("a_probe_that_repaired_a_loss_is_tlp") {
        return Ok(());
    }
    let lab = Lab::new("tlp")?;
    let server = Server::listen(&lab.server, (lab.server_v4(), 0).into())?;
    let mut stream = cubic(&server).connect(&lab.client, Duration::from_secs(5))?;
    stream.write_all(&vec![0; 100_000])?;
    until_read(&server, 99_999)?;
    let watch = Watch::start(lab.server_v4())?;
    // One segment is lost; 200 ms later the probe repeats it, and the first
    // acknowledgement beyond it shows that there was a loss (RFC 8985, 7.4).
    lab.silence(true)?;
    stream.write_all(&[1])?;
    pause(Duration::from_millis(50));
    lab.silence(false)?;
    until_read(&server, 100_000)?;
    stream.write_all(&[2])?;
    until_read(&server, 100_001)?;
    disconnect(&stream)?;
    only(&watch.finish()?, "cwr", &["tlp"])
}

#[test]
fn a_timeout_for_nothing_is_undone() -> Result<()> {
    if !need_root("a_timeout_for_nothing_is_undone") {
        return Ok(());
    }
    let lab = Lab::new("undo")?;
    lab.bottleneck("1gbit", "64k", "4mb")?;
    let server = Server::listen(&lab.server, (lab.server_v4(), 0).into())?;
    let watch = Watch::start(lab.server_v4())?;
    let sender = Sender::start(&lab.client, &cubic(&server), Amount::UntilStopped)?;
    until_read(&server, 1_000_000)?;
    // All that is on its way stays there for longer than the timer, unharmed.
    lab.bottleneck("8kbit", "2k", "4mb")?;
    pause(Duration::from_millis(800));
    lab.bottleneck("1gbit", "64k", "4mb")?;
    pause(UNTIL_LOSS);
    sender.stop(Ending::Reset)?;
    let all = watch.finish()?;
    only(&all, "loss", &["rto", "rto-repeat"])?;
    let undone = all.iter().find(|event| event["from"] == "loss" && event["cause"] == "undo");
    let undone = undone.with_context(|| format!("nothing was undone: {:?}", counted(&all)))?;
    ensure!(undone["undo_by"].is_string(), "not known how: {undone}");
    ensure!(undone["ssthresh_after"].as_u64() > undone["ssthresh_before"].as_u64(), "{undone}");
    Ok(())
}

#[test]
fn what_went_on_before_the_start_and_changed_after_it_is_told() -> Result<()> {
    if !need_root("what_went_on_before_the_start_and_changed_after_it_is_told") {
        return Ok(());
    }
    let lab = Lab::new("midlife")?;
    lab.bottleneck("50mbit", "32k", "40k")?;
    let server = Server::listen(&lab.server, (lab.server_v4(), 0).into())?;
    let mut stream = cubic(&server).connect(&lab.client, Duration::from_secs(5))?;
    let watch = Watch::start(lab.server_v4())?;
    setsockopt(&stream, sockopt::TcpCongestion, &OsString::from("reno"))?;
    stream.set_nonblocking(false)?;
    stream.set_write_timeout(Some(Duration::from_secs(20)))?;
    stream.write_all(&vec![0; 3_000_000])?;
    until_read(&server, 2_999_999)?;
    disconnect(&stream)?;
    let all = watch.finish()?;
    ensure!(all.len() > 2 && all.iter().all(|event| event["cc"] == "reno"), "{all:?}");
    // Nobody saw the beginning of the first spell; an event that the machine hides
    // takes another's away.
    ensure!(all[0]["exact"] == false, "{}", all[0]);
    ensure!(all.iter().skip(1).any(|event| event["exact"] == true), "{all:?}");
    Ok(())
}

/// Has both ends agree on ECN.
fn ecn(lab: &Lab) -> Result<()> {
    lab.client.sysctl("net.ipv4.tcp_ecn", "1")?;
    lab.server.sysctl("net.ipv4.tcp_ecn", "1")
}
