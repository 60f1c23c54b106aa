//! How our tool's CPU time and memory grow with the flows, quiet ones and changing ones.
//! Alone: bcc's has room for 10,240, and knows no quiet ones.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::contender::{Contender, Running};
use super::page::{Page, Point};
use super::part::Part;
use super::programs;
use super::support::crowd::{FIRST_PORT, queue};
use super::support::lab::Lab;
use super::support::netns::Netns;
use super::support::tool::pause;

const CURVE: [usize; 4] = [100, 1_000, 10_000, 100_000];
/// Of these some come with a survey of all sockets.
const QUIET_REPORTS: usize = 20;
const STIRS: usize = 2;
/// `listen()` takes no longer queue.
const QUEUE: usize = 4_000;
/// Longer than the first retransmission timeout.
const SILENCE: Duration = Duration::from_millis(500);
const BACK_MOST: Duration = Duration::from_secs(60);
/// Short connections and the survey at the start are over by then.
pub(crate) const SETTLED: Duration = Duration::from_secs(3);
const TARGET_NAMESPACES_MS: f64 = 20.0;
const NAMESPACES: usize = 200;

pub(crate) fn measure(page: &mut Page) -> Result<()> {
    for flows in CURVE {
        page.point(point(flows)?);
    }
    costs_with_namespaces(page)
}

/// So many connections of the lab, by who holds them: the near ends, and the far ones.
pub(crate) fn hold(lab: &Lab, flows: usize) -> Result<(Vec<Part>, Vec<OwnedFd>)> {
    // A probe before the timeout would put it off.
    lab.client.sysctl("net.ipv4.tcp_early_retrans", "0")?;
    lab.client.sysctl("net.ipv4.ip_local_port_range", "1024 65000")?;
    let (mut holders, mut queues) = (Vec::new(), Vec::new());
    for (index, port) in (0..flows.div_ceil(QUEUE)).zip(FIRST_PORT..) {
        let address = SocketAddr::new(lab.server_v4(), port);
        queues.push(lab.in_server(|| queue(address))??);
        let count = QUEUE.min(flows - index * QUEUE);
        holders.push(Part::start(&lab.client, address, count)?);
    }
    holders.iter_mut().try_for_each(Part::wait)?;
    Ok((holders, queues))
}

fn point(flows: usize) -> Result<Point> {
    let lab = Lab::new("curve")?;
    let (mut holders, _queues) = hold(&lab, flows)?;
    let running = Contender::Ours.start("1")?;
    pause(SETTLED);
    running.skip();
    let before_ms = running.cpu_ms()?;
    let begin = Instant::now();
    pause(Duration::from_secs(QUIET_REPORTS as u64));
    let quiet_ms = (running.cpu_ms()? - before_ms) / begin.elapsed().as_secs_f64();
    let quiet_memory = (running.peak_memory_mb()?, programs::map_memory_mb(running.pid())?);
    let (mut rows, mut longest) = (0, None);
    let before_ms = running.cpu_ms()?;
    for _ in 0..STIRS {
        let (these, interval) = stir(&lab, &mut holders, &running)?;
        // Both ends of a connection are flows, the far ones stay quiet.
        ensure!(these >= flows, "{these} rows of {flows} flows that changed");
        rows += these;
        longest = longest.max(interval);
    }
    let changing_us = (running.cpu_ms()? - before_ms) * 1e3 / rows as f64;
    let memory_mb = running.peak_memory_mb()? + programs::map_memory_mb(running.pid())?;
    Ok(Point {
        flows,
        quiet_percent: quiet_ms / 10.0,
        quiet_mb: quiet_memory.0 + quiet_memory.1,
        rows: rows / STIRS,
        changing_us,
        longest_ms: longest.map(|longest| longest.as_secs_f64() * 1e3),
        memory_mb,
    })
}

/// Has every connection go to Loss and back. Returns how many rows the reports had
/// meanwhile, and how far apart they were at most.
fn stir(lab: &Lab, parts: &mut [Part], running: &Running) -> Result<(usize, Option<Duration>)> {
    running.skip();
    lab.silence(true)?;
    parts.iter_mut().try_for_each(Part::write)?;
    parts.iter_mut().try_for_each(Part::wait)?;
    // Nothing tells from outside that a retransmission timer has fired.
    pause(SILENCE);
    lab.silence(false)?;
    let deadline = Instant::now() + BACK_MOST;
    while unacknowledged(&lab.client)? {
        ensure!(Instant::now() < deadline, "connections do not come back after a silence");
        pause(Duration::from_millis(500));
    }
    // The report on the last of them.
    pause(Duration::from_secs(2));
    running.rows_and_longest()
}

fn unacknowledged(netns: &Netns) -> Result<bool> {
    let sockets = netns.run("ss", &["-tnH", "state", "established"])?;
    let waits = |line: &str| line.split_whitespace().nth(1) != Some("0");
    Ok(sockets.lines().any(waits))
}

/// What came of a connection is asked of the sockets themselves, at each report: where there
/// are none, nothing is.
fn costs_with_namespaces(page: &mut Page) -> Result<()> {
    let make = |number| Netns::new(&format!("tcpcong-idle{number}"));
    let _idle = (0..NAMESPACES).map(make).collect::<Result<Vec<_>>>()?;
    let running = Contender::Costs.start("1")?;
    pause(SETTLED);
    let before_ms = running.cpu_ms()?;
    pause(Duration::from_secs(QUIET_REPORTS as u64));
    let each_ms = (running.cpu_ms()? - before_ms) / QUIET_REPORTS as f64;
    page.note(format!(
        "Costs (`-o busy,delivered`) beside {NAMESPACES} idle network namespaces: {each_ms:.1} ms of \
         CPU time a report; target {TARGET_NAMESPACES_MS} ms."
    ));
    Ok(())
}
