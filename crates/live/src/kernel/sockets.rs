//! What surveys go by: in which namespaces there are sockets, and which sockets are still
//! connecting. As far as entries tell, which is not for figures.

use std::collections::BTreeSet;

use rustc_hash::FxHashMap;

use super::survey::Surveyor;
use tcpcong_core::model::{Kind, SocketEvent};

/// Sockets by namespace.
#[derive(Debug)]
pub(super) struct Sockets {
    /// Where there are any is asked for.
    counts: bool,
    of_socket: FxHashMap<u64, u32>,
    in_namespace: FxHashMap<u32, u64>,
    /// Those of which the local port is not known yet.
    connecting: FxHashMap<u64, u32>,
    /// Namespaces that were never entered.
    unknown: BTreeSet<u32>,
}

impl Sockets {
    pub(super) fn new(counts: bool) -> Self {
        Self {
            counts,
            of_socket: FxHashMap::default(),
            in_namespace: FxHashMap::default(),
            connecting: FxHashMap::default(),
            unknown: BTreeSet::new(),
        }
    }

    /// Notes what has happened to one. Returns whether it is the first of a namespace that
    /// was never entered: made since the last look, or one that cannot be.
    pub(super) fn note(&mut self, event: &SocketEvent, surveyor: &Surveyor) -> bool {
        let netns = event.connection.as_ref().map(|connection| connection.netns);
        if let Some(netns) = netns.filter(|_| self.counts) {
            self.add(event.socket, netns);
        }
        match (event.kind, netns) {
            (Kind::Birth { .. }, Some(netns)) if event.lport == 0 => {
                self.connecting.insert(event.socket, netns);
            }
            (Kind::End { .. } | Kind::FilteredOut, _) => {
                self.connecting.remove(&event.socket);
                self.remove(event.socket);
            }
            _ if event.lport != 0 && !self.connecting.is_empty() => {
                self.connecting.remove(&event.socket);
            }
            _ => {}
        }
        netns.is_some_and(|netns| surveyor.is_new(netns) && self.unknown.insert(netns))
    }

    /// Namespaces in which there are sockets, where that was asked for.
    pub(super) fn populated(&self) -> impl Iterator<Item = u32> {
        self.in_namespace.keys().copied()
    }

    /// Namespaces in which some are connecting.
    pub(super) fn connecting(&self) -> impl Iterator<Item = u32> {
        self.connecting.values().copied()
    }

    /// Namespaces that were never entered so far.
    pub(super) fn take_unknown(&mut self) -> BTreeSet<u32> {
        std::mem::take(&mut self.unknown)
    }

    fn add(&mut self, socket: u64, netns: u32) {
        let before = self.of_socket.insert(socket, netns);
        if before == Some(netns) {
            return;
        }
        *self.in_namespace.entry(netns).or_default() += 1;
        if let Some(before) = before {
            self.lose(before);
        }
    }

    fn remove(&mut self, socket: u64) {
        if let Some(netns) = self.of_socket.remove(&socket) {
            self.lose(netns);
        }
    }

    fn lose(&mut self, netns: u32) {
        if let Some(count) = self.in_namespace.get_mut(&netns) {
            *count -= 1;
            if *count == 0 {
                self.in_namespace.remove(&netns);
            }
        }
    }
}
