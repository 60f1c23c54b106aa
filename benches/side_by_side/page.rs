//! The measured figures as one page, on stdout and in `docs/`.
//! Not how they are measured.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::spread::Spread;

pub(crate) const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/benchmarks.md");

/// One row of the first table: the values are in `unit`.
#[derive(Debug)]
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) decimals: usize,
    pub(crate) ours: Spread,
    pub(crate) peer: Option<Spread>,
    /// At most so much of the peer's.
    pub(crate) target: Option<f64>,
}

/// One row of the second table, nanoseconds.
#[derive(Debug)]
pub(crate) struct More {
    pub(crate) name: &'static str,
    pub(crate) plain: Spread,
    pub(crate) with_it: Spread,
}

/// Rows, and the lines below them.
#[derive(Debug, Default)]
pub(crate) struct Page {
    figures: Vec<Figure>,
    more: Vec<More>,
    notes: Vec<String>,
}

impl Page {
    pub(crate) fn figure(&mut self, figure: Figure) {
        eprintln!("{}", figure.row());
        self.figures.push(figure);
    }

    pub(crate) fn more(&mut self, more: More) {
        eprintln!("{}", more.row());
        self.more.push(more);
    }

    pub(crate) fn note(&mut self, note: String) {
        eprintln!("- {note}");
        self.notes.push(note);
    }

    pub(crate) fn text(&self) -> String {
        let mut text = format!(
            "# Benchmarks\n\n\
             `tcpcong` beside bcc's `tcpcong`, on one machine and one workload. Written by\n\
             `cargo bench --bench side_by_side`, as root; `scripts/bench-setup.sh` installs bcc's.\n\n\
             Machine: {}.\n\n\
             Each figure is the median of its runs, with the least and the most; the ratio is\n\
             ours to bcc's, and the target the most that it may be.\n\n\
             | figure | ours | bcc's | ratio | target | reached |\n\
             | --- | --- | --- | --- | --- | --- |\n",
            machine()
        );
        for figure in &self.figures {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{}", figure.row());
        }
        text.push_str(
            "\nWhat else it can be asked for costs more, but only where it is asked for. On \
             the same\nevents, per event:\n\n\
             | asked for | the plain table | with it | ratio |\n\
             | --- | --- | --- | --- |\n",
        );
        for more in &self.more {
            let _ = writeln!(text, "{}", more.row());
        }
        text.push('\n');
        for note in &self.notes {
            let _ = writeln!(text, "- {note}");
        }
        text
    }

    pub(crate) fn write(&self) -> Result<()> {
        fs::write(PATH, self.text()).with_context(|| format!("writing {PATH}"))
    }
}

impl Figure {
    fn row(&self) -> String {
        let none = || "–".to_owned();
        let show = |spread: &Spread| spread.show(self.unit, self.decimals);
        let ratio = self.peer.map(|peer| self.ours.median / peer.median);
        let reached = ratio.zip(self.target).map(|(ratio, target)| ratio <= target);
        format!(
            "| {} | {} | {} | {} | {} | {} |",
            self.name,
            show(&self.ours),
            self.peer.as_ref().map_or_else(none, show),
            ratio.map_or_else(none, |ratio| format!("{ratio:.3}")),
            self.target.map_or_else(none, |target| format!("{target}")),
            reached.map_or_else(none, |yes| if yes { "yes" } else { "no" }.to_owned()),
        )
    }
}

impl More {
    fn row(&self) -> String {
        let Self { name, plain, with_it } = self;
        let ratio = with_it.median / plain.median;
        format!("| {name} | {} | {} | {ratio:.3} |", plain.show("ns", 0), with_it.show("ns", 0))
    }
}

fn machine() -> String {
    let kernel = nix::sys::utsname::uname()
        .map_or_else(|_| "unknown".to_owned(), |name| name.release().to_string_lossy().into());
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let mut machine = format!("Linux {kernel}, {cpus} CPUs");
    let query = ["-W", "-f", "${Version}", "bpfcc-tools"];
    // Other systems than Debian do without the version.
    if let Ok(output) = Command::new("dpkg-query").args(query).output()
        && output.status.success()
    {
        let _ = write!(machine, ", bpfcc-tools {}", String::from_utf8_lossy(&output.stdout));
    }
    machine
}
