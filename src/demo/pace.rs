//! How each sender of the stage behaves: a table, and the arithmetic of its pauses.
//! Pure: it opens no socket and reads no clock.

use std::time::Duration;

use super::script::{CLASS_A, CLASS_B, Class};

/// The behaviour of one sender.
#[derive(Clone, Copy, Debug)]
pub(super) struct Habit {
    /// In the order of preference; the machine's default if it has none of them.
    pub(super) congestion_controls: &'static [&'static str],
    /// What its packets are marked with, by which the router tells them apart.
    pub(super) class: Class,
    /// Written without a pause.
    pub(super) burst_bytes: usize,
    /// After each burst.
    pub(super) pause: Duration,
    /// After which a new connection is made; `None`: one connection for ever.
    pub(super) connection_bytes: Option<usize>,
    /// From the start of a connection to the start of the next, at least.
    pub(super) reconnect_after: Duration,
}

const STEADY: Habit = Habit {
    congestion_controls: &["cubic", "reno"],
    class: CLASS_A,
    burst_bytes: 64 * 1024,
    pause: Duration::ZERO,
    connection_bytes: None,
    reconnect_after: Duration::from_millis(500),
};

/// The cast: connections that write all they can, two that the application
/// limits, and one whose connections come and go.
pub(super) const HABITS: [Habit; 6] = [
    STEADY,
    Habit { class: CLASS_B, ..STEADY },
    Habit { congestion_controls: &["reno"], ..STEADY },
    Habit { class: CLASS_B, burst_bytes: 12_000, pause: Duration::from_millis(25), ..STEADY },
    Habit { burst_bytes: 80_000, pause: Duration::from_millis(250), ..STEADY },
    Habit { class: CLASS_B, connection_bytes: Some(200_000), ..STEADY },
];

/// How far one connection has come with its habit. Times are since one start
/// that the caller chose.
#[derive(Debug)]
pub(super) struct Pace {
    habit: Habit,
    burst_left_bytes: usize,
    connection_left_bytes: Option<usize>,
    paused_until: Duration,
}

impl Pace {
    pub(super) fn new(habit: Habit) -> Self {
        Self {
            habit,
            burst_left_bytes: habit.burst_bytes,
            connection_left_bytes: habit.connection_bytes,
            paused_until: Duration::ZERO,
        }
    }

    /// How much may be written at `now`; 0 in a pause and after the end.
    pub(super) fn allowance_bytes(&self, now: Duration) -> usize {
        if now < self.paused_until {
            return 0;
        }
        self.connection_left_bytes
            .map_or(self.burst_left_bytes, |left| left.min(self.burst_left_bytes))
    }

    /// Books `bytes` as written at `now`.
    pub(super) fn wrote(&mut self, bytes: usize, now: Duration) {
        if let Some(left) = &mut self.connection_left_bytes {
            *left = left.saturating_sub(bytes);
        }
        self.burst_left_bytes = self.burst_left_bytes.saturating_sub(bytes);
        if self.burst_left_bytes == 0 {
            self.burst_left_bytes = self.habit.burst_bytes;
            self.paused_until = now + self.habit.pause;
        }
    }

    /// When the pause ends that is on at `now`.
    pub(super) fn pause_end(&self, now: Duration) -> Option<Duration> {
        (now < self.paused_until).then_some(self.paused_until)
    }

    /// Whether the connection has written all it ever will.
    pub(super) fn is_complete(&self) -> bool {
        self.connection_left_bytes == Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn pace(connection_bytes: Option<usize>) -> Pace {
        Pace::new(Habit { burst_bytes: 100, pause: ms(20), connection_bytes, ..STEADY })
    }

    #[test]
    fn a_pause_follows_a_whole_burst() {
        let mut pace = pace(None);
        pace.wrote(60, ms(5));
        assert_eq!(pace.allowance_bytes(ms(5)), 40);
        assert_eq!(pace.pause_end(ms(5)), None);
        pace.wrote(40, ms(6));
        assert_eq!(pace.allowance_bytes(ms(25)), 0);
        assert_eq!(pace.pause_end(ms(25)), Some(ms(26)));
        assert_eq!(pace.allowance_bytes(ms(26)), 100);
        assert_eq!(pace.pause_end(ms(26)), None);
        assert!(!pace.is_complete());
    }

    #[test]
    fn a_connection_ends_in_the_middle_of_a_burst() {
        let mut pace = pace(Some(150));
        pace.wrote(100, ms(0));
        assert_eq!(pace.allowance_bytes(ms(20)), 50);
        assert!(!pace.is_complete());
        pace.wrote(50, ms(20));
        assert_eq!(pace.allowance_bytes(ms(99)), 0);
        assert!(pace.is_complete());
    }

    #[test]
    fn a_steady_sender_never_waits() {
        let mut pace = Pace::new(STEADY);
        pace.wrote(STEADY.burst_bytes, ms(1));
        assert_eq!(pace.pause_end(ms(1)), None);
        assert_eq!(pace.allowance_bytes(ms(1)), STEADY.burst_bytes);
    }

    #[test]
    fn the_cast_is_varied() {
        assert!(HABITS.iter().any(|habit| habit.pause > Duration::ZERO));
        assert!(HABITS.iter().any(|habit| habit.connection_bytes.is_some()));
        for class in [CLASS_A, CLASS_B] {
            let members = HABITS.iter().filter(|habit| habit.class == class);
            assert_eq!(members.count(), 3);
        }
        assert!(HABITS.iter().all(|habit| habit.burst_bytes > 0));
    }
}
