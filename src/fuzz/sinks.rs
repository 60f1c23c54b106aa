//! Sinks that make at their end what a command makes of all that has passed. Not here: what
//! that looks like.

use std::io;
#[cfg(feature = "serve")]
use std::time::SystemTime;

use tcpcong_core::compare;
#[cfg(feature = "serve")]
use tcpcong_core::model::IntervalSums;
use tcpcong_core::model::{Filter, Report, Start, Summary};
use tcpcong_core::sink::{Output, Sink};

use super::super::export::exporter;
use crate::cli::ExportFormat;
#[cfg(feature = "serve")]
use crate::cli::ServeConfig;
#[cfg(feature = "serve")]
use crate::serve::metrics::{self, Account, Format, Values};
use crate::view::{ExportView, LivesView, Page, VerdictsKept};

/// A page, which goes nowhere.
#[derive(Default)]
pub(super) struct Paged(LivesView);

impl Sink for Paged {
    fn started(&mut self, start: &Start, out: &mut Output<'_>) -> io::Result<()> {
        self.0.started(start, out)
    }

    fn interval(&mut self, report: &Report, out: &mut Output<'_>) -> io::Result<()> {
        self.0.interval(report, out)
    }

    fn ended(&mut self, start: &Start, summary: &Summary, out: &mut Output<'_>) -> io::Result<()> {
        self.0.ended(start, summary, out)?;
        let lives = std::mem::take(&mut self.0);
        let collected = lives.collected("a", VerdictsKept::default(), "");
        Page::new(vec![collected], 1000, &Filter::default()).write(&mut io::sink())
    }
}

/// A comparison with itself, in which nothing is different.
#[derive(Default)]
pub(super) struct Compared(compare::Recorder);

impl Sink for Compared {
    fn started(&mut self, start: &Start, out: &mut Output<'_>) -> io::Result<()> {
        self.0.started(start, out)
    }

    fn interval(&mut self, report: &Report, out: &mut Output<'_>) -> io::Result<()> {
        self.0.interval(report, out)
    }

    fn ended(&mut self, start: &Start, summary: &Summary, out: &mut Output<'_>) -> io::Result<()> {
        self.0.ended(start, summary, out)?;
        let sums = std::mem::take(&mut self.0);
        if let Some(recorded) = sums.finish(&Filter::default(), None) {
            _ = compare::compare(recorded.clone(), recorded);
        }
        Ok(())
    }
}

/// All that can be exported.
pub(super) fn exported() -> ExportView {
    let formats = [ExportFormat::Perfetto, ExportFormat::SpellsCsv, ExportFormat::SamplesCsv];
    let exporters = formats.map(|format| exporter(format, Box::new(io::sink())).expect("memory"));
    ExportView::new(exporters.into())
}

/// Metrics in every format.
#[cfg(feature = "serve")]
pub(super) struct Scraped(Account);

#[cfg(feature = "serve")]
impl Scraped {
    pub(super) fn new(config: &ServeConfig) -> Self {
        Self(Account::new(Values::new(config.label, config.label_most), 0.0))
    }
}

#[cfg(feature = "serve")]
impl Sink for Scraped {
    fn started(&mut self, start: &Start, _: &mut Output<'_>) -> io::Result<()> {
        self.0.begin(start);
        Ok(())
    }

    fn sums(&mut self, sums: &IntervalSums, _: &mut Output<'_>) -> io::Result<()> {
        self.0.add(sums, SystemTime::UNIX_EPOCH, &|_| true);
        Ok(())
    }

    fn interval(&mut self, report: &Report, _: &mut Output<'_>) -> io::Result<()> {
        self.0.add_report(report);
        Ok(())
    }

    fn ended(&mut self, _: &Start, _: &Summary, _: &mut Output<'_>) -> io::Result<()> {
        let scraped = metrics::Scraped::new(self.0.spells());
        scraped.update(self.0.snapshot().into());
        for format in [Format::Text, Format::OpenMetrics, Format::Protobuf] {
            scraped.encode(format).map_err(io::Error::other)?;
        }
        Ok(())
    }
}
