//! Lives: how flows come to be known, and how it shows that they are over.

use rustc_hash::FxHashMap;

use super::Ledger;
use super::costs::{Costs, Told};
use super::flow::{Flow, IntervalFigures};
use super::list::{Links, NONE};
use crate::model::cause::Window;
use crate::model::{Connection, FlowId, Gap, Kind, SocketEvent, State, SurveyedNamespace};

/// So many surveys must have passed a flow by before its socket counts as gone: one might
/// have passed it by while it was moving.
const SURVEYS_UNMET: u8 = 2;

/// How a flow came to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Met {
    AtBirth,
    AtEvent,
    BySurvey,
}

impl Ledger {
    pub(super) fn on_socket(&mut self, event: &SocketEvent, at_ns: u64) {
        let known = self.sockets.get(&event.socket).copied();
        let known = known.and_then(|at| self.same_flow(at, event, at_ns));
        match event.kind {
            Kind::Birth { state } => self.on_birth(known, event, state, at_ns),
            Kind::FilteredOut => {
                if let Some(at) = known {
                    self.forget(at);
                }
            }
            Kind::Endpoints { state } => {
                self.known_or_met(known, event, state, at_ns, Met::AtEvent);
            }
            Kind::Transition { from, to, place } => {
                if let Some(at) = self.known_or_met(known, event, from, at_ns, Met::AtEvent) {
                    self.on_transition(at, event, (from, to), place, at_ns);
                }
            }
            Kind::Found { state } => {
                if let Some(at) = self.known_or_met(known, event, state, at_ns, Met::AtEvent) {
                    self.note_figures(at, event.figures.as_deref(), at_ns);
                    self.correct(at, state, at_ns);
                }
            }
            Kind::Seen { state, unlocked } => {
                let Some(at) = self.known_or_met(known, event, state, at_ns, Met::BySurvey) else {
                    return;
                };
                self.note_figures(at, event.figures.as_deref(), at_ns);
                // Without its lock it may be in the midst of a transition.
                if !unlocked || self.flows[at as usize].state == state {
                    self.correct(at, state, at_ns);
                }
            }
            Kind::End { state } => {
                // Nothing to account where a birth was refused.
                if let Some(at) = self.known_or_met(known, event, state, at_ns, Met::AtEvent) {
                    self.note_figures(at, event.figures.as_deref(), at_ns);
                    self.correct(at, state, at_ns);
                    self.doubt_time(at, event.within_ns);
                    self.end(at, at_ns);
                }
            }
        }
    }

    /// The flow, unless the event shows that its socket has another by now, of which the
    /// beginning was not seen, nor this one's end.
    fn same_flow(&mut self, at: u32, event: &SocketEvent, at_ns: u64) -> Option<u32> {
        let flow = &self.flows[at as usize];
        let Connection { endpoints, cookie, .. } = flow.connection;
        let told = event.connection.as_ref();
        let its_cookie = told.and_then(|connection| connection.cookie);
        let other_cookie = cookie.zip(its_cookie).is_some_and(|(known, told)| known != told);
        // Only where something was lost: it is the ports then that tell.
        let other_ports = self.last_gap.is_some()
            && flow.connection.is_complete()
            && !matches!(event.kind, Kind::Birth { .. })
            && (event.lport, event.rport) != (0, 0)
            && (event.lport, event.rport) != (endpoints.lport, endpoints.rport);
        if !other_cookie && !other_ports {
            return Some(at);
        }
        self.end_unseen(at, at_ns);
        None
    }

    fn on_birth(&mut self, known: Option<u32>, event: &SocketEvent, state: State, at_ns: u64) {
        // A former life's end was missed.
        if let Some(at) = known {
            self.end_unseen(at, at_ns);
        }
        let Some(at) = self.enter(event, state, at_ns, Met::AtBirth) else { return };
        self.doubt_time(at, event.within_ns);
        let flow = &mut self.flows[at as usize];
        if self.options.tick_ns.is_some() {
            let account = event.figures.as_ref().and_then(|figures| figures.account);
            let told = Told::at_birth(account);
            flow.costs = Some(Box::new(Costs::new(told, at_ns, self.interval)));
        }
    }

    /// The flow, known before or met just now in `state`; nothing if there is no room.
    fn known_or_met(
        &mut self,
        known: Option<u32>,
        event: &SocketEvent,
        state: State,
        at_ns: u64,
        met: Met,
    ) -> Option<u32> {
        let at = match known {
            Some(at) => at,
            None => self.meet(event, state, at_ns, met)?,
        };
        let flow = &mut self.flows[at as usize];
        flow.last_entry_ns = at_ns;
        flow.cc = event.cc.or(flow.cc);
        if let Some(told) = event.connection.as_ref() {
            let process = flow.connection.owner.process;
            flow.connection = *told;
            flow.connection.owner.process = told.owner.process.or(process);
        } else if !flow.connection.is_complete() && event.lport != 0 {
            // Both ends are not known: the ports are.
            let endpoints = &mut flow.connection.endpoints;
            (endpoints.lport, endpoints.rport) = (event.lport, event.rport);
        }
        self.sum_moved(at, at_ns);
        Some(at)
    }

    /// A flow whose birth was not seen. One that was there at the start and has shown no
    /// event was in its state since then; where all that were there have been met, it can
    /// only be one whose birth was missed.
    fn meet(&mut self, event: &SocketEvent, state: State, at_ns: u64, met: Met) -> Option<u32> {
        let netns = event.connection.as_ref().map(|connection| connection.netns);
        // Where the kernel side tells no ends, all were met.
        let late = netns.is_none_or(|netns| self.surveyed.contains(&netns));
        if self.ever_refused && met == Met::AtEvent {
            let is_transition = matches!(event.kind, Kind::Transition { .. } | Kind::Found { .. });
            self.losses.events_unaccounted += u64::from(is_transition);
            return None;
        }
        if self.ever_refused && late && met == Met::BySurvey && self.is_full() {
            return None; // it is counted already
        }
        let at = self.enter(event, state, if late { at_ns } else { self.started_ns }, met)?;
        let flow = &mut self.flows[at as usize];
        flow.found = true;
        flow.found_late = late;
        flow.window = Window::met_in(state);
        if late {
            self.losses.births_missed += 1;
            self.touch(at).inexact = true;
        }
        let told = event.figures.as_deref().and_then(Told::of);
        if let (Some(_), Some(told)) = (self.options.tick_ns, told) {
            self.flows[at as usize].costs = Some(Box::new(Costs::new(told, at_ns, self.interval)));
        }
        Some(at)
    }

    pub(super) fn is_full(&self) -> bool {
        self.flows.len() >= self.options.max_flows as usize
    }

    /// A new flow, if there is room.
    fn enter(&mut self, event: &SocketEvent, state: State, born_ns: u64, met: Met) -> Option<u32> {
        if self.is_full() {
            self.ever_refused = true;
            if met == Met::AtEvent {
                self.losses.events_unaccounted += 1;
            } else {
                self.losses.flows_refused += 1;
            }
            return None;
        }
        let unknown = || Connection::unspecified(event.lport, event.rport);
        let connection = event.connection.unwrap_or_else(unknown);
        let at = self.insert(Flow {
            id: FlowId { socket: event.socket, born_ns },
            connection,
            cc: event.cc,
            state,
            since_ns: born_ns,
            seen_ns: born_ns,
            cause: None,
            found: false,
            found_late: false,
            last_entry_ns: born_ns,
            unmet: 0,
            links: Links::default(),
            interval: 0,
            figures: IntervalFigures::default(),
            window: Window::default(),
            last_rto_ns: born_ns,
            costs: None,
            summed: None,
        });
        // What a filter may not want is summed from when it is known to be wanted.
        if !(met == Met::AtBirth && self.options.filtered) {
            self.sum_started(at, self.from_ns);
        }
        Some(at)
    }

    pub(super) fn insert(&mut self, flow: Flow) -> u32 {
        let (socket, state) = (flow.id.socket, flow.state);
        let at = u32::try_from(self.flows.insert(flow)).unwrap_or(NONE);
        self.sockets.insert(socket, at);
        self.in_state[state as usize].add(&mut self.flows, at);
        at
    }

    /// Ends a life whose end was not seen: it is found out now.
    pub(super) fn end_unseen(&mut self, at: u32, at_ns: u64) {
        self.doubt(at, at_ns);
        self.losses.ends_missed += 1;
        self.end(at, at_ns);
    }

    /// A filter does not want it: it never was.
    fn forget(&mut self, at: u32) {
        let state = self.flows[at as usize].state;
        self.sum_ended(at, false);
        self.in_state[state as usize].remove(&mut self.flows, at);
        let flow = self.flows.remove(at as usize);
        self.sockets.remove(&flow.id.socket);
    }

    pub(super) fn on_surveyed(&mut self, namespaces: &[SurveyedNamespace], at_ns: u64) {
        let began: FxHashMap<u32, u64> =
            namespaces.iter().map(|one| (one.netns, one.began_ns)).collect();
        self.surveyed.extend(began.keys());
        self.measured_ns = began.values().copied().min().unwrap_or(at_ns);
        self.has_suspects = false;
        let mut gone = Vec::new();
        for (at, flow) in &mut self.flows {
            let Some(began_ns) = began.get(&flow.connection.netns) else { continue };
            // Nothing of it may have happened since the survey began.
            if flow.last_entry_ns >= *began_ns {
                flow.unmet = 0;
                continue;
            }
            flow.unmet += 1;
            self.has_suspects = true;
            if flow.unmet >= SURVEYS_UNMET {
                gone.push(u32::try_from(at).unwrap_or(NONE));
            }
        }
        for at in gone {
            self.end_unseen(at, at_ns);
        }
    }

    pub(super) fn on_gap(&mut self, from_ns: u64, to_ns: u64, dropped: u64) {
        let from_ns = from_ns.max(self.started_ns).min(to_ns);
        self.losses.entries_dropped += dropped;
        self.losses.gaps += 1;
        self.losses.gap_ns += to_ns - from_ns;
        let gap = Gap { from_ns, to_ns, dropped };
        self.gaps.push(gap);
        self.last_gap = Some(gap);
    }
}
