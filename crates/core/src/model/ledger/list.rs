//! Lists through the flows of a slab, one for each state: who is in it, the longest
//! there first. Each flow is in one of them, so going from one to another costs the
//! same however many there are.

use slab::Slab;

use super::flow::Flow;

/// No flow.
pub(super) const NONE: u32 = u32::MAX;

/// A flow's neighbours.
#[derive(Debug, Clone, Copy)]
pub(super) struct Links {
    before: u32,
    after: u32,
}

impl Default for Links {
    fn default() -> Self {
        Self { before: NONE, after: NONE }
    }
}

/// One list.
#[derive(Debug, Clone, Copy)]
pub(super) struct List {
    first: u32,
    last: u32,
    pub(super) count: u64,
}

impl Default for List {
    fn default() -> Self {
        Self { first: NONE, last: NONE, count: 0 }
    }
}

impl List {
    /// The flow that has been in the state the longest.
    pub(super) fn oldest<'f>(&self, flows: &'f Slab<Flow>) -> Option<&'f Flow> {
        flows.get(self.first as usize)
    }

    /// All of them.
    pub(super) fn iter<'f>(&self, flows: &'f Slab<Flow>) -> impl Iterator<Item = u32> + use<'f> {
        let mut next = self.first;
        std::iter::from_fn(move || {
            let at = next;
            next = flows.get(at as usize)?.links.after;
            Some(at)
        })
    }

    /// Puts in a flow that has been in the state for the shortest time, or, where that is
    /// not so, for the longest: of those there were before the start.
    pub(super) fn add(&mut self, flows: &mut Slab<Flow>, at: u32) {
        let since_ns = flows[at as usize].since_ns;
        let is_oldest = self.oldest(flows).is_some_and(|oldest| since_ns < oldest.since_ns);
        self.count += 1;
        if is_oldest {
            flows[at as usize].links = Links { before: NONE, after: self.first };
            flows[self.first as usize].links.before = at;
            self.first = at;
            return;
        }
        flows[at as usize].links = Links { before: self.last, after: NONE };
        match flows.get_mut(self.last as usize) {
            Some(last) => last.links.after = at,
            None => self.first = at,
        }
        self.last = at;
    }

    /// Takes a flow out.
    pub(super) fn remove(&mut self, flows: &mut Slab<Flow>, at: u32) {
        let Links { before, after } = std::mem::take(&mut flows[at as usize].links);
        match flows.get_mut(before as usize) {
            Some(flow) => flow.links.after = after,
            None => self.first = after,
        }
        match flows.get_mut(after as usize) {
            Some(flow) => flow.links.before = before,
            None => self.last = before,
        }
        self.count -= 1;
    }
}
