//! What `tcpcong record` says: how far it has come, and how far to trust it.

use std::io;
use std::time::Duration;

use tcpcong_core::model::{Report, Start, Summary};
use tcpcong_core::recording::{Recorded, Recorder};
use tcpcong_core::sink::{Output, Sink};

use super::trust;

/// Says it on stderr.
pub struct RecordView {
    recorder: Recorder,
    /// A person sees it grow.
    live: bool,
    began_ns: u64,
    ended_ns: u64,
}

impl RecordView {
    /// Of what `recorder` writes.
    #[must_use]
    pub fn new(recorder: Recorder, live: bool) -> Self {
        Self { recorder, live, began_ns: 0, ended_ns: 0 }
    }

    /// What the recording has come to, in words.
    #[must_use]
    pub fn so_far(&self) -> String {
        let Recorded { entries, bytes } = self.recorder.so_far();
        let time = Duration::from_nanos(self.ended_ns - self.began_ns);
        format!("{entries} entries in {:.1} s, {} kB", time.as_secs_f64(), bytes.div_ceil(1000))
    }
}

impl Sink for RecordView {
    fn started(&mut self, start: &Start, out: &mut Output<'_>) -> io::Result<()> {
        (self.began_ns, self.ended_ns) = (start.at_ns, start.at_ns);
        trust::at_start(start, out.remarks)
    }

    fn interval(&mut self, report: &Report, out: &mut Output<'_>) -> io::Result<()> {
        self.ended_ns = report.to_ns;
        if self.live {
            write!(out.remarks, "\rtcpcong: recorded {}", self.so_far())?;
        }
        Ok(())
    }

    fn ended(&mut self, start: &Start, summary: &Summary, out: &mut Output<'_>) -> io::Result<()> {
        if self.live {
            writeln!(out.remarks)?;
        }
        let (sentence, _) = trust::in_a_sentence(start, summary);
        writeln!(out.remarks, "tcpcong: {sentence}")
    }
}
