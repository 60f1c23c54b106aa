//! A log for each CPU, in an array that the programs write and this reads. It overwrites
//! the oldest, so what is lost lies before what is found next.

use std::mem::{offset_of, size_of};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use libbpf_rs::MapHandle;

use super::{CLOCKS_APART_NS, Drained, Transport, UNWRITTEN_MOST_NS, Undecoded, patience};
use crate::kernel::clock::monotonic_ns;
use crate::kernel::raw::{Mapping, layout};
use crate::kernel::wire::{self, LINE_BYTES};

/// So much of a CPU's log is mapped at a time: mapped pages count as this process's.
const WINDOW_BYTES: u64 = 64 << 10;
/// See `bpf/wire.h`.
const PART_BIT: u64 = 1 << 43;
const ENTRY_SHIFT: u32 = 44;
const LINE_NUMBER: u64 = PART_BIT - 1;
const ENTRY_NUMBERS: u64 = 1 << (u64::BITS - ENTRY_SHIFT);
/// An entry has no more lines.
const LINES_MOST_EACH: u64 = wire::LINES_MOST as u64;
/// An entry that is being written is complete within so many looks, mostly.
const SPINS: u32 = 200;
const UNWRITTEN_PAUSE: Duration = Duration::from_micros(50);
/// So many lines are read before it is asked whether they were overwritten meanwhile.
const AT_ONCE: u64 = 256;
/// Of a log that was overrun the oldest lines are about to be overwritten too: so many
/// parts of it are left alone.
const SPARED: u64 = 8;

/// How much room there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::kernel) struct Room {
    /// CPUs that there can be.
    pub cpus: u32,
    /// Lines for each, a power of two.
    pub lines_per_cpu: u32,
}

/// At least so much for each CPU: all events may come to one.
const CPU_BYTES_LEAST: u64 = 256 << 10;
/// A log has so many lines at most, for its number in the programs.
const LINES_MOST: u64 = 1 << 31;

impl Room {
    /// Of so many bytes for all CPUs together.
    pub(in crate::kernel) fn new(cpus: u32, bytes: u64) -> Self {
        let cpus = cpus.max(1);
        let lines_most = LINES_MOST / u64::from(cpus);
        let each = (bytes / u64::from(cpus)).max(CPU_BYTES_LEAST) / LINE_BYTES as u64;
        let lines = 1 << each.min(lines_most).ilog2();
        Self { cpus, lines_per_cpu: lines }
    }

    pub(in crate::kernel) fn lines(self) -> u32 {
        self.cpus * self.lines_per_cpu
    }
}

/// The logs of all CPUs.
pub(in crate::kernel) struct CpuLogs {
    heads: Mapping,
    lines: MapHandle,
    room: Room,
    cpus: Vec<CpuLog>,
    /// All entries from before this were taken.
    until_ns: u64,
}

/// What all CPUs' logs have in common.
struct Log<'m> {
    heads: &'m Mapping,
    lines: &'m MapHandle,
    room: Room,
}

impl Log<'_> {
    fn lines_per_cpu(&self) -> u64 {
        self.room.lines_per_cpu.into()
    }

    /// Lines that were reserved in a CPU's log so far.
    fn reserved(&self, cpu: u32) -> u64 {
        let at = size_of::<layout::log_head>() * cpu as usize;
        let reserved = offset_of!(layout::log_head, reserved);
        self.heads.word(at + reserved).load(Ordering::Acquire) & LINE_NUMBER
    }
}

/// One CPU's.
#[derive(Default)]
struct CpuLog {
    cpu: u32,
    place: Place,
    /// What is mapped of it, and from which byte of the map on.
    window: Option<(u64, Mapping)>,
}

/// How far a log was read.
#[derive(Clone, Copy, Default)]
struct Place {
    /// Lines that are done with, and entries, those that were lost among them.
    tail: u64,
    entries: u64,
    /// Lines passed over since the last entry.
    skipped: u64,
}

/// What there is at a line.
enum Found {
    /// The first line of an entry, which was taken. Its word says which line it is, and
    /// which entry's.
    Entry(u64),
    /// A part of one, which was taken.
    Part,
    /// It was overwritten.
    Overwritten,
    /// It is reserved, and was not written although it was waited for.
    Unwritten,
}

impl CpuLogs {
    pub(in crate::kernel) fn new(
        heads: &MapHandle,
        lines: MapHandle,
        room: Room,
        started_ns: u64,
    ) -> Result<Self> {
        let heads_bytes = size_of::<layout::log_head>() * room.cpus as usize;
        let heads = Mapping::new(heads, 0, heads_bytes, false).context("mapping the log")?;
        let cpus = (0..room.cpus).map(|cpu| CpuLog { cpu, ..CpuLog::default() }).collect();
        Ok(Self { heads, lines, room, cpus, until_ns: started_ns })
    }
}

impl Transport for CpuLogs {
    fn drain(&mut self, into: &mut Undecoded) -> Result<Drained> {
        // First the clock: what was reserved before it shows from here on.
        let now_ns = monotonic_ns();
        let mut fill: f64 = 0.0;
        let log = Log { heads: &self.heads, lines: &self.lines, room: self.room };
        for cpu in &mut self.cpus {
            let head = log.reserved(cpu.cpu);
            let waiting = head.saturating_sub(cpu.place.tail);
            fill = fill.max(waiting as f64 / f64::from(self.room.lines_per_cpu));
            cpu.take(head, &log, self.until_ns, into)?;
        }
        self.until_ns = now_ns - CLOCKS_APART_NS;
        Ok(Drained { until_ns: self.until_ns, fill })
    }

    fn patience(&self) -> Duration {
        patience(self.room.lines_per_cpu.into())
    }
}

impl CpuLog {
    /// Takes the entries up to line `head`. `until_ns`: those from before were taken.
    fn take(
        &mut self,
        head: u64,
        log: &Log<'_>,
        until_ns: u64,
        into: &mut Undecoded,
    ) -> Result<()> {
        let size = log.lines_per_cpu();
        while self.place.tail < head {
            let (before, mark) = (self.place, into.mark());
            let end = head.min(self.place.tail + AT_ONCE);
            let mut is_overwritten = false;
            while self.place.tail < end && !is_overwritten {
                is_overwritten = !self.take_one(log, until_ns, into)?;
            }
            // Only now: they may have been overwritten while they were copied. Not for each,
            // as the CPU that writes would lose its cache line as often.
            let reserved = log.reserved(self.cpu);
            if is_overwritten || reserved - before.tail > size {
                into.rewind(mark);
                self.place = before;
                let to = reserved - size + size / SPARED;
                self.place.skipped += to - self.place.tail;
                self.place.tail = to;
            }
        }
        Ok(())
    }

    /// Takes the entry at the tail, or passes over a line of one that cannot be had. False
    /// where it was overwritten.
    fn take_one(&mut self, log: &Log<'_>, until_ns: u64, into: &mut Undecoded) -> Result<bool> {
        let begin = into.line_count();
        let mut count = 1;
        let mut number = 0;
        for at in 0.. {
            if at == count {
                break;
            }
            match (self.take_line(self.place.tail + at, log, into)?, at) {
                (Found::Entry(commit), 0) => {
                    number = commit >> ENTRY_SHIFT;
                    count = wire::lines_of(&into.lines_from(begin)[0]) as u64;
                }
                (Found::Part, 1..) => {}
                (Found::Overwritten, _) => {
                    into.drop_lines(begin);
                    return Ok(false);
                }
                // Of an entry whose beginning was overwritten, or that is given up.
                (Found::Entry(_) | Found::Part | Found::Unwritten, _) => {
                    into.drop_lines(begin);
                    self.place.skipped += 1;
                    self.place.tail += 1;
                    return Ok(true);
                }
            }
        }
        let at_ns = wire::at_ns(&into.lines_from(begin)[0]);
        if let Some(lost) = self.note_number(number) {
            // Before the entry, whose time it has.
            into.push_gap(until_ns, at_ns, lost);
        }
        into.add(begin);
        self.place.tail += count;
        Ok(true)
    }

    /// How many entries were lost before the one of this number, where lines were.
    fn note_number(&mut self, number: u64) -> Option<u64> {
        let skipped = std::mem::take(&mut self.place.skipped);
        let lost = number.wrapping_sub(self.place.entries) % ENTRY_NUMBERS;
        self.place.entries += 1;
        if skipped == 0 {
            return None;
        }
        // The number goes round: as many times as the lines say that were passed over.
        let guess = (skipped.saturating_mul(self.place.entries)
            / (self.place.tail - skipped).max(1))
        .clamp(skipped / LINES_MOST_EACH, skipped);
        let rounds = (guess + ENTRY_NUMBERS / 2).saturating_sub(lost) / ENTRY_NUMBERS;
        let lost = lost + rounds * ENTRY_NUMBERS;
        self.place.entries += lost;
        Some(lost)
    }

    /// Takes the line of this number, which is reserved, once it is written.
    fn take_line(&mut self, line: u64, log: &Log<'_>, into: &mut Undecoded) -> Result<Found> {
        let cpu = self.cpu;
        let (mapping, at) = self.window(line, log)?;
        let mut spins = 0;
        let mut give_up_ns = None;
        loop {
            let commit = mapping.word(at).load(Ordering::Acquire);
            if commit & LINE_NUMBER == (line + 1) & LINE_NUMBER {
                into.push_line(mapping.line(at));
                let is_part = commit & PART_BIT != 0;
                return Ok(if is_part { Found::Part } else { Found::Entry(commit) });
            }
            if log.reserved(cpu) - line > log.lines_per_cpu() {
                return Ok(Found::Overwritten);
            }
            spins += 1;
            if spins > SPINS {
                let now_ns = monotonic_ns();
                if now_ns > *give_up_ns.get_or_insert(now_ns + UNWRITTEN_MOST_NS) {
                    return Ok(Found::Unwritten);
                }
                thread::sleep(UNWRITTEN_PAUSE);
            }
        }
    }

    /// What is mapped around a line, and where in it that is.
    fn window(&mut self, line: u64, log: &Log<'_>) -> Result<(&Mapping, usize)> {
        let size = log.lines_per_cpu();
        let index = u64::from(self.cpu) * size + line % size;
        let at = index * LINE_BYTES as u64;
        let from = at - at % WINDOW_BYTES;
        if self.window.as_ref().is_none_or(|(mapped, _)| *mapped != from) {
            // One at a time.
            self.window = None;
            let bytes = usize::try_from(WINDOW_BYTES)?;
            let mapping = Mapping::new(log.lines, from, bytes, false).context("mapping the log")?;
            self.window = Some((from, mapping));
        }
        let (_, mapping) = self.window.as_ref().context("nothing is mapped")?;
        Ok((mapping, usize::try_from(at - from)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_shared_among_the_cpus_but_each_has_a_floor() {
        let lines = |cpus, bytes| Room::new(cpus, bytes).lines_per_cpu;
        assert_eq!(lines(2, 8 << 20), 65536);
        assert_eq!(lines(2, (8 << 20) + 4096), 65536);
        assert_eq!(lines(128, 8 << 20), 4096);
        assert_eq!(Room::new(128, 8 << 20).lines(), 128 * 4096);
        assert_eq!(lines(0, 0), 4096);
        // No number of a line overflows.
        assert!(u64::from(lines(512, 1 << 50)) * 512 <= LINES_MOST);
    }
}
