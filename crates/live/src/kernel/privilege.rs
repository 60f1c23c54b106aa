//! The capabilities that this process has, lacks, and needs no more.
//! Not what to tell a person who lacks one: `missing` does that.

use caps::{CapSet, Capability, CapsHashSet};

/// What loading and attaching need, where `CAP_SYS_ADMIN` does not stand for
/// both, as it did before Linux 5.8.
const TO_ATTACH: [Capability; 2] = [Capability::CAP_BPF, Capability::CAP_PERFMON];

/// What is needed after attaching: to read maps (where unprivileged use of BPF
/// is disabled, before Linux 5.19), to find the network namespaces of processes
/// and folders that are others', and to enter them.
const TO_RUN: [Capability; 4] = [
    Capability::CAP_BPF,
    Capability::CAP_SYS_ADMIN,
    Capability::CAP_SYS_PTRACE,
    Capability::CAP_DAC_READ_SEARCH,
];

/// Gives up, for good, every capability that is not needed after attaching.
/// Threads that were made before keep theirs. `makes_files`: files are made afterwards, in
/// a folder that may be another user's.
pub fn drop_what_attaching_needed(makes_files: bool) -> anyhow::Result<()> {
    let mut kept = caps::read(None, CapSet::Permitted)?;
    let is_for_files = |capability| makes_files && capability == Capability::CAP_DAC_OVERRIDE;
    kept.retain(|capability| TO_RUN.contains(capability) || is_for_files(*capability));
    caps::set(None, CapSet::Effective, &kept)?;
    caps::set(None, CapSet::Permitted, &kept)?;
    // The ambient set shrinks with it.
    caps::set(None, CapSet::Inheritable, &CapsHashSet::new())?;
    Ok(())
}

/// Gives up every capability of the calling thread, and of those that it starts from then on.
pub fn drop_all() -> anyhow::Result<()> {
    caps::clear(None, CapSet::Effective)?;
    caps::clear(None, CapSet::Permitted)?;
    Ok(caps::clear(None, CapSet::Inheritable)?)
}

/// The names of the capabilities that attaching needs and this process lacks.
pub(super) fn lacking_to_attach() -> Vec<String> {
    if has(Capability::CAP_SYS_ADMIN) {
        return Vec::new();
    }
    TO_ATTACH.into_iter().filter(|needed| !has(*needed)).map(|lacked| lacked.to_string()).collect()
}

/// Whether a capability is in force. One that cannot be asked for, is.
pub(crate) fn has(capability: Capability) -> bool {
    caps::has_cap(None, CapSet::Effective, capability).unwrap_or(true)
}
