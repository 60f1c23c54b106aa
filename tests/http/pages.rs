//! Requests of all kinds, and their answers. Not who may ask.

use std::io::{Read as _, Write as _};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::stand::{STREAM_BYTES, Stand, metrics};
use crate::support::tool::pause;

#[test]
fn a_page_is_answered_and_counted() -> Result<()> {
    let stand = Stand::plain()?;
    let answer = stand.curl("", "/metrics")?;
    assert_eq!((answer.status, answer.body), (200, metrics()));
    ensure!(answer.head.contains("content-type: text/plain; version=0.0.4"), "{}", answer.head);
    ensure!(!answer.head.contains("content-encoding"), "{}", answer.head);
    assert_eq!(stand.responses("2xx"), 1);
    Ok(())
}

#[test]
fn head_has_the_length_and_no_more() -> Result<()> {
    let stand = Stand::plain()?;
    let length = metrics().len();
    let answer = stand.ask("HEAD /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    ensure!(answer.to_lowercase().contains(&format!("content-length: {length}\r\n")), "{answer}");
    ensure!(answer.ends_with("\r\n\r\n"), "{answer}");
    Ok(())
}

#[test]
fn other_methods_bodies_and_pages_are_refused_with_what_would_do() -> Result<()> {
    let stand = Stand::plain()?;
    let posted = stand.curl("-d a=b", "/metrics")?;
    assert_eq!(posted.status, 405);
    ensure!(posted.head.contains("allow: get, head"), "{}", posted.head);
    assert_eq!(stand.curl("-X GET -d a=b", "/metrics")?.status, 413);
    assert_eq!(stand.curl("-X OPTIONS", "/metrics")?.status, 405);
    let unknown = stand.curl("", "/metric")?;
    assert_eq!(unknown.status, 404);
    assert_eq!(unknown.body, "there is no such page; there are / /metrics /flows\n");
    assert_eq!(stand.curl("", "/%zz")?.status, 400);
    assert_eq!(stand.responses("4xx"), 5);
    Ok(())
}

#[test]
fn the_landing_page_links_to_the_others() -> Result<()> {
    let stand = Stand::plain()?;
    let answer = stand.curl("", "/")?;
    assert_eq!(answer.status, 200);
    for part in [
        "<h1>tests &amp; trials</h1>",
        "<a href=\"/flows?top=20\">/flows?top=20</a>: flows &lt;of this machine&gt;",
    ] {
        ensure!(answer.body.contains(part), "{}", answer.body);
    }
    Ok(())
}

#[test]
fn a_page_learns_the_query_and_what_is_accepted() -> Result<()> {
    let stand = Stand::plain()?;
    let body = stand.curl("-H Accept:a/b -H Accept:c/d", "/echo?sort=a%20b")?.body;
    ensure!(
        body.contains("accept: \"a/b, c/d\"") && body.contains("(\"sort\", \"a b\")"),
        "{body}"
    );
    Ok(())
}

#[test]
fn heads_that_are_too_large_or_wrong_are_refused_and_counted() -> Result<()> {
    let stand = Stand::plain()?;
    let long = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(9000));
    let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "X: x\r\n".repeat(70));
    for (head, status) in [
        (long.as_str(), "431"),
        (&many, "431"),
        ("GET / HTTP/1.1\r\n\r\n", "400"),
        ("nonsense\r\n\r\n", "400"),
        ("\u{16}\u{3}\u{1}nonsense\r\n\r\n", "400"),
    ] {
        let answer = stand.ask(head)?;
        ensure!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    }
    stand.wait_for_responses("4xx", 5)
}

#[test]
fn requests_follow_one_another_on_a_connection() -> Result<()> {
    let stand = Stand::plain()?;
    let mut stream = stand.connect()?;
    let one = "GET /flows HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let last = "GET /flows HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(format!("{one}{one}{last}").as_bytes())?;
    let mut answers = String::new();
    stream.read_to_string(&mut answers)?;
    assert_eq!(answers.matches("a flow\n").count(), 3);
    Ok(())
}

#[test]
fn two_slow_pages_are_answered_at_a_time_and_quick_ones_meanwhile() -> Result<()> {
    let stand = Stand::plain()?;
    thread::scope(|scope| {
        let slow: Vec<_> = (0..2).map(|_| scope.spawn(|| stand.get("/slow"))).collect();
        let begin = Instant::now();
        while stand.gate.waiting.load(Ordering::SeqCst) < 2 {
            ensure!(begin.elapsed() < Duration::from_secs(10), "the slow pages are not asked for");
            pause(Duration::from_millis(5));
        }
        let third = stand.get("/slow")?.to_lowercase();
        ensure!(third.starts_with("http/1.1 503") && third.contains("retry-after: 5"), "{third}");
        ensure!(stand.get("/metrics")?.starts_with("HTTP/1.1 200"));
        stand.gate.open();
        for one in slow {
            let answer = one.join().expect("no panic")?;
            ensure!(answer.contains("at last") && answer.contains("x-slow: yes"), "{answer}");
        }
        ensure!(stand.get("/slow")?.starts_with("HTTP/1.1 200"));
        Ok(())
    })
}

#[test]
fn a_stream_is_read_as_it_is_sent() -> Result<()> {
    let stand = Stand::plain()?;
    for _ in 0..3 {
        let answer = stand.curl("-o /dev/null", "/stream")?;
        assert_eq!((answer.exit, answer.status, answer.bytes), (0, 200, STREAM_BYTES));
    }
    // Those who leave before its end leave room for others.
    for _ in 0..5 {
        let mut stream = stand.connect()?;
        stream.write_all(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")?;
        stream.read_exact(&mut [0; 1000])?;
        drop(stream);
        pause(Duration::from_millis(100));
    }
    assert_eq!(stand.curl("-I", "/stream")?.status, 200);
    assert_eq!(stand.curl("-o /dev/null", "/stream")?.status, 200);
    Ok(())
}

#[test]
fn a_stream_that_breaks_off_is_no_whole_answer() -> Result<()> {
    let stand = Stand::plain()?;
    let answer = stand.curl("-o /dev/null", "/broken")?;
    ensure!(answer.status == 200 && answer.exit != 0, "{answer:?}");
    Ok(())
}

#[test]
fn a_server_that_is_stopped_answers_what_is_under_way() -> Result<()> {
    let stand = Stand::plain()?;
    let idle = stand.connect()?;
    let address = stand.address;
    let mut kept = stand.connect()?;
    kept.write_all(b"GET /flows HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    let mut read = [0; 1000];
    ensure!(kept.read(&mut read)? > 0);
    let mut asking = stand.connect()?;
    asking.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")?;
    while stand.gate.waiting.load(Ordering::SeqCst) < 1 {
        pause(Duration::from_millis(5));
    }
    let gate = stand.gate;
    let opener = thread::spawn(move || {
        pause(Duration::from_millis(200));
        gate.open();
    });
    let begin = Instant::now();
    stand.running.stop();
    let took = begin.elapsed();
    let mut answer = String::new();
    asking.read_to_string(&mut answer)?;
    ensure!(answer.ends_with("at last\n"), "{answer}");
    ensure!(took < Duration::from_secs(1), "it took {took:?}");
    for mut stream in [idle, kept] {
        assert_eq!(stream.read(&mut read)?, 0);
    }
    ensure!(std::net::TcpStream::connect(address).is_err());
    opener.join().expect("no panic");
    Ok(())
}

#[test]
fn a_server_that_is_stopped_waits_for_nobody_for_long() -> Result<()> {
    let stand = Stand::plain()?;
    let mut asking = stand.connect()?;
    asking.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")?;
    let mut dribbling = stand.connect()?;
    dribbling.write_all(b"GET ")?;
    while stand.gate.waiting.load(Ordering::SeqCst) < 1 {
        pause(Duration::from_millis(5));
    }
    let begin = Instant::now();
    stand.running.stop();
    let took = begin.elapsed();
    stand.gate.open();
    ensure!(took < Duration::from_secs(1), "it took {took:?}");
    Ok(())
}
