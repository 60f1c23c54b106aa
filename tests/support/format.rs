//! Reads the kernel's `format` files: where each field of a trace event lies.
//! Not the events: `truth` gives the fields their meaning.

use std::collections::HashMap;

use anyhow::{Context as _, Result, bail, ensure};

/// Where the fields of one kind of event, or of the page header, lie.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layout {
    /// The number that `common_type` holds in events of this kind; 0 for the page header.
    pub(crate) id: u16,
    spans: HashMap<String, Span>,
}

/// One field's place, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) offset: usize,
    pub(crate) size: usize,
}

impl Layout {
    /// Reads an `events/*/*/format` or `events/header_page` file.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut layout = Self::default();
        for line in text.lines().map(str::trim) {
            if let Some(id) = line.strip_prefix("ID:") {
                layout.id = id.trim().parse().context("an event's ID")?;
            } else if let Some(field) = line.strip_prefix("field:") {
                let (name, span) = parse_field(field).with_context(|| format!("in {line:?}"))?;
                layout.spans.insert(name, span);
            }
        }
        ensure!(!layout.spans.is_empty(), "a format without a field");
        Ok(layout)
    }

    pub(crate) fn span(&self, name: &str) -> Result<Span> {
        let span = self.spans.get(name).copied();
        span.with_context(|| format!("this kernel's event has no field {name}"))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.spans.contains_key(name)
    }

    pub(crate) fn bytes<'a>(&self, name: &str, event: &'a [u8]) -> Result<&'a [u8]> {
        let Span { offset, size } = self.span(name)?;
        let bytes = event.get(offset..offset + size);
        bytes.with_context(|| format!("an event of {} bytes ends before {name}", event.len()))
    }

    pub(crate) fn array<const N: usize>(&self, name: &str, event: &[u8]) -> Result<[u8; N]> {
        let bytes = self.bytes(name, event)?;
        let array = bytes.try_into();
        array.with_context(|| format!("{name} has {} bytes instead of {N}", bytes.len()))
    }

    /// An unsigned number of whatever width this kernel gives the field.
    pub(crate) fn number(&self, name: &str, event: &[u8]) -> Result<u64> {
        let bytes = self.bytes(name, event)?;
        Ok(match bytes.len() {
            1 => u64::from(bytes[0]),
            2 => u64::from(u16::from_ne_bytes(bytes.try_into()?)),
            4 => u64::from(u32::from_ne_bytes(bytes.try_into()?)),
            8 => u64::from_ne_bytes(bytes.try_into()?),
            other => bail!("{name} is no number: it has {other} bytes"),
        })
    }
}

/// Takes `unsigned char saddr[4];  offset:22;  size:4;  signed:0;` apart.
fn parse_field(text: &str) -> Result<(String, Span)> {
    let mut parts = text.split(';').map(str::trim);
    let declaration = parts.next().unwrap_or_default();
    let last_word = declaration.rsplit([' ', '*']).next().unwrap_or_default();
    let name = last_word.split('[').next().unwrap_or_default();
    ensure!(!name.is_empty(), "a field without a name");
    let mut span = Span { offset: 0, size: 0 };
    for part in parts {
        if let Some(offset) = part.strip_prefix("offset:") {
            span.offset = offset.parse().context("its offset")?;
        } else if let Some(size) = part.strip_prefix("size:") {
            span.size = size.parse().context("its size")?;
        }
    }
    ensure!(span.size > 0, "a field without a size");
    Ok((name.to_owned(), span))
}
