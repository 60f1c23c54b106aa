//! Packets of a Perfetto trace, one after the other: names are interned, so that each is
//! written once. Not here: what tracks and events there are.

use std::io::{self, BufWriter, Write};

use jiff::Timestamp;
use prost::encoding::message;
use rustc_hash::FxHashMap;

use super::proto::{
    BuiltinClock, Clock, ClockSnapshot, DebugAnnotation, EventType, InternedData, InternedName,
    SEQ_INCREMENTAL_STATE_CLEARED, SEQ_NEEDS_INCREMENTAL_STATE, TracePacket, TracePacketDefaults,
    TrackDescriptor, TrackEvent,
};

/// All packets are of one sequence.
const SEQUENCE: u32 = 1;
/// The field of `Trace` that packets are.
const PACKET: u32 = 1;

/// What an annotation says.
#[derive(Debug, Clone, Copy)]
pub(super) enum Note<'t> {
    /// A number.
    Number(u64),
    /// Whether something is so.
    Is(bool),
    /// A word that comes often.
    Word(&'t str),
    /// A text that hardly comes twice.
    Text(&'t str),
}

/// Numbers for names of one kind.
#[derive(Debug, Default)]
struct Interned {
    numbers: FxHashMap<String, u64>,
    /// Those that no packet has told yet.
    new: Vec<InternedName>,
}

impl Interned {
    fn number(&mut self, name: &str) -> u64 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.numbers.len() as u64 + 1;
        self.numbers.insert(name.to_owned(), number);
        self.new.push(InternedName { iid: Some(number), name: Some(name.to_owned()) });
        number
    }
}

/// Writes packets.
pub(super) struct Packets {
    to: BufWriter<Box<dyn Write>>,
    bytes: Vec<u8>,
    categories: Interned,
    events: Interned,
    annotations: Interned,
    words: Interned,
    /// What the wall clock was ahead of the other when that was last told, nanoseconds.
    ahead_ns: Option<i128>,
}

impl Packets {
    pub(super) fn new(to: Box<dyn Write>) -> Self {
        Self {
            to: BufWriter::new(to),
            bytes: Vec::new(),
            categories: Interned::default(),
            events: Interned::default(),
            annotations: Interned::default(),
            words: Interned::default(),
            ahead_ns: None,
        }
    }

    /// The first packet: times are `CLOCK_MONOTONIC` in all that follow.
    pub(super) fn begin(&mut self) -> io::Result<()> {
        self.write(TracePacket {
            sequence_flags: Some(SEQ_INCREMENTAL_STATE_CLEARED),
            trace_packet_defaults: Some(TracePacketDefaults {
                timestamp_clock_id: Some(BuiltinClock::Monotonic as u32),
            }),
            ..TracePacket::default()
        })
    }

    /// What the clocks show, if their distance is another than before.
    pub(super) fn clocks(&mut self, at_ns: u64, wall: Timestamp) -> io::Result<()> {
        let ahead_ns = wall.as_nanosecond() - i128::from(at_ns);
        let Ok(wall_ns) = u64::try_from(wall.as_nanosecond()) else { return Ok(()) };
        if self.ahead_ns.replace(ahead_ns) == Some(ahead_ns) {
            return Ok(());
        }
        let clock =
            |clock: BuiltinClock, ns| Clock { clock_id: Some(clock as u32), timestamp: Some(ns) };
        self.write(TracePacket {
            timestamp: Some(at_ns),
            clock_snapshot: Some(ClockSnapshot {
                clocks: vec![
                    clock(BuiltinClock::Monotonic, at_ns),
                    clock(BuiltinClock::Realtime, wall_ns),
                ],
                primary_trace_clock: Some(BuiltinClock::Monotonic.into()),
            }),
            ..TracePacket::default()
        })
    }

    /// A track, before its first event.
    pub(super) fn track(&mut self, track: TrackDescriptor) -> io::Result<()> {
        self.write(TracePacket { track_descriptor: Some(track), ..TracePacket::default() })
    }

    /// A slice. Those of one track come one after the other, none within another: an end
    /// and a beginning at one instant stay in the order in which they are written.
    pub(super) fn slice(
        &mut self,
        track: u64,
        (from_ns, to_ns): (u64, u64),
        (category, name): (&str, &str),
        notes: &[(&str, Note<'_>)],
    ) -> io::Result<()> {
        self.named(track, EventType::SliceBegin, from_ns, (category, name), notes)?;
        let end = TrackEvent {
            r#type: Some(EventType::SliceEnd.into()),
            track_uuid: Some(track),
            ..TrackEvent::default()
        };
        self.event(to_ns, end)
    }

    /// Something without a length.
    pub(super) fn instant(
        &mut self,
        track: u64,
        at_ns: u64,
        (category, name): (&str, &str),
        notes: &[(&str, Note<'_>)],
    ) -> io::Result<()> {
        self.named(track, EventType::Instant, at_ns, (category, name), notes)
    }

    /// What a counter is from now on.
    pub(super) fn counter(&mut self, track: u64, at_ns: u64, value: f64) -> io::Result<()> {
        let mut event = TrackEvent {
            r#type: Some(EventType::Counter.into()),
            track_uuid: Some(track),
            ..TrackEvent::default()
        };
        #[expect(clippy::cast_possible_truncation, reason = "it is seen to be a whole number")]
        if value.fract() == 0.0 && value.abs() < 2f64.powi(53) {
            event.counter_value = Some(value as i64);
        } else {
            event.double_counter_value = Some(value);
        }
        self.event(at_ns, event)
    }

    fn named(
        &mut self,
        track: u64,
        kind: EventType,
        at_ns: u64,
        (category, name): (&str, &str),
        notes: &[(&str, Note<'_>)],
    ) -> io::Result<()> {
        let event = TrackEvent {
            category_iids: vec![self.categories.number(category)],
            debug_annotations: notes
                .iter()
                .map(|(key, note)| self.annotation(key, *note))
                .collect(),
            r#type: Some(kind.into()),
            name_iid: Some(self.events.number(name)),
            track_uuid: Some(track),
            ..TrackEvent::default()
        };
        self.event(at_ns, event)
    }

    fn annotation(&mut self, key: &str, note: Note<'_>) -> DebugAnnotation {
        let name_iid = Some(self.annotations.number(key));
        let empty = DebugAnnotation { name_iid, ..DebugAnnotation::default() };
        match note {
            Note::Number(number) => DebugAnnotation { uint_value: Some(number), ..empty },
            Note::Is(is) => DebugAnnotation { bool_value: Some(is), ..empty },
            Note::Word(word) => {
                DebugAnnotation { string_value_iid: Some(self.words.number(word)), ..empty }
            }
            Note::Text(text) => DebugAnnotation { string_value: Some(text.to_owned()), ..empty },
        }
    }

    fn event(&mut self, at_ns: u64, event: TrackEvent) -> io::Result<()> {
        let new = InternedData {
            event_categories: std::mem::take(&mut self.categories.new),
            event_names: std::mem::take(&mut self.events.new),
            debug_annotation_names: std::mem::take(&mut self.annotations.new),
            debug_annotation_string_values: std::mem::take(&mut self.words.new),
        };
        self.write(TracePacket {
            timestamp: Some(at_ns),
            sequence_flags: Some(SEQ_NEEDS_INCREMENTAL_STATE),
            interned_data: (new != InternedData::default()).then_some(new),
            track_event: Some(event),
            ..TracePacket::default()
        })
    }

    fn write(&mut self, packet: TracePacket) -> io::Result<()> {
        let packet = TracePacket { trusted_packet_sequence_id: Some(SEQUENCE), ..packet };
        self.bytes.clear();
        message::encode(PACKET, &packet, &mut self.bytes);
        self.to.write_all(&self.bytes)
    }

    /// Hands on what was written.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
