//! Which value the label has that `--by` adds: bounded, however many there might be. Not here:
//! what is summed under it.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use tcpcong_core::model::{Lookups, PrefixBits, Row, SumBy, SumKey};

/// What is in the series of all values for which there is no room.
const OTHER: &str = "other";
/// What is known to have none, as a cgroup that is no unit's.
const NONE: &str = "none";
/// What nobody knows.
const UNKNOWN: &str = "unknown";
/// A value whose last flow has ended so long ago makes room, nanoseconds.
const KEPT_NS: u64 = 3_600_000_000_000;

/// What series are told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LabelBy {
    /// Nothing: there is one of each.
    #[default]
    Nothing,
    /// The cgroup's path.
    Cgroup,
    /// The systemd unit.
    Unit,
    /// The Kubernetes or Podman pod.
    Pod,
    /// The remote address's network.
    Prefix(PrefixBits),
    /// The local port, of those that somebody listens at.
    Lport,
    /// The congestion control.
    Cc,
    /// The network namespace.
    Netns,
}

impl LabelBy {
    /// All there are, as they are given.
    pub const NAMES: &str = "cgroup, unit, pod, prefix[/N[/N]], lport, cc, netns";

    /// By its name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (name, bits) = match text.split_once('/') {
            Some((name, bits)) => (name, Some(PrefixBits::parse(bits)?)),
            None => (text, None),
        };
        Some(match (name, bits) {
            ("prefix", bits) => Self::Prefix(bits.unwrap_or(PrefixBits::DEFAULT)),
            (_, Some(_)) => return None,
            ("cgroup", _) => Self::Cgroup,
            ("unit", _) => Self::Unit,
            ("pod", _) => Self::Pod,
            ("lport", _) => Self::Lport,
            ("cc", _) => Self::Cc,
            ("netns", _) => Self::Netns,
            _ => return None,
        })
    }

    /// The label's name, if there is one.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::Nothing => return None,
            Self::Cgroup => "cgroup",
            Self::Unit => "unit",
            Self::Pod => "pod",
            Self::Prefix(_) => "prefix",
            Self::Lport => "lport",
            Self::Cc => "cc",
            Self::Netns => "netns",
        })
    }

    /// What flows are summed by for it.
    #[must_use]
    pub fn sums(self) -> SumBy {
        match self {
            Self::Nothing => SumBy::All,
            Self::Cgroup | Self::Unit | Self::Pod => SumBy::Cgroup,
            Self::Prefix(bits) => SumBy::Prefix(bits),
            Self::Lport => SumBy::Lport,
            Self::Cc => SumBy::Cc,
            Self::Netns => SumBy::Netns,
        }
    }

    /// What must be looked up for it.
    #[must_use]
    pub fn lookups(self) -> Lookups {
        Lookups {
            cgroups: matches!(self, Self::Cgroup | Self::Unit | Self::Pod),
            netns: self == Self::Netns,
            ..Lookups::default()
        }
    }

    /// The value for a key, of which `example` is one of the flows.
    fn value(self, key: SumKey, example: &Row, listening: &dyn Fn(u16) -> bool) -> String {
        let shown = |known: Option<&dyn fmt::Display>| {
            known.map_or_else(|| UNKNOWN.to_owned(), ToString::to_string)
        };
        let names = &example.names;
        // Of a cgroup whose path is known, all that it says is.
        let or_none = |found: Option<&String>| {
            found.cloned().unwrap_or_else(|| {
                let is_known = names.cgroup.is_some();
                if is_known { NONE.to_owned() } else { UNKNOWN.to_owned() }
            })
        };
        let workload = names.workload.as_deref();
        match (key, self) {
            (SumKey::All, _) => String::new(),
            (SumKey::Cgroup(_), Self::Unit) => or_none(workload.and_then(|one| one.unit.as_ref())),
            (SumKey::Cgroup(_), Self::Pod) => or_none(workload.and_then(|one| one.pod.as_ref())),
            (SumKey::Cgroup(_), _) => {
                names.cgroup.as_deref().map_or_else(|| UNKNOWN.to_owned(), str::to_owned)
            }
            (SumKey::Prefix(prefix), _) => shown(prefix.as_ref().map(|prefix| prefix as _)),
            (SumKey::Lport(port), _) if listening(port) => port.to_string(),
            (SumKey::Lport(_) | SumKey::Other, _) => OTHER.to_owned(),
            (SumKey::Cc(cc), _) => shown(cc.as_ref().map(|cc| cc as _)),
            (SumKey::Netns(0), _) => UNKNOWN.to_owned(),
            (SumKey::Netns(number), _) => {
                names.netns.as_deref().map_or_else(|| number.to_string(), str::to_owned)
            }
        }
    }
}

/// Which key has which value; first come, first served.
#[derive(Debug)]
pub struct Values {
    by: LabelBy,
    most: usize,
    /// When each was last seen with a flow that is alive.
    seen_ns: BTreeMap<Arc<str>, u64>,
    /// A cgroup keeps its value when its folder is gone.
    of_key: HashMap<SumKey, (Arc<str>, u64)>,
    other: Arc<str>,
}

impl Values {
    /// At most `most` of them, `other` not among them.
    #[must_use]
    pub fn new(by: LabelBy, most: usize) -> Self {
        let (seen_ns, of_key) = (BTreeMap::new(), HashMap::new());
        Self { by, most, seen_ns, of_key, other: OTHER.into() }
    }

    /// By what, and how many there may be.
    #[must_use]
    pub fn limits(&self) -> (LabelBy, usize) {
        (self.by, self.most)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.seen_ns.len()
    }

    /// Whether a key is that of everything, or has had a value for good.
    #[must_use]
    pub fn knows(&self, key: SumKey) -> bool {
        key == SumKey::All || self.of_key.contains_key(&key)
    }

    /// The value of a key at an instant; and whether it is `other` for want of room.
    pub fn of(
        &mut self,
        key: SumKey,
        example: &Row,
        at_ns: u64,
        listening: &dyn Fn(u16) -> bool,
    ) -> (Arc<str>, bool) {
        if let Some((value, seen_ns)) = self.of_key.get_mut(&key) {
            *seen_ns = at_ns;
            let value = Arc::clone(value);
            self.touch(&value, at_ns);
            return (value, false);
        }
        let text = self.by.value(key, example, listening);
        let (value, lacks_room) = self.assigned(&text);
        self.touch(&value, at_ns);
        // A cgroup's number is nobody else's after it, and its name goes with its folder.
        let is_for_good = matches!(key, SumKey::Cgroup(Some(_))) && example.names.cgroup.is_some();
        if is_for_good && !lacks_room {
            self.of_key.insert(key, (Arc::clone(&value), at_ns));
        }
        (value, lacks_room || key == SumKey::Other)
    }

    fn touch(&mut self, value: &Arc<str>, at_ns: u64) {
        if let Some(seen_ns) = self.seen_ns.get_mut(value) {
            *seen_ns = at_ns;
        }
    }

    fn assigned(&mut self, text: &str) -> (Arc<str>, bool) {
        if let Some((known, _)) = self.seen_ns.get_key_value(text) {
            return (Arc::clone(known), false);
        }
        let lacks_room = text != OTHER && self.seen_ns.len() >= self.most;
        if text == OTHER || lacks_room {
            return (Arc::clone(&self.other), lacks_room);
        }
        let value: Arc<str> = text.into();
        self.seen_ns.insert(Arc::clone(&value), 0);
        (value, false)
    }

    /// Lets go of values without flows for an hour. Returns them. Where there is one of each, it
    /// stays.
    pub fn expired(&mut self, now_ns: u64) -> Vec<Arc<str>> {
        if self.by == LabelBy::Nothing {
            return Vec::new();
        }
        let is_old = |seen_ns: u64| now_ns.saturating_sub(seen_ns) > KEPT_NS;
        self.of_key.retain(|_, (_, seen_ns)| !is_old(*seen_ns));
        let gone: Vec<_> = self
            .seen_ns
            .iter()
            .filter(|(_, seen_ns)| is_old(**seen_ns))
            .map(|(value, _)| Arc::clone(value))
            .collect();
        for value in &gone {
            self.seen_ns.remove(value);
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tcpcong_core::model::sample::row;

    #[test]
    fn values_are_bounded_and_those_without_flows_make_room() {
        let mut values = Values::new(LabelBy::Lport, 2);
        let of = |values: &mut Values, port: u16, at_ns| {
            let key = SumKey::Lport(port);
            let (value, lacks_room) = values.of(key, &row(port), at_ns, &|port| port != 9);
            (value.to_string(), lacks_room)
        };
        assert_eq!(of(&mut values, 1, 0), ("1".to_owned(), false));
        assert_eq!(of(&mut values, 9, 0), ("other".to_owned(), false), "nobody listens there");
        assert_eq!(of(&mut values, 2, 0), ("2".to_owned(), false));
        assert_eq!(of(&mut values, 3, 0), ("other".to_owned(), true));
        assert_eq!(of(&mut values, 2, KEPT_NS + 1), ("2".to_owned(), false));
        assert_eq!(values.expired(KEPT_NS + 2), ["1".into()]);
        assert_eq!(of(&mut values, 3, KEPT_NS + 3), ("3".to_owned(), false));
        assert_eq!(values.count(), 2);
    }

    #[test]
    fn a_name_that_comes_later_or_is_anothers_by_now_is_asked_for_anew_but_not_a_cgroups() {
        let mut values = Values::new(LabelBy::Netns, 9);
        let mut one = row(1);
        let of = |values: &mut Values, key, row: &_| values.of(key, row, 0, &|_| true).0;
        assert_eq!(&*of(&mut values, SumKey::Netns(7), &one), "7");
        one.names.netns = Some("blue".into());
        assert_eq!(&*of(&mut values, SumKey::Netns(7), &one), "blue");
        let mut values = Values::new(LabelBy::Cgroup, 9);
        one.names.cgroup = Some("/a".into());
        assert_eq!(&*of(&mut values, SumKey::Cgroup(Some(7)), &one), "/a");
        one.names.cgroup = None;
        assert_eq!(&*of(&mut values, SumKey::Cgroup(Some(7)), &one), "/a");
        assert_eq!(&*of(&mut values, SumKey::Cgroup(None), &one), "unknown");
    }

    #[test]
    fn keys_are_named_as_they_are_given() {
        for name in ["cgroup", "unit", "pod", "prefix", "lport", "cc", "netns"] {
            let by = LabelBy::parse(name).unwrap_or_else(|| panic!("{name}"));
            assert_eq!(by.name(), Some(name));
            assert!(LabelBy::NAMES.contains(name));
        }
        assert!(LabelBy::parse("prefix/16").is_some());
        for bad in ["", "unit/3", "prefix/33/64", "process", "raddr"] {
            assert_eq!(LabelBy::parse(bad), None, "{bad}");
        }
    }
}
