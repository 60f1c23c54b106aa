//! What the tool takes from a bulk transfer that has the CPU to itself: iperf3 on loopback,
//! with the tool off and on in turn.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::contender::Contender;
use super::page::Page;
use super::spread::Spread;
use super::support::netns::Netns;
use super::support::tool::pause;

const PAIRS: usize = 5;
const SECONDS: &str = "3";
const PORT: &str = "5201";

pub(crate) fn measure(page: &mut Page) -> Result<()> {
    if Command::new("iperf3").arg("--version").output().is_err() {
        eprintln!(
            "SKIPPED throughput: iperf3 does not run here; scripts/bench-setup.sh installs it"
        );
        return Ok(());
    }
    let netns = Netns::new("tcpcong-iperf")?;
    let _server = Server::start(&netns)?;
    let (mut off, mut on, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        let without = gigabits(&netns)?;
        let running = Contender::Ours.start("1")?;
        let with = gigabits(&netns)?;
        drop(running);
        ratios.push(with / without);
        off.push(without);
        on.push(with);
    }
    page.note(format!(
        "iperf3 on loopback, {PAIRS} times {SECONDS} s each, in turn: {} with no tool, {} with ours: \
         {} of that.",
        Spread::of(off)?.show("Gbit/s", 1),
        Spread::of(on)?.show("Gbit/s", 1),
        Spread::of(ratios)?.show("", 3),
    ));
    Ok(())
}

struct Server(Child);

impl Server {
    fn start(netns: &Netns) -> Result<Self> {
        let mut command = Command::new("iperf3");
        command.args(["-s", "-p", PORT]).stdout(Stdio::null()).stderr(Stdio::null());
        let server = Self(netns.enter(|| command.spawn())?.context("starting iperf3")?);
        pause(Duration::from_millis(500));
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

fn gigabits(netns: &Netns) -> Result<f64> {
    let told = netns.run("iperf3", &["-c", "127.0.0.1", "-p", PORT, "-t", SECONDS, "-J"])?;
    let told: serde_json::Value = serde_json::from_str(&told)?;
    let rate = told["end"]["sum_received"]["bits_per_second"].as_f64();
    let rate = rate.context("iperf3 tells no rate")?;
    ensure!(rate > 0.0, "iperf3 has sent nothing");
    Ok(rate / 1e9)
}
