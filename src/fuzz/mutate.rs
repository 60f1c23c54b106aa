//! Damages a recording: its bytes, or its lines within frames that are whole. The same seed
//! and case come to the same. Not here: what is done with it.

use serde_json::{Value, json};
use zstd::bulk::Compressor;
use zstd::zstd_safe::CParameter;

/// Numbers without secrets: `SplitMix64` (Steele, Lea, Flood 2014).
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64, case: u64) -> Self {
        let mut random = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ case);
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of so many, from 0 on.
    pub(super) fn below(&mut self, count: usize) -> usize {
        let count = count.max(1) as u64;
        usize::try_from(self.next() % count).unwrap_or(0)
    }
}

/// The recording with some damage.
pub(super) fn mutated(recording: &[u8], random: &mut Random) -> Vec<u8> {
    if random.below(4) == 0 {
        let mut bytes = recording.to_vec();
        for _ in 0..=random.below(6) {
            damage(&mut bytes, random);
        }
        return bytes;
    }
    let text = zstd::decode_all(recording).expect("a recording");
    let text = String::from_utf8(text).expect("text");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for _ in 0..=random.below(8) {
        forge(&mut lines, random);
    }
    framed(&lines, random)
}

/// Damages bytes somewhere.
fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(bytes.len());
    let to = (at + 1 + random.below(64)).min(bytes.len());
    if at >= bytes.len() {
        return;
    }
    match random.below(7) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = random.next().to_le_bytes()[0],
        2 => drop(bytes.drain(at..to)),
        3 => bytes.extend_from_within(at..to),
        4 => bytes.truncate(at),
        5 => bytes[at..to].fill(0),
        _ => {
            let noise: Vec<_> = (at..to).map(|_| random.next().to_le_bytes()[0]).collect();
            bytes.splice(at..at, noise);
        }
    }
}

/// Changes a line, or their order.
fn forge(lines: &mut Vec<String>, random: &mut Random) {
    if lines.is_empty() {
        return;
    }
    let (at, other) = (random.below(lines.len()), random.below(lines.len()));
    match random.below(16) {
        0 => drop(lines.remove(at)),
        1 => lines.insert(other, lines[at].clone()),
        2 => lines.swap(at, other),
        3 => {
            let to = (at + random.below(40)).min(lines.len());
            lines.drain(at..to);
        }
        // Much of little: a megabyte or so.
        4 if random.below(8) == 0 => {
            let again = vec![lines[at].clone(); random.below(5_000)];
            lines.splice(at..at, again);
        }
        5 if random.below(8) == 0 => {
            // Text that is no line.
            let mut bytes = std::mem::take(&mut lines[at]).into_bytes();
            damage(&mut bytes, random);
            lines[at] = String::from_utf8_lossy(&bytes).replace('\n', " ");
        }
        _ => {
            let other = serde_json::from_str(&lines[other]).unwrap_or_default();
            if let Ok(mut line) = serde_json::from_str(&lines[at]) {
                forge_line(&mut line, &other, random);
                lines[at] = line.to_string();
            }
        }
    }
}

/// Changes a value, or takes another line's.
fn forge_line(line: &mut Value, other: &Value, random: &mut Random) {
    let Some(keys) = line.as_object_mut() else { return };
    let names: Vec<_> = keys.keys().cloned().collect();
    let Some(name) = names.get(random.below(names.len())) else { return };
    // What all depends on is changed more often.
    let name = match random.below(6) {
        0 if keys.contains_key("at_ns") => "at_ns",
        1 if keys.contains_key("socket") => "socket",
        _ => name,
    };
    let Some(value) = keys.get_mut(name) else { return };
    match random.below(5) {
        0 => drop(keys.remove(name)),
        1 => {
            if let Some(others) = other.get(name) {
                *value = others.clone();
            }
        }
        _ => *value = forged(value, random),
    }
}

fn forged(value: &Value, random: &mut Random) -> Value {
    const STATES: [&str; 5] = ["open", "disorder", "cwr", "recovery", "loss"];
    const TYPES: [&str; 9] =
        ["birth", "endpoints", "transition", "found", "seen", "end", "surveyed", "owner", "stop"];
    match value {
        Value::Number(number) => number_near(number.as_u64().unwrap_or(0), random),
        Value::Bool(is) => json!(!is),
        Value::String(text) if STATES.contains(&text.as_str()) => json!(STATES[random.below(5)]),
        Value::String(_) => match random.below(9) {
            0..=5 => json!(TYPES[random.below(TYPES.len())]),
            6 => json!("\u{1b}[2J\u{202e}\0"),
            7 => json!("x".repeat(random.below(100_000))),
            _ => json!(random.next()),
        },
        _ => json!([random.next(), {"a": []}]),
    }
}

/// A number that is near, far, or at a bound.
fn number_near(number: u64, random: &mut Random) -> Value {
    let bounds = [0, 1, 0x7fff_ffff, u64::from(u32::MAX), i64::MAX.cast_unsigned(), u64::MAX];
    let digits = u32::try_from(random.below(19)).unwrap_or(0);
    let some = random.next() % 10_u64.pow(digits);
    match random.below(24) {
        0 => json!(-1.5e300),
        1..=3 => json!(bounds[random.below(bounds.len())]),
        4..=7 => json!(bounds[random.below(bounds.len())].saturating_sub(some)),
        8..=12 => json!(number.saturating_sub(some)),
        13..=15 => json!(some),
        _ => json!(number.saturating_add(some)),
    }
}

/// The lines in frames, each with its right size and checksum; or as others pack them.
fn framed(lines: &[String], random: &mut Random) -> Vec<u8> {
    let all = || lines.join("\n") + "\n";
    match random.below(12) {
        0 => return all().into_bytes(),
        1 => return zstd::encode_all(all().as_bytes(), 1).expect("zstd"),
        2 => return zstd::bulk::compress(all().as_bytes(), 1).expect("zstd"),
        _ => {}
    }
    let mut compressor = Compressor::new(1).expect("zstd");
    compressor.set_parameter(CParameter::ChecksumFlag(true)).expect("zstd");
    let (mut bytes, mut from) = (Vec::new(), 0);
    while from < lines.len() {
        let to = (from + 1 + random.below(200)).min(lines.len());
        let text = lines[from..to].join("\n") + "\n";
        bytes.extend(compressor.compress(text.as_bytes()).expect("zstd"));
        from = to;
    }
    bytes
}
