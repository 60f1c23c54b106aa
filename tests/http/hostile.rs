//! Clients that are many, slow or silent, with a scraper among them that is served all the
//! time. Not how much they cost.

use std::env;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use nix::sys::resource::{Resource, setrlimit};
use tcpcong::serve::http::Rejection;

use crate::stand::{Stand, ask, metrics};
use crate::support::tool::pause;

const SECOND: Duration = Duration::from_secs(1);
/// Has this file's program be a server with few files.
const FEW_FILES: &str = "TCPCONG_HTTP_FEW_FILES";

/// Asks for the metrics on a new connection each 20 ms until it is told to stop; returns how
/// often it was answered, and how long it took at most.
fn scrape(stand: &Stand, stop: &AtomicBool) -> Result<(u64, Duration)> {
    let (mut answered, mut longest) = (0, Duration::ZERO);
    while !stop.load(Ordering::Relaxed) {
        let begin = Instant::now();
        let answer = stand.get("/metrics").with_context(|| format!("after {answered} answers"))?;
        longest = longest.max(begin.elapsed());
        ensure!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(&metrics()), "{answer}");
        answered += 1;
        pause(Duration::from_millis(20));
    }
    Ok((answered, longest))
}

/// Sends a request's head a byte a second until it is cut off; returns after how long.
fn dribble(mut stream: TcpStream) -> Result<Duration> {
    stream.set_read_timeout(Some(SECOND))?;
    let begin = Instant::now();
    for byte in "GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: */*".bytes() {
        if stream.write_all(&[byte]).is_err() {
            break;
        }
        match stream.read(&mut [0]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => (),
            Ok(_) | Err(_) => break,
        }
    }
    Ok(begin.elapsed())
}

#[test]
fn idle_and_dribbling_clients_leave_a_scraper_served() -> Result<()> {
    let stand = Stand::plain()?;
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let idle: Vec<_> = (0..200).map(|_| stand.connect()).collect::<Result<_>>()?;
        let mut dribblers = Vec::new();
        for _ in 0..50 {
            let stream = stand.connect()?;
            dribblers.push(scope.spawn(|| dribble(stream)));
        }
        let scraper = scope.spawn(|| scrape(&stand, &stop));
        let mut cut = Vec::new();
        for dribbler in dribblers {
            cut.push(dribbler.join().expect("no panic")?);
        }
        let closed = stand.wait_for(Rejection::Slow, 250, 5 * SECOND);
        stop.store(true, Ordering::Relaxed);
        let (answered, longest) = scraper.join().expect("no panic")?;
        closed?;
        let (least, most) = (cut.iter().min().unwrap(), cut.iter().max().unwrap());
        println!(
            "{answered} answers, the longest after {longest:?}; dribblers cut off after {least:?} \
             to {most:?}"
        );
        ensure!(*least > 9 * SECOND && *most < 15 * SECOND, "{least:?} to {most:?}");
        ensure!(longest < 3 * SECOND, "{longest:?}");
        drop(idle);
        Ok(())
    })
}

#[test]
fn more_connections_than_there_may_be_make_room_for_a_scraper() -> Result<()> {
    let stand = Stand::plain()?;
    let mut idle = Vec::new();
    for _ in 0..256 {
        let mut stream = stand.connect()?;
        stream.write_all(b"GET /flows HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        ensure!(stream.read(&mut [0; 1000])? > 0);
        idle.push(stream);
    }
    assert_eq!(stand.counters.open(), 256);
    for count in 1..=20 {
        ensure!(stand.get("/metrics")?.starts_with("HTTP/1.1 200"));
        ensure!(stand.counters.rejected(Rejection::Limit) <= count);
    }
    // The oldest went, and the newest is still served.
    assert_eq!(idle[0].read(&mut [0])?, 0);
    let newest = &mut idle[255];
    newest.write_all(b"GET /flows HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    ensure!(newest.read(&mut [0; 1000])? > 0);
    Ok(())
}

#[test]
fn as_many_dribblers_as_there_may_be_do_not_keep_a_scraper_out() -> Result<()> {
    let stand = Stand::plain()?;
    let mut dribblers = Vec::new();
    for _ in 0..300 {
        let mut stream = stand.connect()?;
        _ = stream.write_all(b"GET ");
        dribblers.push(stream);
    }
    pause(2 * SECOND);
    for _ in 0..20 {
        ensure!(stand.get("/metrics")?.starts_with("HTTP/1.1 200"));
    }
    let limited = stand.counters.rejected(Rejection::Limit);
    println!("{limited} closed as there were too many");
    ensure!(limited >= 44, "{limited}");
    Ok(())
}

#[test]
fn a_client_that_does_not_read_its_answer_is_cut_off() -> Result<()> {
    let stands = [("/large", Stand::plain()?), ("/stream", Stand::plain()?)];
    let mut streams = Vec::new();
    for (path, stand) in &stands {
        let mut stream = stand.connect()?;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes())?;
        streams.push(stream);
    }
    let begin = Instant::now();
    for (path, stand) in &stands {
        stand.wait_for(Rejection::Slow, 1, 45 * SECOND)?;
        let took = begin.elapsed();
        println!("{path} was cut off after {took:?}");
        ensure!(took > 25 * SECOND, "{took:?}");
        assert_eq!(stand.counters.open(), 0);
    }
    Ok(())
}

#[test]
fn clients_that_read_nothing_take_no_more_memory_than_there_is_for_them() -> Result<()> {
    let stand = Stand::plain()?;
    let mut streams = Vec::new();
    for _ in 0..30 {
        let mut stream = stand.connect()?;
        stream.write_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")?;
        streams.push(stream);
    }
    stand.wait_for_responses("5xx", 28)?;
    assert_eq!(stand.responses("2xx"), 2);
    ensure!(stand.get("/healthz")?.starts_with("HTTP/1.1 200"));
    pause(4 * SECOND);
    ensure!(stand.get("/metrics")?.starts_with("HTTP/1.1 200"));
    assert_eq!(stand.counters.rejected(Rejection::Limit), 1);
    Ok(())
}

#[test]
fn what_many_are_answered_is_in_memory_once() -> Result<()> {
    let stand = Stand::plain()?;
    let mut streams = Vec::new();
    for _ in 0..10 {
        let mut stream = stand.connect()?;
        stream.write_all(b"GET /cached HTTP/1.1\r\nHost: x\r\n\r\n")?;
        streams.push(stream);
    }
    stand.wait_for_responses("2xx", 10)?;
    ensure!(stand.get("/cached")?.ends_with("zzz"));
    assert_eq!(stand.counters.rejected(Rejection::Limit), 0);
    Ok(())
}

#[test]
fn slow_pages_that_nobody_waits_for_any_more_count_until_they_are_made() -> Result<()> {
    let stand = Stand::plain()?;
    let mut asking = Vec::new();
    for _ in 0..2 {
        let mut stream = stand.connect()?;
        stream.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")?;
        asking.push(stream);
    }
    stand.wait_until("two pages wait", || stand.gate.waiting.load(Ordering::SeqCst) == 2)?;
    drop(asking);
    stand.wait_until("the clients have gone", || stand.counters.open() == 0)?;
    ensure!(stand.get("/slow")?.starts_with("HTTP/1.1 503"));
    assert_eq!(stand.gate.waiting.load(Ordering::SeqCst), 2);
    stand.gate.open();
    stand.wait_until("there is room again", || {
        stand.get("/slow").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
    })
}

#[test]
fn a_handshake_that_does_not_go_on_is_cut_off() -> Result<()> {
    let stand =
        Stand::with("tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n")?;
    let silent = stand.connect()?;
    let mut halfway = stand.connect()?;
    // The head of a record of 512 bytes that do not come.
    halfway.write_all(&[22, 3, 1, 2, 0, 1])?;
    let mut wrong = stand.connect()?;
    wrong.write_all(b"\x16\x03\x01\x00\x04nope")?;
    drop(stand.connect()?);
    stand.wait_for(Rejection::Tls, 1, 5 * SECOND)?;
    let begin = Instant::now();
    assert_eq!(stand.curl("https --cacert ca.crt", "/metrics")?.status, 200);
    stand.wait_for(Rejection::Slow, 2, 15 * SECOND)?;
    ensure!(begin.elapsed() > 8 * SECOND, "{:?}", begin.elapsed());
    assert_eq!(stand.counters.rejected(Rejection::Tls), 1);
    drop(silent);
    Ok(())
}

#[test]
fn connections_that_are_kept_are_asked_thousands_of_times() -> Result<()> {
    let stand = Stand::plain()?;
    let begin = Instant::now();
    let per_client = 500_u32;
    thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| -> Result<()> {
                    let mut stream = stand.connect()?;
                    let mut answer = vec![0; metrics().len() + 4096];
                    for _ in 0..per_client {
                        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
                        let mut filled = 0;
                        while !answer[..filled].ends_with(b" 12\n") || filled < metrics().len() {
                            let read = stream.read(&mut answer[filled..])?;
                            ensure!(read > 0, "closed");
                            filled += read;
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        clients.into_iter().try_for_each(|client| client.join().expect("no panic"))
    })?;
    let took = begin.elapsed();
    println!("{:.0} a second", 4.0 * f64::from(per_client) / took.as_secs_f64());
    assert_eq!(stand.responses("2xx"), 4 * u64::from(per_client));
    Ok(())
}

/// A server of its own process, as the limit of open files is the process's.
#[test]
fn without_files_left_it_neither_spins_nor_ends() -> Result<()> {
    if env::var_os(FEW_FILES).is_some() {
        return serve_with_few_files();
    }
    let mut child = Command::new(env::current_exe()?)
        .args(["--exact", "hostile::without_files_left_it_neither_spins_nor_ends", "--nocapture"])
        .env(FEW_FILES, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("a pipe")?).lines();
    let address: SocketAddr = loop {
        let line = lines.next().context("no address was printed")??;
        if let Some(address) = line.strip_prefix("address ") {
            break address.parse()?;
        }
    };
    // Requests that are waited for: none makes room for another.
    let mut asking = Vec::new();
    for _ in 0..100 {
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")?;
        asking.push(stream);
    }
    pause(SECOND);
    let before = cpu_ticks(child.id())?;
    pause(2 * SECOND);
    let ticks = cpu_ticks(child.id())? - before;
    drop(asking);
    let answer = ask(address, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
    drop(child.stdin.take());
    let status = child.wait()?;
    println!("{ticks} ticks of the CPU in two seconds");
    ensure!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    ensure!(ticks < 20, "{ticks} ticks in two seconds");
    ensure!(status.success(), "{status}");
    Ok(())
}

fn serve_with_few_files() -> Result<()> {
    let stand = Stand::plain()?;
    setrlimit(Resource::RLIMIT_NOFILE, 40, 40)?;
    println!("\naddress {}", stand.address);
    io::stdin().read_to_end(&mut Vec::new())?;
    stand.gate.open();
    Ok(())
}

/// What a process has used of the processor, in ticks of 10 ms.
fn cpu_ticks(process: u32) -> Result<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields: Vec<_> = stat.rsplit_once(')').context("no name")?.1.split_whitespace().collect();
    Ok(fields[11].parse::<u64>()? + fields[12].parse::<u64>()?)
}
