//! How many files this process may have open. Not here: what it says where those are too few.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// As many as it may give itself: each network namespace is one, and systemd's soft limit is 1024
/// (systemd.exec(5)), the hard one 524,288.
pub(crate) fn raise_limit() {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    if soft < hard {
        // What cannot be raised stays.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}
