//! Reads an expression.
//!
//! In: its text. Out: an [`Expression`], or what is wrong and at which byte. Never: recursion that the text decides the depth of.
//!
//! ```text
//! expression  = [ "any" | "none" | "optional" | "every" ] test
//! test        = "not" term | term [ comparison ]
//! term        = aggregate "(" path ")" | path
//! path        = [ "$" "." | "@" "." ] key { "." key | "[" index | "*" | conditions "]" }
//! conditions  = condition { "," condition }
//! condition   = [ "!" ] key { "." key } [ comparison with a literal ]
//! comparison  = ( "=" | "==" | "!=" | "<" | "<=" | ">" | ">=" ) ( literal | "$." … | "@." … )
//!             | ( "~" | "!~" ) literal | "in" "[" literals "]" | "in" number ".." number
//! ```

use super::expression::{Aggregate, Comparison, Condition, Expression, Literal, Operand, Order, Quantifier};
use super::expression::{Step, Term, Test, Wanted};
use regex::{Regex, RegexBuilder};

/// Bytes of an expression, steps of a path, conditions and values of a list at most.
const MAX_TEXT: usize = 4096;
/// Bytes that a compiled pattern may take.
const MAX_PATTERN: usize = 1 << 20;

/// What is wrong, and the byte of the expression where that shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub(super) at: usize,
    pub(super) message: String,
}

type Parsed<T> = Result<T, SyntaxError>;

/// Reads an expression.
pub(super) fn expression(text: &str) -> Parsed<Expression> {
    let mut parser = Parser::of(text)?;
    let quantifier = parser.quantifier();
    let test = parser.test()?;
    parser.end()?;
    Ok(Expression { text: text.trim().to_owned(), quantifier, test })
}

/// Reads a path alone.
pub(super) fn path(text: &str) -> Parsed<Term> {
    let mut parser = Parser::of(text)?;
    let term = parser.path()?;
    parser.end()?;
    Ok(term)
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Parser<'t> {
    fn of(text: &'t str) -> Parsed<Self> {
        let parser = Self { text, at: 0 };
        if text.len() > MAX_TEXT {
            return parser.error(format!("an expression has at most {MAX_TEXT} bytes"));
        }
        Ok(parser)
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn blanks(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        self.at += if found { token.len() } else { 0 };
        found
    }

    fn expect(&mut self, token: &str) -> Parsed<()> {
        self.blanks();
        if self.take(token) { Ok(()) } else { self.error(format!("`{token}` is missing here")) }
    }

    /// A word that ends where it ends.
    fn word(&mut self, word: &str) -> bool {
        let follows = |rest: &str| rest.chars().next().is_some_and(|next| next.is_whitespace() || next == '[');
        if self.rest().strip_prefix(word).is_some_and(follows) {
            self.at += word.len();
            self.blanks();
            return true;
        }
        false
    }

    fn error<T>(&self, message: impl Into<String>) -> Parsed<T> {
        Err(SyntaxError { at: self.at, message: message.into() })
    }

    fn error_at<T>(&self, at: usize, message: impl Into<String>) -> Parsed<T> {
        Err(SyntaxError { at, message: message.into() })
    }

    fn end(&mut self) -> Parsed<()> {
        self.blanks();
        match self.peek() {
            None => Ok(()),
            Some(_) if self.rest().starts_with("and ") || self.rest().starts_with("or ") => {
                self.error("there is no `and` and no `or`: write two expressions, or `in [a, b]`")
            }
            Some(next) => self.error(format!("nothing is expected here, but there is `{next}`")),
        }
    }

    fn quantifier(&mut self) -> Quantifier {
        self.blanks();
        let words = [
            ("every", Quantifier::Every),
            ("optional", Quantifier::Optional),
            ("any", Quantifier::Any),
            ("none", Quantifier::None),
        ];
        words.into_iter().find(|(word, _)| self.word(word)).map_or(Quantifier::Every, |(_, quantifier)| quantifier)
    }

    fn test(&mut self) -> Parsed<Test> {
        self.blanks();
        let negated = self.word("not");
        let term = self.term()?;
        self.blanks();
        if self.peek().is_none() {
            return Ok(if negated { Test::IsNot(term) } else { Test::Is(term) });
        }
        if negated {
            return self.error("`not` stands before a path alone; before a comparison turn its sign around");
        }
        let Some(comparison) = self.comparison("")? else {
            self.end()?;
            return Ok(Test::Is(term));
        };
        Ok(Test::Compare(term, comparison))
    }

    fn term(&mut self) -> Parsed<Term> {
        let start = self.at;
        let name: &str = self.rest().split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        let Some(aggregate) = Aggregate::named(name).filter(|_| self.rest()[name.len()..].starts_with('(')) else {
            return self.path();
        };
        self.at = start + name.len() + 1;
        self.blanks();
        let term = self.path()?;
        if term.aggregate.is_some() {
            return self.error_at(start, "one of count, sum, min, max and mean is enough");
        }
        self.expect(")")?;
        Ok(Term { aggregate: Some(aggregate), ..term })
    }

    fn path(&mut self) -> Parsed<Term> {
        self.blanks();
        let start = self.at;
        let from_root = self.take("$.");
        if !from_root {
            self.take("@.");
        }
        let mut steps = vec![Step::Key(self.key()?)];
        loop {
            if self.take("[") {
                steps.push(self.bracket()?);
            } else if self.take(".") {
                steps.push(Step::Key(self.key()?));
            } else {
                break;
            }
        }
        let written = self.text.get(start..self.at).unwrap_or_default();
        let mut aggregate = None;
        desugar_findings(&mut steps, &mut aggregate);
        if written.is_empty() {
            return self.error("a path is missing here, such as rtp_streams[kind=audio].lost_pct");
        }
        Ok(Term { from_root, steps, aggregate })
    }

    /// A name, in quotes where it has characters that mean something.
    fn key(&mut self) -> Parsed<String> {
        if let Some(quoted) = self.quoted()? {
            return Ok(quoted);
        }
        let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        let length = self.rest().find(|c| !is_part(c)).unwrap_or(self.rest().len());
        if length == 0 {
            return self.error("a name of the report is missing here");
        }
        let key = self.rest()[..length].to_owned();
        self.at += length;
        Ok(key)
    }

    fn bracket(&mut self) -> Parsed<Step> {
        self.blanks();
        if self.take("*") {
            self.expect("]")?;
            return Ok(Step::All);
        }
        let inside = self.rest().split(']').next().unwrap_or_default().trim();
        if let Ok(index) = inside.parse() {
            self.at += self.rest().find(']').unwrap_or(0) + 1;
            return Ok(Step::Index(index));
        }
        let mut conditions = Vec::new();
        loop {
            conditions.push(self.condition()?);
            self.blanks();
            if !self.take(",") {
                break;
            }
        }
        self.expect("]")?;
        Ok(Step::Where(conditions))
    }

    fn condition(&mut self) -> Parsed<Condition> {
        self.blanks();
        let negated = self.take("!");
        let mut keys = vec![self.code_or_key()?];
        while self.take(".") {
            keys.push(self.key()?);
        }
        self.blanks();
        let wanted = match self.comparison("],")? {
            None if negated => Wanted::Absent,
            None => Wanted::Present,
            Some(_) if negated => return self.error("`!` stands before a name alone; else turn the sign around"),
            Some(comparison) => Wanted::Compared(comparison),
        };
        Ok(Condition { keys, wanted })
    }

    /// A name, or the code of a finding with a star at its end.
    fn code_or_key(&mut self) -> Parsed<String> {
        let key = self.key()?;
        Ok(if self.take("*") { key + "*" } else { key })
    }

    /// `ends` are characters that end a bare word besides blanks.
    fn comparison(&mut self, ends: &str) -> Parsed<Option<Comparison>> {
        self.blanks();
        if self.word("in") {
            return self.in_set().map(Some);
        }
        const SIGNS: [(&str, Order); 7] = [
            ("==", Order::Equal),
            ("!=", Order::NotEqual),
            ("<=", Order::AtMost),
            (">=", Order::AtLeast),
            ("<", Order::Less),
            (">", Order::More),
            ("=", Order::Equal),
        ];
        if self.take("!~") {
            return Ok(Some(Comparison::MatchesNot(self.pattern(ends)?)));
        }
        if self.take("~") {
            return Ok(Some(Comparison::Matches(self.pattern(ends)?)));
        }
        let Some((_, order)) = SIGNS.into_iter().find(|(sign, _)| self.take(sign)) else { return Ok(None) };
        self.blanks();
        let start = self.at;
        let operand = if self.rest().starts_with("$.") || self.rest().starts_with("@.") {
            if !ends.is_empty() {
                return self.error("a condition compares with a value, not with a path");
            }
            Operand::Term(self.path()?)
        } else {
            Operand::Literal(self.literal(ends)?)
        };
        let has_order = !matches!(operand, Operand::Literal(Literal::Null | Literal::Bool(_) | Literal::Text(_)));
        if !has_order && !matches!(order, Order::Equal | Order::NotEqual) {
            return self
                .error_at(start, "only numbers are smaller or larger; a path on this side begins with $. or @.");
        }
        Ok(Some(Comparison::Ordered(order, operand)))
    }

    fn in_set(&mut self) -> Parsed<Comparison> {
        if self.take("[") {
            let mut literals = Vec::new();
            loop {
                self.blanks();
                literals.push(self.literal("],")?);
                self.blanks();
                if !self.take(",") {
                    break;
                }
            }
            self.expect("]")?;
            return Ok(Comparison::In(literals));
        }
        let start = self.at;
        let text = self.bare("],");
        let ends = text.split_once("..").and_then(|(from, to)| Some((number(from)?, number(to)?)));
        match ends {
            Some((from, to)) if from <= to => Ok(Comparison::Between(from, to)),
            Some(_) => self.error_at(start, "the first number of a range is not larger than the second"),
            None => self.error_at(start, "behind `in` stands a list as [a, b] or a range as 18..22"),
        }
    }

    fn pattern(&mut self, ends: &str) -> Parsed<Regex> {
        self.blanks();
        let start = self.at;
        let text = match self.quoted()? {
            Some(text) => text,
            None => self.bare(ends).to_owned(),
        };
        if text.is_empty() {
            return self.error_at(start, "a pattern is missing here");
        }
        RegexBuilder::new(&text).size_limit(MAX_PATTERN).build().map_err(|error| {
            let reason = error.to_string();
            let last = reason.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned();
            SyntaxError { at: start, message: format!("`{text}` is no regular expression: {last}") }
        })
    }

    fn literal(&mut self, ends: &str) -> Parsed<Literal> {
        if let Some(text) = self.quoted()? {
            return Ok(Literal::Text(text));
        }
        let start = self.at;
        let text = self.bare(ends);
        Ok(match text {
            "" => return self.error_at(start, "a value is missing here"),
            "null" => Literal::Null,
            "true" => Literal::Bool(true),
            "false" => Literal::Bool(false),
            text => match number(text) {
                Some(value) => Literal::Number(value, text.to_owned()),
                None if text.contains(['<', '>', '=', '(', '[']) => {
                    return self.error_at(start, format!("`{text}` is no value; a text like this stands in quotes"));
                }
                None => Literal::Text(text.to_owned()),
            },
        })
    }

    fn bare(&mut self, ends: &str) -> &'t str {
        let rest = self.rest();
        let length = rest.find(|c: char| c.is_whitespace() || ends.contains(c)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// A text in single or double quotes; in it stands nothing but itself.
    fn quoted(&mut self) -> Parsed<Option<String>> {
        let Some(quote) = self.peek().filter(|c| matches!(c, '\'' | '"')) else { return Ok(None) };
        let start = self.at;
        let inside = &self.rest()[1..];
        let Some(length) = inside.find(quote) else {
            return self.error_at(start, "this quote has no end");
        };
        self.at += length + 2;
        Ok(Some(inside[..length].to_owned()))
    }
}

/// `-1.5`, `2e3`, but no `inf` and no `nan`.
fn number(text: &str) -> Option<f64> {
    let begins = text.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit() || c == '.');
    text.parse().ok().filter(|value: &f64| begins && value.is_finite())
}

/// `findings.error` counts those of a severity, `findings.code[X]` those with a code; `X*` those whose code begins so.
fn desugar_findings(steps: &mut Vec<Step>, aggregate: &mut Option<Aggregate>) {
    let equal = |key: &str, text: &str| {
        let operand = Operand::Literal(Literal::Text(text.to_owned()));
        Condition { keys: vec![key.to_owned()], wanted: Wanted::Compared(Comparison::Ordered(Order::Equal, operand)) }
    };
    let condition = match steps.as_slice() {
        [Step::Key(findings), Step::Key(severity)]
            if findings == "findings" && matches!(severity.as_str(), "error" | "warning" | "info") =>
        {
            equal("severity", severity)
        }
        [Step::Key(findings), Step::Key(code), Step::Where(conditions)] if findings == "findings" && code == "code" => {
            let [Condition { keys, wanted: Wanted::Present }] = conditions.as_slice() else { return };
            let [code] = keys.as_slice() else { return };
            match code.strip_suffix('*') {
                None => equal("code", code),
                Some(start) => {
                    let Ok(pattern) = Regex::new(&format!("^{}", regex::escape(start))) else { return };
                    let wanted = Wanted::Compared(Comparison::Matches(pattern));
                    Condition { keys: vec!["code".to_owned()], wanted }
                }
            }
        }
        _ => return,
    };
    steps.truncate(1);
    steps.push(Step::Where(vec![condition]));
    *aggregate = Some(Aggregate::Count);
}
