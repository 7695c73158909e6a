//! Whether assertions hold.
//!
//! In: expectations and a report. Out: a verdict for each. Never: a value that is unknown where one is asked for taken as
//! good.

use super::expectations::{Assertion, Expectations};
use super::expression::{Comparison, Expression, Literal, Operand, Order, Quantifier, Term, Test};
use super::select::{Base, Content, Found, Place, select};
use super::values::{compares, is_something, number, shown};
use super::{Failure, Outcome, Verdict};
use serde_json::Value;

/// A verdict for each assertion, in the order of the file.
pub fn judge(expectations: &Expectations, report: &Value) -> Vec<Verdict> {
    let verdict = |assertion: &Assertion| Verdict {
        name: assertion.name.clone(),
        expressions: assertion.expressions.iter().map(|expression| expression.text.clone()).collect(),
        line: assertion.line,
        outcome: outcome(assertion, report),
    };
    expectations.assertions.iter().map(verdict).collect()
}

fn outcome(assertion: &Assertion, report: &Value) -> Outcome {
    let nowhere = Place::default();
    let root = Base { root: report, here: report, place: &nowhere };
    let Some(each) = &assertion.for_each else {
        if let Some(when) = assertion.when.as_ref().filter(|when| !holds(when, root)) {
            return Outcome::Skipped(format!("not when {}", when.text));
        }
        return concluded(assertion.expressions.iter().map(|expression| test(expression, root, assertion.optional)));
    };
    let all = select(each, root);
    if let Some(lost) = all.iter().find(|found| matches!(found.value, Content::NoKey(_) | Content::NoFigure(_))) {
        return Outcome::Failed(vec![failure(lost, &said(&lost.value), &assertion.for_each_text)]);
    }
    let rows = all.iter().filter_map(|found| match found.value {
        Content::There(value) => Some(Base { root: report, here: value, place: &found.place }),
        _ => None,
    });
    let rows: Vec<Base<'_, '_>> =
        rows.filter(|row| assertion.when.as_ref().is_none_or(|when| holds(when, *row))).collect();
    if rows.is_empty() {
        let why = match &assertion.when {
            Some(when) => format!("nothing matches {} when {}", assertion.for_each_text, when.text),
            None => format!("nothing matches {}", assertion.for_each_text),
        };
        return if assertion.optional { Outcome::Skipped(why) } else { nothing(why, &assertion.for_each_text) };
    }
    concluded(
        rows.iter()
            .flat_map(|row| assertion.expressions.iter().map(|expression| test(expression, *row, assertion.optional))),
    )
}

fn nothing(why: String, expression: &str) -> Outcome {
    Outcome::Failed(vec![Failure { place: String::new(), found: why, expression: expression.to_owned() }])
}

fn concluded(tests: impl Iterator<Item = Result<usize, Vec<Failure>>>) -> Outcome {
    let (mut held, mut failures) = (0, Vec::new());
    for test in tests {
        match test {
            Ok(values) => held += values,
            Err(failed) => failures.extend(failed),
        }
    }
    if failures.is_empty() { Outcome::Held(held) } else { Outcome::Failed(failures) }
}

fn holds(expression: &Expression, base: Base<'_, '_>) -> bool {
    test(expression, base, false).is_ok()
}

/// How many values the expression is true for, or those for which it is not.
fn test(expression: &Expression, base: Base<'_, '_>, optional: bool) -> Result<usize, Vec<Failure>> {
    let text = &expression.text;
    let (term, comparison) = match &expression.test {
        Test::Is(term) => (term, None),
        Test::IsNot(term) => {
            let there = select(term, base).into_iter().filter(is_there);
            let failures: Vec<Failure> = there.map(|found| failure(&found, &said(&found.value), text)).collect();
            return if failures.is_empty() { Ok(1) } else { Err(failures) };
        }
        Test::Compare(term, comparison) => (term, Some(comparison)),
    };
    let found = select(term, base);
    if found.is_empty() {
        return match expression.quantifier {
            Quantifier::Optional | Quantifier::None => Ok(0),
            _ if optional => Ok(0),
            _ => {
                let place = base.place.text();
                let what = "nothing in the report matches".to_owned();
                Err(vec![Failure { place, found: what, expression: text.clone() }])
            }
        };
    }
    let right = match comparison {
        Some(Comparison::Ordered(order, Operand::Term(term))) => Some((*order, other_side(term, base, text)?)),
        _ => None,
    };
    let judged: Vec<(Found<'_>, Judgement)> = found
        .into_iter()
        .map(|found| {
            let judgement = match (&right, comparison) {
                (Some((order, right)), _) => against(&found.value, *order, right),
                (None, Some(comparison)) => against_literal(&found.value, comparison),
                (None, None) => {
                    if is_there(&found) {
                        Judgement::True
                    } else {
                        Judgement::False
                    }
                }
            };
            (found, judgement)
        })
        .collect();
    let failed = |bad: &dyn Fn(Judgement) -> bool| -> Vec<Failure> {
        let bad = judged.iter().filter(|(_, judgement)| bad(*judgement));
        bad.map(|(found, _)| failure(found, &said(&found.value), text)).collect()
    };
    let failures = match expression.quantifier {
        Quantifier::Any if judged.iter().any(|(_, judgement)| *judgement == Judgement::True) => Vec::new(),
        Quantifier::None => failed(&|judgement| judgement != Judgement::False),
        _ => failed(&|judgement| judgement != Judgement::True),
    };
    if failures.is_empty() { Ok(judged.len()) } else { Err(failures) }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Judgement {
    True,
    False,
    /// Nothing can be said of it: it is neither true nor false.
    Unknown,
}

impl Judgement {
    const fn of(holds: bool) -> Self {
        if holds { Judgement::True } else { Judgement::False }
    }
}

fn against_literal(content: &Content<'_>, comparison: &Comparison) -> Judgement {
    match content {
        Content::There(value) if value.is_null() && !asks_for_null(comparison) => Judgement::Unknown,
        Content::There(value) => Judgement::of(compares(value, comparison)),
        Content::Figure(figure) => Judgement::of(compares(&Value::from(*figure), comparison)),
        Content::NoFigure(_) | Content::NoKey(_) => Judgement::Unknown,
    }
}

fn asks_for_null(comparison: &Comparison) -> bool {
    match comparison {
        Comparison::Ordered(_, Operand::Literal(literal)) => *literal == Literal::Null,
        Comparison::In(literals) => literals.contains(&Literal::Null),
        _ => false,
    }
}

/// The one value on the other side.
fn other_side(term: &Term, base: Base<'_, '_>, text: &str) -> Result<Value, Vec<Failure>> {
    let found = select(term, base);
    let [one] = found.as_slice() else {
        let what = format!("the right side names {} values and not one", found.len());
        return Err(vec![Failure { place: base.place.text(), found: what, expression: text.to_owned() }]);
    };
    match &one.value {
        Content::There(value) if !value.is_null() => Ok((*value).clone()),
        Content::Figure(figure) => Ok(Value::from(*figure)),
        other => Err(vec![failure(one, &said(other), text)]),
    }
}

fn against(content: &Content<'_>, order: Order, right: &Value) -> Judgement {
    let computed;
    let left = match content {
        Content::There(value) if !value.is_null() => *value,
        Content::Figure(figure) => {
            computed = Value::from(*figure);
            &computed
        }
        _ => return Judgement::Unknown,
    };
    if let (Some(left), Some(right)) = (number(left), number(right)) {
        return Judgement::of(left.partial_cmp(&right).is_some_and(|found| order.holds(found)));
    }
    match order {
        Order::Equal => Judgement::of(left == right),
        Order::NotEqual => Judgement::of(left != right),
        _ => Judgement::Unknown,
    }
}

fn is_there(found: &Found<'_>) -> bool {
    match &found.value {
        Content::There(value) => is_something(value),
        Content::Figure(figure) => *figure != 0.0,
        Content::NoFigure(_) | Content::NoKey(_) => false,
    }
}

fn said(content: &Content<'_>) -> String {
    match content {
        Content::There(value) => format!("is {}", shown(value)),
        Content::Figure(figure) => format!("is {figure}"),
        Content::NoFigure(why) => format!("is unknown: {why}"),
        Content::NoKey(why) => why.clone(),
    }
}

fn failure(found: &Found<'_>, what: &str, expression: &str) -> Failure {
    Failure { place: found.place.text(), found: what.to_owned(), expression: expression.to_owned() }
}
