//! The unsafe part: the floor program's generated skeleton, and the switch of the kernel's
//! run-time statistics. No measuring here.

#![allow(unsafe_code, reason = "generated code, and one call into libbpf")]

use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd as _, OwnedFd};

use anyhow::{Context as _, Result, ensure};
use libbpf_rs::skel::{OpenSkel as _, SkelBuilder as _};
use libbpf_rs::{Link, OpenObject};

#[allow(clippy::pedantic, clippy::unwrap_used, unreachable_pub, dead_code)]
mod skeleton {
    include!(concat!(env!("OUT_DIR"), "/floor.skel.rs"));
}

/// Where the loaded object lives.
pub(crate) type Storage = MaybeUninit<OpenObject>;

/// An empty program on the congestion event, until it is dropped.
pub(crate) struct Floor<'s> {
    _link: Link,
    _skel: skeleton::FloorSkel<'s>,
}

impl<'s> Floor<'s> {
    pub(crate) fn attach(storage: &'s mut Storage) -> Result<Self> {
        let open = skeleton::FloorSkelBuilder::default().open(storage)?;
        let skel = open.load().context("loading the empty program")?;
        let link = skel.progs.floor_cong_state_set.attach()?;
        Ok(Self { _link: link, _skel: skel })
    }
}

/// The kernel times every program while this is held, what
/// `kernel.bpf_stats_enabled` does too, but it ends with the process, however that ends.
#[derive(Debug)]
pub(crate) struct Timing {
    _held: OwnedFd,
}

impl Timing {
    pub(crate) fn enable() -> Result<Self> {
        // SAFETY: takes a number, returns a new descriptor or an error.
        let fd = unsafe { libbpf_sys::bpf_enable_stats(libbpf_sys::BPF_STATS_RUN_TIME) };
        ensure!(fd >= 0, "enabling the kernel's timing of BPF programs: errno {}", -fd);
        // SAFETY: the descriptor is new, so nobody else owns it.
        Ok(Self { _held: unsafe { OwnedFd::from_raw_fd(fd) } })
    }
}
