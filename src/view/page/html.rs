//! Text into HTML, so that it stays text. Not here: which text.

use std::io::{self, Write};

/// As the content of an element or of an attribute.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// The text of each, one after the other.
pub(super) fn joined<T>(of: impl IntoIterator<Item = T>, text: impl Fn(T) -> String) -> String {
    of.into_iter().map(text).collect()
}

/// JSON as the content of a script element: without `<` it holds neither an end tag nor a
/// comment. In JSON that letter can only be in strings.
pub(super) fn in_script(json: &str) -> String {
    json.replace('<', "\\u003c")
}

/// Writes a template with a part in the place of each `{{name}}`. What parts contain is not
/// looked into.
pub(super) fn fill(template: &str, parts: &[(&str, String)], to: &mut dyn Write) -> io::Result<()> {
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").unwrap_or((after, ""));
        let part = parts.iter().find(|(of, _)| *of == name).map_or("", |(_, part)| part);
        to.write_all(before.as_bytes())?;
        to.write_all(part.as_bytes())?;
        rest = after;
    }
    to.write_all(rest.as_bytes())
}
