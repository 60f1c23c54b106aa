//! What a line costs: run by hand, with optimisation, as docs/engines.md says. Not a test of
//! anything.

use std::io::{self, Read as _};
use std::os::unix::net::UnixListener;
use std::thread;
use std::time::{Duration, Instant};

use super::{Given, LineOptions, LinesSink};
use crate::view::RunParams;
use tcpcong_core::model::sample::{report, row, start, transition};
use tcpcong_core::model::{Cause, Report, Row, SendStats, State};
use tcpcong_core::sink::{Output, Sink as _};

const ROWS: u16 = 1000;
const REPORTS: u64 = 300;

fn known(lport: u16) -> Row {
    let mut row = row(lport);
    row.names.cgroup = Some("/system.slice/nginx.service".into());
    row.names.netns = Some("host".into());
    row.stats = Some(Box::new(SendStats::default()));
    row
}

fn measure(what: &str, of: &str, report: &Report, lines: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("lines.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    let reader = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let (mut bytes, mut read) = (vec![0; 1 << 16], 0);
        loop {
            match stream.read(&mut bytes).expect("a socket") {
                0 => return read,
                more => read += more,
            }
        }
    });
    let to = format!("unix:{}", path.display());
    let given = Given { to: &to, of: Some(of), host: Some("web-1"), ..Given::default() };
    let options = LineOptions::parse(&given).expect("right");
    let mut sink = LinesSink::new(&options, &RunParams::default()).expect("a thread");
    let (mut data, mut remarks) = (io::sink(), io::sink());
    let mut out = Output { data: &mut data, remarks: &mut remarks };
    sink.started(&start(0), &mut out).expect("memory");
    let (began, mut longest) = (Instant::now(), Duration::ZERO);
    let mut handed = Duration::ZERO;
    for _ in 0..REPORTS {
        let before = Instant::now();
        sink.interval(report, &mut out).expect("memory");
        handed += before.elapsed();
        longest = longest.max(before.elapsed());
        // As fast as it is written, and no faster.
        while sink.waiting() > 4 << 20 {
            thread::yield_now();
        }
    }
    let counters = sink.counters();
    sink.ended(&start(0), &tcpcong_core::model::Summary::default(), &mut out).expect("memory");
    let took = began.elapsed();
    drop(sink);
    let read = reader.join().expect("it reads");
    let written = counters.written();
    assert_eq!(counters.dropped(), 0);
    let per_line = u64::try_from(handed.as_nanos()).unwrap_or(u64::MAX) / written;
    println!(
        "{what}: {lines} lines an interval, {} bytes a line, {per_line} ns a line in the session, \
         {longest:?} an interval at most, {:.0} lines/s to a Unix socket",
        read as u64 / written,
        written as f64 / took.as_secs_f64(),
    );
}

#[test]
#[ignore = "measures"]
fn what_a_line_costs() {
    let rows = || (1..=ROWS).map(known).collect::<Vec<_>>();
    measure("flows", "flows", &report(rows()), ROWS.into());
    let mut of_transitions = report(rows());
    let one = transition(1, State::Open, State::Recovery, Cause::FastRetransmit);
    of_transitions.transitions = of_transitions
        .rows
        .iter()
        .map(|row| {
            let mut transition = one;
            transition.id = row.id;
            transition.connection = row.connection;
            transition
        })
        .collect();
    measure("transitions", "transitions", &of_transitions, ROWS.into());
    measure("reports alone", "verdicts", &report(rows()), 1);
}
