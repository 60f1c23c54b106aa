//! The unsafe part of talking to the kernel: the generated skeleton, words
//! shared with the running programs, and what the kernel tells of a program.
//! No policy here: what is read when is the tracer's business.

#![allow(unsafe_code)]

use std::io;
use std::mem::offset_of;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

#[allow(clippy::pedantic, clippy::unwrap_used, unreachable_pub)]
pub(super) mod skeleton {
    include!(concat!(env!("OUT_DIR"), "/tcpcong.skel.rs"));
}

/// The shared structs, generated from `bpf/wire.h`.
pub mod layout {
    pub use super::skeleton::types::{
        account, cost, counters, ended_key, flow, glance, spell_slots, tally, transition, who,
    };
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

/// How often the kernel has skipped a program because it was running already
/// (`bpf_prog_info.recursion_misses`); nothing before 5.12, which do not tell.
pub(super) fn recursion_misses(program: &impl AsFd) -> io::Result<Option<u64>> {
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
    Ok((bytes as usize >= end).then_some(info.recursion_misses))
}
