//! Watches that follow one another: a line for each verdict that is new or has changed. Not
//! here: a single watch.

use std::collections::HashMap;
use std::io::{self, Write};

use jiff::tz::TimeZone;

use super::listing::Listing;
use super::text::{named, sentence};
use super::{Subject, WhyStyle};
use tcpcong_core::model::{FlowId, Value};
use tcpcong_core::why::{About, Finding, Verdict, Verdicts};

/// What a verdict is on, from one watch to the next.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Flow(FlowId),
    Group(Vec<(&'static str, Value)>),
}

impl Key {
    fn of(finding: &Finding) -> Self {
        match &finding.about {
            About::Flow(row) => Self::Flow(row.id),
            About::Group(group) => Self::Group(group.key.clone()),
        }
    }
}

/// The last verdicts.
#[derive(Debug, Default)]
pub(super) struct Followed {
    last: HashMap<Key, (Verdict, Option<Verdict>)>,
}

impl Followed {
    /// Prints those that have changed. What nothing has held up yet is not told, unless it
    /// was asked for.
    pub(super) fn print(
        &mut self,
        listing: &Listing<'_>,
        verdicts: &Verdicts,
        style: &WhyStyle,
        data: &mut dyn Write,
    ) -> io::Result<()> {
        let time = verdicts.at.to_zoned(TimeZone::system()).strftime("%H:%M:%S").to_string();
        let mut present = HashMap::new();
        for finding in listing.shown.iter().chain(&listing.calm) {
            let key = Key::of(finding);
            let (verdict, second) = (finding.judgement.verdict, finding.judgement.second);
            let before = self.last.get(&key).copied();
            let is_told = match before {
                Some(before) => before != (verdict, second),
                None => !verdict.is_calm() || style.all || style.named,
            };
            if is_told {
                let (name, subject) = (named(finding), Subject::new(&finding.about).text);
                let because = sentence(&finding.judgement.because);
                writeln!(data, "{}", format!("{time} {name:<17} {subject}  {because}").trim_end())?;
            }
            if is_told || before.is_some() {
                present.insert(key, (verdict, second));
            }
        }
        // Who is gone and comes again is new.
        self.last = present;
        Ok(())
    }
}
