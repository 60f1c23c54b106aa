//! Bytes of the kernel side's structs (`bpf/wire.h`) become model types.
//! Pure: no system call here, and no differences.

use std::mem::{offset_of, size_of};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use thiserror::Error;

use crate::kernel::layout;
use crate::model::{
    Cause, Change, Cost, EndedSpell, Ends, FlowId, Limits, Name, Process, Reading, Spell, State,
    StateTimes, Tale, Tally, Transition, Whose,
};

/// Size of a flow's record, bytes.
pub const FLOW_BYTES: usize = size_of::<layout::flow>();
/// Size of an ended flow's key, bytes.
pub const ENDED_KEY_BYTES: usize = size_of::<layout::ended_key>();

const STATE_ENDED: u64 = 7;
const CAUSE_NONE: u8 = 17;
const TALLY_FOUND_LATE: u32 = 1;
const TALLY_LAST_STATE_SHIFT: u32 = 8;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// Size of a transition, bytes.
pub const TRANSITION_BYTES: usize = size_of::<layout::transition>();
/// Where a flow's record has its `struct who`.
const WHO: usize = offset_of!(layout::flow, who);
/// `TCP_INFINITE_SSTHRESH`, include/net/tcp.h.
const NO_SSTHRESH: u32 = 0x7fff_ffff;

/// Bytes that are no record.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum WireError {
    /// Too short or too long.
    #[error("a record has {found} bytes, not {expected}")]
    Length {
        /// What a record has.
        expected: usize,
        /// What came.
        found: usize,
    },
    /// Copied while it was being written.
    #[error("a record was being written while it was copied")]
    Torn,
    /// A state that this version does not know.
    #[error("a record holds the unknown congestion state {0}")]
    State(u64),
    /// An address family that this version does not know.
    #[error("a record holds the unknown address family {0}")]
    Family(u8),
}

/// A socket's own account as it stood at an instant: times in ticks, and segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    chrono: [u32; 3],
    delivered: u32,
    retransmitted: u32,
}

/// One flow's record: its figures now, and as they stood at a boundary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowRecord {
    now: Reading,
    frozen: Option<(u64, Tally)>,
    /// As it stood when its costs were last measured.
    account: Account,
    /// The last survey that met the socket.
    pub surveyed: u32,
}

impl FlowRecord {
    /// Decodes a `struct flow` that stood under the key `socket`. `tick_ns`: the
    /// kernel's tick, where costs were asked for.
    pub fn decode(socket: u64, bytes: &[u8], tick_ns: Option<u64>) -> Result<Self, WireError> {
        if bytes.len() != FLOW_BYTES {
            return Err(WireError::Length { expected: FLOW_BYTES, found: bytes.len() });
        }
        let head = u64_at(bytes, offset_of!(layout::flow, guard_head));
        let tail = u64_at(bytes, offset_of!(layout::flow, guard_tail));
        if head != tail || head % 2 == 1 {
            return Err(WireError::Torn);
        }
        let born_ns = u64_at(bytes, offset_of!(layout::flow, born_ns));
        let now = tally(bytes, offset_of!(layout::flow, now))?;
        // The spells so far fill the life: what sums to anything else was torn.
        let begun = match now.spell {
            Spell::Open { since_ns, .. } => since_ns,
            Spell::Ended { at_ns, .. } => at_ns,
        };
        if now.ended_spells.total_ns() != begun.wrapping_sub(born_ns) {
            return Err(WireError::Torn);
        }
        let frozen = match u64_at(bytes, offset_of!(layout::flow, frozen_at)) {
            0 => None,
            at_ns => Some((at_ns, tally(bytes, offset_of!(layout::flow, frozen))?)),
        };
        Ok(Self {
            now: Reading {
                id: FlowId { socket, born_ns },
                ends: ends(bytes, WHO)?,
                netns: u32_at(bytes, WHO + offset_of!(layout::who, netns)),
                cookie: cookie(bytes, WHO),
                whose: whose(bytes, WHO),
                cost: tick_ns.map(|tick_ns| Box::new(cost(bytes, tick_ns))),
                first_state: state(bytes[offset_of!(layout::flow, first_state)].into())?,
                tally: now,
            },
            frozen,
            account: account(bytes, offset_of!(layout::flow, cost.last)),
            surveyed: u32_at(bytes, offset_of!(layout::flow, surveyed)),
        })
    }

    /// The flow as it stood at `boundary_ns`; nothing if it was born later.
    #[must_use]
    pub fn at(&self, boundary_ns: u64) -> Option<Reading> {
        if self.now.id.born_ns >= boundary_ns {
            return None;
        }
        let tally = match self.frozen {
            Some((at_ns, tally)) if at_ns == boundary_ns => tally,
            _ => self.now.tally,
        };
        Some(Reading { tally, ..self.now.clone() })
    }

    /// Adds to its costs what has come of it since they were measured, by its account
    /// a moment ago. What an event has measured since then is in its costs already.
    pub fn add_cost(&mut self, account: &Account, tick_ns: u64) {
        let Spell::Open { state, .. } = self.now.tally.spell else { return };
        let Some(cost) = self.now.cost.as_deref_mut() else { return };
        let since = |now: u32, then: u32| {
            let more = now.wrapping_sub(then);
            if more.cast_signed() < 0 { 0 } else { u64::from(more) }
        };
        let limits = if state == State::Open { &mut cost.open } else { &mut cost.other };
        let ticks: [_; 3] =
            std::array::from_fn(|kind| since(account.chrono[kind], self.account.chrono[kind]));
        limits.sending_ns += ticks[0] * tick_ns;
        limits.rwnd_ns += ticks[1] * tick_ns;
        limits.sndbuf_ns += ticks[2] * tick_ns;
        cost.delivered[state as usize] += since(account.delivered, self.account.delivered);
        cost.retransmitted[state as usize] +=
            since(account.retransmitted, self.account.retransmitted);
    }

    /// Takes its costs away, which nobody has measured.
    pub fn drop_cost(&mut self) {
        self.now.cost = None;
    }

    /// The flow as it is now.
    #[must_use]
    pub fn latest(&self) -> &Reading {
        &self.now
    }

    /// The same record, ended at `at_ns`, because its socket was found gone. At
    /// `boundary_ns` it was still there, if that is not later.
    #[must_use]
    pub fn found_gone(mut self, at_ns: u64, boundary_ns: u64) -> Self {
        let tally = &mut self.now.tally;
        let is_frozen = self.frozen.is_some_and(|(frozen_ns, _)| frozen_ns == boundary_ns);
        if !is_frozen && boundary_ns <= at_ns {
            self.frozen = Some((boundary_ns, *tally));
        }
        if let Spell::Open { state, since_ns } = tally.spell {
            let at_ns = at_ns.max(since_ns);
            tally.ended_spells[state] += at_ns - since_ns;
            tally.doubtful_ns += at_ns - since_ns;
            tally.missed += 1;
            tally.spell = Spell::Ended { at_ns, last: state };
        }
        self
    }
}

/// Decodes a `struct transition`.
pub fn tale(bytes: &[u8]) -> Result<Tale, WireError> {
    if bytes.len() != TRANSITION_BYTES {
        return Err(WireError::Length { expected: TRANSITION_BYTES, found: bytes.len() });
    }
    macro_rules! at {
        ($read:ident, $field:ident) => {
            $read(bytes, offset_of!(layout::transition, $field))
        };
    }
    let who = offset_of!(layout::transition, who);
    let id = FlowId { socket: at!(u64_at, socket), born_ns: at!(u64_at, born_ns) };
    let (at_ns, spell_ns) = (at!(u64_at, at_ns), at!(u64_at, spell_ns));
    let from = state(bytes[offset_of!(layout::transition, from)].into())?;
    let to = bytes[offset_of!(layout::transition, to)].into();
    let cause = bytes[offset_of!(layout::transition, cause)];
    if cause == CAUSE_NONE {
        let next = if to == STATE_ENDED { None } else { Some(state(to)?) };
        return Ok(Tale::Spell(EndedSpell {
            at_ns,
            id,
            state: from,
            next,
            found: next.is_some(),
            length_ns: spell_ns,
        }));
    }
    let known = |size: u32| (size != 0 && size != NO_SSTHRESH).then_some(size);
    let out = at!(u32_at, packets_out).wrapping_add(at!(u32_at, retrans_out));
    let left = at!(u32_at, sacked_out).wrapping_add(at!(u32_at, lost_out));
    Ok(Tale::Transition(Transition {
        at_ns,
        id,
        ends: ends(bytes, who)?,
        netns: u32_at(bytes, who + offset_of!(layout::who, netns)),
        cookie: cookie(bytes, who),
        whose: whose(bytes, who),
        from,
        to: state(to)?,
        cause: Cause::from_wire(cause),
        spell_ns,
        exact: bytes[offset_of!(layout::transition, exact)] != 0,
        cwnd: Change {
            before: known(at!(u32_at, cwnd_before)),
            after: known(at!(u32_at, cwnd_after)),
        },
        ssthresh: Change {
            before: known(at!(u32_at, ssthresh_before)),
            after: known(at!(u32_at, ssthresh_after)),
        },
        srtt_us: at!(u32_at, srtt_us),
        in_flight: out.saturating_sub(left),
        lost: at!(u32_at, lost_out),
        retransmitted: at!(u32_at, retrans_out),
    }))
}

/// The socket of a `struct ended_key`.
pub fn ended_socket(bytes: &[u8]) -> Result<u64, WireError> {
    if bytes.len() != ENDED_KEY_BYTES {
        return Err(WireError::Length { expected: ENDED_KEY_BYTES, found: bytes.len() });
    }
    Ok(u64_at(bytes, offset_of!(layout::ended_key, socket)))
}

fn tally(bytes: &[u8], at: usize) -> Result<Tally, WireError> {
    let word = u64_at(bytes, at + offset_of!(layout::tally, spell));
    let flags = u32_at(bytes, at + offset_of!(layout::tally, flags));
    let spell = match word & 7 {
        STATE_ENDED => Spell::Ended {
            at_ns: word >> 3,
            last: state((flags >> TALLY_LAST_STATE_SHIFT).into())?,
        },
        open => Spell::Open { state: state(open)?, since_ns: word >> 3 },
    };
    let mut ended_spells = StateTimes::default();
    for (slot, time) in ended_spells.0.iter_mut().enumerate() {
        *time = u64_at(bytes, at + offset_of!(layout::tally, spent_ns) + slot * size_of::<u64>());
    }
    Ok(Tally {
        spell,
        ended_spells,
        changes: u32_at(bytes, at + offset_of!(layout::tally, changes)),
        repeated_rtos: u32_at(bytes, at + offset_of!(layout::tally, repeated_rtos)),
        missed: u32_at(bytes, at + offset_of!(layout::tally, missed)),
        found_late: flags & TALLY_FOUND_LATE != 0,
        doubtful_ns: u64_at(bytes, at + offset_of!(layout::tally, doubtful_ns)),
    })
}

fn state(number: u64) -> Result<State, WireError> {
    State::from_kernel(number).ok_or(WireError::State(number))
}

/// `at`: where the `struct who` begins.
fn ends(bytes: &[u8], at: usize) -> Result<Ends, WireError> {
    let laddr = at + offset_of!(layout::who, laddr);
    let raddr = at + offset_of!(layout::who, raddr);
    let (laddr, raddr) = match bytes[at + offset_of!(layout::who, family)] {
        AF_INET => (v4_at(bytes, laddr), v4_at(bytes, raddr)),
        AF_INET6 => (v6_at(bytes, laddr), v6_at(bytes, raddr)),
        family => return Err(WireError::Family(family)),
    };
    Ok(Ends {
        laddr,
        lport: u16_at(bytes, at + offset_of!(layout::who, lport)),
        raddr,
        rport: u16_at(bytes, at + offset_of!(layout::who, rport)),
    })
}

fn cookie(bytes: &[u8], at: usize) -> Option<u64> {
    let cookie = u64_at(bytes, at + offset_of!(layout::who, cookie));
    (cookie != 0).then_some(cookie)
}

fn whose(bytes: &[u8], at: usize) -> Whose {
    let cgroup = u64_at(bytes, at + offset_of!(layout::who, cgroup));
    let pid = u32_at(bytes, at + offset_of!(layout::who, pid));
    let comm = Name::new(array_at(bytes, at + offset_of!(layout::who, comm)));
    Whose {
        cgroup: (cgroup != 0).then_some(cgroup),
        cc: Name::new(array_at(bytes, at + offset_of!(layout::who, cc))),
        process: (pid != 0).then_some(Process { pid, comm }),
    }
}

fn cost(bytes: &[u8], tick_ns: u64) -> Cost {
    let at = |field: usize| offset_of!(layout::flow, cost) + field;
    let words = |field: usize| {
        move |index: usize| u64::from(u32_at(bytes, at(field) + index * size_of::<u32>()))
    };
    let limits = |field: usize| {
        let ticks = words(field);
        Limits {
            sending_ns: ticks(0) * tick_ns,
            rwnd_ns: ticks(1) * tick_ns,
            sndbuf_ns: ticks(2) * tick_ns,
        }
    };
    Cost {
        open: limits(offset_of!(layout::cost, open_ticks)),
        other: limits(offset_of!(layout::cost, other_ticks)),
        delivered: std::array::from_fn(words(offset_of!(layout::cost, delivered))),
        retransmitted: std::array::from_fn(words(offset_of!(layout::cost, retransmitted))),
        open_idle_ns: 0,
        late_ns: u64::from(u32_at(bytes, at(offset_of!(layout::cost, late_ms)))) * 1_000_000,
    }
}

/// Size of a `struct glance`, bytes.
pub const GLANCE_BYTES: usize = size_of::<layout::glance>();

/// Decodes a `struct glance`: whose account, and the account.
pub fn glance(bytes: &[u8]) -> Result<(FlowId, Account), WireError> {
    if bytes.len() != GLANCE_BYTES {
        return Err(WireError::Length { expected: GLANCE_BYTES, found: bytes.len() });
    }
    let id = FlowId {
        socket: u64_at(bytes, offset_of!(layout::glance, socket)),
        born_ns: u64_at(bytes, offset_of!(layout::glance, born_ns)),
    };
    Ok((id, account(bytes, offset_of!(layout::glance, account))))
}

/// `at`: where the `struct account` begins.
fn account(bytes: &[u8], at: usize) -> Account {
    let chrono = at + offset_of!(layout::account, chrono);
    Account {
        chrono: std::array::from_fn(|kind| u32_at(bytes, chrono + kind * size_of::<u32>())),
        delivered: u32_at(bytes, at + offset_of!(layout::account, delivered)),
        retransmitted: u32_at(bytes, at + offset_of!(layout::account, retransmitted)),
    }
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_ne_bytes(array_at(bytes, at))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(array_at(bytes, at))
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes(array_at(bytes, at))
}

fn v4_at(bytes: &[u8], at: usize) -> IpAddr {
    Ipv4Addr::from(array_at::<4>(bytes, at)).into()
}

/// An IPv4-mapped address becomes the IPv4 address that travels.
fn v6_at(bytes: &[u8], at: usize) -> IpAddr {
    IpAddr::V6(Ipv6Addr::from(array_at::<16>(bytes, at))).to_canonical()
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
