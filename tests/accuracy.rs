//! The tool's figures against the kernel's own events, on real congestion.
//! What is special about one life is in `lives`.

mod support;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use support::compare::{Outcome, compare};
use support::lab::Lab;
use support::ledger::{CWR, DISORDER, LOSS, Ledger, Life, RECOVERY};
use support::needs::{need, need_root};
use support::server::{Counts, Server};
use support::tool::{Tool, pause};
use support::traffic::{Amount, Dial, Ending, Sender};
use support::truth::Truth;

const SENDERS: usize = 8;

/// One workload, traced by the tool and by the kernel at once.
struct Workload<'a> {
    lab: &'a Lab,
    address: IpAddr,
    congestion_control: &'a str,
    mapped: bool,
    interval: &'a str,
}

impl<'a> Workload<'a> {
    fn new(lab: &'a Lab, congestion_control: &'a str) -> Self {
        Self { lab, address: lab.server_v4(), congestion_control, mapped: false, interval: "0.5" }
    }

    /// Sends until `during` has run, and compares.
    fn run(&self, during: impl FnOnce(&Server) -> Result<()>) -> Result<Outcome> {
        let server = Server::listen(&self.lab.server, (self.address, 0).into())?;
        let mut dial = Dial::to(server.address()).congestion_control(self.congestion_control);
        if self.mapped {
            dial = dial.mapped();
        }
        let truth = Truth::start()?;
        let tool = Tool::start(&[self.interval])?;
        let start = |_| Sender::start(&self.lab.client, &dial, Amount::UntilStopped);
        let mut senders = (0..SENDERS).map(start).collect::<Result<Vec<_>>>()?;
        during(&server)?;
        // Half of the lives end while they are traced, half go on.
        let alive = senders.split_off(SENDERS / 2);
        for sender in senders {
            sender.stop(Ending::Reset)?;
        }
        let reports = tool.finish()?;
        let record = truth.finish()?;
        drop(alive);
        let ours = [self.address, self.lab.client_v4(), self.lab.client_v6()];
        let outcome = compare(&reports, &Ledger::new(&record), |ip| ours.contains(&ip))?;
        println!("{} by {}: {outcome:?}", self.address, self.congestion_control);
        ensure!(outcome.cells >= SENDERS, "too little was compared: {outcome:?}");
        Ok(outcome)
    }
}

/// Waits until the bottleneck has let through so much.
fn until_read(server: &Server, bytes: u64) -> Result<()> {
    server
        .wait_until(Duration::from_secs(30), |counts: &Counts| counts.read_bytes > bytes)
        .map(drop)
}

#[test]
fn cubic_over_a_tight_router() -> Result<()> {
    if !need_root("cubic_over_a_tight_router") {
        return Ok(());
    }
    let lab = Lab::new("cubic")?;
    lab.bottleneck("100mbit", "32k", "60k")?;
    let outcome = Workload::new(&lab, "cubic").run(|server| until_read(server, 40_000_000))?;
    for state in [DISORDER, RECOVERY, LOSS] {
        ensure!(outcome.by_state_ns[usize::from(state)] > 0, "{outcome:?}");
    }
    Ok(())
}

#[test]
fn bbr_over_a_tight_router() -> Result<()> {
    let test = "bbr_over_a_tight_router";
    let there = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_available_congestion_control")?;
    if !need_root(test) || !need(test, there.contains("bbr"), "the congestion control bbr") {
        return Ok(());
    }
    let lab = Lab::new("bbr")?;
    lab.bottleneck("100mbit", "32k", "60k")?;
    let outcome = Workload::new(&lab, "bbr").run(|server| until_read(server, 40_000_000))?;
    ensure!(outcome.by_state_ns[usize::from(RECOVERY)] > 0, "{outcome:?}");
    Ok(())
}

#[test]
fn three_seconds_of_silence_are_loss_in_every_report() -> Result<()> {
    if !need_root("three_seconds_of_silence_are_loss_in_every_report") {
        return Ok(());
    }
    let lab = Lab::new("silence")?;
    lab.bottleneck("100mbit", "32k", "60k")?;
    let workload = Workload { interval: "1", ..Workload::new(&lab, "cubic") };
    let outcome = workload.run(|server| {
        until_read(server, 5_000_000)?;
        lab.silence(true)?;
        // Nothing tells from outside that a retransmission timer has fired.
        pause(Duration::from_secs(3));
        lab.silence(false)?;
        until_read(server, server.counts().read_bytes + 1_000_000)
    })?;
    let loss = Duration::from_nanos(outcome.by_state_ns[usize::from(LOSS)]);
    ensure!(loss > Duration::from_secs(2) * u32::try_from(SENDERS)?, "{outcome:?}");
    ensure!(outcome.repeated > 0, "{outcome:?}");
    Ok(())
}

#[test]
fn drops_in_the_own_queue_over_ipv6_are_cwr() -> Result<()> {
    if !need_root("drops_in_the_own_queue_over_ipv6_are_cwr") {
        return Ok(());
    }
    let lab = Lab::new("local")?;
    lab.local_bottleneck("100mbit", "32k", "60k")?;
    let workload = Workload { address: lab.server_v6(), ..Workload::new(&lab, "cubic") };
    let outcome = workload.run(|server| until_read(server, 25_000_000))?;
    ensure!(outcome.by_state_ns[usize::from(CWR)] > 0, "{outcome:?}");
    Ok(())
}

#[test]
fn ipv4_mapped_peers_are_ipv4() -> Result<()> {
    if !need_root("ipv4_mapped_peers_are_ipv4") {
        return Ok(());
    }
    let lab = Lab::new("mapped")?;
    lab.bottleneck("100mbit", "32k", "60k")?;
    let workload = Workload { mapped: true, ..Workload::new(&lab, "reno") };
    let outcome = workload.run(|server| until_read(server, 25_000_000))?;
    ensure!(outcome.by_state_ns[usize::from(RECOVERY)] > 0, "{outcome:?}");
    Ok(())
}

/// Ended spells by state, in the log2 slots of their lengths in microseconds.
type Slots = [BTreeMap<u64, u64>; 5];

#[test]
fn a_histogram_counts_each_ended_spell_once() -> Result<()> {
    if !need_root("a_histogram_counts_each_ended_spell_once") {
        return Ok(());
    }
    let lab = Lab::new("spells")?;
    lab.bottleneck("100mbit", "32k", "60k")?;
    let server = Server::listen(&lab.server, (lab.server_v4(), 0).into())?;
    let port = server.address().port();
    let dial = Dial::to(server.address()).congestion_control("cubic");
    let truth = Truth::start()?;
    let tool = Tool::start(&["-d", "-u", "-R", &port.to_string(), "0.3"])?;
    let start = |_| Sender::start(&lab.client, &dial, Amount::UntilStopped);
    let senders = (0..SENDERS).map(start).collect::<Result<Vec<_>>>()?;
    until_read(&server, 25_000_000)?;
    for sender in senders {
        sender.stop(Ending::Reset)?;
    }
    let reports = tool.finish()?;
    let ledger = Ledger::new(&truth.finish()?);

    let mut shown = Slots::default();
    for line in reports.iter().flat_map(|report| &report.histograms) {
        let names = ["open", "disorder", "cwr", "recovery", "loss"];
        let state = names.iter().position(|name| line["state"] == *name).context("no state")?;
        for bucket in line["spells"].as_array().context("no spells")? {
            let number = |name: &str| bucket[name].as_u64().context("no number");
            *shown[state].entry(number("low")?).or_default() += number("count")?;
        }
    }
    let ours = || ledger.flows.iter().filter(|life| life.remote.port() == port);
    let mut expected = Slots::default();
    for spell in ours().flat_map(Life::ended_spells) {
        let length_us = (spell.to_ns - spell.from_ns) / 1_000;
        let low = if length_us < 2 { 0 } else { 1 << length_us.ilog2() };
        *expected[usize::from(spell.state)].entry(low).or_default() += 1;
    }
    // Two clocks may find a length on two sides of a slot's edge.
    let counts = |slots: &Slots| slots.each_ref().map(|slots| slots.values().sum::<u64>());
    let hidden: usize = ours().map(|life| life.uncertain.len()).sum();
    let apart: u64 = (0..5)
        .flat_map(|state| (0..64).map(move |slot| (state, if slot == 0 { 0 } else { 1 << slot })))
        .map(|(state, low)| {
            let of = |slots: &Slots| slots[state].get(&low).copied().unwrap_or(0);
            of(&shown).abs_diff(of(&expected))
        })
        .sum();
    let (mine, truth) = (counts(&shown), counts(&expected));
    println!("spells by state: {mine:?}, truth {truth:?}, {apart} apart, {hidden} events hidden");
    ensure!(hidden > 0 || mine == truth, "{mine:?}, not {truth:?}");
    let near_an_edge = truth.iter().sum::<u64>() / 20;
    ensure!(apart <= near_an_edge + 4 * hidden as u64, "{shown:?}, not {expected:?}");
    Ok(())
}
