//! The demo's cases: paths and ends of which it is known what holds their connection up.
//! A table, and how a case is found in it; `running` makes it happen.

use std::time::Duration;

pub use super::running::{
    CaseError, NoCongestionControl, Running, check_congestion_control, next_number, run,
};

use super::ends::{Reads, Receiver, Sender, Sends};
use crate::path::{Answer, LinkSpec, Loss, Marks, Overtaking, Phase, Policer, Script};

/// One thing that holds connections up, made to happen.
#[derive(Debug)]
pub struct Case {
    /// As `--case` wants it.
    pub name: &'static str,
    /// In one line.
    pub makes: &'static str,
    /// The verdict to be expected at the end that sends, or connects.
    pub near: &'static str,
    /// The verdict to be expected at the other end; `-` where it has no connection.
    pub far: &'static str,
    /// The same at both ends with bbr, where that is something else: it goes by the rate, and
    /// neither fills queues nor slows down for each loss.
    pub with_bbr: Option<[&'static str; 2]>,
    /// What the path is like from when the connection is made, forth and back; or from the
    /// start, where none is to be made.
    pub(super) ways: fn() -> (Script, Script),
    pub(super) sender: Sender,
    pub(super) receiver: Receiver,
    /// The tight place is the near end's own device.
    pub(super) local_queue: bool,
    /// Both ends use ECN.
    pub(super) ecn: bool,
}

impl Case {
    /// The verdicts to be expected at the end that sends, and at the other one.
    #[must_use]
    pub fn expected(&self, congestion_control: &str) -> [&'static str; 2] {
        let with_bbr = self.with_bbr.filter(|_| congestion_control == "bbr");
        with_bbr.unwrap_or([self.near, self.far])
    }
}

const MBIT: u64 = 1_000_000;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// 20 Mbit/s, 20 ms each way, and a queue of what is on its way in a round trip.
pub(super) const USUAL: LinkSpec = LinkSpec::bottleneck(20 * MBIT, ms(20), 100_000);

/// The way back of most cases: its delay, and nothing else.
const BACK: LinkSpec = LinkSpec { delay: USUAL.delay, ..LinkSpec::WIRE };

/// What a case is where it says nothing else.
const CASE: Case = Case {
    name: "",
    makes: "",
    near: "healthy",
    far: "healthy",
    with_bbr: None,
    ways: || forth(USUAL),
    sender: Sender { sends: Sends::All, buffer_bytes: None },
    receiver: Receiver { reads: Reads::All, buffer_bytes: None },
    local_queue: false,
    ecn: false,
};

const fn sending(sends: Sends) -> Sender {
    Sender { sends, buffer_bytes: None }
}

const fn reading(reads: Reads) -> Receiver {
    Receiver { reads, buffer_bytes: None }
}

/// Half of the usual rate, so that no queue builds up.
const CALM: Sender = sending(Sends::Paced { bytes_per_s: CALM_BYTES_PER_S });
const CALM_BYTES_PER_S: u32 = 1_250_000;

/// The same with room for all that comes at once, so that nothing is lost by it.
const ROOMY: LinkSpec = LinkSpec { queue_bytes: 1_000_000, ..USUAL };

fn forth(spec: LinkSpec) -> (Script, Script) {
    (spec.into(), BACK.into())
}

/// The usual way, after two seconds dark for two and a half.
fn outage(spec: LinkSpec) -> Script {
    let phases =
        [Phase { spec, lasts: ms(2_000) }, Phase { spec: spec.blacked_out(), lasts: ms(2_500) }];
    Script::once(phases.to_vec(), spec)
}

/// At times nothing comes for longer than a retransmission timer waits (at least 200 ms and
/// a round trip, after the tail loss probe), and for less than it does the next time; then
/// all comes at once.
fn stalls() -> Script {
    const STEPS: u64 = 14;
    const STEP: Duration = ms(50);
    let spec = LinkSpec { queue_bytes: 1_000_000, ..USUAL };
    let held = (1..=STEPS).rev().map(|left| {
        let delay = USUAL.delay + STEP * u32::try_from(left).unwrap_or(0);
        Phase { spec: LinkSpec { delay, ..spec }, lasts: STEP }
    });
    Script::repeating(std::iter::once(Phase { spec, lasts: ms(2_300) }).chain(held).collect())
}

/// All cases, in the order in which they are listed.
pub static CASES: [Case; 26] = [
    Case { name: "healthy", makes: "a sender at half of the path's rate", sender: CALM, ..CASE },
    Case {
        name: "path-full",
        makes: "20 Mbit/s, a queue of one and a half round trips, a sender that wants more",
        near: "path full",
        far: "inbound loss",
        ways: || forth(LinkSpec { queue_bytes: 150_000, ..USUAL }),
        with_bbr: Some(["path full", "healthy or inbound loss"]),
        ..CASE
    },
    Case {
        name: "standing-queue",
        makes: "5 Mbit/s with room for 3 MB before it",
        near: "standing queue",
        ways: || forth(LinkSpec::bottleneck(5 * MBIT, USUAL.delay, 3_000_000)),
        with_bbr: Some(["path full", "healthy"]),
        ..CASE
    },
    Case {
        name: "path-loss",
        makes: "0.2 % of the packets lost at random",
        near: "path loss",
        far: "inbound loss",
        ways: || forth(LinkSpec { loss: Loss::Random(0.002), ..USUAL }),
        with_bbr: Some(["path full", "inbound loss"]),
        ..CASE
    },
    Case {
        name: "heavy-loss",
        makes: "2 % of the packets lost at random",
        near: "path loss",
        far: "inbound loss",
        ways: || forth(LinkSpec { loss: Loss::Random(0.02), ..USUAL }),
        with_bbr: Some(["path full or path loss", "inbound loss"]),
        ..CASE
    },
    Case {
        name: "policer",
        makes: "a policer of 10 Mbit/s and 30 kB, which queues nothing",
        near: "path loss",
        far: "inbound loss",
        ways: || {
            let policer = Some(Policer { rate_bits_per_s: 10 * MBIT, burst_bytes: 30_000 });
            forth(LinkSpec { rate_bits_per_s: Some(100 * MBIT), policer, ..USUAL })
        },
        with_bbr: Some(["path full or path loss", "inbound loss"]),
        ..CASE
    },
    Case {
        name: "tail-loss",
        makes: "bursts of 10 segments, of which the last 3 are lost, and their probes",
        near: "waiting for timeouts",
        ways: || {
            let loss = Loss::Tails { first: 7, quiet: ms(150), one_in: 1 };
            forth(LinkSpec { loss, ..USUAL })
        },
        sender: sending(Sends::Writes { bytes: &[10 * 1_448], pause: ms(900) }),
        ..CASE
    },
    Case {
        name: "outage",
        makes: "after 2 s nothing passes either way, for 2.5 s",
        near: "outage",
        far: "healthy or inbound loss",
        ways: || (outage(USUAL), outage(BACK)),
        ..CASE
    },
    Case {
        name: "outage-acks",
        makes: "after 2 s nothing passes on the way back, for 2.5 s",
        near: "outage",
        far: "healthy or inbound loss",
        ways: || (USUAL.into(), outage(BACK)),
        ..CASE
    },
    Case {
        name: "not-answered",
        makes: "nothing passes, and the SYN is sent again and again",
        near: "not answered",
        far: "-",
        ways: || forth(USUAL.blacked_out()),
        sender: sending(Sends::Attempts { every: ms(1_000) }),
        ..CASE
    },
    Case {
        name: "refused",
        makes: "an attempt each second, and nobody listens on the port",
        near: "refused",
        far: "-",
        sender: sending(Sends::Attempts { every: ms(1_000) }),
        receiver: reading(Reads::Nobody),
        ..CASE
    },
    Case {
        name: "unreachable",
        makes: "an attempt each second, and a router answers: host unreachable",
        near: "unreachable",
        far: "-",
        ways: || forth(LinkSpec { answer: Some(Answer::HostUnreachable), ..USUAL }),
        sender: sending(Sends::Attempts { every: ms(1_000) }),
        ..CASE
    },
    Case {
        name: "peer-silent",
        makes: "an idle connection whose keep-alive probes nobody answers",
        near: "peer silent",
        far: "application idle",
        ways: || (USUAL.blacked_out().into(), BACK.blacked_out().into()),
        sender: sending(Sends::KeepAlive),
        ..CASE
    },
    Case {
        name: "packets-too-big",
        makes: "packets of more than 1200 bytes vanish, and no ICMP says so",
        near: "packets too big",
        far: "application idle",
        ways: || forth(LinkSpec { max_packet_bytes: Some(1_200), ..USUAL }),
        sender: sending(Sends::Writes { bytes: &[300, 300, 300, 300, 4_000], pause: ms(100) }),
        ..CASE
    },
    Case {
        name: "black-hole",
        makes: "from the first data on nothing passes any more",
        near: "black hole",
        far: "application idle",
        ways: || (USUAL.blacked_out().into(), BACK.blacked_out().into()),
        ..CASE
    },
    Case {
        name: "spurious",
        makes: "every 2 s all packets stand still for 0.7 s, and none is lost",
        near: "spurious timeouts",
        far: "healthy",
        ways: || (stalls(), BACK.into()),
        sender: CALM,
        ..CASE
    },
    Case {
        name: "reordering",
        makes: "1 packet in 20 comes 6 ms late, behind its followers",
        near: "reordering",
        far: "inbound loss",
        ways: || {
            let overtaking = Some(Overtaking { one_in: 20, late: ms(6) });
            forth(LinkSpec { overtaking, ..ROOMY })
        },
        sender: sending(Sends::Paced { bytes_per_s: 2_000_000 }),
        ..CASE
    },
    Case {
        name: "ecn",
        makes: "packets that find 25 kB in the queue are ECN-marked",
        near: "ECN marking",
        ways: || forth(LinkSpec { marks: Marks::Above(25_000), queue_bytes: 400_000, ..USUAL }),
        ecn: true,
        with_bbr: Some(["path full", "healthy"]),
        ..CASE
    },
    Case {
        name: "local-queue",
        makes: "the sender's own device has room for one packet in its queue",
        far: "healthy",
        near: "local queue",
        ways: || forth(BACK),
        local_queue: true,
        ..CASE
    },
    Case {
        name: "slow-reader",
        makes: "a receiver that reads 25 kB every 50 ms: 4 of 20 Mbit/s",
        near: "receiver window",
        far: "slow reader",
        receiver: reading(Reads::Bites { bytes: 25_000, pause: ms(50) }),
        ..CASE
    },
    Case {
        name: "stopped-reader",
        makes: "a receiver that reads for a second, and then no more",
        near: "receiver window",
        far: "slow reader",
        sender: CALM,
        receiver: reading(Reads::For(ms(1_000))),
        ..CASE
    },
    Case {
        name: "small-rcvbuf",
        makes: "a receive buffer of 32 kB, a third of what the path holds",
        near: "receiver window",
        far: "receive buffer",
        receiver: Receiver { reads: Reads::All, buffer_bytes: Some(32_768) },
        ..CASE
    },
    Case {
        name: "small-sndbuf",
        makes: "a send buffer of 32 kB, a third of what the path holds",
        near: "send buffer",
        sender: Sender { sends: Sends::All, buffer_bytes: Some(32_768) },
        ..CASE
    },
    Case {
        name: "small-writes",
        makes: "a send buffer of 8 kB, and writes of 1 kB, each sent at once",
        near: "send buffer",
        sender: Sender {
            sends: Sends::Writes { bytes: &[1_000], pause: Duration::ZERO },
            buffer_bytes: Some(8_192),
        },
        ..CASE
    },
    Case {
        name: "sender-stops",
        makes: "a sender that writes for 3 s, and then nothing any more",
        near: "application idle",
        far: "sender idle",
        sender: sending(Sends::For { time: ms(3_000), bytes_per_s: CALM_BYTES_PER_S }),
        ..CASE
    },
    Case {
        name: "idle",
        makes: "a sender that writes 200 bytes every half second",
        near: "application idle",
        far: "application idle",
        sender: sending(Sends::Writes { bytes: &[200], pause: ms(500) }),
        ..CASE
    },
];

/// There is no such case.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("no case is called {name}{}; tcpcong demo --list shows all", nearest.map_or(String::new(), |nearest| format!(", but one is {nearest}")))]
pub struct UnknownCase {
    /// As it was asked for.
    name: String,
    /// What may have been meant.
    nearest: Option<&'static str>,
}

/// The case of this name.
pub fn find(name: &str) -> Result<&'static Case, UnknownCase> {
    CASES.iter().find(|case| case.name == name).ok_or_else(|| {
        let distances = CASES.iter().map(|case| (distance(name, case.name), case.name));
        let (distance, nearest) = distances.min().unwrap_or((usize::MAX, ""));
        // Further away it is another word.
        let nearest = (distance <= nearest.len() / 2).then_some(nearest);
        UnknownCase { name: name.to_owned(), nearest }
    })
}

/// How many letters are to be put in, taken out or changed (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let mut above: Vec<usize> = (0..=other.len()).collect();
    for (row, letter) in one.bytes().enumerate() {
        let mut left = row + 1;
        let mut diagonal = row;
        above[0] = left;
        for (column, other) in other.bytes().enumerate() {
            let changed = diagonal + usize::from(letter != other);
            diagonal = above[column + 1];
            left = changed.min(diagonal + 1).min(left + 1);
            above[column + 1] = left;
        }
    }
    above[other.len()]
}

/// All cases as a table: name, what it makes, the verdicts at both ends.
#[must_use]
pub fn list() -> String {
    let head = ["Case", "What it makes", "At the sender", "At the receiver"];
    let rows = CASES.iter().map(|case| [case.name, case.makes, case.near, case.far]);
    let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    let line = |row: &[&str; 4]| {
        let [name, makes, near, far] = row;
        let [first, second, third] = widths;
        format!("{name:<first$}  {makes:<second$}  {near:<third$}  {far}\n")
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
#[path = "cases_tests.rs"]
mod tests;
