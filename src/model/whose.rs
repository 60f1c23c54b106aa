//! Whose a flow is: what the kernel's socket tells, and the names that make it
//! readable. Not here: finding any of it.

use std::fmt;
use std::sync::Arc;

/// A name of the kernel's in 16 bytes, zero-terminated: of a congestion control
/// (`TCP_CA_NAME_MAX`) or a task (`TASK_COMM_LEN`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name([u8; 16]);

impl Name {
    /// Of the kernel's bytes; nothing if they are empty.
    #[must_use]
    pub fn new(bytes: [u8; 16]) -> Option<Self> {
        (bytes[0] != 0).then_some(Self(bytes))
    }

    /// Of text, cut to what fits; nothing if it is empty.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        // The last byte stays zero.
        for (byte, with) in bytes.iter_mut().zip(text.bytes().take(15)) {
            *byte = with;
        }
        Self::new(bytes)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        // A task may call itself anything: nothing that moves a cursor gets out.
        for chunk in self.0[..end].utf8_chunks() {
            for letter in chunk.valid().chars() {
                let shown = if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter };
                write!(f, "{shown}")?;
            }
            if !chunk.invalid().is_empty() {
                write!(f, "{}", char::REPLACEMENT_CHARACTER)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({self})")
    }
}

/// A process, at the time when it was found to have the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Process {
    /// Its id, in the first pid namespace.
    pub pid: u32,
    /// The name of its first thread.
    pub comm: Option<Name>,
}

/// What is known of a flow's surroundings. All that is unknown is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Whose {
    /// The socket's cgroup: its kernfs id, the inode number of its folder.
    pub cgroup: Option<u64>,
    /// The congestion control, as last seen.
    pub cc: Option<Name>,
    /// The process that has the socket, or that connected it.
    pub process: Option<Process>,
}

/// What a cgroup's path says of who runs in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Workload {
    /// The systemd unit, as `nginx.service`.
    pub unit: Option<String>,
    /// The container's id.
    pub container: Option<String>,
    /// The Kubernetes pod's uid, or the id of Podman's pod.
    pub pod: Option<String>,
}

/// Names for what has a number. All that is unknown is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// The network namespace's.
    pub netns: Option<Arc<str>>,
    /// The cgroup's path below the root of the hierarchy, `/` first.
    pub cgroup: Option<Arc<str>>,
    /// What that path says.
    pub workload: Option<Arc<Workload>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_ends_at_its_zero_and_moves_no_cursor() {
        let name = Name::new(*b"cubic\0junk\0\0\0\0\0\0").expect("a name");
        assert_eq!(name.to_string(), "cubic");
        let full = Name::new([b'x'; 16]).expect("a name");
        assert_eq!(full.to_string().len(), 16);
        let odd = Name::new(*b"a\x1b[2J\xff\0\0\0\0\0\0\0\0\0\0").expect("a name");
        assert_eq!(odd.to_string(), "a\u{fffd}[2J\u{fffd}");
        assert_eq!(Name::new([0; 16]), None);
        assert_eq!(Name::from_text(""), None);
        assert_eq!(Name::from_text("bbr").expect("a name").to_string(), "bbr");
    }
}
