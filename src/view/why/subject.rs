//! Which connection, or which connections, something is about. Not here: what.

use tcpcong_core::model::{Group, IDENTITY, Row, Value, field};
use tcpcong_core::why::About;

use crate::view::csv::cell;

/// One line's subject: a flow or a group, in words and in columns.
#[derive(Debug, Clone)]
pub struct Subject {
    /// For people.
    pub text: String,
    /// For programs: what it is identified by.
    pub columns: Vec<(String, serde_json::Value)>,
}

impl Subject {
    pub(super) fn new(about: &About) -> Self {
        match about {
            About::Flow(row) => Self::of_row(row),
            About::Group(group) => Self::of_group(group),
        }
    }

    /// A flow.
    #[must_use]
    pub fn of_row(row: &Row) -> Self {
        let value = |name: &str| field(name).map_or(Value::Nothing, |field| field.of_row(row));
        let columns = IDENTITY.iter().map(|name| ((*name).to_owned(), json(&value(name))));
        let endpoints = &row.connection.endpoints;
        let mut text =
            format!("{} > {}", endpoints.local(&row.names), endpoints.remote(&row.names));
        if let Some(process) = row.connection.owner.process {
            let comm = process.comm.map_or(String::new(), |comm| format!("({comm})"));
            text.extend([" pid ", &process.pid.to_string(), &comm]);
        }
        if let Some(cc) = row.cc {
            text.extend([" ", &cc.to_string()]);
        }
        Self { text, columns: columns.collect() }
    }

    /// A group.
    #[must_use]
    pub fn of_group(group: &Group) -> Self {
        Self::of_key(&group.key)
    }

    /// What the flows of a group have in common.
    #[must_use]
    pub fn of_key(key: &[(&'static str, Value)]) -> Self {
        let shown: Vec<_> =
            key.iter().map(|(name, value)| format!("{name} {}", shown(value))).collect();
        let columns = key.iter().map(|(name, value)| ((*name).to_owned(), json(value)));
        Self { text: shown.join(" "), columns: columns.collect() }
    }
}

fn shown(value: &Value) -> String {
    if *value == Value::Nothing { "-".to_owned() } else { cell(value.clone()) }
}

fn json(value: &Value) -> serde_json::Value {
    serde_json::to_value(value).unwrap_or_default()
}
