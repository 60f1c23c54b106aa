//! The demonstration's cases with netem between the ends, for an emulated machine to carry:
//! a table. Not how they are watched, nor what is said of them: `verdicts` has that.

use std::time::Duration;

use anyhow::Result;
use tcpcong::demo::pair::{Reads, Receiver, Sender, Sends};

use super::lossy::netem;
use super::support::lab::Lab;
use super::support::tool::pause;

/// A case by the demonstration's name for it, which knows its verdicts.
pub(crate) struct Case {
    /// As `tcpcong demo --case` wants it.
    pub(crate) name: &'static str,
    /// What it is here.
    pub(crate) makes: &'static str,
    pub(crate) cc: &'static str,
    /// Those of the same number are watched at the same time; what is laid for those of
    /// [`LAST`] stays.
    pub(crate) batch: usize,
    /// What may be said at the far end, where it is not what the demonstration expects.
    pub(crate) far: &'static [&'static str],
    /// What this kernel must have as a module, or built in, beside netem.
    pub(crate) needs: &'static [&'static str],
    pub(crate) sender: Sender,
    pub(crate) receiver: Receiver,
    /// It connects only when the watch has begun.
    pub(crate) late: bool,
    /// Lays the path, before there is a connection.
    pub(crate) lay: fn(&Lab) -> Result<()>,
    /// What befalls it when there is one.
    pub(crate) befalls: fn(&Lab) -> Result<()>,
    /// What befalls it from when the watch has begun.
    pub(crate) during: fn(&Lab) -> Result<()>,
}

/// The batch whose paths serve no other.
pub(crate) const LAST: usize = 4;

/// 20 ms each way; that much an emulated machine carries with others beside it.
const FORTH: &str = "delay 20ms rate 10mbit limit 1000";
/// The same where something else is to hold it up.
const FAST: &str = "delay 20ms rate 50mbit limit 1000";
const BACK: &str = "delay 20ms limit 1000";
const DARK: &str = "delay 20ms limit 1000 loss 100%";

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

const fn sending(sends: Sends) -> Sender {
    Sender { sends, buffer_bytes: None }
}

const fn reading(reads: Reads) -> Receiver {
    Receiver { reads, buffer_bytes: None }
}

/// A third of the rate.
const CALM_BYTES_PER_S: u32 = 400_000;
const CALM: Sender = sending(Sends::Paced { bytes_per_s: CALM_BYTES_PER_S });
const ATTEMPTS: Sender = sending(Sends::Attempts { every: ms(1_000) });

/// Where little was on its way, and an outage ends late in the watch, the end that receives
/// has seen little of it.
const AFTER_OUTAGE: &[&str] = &["inbound loss", "sender idle", "healthy"];

/// What a case is where it says nothing else.
const CASE: Case = Case {
    name: "",
    makes: "",
    cc: "cubic",
    batch: 0,
    far: &[],
    needs: &[],
    sender: sending(Sends::All),
    receiver: reading(Reads::All),
    late: false,
    lay: |lab| forth(lab, FORTH),
    befalls: |_| Ok(()),
    during: |_| Ok(()),
};

/// All of them, in the order of the page.
pub(crate) static CASES: &[Case] = &[
    Case { name: "healthy", makes: "3.2 of 10 Mbit/s", sender: CALM, batch: 1, ..CASE },
    Case {
        name: "path-full",
        makes: "10 Mbit/s, `limit 35`: packets of two segments, a third of them on their way",
        far: &["inbound loss", "healthy"],
        lay: |lab| forth(lab, "delay 20ms rate 10mbit limit 35"),
        ..CASE
    },
    Case {
        name: "path-full",
        makes: "the same with bbr",
        cc: "bbr",
        needs: &["tcp_bbr"],
        far: &["inbound loss", "healthy"],
        lay: |lab| forth(lab, "delay 20ms rate 10mbit limit 35"),
        batch: 1,
        ..CASE
    },
    Case {
        name: "standing-queue",
        makes: "2 Mbit/s, `limit 1000`",
        lay: |lab| forth(lab, "delay 20ms rate 2mbit limit 1000"),
        batch: 2,
        ..CASE
    },
    Case {
        name: "path-loss",
        makes: "`loss 1%`, and 100 ms",
        lay: |lab| far(lab, "delay 50ms rate 50mbit limit 1000 loss 1%"),
        batch: 2,
        ..CASE
    },
    Case {
        name: "heavy-loss",
        makes: "`loss 3%`, and 100 ms",
        lay: |lab| far(lab, "delay 50ms rate 50mbit limit 1000 loss 3%"),
        batch: 1,
        ..CASE
    },
    Case {
        name: "heavy-loss",
        makes: "the same with reno",
        cc: "reno",
        lay: |lab| far(lab, "delay 50ms rate 50mbit limit 1000 loss 3%"),
        batch: 3,
        ..CASE
    },
    Case {
        name: "policer",
        makes: "tc's `police rate 4mbit burst 15k`",
        needs: &["act_police", "cls_matchall", "sch_ingress"],
        lay: |lab| {
            forth(lab, FAST)?;
            police(lab, "4mbit", "15k")
        },
        batch: LAST,
        ..CASE
    },
    Case {
        name: "tail-loss",
        makes: "bursts of 10 segments before `police rate 256kbit burst 11k`, no tail loss probes",
        needs: &["act_police", "cls_matchall", "sch_ingress"],
        sender: sending(Sends::Writes { bytes: &[10 * 1_448], pause: ms(900) }),
        lay: |lab| {
            forth(lab, FAST)?;
            lab.client.sysctl("net.ipv4.tcp_early_retrans", "0")?;
            police(lab, "256kbit", "11k")
        },
        batch: LAST,
        ..CASE
    },
    Case {
        name: "outage",
        makes: "`loss 100%` both ways for 2.5 s",
        during: |lab| dark_for(lab, &["r0", "r1"]),
        sender: CALM,
        far: AFTER_OUTAGE,
        batch: 2,
        ..CASE
    },
    Case {
        name: "outage-acks",
        makes: "`loss 100%` on the way back for 2.5 s",
        during: |lab| dark_for(lab, &["r0"]),
        sender: CALM,
        far: AFTER_OUTAGE,
        batch: 3,
        ..CASE
    },
    Case {
        name: "not-answered",
        makes: "`loss 100%` from the start",
        sender: ATTEMPTS,
        lay: |lab| forth(lab, DARK),
        late: true,
        ..CASE
    },
    Case {
        name: "refused",
        makes: "nobody listens",
        sender: ATTEMPTS,
        receiver: reading(Reads::Nobody),
        ..CASE
    },
    Case {
        name: "unreachable",
        makes: "the router answers: host unreachable",
        sender: ATTEMPTS,
        lay: |lab| {
            forth(lab, FORTH)?;
            lab.forward("meta l4proto tcp reject with icmp type host-unreachable")
        },
        batch: LAST,
        ..CASE
    },
    Case {
        name: "peer-silent",
        makes: "`loss 100%` both ways, and keep-alive probes",
        sender: sending(Sends::KeepAlive),
        during: |lab| ["r0", "r1"].iter().try_for_each(|device| netem(&lab.router, device, DARK)),
        batch: 1,
        ..CASE
    },
    Case {
        name: "packets-too-big",
        makes: "the router drops what is longer than 1200 bytes, without a word",
        sender: sending(Sends::Writes { bytes: &[300, 300, 300, 300, 4_000], pause: ms(100) }),
        late: true,
        befalls: |lab| lab.forward("ip length > 1200 drop"),
        batch: LAST,
        ..CASE
    },
    Case {
        name: "black-hole",
        makes: "`loss 100%` both ways from the first data on",
        late: true,
        befalls: |lab| ["r0", "r1"].iter().try_for_each(|device| netem(&lab.router, device, DARK)),
        batch: 1,
        ..CASE
    },
    Case {
        name: "spurious",
        makes: "twice all packets come 0.6 s late, without tail loss probes",
        sender: sending(Sends::Paced { bytes_per_s: 150_000 }),
        during: |lab| {
            for _ in 0..2 {
                pause(ms(1_400));
                netem(&lab.router, "r1", "delay 620ms rate 10mbit limit 1000")?;
                pause(ms(600));
                netem(&lab.router, "r1", FORTH)?;
            }
            Ok(())
        },
        batch: LAST,
        lay: |lab| {
            forth(lab, FORTH)?;
            lab.client.sysctl("net.ipv4.tcp_early_retrans", "0")
        },
        ..CASE
    },
    Case {
        name: "reordering",
        makes: "`reorder 95%`: the others come 12 ms late",
        sender: sending(Sends::Paced { bytes_per_s: 600_000 }),
        lay: |lab| {
            netem(&lab.router, "r1", "delay 12ms reorder 95%")?;
            netem(&lab.router, "r0", "delay 28ms")
        },
        batch: 3,
        ..CASE
    },
    Case {
        name: "ecn",
        makes: "`loss 2% ecn`",
        lay: |lab| {
            for netns in [&lab.client, &lab.server] {
                netns.sysctl("net.ipv4.tcp_ecn", "1")?;
            }
            forth(lab, "delay 20ms rate 50mbit limit 1000 loss 2% ecn")
        },
        batch: LAST,
        ..CASE
    },
    Case {
        name: "local-queue",
        makes: "tbf on the sender's own device: 5 Mbit/s, one packet",
        lay: |lab| {
            forth(lab, BACK)?;
            one_by_one(lab)?;
            let shape = "rate 5mbit burst 4k limit 1600".split(' ');
            let tbf: Vec<_> = "qdisc replace dev c0 root tbf".split(' ').chain(shape).collect();
            lab.client.run("tc", &tbf).map(drop)
        },
        batch: LAST,
        ..CASE
    },
    Case {
        name: "slow-reader",
        makes: "it reads 10 kB every 50 ms: 1.6 of 10 Mbit/s",
        receiver: reading(Reads::Bites { bytes: 10_000, pause: ms(50) }),
        batch: 2,
        ..CASE
    },
    Case {
        name: "stopped-reader",
        makes: "it reads for a second, and then no more",
        sender: CALM,
        receiver: reading(Reads::For(ms(1_000))),
        ..CASE
    },
    Case {
        name: "small-rcvbuf",
        makes: "`SO_RCVBUF` of 8 kB",
        receiver: Receiver { reads: Reads::All, buffer_bytes: Some(8_192) },
        lay: |lab| forth(lab, FAST),
        batch: 1,
        ..CASE
    },
    Case {
        name: "small-sndbuf",
        makes: "`SO_SNDBUF` of 8 kB, and 100 ms",
        sender: Sender { sends: Sends::All, buffer_bytes: Some(8_192) },
        lay: |lab| far(lab, "delay 50ms rate 50mbit limit 1000"),
        batch: 2,
        ..CASE
    },
    Case {
        name: "sender-stops",
        makes: "it writes for 2 s, and then nothing any more",
        sender: sending(Sends::For { time: ms(2_000), bytes_per_s: CALM_BYTES_PER_S }),
        late: true,
        batch: 1,
        ..CASE
    },
    Case {
        name: "idle",
        makes: "200 bytes every half second",
        sender: sending(Sends::Writes { bytes: &[200], pause: ms(500) }),
        ..CASE
    },
];

/// Such a way forth, and the usual one back.
fn forth(lab: &Lab, how: &str) -> Result<()> {
    netem(&lab.router, "r1", how)?;
    netem(&lab.router, "r0", BACK)
}

/// The same with 100 ms there and back: a small window fills little of them, and what an
/// emulated machine adds is less beside them.
fn far(lab: &Lab, how: &str) -> Result<()> {
    netem(&lab.router, "r1", how)?;
    netem(&lab.router, "r0", "delay 50ms limit 1000")
}

/// After a second nothing passes these devices for two and a half.
fn dark_for(lab: &Lab, devices: &[&str]) -> Result<()> {
    pause(ms(1_000));
    devices.iter().try_for_each(|device| netem(&lab.router, device, DARK))?;
    pause(ms(2_500));
    devices.iter().try_for_each(|device| {
        netem(&lab.router, device, if *device == "r1" { FORTH } else { BACK })
    })
}

/// Has the router drop what comes faster from the client, a packet at a time.
fn police(lab: &Lab, rate: &str, burst: &str) -> Result<()> {
    one_by_one(lab)?;
    lab.router.run("tc", &["qdisc", "replace", "dev", "r0", "ingress"])?;
    let filter = ["filter", "add", "dev", "r0", "parent", "ffff:", "matchall"];
    let action = ["action", "police", "rate", rate, "burst", burst, "conform-exceed", "drop"];
    lab.router.run("tc", &[&filter[..], &action].concat()).map(drop)
}

/// The client's kernel cuts segments before they leave it, so that each is a packet.
fn one_by_one(lab: &Lab) -> Result<()> {
    lab.client.run("ip", &["link", "set", "c0", "gso_max_segs", "1"]).map(drop)
}
