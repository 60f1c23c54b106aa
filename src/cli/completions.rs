//! Scripts that have a shell complete the command line, made of its definition.
//! Not here: the definition, which is `args`'.

use clap::Args;
use clap_complete::{Shell, generate};

/// For which shell.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell to print a script for
    pub shell: Shell,
}

/// The script for that shell.
pub(super) fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    generate(shell, &mut super::definition(), "tcpcong", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}
