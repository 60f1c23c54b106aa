//! Verdicts with their evidence: the worst first, a line or two each for
//! people, JSON for programs. Not here: how a verdict is found.

use std::io;
use std::net::SocketAddr;

use serde::Serialize;

use super::csv::cell;
use super::fields::IDENTITY;
use super::{Asked, JsonView, Output, Style, View as _, field, trust};
use crate::model::{Ends, Group, Row, Start, State, Unseen, Value};
use crate::why::{Evidence, Sure, Verdict, judge};

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
    asked: Asked,
}

#[derive(Serialize)]
struct Line<'a> {
    r#type: &'static str,
    #[serde(flatten)]
    subject: serde_json::Map<String, serde_json::Value>,
    flows: usize,
    verdict: &'a str,
    sure: &'static str,
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
    /// A flow.
    #[must_use]
    pub fn of_row(row: &Row) -> Self {
        let value = |name: &str| field(name).map_or(Value::Nothing, |field| field.of_row(row));
        let columns = IDENTITY.iter().map(|name| ((*name).to_owned(), json(&value(name))));
        let Ends { laddr, lport, raddr, rport } = row.ends;
        let (near, far) = (SocketAddr::new(laddr, lport), SocketAddr::new(raddr, rport));
        let mut text = format!("{near} > {far}");
        if let Some(process) = row.whose.process {
            let comm = process.comm.map_or(String::new(), |comm| format!("({comm})"));
            text.extend([" pid ", &process.pid.to_string(), &comm]);
        }
        if let Some(cc) = row.whose.cc {
            text.extend([" ", &cc.to_string()]);
        }
        Self { text, columns: columns.collect() }
    }

    /// A group.
    #[must_use]
    pub fn of_group(group: &Group) -> Self {
        let shown: Vec<_> =
            group.key.iter().map(|(name, value)| format!("{name} {}", shown(value))).collect();
        let columns = group.key.iter().map(|(name, value)| ((*name).to_owned(), json(value)));
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
    /// In `style`, for a run that was asked for so.
    #[must_use]
    pub fn new(style: Style, asked: Asked) -> Self {
        Self { style, asked }
    }

    /// Before the watch.
    pub fn start(&self, start: &Start, seconds: u64, out: &mut Output<'_>) -> io::Result<()> {
        if self.style == Style::Json {
            return JsonView::new(self.asked.clone(), &[], false).start(start, out);
        }
        trust::at_start(start, out.remarks)?;
        writeln!(out.remarks, "tcpcong: watching for {seconds} s; Ctrl-C ends it sooner")
    }

    /// The verdicts, in the order in which they are to be listed; `in_all`: how
    /// many there are of which these are the first.
    pub fn verdicts(
        &self,
        found: &[(Subject, Evidence)],
        in_all: usize,
        untold: u64,
        out: &mut Output<'_>,
    ) -> io::Result<()> {
        for (subject, evidence) in found {
            let (verdict, sure) = judge(evidence);
            match self.style {
                Style::Json => {
                    serde_json::to_writer(&mut *out.data, &line(subject, evidence, verdict, sure))?;
                    writeln!(out.data)?;
                }
                Style::Table => {
                    let verdict = format!("{} ({})", verdict.name(), sure.name());
                    writeln!(out.data, "{verdict:<26} {}", subject.text)?;
                    writeln!(out.data, "{:<26} {}", "", facts(evidence).join("; "))?;
                }
            }
        }
        out.data.flush()?;
        if self.style == Style::Table {
            let shown = found.len();
            writeln!(out.remarks, "tcpcong: {shown} of {in_all}, the most held up first")?;
        }
        if untold > 0 {
            writeln!(
                out.remarks,
                "tcpcong: {untold} transitions came too fast: their causes are not in this"
            )?;
        }
        Ok(())
    }

    /// After them: how many `verdicts` there were, and what the watch could not see.
    pub fn end(
        &self,
        start: &Start,
        verdicts: u64,
        unseen: &Unseen,
        out: &mut Output<'_>,
    ) -> io::Result<()> {
        if self.style == Style::Table {
            return trust::at_end_of_lines(start, (verdicts, "verdict"), unseen, out.remarks);
        }
        let (attach, cannot_see) = (&*start.attach, &*start.cannot_see);
        let end = End { r#type: "end", verdicts, unseen, attach, cannot_see };
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
    unseen: &'a Unseen,
    attach: &'a str,
    cannot_see: &'a [String],
}

/// What the verdict rests on, in words; what did not happen is left out.
fn facts(it: &Evidence) -> Vec<String> {
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let watched = it.watched_ns() as f64 / 1e9;
    let whose = if it.flows == 1 { String::new() } else { format!(" of {} connections", it.flows) };
    let mut facts = vec![format!("{watched:.1} s{whose} watched")];
    let mut time = |share: f64, what: &str| {
        if share >= 0.0005 {
            facts.push(format!("{} {what}", percent(share)));
        }
    };
    let limits = it.cost.limits();
    time(it.share(it.times[State::Loss]), "in Loss");
    time(it.share(it.times[State::Recovery]), "in Recovery");
    time(it.share(it.times[State::Cwr]), "in CWR");
    time(it.share(it.times[State::Disorder]), "in Disorder");
    time(it.share_of_measured(limits.rwnd_ns), "limited by the receiver's window");
    time(it.share_of_measured(limits.sndbuf_ns), "limited by the send buffer");
    time(it.share_of_measured(it.cost.open_idle_ns), "with nothing to send");
    time(it.share(it.unanswered_ns), "without an answer to the SYN");
    let causes = &it.causes;
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
    count(causes.reordering, "time out of order", "times out of order");
    count(causes.undo, "reduction undone", "reductions undone");
    count(causes.unknown, "transition of unknown cause", "transitions of unknown cause");
    if it.measured_ns == 0 {
        facts.push("what it sent was not measured".to_owned());
        return facts;
    }
    if !it.all_measured() {
        let share = percent(it.share(it.measured_ns));
        facts.push(format!("what was sent was measured for {share} of the time"));
    }
    let (again, delivered) = (it.cost.retransmitted_in_all(), it.cost.delivered_in_all());
    if again > delivered {
        facts.push(format!("{again} segments sent again, {delivered} delivered"));
    } else if again > 0 {
        facts.push(format!(
            "{again} segments sent again, {delivered} delivered ({:.2} %)",
            100.0 * it.retransmitted_share()
        ));
    } else {
        facts.push(format!("{delivered} segments delivered"));
    }
    facts
}

fn line<'a>(subject: &Subject, it: &Evidence, verdict: Verdict, sure: Sure) -> Line<'a> {
    let [open_ns, disorder_ns, cwr_ns, recovery_ns, loss_ns] = it.times.0;
    let limits = it.cost.limits();
    let causes = &it.causes;
    Line {
        r#type: "verdict",
        subject: subject.columns.iter().cloned().collect(),
        flows: it.flows,
        verdict: verdict.name(),
        sure: sure.name(),
        watched_ns: it.watched_ns(),
        held_up_ns: it.held_up_ns(),
        open_ns,
        disorder_ns,
        cwr_ns,
        recovery_ns,
        loss_ns,
        rwnd_limited_ns: limits.rwnd_ns,
        sndbuf_limited_ns: limits.sndbuf_ns,
        open_idle_ns: it.cost.open_idle_ns,
        unanswered_ns: it.unanswered_ns,
        delivered: it.cost.delivered_in_all(),
        retrans: it.cost.retransmitted_in_all(),
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
        measured: it.all_measured(),
        exact: it.exact,
    }
}
