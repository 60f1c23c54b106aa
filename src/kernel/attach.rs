//! Tries the ways to attach, the best first, until one works.
//! Nothing is decided by the kernel's version: its types tell what it has, and
//! loading and attaching what it lets us do.

use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv6Addr};
use std::ops::Range;
use std::os::fd::AsFd as _;
use std::slice::IterMut;

use anyhow::Context as _;
use libbpf_rs::skel::{OpenSkel as _, Skel as _, SkelBuilder as _};
use libbpf_rs::{ErrorKind, Link, MapCore, OpenObject};

use super::holders::Holders;
use super::log::{self, Verified};
use super::missing::Missing;
use super::options::{Options, Selection};
use super::raw::skeleton;
use super::reader::Reader;
use super::symbols;
use super::types::KernelTypes;
use super::way::{self, Attach, Probes, Way};
use crate::model::{AddressPrefix, PassedOver};

/// Room for flows where it need not be taken at once, and where it must.
const MAX_FLOWS: u32 = 262_144;
const MAX_FLOWS_PREALLOCATED: u32 = 65_536;
/// Ways, times the forms in which each may be tried, with the owners and without.
const TRIALS: usize = 6 * 4 * 2;

/// Programs that every way needs.
const ITERATORS: [&str; 3] = ["survey", "read_flows", "take_ended"];
/// The program that lists who has the sockets.
const OWNERS: &str = "list_holders";

/// Where loaded objects live; the tracer borrows it.
pub struct Storage([MaybeUninit<OpenObject>; TRIALS]);

impl Storage {
    /// With nothing in it.
    #[must_use]
    pub fn new() -> Self {
        Self([const { MaybeUninit::uninit() }; TRIALS])
    }
}

impl Default for Storage {
    fn default() -> Self {
        Self::new()
    }
}

/// The programs at work.
pub(super) struct Attached<'s> {
    pub skel: skeleton::TcpcongSkel<'s>,
    pub links: Vec<Link>,
    /// The survey's.
    pub iterator: Link,
    /// The maps'.
    pub flows: Reader,
    pub ended: Reader,
    /// Of those who have the sockets, where they were asked for.
    pub holders: Option<Holders>,
    pub way: Way,
    pub cannot_see: Vec<String>,
    pub passed_over: Vec<PassedOver>,
    /// Room for flows.
    pub max_flows: u32,
    /// The survey holds each socket's lock, so it may write costs into its record.
    pub survey_writes: bool,
    /// What the verifier told, where it was asked.
    pub verified: Vec<Verified>,
}

/// How lives are learned of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lives {
    Btf,
    Classic,
}

/// One form of one way.
struct Trial<'a> {
    way: Way,
    probes: &'a Probes,
    lives: Lives,
    /// The kernel has `bpf_get_socket_cookie()` for tracing programs (5.12).
    cookie_helper: bool,
    /// Who has the sockets will be asked.
    owners: bool,
    /// Maps get all their room at once.
    preallocated: bool,
}

/// Why a trial failed.
struct Refusal {
    what: &'static str,
    error: libbpf_rs::Error,
}

/// Attaches in the best way of those that `options` allows. The owners are left
/// out where no way works with them.
pub(super) fn attach<'s>(
    storage: &'s mut Storage,
    options: &Options,
) -> anyhow::Result<Attached<'s>> {
    log::keep(options.verifier_statistics);
    let kernel = KernelTypes::default();
    let mut slots = storage.0.iter_mut();
    let error = match attach_best(&mut slots, options, &kernel, options.owners) {
        Err(error) if options.owners => error,
        outcome => return outcome,
    };
    let Some(Missing::Way { ways, .. }) = error.downcast_ref() else { return Err(error) };
    let mut attached = attach_best(&mut slots, options, &kernel, false)?;
    let why = ways.first().map_or("", |way| &way.why);
    attached.cannot_see.push(format!("which process has a socket ({why})"));
    Ok(attached)
}

/// The same, with the owners or without.
fn attach_best<'s>(
    slots: &mut IterMut<'s, MaybeUninit<OpenObject>>,
    options: &Options,
    kernel: &KernelTypes,
    owners: bool,
) -> anyhow::Result<Attached<'s>> {
    let mut passed_over = Vec::new();
    for (at, way) in options.attach.ways().iter().enumerate() {
        let lack = || kernel.has_what_it_takes(*way).err();
        // The first is worth a trial before the kernel's types are read.
        let why = match if at > 0 { lack() } else { None } {
            Some(why) => why,
            None => match attach_by(*way, slots, options, kernel, owners)? {
                Ok(attached) => return Ok(Attached { passed_over, ..attached }),
                // Where the kernel lacks what it takes, that says more than the answer.
                Err(why) => lack().unwrap_or(why),
            },
        };
        passed_over.push(PassedOver { attach: way.to_string(), why });
    }
    Err(Missing::way(options.attach == Attach::AUTO, &passed_over).into())
}

/// The same by one way, in whatever form works; the inner error says why none does.
fn attach_by<'s>(
    way: Way,
    slots: &mut IterMut<'s, MaybeUninit<OpenObject>>,
    options: &Options,
    kernel: &KernelTypes,
    owners: bool,
) -> anyhow::Result<Result<Attached<'s>, String>> {
    let probes = match way.probes(|name| kernel.has_function(name)) {
        Ok(probes) => probes,
        Err(why) => return Ok(Err(why)),
    };
    let in_probe = |lives| !way.is_typed() || lives == Lives::Classic;
    let (mut why, mut hopeless) = (String::new(), None);
    for (lives, cookie_helper) in forms(way) {
        if hopeless == Some(lives) {
            continue;
        }
        let preallocated = in_probe(lives) && !kernel.allocates_in_probes();
        let trial = Trial { way, probes: &probes, lives, cookie_helper, owners, preallocated };
        let slot = slots.next().context("more trials than places for them")?;
        log::clear();
        match trial.run(slot, options)? {
            Ok(attached) => {
                let survey_writes = kernel.locks_in_surveys();
                return Ok(Ok(Attached { survey_writes, ..attached }));
            }
            Err(refusal) => {
                if let Some(missing) = Missing::privilege(refusal.what, &refusal.error) {
                    return Err(missing.into());
                }
                why = refusal.describe();
                // A helper that is not there is the verifier's EINVAL.
                let helper =
                    refusal.what == "load" && refusal.error.kind() == ErrorKind::InvalidInput;
                hopeless = (!helper).then_some(lives);
            }
        }
    }
    Ok(Err(why))
}

/// The forms in which a way is tried, the one with most in it first.
fn forms(way: Way) -> impl Iterator<Item = (Lives, bool)> {
    [(Lives::Btf, true), (Lives::Btf, false), (Lives::Classic, true), (Lives::Classic, false)]
        .into_iter()
        .filter(move |(lives, _)| way != Way::TracepointClassic || *lives == Lives::Classic)
}

impl Trial<'_> {
    fn programs(&self) -> Vec<&str> {
        let lives = match self.lives {
            Lives::Btf => ["btf_sock_state", "btf_destroy"],
            Lives::Classic => ["classic_sock_state", "classic_destroy"],
        };
        // Lives first: no transition without its socket's birth.
        lives.into_iter().chain(self.probes.programs.iter().map(String::as_str)).collect()
    }

    /// Loads and attaches. The outer error is ours, the inner one the kernel's.
    fn run<'s>(
        &self,
        slot: &'s mut MaybeUninit<OpenObject>,
        options: &Options,
    ) -> anyhow::Result<Result<Attached<'s>, Refusal>> {
        let mut open = skeleton::TcpcongSkelBuilder::default().open(slot)?;
        let programs = self.programs();
        for mut program in open.open_object_mut().progs_mut() {
            let name = program.name().to_string_lossy().into_owned();
            let wanted = ITERATORS.contains(&&*name)
                || programs.contains(&&*name)
                || self.owners && name == OWNERS;
            program.set_autoload(wanted);
            if wanted && options.verifier_statistics {
                program.set_log_level(log::VERIFIER_STATISTICS);
            }
        }
        let max_flows = self.configure(&mut open, options)?;
        let skel = match open.load() {
            Ok(skel) => skel,
            Err(error) => return Ok(Err(Refusal { what: "load", error })),
        };
        let verified = log::verified();
        log::clear();
        let refused = |error| Ok(Err(Refusal { what: "attach", error }));
        let mut links = Vec::new();
        let mut cannot_see = self.probes.cannot_see.clone();
        for name in programs {
            let program = skel.object().progs_mut().find(|program| program.name() == name);
            match program.with_context(|| format!("the object has no program {name}"))?.attach() {
                Ok(link) => links.push(link),
                // It has types, and yet it may not be probed, or lost its name.
                Err(_) if way::is_dispensable(name) => {
                    cannot_see
                        .push(format!("what {name} would have shown (it cannot be attached)"));
                }
                Err(error) => return refused(error),
            }
        }
        let iterator = match skel.progs.survey.attach() {
            Ok(link) => link,
            Err(error) => return refused(error),
        };
        let maps = &skel.maps;
        let (flows, ended) = match (
            skel.progs.read_flows.attach_iter(maps.flows.as_fd()),
            skel.progs.take_ended.attach_iter(maps.ended.as_fd()),
        ) {
            (Ok(flows), Ok(ended)) => (reader(flows, &maps.flows), reader(ended, &maps.ended)),
            (Err(error), _) | (_, Err(error)) => return refused(error),
        };
        let holders = match self.owners.then(|| skel.progs.list_holders.attach()).transpose() {
            Ok(link) => link.map(Holders::new),
            Err(error) => return refused(error),
        };
        Ok(Ok(Attached {
            skel,
            links,
            iterator,
            flows,
            ended,
            holders,
            way: self.way,
            cannot_see,
            passed_over: Vec::new(),
            max_flows,
            survey_writes: false,
            verified,
        }))
    }

    /// Sets what is fixed before loading. Returns the room for flows.
    fn configure(
        &self,
        open: &mut skeleton::OpenTcpcongSkel<'_>,
        options: &Options,
    ) -> anyhow::Result<u32> {
        let rodata = open.maps.rodata_data.as_mut().context("the object has no .rodata")?;
        let Selection { lports, rports, laddr, raddr, netns } = options.selection;
        (rodata.lport_first, rodata.lport_last) = (lports.first, lports.last);
        (rodata.rport_first, rodata.rport_last) = (rports.first, rports.last);
        rodata.laddr_prefix = prefix(laddr);
        rodata.raddr_prefix = prefix(raddr);
        rodata.only_netns = netns.unwrap_or(0);
        rodata.keep_quiet = options.keep_quiet;
        rodata.spell_unit_ns = options.histogram_unit_ns.unwrap_or(0);
        rodata.cookie_helper = self.cookie_helper;
        let default = if self.preallocated { MAX_FLOWS_PREALLOCATED } else { MAX_FLOWS };
        let max_flows = options.max_flows.unwrap_or(default);
        open.maps.flows.set_max_entries(max_flows)?;
        // Emptied every second, so it may be smaller.
        open.maps.ended.set_max_entries((max_flows / 4).max(1024))?;
        rodata.explain = options.explain;
        rodata.tell_spells = options.explain && options.tell_spells;
        rodata.context = options.context;
        rodata.costs = options.costs;
        open.maps.transitions.set_autocreate(options.explain)?;
        if options.explain && !self.way.looks_at_callers() {
            let ranges = symbols::ranges([
                "__tcp_transmit_skb",
                "tcp_try_to_open",
                "tcp_fastretrans_alert",
                "tcp_process_tlp_ack",
                "tcp_ack",
            ]);
            let code = ranges.map(|Range { start, end }| skeleton::types::code { start, end });
            let [transmit, try_to_open, fastretrans_alert, process_tlp_ack, ack] = code;
            rodata.code_transmit = transmit;
            rodata.code_try_to_open = try_to_open;
            rodata.code_fastretrans_alert = fastretrans_alert;
            rodata.code_process_tlp_ack = process_tlp_ack;
            rodata.code_ack = ack;
        }
        open.maps.frames.set_autocreate(self.way.uses_frames())?;
        if self.preallocated {
            open.maps.flows.set_map_flags(0)?;
            open.maps.ended.set_map_flags(0)?;
            open.maps.surveyed.set_map_flags(0)?;
        }
        Ok(max_flows)
    }
}

/// As the kernel side compares: IPv4 as IPv4-mapped, in network order. Nothing
/// asked matches everything.
fn prefix(prefix: Option<AddressPrefix>) -> skeleton::types::prefix {
    let six = prefix.is_some_and(|prefix| prefix.addr().is_ipv6());
    let (address, bits) = match prefix.map(|prefix| (prefix.addr(), prefix.bits())) {
        None => (Ipv6Addr::UNSPECIFIED, 0),
        Some((IpAddr::V4(address), bits)) => (address.to_ipv6_mapped(), 96 + u32::from(bits)),
        Some((IpAddr::V6(address), bits)) => (address, u32::from(bits)),
    };
    let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
    let words = |all: u128| {
        let bytes = all.to_be_bytes();
        std::array::from_fn(|word| {
            let at = word * size_of::<u32>();
            u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        })
    };
    skeleton::types::prefix {
        address: words(address.to_bits() & mask),
        mask: words(mask),
        six: MaybeUninit::new(six),
    }
}

fn reader(link: Link, map: &impl MapCore) -> Reader {
    Reader::new(link, map.key_size() as usize, map.value_size() as usize)
}

impl Refusal {
    fn describe(&self) -> String {
        let log = log::most_telling();
        let log = if log.is_empty() { format!("{:#}", self.error) } else { log };
        let hint = Missing::hint(self.what, &log).unwrap_or_default();
        format!("the kernel did not let it {}: {log}{hint}", self.what)
    }
}
