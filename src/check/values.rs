//! A value of the report against what an expression asks of it.
//!
//! In: a value and a [`Comparison`]. Out: whether it holds. Never: unknown taken for anything but unknown.

use super::expression::{Comparison, Literal, Operand, Order};
use serde_json::Value;
use std::cmp::Ordering;

/// There, and not false, zero or empty.
pub(super) fn is_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

/// Whether a value with a literal on the other side is as it should be. Unknown is so only where it is asked for.
pub(super) fn compares(value: &Value, comparison: &Comparison) -> bool {
    match comparison {
        Comparison::Ordered(order, Operand::Literal(literal)) => ordered(value, *order, literal),
        Comparison::Ordered(_, Operand::Term(_)) => false,
        Comparison::Matches(pattern) => text(value).is_some_and(|text| pattern.is_match(&text)),
        Comparison::MatchesNot(pattern) => text(value).is_some_and(|text| !pattern.is_match(&text)),
        Comparison::In(literals) => literals.iter().any(|literal| ordered(value, Order::Equal, literal)),
        Comparison::Between(from, to) => number(value).is_some_and(|number| (*from..=*to).contains(&number)),
    }
}

fn ordered(value: &Value, order: Order, literal: &Literal) -> bool {
    let equality = |equal: bool| match order {
        Order::Equal => equal,
        Order::NotEqual => !equal,
        _ => false,
    };
    match (value, literal) {
        (_, Literal::Null) => equality(value.is_null()),
        (Value::Null, _) => false,
        (Value::Bool(value), Literal::Bool(wanted)) => equality(value == wanted),
        (Value::String(value), Literal::Text(wanted)) => equality(same_text(value, wanted)),
        (Value::String(value), Literal::Number(_, wanted)) if value == wanted => order.holds(Ordering::Equal),
        (value, Literal::Number(wanted, _)) => match number(value) {
            Some(number) => number.partial_cmp(wanted).is_some_and(|found| order.holds(found)),
            None => equality(false),
        },
        _ => equality(false),
    }
}

/// SSRCs and the like are numbers in a text.
fn same_text(value: &str, wanted: &str) -> bool {
    value == wanted || (value.starts_with("0x") && value.eq_ignore_ascii_case(wanted))
}

impl Order {
    pub(super) const fn holds(self, found: Ordering) -> bool {
        matches!(
            (self, found),
            (Order::Equal, Ordering::Equal)
                | (Order::NotEqual, Ordering::Less | Ordering::Greater)
                | (Order::Less, Ordering::Less)
                | (Order::AtMost, Ordering::Less | Ordering::Equal)
                | (Order::More, Ordering::Greater)
                | (Order::AtLeast, Ordering::Greater | Ordering::Equal)
        )
    }
}

/// A number, or a text that is one: times are.
pub(super) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) if text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => {
            text.parse().ok().filter(|number: &f64| number.is_finite())
        }
        _ => None,
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

/// A value in a few words.
pub(super) fn shown(value: &Value) -> String {
    const LENGTH: usize = 80;
    match value {
        Value::Null => "unknown (null)".to_owned(),
        Value::Array(list) => format!("a list of {}", list.len()),
        Value::Object(_) => "an object".to_owned(),
        value => {
            let text = value.to_string();
            match text.char_indices().nth(LENGTH) {
                Some((end, _)) => format!("{}…", &text[..end]),
                None => text,
            }
        }
    }
}
