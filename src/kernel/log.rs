//! Keeps what libbpf last warned of, for the message of an error.
//! libbpf prints nothing itself.

use std::sync::Mutex;

use libbpf_rs::PrintLevel;

static LAST: Mutex<String> = Mutex::new(String::new());

/// Begins to keep warnings in place of printing them.
pub(super) fn keep_warnings() {
    libbpf_rs::set_print(Some((PrintLevel::Warn, keep)));
}

/// The last line that libbpf warned of, without its prefix.
pub(super) fn last_warning() -> String {
    let last = LAST.lock().map(|line| line.clone()).unwrap_or_default();
    last.trim().trim_start_matches("libbpf: ").to_owned()
}

fn keep(_: PrintLevel, line: String) {
    if let Ok(mut last) = LAST.lock() {
        *last = line;
    }
}
