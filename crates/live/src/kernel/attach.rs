//! Tries the ways to attach, the best first, until one works.
//! No way is chosen by the kernel's version: its types tell what it has, and
//! loading and attaching what it lets us do.

use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv6Addr};
use std::ops::Range;

use anyhow::{Context as _, anyhow};
use libbpf_rs::{ErrorKind, Link, MapCore as _, MapHandle, Object, ObjectBuilder, OpenObject};

use super::log::{self, Verified};
use super::method::{self, Attach, AttachMethod, Probes};
use super::missing::Missing;
use super::options::{Options, Selection};
use super::raw;
use super::symbols;
use super::transport::Room;
use super::types::KernelTypes;
use tcpcong_core::model::{AddressPrefix, RejectedMethod};

/// Room for flows: some 200 MB when it is used up.
const MAX_FLOWS: u32 = 1 << 20;
/// Room for sockets that are watched, where it need not be taken at once, and where it must.
const MAX_WATCHED: u32 = 262_144;
const MAX_WATCHED_PREALLOCATED: u32 = 65_536;

/// From this version on tracepoints' programs may be preempted. Nothing else of the kernel
/// tells, and nothing else goes by its version.
const PREEMPTIBLE_FROM: (u32, u32) = (7, 2);

/// The program that meets all sockets, which every way needs.
const SURVEY: &str = "survey";
/// The program that lists who has the sockets.
const OWNERS: &str = "list_holders";

/// The programs at work. When this is dropped, or the process ends in whatever way,
/// nothing of it stays in the kernel: nothing is pinned.
pub(super) struct Attached {
    pub object: Object,
    pub links: Vec<Link>,
    /// The survey's.
    pub survey: Link,
    /// Of those who have the sockets, where they were asked for.
    pub holders: Option<Link>,
    pub method: AttachMethod,
    pub limitations: Vec<String>,
    pub attach_rejected: Vec<RejectedMethod>,
    /// How the entries come.
    pub transport: TransportKind,
    /// Room for sockets in the kernel, where they are watched.
    pub max_watched: Option<u32>,
    /// What the verifier told, where it was asked.
    pub verified: Vec<Verified>,
}

/// How entries come out of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TransportKind {
    /// By a log for each CPU, which needs Linux 5.12.
    Log(Room),
    /// By a ring buffer of so many bytes, for so many CPUs.
    Ring { bytes: u32, cpus: u32 },
}

impl Attached {
    /// Room for living flows.
    pub(super) fn max_flows(&self, options: &Options) -> u32 {
        let default = self.max_watched.map_or(MAX_FLOWS, |watched| watched.min(MAX_FLOWS));
        options.max_flows.unwrap_or(default)
    }

    /// A map of the object's, by its name or the end of it.
    pub(super) fn map(&self, name: &str) -> anyhow::Result<MapHandle> {
        let is_it = |of: &OsStr| of.to_string_lossy().ends_with(name);
        let map = self.object.maps().find(|map| is_it(map.name()));
        let map = map.with_context(|| format!("the object has no map {name}"))?;
        MapHandle::try_from(&map).with_context(|| format!("keeping the map {name}"))
    }
}

/// How lives are learned of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LifecycleHook {
    Btf,
    Classic,
}

/// One form of one way.
#[allow(clippy::struct_excessive_bools)] // each is so or not, whatever the others
struct Trial<'a> {
    method: AttachMethod,
    probes: &'a Probes,
    hook: LifecycleHook,
    /// With a log: the kernel has atomic operations that return what was there, and
    /// `bpf_get_socket_cookie()` for tracing programs (5.12).
    with_log: bool,
    /// Who has the sockets will be asked.
    owners: bool,
    /// Maps get all their room at once.
    preallocated: bool,
    /// Programs may be preempted (`bpf/uninterrupted.h`).
    preemptible: bool,
}

/// Why a trial failed.
struct Refusal {
    what: &'static str,
    error: libbpf_rs::Error,
}

/// Attaches in the best way of those that `options` allows. The owners are left
/// out where no way works with them.
pub(super) fn attach(options: &Options) -> anyhow::Result<Attached> {
    log::keep(options.verbose);
    let kernel = KernelTypes::default();
    let error = match attach_best(options, &kernel, options.owners) {
        Err(error) if options.owners => error,
        outcome => return outcome,
    };
    let Some(Missing::AttachMethod { methods, .. }) = error.downcast_ref() else {
        return Err(error);
    };
    let mut attached = attach_best(options, &kernel, false)?;
    let why = methods.first().map_or("", |method| &method.why);
    attached.limitations.push(format!("which process has a socket ({why})"));
    Ok(attached)
}

/// The same, with the owners or without.
fn attach_best(options: &Options, kernel: &KernelTypes, owners: bool) -> anyhow::Result<Attached> {
    let mut attach_rejected = Vec::new();
    for (at, method) in options.attach.methods().iter().enumerate() {
        let lack = || kernel.has_what_it_takes(*method).err();
        // The first is worth a trial before the kernel's types are read.
        let why = match if at > 0 { lack() } else { None } {
            Some(why) => why,
            None => match attach_by(*method, options, kernel, owners)? {
                Ok(attached) => return Ok(Attached { attach_rejected, ..attached }),
                // Where the kernel lacks what it takes, that says more than the answer.
                Err(why) => lack().unwrap_or(why),
            },
        };
        attach_rejected.push(RejectedMethod { attach: method.to_string(), why });
    }
    Err(Missing::method(options.attach == Attach::AUTO, &attach_rejected).into())
}

/// The same by one way, in whatever form works; the inner error says why none does.
fn attach_by(
    method: AttachMethod,
    options: &Options,
    kernel: &KernelTypes,
    owners: bool,
) -> anyhow::Result<Result<Attached, String>> {
    let probes = match method.probes(|name| kernel.has_function(name)) {
        Ok(probes) => probes,
        Err(why) => return Ok(Err(why)),
    };
    let preemptible = super::version(&super::kernel_release()) >= Some(PREEMPTIBLE_FROM);
    let in_probe = |hook| !method.is_typed() || hook == LifecycleHook::Classic;
    let (mut why, mut hopeless) = (String::new(), None);
    for (hook, with_log) in forms(method) {
        if hopeless == Some(hook) {
            continue;
        }
        let preallocated = in_probe(hook) && !kernel.allocates_in_probes();
        let probes = &probes;
        let trial = Trial { method, probes, hook, with_log, owners, preallocated, preemptible };
        log::clear();
        match trial.run(options)? {
            Ok(attached) => return Ok(Ok(attached)),
            Err(refusal) => {
                if let Some(missing) = Missing::privilege(refusal.what, &refusal.error) {
                    return Err(missing.into());
                }
                why = refusal.describe();
                // A helper or an instruction that is not there is the verifier's EINVAL.
                let lacks_one =
                    refusal.what == "load" && refusal.error.kind() == ErrorKind::InvalidInput;
                hopeless = (!lacks_one).then_some(hook);
            }
        }
    }
    Ok(Err(why))
}

/// The forms in which a way is tried, the one with most in it first.
fn forms(method: AttachMethod) -> impl Iterator<Item = (LifecycleHook, bool)> {
    [
        (LifecycleHook::Btf, true),
        (LifecycleHook::Btf, false),
        (LifecycleHook::Classic, true),
        (LifecycleHook::Classic, false),
    ]
    .into_iter()
    .filter(move |(hook, _)| {
        method != AttachMethod::TracepointClassic || *hook == LifecycleHook::Classic
    })
}

impl Trial<'_> {
    fn programs(&self) -> Vec<&str> {
        let hooks: &[&str] = match self.hook {
            LifecycleHook::Btf => &["btf_sock_state", "btf_sock_state_second"],
            LifecycleHook::Classic => &["classic_sock_state"],
        };
        // Lives first: no transition without its socket's birth.
        let transitions = self.probes.programs.iter().map(String::as_str);
        let all = hooks.iter().copied().chain(transitions);
        all.filter(|program| self.preemptible || !method::is_second(program)).collect()
    }

    /// Loads and attaches. The outer error is ours, the inner one the kernel's.
    fn run(&self, options: &Options) -> anyhow::Result<Result<Attached, Refusal>> {
        let bytes = if self.with_log { raw::LOG_OBJECT } else { raw::RING_OBJECT };
        let bytes = zstd::decode_all(bytes).context("unpacking the programs")?;
        let mut open = ObjectBuilder::default().name("tcpcong")?.open_memory(&bytes)?;
        let programs = self.programs();
        for mut program in open.progs_mut() {
            let name = program.name().to_string_lossy().into_owned();
            let wanted =
                name == SURVEY || programs.contains(&&*name) || self.owners && name == OWNERS;
            program.set_autoload(wanted);
            if wanted && options.verbose {
                program.set_log_level(log::VERIFIER_STATISTICS);
            }
        }
        let transport = self.configure(&mut open, options)?;
        let object = match open.load() {
            Ok(object) => object,
            Err(error) => return Ok(Err(Refusal { what: "load", error })),
        };
        let verified = log::verified();
        log::clear();
        let refused = |error| Ok(Err(Refusal { what: "attach", error }));
        let mut links = Vec::new();
        let mut limitations = self.probes.limitations.clone();
        for name in programs {
            match attach_program(&object, name)? {
                Ok(link) => links.push(link),
                // It has types, and yet it may not be probed, or lost its name.
                Err(_) if method::is_dispensable(name) => {
                    limitations
                        .push(format!("what {name} would have shown (it cannot be attached)"));
                }
                Err(error) => return refused(error),
            }
        }
        let survey = match attach_program(&object, SURVEY)? {
            Ok(link) => link,
            Err(error) => return refused(error),
        };
        let holders = if self.owners { Some(attach_program(&object, OWNERS)?) } else { None };
        let holders = match holders.transpose() {
            Ok(holders) => holders,
            Err(error) => return refused(error),
        };
        Ok(Ok(Attached {
            object,
            links,
            survey,
            holders,
            method: self.method,
            limitations,
            attach_rejected: Vec::new(),
            transport,
            max_watched: self.max_watched(options),
            verified,
        }))
    }

    /// Room for sockets in the kernel, where they must be watched.
    fn max_watched(&self, options: &Options) -> Option<u32> {
        let default = if self.preallocated { MAX_WATCHED_PREALLOCATED } else { MAX_WATCHED };
        self.method.looks_at_callers().then(|| options.max_flows.unwrap_or(default))
    }

    /// Sets what is fixed before loading.
    fn configure(&self, open: &mut OpenObject, options: &Options) -> anyhow::Result<TransportKind> {
        let cpus = u32::try_from(libbpf_rs::num_possible_cpus()?)?;
        let transport = if self.with_log {
            TransportKind::Log(Room::new(cpus, options.buffer_bytes))
        } else {
            TransportKind::Ring { bytes: ring_bytes(options.buffer_bytes), cpus }
        };
        for mut map in open.maps_mut() {
            let name = map.name().to_string_lossy().into_owned();
            match (&*name, transport) {
                ("heads", _) => map.set_max_entries(cpus)?,
                ("lines", TransportKind::Log(room)) => map.set_max_entries(room.lines())?,
                ("ring", TransportKind::Ring { bytes, .. }) => map.set_max_entries(bytes)?,
                ("frames", _) => map.set_autocreate(self.method.uses_frames())?,
                ("watched", _) => {
                    // The programs of lives name it, whether they use it or not.
                    map.set_max_entries(self.max_watched(options).unwrap_or(1))?;
                    if self.preallocated {
                        map.set_map_flags(0)?;
                    }
                }
                (name, _) if name.ends_with(".rodata") => {
                    let value = map.initial_value_mut().context("the object has no constants")?;
                    self.set_constants(raw::constants(value)?, options, transport);
                }
                _ => {}
            }
        }
        Ok(transport)
    }

    fn set_constants(
        &self,
        constants: &mut raw::rodata,
        options: &Options,
        transport: TransportKind,
    ) {
        let Selection { lports, rports, laddr, raddr, netns } = options.selection;
        (constants.lport_first, constants.lport_last) = (lports.first, lports.last);
        (constants.rport_first, constants.rport_last) = (rports.first, rports.last);
        constants.laddr_prefix = prefix(laddr);
        constants.raddr_prefix = prefix(raddr);
        constants.filters_addresses = laddr.or(raddr).is_some();
        constants.only_netns = netns.unwrap_or(0);
        constants.all_figures = options.figures;
        constants.preemptible = self.preemptible;
        constants.watches_callers = self.method.looks_at_callers();
        if let TransportKind::Log(room) = transport {
            constants.lines_per_cpu = room.lines_per_cpu;
        }
        if options.figures && !self.method.looks_at_callers() {
            let ranges = symbols::ranges([
                "__tcp_transmit_skb",
                "tcp_try_to_open",
                "tcp_fastretrans_alert",
                "tcp_process_tlp_ack",
                "tcp_ack",
            ]);
            let code = ranges.map(|Range { start, end }| raw::code { start, end });
            let [transmit, try_to_open, fastretrans_alert, process_tlp_ack, ack] = code;
            constants.code_transmit = transmit;
            constants.code_try_to_open = try_to_open;
            constants.code_fastretrans_alert = fastretrans_alert;
            constants.code_process_tlp_ack = process_tlp_ack;
            constants.code_ack = ack;
        }
    }
}

/// The outer error is ours, the inner one the kernel's.
fn attach_program(object: &Object, name: &str) -> anyhow::Result<Result<Link, libbpf_rs::Error>> {
    let program = object.progs_mut().find(|program| program.name() == name);
    Ok(program.ok_or_else(|| anyhow!("the object has no program {name}"))?.attach())
}

/// A power of two, and a page at least.
fn ring_bytes(bytes: u64) -> u32 {
    const PAGE_MOST: u64 = 64 << 10;
    1 << bytes.clamp(PAGE_MOST, 1 << 30).ilog2()
}

/// As the kernel side compares: IPv4 as IPv4-mapped, in network order. Nothing
/// asked matches everything.
fn prefix(prefix: Option<AddressPrefix>) -> raw::prefix {
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
    raw::prefix {
        address: words(address.to_bits() & mask),
        mask: words(mask),
        six: MaybeUninit::new(six),
    }
}

impl Refusal {
    fn describe(&self) -> String {
        let log = log::most_telling();
        let log = if log.is_empty() { format!("{:#}", self.error) } else { log };
        let hint = Missing::hint(self.what, &log).unwrap_or_default();
        format!("the kernel did not let it {}: {log}{hint}", self.what)
    }
}
