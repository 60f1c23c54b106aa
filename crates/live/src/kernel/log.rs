//! Keeps what libbpf says, for the message of an error and for `-v`.
//! libbpf prints nothing itself.

use std::sync::Mutex;

use libbpf_rs::PrintLevel;
use serde::Serialize;

static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The verifier's statistics line of a program, without its instructions
/// (`BPF_LOG_STATS`, `include/linux/bpf_verifier.h`).
pub(super) const VERIFIER_STATISTICS: u32 = 4;

/// How libbpf begins to quote the verifier.
const LOAD_LOG: &str = "-- BEGIN PROG LOAD LOG --";
/// How the verifier's statistics lines begin.
const STATISTICS: [&str; 3] = ["processed ", "stack depth", "verification time"];

/// What it took to verify one program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Its name.
    pub program: String,
    /// Instructions that the verifier went through; at most 1,000,000 are allowed.
    pub instructions: u64,
}

/// Begins to keep warnings, and details where they are asked for, in place of
/// printing them.
pub(super) fn keep(details: bool) {
    let level = if details { PrintLevel::Debug } else { PrintLevel::Warn };
    libbpf_rs::set_print(Some((level, note)));
}

/// Forgets what was said so far.
pub(super) fn clear() {
    if let Ok(mut said) = SAID.lock() {
        said.clear();
    }
}

/// What tells most of a refusal: the verifier's complaint, or else the first
/// line that says what failed.
pub(super) fn most_telling() -> String {
    with_said(|said| {
        let complaint = said.iter().rev().find_map(|text| complaint(text));
        let failed = || said.iter().find(|text| text.contains("failed"));
        complaint.or_else(|| failed().map(|text| plain(text).to_owned()))
    })
    .unwrap_or_default()
}

/// Whether some line has these words.
pub(super) fn has(words: &str) -> bool {
    with_said(|said| said.iter().any(|line| line.contains(words)))
}

/// What the verifier told about each program, if details were kept.
pub(super) fn verified() -> Vec<Verified> {
    with_said(|said| said.iter().filter_map(|line| statistics(line)).collect())
}

fn with_said<T: Default>(look: impl FnOnce(&Vec<String>) -> T) -> T {
    SAID.lock().map(|said| look(&said)).unwrap_or_default()
}

fn note(level: PrintLevel, line: String) {
    if level == PrintLevel::Debug && !line.contains(LOAD_LOG) {
        return;
    }
    if let Ok(mut said) = SAID.lock() {
        said.push(line);
    }
}

fn plain(line: &str) -> &str {
    line.trim().trim_start_matches("libbpf: ")
}

/// Reads `prog 'NAME': -- BEGIN PROG LOAD LOG -- ... processed N insns ...`.
fn statistics(line: &str) -> Option<Verified> {
    let (program, log) = plain(line).strip_prefix("prog '")?.split_once("': ")?;
    let (_, count) = log.split_once("processed ")?;
    let instructions = count.split(' ').next()?.parse().ok()?;
    Some(Verified { program: program.to_owned(), instructions })
}

/// The last line of a verifier's log before its statistics.
fn complaint(text: &str) -> Option<String> {
    let (_, log) = text.split_once(LOAD_LOG)?;
    let lines = log.lines().map(str::trim).take_while(|line| !line.starts_with("-- END"));
    let said = lines
        .filter(|line| !line.is_empty() && !STATISTICS.iter().any(|words| line.starts_with(words)));
    said.last().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verifiers_complaint_is_found_in_its_log() {
        let text = "libbpf: prog 'x': -- BEGIN PROG LOAD LOG --\n0: (85) call \
                    bpf_get_socket_cookie#46\nunknown func bpf_get_socket_cookie#46\nprocessed 1 \
                    insns (limit 1000000)\n-- END PROG LOAD LOG --\n";
        assert_eq!(complaint(text).as_deref(), Some("unknown func bpf_get_socket_cookie#46"));
        assert_eq!(complaint("libbpf: failed to load object 'x'"), None);
    }

    #[test]
    fn statistics_are_read_as_libbpf_frames_them() {
        let line = "libbpf: prog 'survey': -- BEGIN PROG LOAD LOG --\nprocessed 412 insns (limit \
                    1000000) max_states_per_insn 1\n-- END PROG LOAD LOG --\n";
        let expected = Verified { program: "survey".into(), instructions: 412 };
        assert_eq!(statistics(line), Some(expected));
        assert_eq!(statistics("libbpf: map 'flows': created successfully, fd=3"), None);
    }
}
