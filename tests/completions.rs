//! What shells complete, by the scripts that the tool prints: a real bash does, zsh and fish
//! can read theirs. Not here: which options there are, which `--help` shows.

mod support;

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use support::needs::need;
use support::tool::command;
use tempfile::TempDir;

/// The script for a shell, in a file of a folder.
fn script(shell: &str) -> Result<TempDir> {
    let output = command().args(["completions", shell]).output()?;
    ensure!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    ensure!(!output.stdout.is_empty(), "{shell}: nothing");
    let folder = TempDir::new()?;
    fs::write(folder.path().join("script"), output.stdout)?;
    Ok(folder)
}

/// What bash offers where the cursor stands behind the last of these words.
fn offered(words: &[&str]) -> Result<Vec<String>> {
    // As readline calls it (bash(1), Programmable Completion).
    const COMPLETE: &str = r#"
        source ./script
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
        function=$(complete -p tcpcong | sed 's/.*-F \([^ ]*\).*/\1/')
        # It fails where there is nothing to offer.
        "$function" tcpcong "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}" || true
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let folder = script("bash")?;
    let output = Command::new("bash")
        .args(["--norc", "-euc", COMPLETE, "bash"])
        .args(words)
        .current_dir(&folder)
        .output()
        .context("running bash")?;
    ensure!(output.status.success(), "{words:?}: {output:?}");
    let text = String::from_utf8(output.stdout)?;
    Ok(text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

#[test]
fn bash_completes_commands_options_and_values() -> Result<()> {
    ensure!(offered(&["tcpcong", "tr"])? == ["trace"]);
    ensure!(offered(&["tcpcong", "--micro"])? == ["--microseconds"]);
    ensure!(offered(&["tcpcong", "--format", "j"])? == ["json"]);
    ensure!(offered(&["tcpcong", "trace", "--ser"])?.is_empty());
    ensure!(offered(&["tcpcong", "trace", "--sec"])? == ["--seconds"]);
    ensure!(offered(&["tcpcong", "completions", "el"])? == ["elvish"]);
    Ok(())
}

#[test]
fn other_shells_can_read_their_scripts() -> Result<()> {
    for shell in ["zsh", "fish"] {
        let folder = script(shell)?;
        let read = Command::new(shell).args(["-n", "script"]).current_dir(&folder).output();
        if need("other_shells_can_read_their_scripts", read.is_ok(), shell) {
            let read = read?;
            ensure!(read.status.success() && read.stderr.is_empty(), "{shell}: {read:?}");
        }
    }
    for shell in ["elvish", "powershell"] {
        script(shell)?;
    }
    Ok(())
}
