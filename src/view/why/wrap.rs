//! Text in lines that fit a terminal. Not here: what it says.

/// As many words in a line as fit into `width`; what is longer has a line of its own.
pub(super) fn words(text: &str, width: usize) -> Vec<String> {
    joined(text.split_whitespace().map(str::to_owned), " ", "", width)
}

/// As many facts in a line as fit into `width`, semicolons between; a fact that does not fit
/// a line goes on in the next.
pub(super) fn facts(facts: impl Iterator<Item = String>, width: usize) -> Vec<String> {
    let lines = joined(facts, "; ", ";", width).into_iter();
    lines.flat_map(|line| hanging(&line, width)).collect()
}

/// What is too long for a line goes on in the next, a little to the right.
fn hanging(line: &str, width: usize) -> Vec<String> {
    if letters(line) <= width {
        return vec![line.to_owned()];
    }
    let lines = words(line, width.saturating_sub(2)).into_iter().enumerate();
    lines.map(|(at, line)| if at == 0 { line } else { format!("  {line}") }).collect()
}

/// `at_end` stands after each line but the last.
fn joined(
    pieces: impl Iterator<Item = String>,
    between: &str,
    at_end: &str,
    width: usize,
) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for piece in pieces {
        match lines.last_mut() {
            Some(line)
                if letters(line) + between.len() + letters(&piece) + at_end.len() <= width =>
            {
                line.push_str(between);
                line.push_str(&piece);
            }
            Some(line) => {
                line.push_str(at_end);
                lines.push(piece);
            }
            None => lines.push(piece),
        }
    }
    lines
}

/// How many cells a text takes, as far as names of this trade go.
pub(super) fn letters(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_is_cut_and_no_line_is_too_long_but_for_a_word() {
        assert_eq!(words("one two three", 7), ["one two", "three"]);
        assert_eq!(words("unbreakable one", 4), ["unbreakable", "one"]);
        assert!(words("", 4).is_empty());
    }

    #[test]
    fn facts_stay_whole_where_they_fit() {
        let some = || ["1.0 s watched", "2 timeouts", "3 losses"].map(str::to_owned).into_iter();
        assert_eq!(facts(some(), 80), ["1.0 s watched; 2 timeouts; 3 losses"]);
        assert_eq!(facts(some(), 26), ["1.0 s watched; 2 timeouts;", "3 losses"]);
        assert_eq!(facts(some(), 25), ["1.0 s watched;", "2 timeouts; 3 losses"]);
        assert_eq!(facts(some(), 9), ["1.0 s", "  watched;", "2", "  timeouts;", "3 losses"]);
    }
}
