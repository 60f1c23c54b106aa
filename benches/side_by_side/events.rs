//! Both tools on the same events at once: nanoseconds of their programs, and peak memory.
//! The empty program beside them shows what the measuring itself takes.

use std::mem::MaybeUninit;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::contender::{Contender, Running};
use super::floor::{Floor, Timing};
use super::page::{Figure, Page};
use super::programs::{self, Runs};
use super::spread::Spread;
use super::support::lab::Lab;
use super::support::server::Server;
use super::support::tool::pause;
use super::support::traffic::{Amount, Dial, Sender, short_connections};

/// Even, as the tools take turns at being attached first: who comes first
/// finds the socket's lines out of the cache.
const RUNS: usize = 6;
const SENDERS: usize = 40;
/// Their births and ends are what our programs beside the congestion event see.
const SHORT_CONNECTIONS: usize = 300;
const RUN_TIME: Duration = Duration::from_secs(5);
const TARGET_NS: f64 = 0.6;
const TARGET_MEMORY: f64 = 1.0 / 20.0;

/// Ours on the congestion event, as the kernel cuts its name.
const ON_CONG_STATE_SET: &str = "on_cong_state_s";
/// Ours that bcc's tool has no like of.
const BESIDE: [&str; 2] = ["on_sock_state", "on_destroy"];

/// What one contender's programs did in one run.
#[derive(Debug, Default)]
struct Share {
    event: Runs,
    beside: [Runs; 2],
    peak_memory_mb: f64,
    map_memory_mb: f64,
}

impl Share {
    fn total_ms(&self) -> f64 {
        let all = self.event.time_ns + self.beside.iter().map(|runs| runs.time_ns).sum::<u64>();
        all as f64 / 1e6
    }
}

/// One run.
#[derive(Debug)]
struct Outcome {
    floor: Runs,
    ours: Share,
    peer: Option<Share>,
}

pub(crate) fn measure(contenders: &[Contender], page: &mut Page) -> Result<()> {
    let lab = Lab::new("bench")?;
    lab.bottleneck("300mbit", "32k", "100k")?;
    let server = Server::listen(&lab.server, (lab.server_v4(), 0).into())?;
    let dial = Dial::to(server.address()).congestion_control("cubic");
    let start = |_| Sender::start(&lab.client, &dial, Amount::UntilStopped);
    let _senders = (0..SENDERS).map(start).collect::<Result<Vec<_>>>()?;
    let mut order = contenders.to_vec();
    let mut outcomes = Vec::new();
    for _ in 0..RUNS {
        outcomes.push(run(&order, || {
            short_connections(&lab.client, &dial, SHORT_CONNECTIONS, 100)?;
            pause(RUN_TIME);
            Ok(())
        })?);
        order.reverse();
    }
    tell(&outcomes, page)
}

fn run(order: &[Contender], traffic: impl FnOnce() -> Result<()>) -> Result<Outcome> {
    let started = order.iter().map(|it| Ok((*it, it.start("1")?)));
    let running = started.collect::<Result<Vec<(Contender, Running)>>>()?;
    let mut storage = MaybeUninit::uninit();
    let _floor = Floor::attach(&mut storage)?;
    // Somebody else may have had the kernel count before.
    let before =
        running.iter().map(|(_, it)| programs::of(it.pid())).collect::<Result<Vec<_>>>()?;
    let timing = Timing::enable()?;
    traffic()?;
    drop(timing);
    let floor = programs::of(std::process::id())?;
    let floor = *floor.first_key_value().context("the empty program is gone")?.1;
    let mut outcome = Outcome { floor, ours: Share::default(), peer: None };
    for ((contender, running), before) in running.iter().zip(before) {
        let after = programs::of(running.pid())?;
        let since = |name: &str| -> Result<Runs> {
            let now = *after.get(name).with_context(|| format!("no program {name}"))?;
            Ok(now - before.get(name).copied().unwrap_or_default())
        };
        let mut share = Share {
            peak_memory_mb: running.peak_memory_mb()?,
            map_memory_mb: programs::map_memory_mb(running.pid())?,
            ..Share::default()
        };
        if *contender == Contender::Ours {
            share.event = since(ON_CONG_STATE_SET)?;
            share.beside = [since(BESIDE[0])?, since(BESIDE[1])?];
            outcome.ours = share;
        } else {
            let mut names = after.keys();
            let only = names.next().context("bcc's tool has no program")?;
            ensure!(names.next().is_none(), "bcc's tool has more than one program: {after:?}");
            share.event = since(only)?;
            outcome.peer = Some(share);
        }
    }
    eprintln!(
        "  {:?} first: ours {:.0} ns, bcc's {:.0} ns, empty {:.0} ns, {} events",
        order[0],
        outcome.ours.event.ns_each(),
        outcome.peer.as_ref().map_or(f64::NAN, |peer| peer.event.ns_each()),
        floor.ns_each(),
        floor.count
    );
    Ok(outcome)
}

fn tell(outcomes: &[Outcome], page: &mut Page) -> Result<()> {
    let spread = |of: &dyn Fn(&Outcome) -> f64| Spread::of(outcomes.iter().map(of).collect());
    let both = |of: &dyn Fn(&Share, &Outcome) -> f64| -> Result<(Spread, Option<Spread>)> {
        let ours = spread(&|outcome| of(&outcome.ours, outcome))?;
        let peers = outcomes.iter().filter_map(|it| Some(of(it.peer.as_ref()?, it)));
        Ok((ours, Spread::of(peers.collect()).ok()))
    };
    let mut figure = |name, unit, decimals, target, of: &dyn Fn(&Share, &Outcome) -> f64| {
        let (ours, peer) = both(of)?;
        page.figure(Figure { name, unit, decimals, ours, peer, target });
        anyhow::Ok(())
    };
    figure("peak memory", "MB", 1, Some(TARGET_MEMORY), &|share, _| share.peak_memory_mb)?;
    figure("maps in the kernel, apart from that", "MB", 2, None, &|share, _| share.map_memory_mb)?;
    let event = "program on tcp_cong_state_set, per event";
    figure(event, "ns", 0, Some(TARGET_NS), &|share, _| share.event.ns_each())?;
    figure("the same less the empty program", "ns", 0, None, &|share, outcome| {
        share.event.ns_each() - outcome.floor.ns_each()
    })?;
    figure("all programs, per run of the traffic", "ms", 2, None, &|share, _| share.total_ms())?;
    let events = spread(&|outcome| outcome.floor.count as f64)?;
    page.note(format!(
        "Memory and programs: {RUNS} runs of {SENDERS} cubic senders over a router's bottleneck \
         for {} s with {SHORT_CONNECTIONS} short connections, {} a run. Both tools are attached \
         to the same events, and take turns at being first, which costs the first cold reads \
         of the socket. What the kernel does to fill in the classic tracepoint for bcc's \
         program is not in its figure.",
        RUN_TIME.as_secs(),
        events.show("events", 0)
    ));
    page.note(format!(
        "An empty program on the same events: {} each, most of it the kernel's timing.",
        spread(&|outcome| outcome.floor.ns_each())?.show("ns", 0)
    ));
    for (index, name) in BESIDE.iter().enumerate() {
        page.note(format!(
            "Ours has `{name}`, which bcc's has no like of: {} each, {} a run.",
            spread(&|outcome| outcome.ours.beside[index].ns_each())?.show("ns", 0),
            spread(&|outcome| outcome.ours.beside[index].count as f64)?.show("times", 0)
        ));
    }
    Ok(())
}
