//! Whether what a filter asks for is there: a name that nothing has would give silence,
//! and a namespace's name becomes the number by which the kernel side decides. Not here:
//! deciding.

use std::fs;
use std::path::Path;

use thiserror::Error;

use super::cgroups;
use super::netns::{self, FIRST_PIDNS};
use crate::nsfiles;
use tcpcong_core::model::{Filter, Netns};

/// The congestion controls that the kernel has now: those built in, and those whose module
/// is loaded (`net/ipv4/tcp_cong.c`, `tcp_get_available_congestion_control()`).
const AVAILABLE: &str = "/proc/sys/net/ipv4/tcp_available_congestion_control";

/// A filter asks for what is not there.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{option} {value}: {what}")]
pub struct NotThere {
    option: &'static str,
    value: String,
    what: String,
}

/// Checks what can be checked here, and puts a namespace's number in its name's place.
pub fn resolve(filter: &mut Filter) -> Result<(), NotThere> {
    let not_there = |option, value: &dyn ToString, what: String| {
        Err(NotThere { option, value: value.to_string(), what })
    };
    if let Some(Netns::Name(name)) = &filter.netns {
        let Some(inode) = netns::numbered(name) else {
            let what = "there is no network namespace of this name now; ip netns list shows some, \
                        lsns -t net all";
            return not_there("--netns", name, what.to_owned());
        };
        filter.netns = Some(Netns::Inode(inode));
    }
    if let Some(pid) = filter.pid.filter(|pid| !may_be_there(*pid)) {
        return not_there("--pid", &pid, "there is no such process now".to_owned());
    }
    if let Some(path) = filter.cgroup.as_deref().filter(|path| cgroups::is_missing(path)) {
        let what = "there is no such cgroup now; systemd-cgls shows those that are".to_owned();
        return not_there("--cgroup", &path, what);
    }
    if let (Some(cc), Ok(available)) = (&filter.cc, fs::read_to_string(AVAILABLE))
        && !available.split_whitespace().any(|one| one == cc)
    {
        let what =
            format!("the kernel has no such congestion control now, only {}", available.trim());
        return not_there("--cc", cc, what);
    }
    Ok(())
}

/// Processes have their first namespace's ids in entries: elsewhere /proc shows others.
fn may_be_there(pid: u32) -> bool {
    let own = nsfiles::number(Path::new("/proc/self/ns/pid"));
    let shows_them = own.is_ok_and(|own| own == FIRST_PIDNS);
    !shows_them || Path::new(&format!("/proc/{pid}")).exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(filter: &Filter) -> String {
        resolve(&mut filter.clone()).map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn what_is_not_there_is_said_with_its_option() {
        let none = Filter::default();
        assert_eq!(message(&none), "");
        let netns = Some(Netns::Name("nope".to_owned()));
        let netns = message(&Filter { netns, ..none.clone() });
        assert!(netns.starts_with("--netns nope: there is no network namespace"), "{netns}");
        let cc = message(&Filter { cc: Some("nope".to_owned()), ..none.clone() });
        assert!(cc.starts_with("--cc nope: ") && cc.contains("cubic"), "{cc}");
        let cc = Filter { cc: Some("cubic".to_owned()), ..none.clone() };
        assert_eq!(message(&cc), "");
        let own = Filter { pid: Some(std::process::id()), ..none.clone() };
        assert_eq!(message(&own), "");
        // A number is taken as it is: not every namespace shows.
        let number = Filter { netns: Some(Netns::Inode(7)), ..none };
        assert_eq!(message(&number), "");
    }
}
