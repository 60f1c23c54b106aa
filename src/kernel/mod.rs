//! The live source: loads the programs, attaches them, and takes snapshots.
//! The only user of libbpf; what the bytes mean is `wire`'s business.

mod log;
mod missing;
mod namespaces;
mod raw;
mod survey;
mod tracer;

pub use missing::Missing;
pub use raw::layout;
pub use tracer::{Options, PortRange, Storage, Tracer};

/// The kernel side's source as one text, its own headers first.
#[must_use]
pub fn program_text() -> String {
    [
        include_str!("../../bpf/kernel.h"),
        include_str!("../../bpf/wire.h"),
        include_str!("../../bpf/flow.h"),
        include_str!("../../bpf/tcpcong.bpf.c"),
    ]
    .concat()
}

/// The running kernel's release, as `uname -r` prints it.
fn kernel_release() -> String {
    nix::sys::utsname::uname()
        .map(|name| name.release().to_string_lossy().into_owned())
        .unwrap_or_default()
}
