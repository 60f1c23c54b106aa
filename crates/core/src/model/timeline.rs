//! Lives put together from the reports of a run: every spell with its cause, and what the
//! socket looked like meanwhile. Not here: how that is drawn.

use rustc_hash::FxHashMap;

use super::{
    Beginning, Connection, FlowId, Name, Names, Report, Row, Sample, State, StateTimes, Transition,
};

/// A stay in one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spell {
    /// Since when, `CLOCK_MONOTONIC` nanoseconds.
    pub from_ns: u64,
    /// Until when, `CLOCK_MONOTONIC` nanoseconds.
    pub to_ns: u64,
    /// In which state.
    pub state: State,
    /// How it began.
    pub beginning: Beginning,
}

impl Spell {
    /// How long it was, nanoseconds.
    #[must_use]
    pub fn length_ns(&self) -> u64 {
        self.to_ns - self.from_ns
    }
}

/// One flow, as far as it was seen.
#[derive(Debug, Clone)]
pub struct Life {
    /// Which flow.
    pub id: FlowId,
    /// Which connection that is, as last known.
    pub connection: Connection,
    /// Its owner and namespace in words, as last known.
    pub names: Names,
    /// The congestion control, as last seen.
    pub cc: Option<Name>,
    /// Its spells, one after the other without a gap; the last one may go on.
    pub spells: Vec<Spell>,
    /// What its socket looked like, in the order of time.
    pub samples: Vec<Sample>,
    /// Its transitions, and the repeated timeouts.
    pub transitions: Vec<Transition>,
    /// Whether it has ended. If not, its last spell goes on.
    pub ended: bool,
    /// Time in each state.
    pub times: StateTimes,
    /// Transitions.
    pub changes: u64,
    /// Retransmission timeouts.
    pub rtos: u64,
    /// Of those, Loss set again while in Loss.
    pub repeated_rtos: u64,
    /// Whether all transitions that bear on this were seen.
    pub exact: bool,
    /// By how much its times may be off, nanoseconds.
    pub uncertain_ns: u64,
    /// The last spell in `spells` is only as far as it has come.
    goes_on: bool,
}

impl Life {
    fn new(row: &Row) -> Self {
        Self {
            id: row.id,
            connection: row.connection,
            names: Names::default(),
            cc: None,
            spells: Vec::new(),
            samples: Vec::new(),
            transitions: Vec::new(),
            ended: false,
            times: StateTimes::default(),
            changes: 0,
            rtos: 0,
            repeated_rtos: 0,
            exact: true,
            uncertain_ns: 0,
            goes_on: false,
        }
    }

    /// When it began to be seen, `CLOCK_MONOTONIC` nanoseconds.
    #[must_use]
    pub fn began_ns(&self) -> u64 {
        self.spells.first().map_or(self.id.born_ns, |spell| spell.from_ns)
    }

    /// Until when it was seen, `CLOCK_MONOTONIC` nanoseconds.
    #[must_use]
    pub fn ended_ns(&self) -> u64 {
        self.spells.last().map_or(self.id.born_ns, |spell| spell.to_ns)
    }

    fn add_row(&mut self, row: &Row) {
        self.connection = row.connection;
        self.names = row.names.clone();
        self.cc = row.cc.or(self.cc);
        self.times.add(&row.times);
        self.changes += u64::from(row.changes);
        self.rtos += u64::from(row.rtos);
        self.repeated_rtos += u64::from(row.repeated_rtos);
        self.exact &= row.exact;
        self.uncertain_ns += row.uncertain_ns;
        self.ended = row.ended;
        self.resume();
    }

    /// The spell that went on has come further.
    fn resume(&mut self) {
        if std::mem::take(&mut self.goes_on) {
            self.spells.pop();
        }
    }

    /// The spell in which it is at the interval's end.
    fn add_ongoing(&mut self, row: &Row, to_ns: u64) {
        let from_ns = to_ns - row.spell_ns.min(to_ns);
        let Row { state, beginning, .. } = *row;
        self.spells.push(Spell { from_ns, to_ns, state, beginning });
        self.goes_on = true;
    }

    /// Forgets what was over before `from_ns`, but for sums.
    fn forget_before(&mut self, from_ns: u64) {
        self.spells.retain(|spell| spell.to_ns > from_ns);
        self.samples.retain(|sample| sample.at_ns >= from_ns);
        self.transitions.retain(|transition| transition.at_ns >= from_ns);
    }
}

/// The lives of all flows that a run's reports have rows of. The ledger must have been asked
/// for transitions, spells and samples, and for quiet flows where their lives are wanted.
#[derive(Debug, Default)]
pub struct Timelines {
    lives: FxHashMap<FlowId, Life>,
}

impl Timelines {
    /// Adds one interval, which begins where the one before ended.
    pub fn add(&mut self, report: &Report) {
        for row in &report.rows {
            self.lives.entry(row.id).or_insert_with(|| Life::new(row)).add_row(row);
        }
        for spell in &report.ended_spells {
            if let Some(life) = self.lives.get_mut(&spell.id) {
                life.resume();
                let (to_ns, from_ns) = (spell.at_ns, spell.at_ns - spell.length_ns);
                let (state, beginning) = (spell.state, spell.beginning);
                life.spells.push(Spell { from_ns, to_ns, state, beginning });
            }
        }
        for sample in &report.samples {
            if let Some(life) = self.lives.get_mut(&sample.id) {
                life.samples.push(*sample);
            }
        }
        for transition in &report.transitions {
            if let Some(life) = self.lives.get_mut(&transition.id) {
                life.transitions.push(*transition);
            }
        }
        for row in report.rows.iter().filter(|row| !row.ended) {
            if let Some(life) = self.lives.get_mut(&row.id) {
                life.add_ongoing(row, report.to_ns);
            }
        }
    }

    /// The life of one flow.
    #[must_use]
    pub fn get(&self, id: FlowId) -> Option<&Life> {
        self.lives.get(&id)
    }

    /// Forgets flows that had ended before `from_ns`, and of the others what was over
    /// before that, but for sums.
    pub fn forget_before(&mut self, from_ns: u64) {
        self.lives.retain(|_, life| !life.ended || life.ended_ns() >= from_ns);
        self.lives.values_mut().for_each(|life| life.forget_before(from_ns));
    }

    /// All lives, in the order in which they began.
    #[must_use]
    pub fn into_lives(self) -> Vec<Life> {
        let mut lives: Vec<_> = self.lives.into_values().collect();
        lives.sort_by_key(|life| (life.began_ns(), life.id));
        lives
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::model::sample::{Script, figures};
    use crate::model::{Cause, Ledger, LedgerOptions};

    const MS: u64 = 1_000_000;

    fn options() -> LedgerOptions {
        LedgerOptions {
            list_quiet: true,
            transitions: true,
            spells: true,
            samples: true,
            ..LedgerOptions::default()
        }
    }

    /// The lives of what the script tells, reported at these milliseconds.
    fn lives(script: Script, ends_ms: &[u64]) -> Vec<Life> {
        let mut ledger = Ledger::new(0, options());
        let mut timelines = Timelines::default();
        let mut entries = script.entries.into_iter().peekable();
        for end_ms in ends_ms {
            while let Some(entry) = entries.next_if(|entry| entry.at_ns < end_ms * MS) {
                ledger.apply(&entry);
            }
            let mut report = ledger.close(end_ms * MS, Timestamp::UNIX_EPOCH);
            report.transitions = ledger.take_transitions();
            timelines.add(&report);
        }
        timelines.into_lives()
    }

    #[test]
    fn a_life_is_its_spells_without_a_gap_however_it_was_cut_into_intervals() {
        let script = || {
            Script::default()
                .birth(1, 100 * MS)
                .birth(2, 150 * MS)
                .transition(1, 300 * MS, State::Open, State::Loss)
                .with(figures(1, 10, true))
                .transition(1, 450 * MS, State::Loss, State::Loss)
                .with(figures(1, 10, true))
                .transition(1, 900 * MS, State::Loss, State::Open)
                .with(figures(2, 10, true))
                .end(2, 950 * MS, State::Open)
        };
        for ends_ms in [&[1000][..], &[200, 400, 600, 1000], &[300, 301, 900, 901, 1000]] {
            let lives = lives(script(), ends_ms);
            let [first, second] = &lives[..] else { panic!("{} lives", lives.len()) };
            let told: Vec<_> =
                first.spells.iter().map(|s| (s.from_ns / MS, s.to_ns / MS, s.state)).collect();
            let expected =
                [(100, 300, State::Open), (300, 900, State::Loss), (900, 1000, State::Open)];
            assert_eq!(told, expected, "{ends_ms:?}");
            assert_eq!(first.spells[0].beginning, Beginning::Birth);
            assert_eq!(first.spells[1].beginning.cause(), Some(Cause::Rto));
            assert_eq!((first.ended, first.repeated_rtos, first.samples.len()), (false, 1, 3));
            assert_eq!(first.transitions.len(), 3);
            assert_eq!(first.times.total_ns(), first.ended_ns() - first.began_ns());
            let [only] = second.spells[..] else { panic!("{:?}", second.spells) };
            assert_eq!((only.from_ns, only.to_ns, second.ended), (150 * MS, 950 * MS, true));
        }
    }

    #[test]
    fn a_spell_whose_beginning_was_not_seen_says_so() {
        let script = Script::default()
            .seen(1, 50 * MS, State::Recovery)
            .seen(1, 500 * MS, State::Open)
            .end(1, 600 * MS, State::Open);
        let lives = lives(script, &[1000]);
        let beginnings: Vec<_> = lives[0].spells.iter().map(|spell| spell.beginning).collect();
        assert_eq!(beginnings, [Beginning::Unseen, Beginning::Unseen]);
        assert!(!lives[0].exact && lives[0].uncertain_ns > 0);
    }

    #[test]
    fn what_was_over_long_ago_can_be_forgotten() {
        let script = Script::default()
            .birth(1, 0)
            .birth(2, 0)
            .transition(1, 300 * MS, State::Open, State::Cwr)
            .end(2, 400 * MS, State::Open);
        let mut ledger = Ledger::new(0, options());
        let mut timelines = Timelines::default();
        for entry in script.entries {
            ledger.apply(&entry);
        }
        timelines.add(&ledger.close(1000 * MS, Timestamp::UNIX_EPOCH));
        timelines.forget_before(500 * MS);
        let lives = timelines.into_lives();
        let [life] = &lives[..] else { panic!("{} lives", lives.len()) };
        assert_eq!((life.spells.len(), life.spells[0].state), (1, State::Cwr));
        assert_eq!(life.times.total_ns(), 1000 * MS);
    }
}
