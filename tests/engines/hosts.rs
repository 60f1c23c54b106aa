//! A run of this machine in which network namespaces stand for hosts, and the lines of each.
//! Not here: engines.

use std::fs::{self, File};
use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tcpcong::cli::{self, Request};
use tcpcong::lines::{Given, LineOptions, LinesSink};
use tcpcong::view::RunParams;
use tcpcong_core::model::{Filter, LedgerOptions, Lookups, Report, Start, Summary};
use tcpcong_core::recording::Recording;
use tcpcong_core::session::{Plan, Product, Session};
use tcpcong_core::sink::{Output, Sink};
use tcpcong_core::why::Verdicts;

use crate::support::lab::Lab;
use crate::support::netns::Netns;
use crate::support::server::Server;
use crate::support::tool::{command, pause};
use crate::support::traffic::{Amount, Dial, Ending, Sender};

/// The recording's name in its folder.
pub(crate) const RECORDING: &str = "a.jsonl.zst";

/// A network namespace that stands for a host.
pub(crate) struct Host {
    pub(crate) name: &'static str,
    pub(crate) netns: String,
}

/// Four hosts that send to one another in pairs: one path passes nothing for a while, on the
/// other the router is too tight both ways.
pub(crate) fn record(folder: &Path) -> Result<Vec<Host>> {
    let labs = [Lab::new("eng1")?, Lab::new("eng2")?];
    let mut servers = Vec::new();
    for lab in &labs {
        lab.bottleneck("100mbit", "32k", "60k")?;
        servers.push((&lab.client, Server::listen(&lab.server, (lab.server_v4(), 0).into())?));
        servers.push((&lab.server, Server::listen(&lab.client, (lab.client_v4(), 0).into())?));
    }
    let towards_client = "qdisc replace dev r0 root tbf rate 100mbit burst 32k limit 60k";
    labs[1].router.run("tc", &towards_client.split(' ').collect::<Vec<_>>())?;
    let mut tool = begin(folder)?;
    let mut senders = Vec::new();
    for (from, server) in &servers {
        for cc in ["cubic", "reno", "cubic"] {
            let dial = Dial::to(server.address()).congestion_control(cc);
            senders.push(Sender::start(from, &dial, Amount::UntilStopped)?);
        }
    }
    pause(Duration::from_millis(800));
    labs[0].silence(true)?;
    pause(Duration::from_millis(1500));
    labs[0].silence(false)?;
    pause(Duration::from_millis(1500));
    senders.into_iter().try_for_each(|sender| sender.stop(Ending::Reset).map(drop))?;
    kill(Pid::from_raw(i32::try_from(tool.id())?), Signal::SIGINT)?;
    ensure!(tool.wait()?.success(), "it failed");
    let host = |name, netns: &Netns| -> Result<Host> { Ok(Host { name, netns: netns.inode()? }) };
    let [first, second] = &labs;
    Ok(vec![
        host("web-1", &first.client)?,
        host("db-1", &first.server)?,
        host("web-2", &second.client)?,
        host("db-2", &second.server)?,
    ])
}

fn begin(folder: &Path) -> Result<Child> {
    let mut tool = command()
        .args(["record", "-o", RECORDING])
        .current_dir(folder)
        .stderr(Stdio::null())
        .spawn()?;
    while !folder.join(RECORDING).exists() {
        ensure!(tool.try_wait()?.is_none(), "it ended before it began");
        pause(Duration::from_millis(5));
    }
    Ok(tool)
}

/// Keeps verdicts for a run that shows reports.
#[derive(Default)]
struct Kept(Vec<Verdicts>);

impl Sink for Kept {
    fn verdicts(&mut self, verdicts: &Verdicts, _: &mut Output<'_>) -> io::Result<()> {
        self.0.push(verdicts.clone());
        Ok(())
    }
}

/// The lines of a run, with verdicts among the reports as a service has them.
struct Service {
    lines: LinesSink,
    verdicts: std::vec::IntoIter<Verdicts>,
}

impl Sink for Service {
    fn started(&mut self, start: &Start, out: &mut Output<'_>) -> io::Result<()> {
        self.lines.started(start, out)
    }

    fn interval(&mut self, report: &Report, out: &mut Output<'_>) -> io::Result<()> {
        self.lines.interval(report, out)?;
        let due = self.verdicts.as_slice().first();
        if due.is_some_and(|verdicts| verdicts.to_ns <= report.to_ns) {
            let verdicts = self.verdicts.next();
            verdicts.map_or(Ok(()), |verdicts| self.lines.verdicts(&verdicts, out))?;
        }
        Ok(())
    }

    fn ended(&mut self, start: &Start, sum: &Summary, out: &mut Output<'_>) -> io::Result<()> {
        self.lines.ended(start, sum, out)
    }
}

/// Only what this host's namespace has.
fn filter(host: &Host) -> Result<Filter> {
    let request = cli::parse(["tcpcong", "--from", RECORDING, "--netns", &host.netns])?;
    let Request::Reports(config) = request else { bail!("another request") };
    Ok(config.filter)
}

fn replay(folder: &Path, filter: &Filter, product: Product, sink: &mut dyn Sink) -> Result<()> {
    let mut recording = Recording::open(Box::new(File::open(folder.join(RECORDING))?))?;
    let second = Some(Duration::from_secs(1));
    let is_report = product == Product::Reports;
    let plan = Plan {
        product,
        interval: second.filter(|_| is_report),
        verdicts_every: second.filter(|_| !is_report),
        ledger: LedgerOptions {
            transitions: true,
            list_quiet: !is_report,
            tick_ns: Some(recording.tick_ns()),
            ..LedgerOptions::default()
        },
        filter: filter.clone(),
        lookups: Lookups::ALL,
        ..Plan::default()
    };
    let mut owners = recording.owners();
    let session = Session {
        source: &mut recording,
        enrichment: &mut owners,
        sink,
        out: Output { data: &mut io::sink(), remarks: &mut io::stderr() },
        backlog: &(),
    };
    session.run(&plan).map(drop)
}

/// Writes this host's lines; returns how many.
fn write(folder: &Path, host: &Host, to: &str, max_size: Option<&str>) -> Result<u64> {
    let filter = filter(host)?;
    let mut kept = Kept::default();
    replay(folder, &filter, Product::Verdicts, &mut kept)?;
    let given = Given { to, host: Some(host.name), max_size, ..Given::default() };
    let options = LineOptions::parse(&given).map_err(anyhow::Error::msg)?;
    let lines = LinesSink::new(&options, &RunParams::default())?;
    let counters = lines.counters();
    let mut service = Service { lines, verdicts: kept.0.into_iter() };
    replay(folder, &filter, Product::Reports, &mut service)?;
    ensure!(counters.dropped() == 0, "{} lines were dropped", counters.dropped());
    Ok(counters.written())
}

/// Copies what comes on a connection into a file.
fn receive<S: io::Read + Send + 'static>(
    accept: impl FnOnce() -> io::Result<S> + Send + 'static,
    file: PathBuf,
) -> JoinHandle<io::Result<u64>> {
    spawn(move || io::copy(&mut accept()?, &mut File::create(file)?))
}

/// Each host's lines come to the folder in another way.
pub(crate) fn write_all(folder: &Path, hosts: &[Host]) -> Result<()> {
    let [web_1, db_1, web_2, db_2] = hosts else { bail!("four hosts") };
    let file = |host: &Host| folder.join(format!("lines-{}.jsonl", host.name));
    let socket = folder.join("lines.sock");
    let unix = UnixListener::bind(&socket)?;
    let receiver = receive(move || unix.accept().map(|(stream, _)| stream), file(web_1));
    let mut written = write(folder, web_1, &format!("unix:{}", socket.display()), None)?;
    ensure!(receiver.join().is_ok_and(|copied| copied.is_ok()), "nothing came");
    let tcp = TcpListener::bind("127.0.0.1:0")?;
    let to = format!("tcp:{}", tcp.local_addr()?);
    let receiver = receive(move || tcp.accept().map(|(stream, _)| stream), file(db_1));
    written += write(folder, db_1, &to, None)?;
    ensure!(receiver.join().is_ok_and(|copied| copied.is_ok()), "nothing came");
    written += write(folder, web_2, &file(web_2).to_string_lossy(), None)?;
    written += write(folder, db_2, &file(db_2).to_string_lossy(), Some("8K"))?;
    let mut found = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.to_string_lossy().contains(".jsonl") && path.file_name() != Some(RECORDING.as_ref())
        {
            found += fs::read_to_string(path)?.lines().count() as u64;
        }
    }
    ensure!(found == written, "{found} lines, not {written}");
    Ok(())
}
