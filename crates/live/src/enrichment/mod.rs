//! Finds whose a flow is: names for what its socket has a number of, and the
//! process that has the socket. Not the types, which are the model's, nor how
//! the kernel lists processes, which is `kernel`'s.

mod cgroups;
mod cost_limiter;
mod interfaces;
mod netns;
mod owners;
mod there;
mod workload;

use std::collections::HashSet;

use anyhow::Result;

use cgroups::Cgroups;
use interfaces::Interfaces;
use netns::NamespaceNames;
use owners::{Answer, Owners};
use tcpcong_core::model::{Connection, Ledger, Lookups, Row};

pub(crate) use owners::{Holder, Listening, OpenSocket};
pub use there::{NotThere, resolve};
pub use workload::workload;

/// So many names are kept without asking whether a flow still has them.
const KEPT_FREELY: usize = 1024;

/// Finds, and remembers what it found for as long as a flow has it.
#[derive(Debug)]
pub(crate) struct Finder {
    owners: Owners,
    cgroups: Cgroups,
    namespaces: NamespaceNames,
    interfaces: Interfaces,
    /// How many may be remembered until it is asked which flows have them.
    room: usize,
}

impl Default for Finder {
    fn default() -> Self {
        Self {
            owners: Owners::default(),
            cgroups: Cgroups::default(),
            namespaces: NamespaceNames::default(),
            interfaces: Interfaces::default(),
            room: KEPT_FREELY,
        }
    }
}

impl Finder {
    /// Fills in what is wanted of the rows, as far as it is known or can be
    /// found cheaply. `open` lists who has sockets open.
    pub(crate) fn identify(
        &mut self,
        rows: &mut [Row],
        lookups: Lookups,
        ledger: &Ledger,
        open: impl FnOnce() -> Result<Vec<OpenSocket>>,
    ) -> Result<()> {
        if lookups.owners {
            let unknown = rows.iter().any(|row| {
                !self.owners.know(row.id) && (!row.ended || !self.owners.know_listeners())
            });
            if unknown {
                self.owners.ask_if_due(|| answer(ledger, open))?;
            }
            for row in &mut *rows {
                let process = self.owners.of(row.id).or(row.connection.owner.process);
                row.connection.owner.process = process.or_else(|| self.owners.of_listener(row));
            }
        }
        if lookups.cgroups {
            for row in &mut *rows {
                let Some(id) = row.connection.owner.cgroup else { continue };
                let Some(cgroup) = self.cgroups.find(id) else { continue };
                row.names.cgroup = Some(cgroup.path.clone());
                row.names.workload.clone_from(&cgroup.workload);
            }
        }
        if lookups.netns {
            for row in &mut *rows {
                row.names.netns = self.namespaces.find(row.connection.netns);
            }
        }
        for row in rows.iter_mut().filter(|row| row.connection.endpoints.zone != 0) {
            let Connection { endpoints, netns, .. } = row.connection;
            row.names.interface = self.interfaces.find(netns, endpoints.zone);
        }
        Ok(())
    }

    /// Asks who has the flows' sockets, if it is time to: a flow that ends
    /// before its report had an owner while it lived, and a socket may change
    /// hands.
    pub(crate) fn maintain(
        &mut self,
        ledger: &Ledger,
        open: impl FnOnce() -> Result<Vec<OpenSocket>>,
    ) -> Result<()> {
        self.owners.refresh_if_due(|| answer(ledger, open))
    }

    /// Forgets what no flow has, where much is remembered.
    pub(crate) fn keep_for(&mut self, ledger: &Ledger) {
        let size =
            |finder: &Self| finder.owners.len() + finder.cgroups.len() + finder.namespaces.len();
        if size(self) <= self.room {
            return;
        }
        let (mut ids, mut cgroups, mut namespaces) =
            (HashSet::new(), HashSet::new(), HashSet::new());
        for (id, connection) in ledger.known() {
            ids.insert(id);
            cgroups.extend(connection.owner.cgroup);
            namespaces.insert(connection.netns);
        }
        self.owners.retain(|id| ids.contains(&id));
        self.cgroups.retain(|id| cgroups.contains(&id));
        self.namespaces.retain(|inode| namespaces.contains(&inode));
        self.interfaces.retain(|inode| namespaces.contains(&inode));
        self.room = 2 * size(self) + KEPT_FREELY;
    }
}

/// Whose flows those are that the open sockets have, and who listens.
fn answer(ledger: &Ledger, open: impl FnOnce() -> Result<Vec<OpenSocket>>) -> Result<Answer> {
    let mut answer = Answer::default();
    for OpenSocket { socket, cookie, process, started_ns, listens } in open()? {
        if let Some(at) = listens {
            let holder = Holder { process, started_ns, connected: false };
            answer.listeners.push((socket, at, holder));
        } else if let Some((id, connection)) = ledger.flow_of(socket, cookie) {
            let connecting = connection.owner.process;
            let connected = connecting.is_some_and(|connecting| connecting.pid == process.pid);
            answer.holders.push((id, Holder { process, started_ns, connected }));
        }
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tcpcong_core::model::sample::{birth, row};
    use tcpcong_core::model::{LedgerOptions, Process};

    fn owners() -> Lookups {
        Lookups { owners: true, ..Lookups::default() }
    }

    fn process(pid: u32) -> Process {
        Process { pid, comm: None }
    }

    fn open(of: &Row, pid: u32) -> OpenSocket {
        OpenSocket {
            socket: of.id.socket,
            cookie: None,
            process: process(pid),
            started_ns: 0,
            listens: None,
        }
    }

    /// With the rows' flows alive.
    fn ledger(rows: &[Row]) -> Ledger {
        let mut ledger = Ledger::new(0, LedgerOptions::default());
        for row in rows {
            ledger.apply(&birth(row));
        }
        ledger
    }

    #[test]
    fn what_is_not_wanted_is_not_looked_up() {
        let mut rows = [row(1)];
        let before = rows.clone();
        let mut finder = Finder::default();
        let ledger = ledger(&[]);
        finder
            .identify(&mut rows, Lookups::default(), &ledger, || panic!("asked"))
            .expect("nothing to do");
        assert_eq!(rows, before);
    }

    #[test]
    fn a_holder_takes_the_place_of_who_connected_and_is_remembered() {
        let mut rows = [row(1), row(2)];
        for row in &mut rows {
            row.connection.owner.process = Some(process(5));
        }
        let mut finder = Finder::default();
        let ledger = ledger(&rows);
        let found = vec![open(&rows[0], 6)];
        finder.identify(&mut rows, owners(), &ledger, || Ok(found)).expect("found");
        assert_eq!(
            rows.each_ref().map(|row| row.connection.owner.process),
            [6, 5].map(process).map(Some)
        );
        // Ended: nobody has it any more, so nobody is asked.
        let mut ended = Row { ended: true, ..row(1) };
        let nobody = || panic!("asked");
        finder
            .identify(std::slice::from_mut(&mut ended), owners(), &ledger, nobody)
            .expect("known");
        assert_eq!(ended.connection.owner.process, Some(process(6)));
    }
}
