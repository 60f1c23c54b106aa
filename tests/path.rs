//! The path in a can, held against sockets: whether it does what its spec says, both ways.
//! Not here: what TCP makes of it.

mod support;

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::Path as FilePath;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use nix::sys::socket::{setsockopt, sockopt};
use support::needs::{need, need_root};
use support::netns::Netns;
use support::tool::pause;
use tcpcong::path::{
    Answer, Direction, LinkSpec, Loss, Marks, NetNs, Overtaking, Path, PathSpec, Script,
};

const MS: Duration = Duration::from_millis(1);
const MBIT: u64 = 1_000_000;
const PORT: u16 = 7011;

fn can_run(test: &str) -> bool {
    need_root(test) && need(test, FilePath::new("/dev/net/tun").exists(), "/dev/net/tun")
}

/// 20 Mbit/s, 20 ms, and a queue of a round trip.
fn usual() -> LinkSpec {
    LinkSpec::bottleneck(20 * MBIT, 20 * MS, 100_000)
}

/// The ends in one direction: who sends, who receives.
fn ends(path: &Path, direction: Direction) -> (&NetNs, &NetNs, Ipv4Addr) {
    match direction {
        Direction::Forth => (path.near(), path.far(), path.spec().far),
        Direction::Back => (path.far(), path.near(), path.spec().near),
    }
}

/// A socket that sends, and the one that it is connected to.
fn udp(path: &Path, direction: Direction) -> Result<(UdpSocket, UdpSocket)> {
    let (from, to, address) = ends(path, direction);
    let receiver = to.enter(|| UdpSocket::bind((address, PORT)))??;
    let sender = from.enter(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)))??;
    sender.connect((address, PORT))?;
    // Longer than any silence that is not the end.
    receiver.set_read_timeout(Some(700 * MS))?;
    sender.set_read_timeout(Some(700 * MS))?;
    Ok((sender, receiver))
}

/// How many of the datagrams come that are sent one each `every`.
fn arrived(path: &Path, direction: Direction, count: usize, every: Duration) -> Result<usize> {
    let (sender, receiver) = udp(path, direction)?;
    std::thread::scope(|scope| {
        let counter = scope.spawn(|| {
            let mut buffer = [0; 2_000];
            std::iter::from_fn(|| receiver.recv(&mut buffer).ok()).count()
        });
        for _ in 0..count {
            sender.send(&[0; 500])?;
            pause(every);
        }
        counter.join().ok().context("a panic")
    })
}

/// How many bits of IP packets come through in a second, when half as many again as `rate_bps` are sent:
/// the queue is never empty, whatever a congestion control would make of it.
fn flooded_rate(path: &Path, direction: Direction, rate_bps: u64) -> Result<f64> {
    const PAYLOAD: usize = 1_472;
    const PACKET_BITS: u64 = 1_500 * 8;
    let (sender, receiver) = udp(path, direction)?;
    // As this thread may not run for a while.
    setsockopt(&receiver, sockopt::RcvBufForce, &(16 << 20))?;
    let measured = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let every = Duration::from_nanos(PACKET_BITS * 1_000_000_000 * 2 / 3 / rate_bps);
            let mut due = Instant::now();
            while !measured.load(Relaxed) {
                while due.elapsed() > Duration::ZERO {
                    // Refused, where the device's own queue is full.
                    let _ = sender.send(&[0; PAYLOAD]);
                    due += every;
                }
                pause(MS);
            }
        });
        let mut buffer = [0; 2_000];
        let mut receive_for = |time: Duration| -> Result<f64> {
            let started = Instant::now();
            let mut packets = 0;
            while started.elapsed() < time {
                receiver.recv(&mut buffer)?;
                packets += 1;
            }
            Ok((packets * PACKET_BITS) as f64 / started.elapsed().as_secs_f64())
        };
        let rate = receive_for(500 * MS).and_then(|_| receive_for(3_000 * MS));
        measured.store(true, Relaxed);
        rate
    })
}

#[test]
fn the_rate_is_what_it_says_both_ways() -> Result<()> {
    if !can_run("the_rate_is_what_it_says_both_ways") {
        return Ok(());
    }
    for mbit in [5, 20, 100] {
        let queue_bytes = mbit * MBIT / 8 * 80 / 1_000;
        let link = LinkSpec::bottleneck(mbit * MBIT, 20 * MS, queue_bytes);
        for direction in [Direction::Forth, Direction::Back] {
            let path = Path::raise(PathSpec::new(link, link))?;
            let rate = flooded_rate(&path, direction, mbit * MBIT)? / 1e6;
            println!("{mbit} Mbit/s {direction:?}: {rate:.2} Mbit/s, {:?}", path.counts(direction));
            let share = rate / mbit as f64;
            ensure!((0.97..1.03).contains(&share), "{direction:?}: {rate} of {mbit} Mbit/s");
        }
    }
    Ok(())
}

#[test]
fn a_round_trip_takes_both_delays() -> Result<()> {
    if !can_run("a_round_trip_takes_both_delays") {
        return Ok(());
    }
    let path = Path::raise(PathSpec::new(usual(), usual()))?;
    let (sender, receiver) = udp(&path, Direction::Forth)?;
    let mut times = Vec::new();
    for _ in 0..40 {
        let started = Instant::now();
        sender.send(b"?")?;
        let (_, back_to) = receiver.recv_from(&mut [0; 8])?;
        receiver.send_to(b"!", back_to)?;
        sender.recv(&mut [0; 8])?;
        times.push(started.elapsed());
        pause(3 * MS);
    }
    times.sort();
    println!("least {:?}, median {:?}, most {:?}", times[0], times[20], times[39]);
    ensure!(times[0] >= 40 * MS && times[30] < 42 * MS, "{times:?}");
    Ok(())
}

#[test]
fn its_share_is_lost_and_of_one_way_alone() -> Result<()> {
    if !can_run("its_share_is_lost_and_of_one_way_alone") {
        return Ok(());
    }
    let lossy = LinkSpec { loss: Loss::Random(0.02), ..usual() };
    for (direction, forth, back) in
        [(Direction::Forth, lossy, usual()), (Direction::Back, usual(), lossy)]
    {
        let path = Path::raise(PathSpec::new(forth, back))?;
        let came = arrived(&path, direction, 6_000, MS / 3)?;
        let counts = path.counts(direction);
        println!("{direction:?}: {came} of 6000 came, {counts:?}");
        // 120 on average, and three times the standard deviation of 11.
        ensure!((86..154).contains(&(6_000 - came)), "{came}");
        ensure!(counts.passed == came as u64 && counts.tail_dropped == 0, "{counts:?}");
        let other = if direction == Direction::Forth { Direction::Back } else { Direction::Forth };
        ensure!(arrived(&path, other, 100, MS)? == 100, "{other:?} lost something");
    }
    Ok(())
}

#[test]
fn nothing_passes_in_a_blackout_and_all_does_afterwards() -> Result<()> {
    if !can_run("nothing_passes_in_a_blackout_and_all_does_afterwards") {
        return Ok(());
    }
    let path = Path::raise(PathSpec::new(usual(), usual()))?;
    for direction in [Direction::Forth, Direction::Back] {
        path.set(direction, usual().blacked_out());
        ensure!(arrived(&path, direction, 20, MS)? == 0, "{direction:?}");
        path.set(direction, usual());
        ensure!(arrived(&path, direction, 20, MS)? == 20, "{direction:?}");
    }
    // For half a second from now on.
    let dark = tcpcong::path::Phase { spec: usual().blacked_out(), lasts: 500 * MS };
    path.play(Direction::Forth, Script::once(vec![dark], usual()));
    let came = arrived(&path, Direction::Forth, 100, 10 * MS)?;
    ensure!((35..=52).contains(&came), "{came} of 100, the first half of them in the dark");
    Ok(())
}

#[test]
fn marks_are_seen_by_the_receiver() -> Result<()> {
    if !can_run("marks_are_seen_by_the_receiver") {
        return Ok(());
    }
    let marking = LinkSpec { marks: Marks::Every(10), ..usual() };
    let path = Path::raise(PathSpec::new(marking, marking))?;
    for direction in [Direction::Forth, Direction::Back] {
        let (sender, receiver) = udp(&path, direction)?;
        // ECT(0), RFC 3168.
        setsockopt(&sender, sockopt::Ipv4Tos, &2)?;
        for _ in 0..100 {
            sender.send(&[0; 500])?;
        }
        let came = std::iter::from_fn(|| receiver.recv(&mut [0; 500]).ok()).count();
        let (_, to, _) = ends(&path, direction);
        let to = Netns::at(&to.path());
        // `net/ipv4/proc.c`.
        let (marked, capable) =
            (to.counter("netstat", "InCEPkts")?, to.counter("netstat", "InECT0Pkts")?);
        ensure!((came, marked, capable) == (100, 10, 90), "{came}, {marked}, {capable}");
        ensure!(path.counts(direction).marked == 10, "{:?}", path.counts(direction));
    }
    Ok(())
}

#[test]
fn what_is_held_back_is_overtaken() -> Result<()> {
    if !can_run("what_is_held_back_is_overtaken") {
        return Ok(());
    }
    let overtaking = Some(Overtaking { one_in: 10, late: 5 * MS });
    let path = Path::raise(PathSpec::new(LinkSpec { overtaking, ..usual() }, usual()))?;
    let (sender, receiver) = udp(&path, Direction::Forth)?;
    for number in 0..100 {
        sender.send(&[number; 500])?;
        pause(MS);
    }
    let mut buffer = [0; 500];
    let came: Vec<u8> =
        std::iter::from_fn(|| receiver.recv(&mut buffer).ok().map(|_| buffer[0])).collect();
    let behind = came.windows(2).filter(|pair| pair[0] > pair[1]).count();
    ensure!(came.len() == 100 && (9..=10).contains(&behind), "{behind}: {came:?}");
    Ok(())
}

#[test]
fn long_packets_are_lost_without_a_word() -> Result<()> {
    if !can_run("long_packets_are_lost_without_a_word") {
        return Ok(());
    }
    let narrow = LinkSpec { max_packet_bytes: Some(1_200), ..usual() };
    let path = Path::raise(PathSpec::new(narrow, usual()))?;
    let (sender, receiver) = udp(&path, Direction::Forth)?;
    for bytes in [1_400, 1_100, 1_173, 1_172] {
        sender.send(&vec![0; bytes])?;
    }
    let mut buffer = [0; 2_000];
    let came: Vec<_> = std::iter::from_fn(|| receiver.recv(&mut buffer).ok()).collect();
    // 28 bytes of headers.
    ensure!(came == [1_100, 1_172], "{came:?}");
    Ok(())
}

#[test]
fn a_connection_attempt_is_answered_by_whoever_is_there() -> Result<()> {
    if !can_run("a_connection_attempt_is_answered_by_whoever_is_there") {
        return Ok(());
    }
    let path = Path::raise(PathSpec::new(usual(), usual()))?;
    let attempt = || -> Result<ErrorKind> {
        let to = SocketAddr::from((path.spec().far, PORT));
        let timeout = 500 * MS;
        let outcome = path.near().enter(|| TcpStream::connect_timeout(&to, timeout))?;
        Ok(outcome.err().context("somebody listens")?.kind())
    };
    ensure!(attempt()? == ErrorKind::ConnectionRefused);
    let answer = Some(Answer::HostUnreachable);
    path.set(Direction::Forth, LinkSpec { answer, ..usual() });
    let started = Instant::now();
    ensure!(attempt()? == ErrorKind::HostUnreachable);
    ensure!((20 * MS..100 * MS).contains(&started.elapsed()), "{:?}", started.elapsed());
    path.set(Direction::Forth, usual().blacked_out());
    ensure!(attempt()? == ErrorKind::TimedOut);
    Ok(())
}

/// What this process has open, and its threads' names.
fn held() -> Result<Vec<String>> {
    let mut held = Vec::new();
    for fd in std::fs::read_dir("/proc/self/fd")? {
        // The directory's own descriptor has gone.
        let Ok(target) = std::fs::read_link(fd?.path()) else { continue };
        held.push(target.to_string_lossy().into_owned());
    }
    for task in std::fs::read_dir("/proc/self/task")? {
        held.push(std::fs::read_to_string(task?.path().join("comm")).unwrap_or_default());
    }
    Ok(held)
}

#[test]
fn nothing_is_left_behind() -> Result<()> {
    if !can_run("nothing_is_left_behind") {
        return Ok(());
    }
    let own = std::fs::read_link("/proc/thread-self/ns/net")?;
    let path = Path::raise(PathSpec { name: "mine", ..PathSpec::new(usual(), usual()) })?;
    ensure!(std::fs::read_link("/proc/thread-self/ns/net")? == own);
    let inodes = [path.near().inode()?, path.far().inode()?].map(|inode| format!("net:[{inode}]"));
    let is_mine = |held: &String| held == "mine-router\n" || inodes.contains(held);
    // A thread names itself, once it runs.
    let mine = || -> Result<Vec<_>> { Ok(held()?.into_iter().filter(is_mine).collect()) };
    for _ in 0..100 {
        if mine()?.len() == 3 {
            break;
        }
        pause(10 * MS);
    }
    ensure!(mine()?.len() == 3, "{:?}", mine()?);
    drop(path);
    ensure!(mine()?.is_empty(), "{:?}", mine()?);
    Ok(())
}
