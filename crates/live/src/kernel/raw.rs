//! The unsafe part of talking to the kernel: types generated from the programs, memory
//! shared with them, and what the kernel tells of a program. No policy here: what is
//! read when is others' business.

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::io;
use std::mem::offset_of;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};

use libbpf_rs::{AsRawLibbpf as _, RingBuffer};
use nix::libc::off_t;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

use crate::kernel::wire::{LINE_BYTES, Line};

#[allow(clippy::pedantic, clippy::unwrap_used, unreachable_pub, dead_code)]
mod skeleton {
    include!(concat!(env!("OUT_DIR"), "/tcpcong.skel.rs"));
}

/// The programs, compiled, in a zstd frame.
pub(super) const LOG_OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/log.bpf.zst"));
/// The same for kernels before 5.12, with a ring buffer.
pub(super) const RING_OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/ring.bpf.zst"));

/// The shared structs, generated from `bpf/wire.h`.
pub(super) mod layout {
    pub(in crate::kernel) use super::skeleton::types::{
        endpoints, entry, figures, holder, log_head, path, receiving, seen,
    };
}

pub(super) use skeleton::types::{code, prefix, rodata};

/// The constants that are set before loading, in a map's initial value.
///
/// # Errors
/// If the map is not theirs.
pub(super) fn constants(value: &mut [u8]) -> io::Result<&mut rodata> {
    // SAFETY: all fields are integers, booleans as bytes that the object holds as 0 or 1,
    // and pointers that nobody follows; the slice is checked to be as long, and libbpf
    // maps it, so that it is aligned to a page.
    let (before, constants, after) = unsafe { value.align_to_mut::<rodata>() };
    match (before, constants, after) {
        ([], [constants], []) => Ok(constants),
        _ => Err(io::Error::other("the object's constants are not those that are expected")),
    }
}

/// Memory of a map, shared with the programs.
#[derive(Debug)]
pub(super) struct Mapping {
    at: NonNull<c_void>,
    bytes: usize,
}

// SAFETY: it is shared memory, read and written by single words or as told below,
// from whichever thread.
unsafe impl Send for Mapping {}
// SAFETY: the same.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// `bytes` of the map from `offset` on, which is a multiple of a page.
    pub(super) fn new(map: impl AsFd, offset: u64, bytes: usize, write: bool) -> io::Result<Self> {
        let size = NonZeroUsize::new(bytes).ok_or(io::ErrorKind::InvalidInput)?;
        let offset = off_t::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut protection = ProtFlags::PROT_READ;
        protection.set(ProtFlags::PROT_WRITE, write);
        // SAFETY: a new mapping, at an address of the kernel's choice.
        let at = unsafe { mmap(None, size, protection, MapFlags::MAP_SHARED, map, offset) }?;
        Ok(Self { at, bytes })
    }

    /// The word at a multiple of its size.
    pub(super) fn word(&self, at: usize) -> &AtomicU64 {
        assert!(at.is_multiple_of(8) && at + 8 <= self.bytes, "a word outside of a mapping");
        // SAFETY: it lies in the mapping, which lives as long as `self`, is aligned, and
        // the programs use it as a single word too.
        unsafe { AtomicU64::from_ptr(self.at.byte_add(at).cast().as_ptr()) }
    }

    /// The yes or no at this place.
    pub(super) fn flag(&self, at: usize) -> &AtomicBool {
        assert!(at < self.bytes, "a flag outside of a mapping");
        // SAFETY: as above; it is 0 or 1, as only 0 and 1 are ever written.
        unsafe { AtomicBool::from_ptr(self.at.byte_add(at).cast().as_ptr()) }
    }

    /// A copy of the line at a multiple of its size, which may be overwritten meanwhile:
    /// the caller finds out.
    pub(super) fn line(&self, at: usize) -> Line {
        assert!(at.is_multiple_of(8) && at + LINE_BYTES <= self.bytes, "a line outside");
        let mut line = [0; LINE_BYTES];
        for (word, bytes) in line.chunks_exact_mut(8).enumerate() {
            // SAFETY: as above.
            let word = unsafe { self.at.byte_add(at + 8 * word).cast::<u64>().read_volatile() };
            bytes.copy_from_slice(&word.to_ne_bytes());
        }
        // Whatever is read afterwards is read after this.
        fence(Ordering::Acquire);
        line
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is this one's own, and nobody has a reference into it.
        _ = unsafe { munmap(self.at, self.bytes) };
    }
}

/// The variables that user space and the programs share (`.bss`).
#[derive(Debug)]
pub(super) struct SharedVars(Mapping);

impl SharedVars {
    pub(super) fn new(map: impl AsFd) -> io::Result<Self> {
        Mapping::new(map, 0, size_of::<skeleton::types::bss>(), true).map(Self)
    }

    /// Nothing counts before it is set.
    pub(super) fn started(&self) -> &AtomicBool {
        self.0.flag(offset_of!(skeleton::types::bss, started))
    }

    /// Every socket was met.
    pub(super) fn all_met(&self) -> &AtomicBool {
        self.0.flag(offset_of!(skeleton::types::bss, all_met))
    }

    /// Sockets that found no room among those that are watched.
    pub(super) fn sockets_refused(&self) -> u64 {
        let at = offset_of!(skeleton::types::bss, sockets_refused);
        self.0.word(at).load(Ordering::Relaxed)
    }

    /// Skipped runs whose work a second program has done.
    pub(super) fn runs_rescued(&self) -> u64 {
        self.0.word(offset_of!(skeleton::types::bss, runs_rescued)).load(Ordering::Relaxed)
    }

    /// Returns of calls that no one noted.
    pub(super) fn calls_lost(&self) -> u64 {
        self.0.word(offset_of!(skeleton::types::bss, calls_lost)).load(Ordering::Relaxed)
    }
}

/// How far a ring buffer was written, and how far it was read, bytes.
pub(super) fn ring_positions(ring: &RingBuffer<'_>) -> Option<(u64, u64)> {
    // SAFETY: the ring buffer lives, and its first ring, if there is one, with it.
    unsafe {
        let ring = libbpf_sys::ring_buffer__ring(ring.as_libbpf_object().as_ptr(), 0);
        (!ring.is_null())
            .then(|| (libbpf_sys::ring__producer_pos(ring), libbpf_sys::ring__consumer_pos(ring)))
    }
}

/// What the kernel tells of a program (`struct bpf_prog_info`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ProgramRuns {
    /// How often it was skipped because it was running already; nothing before 5.12, which do
    /// not tell.
    pub(super) recursion_misses: Option<u64>,
    /// How long it has run, nanoseconds, and how often: where `kernel.bpf_stats_enabled` is 1.
    pub(super) run_ns: u64,
    pub(super) runs: u64,
}

/// Asks the kernel about a program.
pub(super) fn program_runs(program: &impl AsFd) -> io::Result<ProgramRuns> {
    // SAFETY: all of the struct's fields are integers, for which zero is valid.
    let mut info: libbpf_sys::bpf_prog_info = unsafe { std::mem::zeroed() };
    let mut bytes = u32::try_from(size_of_val(&info)).unwrap_or(u32::MAX);
    // SAFETY: `info` has room for `bytes` bytes, and the descriptor is a program's.
    let answer = unsafe {
        libbpf_sys::bpf_prog_get_info_by_fd(
            program.as_fd().as_raw_fd(),
            &raw mut info,
            &raw mut bytes,
        )
    };
    if answer != 0 {
        return Err(io::Error::from_raw_os_error(-answer));
    }
    // The kernel says how much of the struct it knows.
    let end = offset_of!(libbpf_sys::bpf_prog_info, recursion_misses) + size_of::<u64>();
    Ok(ProgramRuns {
        recursion_misses: (bytes as usize >= end).then_some(info.recursion_misses),
        run_ns: info.run_time_ns,
        runs: info.run_cnt,
    })
}
