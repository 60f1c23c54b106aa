//! What a cgroup's path says of who runs in it: systemd unit, container, pod.
//! Pure: no look at the machine.
//!
//! The path is read from its root on, and what is deeper counts: of two units
//! the inner one, of two containers too. A container's scope is its container
//! and no unit; a container within a service has both.

use tcpcong_core::model::Workload;

/// Kinds of systemd units that have a cgroup and are no mere folder of others
/// (systemd.unit(5)).
const UNITS: [&str; 5] = ["service", "scope", "socket", "mount", "swap"];
/// The longest name of a unit (`src/basic/unit-name.h`, `UNIT_NAME_MAX`), and more.
const UNIT_NAME_END: usize = 256;

/// What the path below the hierarchy's root says; nothing if it says nothing.
#[must_use]
pub fn workload(path: &str) -> Option<Workload> {
    let mut found = Workload { unit: None, container: None, pod: None };
    let mut parents = Parents::default();
    for name in path.split('/').filter(|name| !name.is_empty()) {
        if let Some((pod, container)) = systemd_form(name) {
            found.pod = pod.or(found.pod);
            found.container = Some(container.to_owned());
        } else if let Some(pod) = pod(name, &parents) {
            // Its containers are within it.
            found.container = None;
            found.pod = Some(pod);
        } else if let Some(container) = container(name, &parents) {
            found.container = Some(container.to_owned());
        } else if let Some(unit) = unit(name) {
            // A service manager's own, which tells less than the service that
            // it is.
            if unit != "init.scope" || found.unit.is_none() {
                found.unit = Some(unit.to_owned());
            }
        }
        parents.pass(name);
    }
    let says_nothing = found.unit.is_none() && found.container.is_none() && found.pod.is_none();
    (!says_nothing).then_some(found)
}

/// What is known of the folders above.
#[derive(Default)]
struct Parents {
    in_kubepods: bool,
    in_lxc: bool,
}

impl Parents {
    fn pass(&mut self, name: &str) {
        self.in_kubepods |= name == "kubepods";
        // Its folder of containers; what is deeper is theirs.
        self.in_lxc = matches!(name, "lxc" | "lxc.payload");
    }
}

/// A container, by an engine that writes as if to systemd where there is none:
/// `kubepods-burstable-podUID.slice:cri-containerd:ID`.
fn systemd_form(name: &str) -> Option<(Option<String>, &str)> {
    let mut parts = name.split(':');
    let (slice, _, id) = (parts.next()?, parts.next()?, parts.next()?);
    (parts.next().is_none() && is_hex(id, 64)).then(|| (pod_slice(slice), id))
}

/// Docker's, Podman's, containerd's and CRI-O's containers go by 64 hexadecimal
/// digits, bare or after the engine's name; LXC's by what their owner calls them.
fn container<'n>(name: &'n str, parents: &Parents) -> Option<&'n str> {
    if let Some(name) = name.strip_prefix("lxc.payload.") {
        return Some(name);
    }
    if parents.in_lxc {
        return Some(name);
    }
    let scope = name.strip_suffix(".scope");
    let (engine, id) = match scope.unwrap_or(name).rsplit_once('-') {
        Some((engine, id)) => (engine, id),
        None if scope.is_none() => ("", name),
        None => return None,
    };
    // conmon is the one that watches a container, and not in it.
    (is_hex(id, 64) && !engine.ends_with("conmon")).then_some(id)
}

/// The pod's uid where Kubernetes made this folder, its id where Podman did.
fn pod(name: &str, parents: &Parents) -> Option<String> {
    if let Some(uid) = name.strip_prefix("pod").filter(|_| parents.in_kubepods) {
        return is_pod_uid(uid).then(|| uid.to_owned());
    }
    pod_slice(name)
}

/// `kubepods-burstable-podUID.slice` or `machine-libpod_pod_ID.slice`.
fn pod_slice(name: &str) -> Option<String> {
    let slice = name.strip_suffix(".slice")?;
    if let Some((_, id)) = slice.rsplit_once("libpod_pod_") {
        return is_hex(id, 64).then(|| id.to_owned());
    }
    let (parent, uid) = slice.rsplit_once("-pod")?;
    // In a slice's name, a dash would be a level.
    let uid = uid.replace('_', "-");
    (parent.contains("kubepods") && is_pod_uid(&uid)).then_some(uid)
}

/// A UUID, or the hash that a static pod has in its place.
fn is_pod_uid(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    is_hex(text, 32)
        || parts.len() == 5
            && parts.iter().zip([8, 4, 4, 4, 12]).all(|(part, digits)| is_hex(part, digits))
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The systemd unit whose folder this is, by the name that systemctl(1) takes:
/// what is escaped (`\x2d`) stays so.
fn unit(name: &str) -> Option<&str> {
    // systemd's way of keeping clear of the kernel's files (`src/basic/cgroup-util.c`,
    // `cg_escape()`).
    let name = name.strip_prefix('_').unwrap_or(name);
    let (prefix, kind) = name.rsplit_once('.')?;
    let is_unit = UNITS.contains(&kind)
        && name.len() < UNIT_NAME_END
        && !prefix.is_empty()
        && !prefix.starts_with('@')
        && prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte));
    is_unit.then_some(name)
}

#[cfg(test)]
#[path = "workload_tests.rs"]
mod tests;
