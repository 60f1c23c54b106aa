//! Lengths of spells, in classic buckets and in native ones. Not here: where they come from.

use std::sync::Arc;

use prometheus_client::metrics::histogram::{Histogram, NativeHistogramConfig};

use super::metric::Lengths;
use tcpcong_core::model::State;

/// The classic buckets' upper bounds, seconds: from what a round trip takes in a data centre to
/// what nobody waits for, mostly three in each decade. All formats write these alike.
pub const BOUNDS: [f64; 19] = [
    1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0,
    100.0, 300.0,
];
/// Each native bucket is at most so many times as wide as the one before (schema 3).
const FACTOR: f64 = 1.1;
/// So many native buckets at most; beyond that they become wider.
const BUCKETS_MOST: usize = 160;

/// Of one state.
#[derive(Debug)]
struct OfState {
    native: Histogram,
    classic: Lengths,
}

/// Of all states.
#[derive(Debug)]
pub(super) struct Spells([OfState; 5]);

impl Spells {
    /// None so far.
    #[must_use]
    pub(super) fn none() -> Self {
        let config = NativeHistogramConfig::with_bucket_factor(FACTOR).max_buckets(BUCKETS_MOST);
        Self(State::ALL.map(|_| OfState {
            native: Histogram::new_classic_and_native(BOUNDS, config),
            classic: Lengths { buckets: vec![0; BOUNDS.len() + 1], ..Lengths::default() },
        }))
    }

    /// Counts one that ended.
    pub(super) fn count(&mut self, state: State, length_ns: u64) {
        let OfState { native, classic } = &mut self.0[state as usize];
        let seconds = length_ns as f64 / 1e9;
        native.observe(seconds);
        classic.count += 1;
        classic.sum += seconds;
        classic.buckets[BOUNDS.partition_point(|bound| *bound < seconds)] += 1;
    }

    /// What Prometheus is given: a handle that shows what comes later too.
    #[must_use]
    pub(super) fn native(&self) -> [Histogram; 5] {
        self.0.each_ref().map(|of_state| of_state.native.clone())
    }

    /// What was counted so far.
    #[must_use]
    pub(super) fn classic(&self, state: State) -> Arc<Lengths> {
        Arc::new(self.0[state as usize].classic.clone())
    }
}
