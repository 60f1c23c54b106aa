use super::*;

/// An exponential length of this mean.
fn exponential(random: &mut Rng, mean: f64) -> f64 {
    -mean * (1.0 - random.f64()).ln()
}

/// Connections that each have a rate of their own about `rate`, which makes their events
/// depend on each other, and that live some `seconds`, some much longer.
fn rates(random: &mut Rng, connections: usize, seconds: f64, rate: f64) -> Vec<Part> {
    let one = |_| {
        let below = seconds * (0.2 + exponential(random, 1.0));
        let own = exponential(random, rate);
        let mut above = 0.0;
        let mut at = exponential(random, 1.0 / own);
        while at < below {
            above += 1.0;
            at += exponential(random, 1.0 / own);
        }
        Part { above, below }
    };
    (0..connections).map(one).collect()
}

/// Lengths of spells, connection by connection: each has many, all of its own kind.
fn lengths(random: &mut Rng, connections: usize, mean: f64) -> Vec<Vec<f64>> {
    let one = |_| {
        let own = exponential(random, mean);
        (0..random.usize(1..40)).map(|_| exponential(random, own)).collect()
    };
    (0..connections).map(one).collect()
}

fn by_rank(a: &[Vec<f64>], b: &[Vec<f64>]) -> (Vec<Part>, Vec<Part>) {
    let ranks = midranks(&[a, b].concat().concat());
    let mut ranks = ranks.into_iter();
    let mut parts = |side: &[Vec<f64>]| -> Vec<Part> {
        let part = |spells: &Vec<f64>| Part {
            above: ranks.by_ref().take(spells.len()).sum(),
            below: spells.len() as f64,
        };
        side.iter().map(part).collect()
    };
    (parts(a), parts(b))
}

/// Fewer permutations than there are for people, as there are many pairs.
fn quick(a: &[Part], b: &[Part]) -> f64 {
    permuted(a, b, 999)
}

/// How often p is at most 0.05.
fn found(times: u32, mut p: impl FnMut(&mut Rng) -> f64) -> f64 {
    let mut random = Rng::with_seed(7);
    let found = (0..times).filter(|_| p(&mut random) <= ALPHA).count();
    found as f64 / f64::from(times)
}

#[test]
fn without_a_difference_one_is_found_as_often_as_is_said() {
    let alike =
        |random: &mut Rng| quick(&rates(random, 10, 5.0, 1.0), &rates(random, 14, 5.0, 1.0));
    let share = found(1000, alike);
    assert!((0.03..0.07).contains(&share), "{share}");
}

#[test]
fn nor_is_one_found_because_one_recording_is_longer() {
    let sides = |random: &mut Rng| (rates(random, 40, 30.0, 0.2), rates(random, 40, 3.0, 0.2));
    let share = found(600, |random| {
        let (a, b) = sides(random);
        quick(&a, &b)
    });
    assert!((0.02..0.09).contains(&share), "{share}");
    // The ranks of rates differ: of short connections many have no event at all.
    let by_ranks = found(60, |random| {
        let (a, b) = sides(random);
        let each = |side: Vec<Part>| -> Vec<_> {
            side.into_iter().map(|part| vec![part.above / part.below]).collect()
        };
        let (a, b) = by_rank(&each(a), &each(b));
        quick(&a, &b)
    });
    assert!(by_ranks > 0.3, "{by_ranks}");
}

#[test]
fn many_spells_of_few_connections_are_no_evidence_of_more_connections() {
    let alike = |random: &mut Rng| (lengths(random, 9, 1.0), lengths(random, 12, 1.0));
    let share = found(600, |random| {
        let (a, b) = alike(random);
        let (a, b) = by_rank(&a, &b);
        quick(&a, &b)
    });
    assert!((0.025..0.08).contains(&share), "{share}");
    // Spell by spell, as if each were independent, far more would be called different.
    let naive = found(60, |random| {
        let (a, b) = alike(random);
        let each =
            |side: Vec<Vec<f64>>| side.concat().into_iter().map(|spell| vec![spell]).collect();
        let (a, b): (Vec<_>, Vec<_>) = (each(a), each(b));
        let (a, b) = by_rank(&a, &b);
        quick(&a, &b)
    });
    assert!(naive > 0.3, "{naive}");
}

#[test]
fn a_difference_is_found() {
    let share =
        found(100, |random| quick(&rates(random, 20, 10.0, 0.5), &rates(random, 20, 10.0, 3.0)));
    assert!(share > 0.9, "{share}");
    let share = found(100, |random| {
        let (a, b) = by_rank(&lengths(random, 20, 1.0), &lengths(random, 20, 6.0));
        quick(&a, &b)
    });
    assert!(share > 0.9, "{share}");
}

#[test]
fn sides_that_never_vary_are_as_far_apart_as_can_be_or_the_same() {
    let side = |above| vec![Part { above, below: 2.0 }; 8];
    let p = permutation_test(&side(1.0), &side(0.0), 1);
    assert!(p < 0.002, "{p}"); // 2 of 12870 ways
    assert!((permutation_test(&side(1.0), &side(1.0), 1) - 1.0).abs() < 1e-12);
    assert!((permutation_test(&side(0.0), &side(0.0), 1) - 1.0).abs() < 1e-12);
}

#[test]
fn the_same_sides_give_the_same_p() {
    let mut random = Rng::with_seed(1);
    let (a, b) = (rates(&mut random, 9, 5.0, 1.0), rates(&mut random, 9, 5.0, 2.0));
    let p = permutation_test(&a, &b, 1);
    assert!((p - permutation_test(&a, &b, 1)).abs() < f64::EPSILON);
    assert!((permutation_test(&a, &a, 1) - 1.0).abs() < 1e-12);
}

#[test]
fn effects_are_told_by_how_often_one_is_above_the_other() {
    assert_eq!(midranks(&[3.0, 1.0, 3.0, 2.0]), [3.5, 1.0, 3.5, 2.0]);
    let delta = |a: &[f64], b: &[f64]| (cliffs_delta(a, b) * 1e6).round() / 1e6;
    assert_eq!(delta(&[1.0, 2.0], &[3.0, 4.0]).to_bits(), 1.0_f64.to_bits());
    assert_eq!(delta(&[3.0, 4.0], &[1.0, 2.0]).to_bits(), (-1.0_f64).to_bits());
    assert_eq!(delta(&[1.0, 2.0], &[1.0, 3.0]).to_bits(), 0.25_f64.to_bits());
    assert_eq!(delta(&[], &[1.0]).to_bits(), 0.0_f64.to_bits());
    let names = [0.0, 0.2, -0.4, -1.0].map(|delta| Effect::of(delta).name());
    assert_eq!(names, ["negligible", "small", "medium", "large"]);
}

#[test]
fn many_comparisons_make_each_worth_less() {
    let adjusted = holm(&[0.01, 0.04, 0.03, 0.005]);
    let rounded: Vec<_> = adjusted.iter().map(|p| (p * 1e6).round() / 1e6).collect();
    assert_eq!(rounded, [0.03, 0.06, 0.06, 0.02]);
    assert!(holm(&[0.9, 0.8]).iter().all(|p| *p <= 1.0));
}

#[test]
fn the_more_is_compared_the_smaller_p_can_be() {
    let side = |above: f64| -> Vec<_> {
        (0..30).map(|at| Part { above: above + f64::from(at), below: 2.0 }).collect()
    };
    for tests in [1, 30, 1000] {
        let p = permutation_test(&side(0.0), &side(100.0), tests);
        assert!(p * tests as f64 <= ALPHA / 2.0, "{tests}: {p}");
    }
}
