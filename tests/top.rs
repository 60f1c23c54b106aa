//! `tcpcong top` in a real terminal, tmux: what it shows of real loss, what keys do, and that
//! the terminal is given back as it was, whatever ends it.

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use support::lab::Lab;
use support::needs::need_root;
use support::server::Server;
use support::tool::{command, pause};
use support::traffic::{Amount, Dial, Ending, Sender};
use tempfile::TempDir;

/// Longer than anything here takes, also on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// A terminal of its own, with a shell's line before and after the command.
struct Terminal {
    socket: TempDir,
}

impl Terminal {
    fn run(command: &str, (width, height): (u16, u16)) -> Result<Self> {
        let socket = TempDir::new()?;
        let terminal = Self { socket };
        let line = format!("echo before; {command}; echo ended with $?; exec cat");
        let size = ["-x", &width.to_string(), "-y", &height.to_string()].map(ToOwned::to_owned);
        let words = ["new-session", "-d", "-s", "top"].map(ToOwned::to_owned);
        let words: Vec<_> = words.into_iter().chain(size).chain([line]).collect();
        terminal.tmux(&words.iter().map(String::as_str).collect::<Vec<_>>())?;
        Ok(terminal)
    }

    fn tmux(&self, words: &[&str]) -> Result<String> {
        let output = Command::new("tmux")
            .arg("-S")
            .arg(self.socket.path().join("tmux"))
            .args(["-f", "/dev/null", "-u"])
            .args(words)
            .env("TERM", "xterm-256color")
            .env("LANG", "C.UTF-8")
            .output()
            .context("tmux (scripts/setup.sh test installs it)")?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "tmux {words:?}: {stderr}");
        Ok(String::from_utf8(output.stdout)?)
    }

    fn screen(&self) -> Result<String> {
        self.tmux(&["capture-pane", "-p", "-t", "top"])
    }

    /// With what has scrolled away.
    fn all(&self) -> Result<String> {
        self.tmux(&["capture-pane", "-p", "-S", "-", "-t", "top"])
    }

    fn keys(&self, keys: &[&str]) -> Result<()> {
        let words: Vec<_> = ["send-keys", "-t", "top"].iter().chain(keys).copied().collect();
        self.tmux(&words).map(|_| ())
    }

    /// The screen as soon as it is so.
    fn wait(&self, what: &str, is_so: impl Fn(&str) -> bool) -> Result<String> {
        let until = Instant::now() + PATIENCE;
        loop {
            let screen = self.screen()?;
            if is_so(&screen) {
                return Ok(screen);
            }
            if Instant::now() > until {
                bail!("not within {PATIENCE:?}: {what}; the screen:\n{screen}");
            }
            pause(Duration::from_millis(50));
        }
    }

    /// The process that the shell runs.
    fn pid(&self) -> Result<String> {
        let shell = self.tmux(&["display-message", "-p", "-t", "top", "#{pane_pid}"])?;
        let children = Command::new("pgrep").args(["-P", shell.trim()]).output()?;
        Ok(String::from_utf8(children.stdout)?.trim().to_owned())
    }

    /// That it has ended so, and the terminal is as it was before.
    fn ended(&self, code: i32) -> Result<String> {
        let said = format!("ended with {code}\n");
        self.wait(&said, |screen| screen.contains("ended with"))?;
        let screen = self.all()?;
        ensure!(screen.contains(&said) && screen.starts_with("before\n"), "{screen}");
        // What is typed is echoed, in lines: it is in no raw mode any more, and no mouse is told.
        self.keys(&["x", "y", "Enter"])?;
        self.wait("echo", |screen| screen.contains("\nxy\n"))?;
        let mouse = self.tmux(&["display-message", "-p", "-t", "top", "#{mouse_any_flag}"])?;
        ensure!(mouse.trim() == "0", "the mouse is still told");
        Ok(screen)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        _ = self.tmux(&["kill-server"]);
    }
}

fn tool() -> PathBuf {
    PathBuf::from(command().get_program())
}

/// Four flows over a bottleneck that drops.
struct Loss {
    _lab: Lab,
    server: Server,
    senders: Vec<Sender>,
}

impl Loss {
    fn begin(name: &str) -> Result<Self> {
        let lab = Lab::new(name)?;
        lab.bottleneck("20mbit", "16k", "30k")?;
        let server = Server::listen(&lab.server, (lab.server_v4(), 0).into())?;
        let start = |_| {
            let dial = Dial::to(server.address()).congestion_control("cubic");
            Sender::start(&lab.client, &dial, Amount::UntilStopped)
        };
        let senders = (0..4).map(start).collect::<Result<Vec<_>>>()?;
        Ok(Self { _lab: lab, server, senders })
    }

    fn port(&self) -> u16 {
        self.server.address().port()
    }

    fn end(self) -> Result<()> {
        self.senders.into_iter().try_for_each(|sender| sender.stop(Ending::Reset).map(|_| ()))
    }
}

fn top(options: &str) -> String {
    format!("{} top {options}", tool().display())
}

/// Lines of connections: they tell both ends.
fn flows(screen: &str) -> usize {
    screen.lines().filter(|line| line.contains(" → ") && !line.contains("open ")).count()
}

#[test]
fn real_loss_shows_and_keys_do_what_the_help_says() -> Result<()> {
    if !need_root("real_loss_shows_and_keys_do_what_the_help_says") {
        return Ok(());
    }
    let loss = Loss::begin("top-keys")?;
    let options = format!("-R {} 0.5", loss.port());
    let terminal = Terminal::run(&top(&options), (120, 40))?;
    let is_loss = |screen: &str| flows(screen) == 4 && screen.contains("LIVE");
    let screen = terminal.wait("four flows that lose", is_loss)?;
    ensure!(screen.contains("exact: "), "the trust line: {screen}");
    let has_recovery = |line: &str| line.contains(" → ") && line.contains("OR");
    terminal.wait("Recovery in a bar", |screen| screen.lines().any(has_recovery))?;
    terminal.keys(&["?"])?;
    terminal.wait("help", |screen| screen.contains("filter, until it is cleared"))?;
    terminal.keys(&["Escape"])?;
    terminal.wait("the list", |screen| !screen.contains("until it is cleared"))?;
    terminal.keys(&["Enter"])?;
    let causes = |screen: &str| screen.contains("verdict: ") && screen.contains("fast-retransmit");
    terminal.wait("details with causes", causes)?;
    // Alone: with another key right after it would be another key.
    terminal.keys(&["Escape"])?;
    terminal.wait("the list", |screen| !screen.contains("verdict: "))?;
    terminal.keys(&["Space", "Left", "Left"])?;
    // The last line is drawn last.
    let is_drawn = |screen: &str| screen.contains("FROZEN") && screen.contains("Space go on");
    let frozen = terminal.wait("frozen", is_drawn)?;
    let kept =
        |screen: &str| -> Option<u64> { screen.lines().next()?.rsplit(' ').next()?.parse().ok() };
    let before = kept(&frozen);
    let later = terminal.wait("more intervals", |screen| kept(screen) > before.map(|n| n + 2))?;
    let rows = |screen: &str| -> Vec<String> {
        screen.lines().filter(|line| line.contains(" → ")).map(ToOwned::to_owned).collect()
    };
    ensure!(rows(&frozen) == rows(&later), "it stands:\n{frozen}\n{later}");
    terminal.keys(&["Space", "/"])?;
    terminal.wait("a filter is typed", |screen| screen.contains("filter: "))?;
    terminal.keys(&["-l", "no such thing"])?;
    terminal.keys(&["Enter"])?;
    terminal.wait("nothing", |screen| screen.contains("no connection has that"))?;
    terminal.keys(&["Escape"])?;
    terminal.wait("all again", |screen| flows(screen) == 4)?;
    terminal.keys(&["G", "Down", "Enter"])?;
    terminal.wait("a group", |screen| screen.contains("in 1 groups by raddr"))?;
    terminal.keys(&["q"])?;
    terminal.ended(0)?;
    loss.end()
}

#[test]
fn the_screen_follows_the_terminals_size() -> Result<()> {
    if !need_root("the_screen_follows_the_terminals_size") {
        return Ok(());
    }
    let terminal = Terminal::run(&top("0.2"), (80, 24))?;
    terminal.wait("the first interval", |screen| screen.contains("LIVE"))?;
    for (width, height, has_room) in [(40, 10, false), (200, 50, true), (60, 12, true)] {
        let (w, h) = (width.to_string(), height.to_string());
        terminal.tmux(&["resize-window", "-t", "top", "-x", &w, "-y", &h])?;
        terminal.wait("the new size", |screen| {
            let is_wide = screen
                .lines()
                .next()
                .is_some_and(|line| line.ends_with("LIVE") && line.chars().count() == width);
            if has_room { is_wide } else { screen.contains("needs 60 columns and 12") }
        })?;
    }
    terminal.keys(&["q"])?;
    terminal.ended(0).map(|_| ())
}

#[test]
fn the_terminal_is_given_back_after_every_end() -> Result<()> {
    if !need_root("the_terminal_is_given_back_after_every_end") {
        return Ok(());
    }
    for signal in ["TERM", "INT", "HUP"] {
        let terminal = Terminal::run(&top("0.2"), (80, 24))?;
        terminal.wait("the first interval", |screen| screen.contains("LIVE"))?;
        let pid = terminal.pid()?;
        ensure!(Command::new("kill").args(["-s", signal, &pid]).status()?.success());
        terminal.ended(0).with_context(|| format!("after SIG{signal}"))?;
    }
    let terminal = Terminal::run(&top("0.2"), (80, 24))?;
    terminal.wait("the first interval", |screen| screen.contains("LIVE"))?;
    terminal.keys(&["Q"])?;
    let screen = terminal.ended(0)?;
    ensure!(screen.contains("tcpcong top") && screen.contains("exact"), "it stays: {screen}");
    Ok(())
}

/// The library's tests, the newest that have this one: cargo builds them beside these.
fn library_tests(name: &str) -> Result<PathBuf> {
    let folder = std::env::current_exe()?.parent().context("a folder")?.to_owned();
    let mut built = Vec::new();
    for file in std::fs::read_dir(folder)? {
        let file = file?;
        let is_one = file.path().extension().is_none()
            && file.file_name().to_string_lossy().starts_with("tcpcong-");
        if is_one {
            built.push((file.metadata()?.modified()?, file.path()));
        }
    }
    built.sort();
    let has_it = |path: &PathBuf| {
        let listed = Command::new(path).args(["--list", "--ignored"]).output();
        listed.is_ok_and(|listed| String::from_utf8_lossy(&listed.stdout).contains(name))
    };
    let newest_first = built.into_iter().rev().map(|(_, path)| path);
    newest_first.filter(|path| path.is_file()).find(has_it).context(
        "the library's tests are not built: `cargo test` builds them, `cargo test --test top` does not",
    )
}

#[test]
fn a_panic_gives_the_terminal_back_before_its_message() -> Result<()> {
    let name = "screen::terminal::tests::a_panic_while_the_screen_is_shown";
    let built = library_tests(name)?;
    let line = format!("RUST_BACKTRACE=0 {} --ignored --exact {name} --nocapture", built.display());
    let terminal = Terminal::run(&line, (120, 40))?;
    let screen = terminal.ended(101)?;
    ensure!(screen.contains("a panic on purpose"), "{screen}");
    Ok(())
}

#[test]
fn a_recording_is_shown_to_its_end_and_stays() -> Result<()> {
    if !need_root("a_recording_is_shown_to_its_end_and_stays") {
        return Ok(());
    }
    let folder = TempDir::new()?;
    let file = folder.path().join("a.jsonl.zst");
    record_loss(&file)?;
    let options = format!("--speed 100 --from {}", file.display());
    let terminal = Terminal::run(&top(&options), (120, 40))?;
    let is_at_end = |screen: &str| {
        let is_end = screen.lines().next().is_some_and(|line| line.ends_with("END"));
        is_end && screen.contains("exact: ")
    };
    terminal.wait("its end, and how far to trust it", is_at_end)?;
    terminal.keys(&["Left", "Left"])?;
    let is_before = |screen: &str| screen.contains("FROZEN") && flows(screen) == 4;
    terminal.wait("an interval before, with all four", is_before)?;
    terminal.keys(&["q"])?;
    terminal.ended(0).map(|_| ())
}

fn record_loss(file: &Path) -> Result<()> {
    let loss = Loss::begin("top-from")?;
    let port = loss.port().to_string();
    let mut words = command();
    words.args(["record", "--seconds", "4", "-R", &port, "-o"]).arg(file);
    let status = words.stderr(Stdio::null()).status()?;
    ensure!(status.success(), "{status}");
    loss.end()
}

#[test]
fn without_a_terminal_it_says_what_to_do_instead() -> Result<()> {
    let output = command().arg("top").stdin(Stdio::null()).output()?;
    ensure!(output.status.code() == Some(2), "{output:?}");
    let said = "tcpcong: top: it needs a terminal that can be drawn on; `tcpcong 1` prints reports anywhere\n";
    ensure!(output.stderr == said.as_bytes() && output.stdout.is_empty(), "{output:?}");
    Ok(())
}

#[test]
fn samples_are_estimates_in_the_head() -> Result<()> {
    if !need_root("samples_are_estimates_in_the_head") {
        return Ok(());
    }
    let loss = Loss::begin("top-sample")?;
    let options = format!("--attach sample --sample-every 10ms -R {} 0.5", loss.port());
    let terminal = Terminal::run(&top(&options), (120, 40))?;
    let is_loss = |screen: &str| flows(screen) == 4 && screen.contains("LIVE");
    let screen = terminal.wait("four flows that lose", is_loss)?;
    ensure!(screen.contains("  sample, Linux ") && screen.contains("an estimate: "), "{screen}");
    terminal.keys(&["q"])?;
    terminal.ended(0)?;
    loss.end()
}
