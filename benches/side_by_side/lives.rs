//! Short connections, as fast as they come, with the tool off and on in turn: what it takes
//! from them, what a socket's whole life costs its programs, and what the tool itself takes.

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use nix::libc::linger;
use nix::sys::socket::{Backlog, listen, setsockopt, sockopt};

use super::contender::Contender;
use super::floor::Timing;
use super::page::{Change, Page, Target};
use super::programs;
use super::spread::Spread;
use super::support::netns::Netns;

/// Off and on, so many times each.
const PAIRS: usize = 5;
const TIME: Duration = Duration::from_secs(3);
const THREADS: usize = 2;
/// The tool's own time is told for so many.
const PER_SECOND: f64 = 36_000.0;

/// What came of one run.
struct Outcome {
    /// Connections a second without the tool, and with it.
    off: f64,
    on: f64,
    /// Of the tool's programs, for a socket; and of the tool itself, of one core.
    life_ns: f64,
    own_percent: f64,
}

pub(crate) fn measure(page: &mut Page) -> Result<()> {
    let netns = Netns::new("tcpcong-lives")?;
    netns.sysctl("net.ipv4.ip_local_port_range", "1024 65000")?;
    let earlier = Contender::earlier();
    let now = outcomes(&netns, &Contender::Ours)?;
    let then = earlier.map(|earlier| outcomes(&netns, &earlier)).transpose()?;
    let mut change = |name, unit, decimals, target, of: fn(&Outcome) -> f64| {
        let of_all = |all: &[Outcome]| Spread::of(all.iter().map(of).collect());
        let (now, earlier) = (of_all(&now)?, then.as_deref().map(of_all).transpose()?);
        page.change(Change { name, unit, decimals, now, earlier, target });
        anyhow::Ok(())
    };
    change("short connections on loopback, no tool", "a second", 0, None, |one| one.off)?;
    change("the same with the tool", "a second", 0, None, |one| one.on)?;
    let least = Some(Target::AtLeast(0.93));
    change("what that is of the former", "", 3, least, |one| one.on / one.off)?;
    let most = Some(Target::AtMost(1200.0));
    change("all programs, for a socket's whole life", "ns", 0, most, |one| one.life_ns)?;
    change("the tool itself meanwhile, of a core", "%", 1, None, |one| one.own_percent)?;
    let most = Some(Target::AtMost(3.0));
    let at = |one: &Outcome| one.own_percent * PER_SECOND / one.on;
    change("that at 36,000 connections a second", "%", 1, most, at)?;
    page.note(format!(
        "Short connections: {THREADS} threads, {PAIRS} times {} s each, with the tool off and on in \
         turn; the programs are timed in runs of their own.",
        TIME.as_secs()
    ));
    Ok(())
}

fn outcomes(netns: &Netns, contender: &Contender) -> Result<Vec<Outcome>> {
    (0..PAIRS).map(|_| run(netns, contender)).collect()
}

/// With the contender at work. The kernel's own timing is on in another run, as it costs.
fn run(netns: &Netns, contender: &Contender) -> Result<Outcome> {
    let off = connections(netns)? / TIME.as_secs_f64();
    let running = contender.start("1")?;
    let before_ms = running.cpu_ms()?;
    let made = connections(netns)?;
    let own_ms = running.cpu_ms()? - before_ms;
    let before: u64 = programs::of(running.pid())?.values().map(|runs| runs.time_ns).sum();
    let timing = Timing::enable()?;
    let timed = connections(netns)?;
    drop(timing);
    let after: u64 = programs::of(running.pid())?.values().map(|runs| runs.time_ns).sum();
    Ok(Outcome {
        off,
        on: made / TIME.as_secs_f64(),
        // Each connection has two.
        life_ns: (after - before) as f64 / (2.0 * timed),
        own_percent: own_ms / TIME.as_secs_f64() / 10.0,
    })
}

/// Connects and closes for a while; returns how often.
fn connections(netns: &Netns) -> Result<f64> {
    let (made, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    let listeners =
        netns.enter(|| (0..THREADS).map(|_| listener()).collect::<Result<Vec<_>, _>>())??;
    thread::scope(|scope| -> Result<()> {
        for listener in &listeners {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    listener.accept().map(|(stream, _)| abort(stream)).ok();
                }
            });
            let address = listener.local_addr()?;
            let (made, is_over) = (&made, &is_over);
            scope.spawn(move || {
                netns.enter(|| {
                    let begin = Instant::now();
                    while begin.elapsed() < TIME {
                        if let Ok(stream) = TcpStream::connect(address) {
                            made.fetch_add(1, Ordering::Relaxed);
                            abort(stream);
                        }
                    }
                    is_over.store(true, Ordering::Relaxed);
                    // Whoever waits for another one has it.
                    TcpStream::connect(address).map(abort).ok();
                })
            });
        }
        Ok(())
    })?;
    Ok(made.into_inner() as f64)
}

/// With a longer queue than the standard library's: who finds it full tries again a second
/// later.
fn listener() -> io::Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listen(&listener, Backlog::new(4096)?)?;
    Ok(listener)
}

/// Closes without a `TIME_WAIT`, of which there is no end otherwise.
fn abort(stream: TcpStream) {
    let at_once = linger { l_onoff: 1, l_linger: 0 };
    _ = setsockopt(&stream.as_fd(), sockopt::Linger, &at_once);
    drop(stream);
}
