//! The one table of what a row can show: all formats, orders and groups go by
//! it. A new figure is one entry here. Not here: how any of it is printed.

use super::by::PrefixBits;
use std::net::IpAddr;

use super::field::{Concern, Field, counter, duration, gauge, label, numeric_label};
use super::{
    Endpoints, IpVersion, Lookups, Row, Sample, State, StateTimes, Traffic, Value, is_link_local,
};

const OWNERS: Lookups = Lookups { owners: true, ..Field::NOTHING };
const CGROUPS: Lookups = Lookups { cgroups: true, ..Field::NOTHING };
const COSTS: Lookups = Lookups { costs: true, ..Field::NOTHING };
const NETNS: Lookups = Lookups { netns: true, ..Field::NOTHING };

/// The columns that say which flow a line is about, whatever else it tells.
pub const IDENTITY: [&str; 11] = [
    "family",
    "laddr",
    "lport",
    "raddr",
    "rport",
    "netns",
    "cookie",
    "cgroup_id",
    "pid",
    "comm",
    "cc",
];

/// A time, or a number, out of what came of a flow. Only where it is asked for:
/// each report has to look at every connection for it.
macro_rules! stats {
    ($kind:ident, $name:literal, $title:literal, $help:literal, |$stats:ident, $row:ident| $what:expr) => {
        stats!($kind, $name, $title, $help, $row => $row.stats.as_deref().map(|$stats| $what))
    };
    (duration, $name:literal, $title:literal, $help:literal, $row:ident => $what:expr) => {
        duration($name, $title, $help, |$row| $what.map_or(Value::Nothing, Value::Time))
            .wanting(COSTS)
            .summed()
            .on_request()
    };
    (counter, $name:literal, $title:literal, $help:literal, $row:ident => $what:expr) => {
        counter($name, $title, $help, |$row| Value::count($what)).wanting(COSTS).on_request()
    };
}

/// All of them, in the order in which JSON has them.
pub static FIELDS: &[Field] = &[
    label("family", "Family", "what travels: ipv4 or ipv6", family),
    label("laddr", "LAddr", "local address", |row| {
        let endpoints = &row.connection.endpoints;
        address(endpoints, endpoints.laddr, || endpoints.local_address(&row.names))
    }),
    numeric_label("lport", "LPort", "local port; 0 before a connecting socket has one", |row| {
        Value::Count(row.connection.endpoints.lport.into())
    }),
    label("raddr", "RAddr", "remote address", |row| {
        let endpoints = &row.connection.endpoints;
        address(endpoints, endpoints.raddr, || endpoints.remote_address(&row.names))
    }),
    numeric_label("rport", "RPort", "remote port", |row| {
        Value::Count(row.connection.endpoints.rport.into())
    }),
    numeric_label("netns", "Netns", "network namespace: its inode number", |row| {
        Value::Count(row.connection.netns.into())
    }),
    numeric_label("cookie", "Cookie", "socket cookie, which ss -e shows in hexadecimal", |row| {
        Value::count(row.connection.cookie)
    }),
    label("state", "State", "state at the interval's end, or when the connection ended", |row| {
        Value::text(Some(row.state.name()))
    }),
    duration("open", "Open", "time in Open", |row| in_state(row, State::Open)).summed(),
    duration("disorder", "Disorder", "time in Disorder", |row| in_state(row, State::Disorder))
        .summed(),
    duration("cwr", "CWR", "time in CWR", |row| in_state(row, State::Cwr)).summed(),
    duration("recovery", "Recovery", "time in Recovery", |row| in_state(row, State::Recovery))
        .summed()
        .concerning(Concern::Warning),
    duration("loss", "Loss", "time in Loss", |row| in_state(row, State::Loss))
        .summed()
        .concerning(Concern::Alarm),
    counter("changes", "Chgs", "transitions", |row| Value::Count(row.changes.into())),
    counter("rtos", "RTOs", "retransmission timeouts: Loss entered, or set again", |row| {
        Value::Count(row.rtos.into())
    }),
    counter("repeated_rtos", "RepRTOs", "of those, Loss set again while in Loss", |row| {
        Value::Count(row.repeated_rtos.into())
    }),
    duration(
        "spell",
        "Spell",
        "how long it has been in its state, former intervals included; 0 if it ended",
        |row| Value::Time(row.spell_ns),
    )
    .longest(),
    label("exact", "Exact", "whether every transition that bears on the figures was seen", |row| {
        Value::Is(row.exact)
    })
    .all(),
    duration("uncertain", "Uncert", "if not exact: how much time may be in a wrong state", |row| {
        Value::Time(row.uncertain_ns)
    })
    .summed(),
    label("ended", "Ended", "whether it ended in the interval; of a group, how many did", |row| {
        Value::Is(row.ended)
    })
    .summed(),
    label("netns_name", "NetnsName", "network namespace: its name", |row| {
        Value::text(row.names.netns.as_deref())
    })
    .wanting(NETNS),
    numeric_label("cgroup_id", "CgroupId", "cgroup: the inode number of its folder", |row| {
        Value::count(row.connection.owner.cgroup)
    }),
    label("cgroup", "Cgroup", "cgroup: its path", |row| Value::text(row.names.cgroup.as_deref()))
        .wanting(CGROUPS),
    label("unit", "Unit", "systemd unit", |row| {
        Value::text(row.names.workload.as_ref().and_then(|found| found.unit.as_ref()))
    })
    .wanting(CGROUPS),
    label("container", "Container", "container's id", |row| {
        Value::text(row.names.workload.as_ref().and_then(|found| found.container.as_ref()))
    })
    .wanting(CGROUPS)
    .short(12),
    label("pod", "Pod", "Kubernetes pod's uid, or Podman pod's id", |row| {
        Value::text(row.names.workload.as_ref().and_then(|found| found.pod.as_ref()))
    })
    .wanting(CGROUPS),
    numeric_label(
        "pid",
        "PID",
        "process that has the socket, connected it, or listens where it was accepted",
        |row| Value::count(row.connection.owner.process.map(|process| process.pid)),
    )
    .wanting(OWNERS),
    label("comm", "Comm", "that process's name", |row| {
        Value::text(row.connection.owner.process.and_then(|process| process.comm).as_ref())
    })
    .wanting(OWNERS),
    label("cc", "CC", "congestion control", |row| Value::text(row.cc.as_ref())),
    // From here on only where they are named, or where a group needs them.
    label(
        "prefix",
        "Prefix",
        "network of the remote address: its /24 or /64, or as --by says",
        |row| Value::Prefix(PrefixBits::DEFAULT.of(row.connection.endpoints.raddr)),
    )
    .on_request(),
    duration("outside", "Outside", "time in all states but Open", |row| {
        Value::Time(row.times.outside_open_ns())
    })
    .summed()
    .on_request(),
    stats!(duration, "busy", "Busy", "time with data to send or on its way", |stats, row| {
        stats.limits().busy_ns()
    }),
    stats!(
        duration,
        "rwnd_limited",
        "Rwnd",
        "of that: the receiver's window was full",
        |stats, row| { stats.limits().rwnd_ns }
    ),
    stats!(
        duration,
        "sndbuf_limited",
        "Sndbuf",
        "of that: the send buffer was too small",
        |stats, row| { stats.limits().sndbuf_ns }
    ),
    stats!(duration, "open_sending", "OpenSend", "of Open: data was on its way", |stats, row| {
        stats.open.sending_ns
    }),
    stats!(
        duration,
        "open_rwnd_limited",
        "OpenRwnd",
        "of Open: the receiver's window was full",
        |stats, row| { stats.open.rwnd_ns }
    ),
    stats!(
        duration,
        "open_sndbuf_limited",
        "OpenSndbuf",
        "of Open: the send buffer was too small",
        |stats, row| { stats.open.sndbuf_ns }
    ),
    stats!(
        duration,
        "open_idle",
        "OpenIdle",
        "of Open: application-limited, nothing to send",
        |stats, row| { stats.open_idle_ns }
    ),
    stats!(counter, "delivered", "Dlvd", "segments acknowledged", |stats, row| stats
        .delivered_in_all()),
    stats!(counter, "delivered_open", "DlvdOpen", "of those, in Open", |stats, row| {
        stats.delivered_in(State::Open)
    }),
    stats!(counter, "delivered_disorder", "DlvdDisorder", "of those, in Disorder", |stats, row| {
        stats.delivered_in(State::Disorder)
    }),
    stats!(counter, "delivered_cwr", "DlvdCWR", "of those, in CWR", |stats, row| {
        stats.delivered_in(State::Cwr)
    }),
    stats!(counter, "delivered_recovery", "DlvdRecovery", "of those, in Recovery", |stats, row| {
        stats.delivered_in(State::Recovery)
    }),
    stats!(counter, "delivered_loss", "DlvdLoss", "of those, in Loss", |stats, row| {
        stats.delivered_in(State::Loss)
    }),
    stats!(counter, "retrans", "Retr", "segments retransmitted", |stats, row| stats
        .retransmitted_in_all()),
    stats!(counter, "retrans_open", "RetrOpen", "of those, in Open", |stats, row| {
        stats.retransmitted_in(State::Open)
    }),
    stats!(counter, "retrans_disorder", "RetrDisorder", "of those, in Disorder", |stats, row| {
        stats.retransmitted_in(State::Disorder)
    }),
    stats!(counter, "retrans_cwr", "RetrCWR", "of those, in CWR", |stats, row| {
        stats.retransmitted_in(State::Cwr)
    }),
    stats!(counter, "retrans_recovery", "RetrRecovery", "of those, in Recovery", |stats, row| {
        stats.retransmitted_in(State::Recovery)
    }),
    stats!(counter, "retrans_loss", "RetrLoss", "of those, in Loss", |stats, row| {
        stats.retransmitted_in(State::Loss)
    }),
    gauge("rate", "Rate", "bits a second that the peer acknowledged", |row| {
        told(row, Traffic::acked_bits)
    })
    .wanting(COSTS)
    .summed()
    .on_request(),
    gauge("recv_rate", "RecvRate", "bits a second that came from the peer", |row| {
        told(row, Traffic::received_bits)
    })
    .wanting(COSTS)
    .summed()
    .on_request(),
    gauge("delivery_rate", "DlvRate", "the kernel's last sample of that, bits a second", |row| {
        Value::count(last(row).and_then(|last| last.path?.delivery_rate_bits()))
    })
    .wanting(COSTS)
    .summed()
    .on_request(),
    duration("rtt", "RTT", "smoothed round-trip time, at the last look", |row| {
        microseconds(last(row).and_then(|last| last.srtt_us))
    })
    .wanting(COSTS)
    .longest()
    .on_request(),
    duration("rtt_min", "RTTmin", "the least round-trip time in five minutes", |row| {
        microseconds(last(row).and_then(|last| last.path?.rtt_min()))
    })
    .wanting(COSTS)
    .shortest()
    .on_request(),
    gauge("cwnd", "Cwnd", "congestion window at the last look, segments", |row| {
        Value::count(last(row).map(|last| last.cwnd))
    })
    .wanting(COSTS)
    .summed()
    .on_request(),
    duration(
        "waited",
        "Waited",
        "before timeouts: since the last acknowledgement or transmission",
        |row| waited(row, StateTimes::total_ns),
    )
    .wanting(COSTS)
    .summed()
    .on_request(),
    duration("waited_open", "WaitOpen", "of that, in Open", |row| {
        waited(row, |waited| waited[State::Open])
    })
    .wanting(COSTS)
    .summed()
    .on_request(),
    duration("waited_disorder", "WaitDisorder", "of that, in Disorder", |row| {
        waited(row, |waited| waited[State::Disorder])
    })
    .wanting(COSTS)
    .summed()
    .on_request(),
    duration("waited_loss", "WaitLoss", "of that, in Loss: before repeated timeouts", |row| {
        waited(row, |waited| waited[State::Loss])
    })
    .wanting(COSTS)
    .summed()
    .on_request(),
    counter("acked_bytes", "Acked", "bytes that the peer acknowledged", |row| {
        told(row, |traffic| of_acked(traffic, traffic.acked_bytes))
    })
    .wanting(COSTS)
    .on_request(),
    counter("received_bytes", "Received", "bytes that came from the peer", |row| {
        told(row, |traffic| of_received(traffic, traffic.received_bytes))
    })
    .wanting(COSTS)
    .on_request(),
    counter("ce", "CE", "segments that arrived with an ECN mark", |row| {
        told(row, |traffic| of_acked(traffic, traffic.ce))
    })
    .wanting(COSTS)
    .on_request(),
    counter("dsacks", "DSACKs", "segments that the peer had twice", |row| {
        told(row, |traffic| of_acked(traffic, traffic.dsacks))
    })
    .wanting(COSTS)
    .on_request(),
    counter("overtaken", "Overtaken", "segments that arrived behind later ones", |row| {
        told(row, |traffic| of_acked(traffic, traffic.overtaken))
    })
    .wanting(COSTS)
    .on_request(),
    counter(
        "out_of_order",
        "OutOfOrder",
        "segments that came while others before them were missing",
        |row| told(row, |traffic| of_received(traffic, traffic.out_of_order)),
    )
    .wanting(COSTS)
    .on_request(),
    label("cwnd_limited", "CwndLim", "whether the window was the limit, at the last look", |row| {
        last(row)
            .and_then(|last| last.path)
            .map_or(Value::Nothing, |path| Value::Is(path.cwnd_limited))
    })
    .wanting(COSTS)
    .summed()
    .on_request(),
    label("app_limited", "AppLim", "whether the last rate sample had too little to send", |row| {
        last(row)
            .and_then(|last| last.path)
            .map_or(Value::Nothing, |path| Value::Is(path.app_limited))
    })
    .wanting(COSTS)
    .summed()
    .on_request(),
    gauge("unread", "Unread", "bytes that the application has not read, at the last look", |row| {
        Value::count(last(row).and_then(|last| Some(last.receiving?.unread)))
    })
    .wanting(COSTS)
    .summed()
    .on_request(),
    gauge("rcv_wnd", "RcvWnd", "bytes that the peer may still send, at the last look", |row| {
        Value::count(last(row).and_then(|last| Some(last.receiving?.window)))
    })
    .wanting(COSTS)
    .summed()
    .on_request(),
    counter("flows", "Flows", "connections: 1, or as many as a group has", |_| Value::Count(1))
        .on_request(),
];

/// Of what went either way, where somebody has told of it.
fn told(row: &Row, value: fn(&Traffic) -> Option<u64>) -> Value {
    Value::count(row.stats.as_ref().and_then(|stats| value(&stats.traffic)))
}

fn of_acked(traffic: &Traffic, count: u64) -> Option<u64> {
    (traffic.acked_over_ns > 0).then_some(count)
}

fn of_received(traffic: &Traffic, count: u64) -> Option<u64> {
    (traffic.received_over_ns > 0).then_some(count)
}

fn last(row: &Row) -> Option<&Sample> {
    row.stats.as_ref()?.last.as_ref()
}

fn microseconds(time: Option<u32>) -> Value {
    time.map_or(Value::Nothing, |us| Value::Time(u64::from(us) * 1000))
}

/// Without figures nobody has told of it.
fn waited(row: &Row, what: fn(&StateTimes) -> u64) -> Value {
    let has_told = row.stats.as_ref().is_some_and(|stats| stats.traffic.acked_over_ns > 0);
    let is_known = has_told || row.waited.total_ns() > 0;
    if is_known { Value::Time(what(&row.waited)) } else { Value::Nothing }
}

fn family(row: &Row) -> Value {
    Value::text(Some(match row.connection.endpoints.version() {
        IpVersion::Ipv4 => "ipv4",
        IpVersion::Ipv6 => "ipv6",
    }))
}

/// As an address, or as a text where it is none without its interface.
fn address(endpoints: &Endpoints, address: IpAddr, text: impl FnOnce() -> String) -> Value {
    let is_whole = endpoints.zone == 0 || !is_link_local(address);
    if is_whole { Value::Addr(address) } else { Value::Text(text()) }
}

fn in_state(row: &Row, state: State) -> Value {
    Value::Time(row.times[state])
}

/// The field that is called so, with or without its unit.
#[must_use]
pub fn field(name: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.name == name || field.key() == name)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::super::field::FieldKind;
    use super::*;
    use crate::model::sample::rows;

    #[test]
    fn names_are_of_one_field_each_and_helps_are_one_line() {
        let mut names = HashSet::new();
        for one in FIELDS {
            assert!(names.insert(one.name.to_owned()), "{}", one.name);
            assert!(one.key() == one.name || names.insert(one.key()), "{}", one.key());
            assert_eq!(field(one.name), Some(one));
            assert_eq!(field(&one.key()), Some(one));
            assert!(!one.help.is_empty() && !one.help.contains('\n'), "{}", one.name);
            let odd = |letter: char| letter.is_whitespace() || letter == ',';
            assert!(!one.name.contains(odd) && !one.title.contains(odd), "{}", one.name);
        }
        assert_eq!(field("help"), None);
    }

    proptest! {
        #[test]
        fn values_are_of_their_fields_kind(rows in rows()) {
            for (field, row) in FIELDS.iter().flat_map(|field| rows.iter().map(move |row| (field, row))) {
                let fits = match field.of_row(row) {
                    Value::Nothing => true,
                    Value::Count(_) => matches!(
                        field.kind,
                        FieldKind::Counter | FieldKind::Gauge | FieldKind::NumericLabel
                    ),
                    Value::Time(_) => field.kind == FieldKind::Duration,
                    _ => field.kind == FieldKind::Label,
                };
                prop_assert!(fits, "{}", field.name);
            }
        }
    }
}
