//! Tests of the tests' own measure: the decoder, the ledger, and both on real networks.
//! Not of tcpcong: nothing of the crate is used here.

mod support;

#[cfg(test)]
#[path = "support/ledger_tests.rs"]
mod ledger_tests;
#[cfg(test)]
#[path = "support/ring_tests.rs"]
mod ring_tests;

use std::net::{IpAddr, SocketAddr};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use support::lab::Lab;
use support::ledger::{CWR, Cell, LOSS, Ledger, Life, RECOVERY};
use support::needs::{need, need_root};
use support::server::{Counts, Server};
use support::traffic::{Amount, Dial, Ending, Sender, short_connections};
use support::truth::{Event, Record, Truth, What};

const SENDERS: usize = 8;
const SECOND_NS: u64 = 1_000_000_000;

/// What came of one workload: the record, its ledger and the senders' own ends.
struct Outcome {
    record: Record,
    ledger: Ledger,
    locals: Vec<SocketAddr>,
}

impl Outcome {
    /// Sends by `congestion_control` to `address` until `during` has run.
    fn of(
        lab: &Lab,
        address: IpAddr,
        congestion_control: &str,
        during: impl FnOnce(&Server) -> Result<()>,
    ) -> Result<Self> {
        let server = Server::listen(&lab.server, (address, 0).into())?;
        let dial = Dial::to(server.address()).congestion_control(congestion_control);
        let truth = Truth::start()?;
        let start = |_| Sender::start(&lab.client, &dial, Amount::UntilStopped);
        let mut senders = (0..SENDERS).map(start).collect::<Result<Vec<_>>>()?;
        let locals = senders.iter().map(|sender| sender.local).collect();
        during(&server)?;
        // Half of the lives end inside the record, half do not.
        let alive = senders.split_off(SENDERS / 2);
        for sender in senders {
            sender.stop(Ending::Reset)?;
        }
        let record = truth.finish()?;
        drop(alive);
        let ledger = Ledger::new(&record);
        let outcome = Self { record, ledger, locals };
        outcome.print(address);
        outcome.check_conservation();
        Ok(outcome)
    }

    /// What the workload was worth, for those who run with `--nocapture`.
    fn print(&self, address: IpAddr) {
        let ours = |event: &&Event| [event.saddr, event.daddr].contains(&address);
        let mut by_state = [0; 5];
        let (mut all, mut hidden) = (0, 0);
        for event in self.record.events.iter().filter(ours) {
            all += 1;
            hidden += usize::from(event.hidden);
            if let What::Congestion { to } = event.what {
                by_state[usize::from(to)] += 1;
            }
        }
        let flows = self.ledger.flows_of(address).count();
        let (mut cells, mut uncertain) = (0, 0);
        for life in self.ledger.flows_of(address) {
            for cell in self.cells(life).filter(|cell| cell.lived_ns > 0) {
                cells += 1;
                uncertain += usize::from(cell.uncertain);
            }
        }
        println!("{all} events, {hidden} of them hidden; set to each state: {by_state:?}");
        println!("{flows} flows, {cells} cells, {uncertain} of them uncertain");
    }

    /// A life's figures in each second of the record.
    fn cells(&self, life: &Life) -> impl Iterator<Item = Cell> {
        let next = |from_ns: &u64| Some(from_ns + SECOND_NS);
        let starts = std::iter::successors(Some(self.record.started_ns), next);
        let within = starts.take_while(|&from_ns| from_ns < self.record.ended_ns);
        within.map(|from_ns| self.ledger.truth(life, from_ns, from_ns + SECOND_NS))
    }

    /// Rule 1 of the specification, for every flow of the machine.
    fn check_conservation(&self) {
        for life in &self.ledger.flows {
            let mut lived_ns = 0;
            for cell in self.cells(life) {
                assert_eq!(cell.times_ns.iter().sum::<u64>(), cell.lived_ns);
                lived_ns += cell.lived_ns;
            }
            let end_ns = life.ended_ns.unwrap_or(self.record.ended_ns);
            // Events from just before the start are in the record as well.
            let from_ns = life.born_ns.max(self.record.started_ns);
            assert_eq!(lived_ns, end_ns.saturating_sub(from_ns), "{life:?}");
        }
    }

    /// The senders' lives: each exactly once, and as many ended as were stopped.
    fn senders(&self) -> Result<Vec<&Life>> {
        let lives = self.locals.iter().map(|&local| {
            let mut same = self.ledger.flows.iter().filter(|life| life.local == local);
            let life = same.next().with_context(|| format!("no life of {local}"))?;
            ensure!(same.next().is_none(), "two lives of {local}");
            Ok(life)
        });
        let lives = lives.collect::<Result<Vec<_>>>()?;
        let ended = lives.iter().filter(|life| life.ended_ns.is_some()).count();
        ensure!(ended == SENDERS / 2, "{ended} of the senders' lives ended");
        Ok(lives)
    }

    /// How long the senders were in `state`, all together.
    fn time_ns(&self, state: u8) -> Result<u64> {
        let lives = self.senders()?;
        let cells = lives.iter().flat_map(|life| self.cells(life));
        Ok(cells.map(|cell| cell.times_ns[usize::from(state)]).sum())
    }
}

/// Two seconds' worth of what the bottleneck lets through.
fn busy(server: &Server) -> Result<()> {
    let enough = |counts: &Counts| counts.read_bytes > 25_000_000;
    server.wait_until(Duration::from_secs(20), enough).map(drop)
}

fn over_the_router(name: &str, congestion_control: &str) -> Result<Outcome> {
    let lab = Lab::new(name)?;
    lab.bottleneck("100mbit", "32k", "60k")?;
    Outcome::of(&lab, lab.server_v4(), congestion_control, busy)
}

#[test]
fn a_tight_router_makes_cubic_recover() -> Result<()> {
    if !need_root("a_tight_router_makes_cubic_recover") {
        return Ok(());
    }
    let outcome = over_the_router("cubic", "cubic")?;
    ensure!(outcome.time_ns(RECOVERY)? > 0);
    Ok(())
}

#[test]
fn a_tight_router_makes_bbr_recover() -> Result<()> {
    let test = "a_tight_router_makes_bbr_recover";
    let available = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_available_congestion_control")?;
    if !need_root(test) || !need(test, available.contains("bbr"), "the congestion control bbr") {
        return Ok(());
    }
    let outcome = over_the_router("bbr", "bbr")?;
    ensure!(outcome.time_ns(RECOVERY)? > 0);
    Ok(())
}

#[test]
fn silence_is_loss_and_repeated_rtos() -> Result<()> {
    if !need_root("silence_is_loss_and_repeated_rtos") {
        return Ok(());
    }
    let lab = Lab::new("silence")?;
    lab.bottleneck("100mbit", "32k", "60k")?;
    let outcome = Outcome::of(&lab, lab.server_v4(), "cubic", |server| {
        let enough = |counts: &Counts| counts.read_bytes > 5_000_000;
        server.wait_until(Duration::from_secs(20), enough)?;
        lab.silence(true)?;
        // Nothing tells from outside that a retransmission timer has fired.
        sleep(Duration::from_secs(3));
        lab.silence(false)
    })?;
    for life in outcome.senders()? {
        let uncertain = !life.uncertain.is_empty();
        ensure!(uncertain || !life.repeated_ns.is_empty(), "{life:?}");
        let whole_second =
            outcome.cells(life).any(|cell| cell.times_ns[usize::from(LOSS)] == SECOND_NS);
        ensure!(uncertain || whole_second, "{life:?}");
    }
    Ok(())
}

#[test]
fn a_tight_device_of_its_own_makes_the_sender_reduce() -> Result<()> {
    if !need_root("a_tight_device_of_its_own_makes_the_sender_reduce") {
        return Ok(());
    }
    let lab = Lab::new("local")?;
    lab.local_bottleneck("100mbit", "32k", "60k")?;
    let outcome = Outcome::of(&lab, lab.server_v6(), "cubic", busy)?;
    ensure!(outcome.time_ns(CWR)? > 0);
    Ok(())
}

#[test]
fn many_short_lives_a_silent_peer_and_a_mapped_address() -> Result<()> {
    if !need_root("many_short_lives_a_silent_peer_and_a_mapped_address") {
        return Ok(());
    }
    let lab = Lab::new("short")?;
    let mut server = Server::listen(&lab.server, (lab.server_v4(), 0).into())?;
    let truth = Truth::start()?;
    let dial = Dial::to(server.address());
    short_connections(&lab.client, &dial, 2000, 1000)?;
    let all_closed = |counts: &Counts| counts.closed == 2000;
    server.wait_until(Duration::from_secs(10), all_closed)?;

    let silent = SocketAddr::new(lab.silent_v4()?, 80);
    let refused = Dial::to(silent).connect(&lab.client, Duration::from_millis(1500));
    ensure!(refused.is_err(), "nobody is at {silent}");

    let mapped = dial.mapped().from(lab.client_v4(), 4567);
    let sender = Sender::start(&lab.client, &mapped, Amount::UntilStopped)?;
    server.wait_until(Duration::from_secs(10), |counts| counts.accepted == 2001)?;
    ensure!(server.reset_all()? == 1);
    ensure!(sender.wait().is_err(), "the server had reset it");
    let ledger = Ledger::new(&truth.finish()?);

    ensure!(ledger.flows_of(lab.server_v4()).count() == 2 * 2001);
    let to_silent = ledger.flows_of(silent.ip()).next().context("no flow to the silent peer")?;
    ensure!(to_silent.ended_ns.is_some());
    let uncertain = !to_silent.uncertain.is_empty();
    ensure!(uncertain || to_silent.spells.iter().any(|spell| spell.state == LOSS));
    let near = SocketAddr::new(lab.client_v4(), 4567);
    let mapped = ledger.flows.iter().find(|life| life.local == near);
    ensure!(mapped.is_some_and(|life| life.remote == server.address() && life.ended_ns.is_some()));
    Ok(())
}
