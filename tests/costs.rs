//! What a flow's time went into, and what it sent, against the kernel's own account
//! of the same socket, which `TCP_INFO` gives: read before the tool starts and after
//! the last byte was acknowledged, so that nothing goes on at either reading.

#[path = "costs/shown.rs"]
mod shown;
mod support;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{SockaddrStorage, connect};
use nix::time::{ClockId, clock_getres};
use shown::{COUNTS, Costs, OF_OPEN, Rows, TIMES};
use support::account::{Account, until_acknowledged};
use support::lab::Lab;
use support::needs::need_root;
use support::server::{Appetite, Counts, Server};
use support::tool::pause;
use support::traffic::{Dial, disconnect};

const SECOND: Duration = Duration::from_secs(1);
const SECOND_NS: u64 = 1_000_000_000;

/// What the kernel counts these times in, nanoseconds.
fn tick_ns() -> Result<u64> {
    let tick = Duration::from(clock_getres(ClockId::CLOCK_MONOTONIC_COARSE)?);
    Ok(u64::try_from(tick.as_nanos())?)
}

/// The figures are those of the account: counts to the segment, times to two ticks
/// beyond `slack`, by which the account may have been read too early.
fn equal(figures: Account, account: Account, slack: Duration) -> Result<()> {
    println!("shown {figures:?}\n  not {account:?}");
    let most = 2 * tick_ns()? + u64::try_from(slack.as_nanos())?;
    ensure!(figures.counts == account.counts, "{figures:?} is not {account:?}");
    for (shown, kept) in figures.times_ns.iter().zip(account.times_ns) {
        ensure!(shown.abs_diff(kept) <= most, "{figures:?} is not {account:?}");
    }
    Ok(())
}

/// A connection that this test writes to by itself, and its server.
struct Line {
    stream: TcpStream,
    local: SocketAddr,
    server: Server,
}

impl Line {
    fn new(lab: &Lab, appetite: Appetite, dial: impl FnOnce(Dial) -> Dial) -> Result<Self> {
        let server = Server::reading(&lab.server, (lab.server_v4(), 0).into(), appetite)?;
        let dial = dial(Dial::to(server.address()).congestion_control("cubic"));
        let stream = dial.connect(&lab.client, 5 * SECOND)?;
        Ok(Self { local: stream.local_addr()?, stream, server })
    }

    /// Writes so much, and waits until all of it is acknowledged.
    fn send(&self, bytes: usize) -> Result<()> {
        write(&self.stream, bytes)?;
        until_acknowledged(&self.stream)
    }

    /// Writes until the connection is shut down.
    fn send_for_ever(&self) {
        while write(&self.stream, 10_000).is_ok() {}
    }

    fn account(&self) -> Result<Account> {
        Account::of(&self.stream)
    }

    fn end(self) -> Result<()> {
        disconnect(&self.stream)?;
        let closed = |counts: &Counts| counts.closed == 1;
        self.server.wait_until(10 * SECOND, closed).map(drop)
    }
}

/// Writes so many bytes. A write that waits would not show the kernel that the send
/// buffer is too small: it looks when it sends, and by then all is sent.
fn write(mut stream: &TcpStream, bytes: usize) -> Result<()> {
    let buffer = vec![0; bytes.min(64 * 1024)];
    let mut left = bytes;
    while left > 0 {
        poll(&mut [PollFd::new(stream.as_fd(), PollFlags::POLLOUT)], PollTimeout::NONE)?;
        match stream.write(&buffer[..left.min(buffer.len())]) {
            Ok(written) => left -= written,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[test]
fn sums_are_the_kernels_own_account_whatever_the_interval() -> Result<()> {
    if !need_root("sums_are_the_kernels_own_account_whatever_the_interval") {
        return Ok(());
    }
    let lab = Lab::new("sums")?;
    lab.bottleneck("20mbit", "8k", "1mb")?;
    let slowly = Appetite::Bites(16 * 1024, Duration::from_millis(20));
    let lossy = Line::new(&lab, Appetite::All, |dial| dial)?;
    let slow = Line::new(&lab, slowly, |dial| dial)?;
    let narrow = Line::new(&lab, Appetite::All, |dial| dial.send_buffer(8 * 1024))?;
    let quiet = Line::new(&lab, Appetite::All, |dial| dial)?;
    let port = lossy.server.address().port();
    lab.forward(&format!("tcp dport {port} meta length > 1000 numgen random mod 25 0 drop"))?;
    let lines = [(&lossy, 4_000_000), (&slow, 1_000_000), (&narrow, 2_000_000), (&quiet, 0)];
    let send_all = || -> Result<()> {
        thread::scope(|scope| {
            let sending = lines.map(|(line, bytes)| scope.spawn(move || line.send(bytes)));
            sending
                .into_iter()
                .try_for_each(|value| value.join().map_err(|_| anyhow!("a panic"))?)
        })
    };
    // A past that is nobody's business.
    send_all()?;
    let before = lines.map(|(line, _)| line.account());
    let often = Costs::start(&lossy.server.address(), &["0.2"])?;
    let seldom = Costs::start(&lossy.server.address(), &["1"])?;
    send_all()?;
    let after = lines.map(|(line, _)| line.account());
    let (often, seldom) = (often.finish()?, seldom.finish()?);
    let mut gained = Vec::new();
    for (((line, _), before), after) in lines.iter().zip(before).zip(after) {
        let expected = after?.since(before?);
        for lines in [&often, &seldom] {
            let rows = Rows::of(lines, line.local)?;
            rows.consistent()?;
            equal(rows.account()?, expected, Duration::ZERO)?;
        }
        gained.push((expected, Rows::of(&often, line.local)?));
    }
    // It was what it was meant to be.
    let [(lossy, lossy_rows), (slow, _), (narrow, _), (quiet, quiet_rows)] = &gained[..] else {
        unreachable!("four lines")
    };
    ensure!(lossy.counts[1] > 0 && lossy_rows.count("retrans_recovery")? > 0, "{lossy:?}");
    ensure!(lossy_rows.count("delivered_open")? > 0, "{lossy:?}");
    ensure!(slow.times_ns[1] > 500_000_000, "{slow:?}");
    ensure!(narrow.times_ns[2] > 100_000_000, "{narrow:?}");
    ensure!(*quiet == Account::NOTHING, "{quiet:?}");
    ensure!(quiet_rows.time("open_idle")? == quiet_rows.time("open")?);
    ensure!(often.len() > seldom.len(), "{} rows, and {}", often.len(), seldom.len());
    Ok(())
}

#[test]
fn what_came_before_the_start_is_not_charged() -> Result<()> {
    if !need_root("what_came_before_the_start_is_not_charged") {
        return Ok(());
    }
    let lab = Lab::new("past")?;
    let line = Line::new(&lab, Appetite::All, |dial| dial.paced(1_000_000))?;
    thread::scope(|scope| {
        scope.spawn(|| line.send_for_ever());
        let within = || -> Result<()> {
            pause(2 * SECOND);
            let earliest = line.account()?;
            let costs = Costs::start(&line.server.address(), &["0.5"])?;
            let latest = line.account()?;
            pause(2 * SECOND);
            let least = line.account()?.since(latest);
            let figures = Rows::of(&costs.finish()?, line.local)?.account()?;
            let most = line.account()?.since(earliest);
            println!("{least:?}\n{figures:?}\n{most:?}");
            ensure!(least.times_ns[0] > 1_900_000_000, "it was not busy all the time: {least:?}");
            let ticks = 2 * tick_ns()?;
            for index in 0..TIMES.len() {
                let shown = figures.times_ns[index];
                ensure!(shown + ticks >= least.times_ns[index], "{figures:?}, {least:?}");
                ensure!(shown <= most.times_ns[index] + ticks, "{figures:?}, {most:?}");
            }
            for index in 0..COUNTS.len() {
                let possible = least.counts[index]..=most.counts[index];
                ensure!(possible.contains(&figures.counts[index]), "{figures:?}, {possible:?}");
            }
            Ok(())
        };
        let outcome = within();
        line.stream.shutdown(Shutdown::Both)?;
        outcome
    })
}

#[test]
fn what_ends_within_an_interval_is_accounted_to_its_end() -> Result<()> {
    if !need_root("what_ends_within_an_interval_is_accounted_to_its_end") {
        return Ok(());
    }
    let lab = Lab::new("ends")?;
    lab.bottleneck("20mbit", "8k", "20k")?;
    // One report, at its end.
    let all = |value| value;
    let there_before = Line::new(&lab, Appetite::All, all)?;
    there_before.send(300_000)?;
    let before = there_before.account()?;
    let costs = Costs::start(&there_before.server.address(), &[])?;

    there_before.send(500_000)?;
    let there_before_is = (there_before.local, there_before.account()?.since(before));
    there_before.end()?;

    let reset = Line::new(&lab, Appetite::All, all)?;
    reset.send(500_000)?;
    let reset_is = (reset.local, reset.account()?);
    reset.end()?;

    let mut graceful = Line::new(&lab, Appetite::All, all)?;
    graceful.send(500_000)?;
    let mut graceful_is = (graceful.local, graceful.account()?);
    graceful.stream.shutdown(Shutdown::Write)?;
    graceful.stream.set_nonblocking(false)?;
    ensure!(graceful.stream.read(&mut [0])? == 0, "the server has sent something");
    until_acknowledged(&graceful.stream)?;
    // The end of the data is acknowledged like a segment of it.
    graceful_is.1.counts[0] += 1;

    // On its way for ever: what there is at the end has gone on until then.
    let silent = Line::new(&lab, Appetite::All, all)?;
    silent.send(100_000)?;
    lab.silence(true)?;
    write(&silent.stream, 10_000)?;
    pause(SECOND);
    let (read_at, silent_is) = (Instant::now(), (silent.local, silent.account()?));
    let retransmitted = silent_is.1.counts[1];
    disconnect(&silent.stream)?;
    let slack = read_at.elapsed();
    lab.silence(false)?;

    let lines = costs.finish()?;
    for ((local, expected), slack) in [
        (there_before_is, Duration::ZERO),
        (reset_is, Duration::ZERO),
        (graceful_is, SECOND / 10),
        (silent_is, slack),
    ] {
        let rows = Rows::of(&lines, local)?;
        rows.consistent()?;
        ensure!(rows.0.len() == 1 && rows.0[0]["ended"] == true, "{:?}", rows.0);
        equal(rows.account()?, expected, slack)?;
    }
    let silent = Rows::of(&lines, silent_is.0)?;
    ensure!(retransmitted > 0 && silent_is.1.times_ns[0] >= 900_000_000, "{silent_is:?}");
    ensure!(silent.count("retrans_loss")? > 0 && silent.time("busy")? > silent.time("loss")?);
    Ok(())
}

#[test]
fn what_is_left_of_open_is_idle_and_no_more() -> Result<()> {
    if !need_root("what_is_left_of_open_is_idle_and_no_more") {
        return Ok(());
    }
    let lab = Lab::new("rest")?;
    let line = Line::new(&lab, Appetite::All, |dial| dial.paced(1_000_000))?;
    let idle = Line::new(&lab, Appetite::All, |dial| dial)?;
    thread::scope(|scope| {
        scope.spawn(|| line.send_for_ever());
        let within = || -> Result<()> {
            pause(SECOND);
            let costs = Costs::start(&line.server.address(), &["0.2"])?;
            pause(6 * SECOND);
            let lines = costs.finish()?;
            let idle = Rows::of(&lines, idle.local)?;
            idle.consistent()?;
            ensure!(idle.time("open_idle")? == idle.time("open")? && idle.time("busy")? == 0);
            let mut busy = Rows::of(&lines, line.local)?;
            busy.consistent()?;
            // What passed until it was first looked at is in the first one, and how long a look
            // takes is known from then on: before, one may come long before an interval's end.
            busy.0.drain(..2);
            let (open, busy_ns) = (busy.time("open")?, busy.time("busy")?);
            let rest = busy.time("open_idle")?;
            println!("{} rows, open {open}, busy {busy_ns}, rest {rest}", busy.0.len());
            ensure!(open.abs_diff(busy_ns) < SECOND_NS / 10, "{busy_ns} of {open}");
            // The kernel counts in ticks, and is asked a little after an interval's
            // end. That must not add up over thirty of them.
            ensure!(rest < SECOND_NS / 10, "{rest} of {open} although it was always busy");
            Ok(())
        };
        let outcome = within();
        line.stream.shutdown(Shutdown::Both)?;
        outcome
    })
}

#[test]
fn a_socket_that_is_used_again_begins_anew() -> Result<()> {
    if !need_root("a_socket_that_is_used_again_begins_anew") {
        return Ok(());
    }
    let lab = Lab::new("again")?;
    let slowly = Appetite::Bites(16 * 1024, Duration::from_millis(20));
    let line = Line::new(&lab, slowly, |dial| dial)?;
    let costs = Costs::start(&line.server.address(), &[])?;
    line.send(500_000)?;
    disconnect(&line.stream)?;
    // The kernel counts segments anew, and these times not.
    let before = line.account()?;
    ensure!(before.counts == [0; 2] && before.times_ns[1] > 0, "{before:?}");
    let to = SockaddrStorage::from(line.server.address());
    line.stream.set_nonblocking(false)?;
    connect(line.stream.as_raw_fd(), &to)?;
    line.stream.set_nonblocking(true)?;
    line.send(100_000)?;
    let account = line.account()?.since(before);
    let rows = Rows::of(&costs.finish()?, line.stream.local_addr()?)?;
    ensure!(rows.0.len() == 1 && rows.0[0]["ended"] == false, "{:?}", rows.0);
    rows.consistent()?;
    equal(rows.account()?, account, Duration::ZERO)
}

#[test]
fn without_these_columns_nothing_of_them_is_shown() -> Result<()> {
    if !need_root("without_these_columns_nothing_of_them_is_shown") {
        return Ok(());
    }
    let lab = Lab::new("none")?;
    let line = Line::new(&lab, Appetite::All, |dial| dial)?;
    let raddr = line.server.address().ip().to_string();
    let usual = ["--format", "json", "--all", "--raddr", &raddr];
    let plain = Costs::run(&usual)?;
    let sorted = Costs::run(&[&usual[..], &["--sort", "-busy"]].concat())?;
    line.send(100_000)?;
    for costs in [plain, sorted] {
        let Rows(rows) = Rows::of(&costs.finish()?, line.local)?;
        let row = rows[0].as_object().context("no object")?;
        ensure!(row.contains_key("open_ns"), "{row:?}");
        for name in TIMES.iter().chain(&OF_OPEN).map(|name| format!("{name}_ns")) {
            ensure!(!row.contains_key(&name), "{name}: {row:?}");
        }
        for name in COUNTS {
            ensure!(!row.keys().any(|key| key.starts_with(name)), "{name}: {row:?}");
        }
    }
    Ok(())
}
