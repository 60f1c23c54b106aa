//! Costly looks around, taken so seldom that they cost a hundredth of the time
//! at most. Not here: what is looked at.

use std::time::{Duration, Instant};

/// Pause after a look, in times of how long it took.
const PAUSE_TIMES: u32 = 100;

/// When the last look was, and what it cost.
#[derive(Debug, Default)]
pub(super) struct CostLimiter {
    last: Option<(Instant, Duration)>,
}

impl CostLimiter {
    /// Whether it is time for another look, `least` after the last one at the
    /// earliest.
    pub(super) fn is_due(&self, least: Duration) -> bool {
        self.last.is_none_or(|(ended, took)| ended.elapsed() >= pause(took).max(least))
    }

    /// Looks, and notes what it cost.
    pub(super) fn look<T>(&mut self, look: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let seen = look();
        let ended = Instant::now();
        self.last = Some((ended, ended - began));
        seen
    }
}

fn pause(took: Duration) -> Duration {
    took.saturating_mul(PAUSE_TIMES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_is_due_at_first_and_then_after_a_pause() {
        let mut limiter = CostLimiter::default();
        assert!(limiter.is_due(Duration::MAX));
        limiter.look(|| std::thread::sleep(Duration::from_millis(20)));
        assert!(!limiter.is_due(Duration::ZERO));
        limiter.look(|| ());
        assert!(!limiter.is_due(Duration::from_secs(3600)));
    }
}
