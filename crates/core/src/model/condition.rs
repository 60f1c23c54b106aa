//! Conditions on what a row shows, as people write them: `loss > 500ms and comm = nginx`.
//! Not here: what follows when one holds.

use std::fmt;

use super::{FIELDS, Field, FieldKind, Row, State, Value, field, parse_time_ns};

/// What a condition may look like.
const EXAMPLE: &str = "loss > 500ms, or loss > 500ms and comm = nginx";

/// Comparisons of columns, all of which must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    text: String,
    terms: Vec<Term>,
}

/// One comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    field: &'static Field,
    comparison: Comparison,
    value: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Less,
    AtMost,
    More,
    AtLeast,
    Equal,
    Unequal,
}

/// A piece of the text.
#[derive(Debug, PartialEq, Eq)]
enum Token {
    Operator(Comparison),
    Word(String),
    /// In quotation marks: it is never an `and`.
    Quoted(String),
}

impl Condition {
    /// Reads one; or says what is wrong with it, and what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let tokens = tokens(text)?;
        let is_and =
            |token: &Token| matches!(token, Token::Word(word) if word.eq_ignore_ascii_case("and"));
        let terms = tokens.split(is_and).map(term).collect::<Result<_, _>>()?;
        Ok(Self { text: text.trim().to_owned(), terms })
    }

    /// The columns that it compares.
    pub fn fields(&self) -> impl Iterator<Item = &'static Field> {
        self.terms.iter().map(|term| term.field)
    }

    /// Whether it holds. What is not known is neither equal nor unequal to anything.
    #[must_use]
    pub fn holds(&self, row: &Row) -> bool {
        self.terms.iter().all(|term| term.holds(row))
    }
}

/// As it was written.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Term {
    fn holds(&self, row: &Row) -> bool {
        let value = self.field.of_row(row);
        if value == Value::Nothing {
            return false;
        }
        match self.comparison {
            Comparison::Less => value < self.value,
            Comparison::AtMost => value <= self.value,
            Comparison::More => value > self.value,
            Comparison::AtLeast => value >= self.value,
            Comparison::Equal => value == self.value,
            Comparison::Unequal => value != self.value,
        }
    }
}

fn term(tokens: &[Token]) -> Result<Term, String> {
    let [Token::Word(name), Token::Operator(comparison), value] = tokens else {
        return Err(format!("not a condition such as {EXAMPLE}"));
    };
    let (Token::Word(text) | Token::Quoted(text)) = value else {
        return Err(format!("{name} is compared with nothing; a condition is as {EXAMPLE}"));
    };
    let comparison = *comparison;
    let field = field(name).ok_or_else(|| {
        let names: Vec<_> = FIELDS.iter().map(|field| field.name).collect();
        format!("no column is called {name}; there are {}", names.join(", "))
    })?;
    let is_of_order = !matches!(comparison, Comparison::Equal | Comparison::Unequal);
    if is_of_order && matches!(field.kind, FieldKind::Label | FieldKind::NumericLabel) {
        return Err(format!("{name} is no amount: it can only be = or != something"));
    }
    let value = value_of(field, text).map_err(|why| format!("{name}: {text} is {why}"))?;
    Ok(Term { field, comparison, value })
}

/// What the text is as a value of this column.
fn value_of(field: &Field, text: &str) -> Result<Value, String> {
    match field.kind {
        FieldKind::Duration => parse_time_ns(text)
            .map(Value::Time)
            .ok_or_else(|| "not a time such as 500us, 50ms or 1.5s".to_owned()),
        FieldKind::Counter | FieldKind::NumericLabel | FieldKind::Gauge => {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            let number = text.parse().ok().filter(|_| digits);
            number.map(Value::Count).ok_or_else(|| "not a whole number".to_owned())
        }
        FieldKind::Label if field.name == "state" => {
            let state = State::ALL.into_iter().find(|one| one.name().eq_ignore_ascii_case(text));
            let names = || State::ALL.map(State::name).join(", ");
            state
                .map(|state| Value::text(Some(state.name())))
                .ok_or_else(|| format!("not one of {}", names()))
        }
        FieldKind::Label => label(field, text),
    }
}

/// What kind of label it is shows what a row has that tells all of them.
fn label(field: &Field, text: &str) -> Result<Value, String> {
    match field.of_row(&Row::new(super::FlowId { socket: 0, born_ns: 0 }, anybody())) {
        Value::Is(_) => match text {
            "true" | "yes" => Ok(Value::Is(true)),
            "false" | "no" => Ok(Value::Is(false)),
            _ => Err("neither true nor false".to_owned()),
        },
        // A link-local one has its interface, and is a text then.
        Value::Addr(_) if text.contains('%') => Ok(Value::Text(text.to_owned())),
        Value::Addr(_) => text.parse().map(Value::Addr).map_err(|_| "not an address".to_owned()),
        Value::Prefix(_) => text
            .parse()
            .map(Value::Prefix)
            .map_err(|_| "not a prefix such as 10.0.0.0/24".to_owned()),
        _ => Ok(Value::Text(text.to_owned())),
    }
}

fn anybody() -> super::Connection {
    super::Connection::unspecified(0, 0)
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, after) = match first {
            '<' | '>' | '=' | '!' => operator(rest)?,
            '"' | '\'' => {
                let (quoted, after) =
                    rest[1..].split_once(first).ok_or("a quotation mark is missing")?;
                (Token::Quoted(quoted.to_owned()), after)
            }
            _ => {
                let ends = |letter: char| letter.is_whitespace() || "<>=!".contains(letter);
                let (word, after) = rest.split_at(rest.find(ends).unwrap_or(rest.len()));
                (Token::Word(word.to_owned()), after)
            }
        };
        tokens.push(token);
        rest = after.trim_start();
    }
    Ok(tokens)
}

fn operator(text: &str) -> Result<(Token, &str), String> {
    let operators = [
        (">=", Comparison::AtLeast),
        ("<=", Comparison::AtMost),
        ("!=", Comparison::Unequal),
        ("==", Comparison::Equal),
        (">", Comparison::More),
        ("<", Comparison::Less),
        ("=", Comparison::Equal),
    ];
    operators
        .into_iter()
        .find_map(|(sign, comparison)| {
            text.strip_prefix(sign).map(|rest| (Token::Operator(comparison), rest))
        })
        .ok_or_else(|| "comparisons are > >= < <= = !=".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample::row;
    use crate::model::{Name, Process};

    fn holds(text: &str, row: &Row) -> bool {
        Condition::parse(text).expect(text).holds(row)
    }

    #[test]
    fn comparisons_hold_or_do_not() {
        let mut row = row(4000);
        row.times[State::Loss] = 600_000_000;
        row.changes = 3;
        row.state = State::Loss;
        let comm = Name::from_text("a b");
        row.connection.owner.process = Some(Process { pid: 7, comm });
        for text in [
            "loss > 500ms",
            "loss>=600ms",
            " loss_ns = 0.6s ",
            "loss > 500ms and changes = 3 AND lport=4000",
            "comm = 'a b' and pid != 8",
            "state = loss and exact = true and ended = no",
            "raddr = 127.0.0.1 and prefix = 127.0.0.0/24",
            "recovery < 1us and changes <= 3",
        ] {
            assert!(holds(text, &row), "{text}");
        }
        for text in [
            "loss > 600ms",
            "loss > 500ms and changes = 4",
            "comm != \"a b\"",
            // What is not known.
            "cgroup = /a",
            "cgroup != /a",
            "delivered < 10",
            "raddr = 127.0.0.2",
        ] {
            assert!(!holds(text, &row), "{text}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_would() {
        for (text, words) in [
            ("", "not a condition such as loss > 500ms"),
            ("loss", "not a condition such as"),
            ("loss >", "not a condition such as"),
            ("loss > 5", "loss: 5 is not a time such as"),
            ("loss > 500ms and", "not a condition such as"),
            ("loss > 500ms or changes > 3", "not a condition such as"),
            ("los > 500ms", "no column is called los; there are family"),
            ("changes > many", "changes: many is not a whole number"),
            ("comm > nginx", "comm is no amount: it can only be = or !="),
            ("lport > 3", "lport is no amount"),
            ("comm = 'nginx", "a quotation mark is missing"),
            ("loss ! 5ms", "comparisons are"),
            ("loss > > 5ms", "not a condition such as"),
            ("exact = maybe", "exact: maybe is neither true nor false"),
            ("state = lost", "state: lost is not one of open, disorder, cwr, recovery, loss"),
            ("raddr = here", "raddr: here is not an address"),
        ] {
            let said = Condition::parse(text).expect_err(text);
            assert!(said.contains(words) && !said.contains('\n'), "{text}: {said}");
        }
    }

    #[test]
    fn columns_of_a_condition_are_known() {
        let condition = Condition::parse("busy > 1s and comm = nginx").expect("a condition");
        assert_eq!(condition.to_string(), "busy > 1s and comm = nginx");
        let fields: Vec<_> = condition.fields().map(|field| field.name).collect();
        assert_eq!(fields, ["busy", "comm"]);
    }
}
