//! The recordings as JSON, for the page's scripts: columns by flow, times since the recording
//! began. Not here: how it is drawn.

use std::collections::HashMap;
use std::io;

use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use tcpcong_core::model::{Cause, Life, Sample, State, Transition};

use super::{Run, words};
use crate::view::why;

#[derive(Serialize)]
struct Data<'a> {
    /// Raised where scripts of an older page would misread it.
    format: u32,
    runs: Vec<RunData<'a>>,
}

#[derive(Serialize)]
struct RunData<'a> {
    name: &'a str,
    /// Wall-clock time at which it began.
    began: String,
    length_ns: u64,
    summary: Vec<String>,
    times_ns: [u64; 5],
    /// Ended spells by state and by length in microseconds, in log2 slots.
    lengths: &'a [Vec<u64>; 5],
    ongoing: [u64; 5],
    /// From when to when entries were lost.
    gaps: Vec<[u64; 2]>,
    flows: Vec<Flow>,
    /// What `causes` of flows point into.
    causes: Vec<String>,
}

#[derive(Serialize)]
struct Flow {
    local: String,
    remote: String,
    process: Option<String>,
    cc: Option<String>,
    netns: Option<String>,
    cgroup: Option<String>,
    began_ns: u64,
    ended_ns: u64,
    ended: bool,
    exact: bool,
    uncertain_ns: u64,
    times: [u64; 5],
    changes: u64,
    rtos: u64,
    verdict: Option<Verdict>,
    spells: Spells,
    repeated_rtos_ns: Vec<u64>,
    #[serde(serialize_with = "as_text")]
    samples: Samples,
}

/// JSON within JSON: the scripts read it where it is looked at.
fn as_text<S: Serializer>(samples: &Samples, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&serde_json::to_string(samples).map_err(S::Error::custom)?)
}

#[derive(Serialize)]
struct Verdict {
    name: &'static str,
    confidence: &'static str,
    facts: Vec<String>,
}

/// Spells, one after the other.
#[derive(Serialize)]
struct Spells {
    first_ns: u64,
    lengths_ns: Vec<u64>,
    /// A letter each.
    states: String,
    /// Why the transition was made that began each; nothing where there was none.
    causes: Vec<Option<usize>>,
    /// Which do not follow the one before at once, and after how long, nanoseconds.
    skips: Vec<[u64; 2]>,
    /// Those whose beginning was not seen.
    unseen: Vec<usize>,
}

#[derive(Serialize)]
struct Samples {
    /// Each since the one before, the first since the recording began.
    steps_ns: Vec<u64>,
    cwnd: Vec<u32>,
    ssthresh: Vec<Option<u32>>,
    srtt_us: Vec<Option<u32>>,
    in_flight: Vec<u32>,
    lost: Vec<u32>,
    /// Segments since the connection began.
    delivered: Vec<Option<u64>>,
    retransmitted: Vec<Option<u64>>,
}

/// All recordings as one line of JSON.
pub(super) fn json(runs: &[Run]) -> io::Result<String> {
    let data = Data { format: 1, runs: runs.iter().map(run_data).collect() };
    Ok(serde_json::to_string(&data)?)
}

fn run_data(run: &Run) -> RunData<'_> {
    let collected = &run.collected;
    let began_ns = collected.start.as_ref().map_or(0, |start| start.at_ns);
    let mut causes = Causes::default();
    let flow = |life| flow(life, run, began_ns, &mut causes);
    let since = |at_ns: u64| at_ns.saturating_sub(began_ns);
    RunData {
        name: &collected.name,
        began: collected.start.as_ref().map_or(String::new(), |start| start.at.to_string()),
        length_ns: since(collected.ended_ns),
        summary: words::sentences(run),
        times_ns: run.times.0,
        lengths: &run.lengths,
        ongoing: run.ongoing,
        gaps: collected.gaps.iter().map(|gap| [since(gap.from_ns), since(gap.to_ns)]).collect(),
        flows: collected.lives.iter().map(flow).collect(),
        causes: causes.names,
    }
}

/// Names of causes, each once.
#[derive(Default)]
struct Causes {
    names: Vec<String>,
    places: HashMap<Cause, usize>,
}

impl Causes {
    fn place(&mut self, cause: Cause) -> usize {
        *self.places.entry(cause).or_insert_with(|| {
            let by = cause.undo_by().map_or(String::new(), |by| format!(" ({by})"));
            self.names.push(format!("{}{by}", cause.name()));
            self.names.len() - 1
        })
    }
}

fn flow(life: &Life, run: &Run, began_ns: u64, causes: &mut Causes) -> Flow {
    let endpoints = &life.connection.endpoints;
    let since = |at_ns: u64| at_ns.saturating_sub(began_ns);
    let is_repeated = |one: &&Transition| one.from == State::Loss && one.to == State::Loss;
    let verdict = run.collected.verdicts.get(&life.id).map(|finding| Verdict {
        name: finding.judgement.verdict.name(),
        confidence: finding.judgement.confidence.name(),
        facts: std::iter::once(finding.judgement.because.clone())
            .chain(why::facts(&finding.evidence))
            .collect(),
    });
    Flow {
        local: endpoints.local(&life.names),
        remote: endpoints.remote(&life.names),
        process: words::process(life),
        cc: life.cc.map(|cc| cc.to_string()),
        netns: life.names.netns.as_deref().map(crate::view::harmless),
        cgroup: life.names.cgroup.as_deref().map(crate::view::harmless),
        began_ns: since(life.began_ns()),
        ended_ns: since(life.ended_ns()),
        ended: life.ended,
        exact: life.exact,
        uncertain_ns: life.uncertain_ns,
        times: life.times.0,
        changes: life.changes,
        rtos: life.rtos,
        verdict,
        spells: spells(life, began_ns, causes),
        repeated_rtos_ns: {
            let repeated = life.transitions.iter().filter(is_repeated);
            repeated.map(|one| since(one.at_ns)).collect()
        },
        samples: samples(&life.samples, began_ns),
    }
}

fn spells(life: &Life, began_ns: u64, causes: &mut Causes) -> Spells {
    use tcpcong_core::model::Beginning;
    let first_ns = life.began_ns().saturating_sub(began_ns);
    let mut out = Spells {
        first_ns,
        lengths_ns: Vec::with_capacity(life.spells.len()),
        states: String::with_capacity(life.spells.len()),
        causes: Vec::with_capacity(life.spells.len()),
        skips: Vec::new(),
        unseen: Vec::new(),
    };
    let mut until_ns = life.began_ns();
    for (at, spell) in life.spells.iter().enumerate() {
        if spell.from_ns > until_ns {
            out.skips.push([at as u64, spell.from_ns - until_ns]);
        }
        until_ns = spell.to_ns;
        out.lengths_ns.push(spell.length_ns());
        out.states.push(spell.state.letter());
        out.causes.push(spell.beginning.cause().map(|cause| causes.place(cause)));
        if spell.beginning == Beginning::Unseen {
            out.unseen.push(at);
        }
    }
    out
}

fn samples(of: &[Sample], began_ns: u64) -> Samples {
    let mut before_ns = began_ns;
    let steps_ns = of.iter().map(|sample| {
        let step_ns = sample.at_ns.saturating_sub(before_ns);
        before_ns = before_ns.max(sample.at_ns);
        step_ns
    });
    Samples {
        steps_ns: steps_ns.collect(),
        cwnd: of.iter().map(|sample| sample.cwnd).collect(),
        ssthresh: of.iter().map(|sample| sample.ssthresh).collect(),
        srtt_us: of.iter().map(|sample| sample.srtt_us).collect(),
        in_flight: of.iter().map(|sample| sample.in_flight).collect(),
        lost: of.iter().map(|sample| sample.lost).collect(),
        delivered: unwrapped(of, 0),
        retransmitted: unwrapped(of, 1),
    }
}

/// One of the accounts, which the kernel keeps modulo 2^32, from where it is first known.
fn unwrapped(of: &[Sample], which: usize) -> Vec<Option<u64>> {
    let (mut sum, mut before) = (0, None);
    let each = of.iter().map(|sample| {
        let now = sample.account?[which];
        sum += u64::from(before.map_or(now, |before| now.wrapping_sub(before)));
        before = Some(now);
        Some(sum)
    });
    each.collect()
}
