//! YAML as a tree whose every key and value knows its line, and sections of it. Not what the
//! keys mean.
//!
//! The tree is walked by hand, as serde's own messages quote values, and these may be secret.

use std::fmt;
use std::path::Path;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, Options, Spanned};

use super::WebConfigError;

/// The file that is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) file: &'a Path,
}

impl Place<'_> {
    /// `line` is 0 where none is to blame.
    pub(super) fn error(self, line: u64, what: impl fmt::Display) -> WebConfigError {
        let (file, what) = (self.file.display(), what.to_string().replace(['\n', '\r'], " "));
        if line == 0 {
            return WebConfigError(format!("{file}: {what}"));
        }
        WebConfigError(format!("{file}:{line}: {what}"))
    }
}

/// A value, and the line of its key, or where it begins.
#[derive(Debug)]
pub(super) struct Value {
    pub(super) line: u64,
    pub(super) node: Node,
}

#[derive(Debug)]
pub(super) enum Node {
    Null,
    /// Text, a number or a boolean.
    Scalar(String),
    List(Vec<Value>),
    Map(Vec<(Spanned<String>, Value)>),
}

impl Node {
    fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Scalar(_) => "a single value",
            Self::List(_) => "a list",
            Self::Map(_) => "keys with values",
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, referenced, .. } = Spanned::<Node>::deserialize(deserializer)?;
        Ok(Self { line: referenced.line(), node: value })
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyNode)
    }
}

struct AnyNode;

impl<'de> Visitor<'de> for AnyNode {
    type Value = Node;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Scalar(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = access.next_element()? {
            list.push(value);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut map = Vec::new();
        while let Some((key, mut value)) = access.next_entry::<Spanned<String>, Value>()? {
            // A block of text begins a line below its key, which is where one looks.
            value.line = key.referenced.line();
            map.push((key, value));
        }
        Ok(Node::Map(map))
    }
}

/// The tree of a file.
pub(super) fn parse(place: Place<'_>, text: &[u8]) -> Result<Value, WebConfigError> {
    let text = std::str::from_utf8(text).map_err(|_| place.error(0, "it is not UTF-8"))?;
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(Value { line: 1, node: Node::Null });
    }
    let mut options = Options::default();
    options.with_snippet = false;
    // Sections see to it that each is there once, and say which is not.
    options.duplicate_keys = DuplicateKeyPolicy::PassThrough;
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        // What the parser says may quote the file, and with it a password.
        let line = error.without_snippet().location().map_or(0, |location| location.line());
        place.error(
            line,
            "this is not YAML as it should be; indentation, quotes or colons may be why",
        )
    })
}

/// A key as a message may have it: what is longer than a key or has other characters may be a
/// secret that has got to the wrong place.
pub(super) fn shown(key: &str) -> &str {
    let is_plain =
        |character: char| character.is_ascii_alphanumeric() || "_-.@".contains(character);
    if key.len() <= 32 && key.chars().all(is_plain) { key } else { "(not shown)" }
}

/// The keys below one, each of which is taken once.
#[derive(Debug)]
pub(super) struct Section<'a> {
    pub(super) place: Place<'a>,
    path: String,
    pub(super) line: u64,
    entries: Vec<(Spanned<String>, Value)>,
}

impl<'a> Section<'a> {
    /// Of a value that has no keys but `known`; of one without any where it is empty.
    pub(super) fn new(
        place: Place<'a>,
        path: &str,
        value: Value,
        known: &[&str],
    ) -> Result<Self, WebConfigError> {
        let section = Self::open(place, path, value)?;
        for (key, _) in &section.entries {
            if !known.contains(&key.value.as_str()) {
                let name = section.name(&key.value);
                let what = format!("{name}: no such key; there are {}", known.join(", "));
                return Err(place.error(key.referenced.line(), what));
            }
        }
        Ok(section)
    }

    /// The same, with any keys.
    fn open(place: Place<'a>, path: &str, value: Value) -> Result<Self, WebConfigError> {
        let line = value.line;
        let entries = match value.node {
            Node::Null => Vec::new(),
            Node::Map(entries) => entries,
            other => {
                let (name, kind) = (if path.is_empty() { "the file" } else { path }, other.kind());
                let what = format!("{name}: keys with values are expected here, not {kind}");
                return Err(place.error(line, what));
            }
        };
        let section = Self { place, path: path.to_owned(), line, entries };
        section.has_each_once()?;
        Ok(section)
    }

    fn has_each_once(&self) -> Result<(), WebConfigError> {
        for (number, (key, _)) in self.entries.iter().enumerate() {
            if let Some((first, _)) =
                self.entries[..number].iter().find(|(other, _)| other.value == key.value)
            {
                let (name, first) = (self.name(&key.value), first.referenced.line());
                let what = format!("{name}: is there twice, first in line {first}");
                return Err(self.place.error(key.referenced.line(), what));
            }
        }
        Ok(())
    }

    /// A key's name, with those it is below.
    pub(super) fn name(&self, key: &str) -> String {
        let key = shown(key);
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// An error about this key, in this line.
    pub(super) fn error(&self, key: &str, line: u64, what: impl fmt::Display) -> WebConfigError {
        self.place.error(line, format!("{}: {what}", self.name(key)))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn take(&mut self, key: &str) -> Option<Value> {
        let index = self.entries.iter().position(|(known, _)| known.value == key)?;
        let (_, value) = self.entries.swap_remove(index);
        (!matches!(value.node, Node::Null)).then_some(value)
    }

    /// A single value that is not empty, and its line.
    pub(super) fn text(&mut self, key: &str) -> Result<Option<(String, u64)>, WebConfigError> {
        let Some(value) = self.take(key) else { return Ok(None) };
        match value.node {
            Node::Scalar(text) => Ok((!text.is_empty()).then_some((text, value.line))),
            other => {
                let what = format!("a single value is expected here, not {}", other.kind());
                Err(self.error(key, value.line, what))
            }
        }
    }

    /// `true` or `false`, as YAML 1.1 has them too.
    pub(super) fn boolean(&mut self, key: &str) -> Result<Option<bool>, WebConfigError> {
        let Some((text, line)) = self.text(key)? else { return Ok(None) };
        match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => Ok(Some(true)),
            "false" | "no" | "off" => Ok(Some(false)),
            _ => Err(self.error(key, line, "true or false is expected here")),
        }
    }

    /// Single values, each with its line, and the line where they begin.
    pub(super) fn list(&mut self, key: &str) -> Result<Option<List>, WebConfigError> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let Node::List(values) = value.node else {
            let what = format!("a list is expected here, not {}", value.node.kind());
            return Err(self.error(key, value.line, what));
        };
        let texts = values.into_iter().map(|item| match item.node {
            Node::Scalar(text) => Ok((text, item.line)),
            other => {
                let what =
                    format!("a list of single values is expected here, not of {}", other.kind());
                Err(self.error(key, item.line, what))
            }
        });
        Ok(Some(List { texts: texts.collect::<Result<_, _>>()?, line: value.line }))
    }

    /// The keys below this one, all of them known.
    pub(super) fn section(
        &mut self,
        key: &str,
        known: &[&str],
    ) -> Result<Option<Section<'a>>, WebConfigError> {
        let Some(value) = self.take(key) else { return Ok(None) };
        Section::new(self.place, &self.name(key), value, known).map(Some)
    }

    /// Names and their single values, whatever the names are.
    pub(super) fn pairs(&mut self, key: &str) -> Result<Vec<Pair>, WebConfigError> {
        let Some(value) = self.take(key) else { return Ok(Vec::new()) };
        let section = Section::open(self.place, &self.name(key), value)?;
        let Section { place, path, entries, .. } = section;
        let pairs = entries.into_iter().map(|(name, value)| match value.node {
            Node::Scalar(text) => Ok(Pair { name: name.value, text, line: value.line }),
            Node::Null => Ok(Pair { name: name.value, text: String::new(), line: value.line }),
            other => {
                let (name, kind) = (name.value, other.kind());
                let what =
                    format!("{path}.{}: a single value is expected here, not {kind}", shown(&name));
                Err(place.error(value.line, what))
            }
        });
        pairs.collect()
    }
}

pub(super) struct List {
    pub(super) texts: Vec<(String, u64)>,
    pub(super) line: u64,
}

pub(super) struct Pair {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) line: u64,
}
