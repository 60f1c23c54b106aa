//! The files by which network namespaces are found, and the numbers that they show.
//! Not here: entering a namespace, which is the kernel side's, or naming it.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Where named namespaces are kept: ip-netns(8)'s and Docker's folders.
pub(crate) const NAMED: [&str; 2] = ["/run/netns", "/run/docker/netns"];

/// The number of the namespace whose file this is, as `/proc/PID/ns/net`.
///
/// `PermissionDenied` where it may not be looked at; then [`devices`] may tell.
pub(crate) fn number(file: &Path) -> io::Result<u32> {
    let meta = fs::metadata(file)?;
    if meta.is_dir() {
        // Seen on 5.10 where it may not be looked at: a directory of /proc.
        let hidden = file.starts_with("/proc");
        let kind =
            if hidden { io::ErrorKind::PermissionDenied } else { io::ErrorKind::InvalidInput };
        return Err(kind.into());
    }
    // The kernel's inode numbers of namespaces have 32 bits.
    Ok(u32::try_from(meta.ino()).unwrap_or(0))
}

/// The number of the list of devices of the namespace of a process or thread, by its
/// folder under `/proc`: each namespace has a list of its own, and everybody may look.
pub(crate) fn devices(process: &Path) -> io::Result<u64> {
    fs::metadata(process.join("net/dev")).map(|meta| meta.ino())
}
