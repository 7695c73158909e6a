//! Values of a report by a path.
//!
//! In: a [`Term`], the report, and the element that a path without `$` begins at. Out: the values with their places.
//! Never: a value that the path does not name.

use super::expression::{Aggregate, Comparison, Condition, Literal, Operand, Order, Step, Term, Wanted};
use super::values::{compares, is_something, number, shown};
use serde_json::Value;

/// A value of the report, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Found<'v> {
    pub(super) value: Content<'v>,
    pub(super) place: Place,
}

/// What stands at a place.
#[derive(Clone, Debug)]
pub(super) enum Content<'v> {
    There(&'v Value),
    /// Computed from several.
    Figure(f64),
    /// What cannot be computed, and why.
    NoFigure(String),
    /// The report has no such key; those it has instead.
    NoKey(String),
}

static NULL: Value = Value::Null;

/// A path into the report, and the words by which a person knows the row that it is in.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    path: String,
    row: String,
}

impl Place {
    pub(super) fn text(&self) -> String {
        if self.row.is_empty() { self.path.clone() } else { format!("{} ({})", self.path, self.row) }
    }

    fn key(&self, key: &str) -> Self {
        let dot = if self.path.is_empty() { "" } else { "." };
        Self { path: format!("{}{dot}{key}", self.path), row: self.row.clone() }
    }

    fn element(&self, index: usize, value: &Value) -> Self {
        let row = row_name(value);
        Self { path: format!("{}[{index}]", self.path), row: if row.is_empty() { self.row.clone() } else { row } }
    }
}

/// `r3 0x1a2b3c4d video`: what a row is known by.
fn row_name(value: &Value) -> String {
    const NAMES: [&str; 9] = ["id", "flow", "ssrc", "kind", "codec", "code", "method", "subject", "call_id"];
    let names = NAMES.iter().filter(|name| **name != "flow" || value.get("id").is_none());
    let words = names.filter_map(|name| value.get(name)?.as_str());
    words.take(4).collect::<Vec<_>>().join(" ")
}

/// Where paths begin.
#[derive(Clone, Copy)]
pub(super) struct Base<'v, 'p> {
    pub(super) root: &'v Value,
    pub(super) here: &'v Value,
    pub(super) place: &'p Place,
}

/// The values that a term names: a list stands for its elements.
pub(super) fn select<'v>(term: &Term, base: Base<'v, '_>) -> Vec<Found<'v>> {
    let start = if term.from_root {
        Found { value: Content::There(base.root), place: Place::default() }
    } else {
        Found { value: Content::There(base.here), place: base.place.clone() }
    };
    let mut selection = Selection { found: vec![start], is_many: false };
    let last = term.steps.len().saturating_sub(1);
    for (at, step) in term.steps.iter().enumerate() {
        if let Step::Key(key) = step
            && at == last
            && term.aggregate.is_none()
            && let Some(aggregate) = Aggregate::named(key).filter(|_| selection.takes_aggregate(key))
        {
            return vec![selection.aggregate(aggregate, term)];
        }
        selection = selection.step(step);
    }
    match term.aggregate {
        Some(aggregate) => vec![selection.aggregate(aggregate, term)],
        None => selection.elements(),
    }
}

struct Selection<'v> {
    found: Vec<Found<'v>>,
    /// More than one is possible, whatever the number now.
    is_many: bool,
}

impl<'v> Selection<'v> {
    fn step(self, step: &Step) -> Self {
        match step {
            Step::Key(key) => self.key(key),
            Step::Index(index) => self.index(*index),
            Step::All => Self { found: self.elements(), is_many: true },
            Step::Where(conditions) => Self { found: self.matching(conditions), is_many: true },
        }
    }

    /// The elements that meet the conditions. A key that none of them has is a slip of the hand, and no element that is not
    /// there.
    fn matching(self, conditions: &[Condition]) -> Vec<Found<'v>> {
        let mut found = self.elements();
        for condition in conditions {
            let lost = found.iter().map(|found| found.clone().at(&condition.keys));
            let lost: Option<Vec<Found<'_>>> =
                lost.map(|found| Some(found).filter(|found| matches!(found.value, Content::NoKey(_)))).collect();
            if let Some(first) = lost.and_then(|lost| lost.into_iter().next()) {
                return vec![first];
            }
        }
        found.retain(|found| match &found.value {
            Content::There(value) => conditions.iter().all(|condition| is_met(condition, value)),
            _ => true,
        });
        found
    }

    fn key(self, key: &str) -> Self {
        let is_many = self.is_many || matches!(self.found.as_slice(), [one] if one.list().is_some());
        let found = self.elements().into_iter().map(|found| found.key(key)).collect();
        Self { found, is_many }
    }

    fn index(self, index: i64) -> Self {
        let nth = |length: usize| {
            let at = if index < 0 { length as i64 + index } else { index };
            usize::try_from(at).ok().filter(|at| *at < length)
        };
        if self.is_many && self.found.iter().all(|found| found.list().is_none()) {
            let at = nth(self.found.len());
            let found = self.found.into_iter().enumerate().filter(|(n, _)| Some(*n) == at).map(|(_, found)| found);
            return Self { found: found.collect(), is_many: true };
        }
        let found = self.found.into_iter().filter_map(|found| match found.list() {
            Some(list) => {
                let at = nth(list.len())?;
                let value = list.get(at)?;
                Some(Found { value: Content::There(value), place: found.place.element(at, value) })
            }
            None => Some(found.missing(&format!("[{index}]"))),
        });
        Self { found: found.collect(), is_many: self.is_many }
    }

    /// Lists taken apart.
    fn elements(self) -> Vec<Found<'v>> {
        let mut elements = Vec::with_capacity(self.found.len());
        for found in self.found {
            match found.list() {
                None => elements.push(found),
                Some(list) => {
                    elements.extend(list.iter().enumerate().map(|(at, value)| Found {
                        value: Content::There(value),
                        place: found.place.element(at, value),
                    }))
                }
            }
        }
        elements
    }

    /// True where a last `count`, `sum`, `min`, `max` or `mean` is no key of what is there.
    fn takes_aggregate(&self, key: &str) -> bool {
        let is_list = |found: &Found<'_>| found.list().is_some();
        let rows = self.found.iter().flat_map(|found| match (&found.value, found.list()) {
            (_, Some(list)) => list.iter().collect::<Vec<_>>(),
            (Content::There(value), None) => vec![*value],
            _ => Vec::new(),
        });
        (self.is_many || self.found.iter().any(is_list)) && !rows.into_iter().any(|row| row.get(key).is_some())
    }

    fn aggregate(self, aggregate: Aggregate, term: &Term) -> Found<'v> {
        let path: String = term.steps.iter().filter_map(step_text).collect::<Vec<_>>().join("");
        let path = path.trim_start_matches('.').trim_end_matches(&format!(".{}", aggregate.name())).to_owned();
        let row = self.found.first().filter(|_| !self.is_many).map(|found| found.place.row.clone());
        let place = Place { path: format!("{} of {path}", aggregate.name()), row: row.unwrap_or_default() };
        let elements = self.elements();
        if aggregate == Aggregate::Count {
            let lost = elements.iter().find(|found| matches!(found.value, Content::NoKey(_)));
            return match lost {
                Some(lost) => Found { value: lost.value.clone(), place },
                None => Found { value: Content::Figure(elements.len() as f64), place },
            };
        }
        Found { value: figure(aggregate, &elements), place }
    }
}

fn figure<'v>(aggregate: Aggregate, elements: &[Found<'v>]) -> Content<'v> {
    let mut numbers = Vec::with_capacity(elements.len());
    let mut unknown = 0_usize;
    for found in elements {
        match &found.value {
            Content::There(Value::Null) => unknown += 1,
            Content::There(value) => match number(value) {
                Some(number) => numbers.push(number),
                None => return Content::NoFigure(format!("one of the values is no number: {}", shown(value))),
            },
            Content::Figure(number) => numbers.push(*number),
            other => return other.clone(),
        }
    }
    if unknown > 0 {
        return Content::NoFigure(format!("{unknown} of {} values are unknown", elements.len()));
    }
    let sum: f64 = numbers.iter().sum();
    let figure = match aggregate {
        Aggregate::Count | Aggregate::Sum => Some(sum),
        Aggregate::Mean => (!numbers.is_empty()).then(|| sum / numbers.len() as f64),
        Aggregate::Min => numbers.iter().copied().reduce(f64::min),
        Aggregate::Max => numbers.iter().copied().reduce(f64::max),
    };
    figure.map_or_else(|| Content::NoFigure("there is no value".to_owned()), Content::Figure)
}

fn step_text(step: &Step) -> Option<String> {
    Some(match step {
        Step::Key(key) => format!(".{key}"),
        Step::Index(index) => format!("[{index}]"),
        Step::All => "[*]".to_owned(),
        Step::Where(conditions) => {
            let parts: Vec<String> = conditions.iter().map(condition_text).collect();
            format!("[{}]", parts.join(", "))
        }
    })
}

fn condition_text(condition: &Condition) -> String {
    let key = condition.keys.join(".");
    match &condition.wanted {
        Wanted::Present => key,
        Wanted::Absent => format!("!{key}"),
        Wanted::Compared(comparison) => format!("{key}{}", comparison_text(comparison)),
    }
}

fn comparison_text(comparison: &Comparison) -> String {
    match comparison {
        Comparison::Ordered(order, Operand::Literal(literal)) => {
            let sign = match order {
                Order::Equal => "=",
                Order::NotEqual => "!=",
                Order::Less => "<",
                Order::AtMost => "<=",
                Order::More => ">",
                Order::AtLeast => ">=",
            };
            format!("{sign}{}", literal_text(literal))
        }
        Comparison::Ordered(_, Operand::Term(_)) => String::new(),
        Comparison::Matches(pattern) => format!("~{pattern}"),
        Comparison::MatchesNot(pattern) => format!("!~{pattern}"),
        Comparison::In(literals) => {
            format!(" in [{}]", literals.iter().map(literal_text).collect::<Vec<_>>().join(", "))
        }
        Comparison::Between(from, to) => format!(" in {from}..{to}"),
    }
}

fn literal_text(literal: &Literal) -> String {
    match literal {
        Literal::Null => "null".to_owned(),
        Literal::Bool(value) => value.to_string(),
        Literal::Number(_, text) | Literal::Text(text) => text.clone(),
    }
}

impl<'v> Found<'v> {
    fn list(&self) -> Option<&'v [Value]> {
        match &self.value {
            Content::There(value) => value.as_array().map(Vec::as_slice),
            _ => None,
        }
    }

    fn key(self, key: &str) -> Self {
        let place = self.place.key(key);
        match &self.value {
            Content::There(Value::Null) => Self { value: Content::There(&NULL), place },
            Content::There(value) => match value.get(key) {
                Some(value) => Self { value: Content::There(value), place },
                None => self.missing(key),
            },
            _ => self,
        }
    }

    fn at(self, keys: &[String]) -> Self {
        keys.iter().fold(self, |found, key| found.key(key))
    }

    fn missing(self, key: &str) -> Self {
        let has = match &self.value {
            Content::There(Value::Null) => return self,
            Content::There(Value::Object(map)) if map.is_empty() => "it is empty".to_owned(),
            Content::There(Value::Object(map)) => nearest(key, map.keys()),
            Content::There(value) => format!("it is {}", shown(value)),
            _ => return self,
        };
        Self { value: Content::NoKey(format!("has no `{key}`: {has}")), place: self.place }
    }
}

/// The names that are there: those that look like the one that is not come first.
fn nearest<'k>(key: &str, names: impl Iterator<Item = &'k String>) -> String {
    const SHOWN: usize = 8;
    let mut names: Vec<&String> = names.collect();
    let alike = |name: &str| name.chars().zip(key.chars()).take_while(|(a, b)| a == b).count();
    names.sort_by_key(|name| std::cmp::Reverse(alike(name)));
    let more = if names.len() > SHOWN { ", …" } else { "" };
    let shown: Vec<&str> = names.iter().take(SHOWN).map(|name| name.as_str()).collect();
    format!("there are {}{more}", shown.join(", "))
}

fn is_met(condition: &Condition, row: &Value) -> bool {
    let value = condition.keys.iter().try_fold(row, |value, key| value.get(key));
    match &condition.wanted {
        Wanted::Present => value.is_some_and(is_something),
        Wanted::Absent => !value.is_some_and(is_something),
        // A list meets what one of its elements meets.
        Wanted::Compared(comparison) => match value {
            None => false,
            Some(Value::Array(list)) => list.iter().any(|value| compares(value, comparison)),
            Some(value) => compares(value, comparison),
        },
    }
}
