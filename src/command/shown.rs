//! What a run prints: data on stdout, behind memory, and remarks on stderr. Not here: what is
//! printed.

use std::io::{self, Write};

use anyhow::Result;

use crate::interrupt::Interrupts;
use crate::output::{Spool, SpoolBacklog, Unwritten};
use tcpcong_core::session::{Backlog, Ending, Plan, Session};
use tcpcong_core::sink::{Output, Sink};
use tcpcong_core::source::{Enrichment, Source};

/// What is printed in a run.
pub(super) struct Shown {
    data: Spool,
    pub(super) backlog: SpoolBacklog,
    pub(super) remarks: Remarks,
}

impl Shown {
    pub(super) fn new() -> Result<Self> {
        let data = Spool::new(io::stdout())?;
        let backlog = data.backlog();
        Ok(Self { data, remarks: Remarks(Some(backlog.clone())), backlog })
    }

    pub(super) fn session(
        &mut self,
        source: &mut dyn Source,
        enrichment: &mut dyn Enrichment,
        sink: &mut dyn Sink,
        plan: &Plan,
        backlog: &dyn Backlog,
    ) -> Result<Ending> {
        Session { source, enrichment, sink, out: self.out(), backlog }.run(plan)
    }

    pub(super) fn out(&mut self) -> Output<'_> {
        Output { data: &mut self.data, remarks: &mut self.remarks }
    }

    /// Waits until all is written, and says what is not.
    pub(super) fn finish(self, ending: Ending, interrupts: &mut Interrupts) -> Result<Ending> {
        if ending == Ending::ReaderGone {
            return Ok(ending);
        }
        let Unwritten { lines, bytes } =
            self.data.finish(interrupts, ending == Ending::Interrupted)?;
        if bytes > 0 {
            _ = writeln!(
                io::stderr(),
                "tcpcong: the reader of stdout was too slow: {lines} lines ({bytes} bytes) were \
                 not written"
            );
        }
        Ok(ending)
    }
}

/// stderr, whose loss does not end a run. What was printed on stdout before comes before.
#[derive(Default)]
pub(super) struct Remarks(Option<SpoolBacklog>);

impl Write for Remarks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(printed) = &self.0 {
            printed.settle();
        }
        _ = io::stderr().write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
