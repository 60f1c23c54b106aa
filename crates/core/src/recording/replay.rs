//! Reads a recording: a source of its entries. Not here: what was looked up, which `owners`
//! keeps, and how bytes become lines.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, ErrorKind, Read};
use std::rc::Rc;

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};

use super::VERSION;
use super::again::{LastSeen, Waiting};
use super::error::RecordingError;
use super::frames::{Damage, Frames};
use super::lines::{Line, Note, StartLine, parse};
use super::order::{Order, can_begin_at};
use super::owners::{Owners, RecordedOwners};
use crate::model::{Body, Entry, Gap, Losses, Start};
use crate::source::{End, Reached, Source, TakeEntry, Wait};

/// A wait is no longer, nanoseconds of the recording: longer than that of a live source,
/// which may be late.
const WAIT_MOST_NS: u64 = 10_000_000_000;

/// What the wall clock showed at `at_ns`, given what it showed once.
pub(super) fn wall((then_ns, then): (u64, Timestamp), at_ns: u64) -> Timestamp {
    let nanoseconds = i128::from(at_ns) - i128::from(then_ns);
    let since = i64::try_from(nanoseconds).map_or(SignedDuration::MAX, SignedDuration::from_nanos);
    then.saturating_add(since).unwrap_or(then)
}

/// What comes next in a recording, and when it was.
#[derive(Clone, Copy)]
struct Next {
    at_ns: u64,
    what: NextLine,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum NextLine {
    Entry,
    /// An entry that was told in short.
    Again,
    /// What was told before was handed on by then.
    Note,
    /// What is taken whenever it comes.
    Aside,
}

impl Next {
    fn of(line: &Line) -> Self {
        match line {
            Line::Entry(entry) => Self { at_ns: entry.at_ns, what: NextLine::Entry },
            Line::Note(note) if note.ends_batch() => {
                Self { at_ns: note.at_ns(), what: NextLine::Note }
            }
            Line::Note(note) => Self { at_ns: note.at_ns(), what: NextLine::Aside },
        }
    }
}

/// A recording that is replayed.
pub struct Recording {
    frames: Frames,
    order: Order,
    /// Lines of the present frame that were not taken, and the number of the next one.
    lines: VecDeque<Line>,
    line: u64,
    pub(super) start: Start,
    pub(super) tick_ns: u64,
    /// What was known at the start, if that is in its midst, and losses from before.
    pub(super) before: Vec<Entry>,
    pub(super) losses_before: Losses,
    /// It is replayed up to this instant.
    pub(super) ends_ns: Option<u64>,
    /// The instant of the last line.
    last_ns: u64,
    /// It was ended then.
    stop_ns: Option<u64>,
    clock: (u64, Timestamp),
    losses: (Losses, usize),
    has_ended: bool,
    /// Lines that are damaged, as far as that was not told.
    missing: Option<Gap>,
    /// Intervals that ended late: when they were to, and when they did. It is told before
    /// what came in them, so the next one's may be known already.
    late: BTreeMap<u64, u64>,
    owners: Rc<RefCell<Owners>>,
    /// What surveys found last, and findings told in short that were not taken.
    seen: LastSeen,
    again: Waiting,
}

impl Recording {
    /// Reads the beginning.
    pub fn open(input: Box<dyn Read>) -> Result<Self> {
        let mut frames = Frames::new(input)?;
        let text = frames.next().map_err(unreadable)?.ok_or(RecordingError::NoRecording)?;
        let mut lines = parse_all(&text, 1)?;
        let Some(Line::Note(Note::Start(StartLine { version, tick_ns, losses_before, start }))) =
            lines.pop_front()
        else {
            return Err(RecordingError::NoStart.into());
        };
        if version != VERSION {
            return Err(RecordingError::Version(version).into());
        }
        refuse_joined(&lines, 2)?;
        if !can_begin_at(start.at_ns) {
            return Err(RecordingError::Beginning(start.at_ns).into());
        }
        let mut order = Order::new(start.at_ns);
        let read = 1 + lines.len() as u64;
        lines = order.keep(lines);
        Ok(Self {
            frames,
            order,
            line: read,
            lines,
            tick_ns,
            before: Vec::new(),
            losses_before,
            ends_ns: None,
            last_ns: start.at_ns,
            stop_ns: None,
            clock: (start.at_ns, start.at),
            start,
            losses: (losses_before, 0),
            has_ended: false,
            missing: None,
            late: BTreeMap::new(),
            owners: Rc::default(),
            seen: LastSeen::default(),
            again: Waiting::default(),
        })
    }

    /// The tick of the kernel that was recorded, nanoseconds.
    #[must_use]
    pub fn tick_ns(&self) -> u64 {
        self.tick_ns
    }

    /// What finds whose the flows were.
    #[must_use]
    pub fn owners(&self) -> RecordedOwners {
        RecordedOwners::new(Rc::clone(&self.owners))
    }

    /// Whether all was read.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Whether it was finished, and not broken off, as far as it was read.
    #[must_use]
    pub fn was_stopped(&self) -> bool {
        self.stop_ns.is_some()
    }

    /// What could not be read so far.
    #[must_use]
    pub fn damage(&self) -> Damage {
        self.frames.damage
    }

    /// How many lines were passed over, as they cannot be from when they say.
    #[must_use]
    pub fn lines_out_of_place(&self) -> u64 {
        self.order.out_of_place
    }

    pub(super) fn all_losses(&self) -> Losses {
        self.losses.0
    }

    /// The next line, without taking it.
    fn peek(&mut self) -> Result<Option<&Line>> {
        while self.lines.is_empty() {
            let Some(text) = self.frames.next().map_err(unreadable)? else {
                self.has_ended = true;
                self.lines.extend(self.order.finish());
                return Ok(self.lines.front());
            };
            self.lines = parse_all(&text, self.line + 1)?;
            refuse_joined(&self.lines, self.line + 1)?;
            let before = self.line;
            self.line += self.lines.len() as u64;
            self.lines = self.order.keep(std::mem::take(&mut self.lines));
            self.begin_frame(before);
        }
        Ok(self.lines.front())
    }

    /// What comes next, and when it was: a line, or what was told in short before.
    fn next_line(&mut self) -> Result<Option<Next>> {
        let again = self.again.at_ns().map(|at_ns| Next { at_ns, what: NextLine::Again });
        let Some(line) = self.peek()? else { return Ok(again) };
        let next = Next::of(line);
        let is_sooner = |again: &Next| match next.what {
            NextLine::Aside => false,
            NextLine::Note => again.at_ns < next.at_ns,
            NextLine::Entry | NextLine::Again => again.at_ns <= next.at_ns,
        };
        Ok(Some(again.filter(is_sooner).unwrap_or(next)))
    }

    /// Takes what comes next.
    fn take_line(&mut self, next: Next, take: TakeEntry<'_>) {
        if next.what == NextLine::Again {
            self.again.next(&self.seen).into_iter().for_each(take);
            return;
        }
        match self.lines.pop_front() {
            Some(Line::Entry(entry)) => {
                self.seen.note(&entry);
                take(entry);
            }
            Some(Line::Note(note)) => self.note(note),
            None => {}
        }
    }

    /// A frame says how many lines came before it. Those that were not read are a gap.
    fn begin_frame(&mut self, read: u64) {
        let Some(Line::Note(Note::Frame { at_ns, lines })) = self.lines.front() else { return };
        // What comes after the missing lines happened after them, but its frame may have begun
        // when that was long past: a gap that lasts until then would make it late.
        let entries = self.lines.iter().filter_map(|line| match line {
            Line::Entry(entry) => Some(entry.at_ns),
            Line::Note(_) => None,
        });
        let to_ns = entries.chain([*at_ns]).min().unwrap_or(*at_ns).max(self.last_ns);
        let dropped = lines.saturating_sub(read);
        if dropped > 0 {
            self.line += dropped;
            // It may have told otherwise.
            self.seen.forget_all();
            self.missing = Some(Gap { from_ns: self.last_ns, to_ns, dropped });
        }
    }

    /// Tells of what is missing, as far as it is from before `to_ns`: each interval is to
    /// know. Returns whether all is told.
    fn tell_missing(&mut self, to_ns: u64, take: TakeEntry<'_>) -> bool {
        let Some(Gap { from_ns, to_ns: ends_ns, dropped }) = self.missing.take() else {
            return true;
        };
        let at_ns = ends_ns.min(to_ns.saturating_sub(1));
        if at_ns >= from_ns {
            take(Entry { at_ns, body: Body::Gap { from_ns, dropped, damaged: true } });
            self.last_ns = self.last_ns.max(at_ns);
        }
        if at_ns < ends_ns {
            let dropped = if at_ns >= from_ns { 0 } else { dropped };
            self.missing = Some(Gap { from_ns: from_ns.max(at_ns), to_ns: ends_ns, dropped });
        }
        self.missing.is_none()
    }

    /// Takes a line that is no entry.
    fn note(&mut self, note: Note) {
        match note {
            Note::Clock { at_ns, time } => self.clock = (at_ns, time),
            Note::Losses { namespaces_unreached, losses, .. } => {
                self.losses = (losses, namespaces_unreached);
            }
            Note::Owner(line) => {
                self.owners.borrow_mut().insert(line.id(), line.whose);
            }
            Note::Late { at_ns, until_ns } => {
                self.late.insert(at_ns, until_ns);
            }
            Note::SeenAgain(line) => self.again.add(&line),
            Note::Stop { at_ns } => self.stop_ns = Some(at_ns),
            Note::Start(_) | Note::Frame { .. } | Note::Batch { .. } | Note::Unknown => {}
        }
    }

    /// Where an interval ends that is to end at `boundary_ns`.
    fn end_of(&self, boundary_ns: u64) -> u64 {
        self.late.get(&boundary_ns).copied().unwrap_or(boundary_ns)
    }

    fn reached(&self, until_ns: u64, wait: Wait) -> Reached {
        let not_before_ns = wait.until_ns.map_or(0, |boundary_ns| self.end_of(boundary_ns));
        Reached { until_ns, not_before_ns, end: None }
    }

    /// There is nothing more.
    fn exhausted(&self, wait: Wait) -> Reached {
        // No sooner than what came before, even where it was told to.
        let ends_ns = self.stop_ns.map_or(self.last_ns + 1, |stop_ns| stop_ns.max(self.last_ns));
        match wait.until_ns.map(|boundary_ns| self.end_of(boundary_ns)) {
            Some(to_ns) if to_ns < ends_ns => self.reached(to_ns, wait),
            _ => Reached { end: Some(End::Exhausted), ..self.reached(ends_ns, wait) },
        }
    }
}

impl Source for Recording {
    fn start(&self) -> &Start {
        &self.start
    }

    fn begin(&mut self, take: TakeEntry<'_>) -> Result<()> {
        std::mem::take(&mut self.before).into_iter().for_each(take);
        Ok(())
    }

    fn next(&mut self, wait: Wait, take: TakeEntry<'_>) -> Result<Reached> {
        let Some(ends_ns) = self.ends_ns else { return self.advance(wait, take) };
        let until_ns = wait.until_ns.map_or(ends_ns, |boundary_ns| boundary_ns.min(ends_ns));
        let reached = self.advance(Wait { until_ns: Some(until_ns), ..wait }, take)?;
        let is_over = reached.until_ns >= ends_ns;
        Ok(Reached { end: reached.end.or(is_over.then_some(End::Exhausted)), ..reached })
    }

    fn wall(&self, at_ns: u64) -> Timestamp {
        wall(self.clock, at_ns)
    }

    fn losses(&mut self) -> Result<(Losses, usize)> {
        let (losses, namespaces_unreached) = self.losses;
        Ok((losses.since(&self.losses_before), namespaces_unreached))
    }
}

impl Recording {
    /// Hands over the next lines, as `Source::next` does.
    pub(super) fn advance(&mut self, wait: Wait, take: TakeEntry<'_>) -> Result<Reached> {
        let longest_ns = self.last_ns.saturating_add(WAIT_MOST_NS);
        // What was to end before will not be asked for again.
        self.late = self.late.split_off(&wait.until_ns.unwrap_or(0));
        // What was noted at one instant is taken together.
        let mut noted_ns = None;
        loop {
            let to_ns = wait.until_ns.map_or(u64::MAX, |boundary_ns| self.end_of(boundary_ns));
            self.peek()?;
            if !self.tell_missing(to_ns, take) {
                return Ok(self.reached(to_ns, wait));
            }
            let Some(next) = self.next_line()? else { return Ok(self.exhausted(wait)) };
            let Next { at_ns, what } = next;
            if what == NextLine::Aside {
                self.take_line(next, take);
                continue;
            }
            let is_entry = what != NextLine::Note;
            if at_ns > to_ns || is_entry && at_ns == to_ns {
                return Ok(self.reached(to_ns, wait));
            }
            if let Some(until_ns) = noted_ns.filter(|noted_ns| is_entry || at_ns > *noted_ns) {
                return Ok(self.reached(until_ns, wait));
            }
            if is_entry && at_ns >= longest_ns {
                self.last_ns = longest_ns;
                return Ok(self.reached(longest_ns, wait));
            }
            self.last_ns = self.last_ns.max(at_ns);
            self.take_line(next, take);
            if !is_entry {
                noted_ns = Some(at_ns);
            }
        }
    }
}

/// All lines of a frame, the first of which has this number.
fn parse_all(text: &[u8], first: u64) -> Result<VecDeque<Line>> {
    let text = str::from_utf8(text).map_err(|_| RecordingError::NoRecording)?;
    let numbered = (first..).zip(text.lines());
    let lines = numbered
        .map(|(line, text)| parse(text).map_err(|error| RecordingError::Line { line, error }));
    Ok(lines.collect::<Result<_, _>>()?)
}

/// Another recording's first line is among these lines, the first of which has this number.
fn refuse_joined(lines: &VecDeque<Line>, first: u64) -> Result<(), RecordingError> {
    let starts = (first..).zip(lines).find(|(_, line)| matches!(line, Line::Note(Note::Start(_))));
    starts.map_or(Ok(()), |(line, _)| Err(RecordingError::Joined(line)))
}

/// Data that is not what it should be is the recording's fault.
fn unreadable(error: io::Error) -> anyhow::Error {
    if error.kind() == ErrorKind::InvalidData {
        RecordingError::Stream(error).into()
    } else {
        error.into()
    }
}
