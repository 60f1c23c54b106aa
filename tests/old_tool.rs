//! What is printed looks as bcc's tool prints it: banner, headers, columns and histograms, both
//! tools at the same time over the same traffic. Not here: how fast either is, which `benches/` has.

mod support;

use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use support::lab::Lab;
use support::needs::{need, need_root};
use support::server::Server;
use support::tool::command;
use support::traffic::{Amount, Dial, Ending, Sender};

const BANNER: &str = "Tracing tcp congestion control status duration... Hit Ctrl-C to end.\n";

/// Where each of a row's words begins and ends.
fn words(line: &str) -> Vec<(usize, usize)> {
    let begins = |word: &str| word.as_ptr() as usize - line.as_ptr() as usize;
    line.split(' ')
        .filter(|word| !word.is_empty())
        .map(|word| (begins(word), begins(word) + word.len()))
        .collect()
}

/// Where each column begins when no value before it is wider than its own column.
fn columns(rows: &[String]) -> Vec<usize> {
    let begins = |row: &String| words(row).iter().map(|word| word.0).collect::<Vec<_>>();
    let earliest = |so_far: Vec<usize>, row| {
        so_far.into_iter().zip(row).map(|(one, other): (usize, usize)| one.min(other)).collect()
    };
    rows.iter().map(begins).reduce(earliest).unwrap_or_default()
}

/// Each word at its column, or one blank after a word that reached beyond it.
fn stands_in(line: &str, columns: &[usize]) -> bool {
    let words = words(line);
    let after = [0].into_iter().chain(words.iter().map(|word| word.1 + 1));
    words.len() == columns.len()
        && words.iter().zip(columns).zip(after).all(|((word, at), after)| word.0 == after.max(*at))
}

#[test]
fn a_wide_value_moves_what_follows_by_as_much_as_it_must() {
    let rows = ["a/1  802606  0      26", "a/1  0       16841  27"].map(str::to_owned);
    let columns = columns(&rows);
    assert!(rows.iter().all(|row| stands_in(row, &columns)));
    assert!(stands_in("a/1  0       1000000 0", &columns));
    assert!(!stands_in("a/1  0       1000000  0", &columns));
    assert!(!stands_in("a/1  0        16841  0", &columns));
    assert!(!stands_in("a/1  0       16841", &columns));
}

/// bcc's tool and ours, at the same time over the same traffic.
#[test]
fn banner_headers_and_columns_are_the_old_tools() -> Result<()> {
    let test = "banner_headers_and_columns_are_the_old_tools";
    if !need_root(test) {
        return Ok(());
    }
    let tries = Command::new("timeout")
        .args(["-s", "INT", "20", "/usr/bin/python3", "-u", "/usr/sbin/tcpcong-bpfcc", "1", "1"])
        .output()?;
    let runs = String::from_utf8_lossy(&tries.stdout).starts_with(BANNER);
    if !need(test, runs, "a bcc tcpcong that runs here (package bpfcc-tools, kernel headers)") {
        return Ok(());
    }
    let lab = Lab::new("old")?;
    lab.bottleneck("100mbit", "32k", "60k")?;
    for (arguments, address) in [
        (&["1", "2"][..], lab.server_v4()),
        (&["-uT", "1", "2"][..], lab.server_v6()),
        (&["-d", "1", "2"][..], lab.server_v4()),
    ] {
        let server = Server::listen(&lab.server, (address, 0).into())?;
        let dial = Dial::to(server.address()).congestion_control("cubic");
        let start = |_| Sender::start(&lab.client, &dial, Amount::UntilStopped);
        let senders = (0..4).map(start).collect::<Result<Vec<_>>>()?;
        // Other tests' connections must not show in one of the two alone.
        let port = server.address().port().to_string();
        let old = Command::new("/usr/bin/python3")
            .args(["-u", "/usr/sbin/tcpcong-bpfcc", "-R", &port])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()?;
        let new = command().args(["-R", &port]).args(arguments).stdout(Stdio::piped()).spawn()?;
        let printed = |child: Child| -> Result<String> {
            Ok(String::from_utf8(child.wait_with_output()?.stdout)?)
        };
        let (old, new) = (printed(old)?, printed(new)?);
        for sender in senders {
            sender.stop(Ending::Reset)?;
        }
        same_look(&old, &new).with_context(|| format!("{arguments:?}\n{old}\n{new}"))?;
    }
    Ok(())
}

/// Every kind of line in both, and each kind alike.
fn same_look(old: &str, new: &str) -> Result<()> {
    ensure!(old.starts_with(BANNER) && new.starts_with(BANNER), "banner");
    let second = |text: &str| text.lines().nth(1).map(str::to_owned);
    ensure!(second(old) == second(new), "the blank line");
    let kinds = |text: &str, is: fn(&str) -> bool| -> Vec<String> {
        text.lines().filter(|line| is(line)).map(str::to_owned).collect()
    };
    let header: fn(&str) -> bool = |line| line.starts_with("LAddrPort");
    let section: fn(&str) -> bool = |line| line.contains("distribution");
    for is in [header, section] {
        for line in kinds(new, is) {
            ensure!(kinds(old, is).contains(&line), "only ours has {line:?}");
        }
    }
    let row: fn(&str) -> bool =
        |line| line.contains('/') && line.starts_with(|first: char| first.is_ascii_hexdigit());
    let (old_rows, new_rows) = (kinds(old, row), kinds(new, row));
    ensure!(old_rows.is_empty() == new_rows.is_empty(), "rows");
    let columns = columns(&old_rows);
    for line in old_rows.iter().chain(&new_rows) {
        ensure!(stands_in(line, &columns), "{line:?} against columns at {columns:?}");
    }
    let bar: fn(&str) -> bool = |line| line.contains(" -> ");
    let titles: fn(&str) -> bool = |line| line.starts_with("tcp_congest_state = ");
    ensure!(kinds(old, bar).is_empty() == kinds(new, bar).is_empty(), "histograms");
    if let (Some(old), Some(new)) = (kinds(old, bar).first(), kinds(new, bar).first()) {
        let at = |line: &str| line.find(':').zip(line.find('|')).zip(line.rfind('|'));
        ensure!(at(old) == at(new), "{old:?} against {new:?}");
    }
    let recovery = "tcp_congest_state = recovery".to_owned();
    let both = kinds(old, titles).contains(&recovery) == kinds(new, titles).contains(&recovery);
    ensure!(both, "section titles");
    Ok(())
}
