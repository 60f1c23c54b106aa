//! A process that holds a share of a crowd's near ends: one has not descriptors enough for
//! all of them. Not what is measured meanwhile.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Write as _, stdin};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use nix::sys::socket::{setsockopt, sockopt};

use super::support::netns::Netns;

/// Tells this program that it is one: where to connect to, and how often.
pub(crate) const ORDER: &str = "TCPCONG_BENCH_PART";
const DONE: &str = "done";

/// One of them, as its owner sees it; it ends with this value.
#[derive(Debug)]
pub(crate) struct Part {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Part {
    /// Starts one in `netns` that connects to `address` so many times.
    pub(crate) fn start(netns: &Netns, address: SocketAddr, count: usize) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.env(ORDER, format!("{address} {count}"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = netns.enter(|| command.spawn())??;
        let answers = BufReader::new(child.stdout.take().context("no stdout")?);
        let orders = child.stdin.take().context("no stdin")?;
        Ok(Self { child, orders, answers })
    }

    /// Has it write a byte into each of its connections.
    pub(crate) fn write(&mut self) -> Result<()> {
        Ok(self.orders.write_all(b"\n")?)
    }

    /// Waits until it has connected, or written.
    pub(crate) fn wait(&mut self) -> Result<()> {
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        ensure!(answer.trim() == DONE, "a process that holds connections has ended");
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Is one, if that is what this process was started for.
pub(crate) fn be_one() -> Option<Result<()>> {
    let order = std::env::var(ORDER).ok()?;
    Some(hold(&order))
}

fn hold(order: &str) -> Result<()> {
    let (address, count) = order.split_once(' ').context("an address and a number")?;
    let address: SocketAddr = address.parse()?;
    let connect = |_| {
        let end = TcpStream::connect(address)?;
        setsockopt(&end, sockopt::TcpCongestion, &OsString::from("cubic"))?;
        anyhow::Ok(end)
    };
    let mut ends = (0..count.parse()?).map(connect).collect::<Result<Vec<_>>>()?;
    println!("{DONE}");
    for order in stdin().lines() {
        order?;
        for end in &mut ends {
            end.write_all(b"?")?;
        }
        println!("{DONE}");
    }
    Ok(())
}
