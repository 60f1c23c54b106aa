//! Checks the options that choose what is shown. Not here: applying them.

use super::UsageError;
use super::config::whole;
use super::show::{Filters, Ports, Show};
use crate::view::Extras;
use tcpcong_core::model::{
    AddressPrefix, Arrangement, By, FIELDS, Field, Filter, Lookups, Name, Netns, Order, PortRange,
    State, TransitionField, field, parse_time_ns,
};
use tcpcong_core::why::{VerdictField, VerdictOrder};

/// Where cgroups are usually seen; a path may begin so.
const CGROUP_MOUNTS: [&str; 2] = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
/// Where namespaces have names; one may be given so.
const NETNS_NAMES: &str = "/run/netns/";

/// Which rows stay.
pub(super) fn filter(ports: &Ports, given: &Filters) -> Result<Filter, UsageError> {
    Ok(Filter {
        lport: checked("-L", ports.lport.as_ref(), port_range)?,
        rport: checked("-R", ports.rport.as_ref(), port_range)?,
        laddr: checked("--laddr", given.laddr.as_ref(), prefix)?,
        raddr: checked("--raddr", given.raddr.as_ref(), prefix)?,
        endpoint: None,
        state: checked("--state", given.state.as_ref(), states)?,
        min_time_ns: checked("--min-time", given.min_time.as_ref(), time_ns)?,
        min_changes: checked("--min-changes", given.min_changes.as_ref(), |text| {
            small(text, 0).ok_or("not a whole number of transitions".to_owned())
        })?,
        pid: checked("--pid", given.pid.as_ref(), |text| {
            small(text, 1).ok_or("not a process id".to_owned())
        })?,
        comm: checked("--comm", given.comm.as_ref(), name)?,
        cc: checked("--cc", given.cc.as_ref(), name)?,
        cgroup: checked("--cgroup", given.cgroup.as_ref(), cgroup)?,
        netns: checked("--netns", given.netns.as_ref(), netns)?,
    })
}

/// The same for a command that has connections as a whole, in no intervals.
pub(super) fn filter_of_whole(
    ports: &Ports,
    given: &Filters,
    command: &str,
) -> Result<Filter, UsageError> {
    let filter = filter(ports, given)?;
    let of_interval = [
        ("--state", filter.state.is_some()),
        ("--min-time", filter.min_time_ns.is_some()),
        ("--min-changes", filter.min_changes.is_some()),
    ];
    match of_interval.iter().find(|(_, is_given)| *is_given) {
        Some((option, _)) => Err(UsageError(format!(
            "{option}: not with {command}, which has connections as a whole"
        ))),
        None => Ok(filter),
    }
}

/// How the rows are listed.
pub(super) fn arrangement(show: &Show) -> Result<Arrangement, UsageError> {
    Ok(Arrangement {
        by: by(show.by.as_ref())?,
        order: checked("--sort", show.sort.as_ref(), |text| {
            Order::parse(text).ok_or_else(|| not_a_column(text.trim_start_matches(['+', '-'])))
        })?,
        top: top(show.top.as_ref())?,
    })
}

/// By what rows are put together.
pub(super) fn by(given: Option<&String>) -> Result<Option<By>, UsageError> {
    checked("--by", given, |text| {
        By::parse(text).ok_or_else(|| format!("not one of {}", By::names()))
    })
}

/// How many are listed.
pub(super) fn top(given: Option<&String>) -> Result<Option<usize>, UsageError> {
    checked("--top", given, |text| {
        let top = small(text, 1).and_then(|top| usize::try_from(top).ok());
        top.ok_or("not a whole number of lines from 1 up".to_owned())
    })
}

/// What stands below a report.
pub(super) fn extras(show: &Show) -> Result<Extras, UsageError> {
    Ok(Extras {
        matrix: show.matrix,
        spells: checked("--spells", show.spells.as_ref(), |text| {
            let spells = small(text, 1).and_then(|spells| usize::try_from(spells).ok());
            spells.ok_or("not a whole number of spells from 1 up".to_owned())
        })?,
    })
}

/// The columns that were asked for, if any were.
pub(super) fn columns(show: &Show) -> Result<Option<Vec<&'static Field>>, UsageError> {
    checked("-o", show.columns.as_ref(), |text| {
        each(text, |name| field(name).ok_or_else(|| not_a_column(name)))
    })
}

/// The same of a line about a transition.
pub(super) fn transition_columns(
    given: Option<&String>,
) -> Result<Option<Vec<TransitionField>>, UsageError> {
    checked("-o", given, |text| {
        each(text, |name| {
            TransitionField::named(name)
                .ok_or_else(|| not_one_of(name, TransitionField::all().map(|field| field.name())))
        })
    })
}

/// The same of a verdict.
pub(super) fn verdict_columns(
    given: Option<&String>,
) -> Result<Option<Vec<VerdictField>>, UsageError> {
    checked("-o", given, |text| {
        each(text, |name| VerdictField::named(name).ok_or_else(|| not_of_a_verdict(name)))
    })
}

/// The order of verdicts.
pub(super) fn verdict_order(given: Option<&String>) -> Result<Option<VerdictOrder>, UsageError> {
    checked("--sort", given, |text| {
        let name = text.trim_start_matches(['+', '-']);
        VerdictOrder::parse(text).ok_or_else(|| not_of_a_verdict(name))
    })
}

fn not_of_a_verdict(name: &str) -> String {
    not_one_of(name, VerdictField::all().map(|field| field.name()))
}

/// What all names in a list stand for, each there once.
fn each<T: PartialEq>(
    text: &str,
    named: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    let mut all = Vec::new();
    for name in text.split(',') {
        let one = named(name)?;
        if all.contains(&one) {
            return Err(format!("{name} is there twice"));
        }
        all.push(one);
    }
    Ok(all)
}

/// What must be looked up to filter, arrange and show.
pub(super) fn lookups(
    filter: &Filter,
    arrangement: &Arrangement,
    shown: &[&'static Field],
) -> Lookups {
    let mut lookups = lookups_of(filter);
    let mut add = |of: Lookups| lookups.add(of);
    for field in shown {
        add(field.lookups);
    }
    if let Some(by) = &arrangement.by {
        by.key().iter().for_each(|field| add(field.lookups));
    }
    if let Some(order) = &arrangement.order {
        add(order.field.lookups);
    }
    lookups
}

/// What must be looked up to filter.
pub(super) fn lookups_of(filter: &Filter) -> Lookups {
    Lookups {
        owners: filter.pid.is_some() || filter.comm.is_some(),
        cgroups: filter.cgroup.is_some(),
        netns: matches!(filter.netns, Some(Netns::Name(_))),
        costs: false,
    }
}

/// One port, or an inclusive range; one given backwards is turned round.
fn port_range(text: &str) -> Result<PortRange, String> {
    let port =
        |text| whole(text).and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0);
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (port(first), port(last)) {
        (Some(first), Some(last)) => {
            Ok(PortRange { first: first.min(last), last: first.max(last) })
        }
        _ => Err("not a port from 1 to 65535 or a range of them such as 3000-3006".to_owned()),
    }
}

/// The first option that does not go with histograms, which have no columns and
/// are listed for groups alone.
pub(super) fn not_for_histograms(show: &Show) -> Option<&'static str> {
    let top = if show.by.is_some() { &None } else { &show.top };
    [("-o", &show.columns), ("--sort", &show.sort), ("--top", top)]
        .into_iter()
        .find_map(|(option, given)| given.as_ref().map(|_| option))
}

/// What `-o help` prints.
pub(super) fn column_help() -> String {
    help(&FIELDS.iter().map(|field| (field.name, field.help)).collect::<Vec<_>>())
}

/// What `trace -o help` prints.
pub(super) fn transition_column_help() -> String {
    help(&TransitionField::all().map(|field| (field.name(), field.help())).collect::<Vec<_>>())
}

/// What `why -o help` prints.
pub(super) fn verdict_column_help() -> String {
    help(&VerdictField::all().map(|field| (field.name(), field.help())).collect::<Vec<_>>())
}

fn help(columns: &[(&str, &str)]) -> String {
    let width = columns.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines: Vec<_> =
        columns.iter().map(|(name, help)| format!("{name:<width$}  {help}")).collect();
    lines.join("\n") + "\n"
}

fn not_a_column(name: &str) -> String {
    not_one_of(name, FIELDS.iter().map(|field| field.name))
}

fn not_one_of<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> String {
    let names = names.collect::<Vec<_>>().join(", ");
    if name.is_empty() {
        format!("a column's name is missing; there are {names}")
    } else {
        format!("no column is called {name}; there are {names}")
    }
}

/// The option's value, if it was given and makes sense.
fn checked<T>(
    option: &str,
    text: Option<&String>,
    check: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, UsageError> {
    text.map(|text| check(text).map_err(|why| UsageError(format!("{option} {text}: {why}"))))
        .transpose()
}

fn prefix(text: &str) -> Result<AddressPrefix, String> {
    text.parse().map_err(|_| "not an address, or a prefix such as 10.0.0.0/8".to_owned())
}

fn states(text: &str) -> Result<Vec<State>, String> {
    let mut states: Vec<_> = text
        .split(',')
        .map(|asked| State::ALL.into_iter().find(|state| asked.eq_ignore_ascii_case(state.name())))
        .collect::<Option<_>>()
        .ok_or_else(|| {
            let names = State::ALL.map(State::name);
            format!("not one of {}, nor several with commas between", names.join(", "))
        })?;
    states.sort_unstable();
    states.dedup();
    Ok(states)
}

pub(super) fn time_ns(text: &str) -> Result<u64, String> {
    parse_time_ns(text).ok_or("not a time such as 500us, 50ms or 1.5s".to_owned())
}

fn small(text: &str, least: u32) -> Option<u32> {
    whole(text).and_then(|number| u32::try_from(number).ok()).filter(|number| *number >= least)
}

/// Cut and shown as the kernel's own are.
fn name(text: &str) -> Result<String, String> {
    Name::from_text(text).map(|name| name.to_string()).ok_or("not a name".to_owned())
}

/// A number, also as /proc/PID/ns/net reads, or a name.
fn netns(text: &str) -> Result<Netns, String> {
    let text = text.strip_prefix("net:[").map_or(text, |text| text.trim_end_matches(']'));
    let text = text.strip_prefix(NETNS_NAMES).unwrap_or(text);
    match (text.is_empty() || text.contains('/'), whole(text)) {
        (true, _) => Err("not a name".to_owned()),
        (false, None) => Ok(Netns::Name(text.to_owned())),
        (false, Some(inode)) => u32::try_from(inode)
            .ok()
            .filter(|inode| *inode > 0)
            .map(Netns::Inode)
            .ok_or("not the inode number of a namespace".to_owned()),
    }
}

fn cgroup(text: &str) -> Result<String, String> {
    let below = |mount| text.strip_prefix(mount).filter(|rest: &&str| rest.starts_with('/'));
    let path = CGROUP_MOUNTS.into_iter().find_map(below).unwrap_or(text);
    if path.starts_with('/') {
        Ok(path.to_owned())
    } else {
        Err("not a path that begins with /, as /system.slice".to_owned())
    }
}

#[cfg(test)]
#[path = "choice_tests.rs"]
mod tests;
