//! Verdicts with their evidence: the worst first, a line or two each for
//! people, JSON for programs. Not here: how a verdict is found.

use std::io;

use serde::Serialize;

use super::csv::cell;
use super::{JsonView, RunParams, Style, trust};
use tcpcong_core::model::{Coverage, Group, IDENTITY, Row, Start, State, Summary, Value, field};
use tcpcong_core::sink::{Output, Sink};
use tcpcong_core::why::{About, Confidence, Evidence, Finding, Judgement, Verdict, Verdicts};

/// One line's subject: a flow or a group, in words and in columns.
#[derive(Debug, Clone)]
pub struct Subject {
    /// For people.
    pub text: String,
    /// For programs: what it is identified by.
    pub columns: Vec<(String, serde_json::Value)>,
}

/// Prints what a watch has found.
#[derive(Debug)]
pub struct WhyView {
    style: Style,
    params: RunParams,
    seconds: Option<u64>,
}

#[derive(Serialize)]
struct Line<'a> {
    r#type: &'static str,
    #[serde(flatten)]
    subject: serde_json::Map<String, serde_json::Value>,
    flows: usize,
    verdict: &'a str,
    confidence: &'static str,
    watched_ns: u64,
    held_up_ns: u64,
    open_ns: u64,
    disorder_ns: u64,
    cwr_ns: u64,
    recovery_ns: u64,
    loss_ns: u64,
    rwnd_limited_ns: u64,
    sndbuf_limited_ns: u64,
    open_idle_ns: u64,
    unanswered_ns: u64,
    delivered: u64,
    retrans: u64,
    timeouts: u32,
    syn_timeouts: u32,
    pmtu: u32,
    tfo_fails: u32,
    recoveries: u32,
    ecn: u32,
    local_drops: u32,
    tlp: u32,
    reorderings: u32,
    undone: u32,
    recovered: u32,
    unknown_causes: u32,
    measured: bool,
    exact: bool,
}

impl Subject {
    fn new(about: &About) -> Self {
        match about {
            About::Flow(row) => Self::of_row(row),
            About::Group(group) => Self::of_group(group),
        }
    }

    /// A flow.
    #[must_use]
    pub fn of_row(row: &Row) -> Self {
        let value = |name: &str| field(name).map_or(Value::Nothing, |field| field.of_row(row));
        let columns = IDENTITY.iter().map(|name| ((*name).to_owned(), json(&value(name))));
        let endpoints = &row.connection.endpoints;
        let mut text =
            format!("{} > {}", endpoints.local(&row.names), endpoints.remote(&row.names));
        if let Some(process) = row.connection.owner.process {
            let comm = process.comm.map_or(String::new(), |comm| format!("({comm})"));
            text.extend([" pid ", &process.pid.to_string(), &comm]);
        }
        if let Some(cc) = row.cc {
            text.extend([" ", &cc.to_string()]);
        }
        Self { text, columns: columns.collect() }
    }

    /// A group.
    #[must_use]
    pub fn of_group(group: &Group) -> Self {
        Self::of_key(&group.key)
    }

    /// What the flows of a group have in common.
    #[must_use]
    pub fn of_key(key: &[(&'static str, Value)]) -> Self {
        let shown: Vec<_> =
            key.iter().map(|(name, value)| format!("{name} {}", shown(value))).collect();
        let columns = key.iter().map(|(name, value)| ((*name).to_owned(), json(value)));
        Self { text: shown.join(" "), columns: columns.collect() }
    }
}

fn shown(value: &Value) -> String {
    if *value == Value::Nothing { "-".to_owned() } else { cell(value.clone()) }
}

fn json(value: &Value) -> serde_json::Value {
    serde_json::to_value(value).unwrap_or_default()
}

impl WhyView {
    /// In `style`, for a run that was asked for so, and watches for so many seconds.
    #[must_use]
    pub fn new(style: Style, params: RunParams, seconds: Option<u64>) -> Self {
        Self { style, params, seconds }
    }
}

impl Sink for WhyView {
    fn started(&mut self, start: &Start, out: &mut Output<'_>) -> io::Result<()> {
        if self.style == Style::Json {
            return JsonView::new(self.params.clone(), &[], false).started(start, out);
        }
        trust::at_start(start, out.remarks)?;
        let Some(seconds) = self.seconds else { return Ok(()) };
        writeln!(out.remarks, "tcpcong: watching for {seconds} s; Ctrl-C ends it sooner")
    }

    fn verdicts(&mut self, verdicts: &Verdicts, out: &mut Output<'_>) -> io::Result<()> {
        for Finding { about, evidence, judgement } in &verdicts.findings {
            let Judgement { verdict, confidence, .. } = judgement;
            let subject = &Subject::new(about);
            match self.style {
                Style::Json => {
                    let line = line(subject, evidence, *verdict, *confidence);
                    serde_json::to_writer(&mut *out.data, &line)?;
                    writeln!(out.data)?;
                }
                Style::Table => {
                    writeln!(out.data, "{verdict:<17} {}", subject.text)?;
                    let confidence = format!("{} confidence", confidence.name());
                    for line in wrapped(std::iter::once(confidence).chain(facts(evidence))) {
                        writeln!(out.data, "    {line}")?;
                    }
                }
            }
        }
        out.data.flush()?;
        if self.style == Style::Table {
            let (shown, in_all) = (verdicts.findings.len(), verdicts.in_all);
            writeln!(out.remarks, "tcpcong: {shown} of {in_all}, the most held up first")?;
        }
        if verdicts.dropped > 0 {
            let dropped = verdicts.dropped;
            writeln!(
                out.remarks,
                "tcpcong: {dropped} entries were lost: causes among them are not in this"
            )?;
        }
        Ok(())
    }

    fn ended(&mut self, start: &Start, summary: &Summary, out: &mut Output<'_>) -> io::Result<()> {
        let coverage = &Coverage::of(summary);
        let verdicts = summary.verdicts as u64;
        if self.style == Style::Table {
            return trust::at_end_of_lines(start, (verdicts, "verdict"), coverage, out.remarks);
        }
        let (attach, limitations) = (&*start.attach, &*start.limitations);
        let end = End { r#type: "end", verdicts, coverage, attach, limitations };
        serde_json::to_writer(&mut *out.data, &end)?;
        writeln!(out.data)?;
        out.data.flush()
    }
}

/// What a watch could not see.
#[derive(Serialize)]
struct End<'a> {
    r#type: &'static str,
    verdicts: u64,
    #[serde(flatten)]
    coverage: &'a Coverage,
    attach: &'a str,
    limitations: &'a [String],
}

/// The facts as a list, in lines that fit a terminal of 80 columns.
fn wrapped(facts: impl Iterator<Item = String>) -> Vec<String> {
    const WIDTH: usize = 76;
    let mut lines: Vec<String> = Vec::new();
    for fact in facts {
        match lines.last_mut() {
            Some(line) if line.len() + "; ;".len() + fact.len() <= WIDTH => {
                line.push_str("; ");
                line.push_str(&fact);
            }
            Some(line) => {
                line.push(';');
                lines.push(fact);
            }
            None => lines.push(fact),
        }
    }
    lines
}

/// What the verdict rests on, in words; what did not happen is left out.
pub(super) fn facts(evidence: &Evidence) -> Vec<String> {
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let watched = evidence.watched_ns() as f64 / 1e9;
    let whose = if evidence.flows == 1 {
        String::new()
    } else {
        format!(" of {} connections", evidence.flows)
    };
    let mut facts = vec![format!("{watched:.1} s{whose} watched")];
    let mut time = |share: f64, what: &str| {
        if share >= 0.0005 {
            facts.push(format!("{} {what}", percent(share)));
        }
    };
    let limits = evidence.stats.limits();
    time(evidence.share(evidence.times[State::Loss]), "in Loss");
    time(evidence.share(evidence.times[State::Recovery]), "in Recovery");
    time(evidence.share(evidence.times[State::Cwr]), "in CWR");
    time(evidence.share(evidence.times[State::Disorder]), "in Disorder");
    time(evidence.share_of_measured(limits.rwnd_ns), "limited by the receiver's window");
    time(evidence.share_of_measured(limits.sndbuf_ns), "limited by the send buffer");
    time(evidence.share_of_measured(evidence.stats.open_idle_ns), "app-limited");
    time(evidence.share(evidence.unanswered_ns), "without an answer to the SYN");
    let causes = &evidence.causes;
    let mut count = |count: u32, one: &str, many: &str| {
        if count > 0 {
            facts.push(format!("{count} {}", if count == 1 { one } else { many }));
        }
    };
    count(causes.rto, "timeout", "timeouts");
    count(causes.syn_timeout, "of them in the handshake", "of them in the handshake");
    count(causes.recovery, "recovery", "recoveries");
    count(causes.tlp, "tail loss repaired by a probe", "tail losses repaired by a probe");
    count(causes.ecn, "ECN mark heeded", "ECN marks heeded");
    count(causes.local_drop, "drop in a local queue", "drops in a local queue");
    count(causes.pmtu, "packet too big for the path", "packets too big for the path");
    count(causes.tfo_fail, "SYN without its data", "SYNs without their data");
    count(causes.reordering, "SACK or reordering episode", "SACK or reordering episodes");
    count(causes.undo, "reduction undone", "reductions undone");
    count(causes.unknown, "transition of unknown cause", "transitions of unknown cause");
    if evidence.measured_ns == 0 {
        facts.push("what it sent was not measured".to_owned());
        return facts;
    }
    if !evidence.all_measured() {
        let share = percent(evidence.share(evidence.measured_ns));
        facts.push(format!("what was sent was measured for {share} of the time"));
    }
    let (again, delivered) =
        (evidence.stats.retransmitted_in_all(), evidence.stats.delivered_in_all());
    let retransmitted = trust::counted(again, "segment");
    if again > delivered {
        facts.push(format!("{retransmitted} retransmitted, {delivered} delivered"));
    } else if again > 0 {
        let share = 100.0 * evidence.retransmitted_share();
        facts.push(format!("{retransmitted} retransmitted, {delivered} delivered ({share:.2} %)"));
    } else {
        facts.push(trust::counted(delivered, "segment") + " delivered");
    }
    facts
}

fn line<'a>(
    subject: &Subject,
    evidence: &Evidence,
    verdict: Verdict,
    confidence: Confidence,
) -> Line<'a> {
    let [open_ns, disorder_ns, cwr_ns, recovery_ns, loss_ns] = evidence.times.0;
    let limits = evidence.stats.limits();
    let causes = &evidence.causes;
    Line {
        r#type: "verdict",
        subject: subject.columns.iter().cloned().collect(),
        flows: evidence.flows,
        verdict: verdict.name(),
        confidence: confidence.name(),
        watched_ns: evidence.watched_ns(),
        held_up_ns: evidence.held_up_ns(),
        open_ns,
        disorder_ns,
        cwr_ns,
        recovery_ns,
        loss_ns,
        rwnd_limited_ns: limits.rwnd_ns,
        sndbuf_limited_ns: limits.sndbuf_ns,
        open_idle_ns: evidence.stats.open_idle_ns,
        unanswered_ns: evidence.unanswered_ns,
        delivered: evidence.stats.delivered_in_all(),
        retrans: evidence.stats.retransmitted_in_all(),
        timeouts: causes.rto,
        syn_timeouts: causes.syn_timeout,
        pmtu: causes.pmtu,
        tfo_fails: causes.tfo_fail,
        recoveries: causes.recovery,
        ecn: causes.ecn,
        local_drops: causes.local_drop,
        tlp: causes.tlp,
        reorderings: causes.reordering,
        undone: causes.undo,
        recovered: causes.recovered,
        unknown_causes: causes.unknown,
        measured: evidence.all_measured(),
        exact: evidence.exact,
    }
}
