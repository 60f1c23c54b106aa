//! How far `--attach sample` is off, and what it costs: prints the tables of docs/sample.md.
//! Nothing is held against a bound here, as what is measured is how good estimates are; the
//! bounds that they tell are held in `sample`.

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use support::netns::Netns;
use support::rows::number;
use support::server::Server;
use support::tool::{command, copy_for_all, pause};
use support::trace::{Told, Trace, ends};
use support::traffic::{self, Amount, Dial, Ending};
use tcpcong::path::{LinkSpec, Loss, Path, PathSpec, Phase, Script};

const MS: Duration = Duration::from_millis(1);
const LASTS: Duration = Duration::from_secs(100);
const PORT: u16 = 7010;
/// Lengths of spells are told apart by these, nanoseconds.
const CLASSES: [(u64, &str); 9] = [
    (1_000_000, "under 1 ms"),
    (3_000_000, "1 to 3 ms"),
    (10_000_000, "3 to 10 ms"),
    (30_000_000, "10 to 30 ms"),
    (100_000_000, "30 to 100 ms"),
    (300_000_000, "100 to 300 ms"),
    (1_000_000_000, "0.3 to 1 s"),
    (3_000_000_000, "1 to 3 s"),
    (u64::MAX, "3 to 15 s"),
];
const STATES: [&str; 5] = ["open", "disorder", "cwr", "recovery", "loss"];

/// Delays of one way, each with a random loss of a hundredth: so long is a recovery, or twice.
fn lossy() -> Vec<Script> {
    let way = |us| LinkSpec {
        delay: Duration::from_micros(us),
        loss: Loss::Random(0.01),
        ..LinkSpec::WIRE
    };
    [250, 1000, 4000, 12_000, 40_000, 100_000].map(|us| way(us).into()).to_vec()
}

/// Now and then nothing passes for so long: that is time in Loss, and more, as timeouts double.
fn dark() -> Vec<Script> {
    let wire = LinkSpec { delay: 5 * MS, ..LinkSpec::WIRE };
    let phases = |on: u32, off: u32| {
        let [on, off] = [on, off].map(|ms| ms * MS);
        Script::repeating(vec![
            Phase { spec: wire, lasts: on },
            Phase { spec: wire.blacked_out(), lasts: off },
        ])
    };
    [(1500, 250), (1500, 450), (2000, 900), (2500, 2000), (3000, 4500), (3000, 7000)]
        .map(|(on, off)| phases(on, off))
        .to_vec()
}

/// A path with a connection that sends a little all the time.
struct Stage {
    sender: traffic::Sender,
    _server: Server,
    /// Connections end with these.
    _ends: [Netns; 2],
    /// While this is here a thread is in the near end's namespace: one in which nobody is,
    /// and that has no name, cannot be found.
    _inside: Sender<()>,
    _path: Path,
}

impl Stage {
    fn new(number: u16, forth: Script) -> Result<Self> {
        let back = forth.at(Duration::ZERO);
        let back = LinkSpec { loss: Loss::None, ..back };
        let path = Path::raise(PathSpec::new(forth, back).numbered(number))?;
        let address: SocketAddr = (path.spec().far, PORT).into();
        let ends = [path.near(), path.far()].map(|end| Netns::at(&end.path()));
        let server = Server::listen(&ends[1], address)?;
        let dial = Dial::to(address).congestion_control("cubic").paced(600_000);
        let sender = traffic::Sender::start(&ends[0], &dial, Amount::UntilStopped)?;
        let (inside, left) = channel::<()>();
        let near = Netns::at(&path.near().path());
        thread::spawn(move || near.enter(move || left.recv()));
        Ok(Self { sender, _server: server, _ends: ends, _inside: inside, _path: path })
    }
}

/// A spell outside Open.
#[derive(Debug, Clone)]
struct Spell {
    state: String,
    from_ns: u64,
    to_ns: u64,
}

impl Spell {
    fn length_ns(&self) -> u64 {
        self.to_ns - self.from_ns
    }

    fn overlap_ns(&self, other: &Self) -> u64 {
        self.to_ns.min(other.to_ns).saturating_sub(self.from_ns.max(other.from_ns))
    }
}

type OfFlows = BTreeMap<[SocketAddr; 2], Vec<Spell>>;

fn spells(told: &Told) -> Result<OfFlows> {
    let mut spells = OfFlows::new();
    for one in told.transitions.iter().filter(|one| one["from"] != one["to"]) {
        let to_ns = number(one, "at_ns")?;
        let state = one["from"].as_str().context("no from")?.to_owned();
        let from_ns = to_ns - number(one, "spell_ns")?;
        spells.entry(ends(one)?).or_default().push(Spell { state, from_ns, to_ns });
    }
    Ok(spells)
}

/// How samples were off where a spell was of some length.
#[derive(Default)]
struct Class {
    spells: usize,
    found: usize,
    off_ns: Vec<u64>,
}

/// At this part of them, in order of size, milliseconds.
fn quantile(of: &mut [u64], part: f64) -> String {
    of.sort_unstable();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let at = (part * of.len() as f64) as usize;
    of.get(at.min(of.len().saturating_sub(1)))
        .map_or("-".to_owned(), |ns| format!("{:.1} ms", *ns as f64 / 1e6))
}

fn classes(exact: &OfFlows, sampled: &OfFlows) -> Vec<Class> {
    let mut classes: Vec<_> = CLASSES.iter().map(|_| Class::default()).collect();
    let none = Vec::new();
    for (flow, spells) in exact {
        let found = sampled.get(flow).unwrap_or(&none);
        for spell in spells.iter().filter(|spell| spell.state != "open") {
            let at = CLASSES.iter().position(|(most_ns, _)| spell.length_ns() < *most_ns);
            let class = &mut classes[at.unwrap_or(CLASSES.len() - 1)];
            class.spells += 1;
            let same = found.iter().filter(|one| one.state == spell.state);
            let best = same.max_by_key(|one| one.overlap_ns(spell));
            if let Some(best) = best.filter(|one| one.overlap_ns(spell) > 0) {
                class.found += 1;
                class.off_ns.push(best.length_ns().abs_diff(spell.length_ns()));
            }
        }
    }
    classes
}

/// Time in each state between the first and the last of all, as far as spells have ended.
fn times(of: &OfFlows) -> BTreeMap<&str, u64> {
    let mut times = BTreeMap::new();
    for spell in of.values().flatten() {
        *times.entry(&*spell.state).or_default() += spell.length_ns();
    }
    times
}

#[test]
#[ignore = "prints the table of docs/sample.md, two minutes: cargo test --test sample_accuracy -- \
            --ignored --nocapture"]
fn the_error_beside_the_exact_tool() -> Result<()> {
    let of = ["--raddr", "198.19.0.0/16"];
    let exact = Trace::start(&of)?;
    let every = ["10ms", "100ms"];
    let sample =
        |every| Trace::start(&[&["--attach", "sample", "--sample-every", every], &of[..]].concat());
    let samples = every.map(sample);
    let scripts = lossy().into_iter().chain(dark());
    let stages: Vec<_> = scripts
        .zip(100..)
        .map(|(script, number)| Stage::new(number, script))
        .collect::<Result<_>>()?;
    pause(LASTS);
    for stage in stages {
        // One that went dark may have broken.
        _ = stage.sender.stop(Ending::Reset);
    }
    let exact_told = exact.finish()?;
    ensure!(exact_told.dropped == 0, "{} were dropped", exact_told.dropped);
    let exact = spells(&exact_told)?;
    let mut columns = Vec::new();
    for sample in samples {
        let told = sample?.finish()?;
        columns.push((told.transitions.len(), spells(&told)?));
    }
    let [ten, hundred] = [0, 1].map(|at| classes(&exact, &columns[at].1));
    println!(
        "| length of the spell | spells | at 10 ms: found | length off by, half of them | 95 % of \
         them | at 100 ms: found | length off by, half of them | 95 % of them |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for (((_, name), mut ten), mut hundred) in CLASSES.iter().zip(ten).zip(hundred) {
        let of = |class: &mut Class| {
            let share = 100.0 * class.found as f64 / class.spells.max(1) as f64;
            let off = &mut class.off_ns;
            format!("{share:.0} % | {} | {}", quantile(off, 0.5), quantile(off, 0.95))
        };
        let spells = ten.spells;
        println!("| {name} | {spells} | {} | {} |", of(&mut ten), of(&mut hundred));
    }
    println!("\n| | exact | at 10 ms | at 100 ms |\n| --- | --- | --- | --- |");
    let transitions = exact_told.transitions.len();
    println!("| transitions | {transitions} | {} | {} |", columns[0].0, columns[1].0);
    let all = [times(&exact), times(&columns[0].1), times(&columns[1].1)];
    // Open is not over at the end.
    for state in &STATES[1..] {
        let of = |at: usize| all[at].get(*state).copied().unwrap_or(0) as f64 / 1e9;
        println!("| {state} | {:.2} s | {:.2} s | {:.2} s |", of(0), of(1), of(2));
    }
    Ok(())
}

/// Time that a process has taken, in user space and in the kernel, seconds.
fn cpu(pid: u32) -> Result<[f64; 2]> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, rest) = stat.rsplit_once(')').context("no name")?;
    let fields: Vec<_> = rest.split_whitespace().collect();
    // Ticks of a hundredth.
    let seconds = |at: usize| -> Result<f64> { Ok(fields[at].parse::<f64>()? / 100.0) };
    Ok([seconds(11)?, seconds(12)?])
}

/// So many sockets, each connected to another of them, that do nothing.
fn idle(netns: &Netns, sockets: usize) -> Result<Vec<TcpStream>> {
    netns.run("ip", &["link", "set", "lo", "up"])?;
    netns.enter(|| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let mut open = Vec::with_capacity(sockets);
        while open.len() < sockets {
            open.push(TcpStream::connect(listener.local_addr()?)?);
            open.push(listener.accept()?.0);
        }
        Ok(open)
    })?
}

#[test]
#[ignore = "prints the table of docs/sample.md, two minutes: TCPCONG=target/release/tcpcong cargo \
            test --test sample_accuracy -- --ignored --nocapture"]
fn what_looking_costs() -> Result<()> {
    const SECONDS: f64 = 10.0;
    let folder = copy_for_all()?;
    let tool = folder.path().join("measured");
    std::fs::copy(command().get_program(), &tool)?;
    println!("| sockets | every | of a CPU, user | of a CPU, kernel | samples late |");
    println!("| --- | --- | --- | --- | --- |");
    for sockets in [100, 1000, 10_000] {
        let netns = Netns::new("tcpcong-sample-cost")?;
        let open = idle(&netns, sockets)?;
        for every in ["1s", "100ms", "10ms"] {
            let mut run = Command::new("setpriv");
            run.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(&tool);
            run.args(["--attach", "sample", "--sample-every", every, "--format", "json", "1"]);
            run.stdout(Stdio::piped());
            let mut child = netns.enter(|| run.spawn())??;
            let lines = BufReader::new(child.stdout.take().context("no stdout")?).lines();
            // The first second is spent on beginning.
            let mut reports =
                lines.map_while(|line| serde_json::from_str::<Value>(&line.ok()?).ok());
            reports.find(|line| line["type"] == "report").context("no report")?;
            let before = cpu(child.id())?;
            let mut late = 0;
            for _ in 0..10 {
                let report = reports.find(|line| line["type"] == "report").context("no report")?;
                late += report["samples_late"].as_u64().unwrap_or(0);
            }
            let after = cpu(child.id())?;
            child.kill()?;
            child.wait()?;
            let [user, kernel] = [0, 1].map(|at| 100.0 * (after[at] - before[at]) / SECONDS);
            println!("| {sockets} | {every} | {user:.1} % | {kernel:.1} % | {late} |");
        }
        drop(open);
    }
    Ok(())
}
