//! What verdicts rest on, on real traffic over the demo's paths, against the kernel's own
//! `TCP_INFO` of the very sockets: rates, round trips, windows, what comes and is not read.
//! Not the waits before timeouts: `waits` has them.

mod support;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use serde_json::Value;
use support::info::{Figure, Info, Socket};
use support::needs::{need, need_root};
use support::rows::{Report, Reports, number};
use support::tool::pause;
use tcpcong::demo::cases::{self, Running};

const MS_NS: u64 = 1_000_000;
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Sockets are looked at shortly before a report's end, half as long again before it as it
/// took the last time. That is a millisecond or a few.
const LOOK_NS: u64 = 200 * MS_NS;
/// On a machine on which so much else goes on that intervals had to wait for it.
const LATE_LOOK_NS: u64 = 1_000 * MS_NS;
/// Between two readings that are further apart a round-trip time can come and go.
const GAP_NS: u64 = 10 * MS_NS;
const COLUMNS: &str = "laddr,lport,raddr,rport,rate,recv_rate,\
                       acked_bytes,received_bytes,delivery_rate,rtt,rtt_min,cwnd,out_of_order,\
                       unread,rcv_wnd";

fn can_run(test: &str) -> bool {
    need_root(test) && need(test, std::path::Path::new("/dev/net/tun").exists(), "/dev/net/tun")
}

/// The tool at work, with a report each second, of the demo's cases alone.
fn watch() -> Result<Reports> {
    Reports::start(&["--all", "--raddr", "198.19.0.0/16", "-o", COLUMNS, "1"])
}

/// So many reports, and the one at its end.
fn take(mut watch: Reports, times: usize) -> Result<Vec<Report>> {
    let mut reports = Vec::new();
    for _ in 0..times {
        reports.push(watch.next()?.context("it has ended")?);
    }
    reports.push(watch.finish()?);
    Ok(reports)
}

/// Whether nobody has looked for so long after the start that it would say too little of the
/// first interval, as on a busy machine.
fn is_unknown(row: &Value) -> bool {
    row["rate"].is_null()
}

/// The two ends of a case's connection.
struct Ends {
    near: Socket,
    far: Socket,
}

impl Ends {
    fn of(case: &Running) -> Result<Self> {
        let ((near, far), (accepted, peer)) = (case.near_endpoints(), case.far_endpoints());
        Ok(Self { near: Socket::find(near, far)?, far: Socket::find(accepted, peer)? })
    }
}

/// Readings of one socket, by time.
#[derive(Default)]
struct Readings {
    infos: Vec<Info>,
    /// How long before a report's end sockets may have been looked at.
    look_ns: u64,
}

impl Readings {
    /// What the figure was at most so long before `at_ns`, and then: the least and the most.
    fn around(&self, figure: Figure, at_ns: u64) -> Result<(u64, u64)> {
        let first =
            self.infos.partition_point(|info| info.at_ns < at_ns.saturating_sub(self.look_ns));
        let end = self.infos.partition_point(|info| info.at_ns <= at_ns);
        // One more on each side, as readings have gaps.
        let within = self.infos.get(first.saturating_sub(1)..=end).context("not read then")?;
        let values = within.iter().map(|info| info.get(figure)).collect::<Result<Vec<_>>>()?;
        let least = values.iter().min().context("not read then")?;
        Ok((*least, *values.iter().max().context("not read then")?))
    }

    /// The longest time without a reading about then.
    fn gap_ns(&self, at_ns: u64) -> u64 {
        let from_ns = at_ns.saturating_sub(self.look_ns + GAP_NS);
        let within = |info: &&Info| (from_ns..=at_ns + GAP_NS).contains(&info.at_ns);
        let times: Vec<_> = self.infos.iter().filter(within).map(|info| info.at_ns).collect();
        let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
        gaps.max().unwrap_or(u64::MAX)
    }

    /// A counter at an instant.
    fn at(&self, figure: Figure, at_ns: u64) -> Result<f64> {
        let after = self.infos.partition_point(|info| info.at_ns <= at_ns);
        let pair = self.infos.get(after.wrapping_sub(1)..=after).context("not read then")?;
        let [from, to] = [pair[0].get(figure)? as f64, pair[1].get(figure)? as f64];
        let share = (at_ns - pair[0].at_ns) as f64 / (pair[1].at_ns - pair[0].at_ns).max(1) as f64;
        Ok(from + (to - from) * share)
    }

    /// How fast a counter of bytes has grown, bits a second, whenever the looks at both ends
    /// of the interval were: at the least and at the most.
    fn rates(&self, figure: Figure, (from_ns, to_ns): (u64, u64)) -> Result<(f64, f64)> {
        let looks = || (0..=self.look_ns).step_by(10_000_000);
        let at = |at_ns| looks().map(move |early_ns| self.at(figure, at_ns - early_ns));
        let began = at(from_ns).collect::<Result<Vec<_>>>()?;
        let ended = at(to_ns).collect::<Result<Vec<_>>>()?;
        let (mut least, mut most) = (f64::INFINITY, 0_f64);
        for (began, from_early_ns) in began.iter().zip(looks()) {
            for (ended, to_early_ns) in ended.iter().zip(looks()) {
                let took_ns = to_ns - to_early_ns + from_early_ns - from_ns;
                let rate = (ended - began) * 8e9 / took_ns as f64;
                (least, most) = (least.min(rate), most.max(rate));
            }
        }
        Ok((least, most))
    }
}

/// Reads both ends of all again and again while `during` lasts; near first.
fn read_while<T>(
    ends: &[Ends],
    during: impl FnOnce() -> Result<T>,
) -> Result<(T, Vec<[Readings; 2]>)> {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| -> Result<Vec<[Readings; 2]>> {
            let mut readings: Vec<[Readings; 2]> =
                ends.iter().map(|_| Default::default()).collect();
            loop {
                // Once more after the end, so that there is one on each side of all.
                let is_last = is_over.load(Ordering::Relaxed);
                for (ends, [near, far]) in ends.iter().zip(&mut readings) {
                    near.infos.push(ends.near.info()?);
                    far.infos.push(ends.far.info()?);
                }
                if is_last {
                    return Ok(readings);
                }
                pause(Duration::from_millis(1));
            }
        });
        let outcome = during();
        is_over.store(true, Ordering::Relaxed);
        let readings = reader.join().map_err(|_| anyhow!("a panic"))??;
        Ok((outcome?, readings))
    })
}

/// What a flow's counters have come to since its first report.
#[derive(Default)]
struct Sums(HashMap<&'static str, (u64, [u64; 2])>);

impl Sums {
    /// Adds what the row has. The counter has grown by as much between what it was, at the
    /// least and at the most, about the first report's end, and about this one's.
    fn follow(
        &mut self,
        name: &'static str,
        figure: Figure,
        (row, to_ns): (&Value, u64),
        readings: &Readings,
    ) -> Result<()> {
        let more = number(row, name)?;
        let (least, most) = readings.around(figure, to_ns)?;
        let Some((sum, [first_least, first_most])) = self.0.get_mut(name) else {
            self.0.insert(name, (0, [least, most]));
            return Ok(());
        };
        *sum += more;
        let possible = least.saturating_sub(*first_most)..=most - *first_least;
        ensure!(possible.contains(sum), "{name}: {sum}, not {possible:?}: {row}");
        Ok(())
    }

    fn of(&self, name: &str) -> u64 {
        self.0[name].0
    }
}

fn within_5_percent(name: &str, shown: f64, expected: f64) -> Result<()> {
    println!("{name}: {shown:.0}, kernel {expected:.0}: {:+.2} %", (shown / expected - 1.) * 100.);
    ensure!((shown / expected - 1.).abs() < 0.05, "{name}: {shown}, not {expected}");
    Ok(())
}

/// Follows one case's both ends through the reports.
fn follow(
    case: &Running,
    reports: &[Report],
    [near_read, far_read]: &[Readings; 2],
    is_even: bool,
) -> Result<()> {
    let (mut near_sums, mut far_sums) = (Sums::default(), Sums::default());
    let mut whole = 0;
    for report in reports {
        let to_ns = report.to_ns;
        let near = report.of(case.near_endpoints());
        let far = report.of(case.far_endpoints());
        let (Some(near), Some(far)) = (near, far) else { continue };
        if is_unknown(near) || is_unknown(far) {
            ensure!(near_sums.0.is_empty(), "not measured: {near} {far}");
            continue;
        }
        near_sums.follow("acked_bytes", Figure::BytesAcked, (near, to_ns), near_read)?;
        far_sums.follow("received_bytes", Figure::BytesReceived, (far, to_ns), far_read)?;
        far_sums.follow("out_of_order", Figure::RcvOoopack, (far, to_ns), far_read)?;
        let (least, most) = near_read.around(Figure::MinRtt, to_ns)?;
        let rtt_min_us = number(near, "rtt_min_ns")? / 1000;
        ensure!((least..=most).contains(&rtt_min_us), "rtt_min: not {least}..={most}: {near}");
        // What goes up and down may have been further up between two readings.
        for (name, figure, scale) in [
            ("rtt_ns", Figure::Rtt, 1000.),
            ("cwnd", Figure::SndCwnd, 1.),
            ("delivery_rate", Figure::DeliveryRate, 8.),
        ] {
            if near_read.gap_ns(to_ns) > GAP_NS {
                println!("{name}: the machine is too busy to read it often enough");
                continue;
            }
            let (least, most) = near_read.around(figure, to_ns)?;
            let shown = number(near, name)? as f64 / scale;
            within_5_percent(name, shown, shown.clamp(least as f64, most as f64))?;
        }
        // Of intervals that were read from their beginning on.
        let began_before =
            near_read.at(Figure::BytesAcked, report.from_ns - near_read.look_ns).is_ok();
        if is_even && began_before && to_ns - report.from_ns > 900 * MS_NS {
            for (name, row, figure, read) in [
                ("rate", near, Figure::BytesAcked, near_read),
                ("recv_rate", far, Figure::BytesReceived, far_read),
            ] {
                let (least, most) = read.rates(figure, (report.from_ns, to_ns))?;
                let shown = number(row, name)? as f64;
                println!("{name}: kernel {least:.0}..={most:.0}");
                within_5_percent(name, shown, shown.clamp(least, most))?;
            }
            whole += 1;
        }
    }
    println!("{}: {:?} {:?}", case.case().name, near_sums.0, far_sums.0);
    ensure!(!is_even || whole >= 3, "only {whole} whole intervals");
    ensure!(is_even || far_sums.of("out_of_order") > 0, "nothing was out of order");
    Ok(())
}

#[test]
fn rates_and_counters_are_the_kernels_own_while_they_grow() -> Result<()> {
    if !can_run("rates_and_counters_are_the_kernels_own_while_they_grow") {
        return Ok(());
    }
    let cases = [cases::run("healthy", "cubic")?, cases::run("path-loss", "cubic")?];
    let ends = cases.iter().map(Ends::of).collect::<Result<Vec<_>>>()?;
    // Begun later, it would take a while to find their namespaces, and nobody would look.
    let (reports, mut readings) = read_while(&ends, || take(watch()?, 6))?;
    let is_late = |report: &Report| report.to_ns - report.from_ns > 1_005 * MS_NS;
    let look_ns = if reports.iter().any(is_late) { LATE_LOOK_NS } else { LOOK_NS };
    readings.iter_mut().flatten().for_each(|readings| readings.look_ns = look_ns);
    let [healthy, lossy] = &readings[..] else { unreachable!("two cases") };
    follow(&cases[0], &reports, healthy, true)?;
    follow(&cases[1], &reports, lossy, false)
}

/// Waits until nothing of a socket's changes: all that can be is sent and acknowledged.
fn until_calm(socket: &Socket, is_calm: impl Fn(&Info) -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !is_calm(&socket.info()?)? {
        ensure!(Instant::now() < deadline, "it goes on");
        pause(Duration::from_millis(20));
    }
    // What is on its way.
    pause(Duration::from_millis(300));
    Ok(())
}

/// What came of a connection so far: acknowledged, received, out of order.
fn counters(ends: &Ends) -> Result<[u64; 3]> {
    let (near, far) = (ends.near.info()?, ends.far.info()?);
    Ok([
        near.get(Figure::BytesAcked)?,
        far.get(Figure::BytesReceived)?,
        far.get(Figure::RcvOoopack)?,
    ])
}

#[test]
fn what_stands_still_is_shown_as_the_kernel_shows_it() -> Result<()> {
    if !can_run("what_stands_still_is_shown_as_the_kernel_shows_it") {
        return Ok(());
    }
    let cases = [cases::run("sender-stops", "cubic")?, cases::run("stopped-reader", "cubic")?];
    let [idle, stuck] = &cases;
    let (idle_ends, stuck_ends) = (Ends::of(idle)?, Ends::of(stuck)?);
    let earliest = counters(&idle_ends)?;
    let watch = watch()?;
    let latest = counters(&idle_ends)?;
    // Both go on for a second.
    pause(Duration::from_millis(1_200));
    until_calm(&idle_ends.near, |info| {
        Ok(info.get(Figure::Unacked)? == 0 && info.get(Figure::NotsentBytes)? == 0)
    })?;
    // Probes of the window go on, some with a few bytes as long as there is room for them.
    let deadline = Instant::now() + PATIENCE;
    let mut before = 0;
    while before != stuck_ends.far.info()?.get(Figure::BytesReceived)? {
        ensure!(Instant::now() < deadline, "it goes on");
        before = stuck_ends.far.info()?.get(Figure::BytesReceived)?;
        pause(Duration::from_millis(1_500));
    }
    let reports = take(watch, 4)?;
    let sum = |ends, name: &str| -> Result<u64> {
        let rows = reports.iter().filter_map(|report| report.of(ends));
        rows.filter(|row| !is_unknown(row)).map(|row| number(row, name)).sum()
    };
    let last = reports.last().context("no report")?;

    let info = idle_ends.near.info()?;
    let row = last.of(idle.near_endpoints()).context("no row")?;
    ensure!(number(row, "rtt_ns")? == info.get(Figure::Rtt)? * 1000, "{row}");
    ensure!(number(row, "rtt_min_ns")? == info.get(Figure::MinRtt)? * 1000, "{row}");
    ensure!(number(row, "cwnd")? == info.get(Figure::SndCwnd)?, "{row}");
    ensure!(number(row, "delivery_rate")? / 8 == info.get(Figure::DeliveryRate)?, "{row}");
    ensure!(number(row, "rate")? == 0, "{row}");
    let sums = [
        sum(idle.near_endpoints(), "acked_bytes")?,
        sum(idle.far_endpoints(), "received_bytes")?,
        sum(idle.far_endpoints(), "out_of_order")?,
    ];
    let now = counters(&idle_ends)?;
    println!("{sums:?}: {earliest:?} {latest:?} {now:?}");
    let first = [idle.near_endpoints(), idle.far_endpoints()].map(|ends| reports[0].of(ends));
    let is_whole = first.iter().all(|row| row.is_some_and(|row| !is_unknown(row)));
    for (index, sum) in sums.iter().enumerate() {
        let at_least = if is_whole { now[index] - latest[index] } else { 0 };
        let possible = at_least..=now[index] - earliest[index];
        ensure!(possible.contains(sum), "{index}: {sum}, not {possible:?}");
    }
    ensure!(number(last.of(idle.far_endpoints()).context("no row")?, "unread")? == 0);

    let info = stuck_ends.far.info()?;
    ensure!(info.get(Figure::BytesReceived)? == before, "it still comes");
    let row = last.of(stuck.far_endpoints()).context("no row")?;
    println!("{row}");
    let unread = number(row, "unread")?;
    ensure!(unread == stuck_ends.far.unread()? && unread > 100_000, "{row}");
    ensure!(number(row, "rcv_wnd")? == info.get(Figure::RcvWnd)?, "{row}");
    Ok(())
}
