//! A recording in words, and the table for who has no scripts. Not here: figures by the moment,
//! which the scripts show.

use std::collections::HashMap;

use tcpcong_core::model::{Filter, Life, Netns, PortRange, Start, State};

use super::Run;
use super::html::{escaped, joined};
use crate::view::harmless;
use crate::view::trust::counted;

/// Of what the page is.
pub(super) fn heading(runs: &[Run]) -> String {
    let names: Vec<_> = runs.iter().map(|run| &*run.collected.name).collect();
    format!("TCP congestion states: {}", names.join(" against "))
}

/// Whose it is.
pub(super) fn process(life: &Life) -> Option<String> {
    let process = life.connection.owner.process?;
    let comm = process.comm.map_or(String::new(), |comm| format!("({comm})"));
    Some(format!("pid {}{comm}", process.pid))
}

fn connection(life: &Life) -> String {
    let endpoints = &life.connection.endpoints;
    format!("{} > {}", endpoints.local(&life.names), endpoints.remote(&life.names))
}

/// What is to be known of it first.
pub(super) fn sentences(run: &Run) -> Vec<String> {
    let mut said = Vec::new();
    if let Some(start) = &run.collected.start {
        said.push(began(run, start));
    }
    said.push(states(run));
    said.extend(worst(run));
    said.extend(verdicts(run));
    let (listed, in_all) = (run.collected.lives.len(), run.flows_in_all);
    if listed < in_all {
        said.push(format!(
            "Shown are the {listed} connections that were longest outside Open; {} others are \
             left out, and in the sums all the same.",
            in_all - listed
        ));
    }
    said.extend(run.filters.clone());
    if run.collected.unknown > 0 {
        said.push(
            "Filters may have left out connections of which it is not known whose they are."
                .to_owned(),
        );
    }
    said
}

fn began(run: &Run, start: &Start) -> String {
    let length_ns = run.collected.ended_ns - start.at_ns;
    let flows = counted(run.flows_in_all as u64, "connection");
    let at = start.at.strftime("%Y-%m-%d %H:%M:%S");
    let Start { kernel, attach, estimated, .. } = start;
    let how = if *estimated {
        "looked at from time to time, so that all times are estimates".to_owned()
    } else {
        format!("attached by {attach}")
    };
    let length = time(length_ns);
    format!("{length} of {flows}, recorded from {at} UTC on, on Linux {kernel}, {how}.")
}

fn states(run: &Run) -> String {
    let (all_ns, outside_ns) = (run.times.total_ns(), run.times.outside_open_ns());
    if outside_ns == 0 {
        return "All of them stayed in Open.".to_owned();
    }
    let of_states = State::ALL.into_iter().skip(1).rev().filter(|state| run.times[*state] > 0);
    let each: Vec<_> = of_states
        .map(|state| {
            let time_ns = run.times[state];
            format!("{} {} ({})", state.title(), time(time_ns), percent(time_ns, all_ns))
        })
        .collect();
    format!(
        "Together they lived {} and were outside Open for {} of that: {}. {}, {}.",
        time(all_ns),
        percent(outside_ns, all_ns),
        each.join(", "),
        capital(&counted(run.changes, "transition")),
        counted(run.rtos, "retransmission timeout")
    )
}

fn worst(run: &Run) -> Option<String> {
    let life = run.collected.lives.first().filter(|life| life.times.outside_open_ns() > 0)?;
    let whose = process(life).map_or(String::new(), |process| format!(" ({process})"));
    let verdict = run.collected.verdicts.get(&life.id);
    let verdict =
        verdict.map_or(String::new(), |found| format!(", verdict: {}", found.judgement.verdict));
    Some(format!(
        "Longest outside Open was {}{whose}: {} of {}{verdict}.",
        connection(life),
        time(life.times.outside_open_ns()),
        time(life.times.total_ns())
    ))
}

fn verdicts(run: &Run) -> Option<String> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for finding in run.collected.verdicts.values() {
        *counts.entry(finding.judgement.verdict.name()).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
    let each: Vec<_> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
    (!each.is_empty()).then(|| format!("Verdicts: {}.", each.join(", ")))
}

/// What was asked of connections to be in it, if anything was.
pub(super) fn filters(filter: &Filter) -> Option<String> {
    let Filter { lport, rport, laddr, raddr, pid, comm, cc, cgroup, netns, .. } = filter;
    let ports = |ports: PortRange| match (ports.first, ports.last) {
        (first, last) if first == last => first.to_string(),
        (first, last) => format!("{first} to {last}"),
    };
    let netns = netns.as_ref().map(|netns| match netns {
        Netns::Inode(inode) => inode.to_string(),
        Netns::Name(name) => name.clone(),
    });
    let each = [
        ("local port", lport.map(ports)),
        ("remote port", rport.map(ports)),
        ("local address", laddr.map(|prefix| prefix.to_string())),
        ("remote address", raddr.map(|prefix| prefix.to_string())),
        ("process", pid.map(|pid| pid.to_string())),
        ("process name", comm.clone()),
        ("congestion control", cc.clone()),
        ("cgroup", cgroup.clone()),
        ("network namespace", netns),
    ];
    let each: Vec<_> = each
        .into_iter()
        .filter_map(|(what, value)| value.map(|value| format!("{what} {}", harmless(&value))))
        .collect();
    (!each.is_empty())
        .then(|| format!("Filters left out all connections but those with {}.", each.join(", ")))
}

/// The recording's part of the page's head, in HTML.
pub(super) fn of_run(run: &Run, letter: Option<char>) -> String {
    let collected = &run.collected;
    let name = escaped(&collected.name);
    let heading = letter.map_or(String::new(), |letter| format!("<h2>{letter}: {name}</h2>\n"));
    let (class, sign) = if collected.exact { ("trust", "") } else { ("trust inexact", "⚠ ") };
    let sentences = joined(sentences(run), |said| format!("<p>{}</p>\n", escaped(&said)));
    let trust = escaped(&capital(&collected.trust));
    format!(
        "<section class=\"run\">\n{heading}<p class=\"{class}\">{sign}{trust}.</p>\n{sentences}\
         </section>\n"
    )
}

/// The connections that are shown, in HTML.
pub(super) fn table(runs: &[Run]) -> String {
    let heads = [
        "Recording",
        "Connection",
        "Process",
        "Control",
        "Verdict",
        "Open",
        "Disorder",
        "CWR",
        "Recovery",
        "Loss",
        "Changes",
        "RTOs",
        "Exact",
    ];
    let heads = joined(heads, |head| format!("<th scope=\"col\">{head}</th>"));
    let rows = joined(runs, |run| joined(&run.collected.lives, |life| row(run, life)));
    format!(
        "<div class=\"scroll\"><table><thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\
         </table></div>"
    )
}

fn row(run: &Run, life: &Life) -> String {
    let verdict = run.collected.verdicts.get(&life.id);
    let mut cells = vec![
        run.collected.name.clone(),
        connection(life),
        process(life).unwrap_or_default(),
        life.cc.map_or(String::new(), |cc| cc.to_string()),
        verdict.map_or(String::new(), |found| found.judgement.verdict.to_string()),
    ];
    cells.extend(life.times.0.map(time));
    cells.extend([life.changes.to_string(), life.rtos.to_string()]);
    cells.push(if life.exact { "yes" } else { "no" }.to_owned());
    let cells = joined(cells, |cell| format!("<td>{}</td>", escaped(&cell)));
    format!("<tr>{cells}</tr>\n")
}

fn percent(part: u64, whole: u64) -> String {
    format!("{:.1} %", 100.0 * part as f64 / whole.max(1) as f64)
}

fn time(ns: u64) -> String {
    match ns {
        0 => "0".to_owned(),
        1..1_000_000 => format!("{:.3} ms", ns as f64 / 1e6),
        1_000_000..1_000_000_000 => format!("{:.1} ms", ns as f64 / 1e6),
        _ => format!("{:.2} s", ns as f64 / 1e9),
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}
