//! Recordings as what commands read: opened, cut to a part, and replayed into a sink. Not
//! here: what a recording is, which `tcpcong_core::recording` knows.

use std::io::{self, Write};
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::cli::Range;
use crate::interrupt::Interrupts;
use crate::recordings::{self, Attended};
use tcpcong_core::model::{Filter, LedgerOptions, Lookups};
use tcpcong_core::recording::Recording;
use tcpcong_core::session::{Backlog, Ending, Plan, Session};
use tcpcong_core::sink::{Output, Sink};
use tcpcong_live::{Waiter, Wake};

/// A recording that is to be replayed, once.
pub(super) struct Opened<'f> {
    file: &'f Path,
    recording: Recording,
}

/// At what pace it is replayed, and who may end that.
pub(super) struct Pace<'p> {
    pub(super) waiter: &'p mut dyn Waiter,
    /// What is slow to be read is waited for.
    pub(super) reader: &'p dyn Backlog,
    /// So many times as fast as it was; without it as fast as can be.
    pub(super) speed: Option<f64>,
}

impl<'f> Opened<'f> {
    /// This part of the recording; nothing where a signal asks for the end first. How far it
    /// has been read is shown on a terminal, if `doing` says what is being done, as "exporting".
    pub(super) fn open(
        file: &'f Path,
        range: Range,
        doing: Option<&'static str>,
        interrupts: &Interrupts,
    ) -> Result<Option<Self>> {
        let Some(mut recording) = recordings::open(file, doing, interrupts)? else {
            return Ok(None);
        };
        if let Err(error) = recordings::cut(file, &mut recording, range) {
            let was_asked = interrupts.asked()?.has_come()?;
            return if was_asked { Ok(None) } else { Err(error) };
        }
        Ok(Some(Self { file, recording }))
    }

    /// Hands it to the sink.
    pub(super) fn replay(
        &mut self,
        plan: &mut Plan,
        sink: &mut dyn Sink,
        out: &mut Output<'_>,
        pace: Pace<'_>,
    ) -> Result<Ending> {
        // The recorded kernel's tick, not this one's.
        plan.ledger.tick_ns = plan.ledger.tick_ns.map(|_| self.recording.tick_ns());
        let mut owners = self.recording.owners();
        let Pace { waiter, reader, speed } = pace;
        let mut source = Attended::new(&mut self.recording, waiter, reader, speed)?;
        let out = Output { data: &mut *out.data, remarks: &mut *out.remarks };
        // Nothing is left out for a slow reader: it was waited for.
        let session =
            Session { source: &mut source, enrichment: &mut owners, sink, out, backlog: &() };
        session.run(plan).map_err(|error| recordings::named(self.file, error))
    }

    /// Says what of it could not be read; of one that was not read to its end, so far.
    pub(super) fn say_damage(&self, is_all_read: bool, to: &mut dyn Write) {
        recordings::say_damage(self.file, &self.recording, is_all_read, to);
    }
}

/// Every spell, transition and sample of every connection, each second: so that no more is in
/// memory than what came in one, and as that is how often recordings have what was looked up.
pub(super) fn plan_of_lives(filter: &Filter) -> Plan {
    Plan {
        interval: Some(Duration::from_secs(1)),
        ledger: LedgerOptions {
            list_quiet: true,
            transitions: true,
            spells: true,
            samples: true,
            ..LedgerOptions::default()
        },
        filter: filter.clone(),
        lookups: Lookups { costs: false, ..Lookups::ALL },
        ..Plan::default()
    }
}

/// Heeds signals, for work that goes on whether or not anybody reads stdout.
pub(super) struct SignalsAlone<'i>(pub(super) &'i mut Interrupts);

impl Waiter for SignalsAlone<'_> {
    fn wait(&mut self, time: Duration, ready: BorrowedFd<'_>) -> io::Result<Wake> {
        self.0.wait_for_signals(time, ready)
    }
}
