//! The statistics of a comparison: a permutation test of ratios over connections, an effect
//! size, and the adjustment for many comparisons. Not here: what is compared.
//!
//! The spells of a connection depend on each other, so what is drawn at random is always a
//! whole connection. Every figure that is tested is a ratio of sums over connections (time
//! in a state over time observed, timeouts over time observed, ranks over spells), and the
//! statistic is the difference of the two ratios over its standard error.

use fastrand::Rng;

/// What would come by chance once in 20 comparisons, if nothing differed, is not called a
/// difference.
pub const ALPHA: f64 = 0.05;
/// With fewer connections on a side nothing is tested: chance alone could not be ruled out
/// once it is adjusted for some 30 comparisons.
pub const FEWEST_CONNECTIONS: usize = 8;
/// So many permutations where that is enough for what is compared: the smallest p is one in
/// one more.
pub const PERMUTATIONS: usize = 9_999;
/// So many for each of many comparisons, so that what is found in none of them is half of
/// what is called a difference, once it is adjusted.
const PERMUTATIONS_A_TEST: usize = 40;
/// So many at least, however many connections there are.
const FEWEST_PERMUTATIONS: usize = 1_999;
/// Draws of a connection that a test may take, or it would take long.
const MOST_DRAWS: usize = 20_000_000;
/// After so many permutations that are as far apart nobody can doubt that it is chance.
const ENOUGH_BY_CHANCE: u32 = 100;
/// By so little two results of the same sums may differ.
const LAST_BITS: f64 = 1e-9;
/// The same each time, so that the same recordings give the same p.
const SEED: u64 = 0x7463_7063_6f6e_6721;

/// One connection's part in a ratio of sums.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part {
    /// In the sum above.
    pub above: f64,
    /// In the sum below: more than 0.
    pub below: f64,
}

/// How large an effect is by Cliff's delta, in the usual words: Romano, Kromrey, Coraggio
/// and Skowronek, "Appropriate statistics for ordinal level data", 2006, put the limits at
/// 0.147, 0.33 and 0.474.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Below 0.147.
    Negligible,
    /// Below 0.33.
    Small,
    /// Below 0.474.
    Medium,
    /// From there on.
    Large,
}

impl Effect {
    /// Of Cliff's delta.
    #[must_use]
    pub fn of(delta: f64) -> Self {
        match delta.abs() {
            size if size < 0.147 => Self::Negligible,
            size if size < 0.33 => Self::Small,
            size if size < 0.474 => Self::Medium,
            _ => Self::Large,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Negligible => "negligible",
            Self::Small => "small",
            Self::Medium => "medium",
            Self::Large => "large",
        }
    }
}

/// Sums over connections, of which a ratio and its standard error come.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    connections: f64,
    above: f64,
    below: f64,
    above_squared: f64,
    product: f64,
    below_squared: f64,
}

impl Sums {
    fn of(parts: &[Part]) -> Self {
        let mut sums = Self::default();
        for part in parts {
            sums.add(*part);
        }
        sums
    }

    fn add(&mut self, Part { above, below }: Part) {
        self.connections += 1.0;
        self.above += above;
        self.below += below;
        self.above_squared += above * above;
        self.product += above * below;
        self.below_squared += below * below;
    }

    fn without(&self, other: &Self) -> Self {
        Self {
            connections: self.connections - other.connections,
            above: self.above - other.above,
            below: self.below - other.below,
            above_squared: self.above_squared - other.above_squared,
            product: self.product - other.product,
            below_squared: self.below_squared - other.below_squared,
        }
    }

    fn ratio(&self) -> f64 {
        self.above / self.below
    }

    /// The variance of the ratio where connections are independent, whatever is inside of
    /// them: by linearization (Cochran, "Sampling Techniques", 3rd edition, 1977, 6.4).
    fn variance(&self) -> f64 {
        let ratio = self.ratio();
        let squares =
            self.above_squared - 2.0 * ratio * self.product + ratio * ratio * self.below_squared;
        let n = self.connections;
        n / (n - 1.0) * squares.max(0.0) / (self.below * self.below)
    }
}

/// The difference of the ratios over its standard error; without bound where neither side
/// varies and they differ.
fn studentized(a: &Sums, b: &Sums) -> f64 {
    let difference = b.ratio() - a.ratio();
    let error = (a.variance() + b.variance()).sqrt();
    let apart = difference / error;
    if apart.is_nan() { 0.0 } else { apart }
}

/// How often chance alone would put two ratios this far apart, if connections had fallen
/// into one recording or the other at random: the p of a two-sided permutation test.
///
/// It is right to the letter where connections of both sides are of one kind. Where only
/// the ratios are equal, and not what else there is (one recording is longer, say), it is
/// right in the limit of many connections, because what is permuted is studentized: Janssen,
/// "Studentized permutation tests for non-i.i.d. hypotheses", 1997; Chung and Romano,
/// "Exact and asymptotically robust permutation tests", Annals of Statistics 41, 2013. p
/// counts what was observed as one of the permutations (Phipson and Smyth, "Permutation
/// p-values should never be zero", 2010) and stops early where chance is plain (Besag and
/// Clifford, "Sequential Monte Carlo p-values", Biometrika 78, 1991).
///
/// `tests`: for so many p is to be adjusted. Each side needs two connections at least.
#[must_use]
pub fn permutation_test(a: &[Part], b: &[Part], tests: usize) -> f64 {
    let wanted = PERMUTATIONS.max(tests.saturating_mul(PERMUTATIONS_A_TEST));
    let most = MOST_DRAWS / a.len().min(b.len()).max(1);
    let permutations = wanted.min(most).max(FEWEST_PERMUTATIONS);
    permuted(a, b, u32::try_from(permutations).unwrap_or(u32::MAX))
}

/// The same, by so many permutations at most.
fn permuted(a: &[Part], b: &[Part], permutations: u32) -> f64 {
    let Some(mut parts) = centred(a, b) else { return 1.0 };
    let (all, observed) = (Sums::of(&parts), Sums::of(&parts[..a.len()]));
    let observed = studentized(&observed, &all.without(&observed)).abs();
    // Sums of either side are those of all without the other's.
    let drawn = a.len().min(b.len());
    let mut random = Rng::with_seed(SEED);
    let mut as_far = 0;
    for permutation in 1..=permutations {
        let mut side = Sums::default();
        for at in 0..drawn {
            let other = random.usize(at..parts.len());
            parts.swap(at, other);
            side.add(parts[at]);
        }
        let apart = studentized(&side, &all.without(&side)).abs();
        // Sums in another order may differ in their last bits.
        as_far += u32::from(apart >= observed * (1.0 - LAST_BITS) - LAST_BITS);
        if as_far == ENOUGH_BY_CHANCE {
            return f64::from(as_far) / f64::from(permutation);
        }
    }
    f64::from(as_far + 1) / f64::from(permutations + 1)
}

/// Both sides, the common ratio taken off, in units of their own, so that sums of squares
/// lose no bits; nothing if every connection has the same ratio.
fn centred(a: &[Part], b: &[Part]) -> Option<Vec<Part>> {
    let mut parts = [a, b].concat();
    let all = Sums::of(&parts);
    let (common, typical) = (all.ratio(), all.below / all.connections);
    let largest = parts.iter().map(|part| part.above.abs()).fold(0.0, f64::max);
    for part in &mut parts {
        part.above -= common * part.below;
        part.below /= typical;
    }
    let spread = parts.iter().map(|part| part.above.abs()).fold(0.0, f64::max);
    if spread <= largest * 1e-12 {
        return None;
    }
    for part in &mut parts {
        part.above /= spread;
    }
    Some(parts)
}

/// The ranks of these values among each other, from 1 on; equal ones share the middle.
#[must_use]
pub fn midranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<_> = (0..values.len()).collect();
    order.sort_unstable_by(|one, other| values[*one].total_cmp(&values[*other]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for equal in order.chunk_by(|one, other| values[*one].total_cmp(&values[*other]).is_eq()) {
        let after = before + equal.len();
        for at in equal {
            ranks[*at] = f64::midpoint(before as f64 + 1.0, after as f64);
        }
        before = after;
    }
    ranks
}

/// Cliff's delta: how likely a value of `b` is larger than one of `a`, less how likely it is
/// smaller; from -1 to 1 (Cliff, "Dominance statistics", Psychological Bulletin 114, 1993).
/// 0 if either is empty.
#[must_use]
pub fn cliffs_delta(a: &[f64], b: &[f64]) -> f64 {
    if a.is_empty() || b.is_empty() {
        return 0.0;
    }
    let ranks = midranks(&[a, b].concat());
    let mean = |ranks: &[f64]| ranks.iter().sum::<f64>() / ranks.len() as f64;
    2.0 * (mean(&ranks[a.len()..]) - mean(&ranks[..a.len()])) / ranks.len() as f64
}

/// Each p adjusted for all of them, so that calling one a difference that is none comes as
/// often for all together as it should for one, whatever depends on what: Holm, "A simple
/// sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6,
/// 1979.
#[must_use]
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<_> = (0..p.len()).collect();
    order.sort_by(|one, other| p[*one].total_cmp(&p[*other]));
    let mut adjusted = vec![0.0; p.len()];
    let mut least = 0.0_f64;
    for (before, at) in order.into_iter().enumerate() {
        least = least.max((p[at] * (p.len() - before) as f64).min(1.0));
        adjusted[at] = least;
    }
    adjusted
}

#[cfg(test)]
#[path = "statistics_tests.rs"]
mod tests;
