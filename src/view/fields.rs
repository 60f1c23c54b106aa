//! The one table of what a row can show: all formats, orders and groups go by
//! it. A new figure is one entry here. Not here: how any of it is printed.

use anstyle::AnsiColor;

use super::by::PrefixBits;
use super::field::{Field, count, text, time};
use crate::model::{IpVersion, Row, State, Value};
use crate::source::Wanted;

const OWNERS: Wanted = Wanted { owners: true, ..Field::NOTHING };
const CGROUPS: Wanted = Wanted { cgroups: true, ..Field::NOTHING };
const COSTS: Wanted = Wanted { costs: true, ..Field::NOTHING };
const NETNS: Wanted = Wanted { netns: true, ..Field::NOTHING };

/// The columns that say which flow a line is about, whatever else it tells.
pub(super) const IDENTITY: [&str; 11] = [
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
macro_rules! cost {
    ($kind:ident, $name:literal, $title:literal, $help:literal, |$cost:ident, $row:ident| $what:expr) => {
        cost!($kind, $name, $title, $help, $row => $row.cost.as_deref().map(|$cost| $what))
    };
    (time, $name:literal, $title:literal, $help:literal, $row:ident => $what:expr) => {
        time($name, $title, $help, |$row| $what.map_or(Value::Nothing, Value::Time))
            .wanting(COSTS)
            .summed()
            .on_request()
    };
    (count, $name:literal, $title:literal, $help:literal, $row:ident => $what:expr) => {
        count($name, $title, $help, |$row| Value::count($what))
            .wanting(COSTS)
            .summed()
            .on_request()
    };
}

/// All of them, in the order in which JSON has them.
pub static FIELDS: &[Field] = &[
    text("family", "Family", "what travels: ipv4 or ipv6", family),
    text("laddr", "LAddr", "local address", |row| Value::Addr(row.ends.laddr)),
    count("lport", "LPort", "local port; 0 before a connecting socket has one", |row| {
        Value::Count(row.ends.lport.into())
    }),
    text("raddr", "RAddr", "remote address", |row| Value::Addr(row.ends.raddr)),
    count("rport", "RPort", "remote port", |row| Value::Count(row.ends.rport.into())),
    count("netns", "Netns", "network namespace: its inode number", |row| {
        Value::Count(row.netns.into())
    }),
    count("cookie", "Cookie", "socket cookie, which ss -e shows in hexadecimal", |row| {
        Value::count(row.cookie)
    }),
    text("state", "State", "state at the interval's end, or when the connection ended", |row| {
        Value::text(Some(row.state.name()))
    }),
    time("open", "Open", "time in Open", |row| in_state(row, State::Open)).summed(),
    time("disorder", "Dod", "time in Disorder", |row| in_state(row, State::Disorder)).summed(),
    time("cwr", "Cwr", "time in CWR", |row| in_state(row, State::Cwr)).summed(),
    time("recovery", "Rcov", "time in Recovery", |row| in_state(row, State::Recovery))
        .summed()
        .coloured(AnsiColor::Yellow),
    time("loss", "Los", "time in Loss", |row| in_state(row, State::Loss))
        .summed()
        .coloured(AnsiColor::Red),
    count("changes", "Chgs", "transitions", |row| Value::Count(row.changes.into())).summed(),
    count("repeated_rtos", "RTOs", "Loss set again while in Loss", |row| {
        Value::Count(row.repeated_rtos.into())
    })
    .summed(),
    time(
        "spell",
        "Spell",
        "how long it has been in its state, former intervals included; 0 if it ended",
        |row| Value::Time(row.spell_ns),
    )
    .longest(),
    text("exact", "Exact", "whether every transition that bears on the figures was seen", |row| {
        Value::Is(row.exact)
    })
    .all(),
    time("doubtful", "Doubt", "if not exact: how much time may be in a wrong state", |row| {
        Value::Time(row.doubtful_ns)
    })
    .summed(),
    text("ended", "Ended", "whether it ended in the interval; of a group, how many did", |row| {
        Value::Is(row.ended)
    })
    .summed(),
    text("netns_name", "NetnsName", "network namespace: its name", |row| {
        Value::text(row.names.netns.as_deref())
    })
    .wanting(NETNS),
    count("cgroup_id", "CgroupId", "cgroup: the inode number of its folder", |row| {
        Value::count(row.whose.cgroup)
    }),
    text("cgroup", "Cgroup", "cgroup: its path", |row| Value::text(row.names.cgroup.as_deref()))
        .wanting(CGROUPS),
    text("unit", "Unit", "systemd unit", |row| {
        Value::text(row.names.workload.as_ref().and_then(|found| found.unit.as_ref()))
    })
    .wanting(CGROUPS),
    text("container", "Container", "container's id", |row| {
        Value::text(row.names.workload.as_ref().and_then(|found| found.container.as_ref()))
    })
    .wanting(CGROUPS),
    text("pod", "Pod", "Kubernetes pod's uid, or Podman pod's id", |row| {
        Value::text(row.names.workload.as_ref().and_then(|found| found.pod.as_ref()))
    })
    .wanting(CGROUPS),
    count("pid", "PID", "process that has the socket, or that connected it", |row| {
        Value::count(row.whose.process.map(|process| process.pid))
    })
    .wanting(OWNERS),
    text("comm", "Comm", "that process's name", |row| {
        Value::text(row.whose.process.and_then(|process| process.comm).as_ref())
    })
    .wanting(OWNERS),
    text("cc", "CC", "congestion control", |row| Value::text(row.whose.cc.as_ref())),
    // From here on only where they are named, or where a group needs them.
    text(
        "prefix",
        "Prefix",
        "network of the remote address: its /24 or /64, or as --by says",
        |row| Value::Prefix(PrefixBits::DEFAULT.of(row.ends.raddr)),
    )
    .on_request(),
    time("outside", "Outside", "time in all states but Open", |row| {
        Value::Time(row.times.outside_open_ns())
    })
    .summed()
    .on_request(),
    cost!(time, "busy", "Busy", "time with data to send or on its way", |cost, row| {
        cost.limits().busy_ns()
    }),
    cost!(time, "rwnd_limited", "Rwnd", "of that: the receiver's window was full", |cost, row| {
        cost.limits().rwnd_ns
    }),
    cost!(
        time,
        "sndbuf_limited",
        "Sndbuf",
        "of that: the send buffer was too small",
        |cost, row| { cost.limits().sndbuf_ns }
    ),
    cost!(time, "open_sending", "OpenSend", "of Open: data was on its way", |cost, row| {
        cost.open.sending_ns
    }),
    cost!(
        time,
        "open_rwnd_limited",
        "OpenRwnd",
        "of Open: the receiver's window was full",
        |cost, row| { cost.open.rwnd_ns }
    ),
    cost!(
        time,
        "open_sndbuf_limited",
        "OpenSndbuf",
        "of Open: the send buffer was too small",
        |cost, row| { cost.open.sndbuf_ns }
    ),
    cost!(time, "open_idle", "OpenIdle", "of Open: there was nothing to send", |cost, row| {
        cost.open_idle_ns
    }),
    cost!(count, "delivered", "Dlvd", "segments acknowledged", |cost, row| cost.delivered_in_all()),
    cost!(count, "delivered_open", "DlvdOpen", "of those, in Open", |cost, row| {
        cost.delivered_in(State::Open)
    }),
    cost!(count, "delivered_disorder", "DlvdDod", "of those, in Disorder", |cost, row| {
        cost.delivered_in(State::Disorder)
    }),
    cost!(count, "delivered_cwr", "DlvdCwr", "of those, in CWR", |cost, row| {
        cost.delivered_in(State::Cwr)
    }),
    cost!(count, "delivered_recovery", "DlvdRcov", "of those, in Recovery", |cost, row| {
        cost.delivered_in(State::Recovery)
    }),
    cost!(count, "delivered_loss", "DlvdLos", "of those, in Loss", |cost, row| {
        cost.delivered_in(State::Loss)
    }),
    cost!(count, "retrans", "Retr", "segments sent again", |cost, row| cost.retransmitted_in_all()),
    cost!(count, "retrans_open", "RetrOpen", "of those, in Open", |cost, row| {
        cost.retransmitted_in(State::Open)
    }),
    cost!(count, "retrans_disorder", "RetrDod", "of those, in Disorder", |cost, row| {
        cost.retransmitted_in(State::Disorder)
    }),
    cost!(count, "retrans_cwr", "RetrCwr", "of those, in CWR", |cost, row| {
        cost.retransmitted_in(State::Cwr)
    }),
    cost!(count, "retrans_recovery", "RetrRcov", "of those, in Recovery", |cost, row| {
        cost.retransmitted_in(State::Recovery)
    }),
    cost!(count, "retrans_loss", "RetrLos", "of those, in Loss", |cost, row| {
        cost.retransmitted_in(State::Loss)
    }),
    count("flows", "Flows", "connections: 1, or as many as a group has", |_| Value::Count(1))
        .summed()
        .on_request(),
];

fn family(row: &Row) -> Value {
    Value::text(Some(match row.ends.version() {
        IpVersion::Ipv4 => "ipv4",
        IpVersion::Ipv6 => "ipv6",
    }))
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

    use super::super::field::Kind;
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

    #[test]
    fn every_one_is_in_the_documentation() {
        let document = include_str!("../../docs/json.md");
        for one in FIELDS {
            assert!(document.contains(&format!("`{}`", one.key())), "{}", one.key());
        }
    }

    proptest! {
        #[test]
        fn values_are_of_their_fields_kind(rows in rows()) {
            for (field, row) in FIELDS.iter().flat_map(|it| rows.iter().map(move |row| (it, row))) {
                let fits = match field.of_row(row) {
                    Value::Nothing => true,
                    Value::Count(_) => field.kind == Kind::Count,
                    Value::Time(_) => field.kind == Kind::Time,
                    _ => field.kind == Kind::Text,
                };
                prop_assert!(fits, "{}", field.name);
            }
        }
    }
}
