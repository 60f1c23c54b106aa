//! The order in which verdicts are listed, where it is asked for. Not here: the usual one.

use std::fmt;

use super::{Finding, VerdictField};
use crate::model::{name_and_way, sign, sort};

/// By which field verdicts are in order, and which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerdictOrder {
    /// The field.
    pub field: VerdictField,
    /// The largest first.
    pub descending: bool,
}

impl VerdictOrder {
    /// Of a field's name: numbers from the largest on, texts from the first letter on;
    /// after `+` from the smallest on, after `-` from the largest on.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (name, descending) = name_and_way(text);
        let field = VerdictField::named(name)?;
        Some(Self { field, descending: descending.unwrap_or(field.kind().is_numeric()) })
    }

    /// Sorts; those alike stay as they were.
    pub fn apply(&self, findings: &mut [&Finding]) {
        sort(findings, self.descending, |finding| self.field.value(finding));
    }
}

/// As `+COLUMN` or `-COLUMN`.
impl fmt::Display for VerdictOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", sign(self.descending), self.field.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_a_field_and_a_way() {
        let shown = |text: &str| VerdictOrder::parse(text).map(|order| order.to_string());
        assert_eq!(shown("held_up").as_deref(), Some("-held_up"));
        assert_eq!(shown("+held_up_ns").as_deref(), Some("+held_up"));
        assert_eq!(shown("verdict").as_deref(), Some("+verdict"));
        assert_eq!(shown("nonsense"), None);
    }
}
