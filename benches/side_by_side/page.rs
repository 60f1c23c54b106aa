//! The measured figures as one page, on stdout and in `docs/`.
//! Not how they are measured.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::spread::Spread;

pub(crate) const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/benchmarks.md");

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
    pub(crate) peer: Option<Spread>,
    /// At most so much of the peer's.
    pub(crate) target: f64,
}

/// One row of the curve.
#[derive(Debug)]
pub(crate) struct Point {
    pub(crate) flows: usize,
    /// Of a core, reports of nothing.
    pub(crate) quiet_percent: f64,
    /// User and kernel memory, at most so far.
    pub(crate) quiet_mb: f64,
    /// Rows in reports, as all changed once.
    pub(crate) rows: usize,
    /// CPU time for each of them.
    pub(crate) changing_us: f64,
    /// From one report to the next.
    pub(crate) longest_ms: Option<f64>,
    pub(crate) memory_mb: f64,
}

/// One row of what our tool was before and is now.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) decimals: usize,
    pub(crate) now: Spread,
    pub(crate) earlier: Option<Spread>,
    /// At most so much, in the unit; or at least, where it is a share that is left.
    pub(crate) target: Option<Target>,
}

/// One row of what the service takes.
#[derive(Debug)]
pub(crate) struct ServiceRow {
    pub(crate) flows: usize,
    /// What it does besides.
    pub(crate) name: &'static str,
    /// Of a core, while nobody asks.
    pub(crate) quiet_percent: f64,
    pub(crate) memory_mb: f64,
    /// CPU time of one, a connection of its own included.
    pub(crate) scrape_us: f64,
    /// Of what is scraped, bytes, by format.
    pub(crate) sizes: Vec<(&'static str, usize)>,
}

/// One row of what other views cost.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) name: &'static str,
    /// Of a core, while nothing happens.
    pub(crate) quiet_percent: f64,
    /// CPU time for all connections' going to Loss and back.
    pub(crate) changing_ms: Spread,
    pub(crate) memory_mb: f64,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    AtMost(f64),
    AtLeast(f64),
}

/// Rows, and the lines below them.
#[derive(Debug, Default)]
pub(crate) struct Page {
    figures: Vec<Figure>,
    more: Vec<More>,
    changes: Vec<Change>,
    points: Vec<Point>,
    views: Vec<View>,
    services: Vec<ServiceRow>,
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

    pub(crate) fn change(&mut self, change: Change) {
        eprintln!("{}", change.row());
        self.changes.push(change);
    }

    pub(crate) fn point(&mut self, point: Point) {
        eprintln!("{}", point.row());
        self.points.push(point);
    }

    pub(crate) fn view(&mut self, view: View) {
        eprintln!("{}", view.row(self.views.first()));
        self.views.push(view);
    }

    pub(crate) fn service(&mut self, row: ServiceRow) {
        eprintln!("{}", row.row());
        self.services.push(row);
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
             | asked for | the plain table | with it | bcc's | ratio to bcc's | target | reached |\n\
             | --- | --- | --- | --- | --- | --- | --- |\n",
        );
        for more in &self.more {
            let _ = writeln!(text, "{}", more.row());
        }
        text.push_str(
            "\nWhat bcc's has no like of, beside an earlier build (`TCPCONG_EARLIER`):\n\n\
             | figure | now | earlier | target | reached |\n\
             | --- | --- | --- | --- | --- |\n",
        );
        for change in &self.changes {
            let _ = writeln!(text, "{}", change.row());
        }
        text.push_str(
            "\nHow it grows with the flows, reports once a second: first all connections are \
             quiet, then\neach goes to Loss and back. Both ends of each are on this machine, so \
             there are twice\nas many flows. With very many the survey of all sockets, a hundredth of \
             the time at most,\nfalls outside of the time that was measured.\n\n\
             | connections | quiet: CPU | quiet: memory | rows as they change | CPU a row | \
             longest interval | memory |\n\
             | --- | --- | --- | --- | --- | --- | --- |\n",
        );
        for point in &self.points {
            let _ = writeln!(text, "{}", point.row());
        }
        text.push_str(
            "\nWhat recordings, the live screen and verdicts cost, on 10,000 connections that are\n\
             quiet and then each go to Loss and back:\n\n\
             | view | quiet: CPU | as they change: CPU | that is of the plain table's | peak \
             memory |\n\
             | --- | --- | --- | --- | --- |\n",
        );
        for view in &self.views {
            let _ = writeln!(text, "{}", view.row(self.views.first()));
        }
        text.push_str(
            "\nWhat `tcpcong serve` takes: beside quiet connections while nobody asks, a look at all of\n\
             them each ten seconds included; and each scrape, of 2,000 one after the other, in the text\n\
             format, each on a connection of its own. Both ends of each are on this machine.\n\n\
             | connections | with | quiet: CPU | peak memory | a scrape: CPU | a scrape: size |\n\
             | --- | --- | --- | --- | --- | --- |\n",
        );
        for row in &self.services {
            let _ = writeln!(text, "{}", row.row());
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
        let Self { name, plain, with_it, peer, target } = self;
        let none = || "–".to_owned();
        let ratio = peer.map(|peer| with_it.median / peer.median);
        let show = |spread: &Spread| spread.show("ns", 0);
        format!(
            "| {name} | {} | {} | {} | {} | {target} | {} |",
            show(plain),
            show(with_it),
            peer.as_ref().map_or_else(none, show),
            ratio.map_or_else(none, |ratio| format!("{ratio:.3}")),
            ratio.map_or_else(none, |ratio| {
                if ratio <= *target { "yes" } else { "no" }.to_owned()
            }),
        )
    }
}

impl Change {
    fn row(&self) -> String {
        let none = || "–".to_owned();
        let show = |spread: &Spread| spread.show(self.unit, self.decimals);
        let (target, reached) = match self.target {
            Some(Target::AtMost(most)) => (format!("{most}"), Some(self.now.median <= most)),
            Some(Target::AtLeast(least)) => {
                (format!("{least} or more"), Some(self.now.median >= least))
            }
            None => (none(), None),
        };
        format!(
            "| {} | {} | {} | {target} | {} |",
            self.name,
            show(&self.now),
            self.earlier.as_ref().map_or_else(none, show),
            reached.map_or_else(none, |yes| if yes { "yes" } else { "no" }.to_owned()),
        )
    }
}

impl Point {
    fn row(&self) -> String {
        let Self { flows, quiet_percent, quiet_mb, rows, changing_us, longest_ms, memory_mb } =
            self;
        let longest = longest_ms.map_or("–".to_owned(), |longest| format!("{longest:.0} ms"));
        format!(
            "| {flows} | {quiet_percent:.2} % of a core | {quiet_mb:.1} MB | {rows} | \
             {changing_us:.1} us | {longest} | {memory_mb:.1} MB |"
        )
    }
}

impl View {
    fn row(&self, plain: Option<&Self>) -> String {
        let Self { name, quiet_percent, changing_ms, memory_mb } = self;
        let plain_ms = plain.map_or(changing_ms.median, |plain| plain.changing_ms.median);
        format!(
            "| {name} | {quiet_percent:.2} % of a core | {} | {:.2} | {memory_mb:.1} MB |",
            changing_ms.show("ms", 0),
            changing_ms.median / plain_ms
        )
    }
}

impl ServiceRow {
    fn row(&self) -> String {
        let Self { flows, name, quiet_percent, memory_mb, scrape_us, sizes } = self;
        let sizes: Vec<_> =
            sizes.iter().map(|(format, bytes)| format!("{bytes} bytes of {format}")).collect();
        format!(
            "| {flows} | {name} | {quiet_percent:.2} % of a core | {memory_mb:.1} MB | \
             {scrape_us:.0} us | {} |",
            sizes.join(", ")
        )
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
