use super::*;

/// A record's bytes, written as the kernel side writes them.
struct Bytes([u8; FLOW_BYTES]);

impl Bytes {
    fn new() -> Self {
        let mut bytes = Self([0; FLOW_BYTES]);
        bytes.put(offset_of!(layout::flow, born_ns), &1_000_u64.to_ne_bytes());
        bytes.put(offset_of!(layout::flow, who.family), &[AF_INET]);
        bytes.put(offset_of!(layout::flow, who.laddr), &[10, 0, 0, 1]);
        bytes.put(offset_of!(layout::flow, who.raddr), &[10, 0, 0, 2]);
        bytes.put(offset_of!(layout::flow, who.lport), &40_000_u16.to_ne_bytes());
        bytes.put(offset_of!(layout::flow, who.rport), &443_u16.to_ne_bytes());
        bytes.spell(offset_of!(layout::flow, now), 1_300, 4, [200, 0, 0, 100, 0]);
        bytes
    }

    fn put(&mut self, at: usize, value: &[u8]) {
        self.0[at..at + value.len()].copy_from_slice(value);
    }

    fn spell(&mut self, tally: usize, since_ns: u64, state: u64, spent: [u64; 5]) {
        let word = since_ns << 3 | state;
        self.put(tally + offset_of!(layout::tally, spell), &word.to_ne_bytes());
        for (slot, ns) in spent.iter().enumerate() {
            let at = tally + offset_of!(layout::tally, spent_ns) + 8 * slot;
            self.put(at, &ns.to_ne_bytes());
        }
    }

    fn decode(&self) -> Result<FlowRecord, WireError> {
        FlowRecord::decode(7, &self.0, None)
    }
}

#[test]
fn a_record_becomes_a_reading() {
    let mut bytes = Bytes::new();
    let now = offset_of!(layout::flow, now);
    bytes.put(now + offset_of!(layout::tally, changes), &2_u32.to_ne_bytes());
    bytes.put(now + offset_of!(layout::tally, repeated_rtos), &3_u32.to_ne_bytes());
    bytes.put(now + offset_of!(layout::tally, flags), &TALLY_FOUND_LATE.to_ne_bytes());
    bytes.put(offset_of!(layout::flow, who.netns), &4_026_531_833_u32.to_ne_bytes());
    bytes.put(offset_of!(layout::flow, who.cookie), &99_u64.to_ne_bytes());
    bytes.put(offset_of!(layout::flow, who.cgroup), &4_711_u64.to_ne_bytes());
    bytes.put(offset_of!(layout::flow, who.cc), b"bbr");
    bytes.put(offset_of!(layout::flow, who.pid), &77_u32.to_ne_bytes());
    bytes.put(offset_of!(layout::flow, who.comm), b"curl");
    let record = bytes.decode().unwrap();
    let flow = record.latest();
    let name = |text| Name::from_text(text);
    let process = Process { pid: 77, comm: name("curl") };
    let whose = Whose { cgroup: Some(4_711), cc: name("bbr"), process: Some(process) };
    assert_eq!(flow.whose, whose);
    assert_eq!(flow.id, FlowId { socket: 7, born_ns: 1_000 });
    assert_eq!(flow.ends.laddr.to_string(), "10.0.0.1");
    assert_eq!((flow.ends.lport, flow.ends.rport), (40_000, 443));
    assert_eq!((flow.netns, flow.cookie), (4_026_531_833, Some(99)));
    assert_eq!(flow.tally.spell, Spell::Open { state: State::Loss, since_ns: 1_300 });
    assert_eq!(flow.tally.ended_spells, StateTimes([200, 0, 0, 100, 0]));
    assert_eq!((flow.tally.changes, flow.tally.repeated_rtos), (2, 3));
    assert!(flow.tally.found_late);
    assert_eq!(flow.tally.spent_until(1_350).total_ns(), 350);
}

#[test]
fn short_and_long_input_is_refused_with_both_lengths() {
    for found in [0, FLOW_BYTES - 1, FLOW_BYTES + 8] {
        let refused = FlowRecord::decode(7, &vec![0; found], None);
        assert_eq!(refused, Err(WireError::Length { expected: FLOW_BYTES, found }));
    }
    assert_eq!(
        ended_socket(&[0; 8]),
        Err(WireError::Length { expected: ENDED_KEY_BYTES, found: 8 })
    );
}

#[test]
fn unknown_states_and_families_are_refused() {
    let mut bytes = Bytes::new();
    bytes.spell(offset_of!(layout::flow, now), 1_300, 5, [300, 0, 0, 0, 0]);
    assert_eq!(bytes.decode(), Err(WireError::State(5)));
    let mut bytes = Bytes::new();
    bytes.put(offset_of!(layout::flow, who.family), &[1]);
    assert_eq!(bytes.decode(), Err(WireError::Family(1)));
}

#[test]
fn a_torn_copy_is_found_by_its_guards_or_its_sum() {
    let head = offset_of!(layout::flow, guard_head);
    let tail = offset_of!(layout::flow, guard_tail);
    for (at_head, at_tail) in [(3_u64, 3_u64), (2, 3), (3, 4), (2, 4)] {
        let mut bytes = Bytes::new();
        bytes.put(head, &at_head.to_ne_bytes());
        bytes.put(tail, &at_tail.to_ne_bytes());
        assert_eq!(bytes.decode(), Err(WireError::Torn), "{at_head} {at_tail}");
    }
    let mut bytes = Bytes::new();
    bytes.spell(offset_of!(layout::flow, now), 1_300, 4, [200, 0, 0, 0, 0]);
    assert_eq!(bytes.decode(), Err(WireError::Torn), "time is missing");
}

#[test]
fn figures_are_those_of_the_boundary_whatever_came_after() {
    let mut bytes = Bytes::new();
    bytes.put(offset_of!(layout::flow, frozen_at), &1_250_u64.to_ne_bytes());
    bytes.spell(offset_of!(layout::flow, frozen), 1_200, 3, [200, 0, 0, 0, 0]);
    let record = bytes.decode().unwrap();
    let then = record.at(1_250).unwrap();
    assert_eq!(then.tally.spell, Spell::Open { state: State::Recovery, since_ns: 1_200 });
    assert_eq!(then.tally.spent_until(1_250), StateTimes([200, 0, 0, 50, 0]));
    let later = record.at(1_400).unwrap();
    assert_eq!(later.tally.spent_until(1_400), StateTimes([200, 0, 0, 100, 100]));
    assert_eq!(record.at(1_000), None, "not born yet");
}

#[test]
fn an_ended_record_keeps_its_last_state() {
    let mut bytes = Bytes::new();
    let now = offset_of!(layout::flow, now);
    bytes.spell(now, 1_300, STATE_ENDED, [200, 0, 0, 100, 0]);
    let flags = 3_u32 << TALLY_LAST_STATE_SHIFT;
    bytes.put(now + offset_of!(layout::tally, flags), &flags.to_ne_bytes());
    let record = bytes.decode().unwrap();
    let tally = record.latest().tally;
    assert_eq!(tally.spell, Spell::Ended { at_ns: 1_300, last: State::Recovery });
    assert_eq!(tally.spent_until(9_999).total_ns(), 300);
}

#[test]
fn ipv4_mapped_addresses_are_ipv4_and_loopback_is_not_taken_for_one() {
    let mut bytes = Bytes::new();
    bytes.put(offset_of!(layout::flow, who.family), &[AF_INET6]);
    let mapped = Ipv4Addr::new(10, 0, 0, 9).to_ipv6_mapped().octets();
    bytes.put(offset_of!(layout::flow, who.laddr), &mapped);
    bytes.put(offset_of!(layout::flow, who.raddr), &Ipv6Addr::LOCALHOST.octets());
    let ends = bytes.decode().unwrap().latest().ends;
    assert_eq!((ends.laddr.to_string(), ends.raddr.to_string()), ("10.0.0.9".into(), "::1".into()));
}

#[test]
fn costs_since_they_were_measured_are_those_of_the_open_spells_state() {
    let mut bytes = Bytes::new();
    let mut account = [0; GLANCE_BYTES];
    let last = offset_of!(layout::flow, cost.last);
    let now = offset_of!(layout::glance, account);
    for (name, then, later) in [
        (offset_of!(layout::account, chrono), 7_u32, 9_u32),
        // What an event has measured since is newer.
        (offset_of!(layout::account, chrono) + 8, 5, 4),
        // It goes round.
        (offset_of!(layout::account, delivered), u32::MAX, 2),
        (offset_of!(layout::account, retransmitted), 3, 3),
    ] {
        bytes.put(last + name, &then.to_ne_bytes());
        account[now + name..][..size_of::<u32>()].copy_from_slice(&later.to_ne_bytes());
    }
    let born = offset_of!(layout::glance, born_ns);
    account[born..][..size_of::<u64>()].copy_from_slice(&1_000_u64.to_ne_bytes());
    let (id, account) = glance(&account).unwrap();
    let mut record = FlowRecord::decode(7, &bytes.0, Some(4)).unwrap();
    record.add_cost(&account, 4);
    assert_eq!(id.born_ns, record.latest().id.born_ns);
    let cost = record.latest().cost.as_deref().unwrap();
    // The record's open spell is in Loss.
    assert_eq!((cost.other.sending_ns, cost.other.sndbuf_ns, cost.open.sending_ns), (8, 0, 0));
    assert_eq!((cost.delivered, cost.retransmitted), ([0, 0, 0, 0, 3], [0; 5]));
    assert_eq!(glance(&[0; 7]), Err(WireError::Length { expected: GLANCE_BYTES, found: 7 }));
}

#[test]
fn a_socket_found_gone_ends_with_its_open_spell_in_doubt() {
    let record = Bytes::new().decode().unwrap().found_gone(1_800, 2_000);
    let tally = record.latest().tally;
    assert_eq!(tally.spell, Spell::Ended { at_ns: 1_800, last: State::Loss });
    assert_eq!(tally.ended_spells, StateTimes([200, 0, 0, 100, 500]));
    assert_eq!((tally.missed, tally.doubtful_ns), (1, 500));
}

#[test]
fn a_socket_found_gone_after_the_boundary_was_there_at_it() {
    let before = Bytes::new().decode().unwrap();
    let record = before.clone().found_gone(1_800, 1_700);
    let then = record.at(1_700).unwrap().tally;
    assert_eq!(then, before.latest().tally);
    assert_eq!(then.spent_until(1_700).total_ns(), 700);
    let tally = record.at(1_900).unwrap().tally;
    assert!(!tally.has_ended_before(1_700) && !tally.has_ended_before(1_800));
    assert!(tally.has_ended_before(1_801));
}

#[test]
fn the_kernel_sides_numbers_are_these() {
    let header = include_str!("../bpf/wire.h");
    let has = |name, number: u64| {
        let line = format!("#define {name} {number}");
        assert!(header.lines().any(|it| it == line), "no {line}");
    };
    has("STATE_ENDED", STATE_ENDED);
    has("TALLY_FOUND_LATE", TALLY_FOUND_LATE.into());
    has("TALLY_LAST_STATE_SHIFT", TALLY_LAST_STATE_SHIFT.into());
    // An enumeration: each on a line of its own, numbered from 0 on.
    let causes = header.lines().filter_map(|line| {
        line.strip_prefix("\tCAUSE_")?.split_once(',').map(|(name, _)| name.to_lowercase())
    });
    let mut number = 0;
    for name in causes {
        if name == "none" {
            assert_eq!(number, CAUSE_NONE);
        } else {
            let printed = Cause::from_wire(number).to_string().replace("f-rto", "frto");
            assert_eq!(printed.replace(['-', ':'], "_"), name);
        }
        number += 1;
    }
    assert_eq!(number, CAUSE_NONE + 1);
}
