//! The lines of a recording that are no entries: what a run knew besides. Each is told
//! after the entries from before its instant.

use std::sync::Arc;

use jiff::Timestamp;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::again::SeenAgainLine;
use crate::model::{
    Address, Entry, EntryType, FlowId, Losses, Name, Names, Process, Row, Start, Workload,
};

/// A line.
#[derive(Debug)]
pub(super) enum Line {
    Entry(Entry),
    Note(Note),
}

/// A line that is no entry.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Note {
    /// The first line.
    Start(StartLine),
    /// A frame begins, after so many lines of others.
    Frame { at_ns: u64, lines: u64 },
    /// Surveys have found sockets as they were before.
    SeenAgain(SeenAgainLine),
    /// The wall clock was set, or has gone astray from the monotonic one.
    Clock { at_ns: u64, time: Timestamp },
    /// What the source could not see so far.
    Losses {
        at_ns: u64,
        namespaces_unreached: usize,
        #[serde(flatten)]
        losses: Losses,
    },
    /// Whose a flow is, as far as it was looked up.
    Owner(Box<OwnerLine>),
    /// An interval that was to end at `at_ns` ended later, when all was measured.
    Late { at_ns: u64, until_ns: u64 },
    /// What was told before was shown at once, with what was known by then.
    Batch { at_ns: u64 },
    /// The recording was ended.
    Stop { at_ns: u64 },
    /// What a later version has besides.
    #[serde(other)]
    Unknown,
}

impl Note {
    /// Whether what was told before was handed on by then, and what follows was not.
    pub(super) fn ends_batch(&self) -> bool {
        matches!(
            self,
            Self::Clock { .. } | Self::Losses { .. } | Self::Owner(_) | Self::Batch { .. }
        )
    }

    /// The instant before which all entries were told by then.
    pub(super) fn at_ns(&self) -> u64 {
        match self {
            Self::Start(line) => line.start.at_ns,
            Self::Owner(line) => line.at_ns,
            Self::SeenAgain(line) => line.at_ns,
            Self::Frame { at_ns, .. }
            | Self::Clock { at_ns, .. }
            | Self::Losses { at_ns, .. }
            | Self::Late { at_ns, .. }
            | Self::Batch { at_ns }
            | Self::Stop { at_ns } => *at_ns,
            Self::Unknown => 0,
        }
    }
}

/// How it began.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StartLine {
    pub(super) version: u32,
    /// The kernel's tick, nanoseconds.
    pub(super) tick_ns: u64,
    /// Of what could not be seen, so much came before.
    #[serde(default, skip_serializing_if = "Losses::is_exact")]
    pub(super) losses_before: Losses,
    #[serde(flatten)]
    pub(super) start: Start,
}

/// Whose a flow is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OwnerLine {
    pub(super) at_ns: u64,
    pub(super) socket: Address,
    pub(super) born_ns: u64,
    #[serde(flatten)]
    pub(super) whose: Whose,
}

/// What was looked up of a flow; keys of what is not known are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Whose {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    comm: Option<Name>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    netns_name: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cgroup: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    container: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pod: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    interface: Option<Arc<str>>,
}

impl Whose {
    pub(super) fn of(row: &Row) -> Self {
        let process = row.connection.owner.process;
        let workload = row.names.workload.as_deref();
        Self {
            pid: process.map(|process| process.pid),
            comm: process.and_then(|process| process.comm),
            netns_name: row.names.netns.clone(),
            cgroup: row.names.cgroup.clone(),
            unit: workload.and_then(|workload| workload.unit.clone()),
            container: workload.and_then(|workload| workload.container.clone()),
            pod: workload.and_then(|workload| workload.pod.clone()),
            interface: row.names.interface.clone(),
        }
    }

    /// What was not looked up now stays what it was.
    pub(super) fn keep(&mut self, known: &Self) {
        if self.pid.is_none() {
            (self.pid, self.comm) = (known.pid, known.comm);
        }
        let keep = |now: &mut Option<Arc<str>>, known: &Option<Arc<str>>| {
            if now.is_none() {
                now.clone_from(known);
            }
        };
        keep(&mut self.netns_name, &known.netns_name);
        keep(&mut self.interface, &known.interface);
        if self.cgroup.is_none() {
            self.cgroup.clone_from(&known.cgroup);
            self.unit.clone_from(&known.unit);
            self.container.clone_from(&known.container);
            self.pod.clone_from(&known.pod);
        }
    }

    pub(super) fn has_process(&self) -> bool {
        self.pid.is_some()
    }

    pub(super) fn process(&self) -> Option<Process> {
        self.pid.map(|pid| Process { pid, comm: self.comm })
    }

    pub(super) fn names(&self) -> Names {
        let workload = Workload {
            unit: self.unit.clone(),
            container: self.container.clone(),
            pod: self.pod.clone(),
        };
        Names {
            netns: self.netns_name.clone(),
            cgroup: self.cgroup.clone(),
            // Where there is a path it was asked what that says.
            workload: self.cgroup.is_some().then(|| Arc::new(workload)),
            interface: self.interface.clone(),
        }
    }
}

impl OwnerLine {
    pub(super) fn new(at_ns: u64, id: FlowId, whose: Whose) -> Self {
        Self { at_ns, socket: Address(id.socket), born_ns: id.born_ns, whose }
    }

    /// Whose it is.
    pub(super) fn id(&self) -> FlowId {
        FlowId { socket: self.socket.0, born_ns: self.born_ns }
    }
}

/// Reads a line.
pub(super) fn parse(line: &str) -> serde_json::Result<Line> {
    #[derive(Deserialize)]
    struct Head {
        r#type: Type,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Type {
        Entry(#[expect(dead_code, reason = "that it is one is enough")] EntryType),
        Other(IgnoredAny),
    }
    let Head { r#type } = serde_json::from_str(line)?;
    Ok(match r#type {
        Type::Entry(_) => Line::Entry(serde_json::from_str(line)?),
        Type::Other(_) => Line::Note(serde_json::from_str(line)?),
    })
}
