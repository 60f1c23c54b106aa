//! One figure measured several times: its median and how far it went either way.
//! Units are the caller's.

use anyhow::{Context as _, Result};

/// What a figure was over all its runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    min: f64,
    max: f64,
}

impl Spread {
    /// An error where nothing was measured.
    pub(crate) fn of(mut values: Vec<f64>) -> Result<Self> {
        values.sort_by(f64::total_cmp);
        let (min, max) = values.first().zip(values.last()).context("nothing was measured")?;
        let half = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            values[half]
        } else {
            f64::midpoint(values[half - 1], values[half])
        };
        Ok(Self { median, min: *min, max: *max })
    }

    /// `median unit (min..max)`.
    pub(crate) fn show(&self, unit: &str, decimals: usize) -> String {
        let Self { median, min, max } = self;
        format!("{median:.decimals$} {unit} ({min:.decimals$}..{max:.decimals$})")
    }
}
