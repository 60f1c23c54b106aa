//! A run on one kernel: all scenarios, all ways of attaching at once, one truth for all.
//! Not the scenarios themselves, nor the page that comes of it.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::Command;
use std::thread;
use std::time::Instant;

use anyhow::{Result, anyhow, ensure};

use super::causes;
use super::judge::Judge;
use super::lines::{End, Line};
use super::scenario::{Scenario, Scene, chosen};
use super::support::ledger::Ledger;
use super::support::netns::Netns;
use super::support::truth::Truth;
use super::verdicts;
use super::ways;

/// What the labs need; a kernel that has it built in needs no module.
const MODULES: [&str; 5] = ["veth", "sch_netem", "sch_tbf", "sch_fq_codel", "tcp_diag"];
/// A scenario whose stage is set.
pub(crate) struct Playing {
    pub(crate) scenario: &'static Scenario,
    /// Set before the tools start, or when its wave comes.
    scene: Option<Box<dyn Scene>>,
    /// What went wrong on the stage.
    pub(crate) red: Vec<String>,
}

/// Runs the scenarios of these names, and sees them in these ways, all for none; prints a line for each cell.
pub(crate) fn run(names: &[&str], ways: &[&str]) -> Result<()> {
    ensure!(
        nix::unistd::geteuid().is_root(),
        "loading BPF programs and making networks needs root"
    );
    let begin = Instant::now();
    let scenarios = chosen(names)?;
    let kernel = prepare()?;
    let truth = Truth::start_unhidden()?;
    let (mut playing, automatic) = thread::scope(|scope| {
        let automatic = scope.spawn(|| ways::automatic(&kernel));
        (set(&scenarios), automatic.join())
    });
    let mut automatic = automatic.map_err(|_| anyhow!("panicked"))??;
    told(begin, "stages set");
    let (tracing, refused) = ways::start(&kernel, &ways::chosen(ways)?)?;
    told(begin, "tools trace");
    play(&mut playing);
    told(begin, "played");
    tracing.iter().try_for_each(ways::Tracing::interrupt)?;
    let seen = tracing.into_iter().map(ways::Tracing::finish).collect::<Result<Vec<_>>>()?;
    let (mut ways, reports): (Vec<_>, Vec<_>) = seen.into_iter().unzip();
    let record = truth.finish()?;
    told(begin, &format!("{} events, {} missed", record.events.len(), record.missed));
    let ledger = Ledger::new(&record);
    for (way, reports) in ways.iter().zip(&reports) {
        let judge = Judge { way, reports, ledger: &ledger, missed: record.missed };
        judge.cells(&playing).into_iter().for_each(|cell| Line::Cell(cell).print());
    }
    strike(playing);
    if names.is_empty() {
        let working: Vec<_> = ways.iter().map(|way| way.name.clone()).collect();
        let (causes, miscounted) = causes::run(&kernel, &working)?;
        for one in causes {
            Line::Causes(one).print();
        }
        automatic.red.extend(miscounted);
        told(begin, "causes told");
        ways::verify_all(&mut ways)?;
        told(begin, "all asked for at once");
        for one in verdicts::run(&kernel, &[])? {
            Line::Verdict(one).print();
        }
        told(begin, "verdicts given");
    }
    [automatic].into_iter().chain(refused).chain(ways).for_each(|way| Line::Way(way).print());
    Line::End(End { kernel, seconds: begin.elapsed().as_secs_f64() }).print();
    Ok(())
}

/// Has these ways tell causes; prints a line for each cell.
pub(crate) fn run_causes(ways: &[&str]) -> Result<()> {
    let ways: Vec<_> = ways.iter().map(|way| (*way).to_owned()).collect();
    let (causes, miscounted) = causes::run(&prepare()?, &ways)?;
    for one in causes {
        Line::Causes(one).print();
    }
    ensure!(miscounted.is_empty(), "{}", miscounted.join("; "));
    Ok(())
}

/// The verdicts on these cases, all for none; prints a line for each.
pub(crate) fn run_verdicts(cases: &[&str]) -> Result<()> {
    for one in verdicts::run(&prepare()?, cases)? {
        Line::Verdict(one).print();
    }
    Ok(())
}

/// Loads what the labs need. Returns the kernel's release.
fn prepare() -> Result<String> {
    for module in MODULES {
        // Where it fails, what needs the module says so.
        let _ = Command::new("modprobe").arg(module).status();
    }
    Ok(nix::sys::utsname::uname()?.release().to_string_lossy().into_owned())
}

pub(crate) fn told(begin: Instant, what: &str) {
    eprintln!("kernels: {:.1} s: {what}", begin.elapsed().as_secs_f64());
}

/// Sets the stages of all that belong to no wave, at once.
pub(crate) fn set(scenarios: &[&'static Scenario]) -> Vec<Playing> {
    let mut playing: Vec<_> = scenarios.iter().copied().map(Playing::of).collect();
    thread::scope(|scope| {
        for one in playing.iter_mut().filter(|one| one.scenario.wave.is_none()) {
            scope.spawn(|| one.set());
        }
    });
    playing
}

/// Takes all stages away, at once: each waits for the kernel most of the time.
pub(crate) fn strike(playing: Vec<Playing>) {
    thread::scope(|scope| {
        for one in playing {
            scope.spawn(|| drop(one));
        }
    });
}

/// Plays those of no wave, and meanwhile the waves.
pub(crate) fn play(playing: &mut [Playing]) {
    let (waiting, mut waves): (Vec<_>, Vec<_>) =
        playing.iter_mut().partition(|one| one.scenario.wave.is_none());
    let numbers: BTreeSet<_> = waves.iter().map(|one| one.scenario.wave).collect();
    thread::scope(|scope| {
        for one in waiting {
            scope.spawn(|| one.play());
        }
        for number in numbers {
            thread::scope(|scope| {
                for one in waves.iter_mut().filter(|one| one.scenario.wave == number) {
                    scope.spawn(|| {
                        one.set();
                        one.play();
                    });
                }
            });
        }
    });
}

impl Playing {
    pub(crate) fn of(scenario: &'static Scenario) -> Self {
        Self { scenario, scene: None, red: Vec::new() }
    }

    fn set(&mut self) {
        match (self.scenario.set)() {
            Ok(scene) => self.scene = Some(scene),
            Err(error) => self.red.push(format!("setting the stage: {error:#}")),
        }
    }

    fn play(&mut self) {
        let Some(scene) = &mut self.scene else { return };
        let begin = Instant::now();
        if let Err(error) = scene.play() {
            self.red.push(format!("{error:#}"));
        }
        told(begin, &format!("{} played", self.scenario.name));
    }

    /// Whether the flow between these ends is one of the scene's.
    pub(crate) fn owns(&self, local: SocketAddr, remote: SocketAddr) -> bool {
        let ends = self.ends();
        ends.contains(&local) || ends.contains(&remote)
    }

    pub(crate) fn ends(&self) -> Vec<SocketAddr> {
        self.scene.as_ref().map_or(Vec::new(), |scene| scene.ends())
    }

    pub(crate) fn client(&self) -> Option<&Netns> {
        self.scene.as_ref()?.client()
    }

    pub(crate) fn nested(&self) -> Option<usize> {
        self.scene.as_ref()?.nested()
    }

    pub(crate) fn notes(&self) -> Vec<String> {
        self.scene.as_ref().map_or(Vec::new(), |scene| scene.notes())
    }
}
