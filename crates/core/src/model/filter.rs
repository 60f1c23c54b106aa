//! Which rows of a report are wanted. Decided when the figures are known, so
//! that it changes none of them. Not here: what the kernel side leaves out
//! already, nor the words in which a filter is given.

use serde::Serialize;

use super::{
    AddressPrefix, EndpointFilter, Endpoints, FilteredOut, Match, Report, Row, State, Transition,
};

/// What a row must be to stay. What is `None` is not asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Filter {
    /// Its local port is one of these, or not known yet.
    pub lport: Option<PortRange>,
    /// Its remote port is one of these, or not known yet.
    pub rport: Option<PortRange>,
    /// Its local address is one of these.
    pub laddr: Option<AddressPrefix>,
    /// Its remote address is one of these.
    pub raddr: Option<AddressPrefix>,
    /// One of its ends, whichever, is this one.
    pub endpoint: Option<EndpointFilter>,
    /// It spent time in one of these states, or is in one at the end.
    pub state: Option<Vec<State>>,
    /// It spent this much time in `state`, or else outside Open.
    pub min_time_ns: Option<u64>,
    /// It made this many transitions.
    pub min_changes: Option<u32>,
    /// The process has this id.
    pub pid: Option<u32>,
    /// The process has this name, as it is shown.
    pub comm: Option<String>,
    /// The congestion control has this name.
    pub cc: Option<String>,
    /// Its cgroup has this path, or is below it.
    pub cgroup: Option<String>,
    /// Its network namespace is this one.
    pub netns: Option<Netns>,
}

/// An inclusive range of ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(into = "[u16; 2]")]
pub struct PortRange {
    /// The lowest.
    pub first: u16,
    /// The highest.
    pub last: u16,
}

impl PortRange {
    /// Every port, and sockets that have none yet.
    pub const ALL: Self = Self { first: 0, last: u16::MAX };

    /// Whether it is one of these.
    #[must_use]
    pub fn contains(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }
}

impl From<PortRange> for [u16; 2] {
    fn from(PortRange { first, last }: PortRange) -> Self {
        [first, last]
    }
}

/// A network namespace, as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Netns {
    /// By its inode number, which it keeps.
    Inode(u32),
    /// By its name, which another may have later.
    Name(String),
}

impl Filter {
    /// Whether the kernel side decides all of it by itself.
    #[must_use]
    pub fn is_of_kernel(&self) -> bool {
        let Self { lport, rport, laddr, raddr, ref netns, .. } = *self;
        let netns = netns.clone().filter(|netns| matches!(netns, Netns::Inode(_)));
        *self == Self { lport, rport, laddr, raddr, netns, ..Self::default() }
    }

    /// The part that the kernel side decides, as options, each with its value.
    #[must_use]
    pub fn options_of_kernel(&self) -> Vec<String> {
        let ports = |option: &str, ports: Option<PortRange>| {
            ports.map(|PortRange { first, last }| {
                let last = if first == last { String::new() } else { format!("-{last}") };
                format!("{option} {first}{last}")
            })
        };
        let prefix = |option: &str, prefix: Option<AddressPrefix>| {
            prefix.map(|prefix| format!("{option} {prefix}"))
        };
        let netns = match self.netns {
            Some(Netns::Inode(inode)) => Some(format!("--netns {inode}")),
            _ => None,
        };
        let all = [
            ports("-L", self.lport),
            ports("-R", self.rport),
            prefix("--laddr", self.laddr),
            prefix("--raddr", self.raddr),
            netns,
        ];
        all.into_iter().flatten().collect()
    }

    /// Leaves out what the addresses, the congestion control and the figures
    /// decide. Needs no names.
    pub fn apply(&self, report: &mut Report) {
        report.keep(|row| self.match_ends(row));
        let inexact = report.totals.inexact;
        report.keep(|row| self.match_figures(row));
        // With the right figures they might have stayed.
        report.filtered_out.inexact += inexact - report.totals.inexact;
    }

    /// Leaves out what the names decide, once they are known.
    pub fn apply_named(&self, report: &mut Report) {
        report.keep(|row| self.match_names(row));
    }

    /// Whether a row stays whose figures and names are all known; counts it if not.
    pub fn keeps(&self, row: &Row, filtered_out: &mut FilteredOut) -> bool {
        let (ends, figures) = (self.match_ends(row), self.match_figures(row));
        let matched = ends.max(figures.into()).max(self.match_names(row));
        filtered_out.note(matched);
        // With the right figures it might have stayed.
        filtered_out.inexact += u64::from(ends == Match::Yes && !figures && !row.exact);
        matched == Match::Yes
    }

    fn match_ends(&self, row: &Row) -> Match {
        let Endpoints { laddr, lport, raddr, rport, .. } = row.connection.endpoints;
        let matches = self.laddr.is_none_or(|prefix| prefix.contains(laddr))
            && self.raddr.is_none_or(|prefix| prefix.contains(raddr))
            // One that has none yet may come to have one of these.
            && self.lport.is_none_or(|ports| lport == 0 || ports.contains(lport))
            && self.rport.is_none_or(|ports| rport == 0 || ports.contains(rport))
            && self.endpoint.is_none_or(|end| end.is_of(&row.connection.endpoints));
        // What is not known is counted once the figures have had their say.
        Match::from(matches && self.match_cc(row) != Match::No)
    }

    fn match_cc(&self, row: &Row) -> Match {
        is(self.cc.as_ref(), row.cc.as_ref())
    }

    fn match_figures(&self, row: &Row) -> bool {
        let states = self.state.as_deref();
        let met = |state: &State| row.times[*state] > 0 || row.state == *state;
        let time_ns = states.map_or(row.times.outside_open_ns(), |states| {
            states.iter().map(|state| row.times[*state]).sum()
        });
        states.is_none_or(|states| states.iter().any(met))
            && self.min_time_ns.is_none_or(|least| time_ns >= least)
            && self.min_changes.is_none_or(|least| row.changes >= least)
    }

    /// Whether a transition is wanted: of its two states, of the spell that
    /// ended, and of whose it is, as a row made of it tells.
    #[must_use]
    pub fn judge_transition(&self, transition: &Transition, row: &Row) -> Match {
        let states = self.state.as_deref();
        let matches = states.is_none_or(|states| {
            states.contains(&transition.from) || states.contains(&transition.to)
        }) && self.min_time_ns.is_none_or(|least| transition.spell_ns >= least);
        Match::from(matches).max(self.match_ends(row)).max(self.match_names(row))
    }

    fn match_names(&self, row: &Row) -> Match {
        let process = row.connection.owner.process;
        let pid = asked(self.pid.as_ref(), |pid| process.map(|process| process.pid == *pid));
        let comm = is(self.comm.as_ref(), process.and_then(|process| process.comm).as_ref());
        let cgroup = asked(self.cgroup.as_ref(), |top| {
            row.names.cgroup.as_ref().map(|path| is_at_or_below(path, top))
        });
        // A namespace without a name has another one, whatever that is.
        let netns = self.netns.as_ref().is_none_or(|asked| match asked {
            Netns::Inode(inode) => *inode == row.connection.netns,
            Netns::Name(name) => row.names.netns.as_ref().is_some_and(|found| **found == **name),
        });
        pid.max(comm).max(cgroup).max(netns.into()).max(self.match_cc(row))
    }
}

/// Whether what is `asked` for, if anything is, is as `answer` knows.
fn asked<T>(asked: Option<&T>, answer: impl Fn(&T) -> Option<bool>) -> Match {
    asked.map_or(Match::Yes, |asked| Match::of(answer(asked)))
}

/// Whether `known` reads as `asked_for`.
fn is(asked_for: Option<&String>, known: Option<&super::Name>) -> Match {
    asked(asked_for, |asked| known.map(|known| known.to_string() == *asked))
}

fn is_at_or_below(path: &str, top: &str) -> bool {
    let top = top.trim_end_matches('/');
    path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
