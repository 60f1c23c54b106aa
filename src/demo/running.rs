//! A case that runs: its path, its two ends on it, and where they are.
//! Not what is said of them; that is the tracer's part.

use std::io;
use std::net::SocketAddrV4;
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};

use nix::errno::Errno;

use super::StageError;
use super::cases::{self, Case, USUAL, UnknownCase};
use super::ends::{Dial, Sends, try_congestion_control};
use super::pair::Pair;
use crate::path::{Direction, Path, PathSpec};

/// Of the near end. It is alone in its namespace.
const NEAR_PORT: u16 = 40_000;

/// A case that runs, until it is dropped; then nothing of it is left.
pub struct Running {
    case: &'static Case,
    congestion_control: String,
    near: SocketAddrV4,
    far: SocketAddrV4,
    /// Before the path, as it has to go before it.
    pair: Pair,
    path: Path,
}

/// Why a case does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaseError {
    /// There is none of this name.
    #[error(transparent)]
    Unknown(#[from] UnknownCase),
    /// Its path could not be raised.
    #[error(transparent)]
    Path(#[from] StageError),
}

/// The kernel does not have a congestion control.
#[derive(Debug, thiserror::Error)]
#[error("--cc {name}: this kernel has no congestion control of that name; it has {}", known())]
pub struct NoCongestionControl {
    name: String,
}

/// Whether cases can be run with the congestion control of this name; it is loaded where
/// that is possible.
pub fn check_congestion_control(name: &str) -> Result<(), NoCongestionControl> {
    match try_congestion_control(name) {
        Err(Errno::ENOENT | Errno::EINVAL) => Err(NoCongestionControl { name: name.to_owned() }),
        // Without privilege something else fails first, and says so.
        _ => Ok(()),
    }
}

/// Those that are loaded.
fn known() -> String {
    let known = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_available_congestion_control");
    known.map_or_else(|_| "-".to_owned(), |known| known.trim().replace(' ', ", "))
}

/// A part of the addresses that no other case of this process has, and hardly any of another.
#[must_use]
pub fn next_number() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Processes that follow one another shall not count into each other's.
    let [.., high, low] = std::process::id().wrapping_mul(EVERYWHERE).to_le_bytes();
    u16::from_le_bytes([high, low]).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed))
}

/// 2^32 divided by the golden ratio: its multiples lie far apart (Knuth: *The Art of Computer
/// Programming*, volume 3, 6.4).
const EVERYWHERE: u32 = 0x9e37_79b9;

/// Runs the case of this name with this congestion control, at addresses of its own.
pub fn run(name: &str, congestion_control: &str) -> Result<Running, CaseError> {
    Ok(Running::start(cases::find(name)?, congestion_control, next_number())?)
}

impl Running {
    /// The port on which the far end listens.
    pub const PORT: u16 = 7010;

    /// Raises the path at [`PathSpec::network`] and begins; returns when the connection is
    /// there, where there is to be one.
    ///
    /// Needs what [`Path::raise`] needs, and `local-queue` needs `tc` and `ip`.
    pub fn start(
        case: &'static Case,
        congestion_control: &str,
        number: u16,
    ) -> Result<Self, StageError> {
        let (forth, back) = (case.ways)();
        // What befalls connections shall befall none that is not there yet.
        let spec = if matches!(case.sender.sends, Sends::Attempts { .. }) {
            PathSpec::new(forth, back)
        } else {
            PathSpec::new(USUAL, USUAL)
        };
        let path = Path::raise(PathSpec { name: "case", ..spec.numbered(number) })?;
        if case.ecn {
            path.enable_ecn()?;
        }
        if case.local_queue {
            narrow_own_device(&path)?;
        }
        let near = SocketAddrV4::new(path.spec().near, NEAR_PORT);
        let far = SocketAddrV4::new(path.spec().far, Self::PORT);
        let dial = Dial { from: near, to: far, congestion_control: congestion_control.to_owned() };
        let pair = Pair::new(dial, case.sender, case.receiver)?;
        let cc = congestion_control.to_owned();
        let mut running = Self { case, congestion_control: cc, near, far, pair, path };
        running.begin()?;
        Ok(running)
    }

    /// Makes the connection on the usual path, and then the path what it is to be; or tries
    /// to on what it is.
    fn begin(&mut self) -> Result<(), StageError> {
        let Self { case, pair, path, .. } = self;
        path.far().run(|| pair.listen())?;
        if let Some(every) = pair.attempts() {
            return path.near().run(|| pair.attempt(every));
        }
        path.near().run(|| pair.connect())?;
        let (forth, back) = (case.ways)();
        path.play(Direction::Forth, forth);
        path.play(Direction::Back, back);
        path.near().run(|| pair.write())
    }

    /// Which case it is.
    #[must_use]
    pub fn case(&self) -> &'static Case {
        self.case
    }

    /// Local and remote address of the connection at the end that connects. An attempt after
    /// another has the same.
    #[must_use]
    pub fn near_endpoints(&self) -> (SocketAddrV4, SocketAddrV4) {
        (self.near, self.far)
    }

    /// The same at the other end.
    #[must_use]
    pub fn far_endpoints(&self) -> (SocketAddrV4, SocketAddrV4) {
        (self.far, self.near)
    }

    /// The path, to be looked at or changed.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A few lines a person can read: what is made, where, and what is to be expected.
    #[must_use]
    pub fn describe(&self) -> String {
        let Case { name, makes, .. } = self.case;
        let [near, far] = self.case.expected(&self.congestion_control);
        let far = if far == "-" { String::new() } else { format!("; {far} at the receiver") };
        format!(
            "{name}: {makes}.\n\
             {} connects to {}, each side in its own network namespace.\n\
             To be expected: {near} at the sender{far}.",
            self.near, self.far
        )
    }
}

/// Makes the near end's own device the tight place: a token bucket with room for one packet,
/// as the kernel lets a connection have no more than two or three there (TCP small queues,
/// `tcp_small_queue_check()`). A queue that drops a part of what the device was to cut into
/// segments does not tell TCP so; hence no such.
fn narrow_own_device(path: &Path) -> Result<(), StageError> {
    let device = Path::DEVICE;
    for line in [
        format!("ip link set {device} gso_max_segs 1"),
        format!("tc qdisc replace dev {device} root tbf rate 20mbit burst 8k limit 1600"),
    ] {
        let mut words = line.split(' ');
        let mut command = Command::new(words.next().unwrap_or_default());
        let output = path.near().enter(|| command.args(words).output())?;
        let failed = |answer| StageError::refused("run ip and tc of iproute2", answer);
        let output = output.map_err(failed)?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(failed(io::Error::other(said.trim().to_owned())));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::cases::CASES;
    use super::*;

    #[test]
    fn every_case_begins_and_ends() {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("skipped: needs root (cases build network namespaces)");
            return;
        }
        for case in &CASES {
            let running = run(case.name, "reno").unwrap();
            let (near, far) = running.near_endpoints();
            assert_eq!(running.far_endpoints(), (far, near));
            assert!(running.describe().contains(case.makes));
            let ended = std::time::Instant::now();
            drop(running);
            assert!(ended.elapsed() < Duration::from_secs(1), "{}", case.name);
        }
    }

    #[test]
    fn what_is_not_there_is_said() {
        assert!(matches!(run("none", "reno"), Err(CaseError::Unknown(_))));
        if nix::unistd::geteuid().is_root() {
            let error = check_congestion_control("nonesuch").unwrap_err().to_string();
            assert!(error.starts_with("--cc nonesuch: this kernel has no"), "{error}");
            assert!(error.contains("reno"), "{error}");
        }
        assert!(check_congestion_control("reno").is_ok());
    }
}
