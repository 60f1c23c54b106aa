//! The lines of all kernels, read back, and what is wrong with them.
//! Not how they look on the page.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::causes;
use super::lines::{Causes, Cell, Line, Verdict, Way};
use super::paths::{CASES, Case};
use super::scenario;
use super::ways;

/// What one guest printed.
pub(crate) struct Results {
    /// The kernel by its short name, as the file is called.
    pub(crate) word: String,
    pub(crate) ways: Vec<Way>,
    pub(crate) cells: Vec<Cell>,
    pub(crate) causes: Vec<Causes>,
    pub(crate) verdicts: Vec<Verdict>,
    /// How long it took; nothing where it did not come to its end.
    pub(crate) seconds: Option<f64>,
}

impl Results {
    pub(crate) fn read(file: &str) -> Result<Self> {
        let stem = Path::new(file).file_stem().unwrap_or_default();
        let word = stem.to_string_lossy().into_owned();
        let (ways, cells, causes, verdicts) = <(Vec<_>, Vec<_>, Vec<_>, Vec<_>)>::default();
        let mut results = Self { word, ways, cells, causes, verdicts, seconds: None };
        let text = fs::read_to_string(file).with_context(|| format!("reading {file}"))?;
        for line in text.lines() {
            match serde_json::from_str(line).with_context(|| format!("in {file}: {line}"))? {
                Line::Way(way) => results.ways.push(way),
                Line::Cell(cell) => results.cells.push(cell),
                Line::Causes(causes) => results.causes.push(causes),
                Line::Verdict(verdict) => results.verdicts.push(verdict),
                Line::End(end) => results.seconds = Some(end.seconds),
            }
        }
        Ok(results)
    }

    /// The kernel's release.
    pub(crate) fn kernel(&self) -> &str {
        self.ways.first().map_or("unknown", |way| &way.kernel)
    }

    pub(crate) fn way(&self, name: &str) -> Option<&Way> {
        self.ways.iter().find(|way| way.name == name)
    }

    pub(crate) fn cell(&self, way: &str, scenario: &str) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.way == way && cell.scenario == scenario)
    }

    pub(crate) fn causes(&self, way: &str, scenario: &str) -> Option<&Causes> {
        self.causes.iter().find(|causes| causes.way == way && causes.scenario == scenario)
    }

    pub(crate) fn verdict(&self, case: &Case) -> Option<&Verdict> {
        self.verdicts.iter().find(|verdict| verdict.case == case.name && verdict.cc == case.cc)
    }

    /// The ways that trace on this kernel.
    pub(crate) fn working(&self) -> impl Iterator<Item = &'static str> {
        ways::EVERY
            .into_iter()
            .filter(|name| self.way(name).is_some_and(|way| way.attach.is_some()))
    }

    /// Whether calls of the kernel interrupted each other in the scenario that is for that.
    pub(crate) fn nested(&self) -> bool {
        let notes = self.cells.iter().flat_map(|cell| &cell.notes);
        let mut numbers = notes.filter_map(|note| note.split(' ').next()?.parse::<u64>().ok());
        numbers.any(|nested| nested > 0)
    }

    /// Everything red, a line each; what is missing is red.
    pub(crate) fn red(&self) -> Vec<String> {
        let mut red = Vec::new();
        let word = &self.word;
        if self.seconds.is_none() {
            red.push(format!("{word}: it did not come to its end"));
        }
        for name in [ways::AUTO].iter().chain(&ways::EVERY) {
            match self.way(name) {
                None => red.push(format!("{word} {name}: not tried")),
                Some(way) => red.extend(way.red.iter().map(|it| format!("{word} {name}: {it}"))),
            }
        }
        for name in self.working() {
            for scenario in scenario::names() {
                let place = format!("{word} {name} {scenario}");
                match self.cell(name, scenario) {
                    None => red.push(format!("{place}: not run")),
                    Some(cell) => red.extend(cell.red.iter().map(|it| format!("{place}: {it}"))),
                }
            }
            for (scenario, _) in causes::descriptions() {
                let place = format!("{word} {name} causes of {scenario}");
                match self.causes(name, scenario) {
                    None => red.push(format!("{place}: not run")),
                    Some(causes) => {
                        red.extend(causes.red.iter().map(|it| format!("{place}: {it}")));
                    }
                }
            }
        }
        for case in CASES {
            let place = format!("{word} verdict on {} with {}", case.name, case.cc);
            match self.verdict(case) {
                None => red.push(format!("{place}: not run")),
                Some(verdict) => red.extend(verdict.red.iter().map(|it| format!("{place}: {it}"))),
            }
        }
        red
    }
}
