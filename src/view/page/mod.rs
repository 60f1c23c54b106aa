//! The page of `tcpcong report`: one file of HTML with the recordings, the scripts that draw them
//! and nothing that is fetched. Not here: the scripts, which are in `web/`.

mod collect;
mod data;
mod html;
mod words;

use std::io::{self, Write};

use tcpcong_core::model::{Filter, Life, StateTimes};

pub use collect::{Collected, LivesView, VerdictsKept};

/// What is in the page whatever it is of; `build.rs` joins it.
const TEMPLATE: &str = include_str!("../../../web/page.html");
const SCRIPT: &str = include_str!(concat!(env!("OUT_DIR"), "/script"));
const STYLE: &str = include_str!(concat!(env!("OUT_DIR"), "/style"));
const LICENCE: &str = include_str!(concat!(env!("OUT_DIR"), "/licence"));
const POLICY: &str = include_str!(concat!(env!("OUT_DIR"), "/policy"));

/// A page that is to be written.
#[derive(Debug)]
pub struct Page {
    runs: Vec<Run>,
}

/// A recording, as the page shows it.
#[derive(Debug)]
struct Run {
    collected: Collected,
    /// Time in each state, of all its connections.
    times: StateTimes,
    /// How many connections there are, shown or not. `collected` has those that are shown.
    flows_in_all: usize,
    /// Ended spells by state and by length in microseconds, in log2 slots.
    lengths: [Vec<u64>; 5],
    /// Spells that go on, by state.
    ongoing: [u64; 5],
    /// Which connections are left out, in words, if any may be.
    filters: Option<String>,
    /// Transitions of all.
    changes: u64,
    /// Retransmission timeouts of all.
    rtos: u64,
}

impl Run {
    fn new(mut collected: Collected, top: usize, filter: &Filter) -> Self {
        let lives = &mut collected.lives;
        let mut run = Self {
            times: StateTimes::default(),
            flows_in_all: lives.len(),
            lengths: std::array::from_fn(|_| Vec::new()),
            ongoing: [0; 5],
            filters: words::filters(filter),
            changes: lives.iter().map(|life| life.changes).sum(),
            rtos: lives.iter().map(|life| life.rtos).sum(),
            collected: Collected::default(),
        };
        for life in lives.iter() {
            run.count(life);
        }
        lives.sort_by_key(|life| (std::cmp::Reverse(life.times.outside_open_ns()), life.id));
        lives.truncate(top);
        Self { collected, ..run }
    }

    fn count(&mut self, life: &Life) {
        self.times.add(&life.times);
        let last = life.spells.len().wrapping_sub(1);
        for (at, spell) in life.spells.iter().enumerate() {
            let state = spell.state as usize;
            if at == last && !life.ended {
                self.ongoing[state] += 1;
                continue;
            }
            let slot = (spell.length_ns() / 1000).checked_ilog2().unwrap_or(0) as usize;
            let lengths = &mut self.lengths[state];
            lengths.resize(lengths.len().max(slot + 1), 0);
            lengths[slot] += 1;
        }
    }
}

impl Page {
    /// Of these recordings, which had passed the filter, with `top` connections of each: those longest
    /// outside Open.
    #[must_use]
    pub fn new(runs: Vec<Collected>, top: usize, filter: &Filter) -> Self {
        Self { runs: runs.into_iter().map(|run| Run::new(run, top, filter)).collect() }
    }

    /// What is in it and how far to trust that, in words: a line for each recording.
    pub fn described(&self) -> impl Iterator<Item = String> {
        self.runs.iter().map(|Run { collected, flows_in_all, .. }| {
            let (name, shown, trust) = (&collected.name, collected.lives.len(), &collected.trust);
            format!("{name}: {shown} of {flows_in_all} connections are in the page; {trust}")
        })
    }

    /// Writes it.
    pub fn write(&self, to: &mut dyn Write) -> io::Result<()> {
        let heading = words::heading(&self.runs);
        let title = format!("{heading} - tcpcong");
        let data = data::json(&self.runs)?;
        let letters = "AB".chars().map(Some).filter(|_| self.runs.len() > 1);
        let letters = letters.chain(std::iter::repeat(None));
        let runs: String =
            self.runs.iter().zip(letters).map(|(run, letter)| words::of_run(run, letter)).collect();
        let parts = [
            ("policy", POLICY.to_owned()),
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("title", html::escaped(&title)),
            ("heading", html::escaped(&heading)),
            ("style", STYLE.to_owned()),
            ("runs", runs),
            ("table", words::table(&self.runs)),
            ("licence", html::escaped(LICENCE)),
            ("data", html::in_script(&data)),
            ("script", SCRIPT.to_owned()),
        ];
        html::fill(TEMPLATE, &parts, to)?;
        to.flush()
    }
}

#[cfg(test)]
mod tests;
