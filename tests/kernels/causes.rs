//! Causes, as `tcpcong trace` tells them in every way of attaching at once, of
//! traffic to which only some can apply. Not how scenes are played: `guest` has that.

use std::collections::BTreeMap;
use std::thread;
use std::time::Instant;

use anyhow::{Result, anyhow};
use serde_json::Value;

use super::guest::{Playing, play, set, strike, told};
use super::lines::Causes;
use super::scenario::Scenario;
use super::support::netns::Netns;
use super::support::trace::{Running, Told, Trace, ends};
use super::{fastopen, lossy, waiting};

/// A scenario, and which causes it has.
struct Provoked {
    scenario: Scenario,
    /// Each of these is told, or the scenario has shown nothing.
    must: &'static [&'static str],
    /// Of what may befall any traffic, this cannot befall it.
    never: &'static [&'static str],
    /// It comes to it only on kernels with this function.
    only_with: Option<&'static str>,
}

/// What may befall any connection that loses or waits for something.
const ORDINARY: &[&str] = &[
    "disorder reordering",
    "recovery fast-retransmit",
    "recovery rack-timer",
    "cwr tlp",
    "loss rto",
    "loss rto-repeat",
    "loss syn-timeout",
    "open recovered",
    "open undo",
    "open undo dsack",
    "open undo timestamps",
    "open undo f-rto",
    // Before all of a loss was acknowledged, Recovery ends in Disorder.
    "disorder undo",
    "disorder undo dsack",
    "disorder undo timestamps",
];

const fn scenario(
    name: &'static str,
    what: &'static str,
    set: fn() -> Result<Box<dyn super::scenario::Scene>>,
) -> Scenario {
    Scenario { name, what, wave: None, wants: &[], set }
}

static ALL: [Provoked; 11] = [
    Provoked {
        scenario: scenario("jitter", "10 % lost, and reordered by jitter", lossy::jitter),
        must: &[
            "disorder reordering",
            "recovery fast-retransmit",
            "recovery rack-timer",
            "open recovered",
        ],
        never: &[],
        only_with: None,
    },
    Provoked {
        scenario: scenario("no-sack", "2 % lost, without SACK", lossy::no_sack),
        must: &["recovery fast-retransmit", "open recovered"],
        // It needs SACK, as do RACK and the tail loss probe.
        never: &["recovery rack-timer", "cwr tlp"],
        only_with: None,
    },
    Provoked {
        scenario: scenario("ecn", "3 % of the data marked", lossy::ecn),
        must: &["cwr ecn"],
        never: &[],
        only_with: None,
    },
    Provoked {
        scenario: scenario("local-drops", "drops in the own queue", lossy::local_drops),
        must: &["cwr local-drop"],
        never: &[],
        only_with: None,
    },
    Provoked {
        scenario: scenario(
            "rst-in-loss",
            "two seconds of silence, then a reset",
            waiting::rst_in_loss,
        ),
        must: &["loss rto", "loss rto-repeat"],
        never: &[],
        only_with: None,
    },
    Provoked {
        scenario: scenario("syn-timeout", "nobody answers", waiting::syn_timeout),
        must: &["loss syn-timeout"],
        never: &[],
        only_with: None,
    },
    Provoked {
        scenario: scenario(
            "tfo-refused",
            "TCP Fast Open with a server that takes no data in the SYN",
            fastopen::refused,
        ),
        must: &["loss tfo-fail"],
        never: &[],
        // Before, such data was retransmitted without Loss.
        only_with: Some("tcp_non_congestion_loss_retransmit"),
    },
    Provoked {
        scenario: scenario("pmtu", "the path's MTU falls", waiting::pmtu),
        must: &["loss pmtu"],
        never: &[],
        only_with: None,
    },
    Provoked {
        scenario: scenario(
            "overtaken",
            "segments overtaken by later ones, nothing lost; with timestamps",
            lossy::overtaken,
        ),
        must: &["open undo timestamps"],
        never: &[],
        only_with: None,
    },
    Provoked {
        scenario: scenario(
            "overtaken-plain",
            "the same without timestamps",
            lossy::overtaken_plain,
        ),
        must: &["open undo dsack"],
        never: &["open undo timestamps"],
        only_with: None,
    },
    Provoked {
        scenario: scenario(
            "late",
            "everything arrives, but once later than the timer allows; without timestamps",
            waiting::late,
        ),
        must: &["loss rto", "open undo f-rto"],
        never: &["open undo timestamps"],
        only_with: None,
    },
];

/// Each name, and what it is.
pub(crate) fn descriptions() -> impl Iterator<Item = (&'static str, &'static str)> {
    ALL.iter().map(|one| (one.scenario.name, one.scenario.what))
}

/// Until it is interrupted.
const WHY: [&str; 3] = ["why", "--seconds", "600"];

/// All scenarios, and once more, by themselves, those of which anything was red: in emulation
/// chance has its say. Returns what is wrong with the counts of `tcpcong why` as well.
pub(crate) fn run(kernel: &str, ways: &[String]) -> Result<(Vec<Causes>, Vec<String>)> {
    let (mut all, mut miscounted) = once(kernel, ways, &ALL.each_ref())?;
    let is_red = |one: &&Provoked| {
        let name = one.scenario.name;
        all.iter().any(|cell| cell.scenario == name && !cell.red.is_empty())
            || miscounted.iter().any(|(of, _)| *of == name)
    };
    let again: Vec<_> = ALL.iter().filter(is_red).collect();
    if !again.is_empty() {
        let names: Vec<_> = again.iter().map(|one| one.scenario.name).collect();
        for cell in all.iter().filter(|cell| !cell.red.is_empty()) {
            let (way, what) = (&cell.way, cell.red.join("; "));
            eprintln!("kernels: once more: {way} causes of {}: {what}", cell.scenario);
        }
        for (_, what) in &miscounted {
            eprintln!("kernels: once more: {what}");
        }
        let (cells, counts) = once(kernel, ways, &again)?;
        all.retain(|cell| !names.contains(&cell.scenario.as_str()));
        all.extend(cells);
        miscounted = counts;
    }
    Ok((all, miscounted.into_iter().map(|(_, what)| what).collect()))
}

/// What is wrong with the counts of the scenario of this name.
type Miscounted = (&'static str, String);

/// Plays these scenarios while each of these ways traces, and beside them one `tcpcong why`.
fn once(
    kernel: &str,
    ways: &[String],
    which: &[&'static Provoked],
) -> Result<(Vec<Causes>, Vec<Miscounted>)> {
    let scenarios: Vec<_> = which.iter().map(|one| &one.scenario).collect();
    let begin = Instant::now();
    let (mut playing, tracing) = thread::scope(|scope| {
        let start = |way: &String| Trace::start(&["--attach", way]);
        let starting = scope.spawn(move || -> Result<_> {
            Ok((Running::start(&WHY)?, ways.iter().map(start).collect::<Result<Vec<_>>>()?))
        });
        (set(&scenarios), starting.join())
    });
    let (watch, tracing) = tracing.map_err(|_| anyhow!("panicked"))??;
    told(begin, "stages set, and causes traced");
    play(&mut playing);
    told(begin, "played for causes");
    watch.interrupt()?;
    tracing.iter().try_for_each(Trace::interrupt)?;
    let mut all = Vec::new();
    for (way, trace) in ways.iter().zip(tracing) {
        let told = trace.ended()?;
        for (provoked, playing) in which.iter().zip(&playing) {
            all.push(provoked.judge(kernel, way, &told, playing)?);
        }
    }
    let (verdicts, _) = watch.ended()?;
    let of = |one: &Playing| Some((one.scenario.name, miscounted(&verdicts, one)?));
    let miscounted = playing.iter().filter_map(of).collect();
    strike(playing);
    Ok((all, miscounted))
}

/// What is wrong with the verdicts' counts of segments that the scene's client has sent
/// again, which the kernel counts as well.
fn miscounted(verdicts: &[Value], playing: &Playing) -> Option<String> {
    let client = playing.client()?;
    let (mut again, mut unmeasured) = (0, 0);
    for verdict in verdicts {
        if ends(verdict).is_ok_and(|[_, remote]| playing.ends().contains(&remote)) {
            again += verdict["retrans"].as_u64().unwrap_or(0);
            unmeasured += u64::from(verdict["measured"] != true);
        }
    }
    let place = format!("tcpcong why, {}", playing.scenario.name);
    match client.counter("snmp", "RetransSegs") {
        // A birth may have been hidden, or a survey have passed one over.
        _ if unmeasured > HIDDEN_FEW => {
            Some(format!("{place}: {unmeasured} flows without figures"))
        }
        // Some go on afterwards.
        Ok(truth)
            if again > truth
                || unmeasured == 0 && again + truth / HIDDEN_ONE_IN + HIDDEN_FEW < truth =>
        {
            Some(format!("{place}: {again} segments retransmitted, and RetransSegs is {truth}"))
        }
        Ok(_) => None,
        Err(error) => Some(format!("{place}: {error:#}")),
    }
}

impl Provoked {
    fn judge(&self, kernel: &str, way: &str, all: &Told, playing: &Playing) -> Result<Causes> {
        let mut told: BTreeMap<String, usize> = BTreeMap::new();
        let mut sent = Vec::new();
        let servers = playing.ends();
        for transition in &all.transitions {
            let [local, remote] = ends(transition)?;
            if playing.owns(local, remote) {
                *told.entry(label(transition)).or_default() += 1;
            }
            if servers.contains(&remote) {
                sent.push(transition);
            }
        }
        let mut red = playing.red.clone();
        red.extend(COUNTED.iter().filter_map(|one| one.differs(&sent, playing.client()?)));
        let comes_to_it = self.only_with.is_none_or(has_symbol);
        let missing = self.must.iter().filter(|must| comes_to_it && !told.contains_key(**must));
        red.extend(missing.map(|must| format!("nothing went {must}")));
        let known = |label: &str| {
            [self.must, ORDINARY].concat().contains(&label) && !self.never.contains(&label)
        };
        // After an event that was hidden the tool cannot know all, and says so.
        let honest =
            |label: &str, times: usize| label.ends_with(" unknown") && times as u64 <= HIDDEN_FEW;
        let wrong = told.iter().filter(|(label, times)| !known(label) && !honest(label, **times));
        red.extend(wrong.map(|(label, times)| format!("{times} went {label}")));
        if all.dropped > 0 {
            red.push(format!("{} were lost", all.dropped));
        }
        Ok(Causes {
            kernel: kernel.to_owned(),
            way: way.to_owned(),
            scenario: self.scenario.name.to_owned(),
            told,
            red,
        })
    }
}

/// What the kernel counts as well, by network namespace: the client's.
struct Counted {
    /// Each of these counts one ...
    names: &'static [&'static str],
    /// ... and some of these do.
    perhaps: &'static [&'static str],
    is_one: fn(&Value) -> bool,
}

/// `tcp_retransmit_timer()` of `net/ipv4/tcp_timer.c`; `tcp_enter_recovery()`,
/// `tcp_try_undo_loss()`, `tcp_try_undo_recovery()`, `tcp_try_undo_partial()` and
/// `tcp_try_undo_dsack()` of `net/ipv4/tcp_input.c`, the last of which may come after
/// the recovery as well.
const COUNTED: [Counted; 4] = [
    Counted {
        names: &["TCPTimeouts"],
        perhaps: &[],
        is_one: |event| {
            event["to"] == "loss" && event["cause"] != "pmtu" && event["cause"] != "tfo-fail"
        },
    },
    Counted {
        names: &["TCPSackRecovery", "TCPRenoRecovery"],
        perhaps: &[],
        is_one: |event| event["to"] == "recovery",
    },
    Counted {
        names: &["TCPLossUndo"],
        perhaps: &[],
        is_one: |event| event["from"] == "loss" && event["cause"] == "undo",
    },
    Counted {
        names: &["TCPFullUndo", "TCPPartialUndo"],
        perhaps: &["TCPDSACKUndo"],
        is_one: |event| event["from"] == "recovery" && event["cause"] == "undo",
    },
];
/// As many may be hidden from a program, by the kernel's skipping it or by another
/// transition in the same call: one in so many, ...
pub(crate) const HIDDEN_ONE_IN: u64 = 10;
/// ... and a few.
pub(crate) const HIDDEN_FEW: u64 = 3;

impl Counted {
    fn differs(&self, sent: &[&Value], client: &Netns) -> Option<String> {
        let told = sent.iter().filter(|event| (self.is_one)(event)).count() as u64;
        let sum = |names: &[&str]| {
            names.iter().map(|name| client.counter("netstat", name)).sum::<Result<u64>>()
        };
        let names = self.names.join(" and ");
        match (sum(self.names), sum(self.perhaps)) {
            (Ok(least), Ok(perhaps)) => {
                let most = least + perhaps;
                let enough = told + least / HIDDEN_ONE_IN + HIDDEN_FEW >= least;
                let wrong = told > most || !enough;
                wrong.then(|| format!("{told} were told, {names} are {least} to {most}"))
            }
            (Err(error), _) | (_, Err(error)) => Some(format!("{error:#}")),
        }
    }
}

fn has_symbol(name: &str) -> bool {
    let symbols = std::fs::read_to_string("/proc/kallsyms").unwrap_or_default();
    symbols.lines().any(|line| line.split(' ').nth(2) == Some(name))
}

/// Where to, why, and how that was found: `open undo dsack`.
fn label(transition: &Value) -> String {
    let words = ["to", "cause", "undo_by"].map(|name| transition[name].as_str());
    words.into_iter().flatten().collect::<Vec<_>>().join(" ")
}
