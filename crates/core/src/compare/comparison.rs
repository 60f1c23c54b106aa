//! Holds two recordings against each other: every measure of both, and the verdict on the
//! difference. Not here: the tests themselves, nor any words for a person.

use std::collections::{BTreeMap, BTreeSet};

use super::statistics::{ALPHA, Effect, FEWEST_CONNECTIONS, Part, holm, permutation_test};
use super::{Lengths, Measure, Population, Recorded};
use crate::model::{Name, Value};

/// Two sums of many fractions that differ by less of themselves are equal.
const ROUNDING: f64 = 1e-9;

/// Two recordings further apart in length than so many times are not alike.
const LENGTHS_ALIKE: f64 = 1.25;

/// What is to be said of a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// More than chance: it is higher in B.
    Higher,
    /// More than chance: it is lower in B.
    Lower,
    /// It may be chance.
    NoEvidence,
    /// There are too few connections to tell.
    TooFew,
}

impl Verdict {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Higher => "higher",
            Self::Lower => "lower",
            Self::NoEvidence => "no-evidence",
            Self::TooFew => "too-few",
        }
    }
}

/// One measure of both recordings.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Which.
    pub measure: Measure,
    /// Of A and of B, in the measure's unit; nothing where it is not known.
    pub values: [Option<f64>; 2],
    /// Of spells: how long they were, in A and in B.
    pub lengths: Option<[Lengths; 2]>,
    /// How many connections have a part in it, in A and in B.
    pub connections: [usize; 2],
    /// Cliff's delta, from -1 to 1: above 0 if B is mostly higher.
    pub delta: f64,
    /// How often chance would make as large a difference; nothing where there are too few
    /// connections.
    pub p: Option<f64>,
    /// The same, adjusted for all comparisons.
    pub p_adjusted: Option<f64>,
    /// Of what was tested, B against A: the ratio, and for spells the mean rank.
    tested: f64,
}

impl Difference {
    fn of(measure: Measure, a: &Population, b: &Population) -> Self {
        let parts = measure.parts(a, b);
        let connections = [parts[0].len(), parts[1].len()];
        let lengths = match measure {
            Measure::Spells(state) => Some([a, b].map(|side| Lengths::of(state, side))),
            _ => None,
        };
        let ratios = [0, 1].map(|side: usize| ratio(&parts[side]));
        let values = match &lengths {
            Some(lengths) => lengths.map(|side| side.median_ns.map(|median_ns| median_ns as f64)),
            None => ratios,
        };
        let [a_ratio, b_ratio] = ratios.map(Option::unwrap_or_default);
        Self {
            measure,
            values,
            lengths,
            connections,
            delta: measure.delta(a, b, &parts),
            p: None,
            p_adjusted: None,
            tested: b_ratio - a_ratio,
        }
    }

    fn is_enough(&self) -> bool {
        self.connections.iter().all(|count| *count >= FEWEST_CONNECTIONS)
    }

    /// B less A, where both are known.
    #[must_use]
    pub fn difference(&self) -> Option<f64> {
        let [a, b] = self.values;
        let (a, b) = (a?, b?);
        // Sums of the same parts in another order are the same.
        let is_rounding = (b - a).abs() <= ROUNDING * a.abs().max(b.abs());
        Some(if is_rounding { 0.0 } else { b - a })
    }

    /// B over A, where both are known and A is not 0.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        let [a, b] = self.values;
        Some(b? / a.filter(|a| *a != 0.0)?)
    }

    /// Whether it is more than chance, and which way.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        match self.p_adjusted {
            None => Verdict::TooFew,
            Some(p) if p > ALPHA => Verdict::NoEvidence,
            Some(_) if self.tested > 0.0 => Verdict::Higher,
            Some(_) => Verdict::Lower,
        }
    }

    /// How large it is; nothing if all connections together and one by one do not point the
    /// same way, because a few long ones are unlike the rest.
    #[must_use]
    pub fn effect(&self) -> Option<Effect> {
        (self.tested * self.delta >= 0.0).then_some(Effect::of(self.delta))
    }

    /// Whether it is nothing in either recording.
    #[must_use]
    pub fn is_of_nothing(&self) -> bool {
        self.values.iter().all(|value| value.is_none_or(|value| value == 0.0))
    }
}

fn ratio(parts: &[Part]) -> Option<f64> {
    let sum = |figure: fn(&Part) -> f64| parts.iter().map(figure).sum::<f64>();
    let (above, below) = (sum(|part| part.above), sum(|part| part.below));
    (below > 0.0).then(|| above / below)
}

/// In what two recordings are not alike, so that a difference may come of that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unlike {
    /// The kernels.
    Kernels([String; 2]),
    /// How transitions were learned.
    Methods([String; 2]),
    /// What was not seen by design.
    Limitations([Vec<String>; 2]),
    /// How long they are, nanoseconds.
    Lengths([u64; 2]),
    /// Which congestion controls the connections had.
    CongestionControls([Vec<Option<Name>>; 2]),
}

/// Two recordings, or the same group of both.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// What the connections have in common; empty if they are all that there are.
    pub key: Vec<(&'static str, Value)>,
    /// A's and B's.
    pub sides: [Population; 2],
    /// Every measure that is something in one of them.
    pub differences: Vec<Difference>,
}

/// All there is to say.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// A and B, whose groups are below.
    pub recordings: [Recorded; 2],
    /// In what they are not alike.
    pub unlike: Vec<Unlike>,
    /// Of each group, or of all connections.
    pub groups: Vec<Compared>,
    /// How many differences were tested: p is adjusted for so many.
    pub tests: usize,
}

/// Holds B against A.
#[must_use]
pub fn compare(mut a: Recorded, mut b: Recorded) -> Comparison {
    let unlike = unlike(&a, &b);
    let (mut of_a, mut of_b) = (std::mem::take(&mut a.groups), std::mem::take(&mut b.groups));
    let mut keys: BTreeSet<_> = of_a.keys().chain(of_b.keys()).cloned().collect();
    if keys.is_empty() {
        keys.insert(Vec::new());
    }
    let mut groups: Vec<_> = keys
        .into_iter()
        .map(|key| {
            let take = |side: &mut BTreeMap<_, _>| side.remove(&key).unwrap_or_default();
            let sides = [take(&mut of_a), take(&mut of_b)];
            Compared { differences: differences(&sides), key, sides }
        })
        .collect();
    let tests = test(&mut groups);
    Comparison { recordings: [a, b], unlike, groups, tests }
}

fn differences([a, b]: &[Population; 2]) -> Vec<Difference> {
    let connections = a.connections.iter().chain(&b.connections);
    let causes: BTreeSet<_> = connections.flat_map(|one| one.causes.keys().copied()).collect();
    let all = Measure::all(causes.into_iter()).map(|measure| Difference::of(measure, a, b));
    all.filter(|difference| !difference.is_of_nothing()).collect()
}

/// Tests what can be tested, and adjusts p for all of that. Returns how much that is.
fn test(groups: &mut [Compared]) -> usize {
    let all = groups.iter().flat_map(|group| &group.differences);
    let tests = all.filter(|one| one.is_enough()).count();
    let mut found = Vec::new();
    for Compared { sides: [a, b], differences, .. } in &*groups {
        for one in differences.iter().filter(|one| one.is_enough()) {
            let parts = one.measure.parts(a, b);
            found.push(permutation_test(&parts[0], &parts[1], tests));
        }
    }
    let mut p = found.iter().copied().zip(holm(&found));
    let all = groups.iter_mut().flat_map(|group| &mut group.differences);
    for one in all.filter(|one| one.is_enough()) {
        (one.p, one.p_adjusted) = p.next().unzip();
    }
    tests
}

fn unlike(a: &Recorded, b: &Recorded) -> Vec<Unlike> {
    let mut unlike = Vec::new();
    let both = [a, b];
    let starts = both.map(|side| &side.start);
    let kernels = starts.map(|start| start.kernel.clone());
    let methods = starts.map(|start| start.attach.clone());
    let limitations = starts.map(|start| start.limitations.clone());
    let lengths = both.map(|side| side.length_ns);
    let controls = both.map(|side| side.congestion_controls.keys().copied().collect::<Vec<_>>());
    if kernels[0] != kernels[1] {
        unlike.push(Unlike::Kernels(kernels));
    }
    if methods[0] != methods[1] {
        unlike.push(Unlike::Methods(methods));
    }
    if limitations[0] != limitations[1] {
        unlike.push(Unlike::Limitations(limitations));
    }
    let (shorter, longer) = (lengths[0].min(lengths[1]), lengths[0].max(lengths[1]));
    if longer as f64 > shorter as f64 * LENGTHS_ALIKE {
        unlike.push(Unlike::Lengths(lengths));
    }
    if controls[0] != controls[1] {
        unlike.push(Unlike::CongestionControls(controls));
    }
    unlike
}

#[cfg(test)]
#[path = "comparison_tests.rs"]
mod tests;
