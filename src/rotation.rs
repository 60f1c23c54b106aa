//! Files that are rotated: the one that is written has its name, and those before have a
//! number, as logrotate(8) gives with `extension`: 1 is the last one. Not here: when that is
//! done.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tcpcong_core::recording::Parts;

use crate::recordings::{FileError, NewFile};

/// What a recording's name ends with: a number comes before it, so that the file is still
/// known for what it is.
const EXTENSION: &str = ".jsonl.zst";

/// Files, one after the other.
pub struct Rotation {
    file: NewFile,
    path: PathBuf,
    /// So many are kept of those before.
    keep: Option<u32>,
}

impl Rotation {
    /// Of a file that is there, or will be, and of which no other run has left any.
    pub fn new(
        file: NewFile,
        path: &Path,
        force: bool,
        keep: Option<u32>,
    ) -> Result<Self, FileError> {
        if let Some(other) = others(path).filter(|_| !force) {
            return Err(FileError::new(format!(
                "{}: there is such a file of a rotation before; take another name, or \
                 `tcpcong record --force`",
                other.display()
            )));
        }
        Ok(Self { file, path: path.to_owned(), keep })
    }
}

impl Parts for Rotation {
    fn next(&mut self, _: u64) -> io::Result<()> {
        shift(&self.path, self.keep)?;
        self.file.make().map_err(io::Error::other)
    }
}

/// Gives the file and all those before it the next number, and keeps so many of them. Broken
/// off anywhere, each is there once.
pub fn shift(path: &Path, keep: Option<u32>) -> io::Result<()> {
    let there = |number: u32| numbered(path, number).symlink_metadata().is_ok();
    let mut last = 0;
    while there(last + 1) {
        last += 1;
    }
    while keep.is_some_and(|keep| last >= keep) {
        remove(&numbered(path, last))?;
        last -= 1;
    }
    for number in (1..=last).rev() {
        rename(&numbered(path, number), &numbered(path, number + 1))?;
    }
    match rename(path, &numbered(path, 1)) {
        // Somebody has taken it away: the next one begins all the same.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        renamed => renamed,
    }
}

/// A file with a number that is there already.
fn others(path: &Path) -> Option<PathBuf> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let files = fs::read_dir(folder.unwrap_or(Path::new("."))).ok()?;
    let name = path.file_name()?.to_string_lossy();
    let (stem, extension) =
        name.strip_suffix(EXTENSION).map_or((&*name, ""), |stem| (stem, EXTENSION));
    let is_numbered = |file: &str| {
        let rest = file.strip_prefix(stem).and_then(|rest| rest.strip_prefix('.'));
        let number = rest.and_then(|rest| rest.strip_suffix(extension));
        number.is_some_and(|number| number.parse::<u32>().is_ok())
    };
    let names = files.flatten().map(|file| file.file_name());
    let mut numbered = names.filter(|name| is_numbered(&name.to_string_lossy()));
    numbered.next().map(|name| path.with_file_name(name))
}

/// The name of the file of this number.
#[must_use]
pub fn numbered(path: &Path, number: u32) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = match name.strip_suffix(EXTENSION) {
        Some(stem) => format!("{stem}.{number}{EXTENSION}"),
        None => format!("{name}.{number}"),
    };
    path.with_file_name(name)
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to).map_err(|error| named("renaming", from, &error))
}

fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path).map_err(|error| named("removing", path, &error))
}

fn named(what: &str, path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_comes_before_the_extension() {
        let name = |path: &str| numbered(Path::new(path), 3).display().to_string();
        assert_eq!(name("/a.b/c.jsonl.zst"), "/a.b/c.3.jsonl.zst");
        assert_eq!(name("log"), "log.3");
        assert_eq!(name("x/log.zst"), "x/log.zst.3");
    }

    #[test]
    fn as_many_are_kept_as_were_asked_for_and_the_first_is_the_last() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.jsonl.zst");
        let file = NewFile::new(&path, false).expect("it is not there");
        file.make().expect("a file");
        let mut rotation = Rotation::new(file, &path, false, Some(2)).expect("none is there");
        for number in 0..5 {
            fs::write(&path, format!("{number}")).expect("a file");
            rotation.next(0).expect("files");
        }
        let read = |number| fs::read_to_string(numbered(&path, number)).ok();
        assert_eq!(read(1).as_deref(), Some("4"));
        assert_eq!(read(2).as_deref(), Some("3"));
        assert_eq!(read(3), None);
        assert_eq!(fs::read_to_string(&path).expect("a file"), "");
        let again = Rotation::new(NewFile::new(&path, true).expect("may go"), &path, false, None);
        assert!(again.is_err(), "another run's files are not shifted");
    }
}
