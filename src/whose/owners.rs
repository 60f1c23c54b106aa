//! Which process has a flow's socket, as the kernel lists them (`bpf/owners.h`):
//! the choice between several, and how long an answer is remembered.
//! Not here: the listing itself.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Result;

use super::thrift::Thrift;
use crate::model::{FlowId, Name, Process};

/// Sockets change hands, and flows end unreported: ask again after so long.
const REFRESH: Duration = Duration::from_secs(1);
/// So many answers are remembered between two reports, at most.
const MAX_KNOWN: usize = 1 << 20;

/// PID 1 keeps sockets for services that may want them back
/// (`sd_pid_notify_with_fds(3)`, FDSTORE=1).
const KEEPER: u32 = 1;

/// A process that has a flow's socket open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// The flow.
    pub id: FlowId,
    /// The process.
    pub process: Process,
    /// When the process began, `CLOCK_BOOTTIME` nanoseconds.
    pub started_ns: u64,
    /// Whether it is the one that connected the socket.
    pub connected: bool,
}

impl Holder {
    /// Size of a `struct holder`: of what tells the flow, bytes.
    pub const FLOW_BYTES: usize = 16;
    /// Size of the rest.
    pub const PROCESS_BYTES: usize = 32;

    /// Decodes a `struct holder`; nothing if its parts have other sizes.
    #[must_use]
    pub fn decode(flow: &[u8], process: &[u8]) -> Option<Self> {
        let (socket, born_ns) = flow.split_first_chunk()?;
        let (started_ns, rest) = process.split_first_chunk()?;
        let (pid, rest) = rest.split_first_chunk()?;
        let (comm, connected) = rest.split_first_chunk()?;
        Some(Self {
            id: FlowId {
                socket: u64::from_ne_bytes(*socket),
                born_ns: u64::from_ne_bytes(born_ns.try_into().ok()?),
            },
            process: Process { pid: u32::from_ne_bytes(*pid), comm: Name::new(*comm) },
            started_ns: u64::from_ne_bytes(*started_ns),
            connected: u32::from_ne_bytes(connected.try_into().ok()?) != 0,
        })
    }

    /// The least is the owner: the one that connected; then the oldest, because
    /// whoever was forked with the socket is younger. By age, not by id, as ids
    /// wrap round.
    fn rank(&self) -> (bool, bool, u64, u32) {
        (!self.connected, self.process.pid == KEEPER, self.started_ns, self.process.pid)
    }
}

/// The owners found.
#[derive(Debug, Default)]
pub(super) struct Owners {
    known: HashMap<FlowId, Process>,
    thrift: Thrift,
}

impl Owners {
    /// The flow's owner when last asked: also one that has closed the socket
    /// since, while the kernel sends what is left.
    pub(super) fn of(&self, id: FlowId) -> Option<Process> {
        self.known.get(&id).copied()
    }

    pub(super) fn know(&self, id: FlowId) -> bool {
        self.known.contains_key(&id)
    }

    /// Asks for what is not known yet.
    pub(super) fn ask_if_due(
        &mut self,
        holders: impl FnOnce() -> Result<Vec<Holder>>,
    ) -> Result<()> {
        if self.thrift.is_due(Duration::ZERO) { self.ask(holders) } else { Ok(()) }
    }

    /// Asks for what may have changed.
    pub(super) fn refresh_if_due(
        &mut self,
        holders: impl FnOnce() -> Result<Vec<Holder>>,
    ) -> Result<()> {
        if self.thrift.is_due(REFRESH) { self.ask(holders) } else { Ok(()) }
    }

    fn ask(&mut self, holders: impl FnOnce() -> Result<Vec<Holder>>) -> Result<()> {
        let holders = self.thrift.look(holders)?;
        self.note(holders);
        Ok(())
    }

    fn note(&mut self, holders: Vec<Holder>) {
        let mut owners: HashMap<FlowId, Holder> = HashMap::new();
        for holder in holders {
            let owner = owners.entry(holder.id).or_insert(holder);
            if holder.rank() < owner.rank() {
                *owner = holder;
            }
        }
        if self.known.len() + owners.len() > MAX_KNOWN {
            self.known.clear();
        }
        self.known.extend(owners.into_iter().map(|(id, owner)| (id, owner.process)));
    }

    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    pub(super) fn retain(&mut self, wanted: impl Fn(FlowId) -> bool) {
        self.known.retain(|id, _| wanted(*id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOW: FlowId = FlowId { socket: 0xffff_8880_0123_4567, born_ns: 5 };

    fn holder(pid: u32, started_ns: u64) -> Holder {
        Holder { id: FLOW, process: Process { pid, comm: None }, started_ns, connected: false }
    }

    fn owner(holders: &[Holder]) -> Option<u32> {
        let mut owners = Owners::default();
        owners.ask_if_due(|| Ok(holders.to_vec())).expect("asked");
        owners.of(FLOW).map(|process| process.pid)
    }

    #[test]
    fn the_parent_owns_what_its_children_inherited_whatever_their_ids() {
        assert_eq!(owner(&[holder(4000, 10), holder(12, 30), holder(4001, 20)]), Some(4000));
        assert_eq!(owner(&[]), None);
    }

    #[test]
    fn the_one_that_connected_comes_first_and_the_keeper_last() {
        let connected = Holder { connected: true, ..holder(900, 99) };
        assert_eq!(owner(&[holder(800, 1), connected]), Some(900));
        assert_eq!(owner(&[holder(1, 0), holder(800, 7)]), Some(800));
        assert_eq!(owner(&[holder(1, 0)]), Some(1));
    }

    #[test]
    fn a_later_answer_takes_the_place_of_the_former_but_no_answer_does_not() {
        let mut owners = Owners::default();
        owners.note(vec![holder(7, 1), holder(8, 2)]);
        owners.note(vec![holder(8, 2)]);
        assert_eq!(owners.of(FLOW).map(|it| it.pid), Some(8));
        owners.note(Vec::new());
        assert_eq!(owners.of(FLOW).map(|it| it.pid), Some(8));
        // The same socket's next life has no owner yet.
        assert!(!owners.know(FlowId { born_ns: 6, ..FLOW }));
        owners.retain(|id| id != FLOW);
        assert_eq!(owners.len(), 0);
    }

    #[test]
    fn it_asks_no_more_than_it_may() {
        let mut owners = Owners::default();
        let slowly = || {
            std::thread::sleep(Duration::from_millis(20));
            Ok(vec![holder(7, 1)])
        };
        owners.ask_if_due(slowly).expect("asked");
        owners.ask_if_due(|| panic!("asked again")).expect("not asked");
        owners.refresh_if_due(|| panic!("asked again")).expect("not asked");
    }

    #[test]
    fn a_record_is_decoded_by_its_offsets() {
        let flow = [FLOW.socket.to_ne_bytes(), FLOW.born_ns.to_ne_bytes()].concat();
        let mut process = 77_u64.to_ne_bytes().to_vec();
        process.extend(1234_u32.to_ne_bytes());
        process.extend(*b"nginx\0\0\0\0\0\0\0\0\0\0\0");
        process.extend(1_u32.to_ne_bytes());
        assert_eq!((flow.len(), process.len()), (Holder::FLOW_BYTES, Holder::PROCESS_BYTES));
        let comm = Name::from_text("nginx");
        let process_is = Process { pid: 1234, comm };
        let expected = Holder { id: FLOW, process: process_is, started_ns: 77, connected: true };
        assert_eq!(Holder::decode(&flow, &process), Some(expected));
        assert_eq!(Holder::decode(&flow, &process[..30]), None);
        assert_eq!(Holder::decode(&flow[..8], &process), None);
    }
}
