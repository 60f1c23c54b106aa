//! Rows and reports for tests: nothing in them comes from a kernel.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use jiff::Timestamp;
use proptest::prelude::*;

use super::{
    Blind, Ends, FlowId, LeftOut, Name, Names, OpenSpells, Process, Report, Row, State, StateTimes,
    Totals, Whose,
};

/// A row in which all that can be unknown is, and nothing has happened.
pub(crate) fn row(lport: u16) -> Row {
    let addr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    Row {
        id: FlowId { socket: lport.into(), born_ns: 0 },
        ends: Ends { laddr: addr, lport, raddr: addr, rport: 80 },
        netns: 1,
        cookie: None,
        whose: Whose::default(),
        names: Names::default(),
        state: State::Open,
        times: StateTimes::default(),
        changes: 0,
        repeated_rtos: 0,
        cost: None,
        spell_ns: 0,
        exact: true,
        doubtful_ns: 0,
        ended: false,
    }
}

/// A report of these rows, as the ledger makes it.
pub(crate) fn report(rows: Vec<Row>) -> Report {
    Report {
        at: Timestamp::UNIX_EPOCH,
        from_ns: 0,
        to_ns: 1_000_000_000,
        groups: None,
        flows: rows.len(),
        totals: Totals::of(&rows),
        left_out: LeftOut::default(),
        rows,
        flows_alive: 0,
        flows_quiet: 0,
        flows_ended: 0,
        flows_ended_quiet: 0,
        open_spells: [OpenSpells::default(); 5],
        ended_spells: Vec::new(),
        group_spells: Vec::new(),
        spells: None,
        blind: Blind::default(),
        namespaces_unreached: 0,
    }
}

/// Rows of all kinds, many of them alike in something.
pub(crate) fn rows() -> impl Strategy<Value = Vec<Row>> {
    proptest::collection::vec(any_row(), 0..30)
}

fn any_row() -> impl Strategy<Value = Row> {
    let figures = (any::<[u32; 5]>(), 0..5_usize, 0..9_u32, 0..3_u32, any::<bool>(), any::<bool>());
    let who = (0..4_u16, 0..4_u16, any::<bool>(), 0..3_u8, 0..3_u8);
    (figures, who).prop_map(|((times, state, changes, repeated_rtos, exact, ended), who)| {
        let (lport, host, six, process, cgroup) = who;
        let raddr: IpAddr = if six {
            Ipv6Addr::new(0x2001, 0xdb8, 0, host, 0, 0, 0, host).into()
        } else {
            Ipv4Addr::from(u32::from(host) << 7).into()
        };
        let mut row = row(lport);
        row.ends.raddr = raddr;
        row.times = StateTimes(times.map(|time| u64::from(time % 4) * 1_000_000));
        (row.state, row.changes, row.repeated_rtos) = (State::ALL[state], changes, repeated_rtos);
        (row.exact, row.ended, row.doubtful_ns) = (exact, ended, u64::from(!exact) * 77);
        row.whose.cc = Name::from_text(["", "cubic", "bbr"][usize::from(process)]);
        let comm = Name::from_text(["", "curl", "nginx"][usize::from(cgroup)]);
        row.whose.process = (process > 0).then_some(Process { pid: process.into(), comm });
        row.names.cgroup = [None, Some("/a"), Some("/a/b")][usize::from(cgroup)].map(Arc::from);
        row
    })
}
