//! Of the rules that hold, the costliest gives the verdict, and the one after it a second
//! cause; and how far that can be relied on. Not here: the rules, which are a table in `rules`.

use super::because;
use super::rules::RULES;
use super::weigh::{SHORT_NS, UNKNOWN, is_measured};
use super::{Confidence, Evidence, Verdict};

/// Less time in doubt than this makes no rule hold: it is the lowest threshold.
const UNCERTAIN: f64 = 0.01;
/// From so many times its threshold on the confidence in a rule's verdict is high.
const CLEAR: f64 = 2.0;
/// What costs a smaller part of the time is not to blame.
const MATTERS: f64 = 0.01;
/// What costs such a part of what costs most is a second cause.
const SECOND: u64 = 4;

/// What the rules say of evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Who or what is to blame.
    pub verdict: Verdict,
    /// How far that can be relied on.
    pub confidence: Confidence,
    /// What it costs, nanoseconds of the time that was watched.
    pub cost_ns: u64,
    /// What costs a quarter of that at least.
    pub second: Option<Verdict>,
    /// What it is that costs, and how much: a sentence.
    pub because: String,
}

/// The verdict on the evidence.
#[must_use]
pub fn judge(evidence: &Evidence) -> Judgement {
    let strengths: Vec<_> = RULES.iter().map(|rule| (rule, (rule.strength)(evidence))).collect();
    let holding: Vec<_> = strengths.into_iter().filter(|(_, strength)| *strength >= 1.0).collect();
    // What costs nothing that matters stands for nothing else.
    let stands = |verdict: &Verdict| {
        let mut plainer = holding.iter().filter(|(rule, _)| rule.verdict == *verdict);
        plainer.any(|(rule, _)| evidence.share((rule.cost_ns)(evidence)) >= MATTERS)
    };
    let mut own: Vec<_> = holding
        .iter()
        .filter(|(rule, _)| !rule.unless.iter().any(stands))
        .map(|(rule, strength)| (rule.verdict, *strength, (rule.cost_ns)(evidence)))
        .filter(|(verdict, _, cost_ns)| verdict.is_calm() || evidence.share(*cost_ns) >= MATTERS)
        .collect();
    own.sort_by_key(|(.., cost_ns)| std::cmp::Reverse(*cost_ns));
    let mut own = own.into_iter();
    let (verdict, strength, cost_ns) = own.next().unwrap_or((Verdict::Healthy, 1.0, 0));
    let second = own.find(|(_, _, second_ns)| {
        cost_ns < u64::MAX && *second_ns > 0 && *second_ns >= cost_ns / SECOND
    });
    Judgement {
        verdict,
        confidence: if is_uncertain(evidence) {
            Confidence::Low
        } else if strength >= CLEAR && verdict != Verdict::Healthy {
            Confidence::High
        } else {
            Confidence::Medium
        },
        cost_ns: cost_ns.min(evidence.watched_ns()),
        second: second.map(|(verdict, ..)| verdict),
        because: because::of(verdict, evidence),
    }
}

fn is_uncertain(evidence: &Evidence) -> bool {
    let told = evidence.causes.recovery
        + evidence.causes.rto
        + evidence.causes.ecn
        + evidence.causes.local_drop;
    let in_doubt = evidence.share(evidence.uncertain_ns) >= UNCERTAIN
        && 2 * evidence.uncertain_ns >= evidence.held_up_ns();
    let unknown = evidence.causes.unknown;
    !evidence.all_told
        || evidence.estimated
        || in_doubt
        // What was refused was so at once.
        || (evidence.watched_ns() < SHORT_NS && evidence.errno == 0)
        || !is_measured(evidence)
        || f64::from(unknown) > UNKNOWN * f64::from(told + unknown)
}
