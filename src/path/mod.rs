//! A lossy path in a can: two network namespaces and a router between them, in user space.
//! It makes no traffic: the demo does, its cases, and tests.
//!
//! Everything hangs on descriptors and one thread of this process: nothing is left
//! behind, however it ends.

mod error;
mod link;
mod netns;
mod packet;
mod router;
mod spec;
pub(crate) mod stop;
mod tun;

use std::sync::Arc;
use std::thread::{self, JoinHandle};

pub use error::PathError;
pub use link::Counts;
pub use netns::NetNs;
pub use spec::{Answer, LinkSpec, Loss, Marks, Overtaking, PathSpec, Phase, Policer, Script};

use router::Shared;
use stop::Stopper;

/// One of a path's two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From near to far.
    Forth,
    /// From far to near.
    Back,
}

/// A path that stands. It lasts until it is dropped; the drop ends its thread, and the
/// kernel removes the namespaces when nobody else uses them.
///
/// Drop what runs on it before: a connection whose path has gone goes on retransmitting.
pub struct Path {
    near: NetNs,
    far: NetNs,
    spec: PathSpec,
    shared: Arc<Shared>,
    /// Taken by the drop.
    stopper: Option<Stopper>,
    router: Option<JoinHandle<()>>,
}

impl Path {
    /// What its two devices are called, each in its namespace.
    pub const DEVICE: &str = tun::DEVICE;

    /// Builds the namespaces and the router; the scripts begin now.
    ///
    /// Needs `CAP_SYS_ADMIN` and `CAP_NET_ADMIN`. The calling thread stays in its own
    /// namespace.
    pub fn raise(spec: PathSpec) -> Result<Self, PathError> {
        let (near, far) = (NetNs::create()?, NetNs::create()?);
        let open = |address| tun::open(address, spec.netmask, spec.mtu_bytes);
        let near_tun = near.run(|| open(spec.near))?;
        let far_tun = far.run(|| open(spec.far))?;
        let (stopper, stop) = stop::stop_pair()
            .map_err(|error| PathError::refused("make a pipe for the router's thread", error))?;
        let shared = Arc::new(Shared::new(spec.forth.clone(), spec.back.clone()));
        let (directed, seed) = (Arc::clone(&shared), spec.seed);
        let router = thread::Builder::new()
            .name(format!("{}-router", spec.name))
            .spawn(move || router::route(&near_tun, &far_tun, &directed, seed, &stop))
            .map_err(|error| PathError::refused("start a thread", error))?;
        Ok(Self { near, far, spec, shared, stopper: Some(stopper), router: Some(router) })
    }

    /// What it was raised as.
    #[must_use]
    pub fn spec(&self) -> &PathSpec {
        &self.spec
    }

    /// The near end's namespace.
    #[must_use]
    pub fn near(&self) -> &NetNs {
        &self.near
    }

    /// The far end's namespace.
    #[must_use]
    pub fn far(&self) -> &NetNs {
        &self.far
    }

    /// Makes one way this from now on.
    pub fn set(&self, direction: Direction, spec: LinkSpec) {
        self.play(direction, Script::constant(spec));
    }

    /// Makes one way this, beginning now.
    pub fn play(&self, direction: Direction, script: Script) {
        self.shared.play(direction as usize, script);
    }

    /// Begins both scripts that it was raised with again.
    pub fn restart(&self) {
        self.play(Direction::Forth, self.spec.forth.clone());
        self.play(Direction::Back, self.spec.back.clone());
    }

    /// What one way has done so far.
    #[must_use]
    pub fn counts(&self, direction: Direction) -> Counts {
        self.shared.counts(direction as usize)
    }

    /// Has connections of both ends ask for ECN, which by default they only grant.
    pub fn enable_ecn(&self) -> Result<(), PathError> {
        [&self.near, &self.far].iter().try_for_each(|end| end.sysctl("net.ipv4.tcp_ecn", "1"))
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        drop(self.stopper.take());
        if let Some(router) = self.router.take() {
            // A thread that panicked has said so; there is nothing to add.
            let _ = router.join();
        }
    }
}
