//! What sockets looked like, as comma-separated values, a line each time that one was
//! looked at. Not here: when that is. docs/export.md describes the columns.

use std::io::{self, Write};

use jiff::Timestamp;

use super::Exporter;
use super::spells::{Lines, identity, number, whose};
use crate::view::json::time;
use tcpcong_core::model::{Field, Report, Row, Sample};

/// What is of the sample; whose it is comes after these.
const COLUMNS: [&str; 10] = [
    "flow",
    "time",
    "at_ns",
    "cwnd",
    "ssthresh",
    "srtt_us",
    "in_flight",
    "lost",
    "delivered",
    "retrans",
];

/// Writes them.
pub struct SamplesCsv {
    lines: Lines,
    whose: Vec<&'static Field>,
}

impl SamplesCsv {
    /// To this file, where the names of the columns come first.
    pub fn new(to: Box<dyn Write>) -> io::Result<Self> {
        let whose = identity();
        let mut lines = Lines::new(to);
        let names = COLUMNS.iter().map(|name| (*name).to_owned());
        lines.write(names.chain(whose.iter().map(|field| field.key())))?;
        Ok(Self { lines, whose })
    }
}

impl Exporter for SamplesCsv {
    fn sample(&mut self, flow: u64, row: &Row, sample: &Sample, at: Timestamp) -> io::Result<()> {
        let account = |which: usize| number(sample.account.map(|account| account[which]));
        let of_sample = [
            flow.to_string(),
            time(at),
            sample.at_ns.to_string(),
            sample.cwnd.to_string(),
            number(sample.ssthresh),
            number(sample.srtt_us),
            sample.in_flight.to_string(),
            sample.lost.to_string(),
            account(0),
            account(1),
        ];
        self.lines.write(of_sample.into_iter().chain(whose(&self.whose, row)))
    }

    fn interval(&mut self, _: &Report) -> io::Result<()> {
        self.lines.flush()
    }

    fn ended(&mut self, _: u64, _: &str) -> io::Result<()> {
        self.lines.flush()
    }
}
