//! Says aloud that a test cannot run here, so that no test passes in silence.
//! Not for deciding what a test needs: each test asks for it by name.

/// Whether this process is root; otherwise says that `test` is skipped.
pub(crate) fn need_root(test: &str) -> bool {
    need(test, nix::unistd::geteuid().is_root(), "root")
}

/// Whether `condition` holds; otherwise says that `test` is skipped because it needs `why`.
///
/// The line goes straight to the process's standard error: what the test
/// harness captures, it shows only for tests that fail.
pub(crate) fn need(test: &str, condition: bool, why: &str) -> bool {
    if !condition {
        use std::io::Write as _;
        // A closed standard error leaves nobody to tell.
        let _ = writeln!(std::io::stderr(), "SKIPPED {test}: needs {why}");
    }
    condition
}
