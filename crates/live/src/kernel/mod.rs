//! Loads the programs, attaches them, and takes what they tell.
//! The only user of libbpf.

mod attach;
pub(crate) mod clock;
mod collector;
mod holders;
mod live;
mod log;
mod method;
mod missing;
mod options;
mod pace;
pub(crate) mod privilege;
mod programs;
mod raw;
mod reader;
mod sockets;
mod survey;
mod symbols;
mod transport;
mod types;
mod wire;

pub use holders::MachineLookups;
pub use live::LiveSource;
pub use log::Verified;
pub use method::Attach;
pub use missing::Missing;
pub use options::{Options, Selection};
pub use privilege::{drop_all as drop_all_capabilities, drop_what_attaching_needed};
use raw::layout;

/// The kernel side's source as one text, its own headers first.
#[must_use]
pub fn program_text() -> String {
    let text = include_bytes!(concat!(env!("OUT_DIR"), "/text.zst"));
    // It was packed when this was built.
    String::from_utf8(zstd::decode_all(&text[..]).unwrap_or_default()).unwrap_or_default()
}

/// The running kernel's release, as `uname -r` prints it.
pub(crate) fn kernel_release() -> String {
    nix::sys::utsname::uname()
        .map(|name| name.release().to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// The first two numbers of a release.
pub(crate) fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|letter: char| !letter.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_release_begins_with_its_version() {
        assert_eq!(super::version("7.3.4+deb13-cloud-amd64"), Some((7, 3)));
        assert_eq!(super::version("6.18-rc1"), Some((6, 18)));
        assert_eq!(super::version("6"), None);
    }

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
