//! The unsafe part of talking to the kernel: the generated skeleton, words
//! shared with the running programs, and batch reads of maps.
//! No policy here: what is read when is the tracer's business.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use libbpf_rs::MapCore;
use nix::libc;

#[allow(clippy::pedantic, clippy::unwrap_used, unreachable_pub)]
pub(super) mod skeleton {
    include!(concat!(env!("OUT_DIR"), "/tcpcong.skel.rs"));
}

/// The shared structs, generated from `bpf/wire.h`.
pub mod layout {
    pub use super::skeleton::types::{counters, ended_key, flow, spell_slots, tally};
}

/// The words that user space writes while the programs run.
pub(super) struct Words<'a> {
    pub started_ns: &'a AtomicU64,
    pub survey_round: &'a AtomicU32,
    pub boundary: &'a AtomicU64,
}

impl<'a> Words<'a> {
    pub(super) fn new(
        bss: &'a mut skeleton::types::bss,
        data: &'a mut skeleton::types::data,
    ) -> Self {
        // SAFETY: the words lie in mapped memory that lives as long as the
        // skeleton, are aligned as their types ask, and from here on nobody of
        // this process uses them but through these atomics; the programs read
        // them as single words.
        unsafe {
            Self {
                started_ns: AtomicU64::from_ptr(&raw mut bss.started_ns),
                survey_round: AtomicU32::from_ptr(&raw mut bss.survey_round),
                boundary: AtomicU64::from_ptr(&raw mut data.boundary),
            }
        }
    }

    pub(super) fn set_boundary(&self, word: u64) {
        self.boundary.store(word, Ordering::SeqCst);
    }
}

/// What a batch read does with what it has read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    Keep,
    Delete,
}

/// Reads a whole hash map, bucket by bucket, each under its lock, and hands
/// every key and value to `each`. Needs kernel 5.6.
pub(super) fn read_all(
    map: &impl MapCore,
    after: After,
    mut each: impl FnMut(&[u8], &[u8]),
) -> io::Result<()> {
    let (key_bytes, value_bytes) = (map.key_size() as usize, map.value_size() as usize);
    let mut room: usize = 1024;
    let mut keys = vec![0_u8; key_bytes * room];
    let mut values = vec![0_u8; value_bytes * room];
    // For a hash map the position is a bucket's number, 4 bytes.
    let (mut from, mut to) = (0_u64, 0_u64);
    let mut first = true;
    loop {
        let mut count = u32::try_from(room).unwrap_or(u32::MAX);
        let read = match after {
            After::Keep => libbpf_sys::bpf_map_lookup_batch,
            After::Delete => libbpf_sys::bpf_map_lookup_and_delete_batch,
        };
        // SAFETY: the descriptor is the map's; `keys` and `values` have room
        // for `count` entries of its sizes; the position has 8 bytes where the
        // kernel uses 4.
        let answer = unsafe {
            read(
                map.as_fd().as_raw_fd(),
                if first { std::ptr::null_mut() } else { (&raw mut from).cast() },
                (&raw mut to).cast(),
                keys.as_mut_ptr().cast(),
                values.as_mut_ptr().cast(),
                &raw mut count,
                std::ptr::null(),
            )
        };
        match -answer {
            // ENOENT: the map's end is reached; what was read counts.
            0 | libc::ENOENT => {
                let read = count as usize;
                for (key, value) in keys[..key_bytes * read]
                    .chunks_exact(key_bytes)
                    .zip(values[..value_bytes * read].chunks_exact(value_bytes))
                {
                    each(key, value);
                }
                if answer != 0 {
                    return Ok(());
                }
                (from, first) = (to, false);
            }
            // One bucket alone has more: nothing was read.
            libc::ENOSPC => {
                room *= 2;
                keys.resize(key_bytes * room, 0);
                values.resize(value_bytes * room, 0);
            }
            errno => return Err(io::Error::from_raw_os_error(errno)),
        }
    }
}

/// How often the kernel has skipped a program because it was running already
/// (`bpf_prog_info.recursion_misses`, kernel 5.12 and later; 0 before).
pub(super) fn recursion_misses(program: &impl AsFd) -> io::Result<u64> {
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
    if answer == 0 { Ok(info.recursion_misses) } else { Err(io::Error::from_raw_os_error(-answer)) }
}
