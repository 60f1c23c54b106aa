//! Names of network interfaces by their indexes, in any namespace that has a process: its
//! `/proc` tells of each interface with an IPv6 address. Not here: which connection is on one.

use std::collections::HashMap;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use super::cost_limiter::CostLimiter;
use super::netns::namespaces_of_processes;

/// From one look to the next, at least.
const LOOK_LEAST: Duration = Duration::from_secs(1);
/// Interfaces are renamed: look again after so long.
const REFRESH: Duration = Duration::from_secs(10);

/// The names of interfaces, by namespace and index: of one that is gone, its last.
#[derive(Debug, Default)]
pub(super) struct Interfaces {
    known: HashMap<u32, HashMap<u32, Arc<str>>>,
    limiter: CostLimiter,
}

impl Interfaces {
    /// The name of this interface of the namespace with this number, where it shows.
    pub(super) fn find(&mut self, netns: u32, index: u32) -> Option<Arc<str>> {
        let name = |interfaces: &Self| interfaces.known.get(&netns)?.get(&index).cloned();
        let known = name(self);
        if !self.limiter.is_due(if known.is_none() { LOOK_LEAST } else { REFRESH }) {
            return known;
        }
        for (netns, found) in self.limiter.look(look) {
            self.known.entry(netns).or_default().extend(found);
        }
        name(self)
    }

    pub(super) fn retain(&mut self, wanted: impl Fn(u32) -> bool) {
        self.known.retain(|netns, _| wanted(*netns));
    }
}

/// Those of every namespace that has a process.
fn look() -> HashMap<u32, Vec<(u32, Arc<str>)>> {
    let mut found = HashMap::new();
    for (pid, netns) in namespaces_of_processes() {
        found.entry(netns).or_insert_with(|| {
            let text = fs::read_to_string(format!("/proc/{pid}/net/if_inet6"));
            text.unwrap_or_default().lines().filter_map(interface).collect()
        });
    }
    found
}

/// The index, in hexadecimal, is the second word of a line, the name the last
/// (net/ipv6/addrconf.c, `if6_seq_show()`).
fn interface(line: &str) -> Option<(u32, Arc<str>)> {
    let mut words = line.split_whitespace();
    let index = u32::from_str_radix(words.nth(1)?, 16).ok()?;
    Some((index, words.next_back()?.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_index_and_the_name() {
        let line = "fe80000000000000582f16fffe7f2e4c 1a 40 20 80   veth-a";
        assert_eq!(interface(line), Some((26, "veth-a".into())));
        assert_eq!(interface("fe80"), None);
    }
}
