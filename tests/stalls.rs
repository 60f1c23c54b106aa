//! Verdicts of `tcpcong why` on connections on which nothing is answered, for a while or at
//! all: each is provoked on real traffic, and a connection beside it must not get it.

mod support;

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use support::calm::{
    CALM, SECOND, cubic, listen, one_segment_at_a_time, start, start_calm, start_calm_aside,
    until_read,
};
use support::lab::Lab;
use support::needs::need_root;
use support::tool::pause;
use support::traffic::{Dial, Ending};
use support::watch::{Watch, relied_on};

/// No first retransmission timer is longer on a connection that has sent.
const UNTIL_LOSS: Duration = Duration::from_millis(1500);
/// Longer than that timer on a short path (200 ms at least, after a tail loss probe), and
/// shorter than it and the next one, which waits twice as long.
const STALL: Duration = Duration::from_millis(420);
/// Shorter than that timer: what it sends is answered.
const SHORT: Duration = Duration::from_millis(150);
/// Longer than two timers, or three.
const OUTAGE: Duration = Duration::from_millis(1100);

/// What befalls a connection, and what the verdict on it is.
struct Stall {
    name: &'static str,
    /// How often, and for how long.
    times: u64,
    lasts: Duration,
    /// What is on its way then is dropped; or else it stays in the router, unharmed.
    lossy: bool,
    verdict: &'static str,
    /// Timeouts each time.
    timeouts: std::ops::RangeInclusive<u64>,
    because: &'static str,
}

impl Stall {
    /// Makes it happen, again where this machine was too busy for it to be so short.
    fn happens(&self) -> Result<()> {
        for number in 0..3 {
            if self.try_once(&format!("{}{number}", self.name))? {
                return Ok(());
            }
        }
        bail!("three times of three it lasted for too long")
    }

    fn try_once(&self, name: &str) -> Result<bool> {
        let lab = Lab::new(name)?;
        lab.bottleneck("200mbit", "64k", "4mb")?;
        // Acknowledged one by one, or what was long in the stall would be remembered for seconds.
        one_segment_at_a_time(&lab)?;
        let server = listen(&lab)?;
        let port = server.address().port();
        // An element leaves the set by itself, in time.
        let set = "set cut { type inet_service; flags timeout; }";
        let chain = "chain cut { type filter hook forward priority 0; tcp dport @cut drop; }";
        lab.router.run("nft", &[&format!("table inet cut {{ {set}; {chain}; }}")])?;
        let watch = Watch::start(60, &[])?;
        let (_aside, calm) = start_calm_aside(&lab)?;
        // Slower than the router, whose queue it does not fill.
        let sender = start(&lab, &cubic(&server).paced(16 * CALM))?;
        for round in 1..=self.times {
            until_read(&server, round * 2_000_000)?;
            if self.lossy {
                let ms = self.lasts.as_millis();
                let element = format!("{{ {port} timeout {ms}ms }}");
                lab.router.run("nft", &["add", "element", "inet", "cut", "cut", &element])?;
                pause(self.lasts);
            } else if self.hold(&lab)? > self.lasts + Duration::from_millis(120) {
                return Ok(false);
            }
            // A sender that stood for longer would not seem to be held to its rate.
            pause(UNTIL_LOSS.max(4 * self.lasts));
        }
        let found = watch.interrupt()?;
        let line = found.is(&sender, self.verdict)?;
        let because = line["because"].as_str().context("no reason")?;
        ensure!(because.contains(self.because), "{line}");
        let timeouts = line["timeouts"].as_u64().context("no number")?;
        let (least, most) = (self.times * self.timeouts.start(), self.times * self.timeouts.end());
        ensure!((least..=most).contains(&timeouts), "{line}");
        found.is(&calm, "healthy")?;
        sender.stop(Ending::Reset).map(drop)?;
        Ok(true)
    }

    /// Keeps what is on its way in the router, and says for how long it did.
    fn hold(&self, lab: &Lab) -> Result<Duration> {
        let began = Instant::now();
        lab.bottleneck("8kbit", "2k", "4mb")?;
        pause(self.lasts);
        lab.bottleneck("200mbit", "64k", "4mb")?;
        // Another packet makes the queue look at its new rate.
        lab.in_client(|| {
            UdpSocket::bind((lab.client_v4(), 0))?.send_to(b"?", (lab.server_v4(), 9))
        })??;
        Ok(began.elapsed())
    }
}

#[test]
fn stalls_are_spurious_timeouts_where_nothing_was_lost_in_them() -> Result<()> {
    if !need_root("stalls_are_spurious_timeouts_where_nothing_was_lost_in_them") {
        return Ok(());
    }
    let verdict = "spurious timeouts";
    let because = "2 of 2 timeouts were for nothing";
    Stall { name: "held", times: 2, lasts: STALL, lossy: false, verdict, timeouts: 1..=1, because }
        .happens()
}

#[test]
fn drops_that_only_a_timer_finds_are_waits_for_timeouts() -> Result<()> {
    if !need_root("drops_that_only_a_timer_finds_are_waits_for_timeouts") {
        return Ok(());
    }
    let verdict = "waiting for timeouts";
    let because = "waited before them";
    Stall { name: "cut", times: 2, lasts: SHORT, lossy: true, verdict, timeouts: 1..=1, because }
        .happens()
}

#[test]
fn two_timeouts_in_a_row_or_more_are_an_outage_whatever_was_lost_in_it() -> Result<()> {
    if !need_root("two_timeouts_in_a_row_or_more_are_an_outage_whatever_was_lost_in_it") {
        return Ok(());
    }
    let verdict = "outage";
    let because = "data had arrived, and acknowledgements had not";
    Stall {
        name: "kept",
        times: 1,
        lasts: OUTAGE,
        lossy: false,
        verdict,
        timeouts: 2..=3,
        because,
    }
    .happens()?;
    let because = "timeouts; data was lost";
    Stall { name: "dark", times: 1, lasts: OUTAGE, lossy: true, verdict, timeouts: 2..=3, because }
        .happens()
}

#[test]
fn silence_is_a_black_hole() -> Result<()> {
    if !need_root("silence_is_a_black_hole") {
        return Ok(());
    }
    let lab = Lab::new("hole")?;
    let (server, other) = (listen(&lab)?, listen(&lab)?);
    let calm = start_calm(&lab, &other)?;
    let sender = start(&lab, &cubic(&server))?;
    until_read(&server, 1_000_000)?;
    let watch = Watch::start(60, &[])?;
    // Longer than from one look to the next.
    pause(3 * SECOND / 2);
    lab.forward(&format!("tcp dport {} drop", server.address().port()))?;
    // It had delivered something while it was watched, so that is an outage; the next watch
    // sees nothing of that. So late the next timeout is seconds away: the third sees none.
    pause(UNTIL_LOSS);
    let second = Watch::start(60, &[])?;
    pause(5 * SECOND);
    let third = Watch::start(6, &[])?;
    let found = [watch.interrupt()?, second.interrupt()?, third.found()?];
    lab.silence(false)?;
    for (found, verdict) in found.iter().zip(["outage", "black hole", "black hole"]) {
        found.is(&sender, verdict)?;
        found.is(&calm, "healthy")?;
    }
    sender.stop(Ending::Reset).map(drop)
}

#[test]
fn a_syn_that_nobody_answers_is_not_answered() -> Result<()> {
    if !need_root("a_syn_that_nobody_answers_is_not_answered") {
        return Ok(());
    }
    let lab = Lab::new("syn")?;
    let peer = SocketAddr::new(lab.silent_v4()?, 80);
    let watch = Watch::start(60, &[])?;
    let dial = Dial::to(peer).from(lab.client_v4(), 34_571);
    // Timeouts after one second, and then two or, since 6.5, one.
    ensure!(dial.connect(&lab.client, 4 * SECOND).is_err(), "somebody is at {peer}");
    // Given up before the first: the application waited, and had something to send.
    let dial = Dial::to(peer).from(lab.client_v4(), 34_572);
    ensure!(dial.connect(&lab.client, SECOND * 9 / 10).is_err(), "somebody is at {peer}");
    let found = watch.interrupt()?;
    let line = found.on((lab.client_v4(), 34_572).into(), peer)?;
    relied_on(line, "not answered")?;
    ensure!(line["exact"] == false || line["unanswered_ns"] == line["watched_ns"], "{line}");
    ensure!(line["confidence"] != "high" && line["timeouts"] == 0, "{line}");
    let line = found.on((lab.client_v4(), 34_571).into(), peer)?;
    relied_on(line, "not answered")?;
    ensure!(line["exact"] == false || line["syn_timeouts"].as_u64() > Some(0), "{line}");
    Ok(())
}
