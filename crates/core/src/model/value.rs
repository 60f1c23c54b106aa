//! What a column holds, of whatever kind, so that it can be compared, put
//! together and printed. Not here: which columns there are.

use serde::Serialize;
use std::net::IpAddr;

use super::AddressPrefix;

/// What a row or a group has in one column.
///
/// In order: numbers by size, addresses by family and number, texts by letter,
/// and what is not known last. A column holds one kind, or `Nothing`; link-local addresses,
/// which have their interface, are texts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// Whether something is so.
    Is(bool),
    /// A number: of things, or one that stands for a thing.
    Count(u64),
    /// A time, nanoseconds.
    Time(u64),
    /// An address.
    Addr(IpAddr),
    /// Addresses that begin alike.
    Prefix(AddressPrefix),
    /// A text.
    Text(String),
    /// Not known.
    Nothing,
}

impl Value {
    /// A number, if there is one.
    #[must_use]
    pub fn count<N: Into<u64>>(number: Option<N>) -> Self {
        number.map_or(Self::Nothing, |number| Self::Count(number.into()))
    }

    /// A text, if there is one.
    #[must_use]
    pub fn text<T: ToString + ?Sized>(text: Option<&T>) -> Self {
        text.map_or(Self::Nothing, |text| Self::Text(text.to_string()))
    }

    /// As a number to be added up; 0 for what is none.
    #[must_use]
    pub fn amount(&self) -> u64 {
        match self {
            Self::Is(is) => u64::from(*is),
            Self::Count(amount) | Self::Time(amount) => *amount,
            _ => 0,
        }
    }
}
