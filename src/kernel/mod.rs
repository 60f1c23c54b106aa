//! The live source: loads the programs, attaches them, and takes snapshots.
//! The only user of libbpf; what the bytes mean is `wire`'s business.

mod attach;
mod holders;
mod log;
mod missing;
mod namespaces;
mod options;
mod privilege;
mod raw;
mod reader;
mod records;
mod stream;
mod survey;
mod symbols;
mod tracer;
mod types;
mod way;

pub use attach::Storage;
pub use log::Verified;
pub use missing::Missing;
pub use options::{Options, PortRange, Selection};
pub use privilege::drop_what_attaching_needed;
pub use raw::layout;
pub use tracer::Tracer;
pub use way::Attach;

/// The kernel side's source as one text, its own headers first.
#[must_use]
pub fn program_text() -> String {
    [
        include_str!("../../bpf/kernel.h"),
        include_str!("../../bpf/wire.h"),
        include_str!("../../bpf/maps.h"),
        include_str!("../../bpf/cost.h"),
        include_str!("../../bpf/who.h"),
        include_str!("../../bpf/flow.h"),
        include_str!("../../bpf/explain.h"),
        include_str!("../../bpf/events.h"),
        include_str!("../../bpf/transitions.h"),
        include_str!("../../bpf/callers.h"),
        include_str!("../../bpf/lives.h"),
        include_str!("../../bpf/readers.h"),
        include_str!("../../bpf/owners.h"),
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

#[cfg(test)]
mod tests {
    #[test]
    fn the_text_has_every_file_of_the_kernel_side() {
        let text = super::program_text();
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/bpf");
        for file in std::fs::read_dir(folder).expect("the kernel side").flatten() {
            let part = std::fs::read_to_string(file.path()).expect("a text");
            assert!(text.contains(&part), "{}", file.path().display());
        }
    }
}
