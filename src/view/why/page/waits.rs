//! What each retransmission timeout cost: the wait before it, and the Loss after it. Not
//! here: how that is printed.

use serde::Serialize;

use tcpcong_core::model::{Cause, Life, Spell, State, Transition};

/// One timeout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(in super::super) struct Wait {
    /// When the timer fired, `CLOCK_MONOTONIC` nanoseconds.
    pub(super) at_ns: u64,
    /// Which timeout: `rto`, `rto-repeat`, `syn-timeout`.
    pub(super) cause: &'static str,
    /// The state in which it was waited for.
    pub(super) from: &'static str,
    /// How long nothing had been acknowledged; nothing where that is not known.
    pub(super) waited_ns: Option<u64>,
    /// How long it was in Loss after that, until the next timeout or the end of Loss.
    pub(super) loss_ns: u64,
    /// How that ended: a cause, `timeout`, `closed`; nothing where it goes on.
    pub(super) ended_by: Option<String>,
}

/// Each of a life between two instants.
pub(super) fn waits(life: &Life, (from_ns, to_ns): (u64, u64)) -> Vec<Wait> {
    let told = &life.transitions;
    let within = |one: &&Transition| (from_ns..=to_ns).contains(&one.at_ns) && is_timeout(one);
    let wait = |one: &Transition| {
        let next = told.iter().find(|next| next.at_ns > one.at_ns && next.from == State::Loss);
        let is_over_ns = life.spells.iter().find(|spell| is_loss_at(spell, one.at_ns));
        let until_ns = match next {
            Some(next) => next.at_ns,
            None => is_over_ns.map_or(one.at_ns, |spell| spell.to_ns),
        };
        Wait {
            at_ns: one.at_ns,
            cause: one.cause.name(),
            from: one.from.name(),
            waited_ns: one.waited_ns,
            loss_ns: until_ns.saturating_sub(one.at_ns),
            ended_by: match next {
                Some(next) if next.to == State::Loss => Some("timeout".to_owned()),
                Some(next) => Some(next.cause.to_string()),
                None if life.ended => Some("closed".to_owned()),
                None => None,
            },
        }
    };
    told.iter().filter(within).map(wait).collect()
}

fn is_timeout(transition: &Transition) -> bool {
    matches!(transition.cause, Cause::Rto | Cause::RtoRepeat | Cause::SynTimeout)
}

fn is_loss_at(spell: &Spell, at_ns: u64) -> bool {
    spell.state == State::Loss && (spell.from_ns..=spell.to_ns).contains(&at_ns)
}
