//! The file of expectations.
//!
//! In: its text, TOML. Out: [`Expectations`], or every fault with its line and column. Never: an expression that waits for the
//! report to be found wrong.

use super::expression::{Expression, Term};
use super::parser;
use std::collections::BTreeSet;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Assertions of a file at most.
const MAX_ASSERTIONS: usize = 10_000;

/// What a report has to be.
#[derive(Debug)]
pub struct Expectations {
    pub(super) assertions: Vec<Assertion>,
}

#[derive(Debug)]
pub(super) struct Assertion {
    pub(super) name: String,
    pub(super) expressions: Vec<Expression>,
    pub(super) for_each: Option<Term>,
    pub(super) for_each_text: String,
    pub(super) when: Option<Expression>,
    /// Holds where there is nothing that it could be asked of.
    pub(super) optional: bool,
    pub(super) line: usize,
}

/// What is wrong with a file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileError {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

impl std::fmt::Display for FileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

impl Expectations {
    /// Reads a file.
    ///
    /// # Errors
    /// All that is wrong with it, in order of place.
    pub fn parse(text: &str) -> Result<Self, Vec<FileError>> {
        let mut reader = Reader { text, errors: Vec::new() };
        let table = match DeTable::parse(text) {
            Ok(table) => table,
            Err(error) => {
                let at = error.span().map_or(0, |span| span.start);
                let message = error.message().lines().next().unwrap_or("no TOML").to_owned();
                return Err(vec![reader.located(at, format!("not TOML: {message}"))]);
            }
        };
        let mut assertions = reader.file(table.get_ref());
        if assertions.is_empty() && reader.errors.is_empty() {
            reader.error(0, "nothing is expected: write expect = [\"findings.error == 0\"] or an [[assert]]");
        }
        if !reader.errors.is_empty() {
            reader.errors.sort_by_key(|error| (error.line, error.column));
            return Err(reader.errors);
        }
        assertions.sort_by_key(|(at, _)| *at);
        Ok(Self { assertions: assertions.into_iter().map(|(_, assertion)| assertion).collect() })
    }

    /// How many assertions there are.
    pub const fn len(&self) -> usize {
        self.assertions.len()
    }

    /// Never true: a file without assertions is an error.
    pub const fn is_empty(&self) -> bool {
        self.assertions.is_empty()
    }
}

struct Reader<'t> {
    text: &'t str,
    errors: Vec<FileError>,
}

type Item<'i> = Spanned<DeValue<'i>>;

impl Reader<'_> {
    fn located(&self, at: usize, message: String) -> FileError {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        FileError { line, column, message }
    }

    fn error(&mut self, at: usize, message: impl Into<String>) {
        let error = self.located(at, message.into());
        self.errors.push(error);
    }

    fn file(&mut self, table: &DeTable<'_>) -> Vec<(usize, Assertion)> {
        let mut assertions = Vec::new();
        for (key, item) in table {
            match (key.get_ref().as_ref(), item.get_ref()) {
                ("expect", DeValue::Array(list)) => {
                    assertions.extend(list.iter().filter_map(|item| self.simple(item)));
                }
                ("expect", _) => self.error(item.span().start, "`expect` is a list of expressions"),
                ("assert", DeValue::Array(list)) => {
                    assertions.extend(list.iter().filter_map(|item| self.assertion(item)));
                }
                ("assert", _) => self.error(key.span().start, "an assertion begins with [[assert]], in two brackets"),
                (other, _) => {
                    let message = format!("`{other}` means nothing here; there are `expect` and `[[assert]]`");
                    self.error(key.span().start, message);
                }
            }
        }
        if assertions.len() > MAX_ASSERTIONS {
            self.error(0, format!("a file has at most {MAX_ASSERTIONS} assertions"));
        }
        assertions
    }

    fn simple(&mut self, item: &Item<'_>) -> Option<(usize, Assertion)> {
        let expression = self.expression(item)?;
        let at = item.span().start;
        let assertion = Assertion {
            name: expression.text.clone(),
            expressions: vec![expression],
            for_each: None,
            for_each_text: String::new(),
            when: None,
            optional: false,
            line: self.located(at, String::new()).line,
        };
        Some((at, assertion))
    }

    fn assertion(&mut self, item: &Item<'_>) -> Option<(usize, Assertion)> {
        const KEYS: [&str; 5] = ["name", "expr", "for_each", "when", "optional"];
        let DeValue::Table(table) = item.get_ref() else {
            self.error(item.span().start, "an assertion is a table: [[assert]]");
            return None;
        };
        let names: BTreeSet<&str> = KEYS.into();
        for (key, _) in table.iter().filter(|(key, _)| !names.contains(key.get_ref().as_ref())) {
            let message = format!("`{}` is no part of an assertion; there are {}", key.get_ref(), KEYS.join(", "));
            self.error(key.span().start, message);
        }
        let begins = table.iter().map(|(key, _)| key.span().start).min();
        let at = begins.unwrap_or(item.span().start).min(item.span().start);
        let Some(expr) = table.get("expr") else {
            self.error(at, "this assertion has no `expr`");
            return None;
        };
        let expressions = match expr.get_ref() {
            DeValue::Array(list) => list.iter().map(|item| self.expression(item)).collect::<Option<Vec<_>>>()?,
            _ => vec![self.expression(expr)?],
        };
        if expressions.is_empty() {
            self.error(expr.span().start, "`expr` has no expression in it");
        }
        let for_each = table.get("for_each");
        let for_each_text = for_each.and_then(|item| item.get_ref().as_str()).unwrap_or_default().to_owned();
        let for_each = match for_each {
            Some(item) => Some(self.parsed(item, parser::path)?),
            None => None,
        };
        let when = match table.get("when") {
            Some(item) => Some(self.expression(item)?),
            None => None,
        };
        let optional = match table.get("optional") {
            None => false,
            Some(item) => item.get_ref().as_bool().or_else(|| {
                self.error(item.span().start, "`optional` is true or false");
                None
            })?,
        };
        let name = match table.get("name") {
            None => expressions.iter().map(|expression| expression.text.as_str()).collect::<Vec<_>>().join("; "),
            Some(item) => match item.get_ref().as_str() {
                Some(name) => name.to_owned(),
                None => {
                    self.error(item.span().start, "`name` is a text");
                    return None;
                }
            },
        };
        let line = self.located(at, String::new()).line;
        Some((at, Assertion { name, expressions, for_each, for_each_text, when, optional, line }))
    }

    fn expression(&mut self, item: &Item<'_>) -> Option<Expression> {
        self.parsed(item, parser::expression)
    }

    fn parsed<T>(&mut self, item: &Item<'_>, parse: impl FnOnce(&str) -> Result<T, parser::SyntaxError>) -> Option<T> {
        let Some(text) = item.get_ref().as_str() else {
            self.error(item.span().start, "this is a text: an expression such as \"findings.error == 0\"");
            return None;
        };
        match parse(text) {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                let at = self.within(item.span(), text, error.at);
                self.error(at, error.message);
                None
            }
        }
    }

    /// The place in the file of a byte of a string; the string's own where escapes stand between the two.
    fn within(&self, span: Range<usize>, value: &str, at: usize) -> usize {
        let raw = self.text.get(span.clone()).unwrap_or_default();
        raw.find(value).map_or(span.start, |offset| span.start + offset + at)
    }
}
