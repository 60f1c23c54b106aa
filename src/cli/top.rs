//! `tcpcong top`: its options as they are typed, and the checked configuration made of them.
//! Nothing here runs anything.

use std::path::PathBuf;

use clap::Args as Group;

use super::args::Recordings;
use super::kernel_side::KernelSide;
use super::show::{Filters, Ports};
use super::{Origin, UsageError, choice, config};
use crate::screen::{Setup, Theme, configured, is_condition};
use crate::view::Colour;
use tcpcong_core::model::{Condition, Filter, Lookups};
use tcpcong_live::Options;

/// How fast a recording is shown where nobody says: as it was.
const USUAL_SPEED: f64 = 1.0;

/// What to look at.
#[derive(Debug, Group)]
pub struct Top {
    /// Seconds from one interval to the next, 0.1 or more
    #[arg(default_value = "1")]
    pub interval: String,
    /// Which ports.
    #[command(flatten)]
    pub ports: Ports,
    /// List connections that stayed in Open as well
    #[arg(long)]
    pub all: bool,
    /// Group connections by a key, as without `top`
    #[arg(long, value_name = "KEY")]
    pub by: Option<String>,
    /// Begin with this filter: words that connections, owners or states have, or a condition
    /// as "loss > 500ms"
    #[arg(long, value_name = "WORDS", default_value = "")]
    pub filter: String,
    /// File with key bindings and colours [default: ~/.config/tcpcong/top.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How.
    #[command(flatten)]
    pub kernel_side: KernelSide,
    /// Which connections.
    #[command(flatten)]
    pub filters: Filters,
    /// From where.
    #[command(flatten)]
    pub recordings: Recordings,
}

/// A run of `tcpcong top`, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct TopConfig {
    /// From where.
    pub origin: Origin,
    /// What the screen begins with.
    pub setup: Setup,
    /// Which rows there are.
    pub filter: Filter,
    /// What is looked up: all that there is.
    pub lookups: Lookups,
    /// What the kernel side is told.
    pub options: Options,
}

pub(super) fn top(args: &Top) -> Result<TopConfig, UsageError> {
    let filter = choice::filter(&args.ports, &args.filters)?;
    let mut origin = config::origin(&args.recordings, &args.kernel_side)?;
    if let Origin::Recording { speed, .. } = &mut origin {
        speed.get_or_insert(USUAL_SPEED);
    }
    let colour = Colour::Auto.shows(true, |name| std::env::var_os(name));
    let look = configured(args.config.as_deref(), Theme::new(colour)).map_err(UsageError)?;
    if is_condition(&args.filter) {
        Condition::parse(&args.filter)
            .map_err(|why| UsageError(format!("--filter {}: {why}", args.filter)))?;
    }
    let options = args.kernel_side.with_all_figures(&filter)?;
    Ok(TopConfig {
        setup: Setup {
            look,
            interval: config::interval(&args.interval)?,
            all: args.all,
            by: choice::by(args.by.as_ref())?,
            filter: args.filter.clone(),
            is_replay: matches!(origin, Origin::Recording { .. }),
        },
        origin,
        options,
        filter,
        lookups: Lookups::ALL,
    })
}
