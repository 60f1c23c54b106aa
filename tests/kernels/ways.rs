//! One tool for each way of attaching, all tracing at once.
//! Not what they ought to see: `guest` compares.

use std::fs::{self, File};
use std::process::Stdio;
use std::thread::{self, JoinHandle};

use anyhow::{Context as _, Result, anyhow, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::lines::{PassedOver, Way};
use super::support::instance::has_event;
use super::support::tool::{Report, Tool, command};

/// All that a row is judged by. Not the owners: each tool would walk every open file once a
/// second, and all ways are at work at once, on two emulated CPUs.
const COLUMNS: &str = "family,laddr,lport,raddr,rport,netns,state,open,disorder,cwr,recovery,loss,\
                       changes,repeated_rtos,spell,exact,uncertain,ended";
pub(crate) const EVERY: [&str; 6] = [
    "tracepoint:btf",
    "tracepoint:classic",
    "fentry:setter",
    "fentry:callers",
    "kprobe:setter",
    "kprobe:callers",
];
/// The same, the best first: the order in which the tool is to choose.
const IN_ORDER: [&str; 6] = [
    "tracepoint:btf",
    "fentry:setter",
    "tracepoint:classic",
    "kprobe:setter",
    "fentry:callers",
    "kprobe:callers",
];
/// Asked for, the tool chooses.
pub(crate) const AUTO: &str = "auto";
/// The exit code of a tool that this kernel does not let trace.
const CANNOT: i32 = 3;
/// Seconds from one report to the next.
const INTERVAL: &str = "1";
/// How the names of the ways end that see the functions around the transitions.
pub(crate) const CALLERS: &str = ":callers";
/// The one that uses kretprobes.
pub(crate) const KRETPROBES: &str = "kprobe:callers";

/// A tool that traces in one way.
pub(crate) struct Tracing {
    pub(crate) way: Way,
    pid: Pid,
    reader: JoinHandle<Result<Vec<Report>>>,
    stderr: String,
}

/// The ways of these names; all for none.
pub(crate) fn chosen(names: &[&str]) -> Result<Vec<&'static str>> {
    if let Some(unknown) = names.iter().find(|name| !EVERY.contains(name)) {
        bail!("no way {unknown}; there are {}", EVERY.join(", "));
    }
    let wanted = |way: &&str| names.is_empty() || names.contains(way);
    Ok(EVERY.into_iter().filter(wanted).collect())
}

/// Whether this kernel has what the way of this name takes.
fn expected(name: &str) -> Result<bool> {
    let functions = || fs::read_to_string("/sys/kernel/tracing/available_filter_functions");
    Ok(match name {
        "tracepoint:btf" | "tracepoint:classic" => has_event("tcp/tcp_cong_state_set"),
        "fentry:setter" | "kprobe:setter" => {
            functions()?.lines().any(|function| function == "tcp_set_ca_state")
        }
        _ => true,
    })
}

/// What the tool takes when it may choose.
pub(crate) fn automatic(kernel: &str) -> Result<Way> {
    match start_one(kernel, AUTO)? {
        Ok(tool) => {
            tool.interrupt()?;
            Ok(tool.finish()?.0)
        }
        Err(way) => Ok(way),
    }
}

/// Starts one tool for each name, all at a time.
pub(crate) fn start(kernel: &str, names: &[&str]) -> Result<(Vec<Tracing>, Vec<Way>)> {
    let started: Vec<_> = thread::scope(|scope| {
        let starting: Vec<_> =
            names.iter().map(|name| scope.spawn(|| start_one(kernel, name))).collect();
        starting.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("panicked"))).collect()
    });
    let (mut tracing, mut refused) = (Vec::new(), Vec::new());
    for one in started {
        match one?? {
            Ok(tool) => tracing.push(tool),
            Err(way) => refused.push(way),
        }
    }
    Ok((tracing, refused))
}

fn start_one(kernel: &str, name: &str) -> Result<Result<Tracing, Way>> {
    let mut way = Way { kernel: kernel.to_owned(), name: name.to_owned(), ..Way::default() };
    let stderr = std::env::temp_dir().join(format!("kernels-{}-{name}", std::process::id()));
    let stderr = stderr.to_string_lossy().into_owned();
    let file = File::create(&stderr).with_context(|| format!("making {stderr}"))?;
    let mut tool =
        match Tool::attempt(&["--attach", name, "-v", "-o", COLUMNS, INTERVAL], Stdio::from(file))?
        {
            Ok(tool) => tool,
            Err(status) => {
                let said = fs::read_to_string(&stderr).unwrap_or_default();
                if status.code() != Some(CANNOT) {
                    way.red.push(format!("it ended with {status}"));
                }
                if expected(name)? {
                    way.red.push(format!("this kernel has what it takes: {}", said.trim()));
                }
                way.refused = Some(said.trim().to_owned());
                return Ok(Err(way));
            }
        };
    let word = |value: &serde_json::Value| value.as_str().map(ToOwned::to_owned);
    let list = |name: &str| tool.start[name].as_array().cloned().unwrap_or_default();
    way.attach = word(&tool.start["attach"]);
    way.limitations = list("limitations").iter().filter_map(word).collect();
    way.attach_rejected = list("attach_rejected")
        .into_iter()
        .map(serde_json::from_value)
        .collect::<Result<Vec<PassedOver>, _>>()
        .context("attach_rejected")?;
    let of_name = way.attach.as_deref() == Some(name);
    if !(of_name || name == AUTO) {
        way.red.push(format!("it attached by {:?}", way.attach));
    }
    // By the callers only where nothing that sees more is there.
    let callers = way.attach.as_deref().is_some_and(|attach| attach.ends_with(CALLERS));
    if callers && way.limitations.is_empty() {
        way.red.push("it does not say what it cannot see".to_owned());
    }
    if name == AUTO {
        let mut best = None;
        for each in IN_ORDER {
            if best.is_none() && expected(each)? {
                best = Some(each);
            }
        }
        if way.attach.as_deref() != best {
            way.red.push(format!("it took {:?}, and {best:?} is there", way.attach));
        }
    }
    let pid = tool.pid();
    // Read at once: a full pipe would hold the tool up.
    let reader = thread::spawn(move || {
        let mut reports = Vec::new();
        while let Some(report) = tool.report()? {
            reports.push(report);
        }
        tool.finish()?;
        Ok(reports)
    });
    Ok(Ok(Tracing { way, pid, reader, stderr }))
}

impl Tracing {
    /// Interrupts it as Ctrl-C does; it goes on for a moment.
    pub(crate) fn interrupt(&self) -> Result<()> {
        Ok(kill(self.pid, Signal::SIGINT)?)
    }

    /// Waits for its end and returns what it told.
    pub(crate) fn finish(self) -> Result<(Way, Vec<Report>)> {
        let mut way = self.way;
        let reports = self.reader.join().map_err(|_| anyhow!("a reader panicked"))?;
        let said = fs::read_to_string(&self.stderr).unwrap_or_default();
        let reports = reports.with_context(|| format!("{}: {}", way.name, said.trim()))?;
        way.verifier = said.lines().filter_map(instructions).collect();
        let sum = |name| reports.iter().map(|report| report.sum(name)).sum::<Result<u64>>();
        way.transitions_missed = sum("transitions_missed")?;
        way.recursion_misses = sum("recursion_misses")?;
        way.calls_lost = sum("calls_lost")?;
        let other = said.lines().filter(|line| instructions(line).is_none());
        other.for_each(|line| eprintln!("{}: {line}", way.name));
        Ok((way, reports))
    }
}

/// What else asks for much of the programs, each for other parts of them: costs, owners
/// and each spell; a histogram and each spell.
pub(crate) const DEMANDING: [&[&str]; 2] =
    [&["--by", "cc", "-o", "busy,pid", "--matrix", "0.1", "1"], &["-d", "--matrix", "0.1", "1"]];

/// What the verifier goes through where all is asked for at once: causes, costs and
/// owners. Adds it to each way's programs, under the name of what asks for it. What is
/// [`DEMANDING`] must run as well.
pub(crate) fn verify_all(seen: &mut [Way]) -> Result<()> {
    thread::scope(|scope| {
        let watching: Vec<_> = seen.iter_mut().map(|way| scope.spawn(|| verify(way))).collect();
        watching
            .into_iter()
            .try_for_each(|thread| thread.join().map_err(|_| anyhow!("panicked"))?)
    })
}

fn verify(way: &mut Way) -> Result<()> {
    let output = command()
        .args(["why", "--seconds", "1", "-v", "--attach", &way.name])
        .output()
        .context("starting tcpcong why")?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        way.red.push(format!("tcpcong why ended with {}: {}", output.status, said.trim()));
    }
    if said.contains("which process has a socket") {
        way.red.push(format!("tcpcong why has no owners: {}", said.trim()));
    }
    let programs = said.lines().filter_map(instructions);
    way.verifier.extend(programs.map(|(program, count)| (format!("{program}` in `why"), count)));
    for arguments in DEMANDING {
        let output = command()
            .args(["--attach", &way.name])
            .args(arguments)
            .output()
            .with_context(|| format!("starting tcpcong {}", arguments.join(" ")))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            way.red.push(format!("tcpcong {} failed: {}", arguments.join(" "), said.trim()));
        }
    }
    Ok(())
}

/// Takes `tcpcong: verifier: PROGRAM processed N instructions` apart.
fn instructions(line: &str) -> Option<(String, u64)> {
    let words = line.strip_prefix("tcpcong: verifier: ")?;
    let mut words = words.split_whitespace();
    let program = words.next()?.to_owned();
    Some((program, words.find_map(|word| word.parse().ok())?))
}
