//! Finds whose a flow is: names for what its socket has a number of, and the
//! process that has the socket. Not the types, which are the model's, nor how
//! the kernel lists processes, which is `kernel`'s.

mod cgroups;
mod netns;
mod owners;
mod thrift;
mod workload;

use std::collections::HashSet;

use anyhow::Result;

use crate::model::{Reading, Row};
use crate::source::Wanted;
use cgroups::Cgroups;
use netns::NamespaceNames;
use owners::Owners;

pub use owners::Holder;
pub use workload::workload;

/// So many names are kept without asking whether a flow still has them.
const KEPT_FREELY: usize = 1024;

/// Finds, and remembers what it found for as long as a flow has it.
#[derive(Debug)]
pub struct Finder {
    owners: Owners,
    cgroups: Cgroups,
    namespaces: NamespaceNames,
    /// How many may be remembered until it is asked which flows have them.
    room: usize,
}

impl Default for Finder {
    fn default() -> Self {
        Self {
            owners: Owners::default(),
            cgroups: Cgroups::default(),
            namespaces: NamespaceNames::default(),
            room: KEPT_FREELY,
        }
    }
}

impl Finder {
    /// Fills in what is wanted of the rows, as far as it is known or can be
    /// found cheaply. `holders` lists who has the flows' sockets.
    pub fn identify(
        &mut self,
        rows: &mut [Row],
        wanted: Wanted,
        holders: impl FnOnce() -> Result<Vec<Holder>>,
    ) -> Result<()> {
        if wanted.owners {
            let unknown = rows.iter().any(|row| !row.ended && !self.owners.know(row.id));
            if unknown {
                self.owners.ask_if_due(holders)?;
            }
            for row in &mut *rows {
                row.whose.process = self.owners.of(row.id).or(row.whose.process);
            }
        }
        if wanted.cgroups {
            for row in &mut *rows {
                let Some(id) = row.whose.cgroup else { continue };
                let Some(cgroup) = self.cgroups.find(id) else { continue };
                row.names.cgroup = Some(cgroup.path.clone());
                row.names.workload.clone_from(&cgroup.workload);
            }
        }
        if wanted.netns {
            for row in &mut *rows {
                row.names.netns = self.namespaces.find(row.netns);
            }
        }
        Ok(())
    }

    /// Asks who has the flows' sockets, if it is time to: a flow that ends
    /// before its report had an owner while it lived, and a socket may change
    /// hands.
    pub fn tend(&mut self, holders: impl FnOnce() -> Result<Vec<Holder>>) -> Result<()> {
        self.owners.refresh_if_due(holders)
    }

    /// Forgets what none of these flows has, where much is remembered.
    /// `flows`: all that are alive, or not reported yet, of those that began
    /// before `at_ns`.
    pub fn keep_for(&mut self, flows: &[Reading], at_ns: u64) {
        let size = |it: &Self| it.owners.len() + it.cgroups.len() + it.namespaces.len();
        if size(self) <= self.room {
            return;
        }
        let ids: HashSet<_> = flows.iter().map(|flow| flow.id).collect();
        self.owners.retain(|id| id.born_ns >= at_ns || ids.contains(&id));
        let cgroups: HashSet<_> = flows.iter().filter_map(|flow| flow.whose.cgroup).collect();
        self.cgroups.retain(|id| cgroups.contains(&id));
        let namespaces: HashSet<_> = flows.iter().map(|flow| flow.netns).collect();
        self.namespaces.retain(|inode| namespaces.contains(&inode));
        self.room = 2 * size(self) + KEPT_FREELY;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Process;
    use crate::model::sample::row;

    fn owners() -> Wanted {
        Wanted { owners: true, ..Wanted::default() }
    }

    fn process(pid: u32) -> Process {
        Process { pid, comm: None }
    }

    fn holder(of: &Row, pid: u32) -> Holder {
        Holder { id: of.id, process: process(pid), started_ns: 0, connected: false }
    }

    #[test]
    fn what_is_not_wanted_is_not_looked_up() {
        let mut rows = [row(1)];
        let before = rows.clone();
        let mut finder = Finder::default();
        finder.identify(&mut rows, Wanted::default(), || panic!("asked")).expect("nothing to do");
        assert_eq!(rows, before);
    }

    #[test]
    fn a_holder_takes_the_place_of_who_connected_and_is_remembered() {
        let mut rows = [row(1), row(2)];
        for row in &mut rows {
            row.whose.process = Some(process(5));
        }
        let mut finder = Finder::default();
        let found = vec![holder(&rows[0], 6)];
        finder.identify(&mut rows, owners(), || Ok(found)).expect("found");
        assert_eq!(rows.each_ref().map(|row| row.whose.process), [6, 5].map(process).map(Some));
        // Ended: nobody has it any more, so nobody is asked.
        let mut ended = Row { ended: true, ..row(1) };
        let nobody = || panic!("asked");
        finder.identify(std::slice::from_mut(&mut ended), owners(), nobody).expect("known");
        assert_eq!(ended.whose.process, Some(process(6)));
    }
}
