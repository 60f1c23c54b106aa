//! Cgroups of a test's own. Who is in them is the test's business.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};
use tempfile::TempDir;

/// A cgroup of a test's own, with all that was made in it, and its hierarchy's
/// mount if the machine had none.
pub(crate) struct Cgroup {
    folder: PathBuf,
    mount: Option<TempDir>,
}

impl Cgroup {
    /// Nothing where no cgroup2 is mounted, and none can be.
    pub(crate) fn new() -> Result<Option<Self>> {
        let mounts = fs::read_to_string("/proc/self/mounts")?;
        let point = mounts.lines().find_map(|line| {
            let fields: Vec<_> = line.split(' ').collect();
            (fields[2] == "cgroup2").then(|| PathBuf::from(fields[1]))
        });
        let mount = if point.is_none() { Some(tempfile::tempdir()?) } else { None };
        if let Some(mount) = &mount {
            let outcome =
                Command::new("mount").args(["-t", "cgroup2", "none"]).arg(mount.path()).status()?;
            if !outcome.success() {
                return Ok(None);
            }
        }
        let point = point.or_else(|| mount.as_ref().map(|mount| mount.path().to_owned()));
        let folder =
            point.context("no mount")?.join(format!("tcpcong-test-{}", std::process::id()));
        fs::create_dir(&folder)?;
        Ok(Some(Self { folder, mount }))
    }

    pub(crate) fn below(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        fs::create_dir(&folder)?;
        Ok(folder)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        format!("/{}/{name}", self.folder.file_name().unwrap_or_default().to_string_lossy())
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for below in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let _ = fs::remove_dir(below.path());
        }
        let _ = fs::remove_dir(&self.folder);
        if let Some(mount) = &self.mount {
            let _ = Command::new("umount").arg(mount.path()).status();
        }
    }
}
