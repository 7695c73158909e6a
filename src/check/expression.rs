//! What an expression is once it has been read.
//!
//! In: nothing; the parser fills it. Out: plain values. Never: a report.

use regex::Regex;

/// One expression.
#[derive(Clone, Debug)]
pub(super) struct Expression {
    /// As it was written.
    pub(super) text: String,
    pub(super) quantifier: Quantifier,
    pub(super) test: Test,
}

/// Of how many of the values it must be true.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Quantifier {
    /// Each, and there is one.
    Every,
    /// Each, also where there is none.
    Optional,
    /// One at least.
    Any,
    /// Not one; each is known.
    None,
}

#[derive(Clone, Debug)]
pub(super) enum Test {
    /// Something is there, and it is not false and not zero.
    Is(Term),
    /// The opposite.
    IsNot(Term),
    Compare(Term, Comparison),
}

/// Values of the report.
#[derive(Clone, Debug)]
pub(super) struct Term {
    pub(super) from_root: bool,
    pub(super) steps: Vec<Step>,
    /// Makes one value of all.
    pub(super) aggregate: Option<Aggregate>,
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    Key(String),
    /// From the end where negative.
    Index(i64),
    All,
    Where(Vec<Condition>),
}

/// What an element of a list has to be.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    pub(super) keys: Vec<String>,
    pub(super) wanted: Wanted,
}

#[derive(Clone, Debug)]
pub(super) enum Wanted {
    Present,
    Absent,
    Compared(Comparison),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Aggregate {
    Count,
    Sum,
    Min,
    Max,
    Mean,
}

impl Aggregate {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "count" => Aggregate::Count,
            "sum" => Aggregate::Sum,
            "min" => Aggregate::Min,
            "max" => Aggregate::Max,
            "mean" => Aggregate::Mean,
            _ => return None,
        })
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Aggregate::Count => "count",
            Aggregate::Sum => "sum",
            Aggregate::Min => "min",
            Aggregate::Max => "max",
            Aggregate::Mean => "mean",
        }
    }
}

/// The right side, with its sign.
#[derive(Clone, Debug)]
pub(super) enum Comparison {
    Ordered(Order, Operand),
    Matches(Regex),
    MatchesNot(Regex),
    In(Vec<Literal>),
    /// Both ends belong to it.
    Between(f64, f64),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Order {
    Equal,
    NotEqual,
    Less,
    AtMost,
    More,
    AtLeast,
}

#[derive(Clone, Debug)]
pub(super) enum Operand {
    Literal(Literal),
    Term(Term),
}

/// A value as it was written. A bare word is a text; a number is also its own text, since versions and addresses are texts
/// in the report.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    Null,
    Bool(bool),
    Number(f64, String),
    Text(String),
}
