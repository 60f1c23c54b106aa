//! What the screen lists: the rows or groups of an interval, filtered and in order. Not
//! here: how they are drawn.

use tcpcong_core::model::{
    By, Condition, Field, FlowId, Group, Row, StateTimes, Value, grouped, sort,
};

use super::columns::Column;
use super::history::{History, Kept};

/// One line.
#[derive(Debug, Clone)]
pub(super) enum Item {
    Row(Box<Row>),
    Group(Group),
}

/// What a line is about, from one interval to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    Flow(FlowId),
    Group(Vec<(&'static str, Value)>),
}

impl Item {
    pub(super) fn rows(&self) -> &[Row] {
        match self {
            Self::Row(row) => std::slice::from_ref(row),
            Self::Group(group) => &group.rows,
        }
    }

    pub(super) fn ids(&self) -> Vec<FlowId> {
        self.rows().iter().map(|row| row.id).collect()
    }

    pub(super) fn subject(&self) -> Subject {
        match self {
            Self::Row(row) => Subject::Flow(row.id),
            Self::Group(group) => Subject::Group(group.key.clone()),
        }
    }

    pub(super) fn field(&self, field: &Field) -> Value {
        match self {
            Self::Row(row) => field.of_row(row),
            Self::Group(group) => field.of_group(group),
        }
    }

    pub(super) fn times(&self) -> StateTimes {
        let mut sum = StateTimes::default();
        self.rows().iter().for_each(|row| sum.add(&row.times));
        sum
    }

    pub(super) fn is_exact(&self) -> bool {
        self.rows().iter().all(|row| row.exact)
    }

    pub(super) fn has_ended(&self) -> bool {
        self.rows().iter().all(|row| row.ended)
    }
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wishes {
    /// Flows of which this condition holds, or that have all of these words somewhere.
    pub(super) filter: String,
    pub(super) by: Option<By>,
    pub(super) order: Column,
    pub(super) descending: bool,
    /// Quiet flows too.
    pub(super) all: bool,
}

impl Default for Wishes {
    /// The worst first.
    fn default() -> Self {
        Self { filter: String::new(), by: None, order: Column::Bar, descending: true, all: false }
    }
}

/// The lines of an interval.
pub(super) fn list(history: &History, number: u64, wishes: &Wishes) -> Vec<Item> {
    let Some(Kept { report, .. }) = history.get(number) else { return Vec::new() };
    let of_interest = history.of_interest(number);
    let words: Vec<_> = wishes.filter.split_whitespace().map(str::to_lowercase).collect();
    let condition = Condition::parse(&wishes.filter);
    let is_wanted = |row: &Row| match &condition {
        Ok(condition) => condition.holds(row),
        Err(_) => !is_condition(&wishes.filter) && has_words(row, &words),
    };
    let is_listed = |row: &&Row| wishes.all || of_interest.contains(&row.id);
    let listed = report.rows.iter().filter(is_listed).filter(|row| is_wanted(row));
    let mut items: Vec<Item> = match &wishes.by {
        None => listed.map(|row| Item::Row(Box::new(row.clone()))).collect(),
        Some(by) => grouped(listed.cloned().collect(), |row| by.of_row(row))
            .into_iter()
            .map(Item::Group)
            .collect(),
    };
    // Those alike stay where they are from one interval to the next.
    items.sort_by_cached_key(|item| item.rows().first().map(|row| row.id));
    if wishes.order == Column::Bar {
        sort(&mut items, wishes.descending, |item| Column::History.value(item, history, number));
    }
    sort(&mut items, wishes.descending, |item| wishes.order.value(item, history, number));
    items
}

/// Whether a filter is meant to be a condition, and not words.
#[must_use]
pub fn is_condition(filter: &str) -> bool {
    filter.contains(['<', '>', '='])
}

/// Whether each of the words is in some text of the row.
fn has_words(row: &Row, words: &[String]) -> bool {
    if words.is_empty() {
        return true;
    }
    let endpoints = &row.connection.endpoints;
    let process = row.connection.owner.process;
    let comm = process.and_then(|process| process.comm).map(|comm| comm.to_string());
    let pid = process.map(|process| process.pid.to_string());
    let cc = row.cc.map(|cc| cc.to_string());
    let workload = row.names.workload.as_deref();
    let texts = [
        Some(endpoints.local(&row.names)),
        Some(endpoints.remote(&row.names)),
        Some(row.state.name().to_owned()),
        comm,
        pid,
        cc,
        row.names.netns.as_deref().map(str::to_owned),
        row.names.cgroup.as_deref().map(str::to_owned),
        workload.and_then(|workload| workload.container.clone()),
        workload.and_then(|workload| workload.pod.clone()),
    ];
    let texts: Vec<_> = texts.into_iter().flatten().map(|text| text.to_lowercase()).collect();
    words.iter().all(|word| texts.iter().any(|text| text.contains(word.as_str())))
}
