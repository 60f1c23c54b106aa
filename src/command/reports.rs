//! `tcpcong`: what a run is to do that reports on connections, and what shows the reports. Not
//! here: how it runs.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use anyhow::Result;

use super::{How, run};
use crate::cli::{Config, Format};
use crate::view::{
    ColumnsView, CsvView, HistogramView, JsonView, RunParams, Style, TableView, WithExtras,
};
use tcpcong_core::model::LedgerOptions;
use tcpcong_core::session::{Plan, Product};
use tcpcong_core::sink::Sink;
use tcpcong_live::LiveSource;

/// `tcpcong`: reports on this machine's connections.
pub fn reports(config: &Config) -> Result<()> {
    let how = How::of(&config.origin, &config.options);
    run(&how, &mut plan_reports(config), view(config).as_mut())
}

pub(super) fn plan_reports(config: &Config) -> Plan {
    let lengths_unit_ns = config.histogram_unit_ns;
    let of_rows = config.lengths_of_some();
    Plan {
        product: Product::Reports,
        interval: config.pace.interval,
        outputs: config.pace.outputs,
        ledger: LedgerOptions {
            list_quiet: config.list_quiet,
            spells: config.extras.any() || of_rows,
            lengths_unit_ns: lengths_unit_ns.filter(|_| !of_rows),
            tick_ns: config.lookups.costs.then(LiveSource::tick_ns),
            ..LedgerOptions::default()
        },
        filter: config.filter.clone(),
        arrangement: config.arrangement.clone(),
        lookups: config.lookups,
        lengths_of_rows: lengths_unit_ns.filter(|_| of_rows),
        ..Plan::default()
    }
}

pub(super) fn view(config: &Config) -> Box<dyn Sink> {
    let view: Box<dyn Sink> = match config.format {
        Format::Table => Box::new(TableView::new(config.unit, config.timestamp)),
        Format::Histogram => Box::new(HistogramView::new(config.unit, config.timestamp)),
        Format::Columns => Box::new(ColumnsView::new(
            config.columns.clone(),
            config.unit,
            config.timestamp,
            config.colour.shows(io::stdout().is_terminal(), |name| std::env::var_os(name)),
        )),
        Format::Csv => Box::new(CsvView::new(config.columns.clone())),
        Format::Json => Box::new(JsonView::new(
            params(config),
            &config.columns,
            config.histogram_unit_ns.is_some(),
        )),
    };
    if !config.extras.any() {
        return view;
    }
    let style = if config.format == Format::Json { Style::Json } else { Style::Table };
    Box::new(WithExtras::new(view, config.extras, style, config.unit))
}

/// What the first line of JSON says of the run.
fn params(config: &Config) -> RunParams {
    let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    RunParams {
        interval_ns: config.pace.interval.map(nanoseconds),
        filters: config.filter.clone(),
        by: config.arrangement.by.as_ref().map(ToString::to_string),
        sort: config.arrangement.order.map(|order| order.to_string()),
        top: config.arrangement.top,
    }
}
