//! Both tools on the same events at once: nanoseconds of their programs, and peak memory.
//! The empty program beside them shows what the measuring itself takes.

use std::collections::BTreeMap;
use std::mem::MaybeUninit;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::contender::{Contender, Running};
use super::floor::{Floor, Timing};
use super::page::{Change, Figure, More, Page};
use super::programs::{self, Runs};
use super::spread::Spread;
use super::support::lab::Lab;
use super::support::server::Server;
use super::support::tool::pause;
use super::support::traffic::{Amount, Dial, Sender, short_connections};

/// As many for two contenders as for three, as they take turns at being attached
/// first: who comes first finds the socket's lines out of the cache.
const RUNS: usize = 6;
const SENDERS: usize = 40;
/// Their births and ends are what our programs beside the congestion event see.
const SHORT_CONNECTIONS: usize = 300;
const RUN_TIME: Duration = Duration::from_secs(5);
const TARGET_NS: f64 = 0.5;
/// With causes or costs.
const TARGET_FIGURES_NS: f64 = 0.6;
const TARGET_MEMORY: f64 = 1.0 / 20.0;

/// Ours that bcc's tool has no like of, by how their names end.
const BESIDE: [&str; 1] = ["_sock_state"];

/// What one contender's programs did in one run.
#[derive(Debug, Default)]
struct Share {
    event: Runs,
    beside: [Runs; 1],
    own_ms: f64,
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
    shares: Vec<(Contender, Share)>,
}

pub(crate) fn measure(contenders: &[Contender], page: &mut Page) -> Result<()> {
    let lab = Lab::new("bench")?;
    lab.bottleneck("300mbit", "32k", "100k")?;
    let server = Server::listen(&lab.server, (lab.server_v4(), 0).into())?;
    let dial = Dial::to(server.address()).congestion_control("cubic");
    let start = |_| Sender::start(&lab.client, &dial, Amount::UntilStopped);
    let _senders = (0..SENDERS).map(start).collect::<Result<Vec<_>>>()?;
    let traffic = || {
        short_connections(&lab.client, &dial, SHORT_CONNECTIONS, 100)?;
        pause(RUN_TIME);
        Ok(())
    };
    beside_peer(&runs(contenders, traffic)?, page)?;
    let asked = [Contender::Causes, Contender::Costs];
    let asked: Vec<_> = asked.iter().chain(contenders).cloned().collect();
    more(&runs(&asked, traffic)?, page)?;
    let earlier = Contender::earlier();
    let both: Vec<_> = [Contender::Ours].into_iter().chain(earlier.clone()).collect();
    beside_earlier(&runs(&both, traffic)?, earlier.as_ref(), page)?;
    for (name, ours, theirs) in [
        (
            "the same, each transition printed, with its cause (`trace`)",
            Contender::Causes,
            Contender::EarlierCauses as fn(_) -> _,
        ),
        (
            "the same, what came of a connection (`-o busy,delivered`)",
            Contender::Costs,
            Contender::EarlierCosts,
        ),
    ] {
        let earlier = Contender::earlier_as(theirs);
        let both: Vec<_> = [ours.clone()].into_iter().chain(earlier.clone()).collect();
        let outcomes = runs(&both, traffic)?;
        let now = event_ns(&outcomes, &ours)?;
        let earlier = earlier.and_then(|earlier| event_ns(&outcomes, &earlier).ok());
        page.change(Change { name, unit: "ns", decimals: 0, now, earlier, target: None });
    }
    Ok(())
}

fn beside_earlier(
    outcomes: &[Outcome],
    earlier: Option<&Contender>,
    page: &mut Page,
) -> Result<()> {
    let mut change = |name, of: &dyn Fn(&Share, &Outcome) -> f64| {
        let now = spread(outcomes, &Contender::Ours, of)?;
        let earlier = earlier.and_then(|earlier| spread(outcomes, earlier, of).ok());
        page.change(Change { name, unit: "ns", decimals: 0, now, earlier, target: None });
        anyhow::Ok(())
    };
    change("program on tcp_cong_state_set, per event", &|share, _| share.event.ns_each())?;
    change("program on inet_sock_set_state, per change of the socket's state", &|run, _| {
        run.beside[0].ns_each()
    })?;
    change("CPU time of the tool itself, per event, reports included", &|run, _| {
        run.own_ms * 1e6 / (run.event.count + run.beside[0].count) as f64
    })
}

/// Each contender is as often the first as any other.
fn runs(contenders: &[Contender], traffic: impl Fn() -> Result<()>) -> Result<Vec<Outcome>> {
    let mut order = contenders.to_vec();
    let mut outcomes = Vec::new();
    for _ in 0..RUNS {
        outcomes.push(run(&order, &traffic)?);
        order.rotate_left(1);
    }
    Ok(outcomes)
}

fn run(order: &[Contender], traffic: impl FnOnce() -> Result<()>) -> Result<Outcome> {
    let started = order.iter().map(|run| Ok((run.clone(), run.start("1")?)));
    let running = started.collect::<Result<Vec<(Contender, Running)>>>()?;
    let mut storage = MaybeUninit::uninit();
    let _floor = Floor::attach(&mut storage)?;
    // Somebody else may have had the kernel count before.
    let before =
        running.iter().map(|(_, run)| programs::of(run.pid())).collect::<Result<Vec<_>>>()?;
    let own_before = running.iter().map(|(_, run)| run.cpu_ms()).collect::<Result<Vec<_>>>()?;
    let timing = Timing::enable()?;
    traffic()?;
    drop(timing);
    let floor = programs::of(std::process::id())?;
    let floor = *floor.first_key_value().context("the empty program is gone")?.1;
    let mut shares = Vec::new();
    for (((contender, running), before), own_before) in
        running.into_iter().zip(before).zip(own_before)
    {
        let own_ms = running.cpu_ms()? - own_before;
        let after = programs::of(running.pid())?;
        let since: BTreeMap<_, _> = after
            .into_iter()
            .map(|(name, now)| {
                let before = before.get(&name).copied().unwrap_or_default();
                (name, now - before)
            })
            .collect();
        // The one that ran when the empty one did, give or take what the tools do at an end.
        let event = since.values().min_by_key(|runs| runs.count.abs_diff(floor.count));
        let event = *event.context("no program")?;
        ensure!(event.count.abs_diff(floor.count) < floor.count / 10, "{contender:?}: {since:?}");
        let share = Share {
            event,
            beside: BESIDE.map(|name| {
                let found = since.iter().find(|(one, _)| one.ends_with(name));
                found.map(|(_, runs)| *runs).unwrap_or_default()
            }),
            own_ms,
            peak_memory_mb: running.peak_memory_mb()?,
            map_memory_mb: programs::map_memory_mb(running.pid())?,
        };
        eprintln!("  {contender:?}: {:.0} ns", event.ns_each());
        shares.push((contender, share));
    }
    eprintln!("  empty: {:.0} ns, {} events", floor.ns_each(), floor.count);
    Ok(Outcome { floor, shares })
}

/// What a figure was for one contender in all runs; an error where it took no part.
fn spread(
    outcomes: &[Outcome],
    contender: &Contender,
    of: &dyn Fn(&Share, &Outcome) -> f64,
) -> Result<Spread> {
    let its = |outcome: &Outcome| {
        let (_, share) = outcome.shares.iter().find(|(one, _)| one == contender)?;
        Some(of(share, outcome))
    };
    Spread::of(outcomes.iter().filter_map(its).collect())
}

fn event_ns(outcomes: &[Outcome], contender: &Contender) -> Result<Spread> {
    spread(outcomes, contender, &|share, _| share.event.ns_each())
}

fn more(outcomes: &[Outcome], page: &mut Page) -> Result<()> {
    let plain = event_ns(outcomes, &Contender::Ours)?;
    let peer = event_ns(outcomes, &Contender::Peer).ok();
    let mut row = |name, contender: &Contender| {
        let with_it = event_ns(outcomes, contender)?;
        page.more(More { name, plain, with_it, peer, target: TARGET_FIGURES_NS });
        anyhow::Ok(())
    };
    row("each transition printed, with its cause (`trace`)", &Contender::Causes)?;
    row("what came of a connection (`-o busy,delivered`)", &Contender::Costs)
}

fn beside_peer(outcomes: &[Outcome], page: &mut Page) -> Result<()> {
    let ours = |of: &dyn Fn(&Share, &Outcome) -> f64| spread(outcomes, &Contender::Ours, of);
    let mut figure = |name, unit, decimals, target, of: &dyn Fn(&Share, &Outcome) -> f64| {
        let peer = spread(outcomes, &Contender::Peer, of).ok();
        page.figure(Figure { name, unit, decimals, ours: ours(of)?, peer, target });
        anyhow::Ok(())
    };
    figure("peak memory", "MB", 1, None, &|share, _| share.peak_memory_mb)?;
    figure("maps in the kernel, apart from that", "MB", 2, None, &|share, _| share.map_memory_mb)?;
    figure("both together", "MB", 1, Some(TARGET_MEMORY), &|share, _| {
        share.peak_memory_mb + share.map_memory_mb
    })?;
    let event = "program on tcp_cong_state_set, per event";
    figure(event, "ns", 0, Some(TARGET_NS), &|share, _| share.event.ns_each())?;
    figure("the same less the empty program", "ns", 0, None, &|share, outcome| {
        share.event.ns_each() - outcome.floor.ns_each()
    })?;
    figure("all programs, per run of the traffic", "ms", 2, None, &|share, _| share.total_ms())?;
    let events = ours(&|_, outcome| outcome.floor.count as f64)?;
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
        ours(&|_, outcome| outcome.floor.ns_each())?.show("ns", 0)
    ));
    for (index, name) in BESIDE.iter().enumerate() {
        page.note(format!(
            "Ours has `btf{name}`, which bcc's has no like of: {} each, {} a run.",
            ours(&|share, _| share.beside[index].ns_each())?.show("ns", 0),
            ours(&|share, _| share.beside[index].count as f64)?.show("times", 0)
        ));
    }
    Ok(())
}
