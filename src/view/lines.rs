//! A table whose lines come one by one, so that nobody knows how wide they will
//! be. Not here: what is in it.

use std::io::{self, Write};

/// A column.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) title: String,
    /// Characters; it becomes wider with what comes.
    pub(super) width: usize,
    /// Numbers end where their title does.
    pub(super) right: bool,
}

/// The columns of a table, from left to right.
#[derive(Debug, Default)]
pub(super) struct Lines {
    columns: Vec<Column>,
}

impl Lines {
    pub(super) fn new(mut columns: Vec<Column>) -> Self {
        for column in &mut columns {
            column.width = column.width.max(column.title.chars().count());
        }
        Self { columns }
    }

    /// Prints the titles.
    pub(super) fn titles(&self, data: &mut dyn Write) -> io::Result<()> {
        self.print(self.columns.iter().map(|column| &*column.title), data)
    }

    /// Prints a line. What is wider than its column moves the rest, there and below.
    pub(super) fn line(&mut self, texts: &[String], data: &mut dyn Write) -> io::Result<()> {
        for (column, text) in self.columns.iter_mut().zip(texts) {
            column.width = column.width.max(text.chars().count());
        }
        self.print(texts.iter().map(|text| &**text), data)
    }

    fn print<'t>(
        &self,
        texts: impl Iterator<Item = &'t str>,
        data: &mut dyn Write,
    ) -> io::Result<()> {
        let cells = self.columns.iter().zip(texts).map(|(Column { width, right, .. }, text)| {
            if *right { format!("{text:>width$}") } else { format!("{text:<width$}") }
        });
        let cells: Vec<_> = cells.collect();
        writeln!(data, "{}", cells.join(" ").trim_end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_come_once_and_wide_lines_move_what_follows() {
        let column = |title: &str, right| Column { title: title.to_owned(), width: 3, right };
        let mut lines = Lines::new(vec![column("ADDRESS", false), column("N", true)]);
        let mut out = Vec::new();
        lines.titles(&mut out).expect("memory");
        for (address, number) in [("::1", "12"), ("2001:db8::1", "3"), ("::1", "4")] {
            lines.line(&[address.to_owned(), number.to_owned()], &mut out).expect("memory");
        }
        let expected = ["ADDRESS   N", "::1      12", "2001:db8::1   3", "::1           4", ""];
        assert_eq!(String::from_utf8(out).expect("text"), expected.join("\n"));
    }
}
