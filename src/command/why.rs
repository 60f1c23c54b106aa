//! `tcpcong why`: watches, and prints verdicts. Not here: what its options mean.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use terminal_size::{Width, terminal_size_of};

use super::{How, run};
use crate::cli::{Origin, WhyConfig};
use crate::view::{Paper, RunParams, WhyView};
use tcpcong_core::model::LedgerOptions;
use tcpcong_core::session::{Plan, Product};
use tcpcong_live::LiveSource;

/// Letters in a line where there is no terminal that says.
const WIDTH: usize = 80;
/// What is shown in depth is looked at so often in a watch, but not more often than can be.
const LOOKS_IN_DEPTH: u32 = 40;
/// In less room nothing can be read.
const WIDTH_LEAST: usize = 40;
/// So many seconds were hardly meant for a process.
const NO_PROCESS: u64 = 60;

/// `tcpcong why`: verdicts.
pub fn why(config: &WhyConfig) -> Result<()> {
    if let Some(pid) = config.bare_seconds.filter(|seconds| *seconds > NO_PROCESS)
        && Path::new("/proc").join(pid.to_string()).exists()
    {
        _ = writeln!(
            io::stderr(),
            "tcpcong: {pid} is taken for seconds; process {pid} is pid:{pid}"
        );
    }
    let how = How::of(&config.origin, &config.options);
    run(&how, &mut plan_why(config), &mut why_view(config, paper()))
}

/// A watch, of which what is shown in depth is kept as it was each second.
pub(super) fn plan_why(config: &WhyConfig) -> Plan {
    let in_depth = config.style.page.is_some() && !config.style.follow;
    let watch = config.every.or(config.duration);
    Plan {
        product: Product::Verdicts,
        duration: config.duration,
        interval: watch.filter(|_| in_depth).map(|watch| watch / LOOKS_IN_DEPTH),
        verdicts_every: config.every,
        each_look: in_depth,
        ledger: LedgerOptions {
            list_quiet: true,
            transitions: true,
            spells: in_depth,
            samples: true,
            tick_ns: Some(LiveSource::tick_ns()),
            ..LedgerOptions::default()
        },
        filter: config.filter.clone(),
        arrangement: config.arrangement.clone(),
        lookups: config.lookups,
        ..Plan::default()
    }
}

pub(super) fn why_view(config: &WhyConfig, paper: Paper) -> WhyView {
    let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let params = RunParams {
        interval_ns: config.every.map(nanoseconds),
        filters: config.filter.clone(),
        by: config.arrangement.by.as_ref().map(ToString::to_string),
        sort: config.style.order.map(|order| order.to_string()),
        top: config.style.top,
    };
    let mut style = config.style.clone();
    style.seconds = style.seconds.filter(|_| matches!(config.origin, Origin::Kernel { .. }));
    WhyView::new(style, params, paper)
}

/// What stdout is written on.
pub(super) fn paper() -> Paper {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let stdout = io::stdout();
    let terminal = || {
        let size = terminal_size_of(&stdout).filter(|_| stdout.is_terminal());
        size.map(|(Width(columns), _)| usize::from(columns))
    };
    let asked = variable("COLUMNS").and_then(|columns| columns.parse().ok());
    let width = asked.or_else(terminal).filter(|columns| *columns > 0).unwrap_or(WIDTH);
    Paper { width: width.max(WIDTH_LEAST), unicode: is_unicode(variable) }
}

/// Whether the locale has more letters than ASCII's: the first variable that is set decides
/// (POSIX, Environment Variables). Where none is set nobody has asked for less.
fn is_unicode(variable: impl Fn(&str) -> Option<String>) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(variable);
    locale.is_none_or(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_variable_that_is_set_decides_on_the_letters() {
        let is = |set: &[(&str, &str)]| {
            is_unicode(|name| {
                set.iter().find(|(one, _)| *one == name).map(|(_, value)| (*value).to_owned())
            })
        };
        assert!(is(&[]) && is(&[("LANG", "de_DE.UTF-8")]) && is(&[("LC_ALL", "C.utf8")]));
        assert!(!is(&[("LANG", "C")]) && !is(&[("LC_ALL", "POSIX"), ("LANG", "en_US.UTF-8")]));
    }
}
