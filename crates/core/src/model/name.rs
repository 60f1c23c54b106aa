//! Names as the kernel keeps them. Not here: whose they are.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A name of the kernel's in 16 bytes, zero-terminated: of a congestion control
/// (`TCP_CA_NAME_MAX`) or a task (`TASK_COMM_LEN`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "Written", try_from = "Written")]
pub struct Name([u8; 16]);

impl Name {
    /// Of the kernel's bytes; nothing if they are empty.
    #[must_use]
    pub fn new(bytes: [u8; 16]) -> Option<Self> {
        (bytes[0] != 0).then_some(Self(bytes))
    }

    /// Of text, cut to what fits; nothing if it is empty.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        // The last byte stays zero.
        for (byte, with) in bytes.iter_mut().zip(text.bytes().take(15)) {
            *byte = with;
        }
        Self::new(bytes)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        // A task may call itself anything: nothing that moves a cursor gets out.
        for chunk in self.0[..end].utf8_chunks() {
            for letter in chunk.valid().chars() {
                let shown = if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter };
                write!(f, "{shown}")?;
            }
            if !chunk.invalid().is_empty() {
                write!(f, "{}", char::REPLACEMENT_CHARACTER)?;
            }
        }
        Ok(())
    }
}

/// A name in a file: its text, or its bytes, where the text would not tell them.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Bytes([u8; 16]),
}

impl From<Name> for Written {
    fn from(name: Name) -> Self {
        let text = name.to_string();
        if Name::from_text(&text) == Some(name) { Self::Text(text) } else { Self::Bytes(name.0) }
    }
}

impl TryFrom<Written> for Name {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let name = match written {
            Written::Text(text) => Self::from_text(&text),
            Written::Bytes(bytes) => Self::new(bytes),
        };
        name.ok_or("an empty name")
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_ends_at_its_zero_and_moves_no_cursor() {
        let name = Name::new(*b"cubic\0junk\0\0\0\0\0\0").expect("a name");
        assert_eq!(name.to_string(), "cubic");
        let full = Name::new([b'x'; 16]).expect("a name");
        assert_eq!(full.to_string().len(), 16);
        let odd = Name::new(*b"a\x1b[2J\xff\0\0\0\0\0\0\0\0\0\0").expect("a name");
        assert_eq!(odd.to_string(), "a\u{fffd}[2J\u{fffd}");
        assert_eq!(Name::new([0; 16]), None);
        assert_eq!(Name::from_text(""), None);
        assert_eq!(Name::from_text("bbr").expect("a name").to_string(), "bbr");
    }
}
