//! Verdicts, as `tcpcong why` gives them on paths of which it is known what holds their
//! connections up, at both ends. Not the paths: `paths` has those.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, SocketAddrV4};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use serde_json::Value;
use tcpcong::demo::cases::find;
use tcpcong::demo::pair::{Dial, Pair};

use super::guest::told;
use super::lines::Verdict;
use super::paths::{CASES, Case, LAST};
use super::support::lab::Lab;
use super::support::tool::pause;
use super::support::watch::{Found, Watch};

/// A watch lasts so long, seconds.
const SECONDS: u64 = 7;
/// A watch begins when slow start is over.
const SETTLED: Duration = Duration::from_secs(1);
/// So many cases are tried once more at the same time.
const AGAIN_AT_A_TIME: usize = 2;
/// The ends' ports.
const PORTS: [u16; 2] = [40_000, 7010];

/// A case whose path is laid.
struct Playing {
    case: &'static Case,
    /// The addresses of its ends.
    ends: [SocketAddrV4; 2],
    /// Before the network, as it has to go before it.
    pair: Pair,
    lab: Lab,
}

/// What became of a case: what was said at both ends, and what is wrong with that.
struct Said {
    lines: [Option<Value>; 2],
    red: Vec<String>,
}

/// All cases, or those of these names.
pub(crate) fn run(kernel: &str, names: &[&str]) -> Result<Vec<Verdict>> {
    if let Some(unknown) = names.iter().find(|name| CASES.iter().all(|case| case.name != **name)) {
        bail!("no case {unknown} with netem");
    }
    let begin = Instant::now();
    let wanted = |case: &&Case| names.is_empty() || names.contains(&case.name);
    let (lacking, possible): (Vec<_>, Vec<_>) = CASES
        .iter()
        .filter(wanted)
        .map(|case| (case, lacks(case)))
        .partition(|(_, lacks)| lacks.is_some());
    let mut all: Vec<_> = lacking
        .into_iter()
        .map(|(case, lacks)| Verdict { lacks, ..verdict(kernel, case) })
        .collect();
    let possible: Vec<_> = possible.into_iter().map(|(case, _)| case).collect();
    let numbers: BTreeSet<_> = possible.iter().map(|case| case.batch).collect();
    let mut suspects = Vec::new();
    let mut labs = Vec::new();
    for number in numbers {
        let batch: Vec<_> = possible.iter().copied().filter(|case| case.batch == number).collect();
        for (case, said) in watched(&batch, &mut labs)? {
            if said.red.is_empty() {
                all.push(said.verdict(kernel, case, 1));
            } else {
                said.red.iter().for_each(|fault| eprintln!("kernels: once more: {fault}"));
                suspects.push(case);
            }
        }
        told(begin, &format!("batch {number} of verdicts"));
    }
    // What the machine was too busy for is right when there are fewer of them.
    for again in suspects.chunks(AGAIN_AT_A_TIME) {
        let said = watched(again, &mut labs)?;
        all.extend(said.iter().map(|(case, said)| said.verdict(kernel, case, 2)));
        told(begin, "verdicts once more");
    }
    Ok(all)
}

/// What this kernel does not have of what the case takes.
fn lacks(case: &Case) -> Option<String> {
    let mut modules = ["sch_netem"].iter().chain(case.needs);
    let lacks = modules.find(|module| {
        let loaded = Command::new("modprobe").arg(module).status();
        !loaded.is_ok_and(|status| status.success())
    });
    lacks.map(|module| format!("this kernel has no {module}"))
}

/// Lays the paths of these cases, and watches them at the same time. The networks are of
/// those that are left, or new, and left where another path can be laid in them.
fn watched(cases: &[&'static Case], labs: &mut Vec<Lab>) -> Result<Vec<(&'static Case, Said)>> {
    let begin = Instant::now();
    let mut playing = thread::scope(|scope| {
        let begin = |case: &&'static Case| {
            let (case, lab) = (*case, labs.pop());
            scope.spawn(move || Playing::begin(case, lab))
        };
        let threads: Vec<_> = cases.iter().map(begin).collect();
        let joined = threads.into_iter().map(|it| it.join().map_err(|_| anyhow!("panicked"))?);
        joined.collect::<Result<Vec<_>>>()
    })?;
    told(begin, "paths laid");
    pause(SETTLED);
    let watch = Watch::start(SECONDS, &["--all"])?;
    told(begin, "watched");
    let (found, during) = thread::scope(|scope| {
        let acts: Vec<_> = playing.iter_mut().map(|one| scope.spawn(|| one.play())).collect();
        let found = watch.found();
        let ended = acts.into_iter().map(|act| act.join().map_err(|_| anyhow!("panicked"))?);
        (found, ended.collect::<Vec<Result<()>>>())
    });
    let found = found?;
    told(begin, "found");
    let said = playing.iter().zip(during).map(|(one, during)| (one.case, one.said(&found, during)));
    let said = said.collect();
    labs.extend(playing.into_iter().filter(|one| one.case.batch != LAST).map(|one| one.lab));
    Ok(said)
}

/// The thread, and those that it starts, stay on the first CPU, and with them the packets:
/// from two, of which an emulator runs one at a time, they would overtake each other.
fn stay() -> Result<()> {
    let mut first = CpuSet::new();
    first.set(0)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &first)?)
}

/// A network whose hosts carry nothing over from one connection to the next.
fn network(name: &str) -> Result<Lab> {
    let lab = Lab::new(name)?;
    lab.know_neighbours()?;
    for netns in [&lab.client, &lab.server] {
        netns.sysctl("net.ipv4.tcp_no_metrics_save", "1")?;
    }
    Ok(lab)
}

impl Playing {
    /// Lays the path, connects, and begins to write, where it is not too early for that.
    fn begin(case: &'static Case, lab: Option<Lab>) -> Result<Self> {
        Self::try_begin(case, lab).with_context(|| format!("{}, {}", case.name, case.cc))
    }

    fn try_begin(case: &'static Case, lab: Option<Lab>) -> Result<Self> {
        stay()?;
        let lab = lab.map_or_else(|| network(case.name), Ok)?;
        (case.lay)(&lab)?;
        let end = |address, port| match address {
            IpAddr::V4(address) => Ok(SocketAddrV4::new(address, port)),
            IpAddr::V6(_) => bail!("not IPv4"),
        };
        let ends = [end(lab.client_v4(), PORTS[0])?, end(lab.server_v4(), PORTS[1])?];
        let [from, to] = ends;
        let dial = Dial { from, to, congestion_control: case.cc.to_owned() };
        let pair = Pair::new(dial, case.sender, case.receiver)?;
        let mut playing = Self { case, ends, pair, lab };
        if !case.late {
            playing.connect()?;
        }
        Ok(playing)
    }

    fn connect(&mut self) -> Result<()> {
        let Self { case, pair, lab, .. } = self;
        lab.in_server(|| pair.listen())??;
        if let Some(every) = pair.attempts() {
            return Ok(lab.in_client(|| pair.attempt(every))??);
        }
        lab.in_client(|| pair.connect())??;
        (case.befalls)(lab)?;
        Ok(pair.write()?)
    }

    /// What happens while it is watched.
    fn play(&mut self) -> Result<()> {
        stay()?;
        if self.case.late {
            self.connect()?;
        }
        (self.case.during)(&self.lab)
    }

    fn said(&self, found: &Found, during: Result<()>) -> Said {
        let [near, far] = self.ends;
        let lines = [on(found, near, far), on(found, far, near)];
        let mut red: Vec<_> = during.err().map(|error| format!("{error:#}")).into_iter().collect();
        match expected(self.case) {
            Ok([near, far]) => {
                for (end, (expected, line)) in
                    ["near", "far"].into_iter().zip([near, far].iter().zip(&lines))
                {
                    red.extend(wrong(expected, line.as_ref()).map(|fault| {
                        format!("{}, {}, {end}: {fault}", self.case.name, self.case.cc)
                    }));
                }
            }
            Err(error) => red.push(format!("{error:#}")),
        }
        Said { lines, red }
    }
}

/// The verdicts that may be given at either end.
pub(crate) fn expected(case: &Case) -> Result<[Vec<&'static str>; 2]> {
    let [near, far] = find(case.name)?.expected(case.cc);
    let far = if case.far.is_empty() { vec![far] } else { case.far.to_vec() };
    Ok([vec![near], far])
}

/// A verdict may be of low confidence where the machine was so slow that the first survey
/// came late in the watch; and the second, where the machine itself was the tight place.
fn wrong(expected: &[&str], line: Option<&Value>) -> Option<String> {
    let verdict = named(line);
    let relied_on =
        line.is_none_or(|line| line["confidence"] != "low" || line["measured"] == false);
    let second = line.and_then(|line| line["second"].as_str()).unwrap_or_default();
    let tight = verdict == "path full" && expected.contains(&second);
    let right = (expected.contains(&verdict) || tight) && relied_on;
    let line = || line.map_or_else(|| "nothing".to_owned(), Value::to_string);
    (!right).then(|| format!("not {}, but {}", expected.join(" or "), line()))
}

fn named(line: Option<&Value>) -> &str {
    line.map_or("-", |line| line["verdict"].as_str().unwrap_or("?"))
}

/// With the second cause.
fn whole(line: Option<&Value>) -> String {
    match line.and_then(|line| line["second"].as_str()) {
        Some(second) => format!("{}, and {second}", named(line)),
        None => named(line).to_owned(),
    }
}

/// Of several connections of the same ends, one after the other, the last that was watched
/// for long enough.
fn on(Found(lines): &Found, local: SocketAddrV4, remote: SocketAddrV4) -> Option<Value> {
    let is = |line: &Value, address: &str, port: &str, end: SocketAddr| {
        line[address] == end.ip().to_string() && line[port] == end.port()
    };
    let its = lines.iter().filter(|line| {
        is(line, "laddr", "lport", local.into()) && is(line, "raddr", "rport", remote.into())
    });
    its.max_by_key(|line| (line["confidence"] != "low", line["watched_ns"].as_u64())).cloned()
}

fn verdict(kernel: &str, case: &Case) -> Verdict {
    let (case, cc) = (case.name.to_owned(), case.cc.to_owned());
    Verdict { kernel: kernel.to_owned(), case, cc, ..Verdict::default() }
}

impl Said {
    fn verdict(&self, kernel: &str, case: &Case, tries: u32) -> Verdict {
        let said = self.lines.each_ref().map(|line| whole(line.as_ref()));
        Verdict { said, tries, red: self.red.clone(), ..verdict(kernel, case) }
    }
}
