//! Spells: transitions, and what is booked when one spell ends and the next begins.

use super::costs::{Costs, Present, Told};
use super::flow::{Flow, IntervalFigures};
use super::{Ledger, MAX_WAITING};
use crate::model::{Cause, EndedSpell, Figures, Place, Sample, SocketEvent, State, Transition};

/// Looks are no further apart than an hour; more is forged.
const WITHIN_MOST_NS: u64 = 3_600_000_000_000;

impl Ledger {
    pub(super) fn on_transition(
        &mut self,
        at: u32,
        event: &SocketEvent,
        (from, to): (State, State),
        place: Place,
        at_ns: u64,
    ) {
        let figures = event.figures.as_deref();
        self.note_figures(at, figures, at_ns);
        self.correct(at, from, at_ns);
        self.doubt_time(at, event.within_ns);
        let flow = &self.flows[at as usize];
        let (since_ns, in_sight) = (flow.since_ns, flow.began_in_sight());
        let mut cause = Cause::Unknown;
        if let Some(figures) = figures {
            let after_gap = self.last_gap.is_some_and(|gap| since_ns < gap.to_ns);
            let exact = in_sight && !after_gap && !self.options.estimated;
            cause = self.explain(at, (from, to), place, figures, at_ns, exact);
        }
        // A packet that was too big sets Loss as well (tcp_simple_retransmit()).
        if to == State::Loss && place != Place::SimpleRetransmit {
            self.touch(at).rtos += 1;
            self.sum(at, |sums| sums.rtos += 1);
        }
        self.sum_transition(at, (from, to), cause);
        if from == to {
            self.touch(at).repeated_rtos += 1;
        } else {
            self.switch_state(at, to, at_ns, Some(cause));
            self.touch(at).changes += 1;
        }
    }

    fn explain(
        &mut self,
        at: u32,
        (from, to): (State, State),
        place: Place,
        figures: &Figures,
        at_ns: u64,
        exact: bool,
    ) -> Cause {
        let flow = &mut self.flows[at as usize];
        let explained = flow.window.explain((from, to), place, flow.cc, figures);
        let waited_ns = self.wait_for_timeout(at, explained.cause, from, figures, at_ns);
        if !self.options.transitions {
            return explained.cause;
        }
        let flow = &self.flows[at as usize];
        if self.transitions.len() >= MAX_WAITING {
            self.losses.rows_lost += 1;
            return explained.cause;
        }
        self.transitions.push(Transition {
            at_ns,
            id: flow.id,
            connection: flow.connection,
            cc: flow.cc,
            from,
            to,
            cause: explained.cause,
            spell_ns: at_ns.saturating_sub(flow.since_ns),
            exact,
            cwnd: explained.cwnd,
            ssthresh: explained.ssthresh,
            srtt_us: figures.srtt_us >> 3,
            in_flight: figures.in_flight(),
            sacked: figures.sacked_out,
            lost: figures.lost_out,
            retransmitted: figures.retrans_out,
            waited_ns,
            path: figures.path,
        });
        explained.cause
    }

    /// Books for how long nothing had been acknowledged or sent when a timer ran out; in a
    /// handshake that is since the birth, or the timeout before. Nothing where the kernel
    /// side did not tell.
    fn wait_for_timeout(
        &mut self,
        at: u32,
        cause: Cause,
        state: State,
        figures: &Figures,
        at_ns: u64,
    ) -> Option<u64> {
        if !matches!(cause, Cause::Rto | Cause::RtoRepeat | Cause::SynTimeout) {
            return None;
        }
        let (tick_ns, path) = (self.options.tick_ns?, figures.path.as_ref()?);
        let flow = &mut self.flows[at as usize];
        let since_last_ns = at_ns - std::mem::replace(&mut flow.last_rto_ns, at_ns).min(at_ns);
        // A retransmission that the device did not take is none, so the wait goes on.
        let quiet_ns = u64::from(path.quiet).saturating_mul(tick_ns);
        let waited_ns = match cause {
            Cause::SynTimeout => since_last_ns,
            Cause::RtoRepeat => quiet_ns.min(since_last_ns),
            _ => quiet_ns,
        };
        let waited = &mut self.touch(at).waited[state];
        *waited = waited.saturating_add(waited_ns);
        self.sum(at, |sums| {
            let waited = &mut sums.waited[state];
            *waited = waited.saturating_add(waited_ns);
        });
        Some(waited_ns)
    }

    /// The flow is in this state, whatever is on record: its time stays with the state on
    /// record, for want of better.
    pub(super) fn correct(&mut self, at: u32, state: State, at_ns: u64) {
        let flow = &mut self.flows[at as usize];
        if flow.state == state {
            flow.seen_ns = flow.seen_ns.max(at_ns);
            return;
        }
        self.doubt(at, at_ns);
        self.losses.transitions_missed += 1;
        self.switch_state(at, state, at_ns, None);
        self.flows[at as usize].found_late = true;
    }

    /// What happens now was found by comparing two looks, so far apart: nobody saw what
    /// else happened in between.
    pub(super) fn doubt_time(&mut self, at: u32, within_ns: u64) {
        if within_ns == 0 {
            return;
        }
        self.flows[at as usize].window.lose_track();
        let within_ns = within_ns.min(WITHIN_MOST_NS);
        let figures = self.touch(at);
        figures.inexact = true;
        figures.uncertain_ns = figures.uncertain_ns.saturating_add(within_ns);
        self.sum(at, |sums| sums.uncertain_ns = sums.uncertain_ns.saturating_add(within_ns));
    }

    /// It left the state on record unseen: all time since it was last found in that is uncertain.
    pub(super) fn doubt(&mut self, at: u32, at_ns: u64) {
        let flow = &mut self.flows[at as usize];
        flow.window.lose_track();
        let unseen_ns = at_ns.saturating_sub(flow.seen_ns);
        let figures = self.touch(at);
        figures.inexact = true;
        figures.uncertain_ns = figures.uncertain_ns.saturating_add(unseen_ns);
        self.sum(at, |sums| sums.uncertain_ns = sums.uncertain_ns.saturating_add(unseen_ns));
    }

    /// Ends the spell, and begins one in `next`, which was found just now, or entered for a
    /// cause.
    fn switch_state(&mut self, at: u32, next: State, at_ns: u64, cause: Option<Cause>) {
        self.end_spell(at, Some(next), at_ns, cause.is_none());
        let state = self.flows[at as usize].state;
        self.in_state[state as usize].remove(&mut self.flows, at);
        self.sum_state(at, next);
        let flow = &mut self.flows[at as usize];
        flow.state = next;
        flow.since_ns = at_ns.max(flow.since_ns);
        flow.seen_ns = flow.since_ns;
        flow.cause = cause;
        flow.found_late = false;
        self.in_state[next as usize].add(&mut self.flows, at);
    }

    pub(super) fn end_spell(&mut self, at: u32, next: Option<State>, at_ns: u64, found: bool) {
        let from_ns = self.from_ns;
        let flow = &self.flows[at as usize];
        let (id, state, since_ns) = (flow.id, flow.state, flow.since_ns);
        let beginning = flow.beginning();
        // Two CPUs' clocks may be a hair apart.
        let at_ns = at_ns.max(since_ns);
        self.touch(at).times[state] += at_ns - since_ns.max(from_ns).min(at_ns);
        let present = self.present(at);
        if let Some(costs) = &mut self.flows[at as usize].costs {
            costs.enter(present);
            if state == State::Open {
                costs.end_open(at_ns - since_ns);
            }
        }
        self.sum_until(at, at_ns);
        let length_ns = at_ns - since_ns;
        self.sum_spell(at, state, length_ns);
        let spell = EndedSpell { at_ns, id, state, beginning, next, found, length_ns };
        if let Some(lengths) = &mut self.lengths {
            lengths.count(&spell);
        }
        if self.options.spells {
            if self.spells.len() < MAX_WAITING {
                self.spells.push(spell);
            } else {
                self.losses.rows_lost += 1;
            }
        }
    }

    /// The flow's figures of the present interval, to be changed.
    pub(super) fn touch(&mut self, at: u32) -> &mut IntervalFigures {
        let flow = &mut self.flows[at as usize];
        if flow.interval != self.interval {
            flow.interval = self.interval;
            flow.figures = IntervalFigures { inexact: flow.found_late, ..Default::default() };
        }
        if !flow.figures.is_listed {
            flow.figures.is_listed = true;
            self.touched.push(at);
        }
        &mut flow.figures
    }

    /// Keeps what the socket looks like, and books what the kernel's own account has come to.
    pub(super) fn note_figures(&mut self, at: u32, figures: Option<&Figures>, at_ns: u64) {
        let Some(figures) = figures else { return };
        let sample = Sample::new(self.flows[at as usize].id, at_ns, figures);
        if self.options.samples {
            if self.samples.len() < MAX_WAITING {
                self.samples.push(sample);
            } else {
                self.losses.rows_lost += 1;
            }
        }
        self.charge(at, figures, sample);
    }

    /// Books what the kernel's own account has come to.
    fn charge(&mut self, at: u32, figures: &Figures, sample: Sample) {
        let Some(tick_ns) = self.options.tick_ns else { return };
        let present = self.present(at);
        let costs = &mut self.flows[at as usize].costs;
        if costs.is_none() {
            let told = Told::of(figures);
            *costs = told.map(|told| Box::new(Costs::new(told, sample.at_ns, self.interval)));
        }
        if let Some(costs) = costs {
            let charge = costs.charge(figures, sample, present, tick_ns);
            self.sum_charge(at, &charge);
        }
    }

    pub(super) fn present(&self, at: u32) -> Present {
        let Flow { state, since_ns, .. } = self.flows[at as usize];
        Present { state, since_ns, interval: self.interval, from_ns: self.from_ns }
    }
}
