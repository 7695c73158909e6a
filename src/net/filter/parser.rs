//! From tokens to the tree.
//!
//! In: the text. Out: an [`Expression`]. Never: deep recursion, whatever the text.
//!
//! ```text
//! expression = operand { ("and" | "or") operand }          both bind alike, to the left
//! operand    = "not" operand | "(" expression ")" | primitive | value
//! primitive  = protocol | vlan [id] | greater N | less N | qualifiers value
//! qualifiers = [protocol] [src | dst | src or dst | src and dst] [host | net | port | portrange | proto]
//! value      = "not" value | "(" values ")" | address | number ...
//! ```
//!
//! A value without qualifiers repeats those before the `and` or `or`: `port 1 or 2`.

use super::address;
use super::error::{FilterError, Span};
use super::lexer::{Token, TokenKind, tokens};
use super::primitive::{Direction, Expression, Primitive, Protocol};

/// Parentheses and `not` inside one another.
const MAX_DEPTH: usize = 64;

/// Primitives of a filter, which bounds the depth of the tree too.
const MAX_PRIMITIVES: usize = 1000;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Host,
    Net,
    Port,
    PortRange,
    Proto,
}

/// What stands before a value.
#[derive(Clone, Copy)]
pub(super) struct Qualifiers {
    pub(super) protocol: Option<Protocol>,
    pub(super) direction: Direction,
    pub(super) kind: Kind,
    pub(super) span: Span,
}

/// An operand, and the qualifiers that a value after it repeats.
type Operand = (Expression, Option<Qualifiers>);

pub(super) fn parse(text: &str) -> Result<Expression, FilterError> {
    let tokens = tokens(text)?;
    let mut parser = Parser { text, tokens: &tokens, position: 0, depth: 0, primitives: 0, values_only: false };
    if parser.peek().kind == TokenKind::End {
        return Ok(Expression::All(Vec::new()));
    }
    let (expression, _) = parser.expression(None)?;
    match parser.peek().kind {
        TokenKind::End => Ok(expression),
        TokenKind::Close => Err(parser.fail("this parenthesis was never opened")),
        _ => Err(parser.expected_with_hint("`and`, `or` or the end")),
    }
}

pub(super) struct Parser<'a> {
    text: &'a str,
    tokens: &'a [Token<'a>],
    pub(super) position: usize,
    depth: usize,
    primitives: usize,
    /// Inside the parentheses of a list of values.
    values_only: bool,
}

impl<'a> Parser<'a> {
    fn expression(&mut self, qualifiers: Option<Qualifiers>) -> Result<Operand, FilterError> {
        let (mut left, mut repeated) = self.operand(qualifiers)?;
        loop {
            let both = match self.peek().kind {
                TokenKind::And => true,
                TokenKind::Or => false,
                _ => return Ok((left, repeated)),
            };
            self.position += 1;
            let (right, next) = self.operand(repeated)?;
            repeated = next;
            left = match (left, both) {
                (Expression::All(mut list), true) => {
                    list.push(right);
                    Expression::All(list)
                }
                (Expression::Any(mut list), false) => {
                    list.push(right);
                    Expression::Any(list)
                }
                (left, true) => Expression::All(vec![left, right]),
                (left, false) => Expression::Any(vec![left, right]),
            };
        }
    }

    fn operand(&mut self, repeated: Option<Qualifiers>) -> Result<Operand, FilterError> {
        match self.peek().kind {
            TokenKind::Not => {
                self.enter()?;
                let (inner, next) = self.operand(repeated)?;
                self.depth -= 1;
                Ok((Expression::Not(Box::new(inner)), next))
            }
            TokenKind::Open => Ok((self.parenthesis(repeated)?, repeated)),
            TokenKind::Word(word) if !self.values_only && is_keyword(word) => self.primitive(word),
            _ => match repeated {
                Some(qualifiers) => Ok((self.value(&qualifiers)?, repeated)),
                None => Err(self.expected_with_hint("a word such as host, net, port, udp or vlan")),
            },
        }
    }

    fn parenthesis(&mut self, repeated: Option<Qualifiers>) -> Result<Expression, FilterError> {
        let open = self.peek().span;
        self.enter()?;
        let (inner, _) = self.expression(repeated)?;
        self.depth -= 1;
        match self.peek().kind {
            TokenKind::Close => self.position += 1,
            TokenKind::End => return Err(self.error(open, "this parenthesis is never closed")),
            _ => return Err(self.expected("`and`, `or` or `)`")),
        }
        Ok(inner)
    }

    fn primitive(&mut self, word: &str) -> Result<Operand, FilterError> {
        let start = self.next().span;
        let primitive = match word {
            "vlan" => Primitive::Vlan(self.vlan_id()?),
            "greater" => Primitive::Greater(self.length()?),
            "less" => Primitive::Less(self.length()?),
            _ => {
                let protocol = Protocol::from_word(word);
                match protocol {
                    Some(protocol) if !self.at_qualifier() => Primitive::Protocol(protocol),
                    Some(_) => return self.qualified(start, protocol),
                    None => {
                        self.position -= 1;
                        return self.qualified(start, None);
                    }
                }
            }
        };
        Ok((self.leaf(primitive, start.to(self.previous()))?, None))
    }

    /// What follows a protocol, if anything: direction, kind, value.
    fn qualified(&mut self, start: Span, protocol: Option<Protocol>) -> Result<Operand, FilterError> {
        let direction = self.direction();
        let kind = match self.peek().kind {
            TokenKind::Word(word) => kind_from_word(word),
            _ => None,
        };
        self.position += usize::from(kind.is_some());
        let span = start.to(self.previous());
        let kind = kind.unwrap_or(Kind::Host);
        if kind == Kind::Proto && direction.is_some() {
            return Err(self.error(span, "a protocol number has no source or destination"));
        }
        let qualifiers = Qualifiers { protocol, direction: direction.unwrap_or(Direction::Either), kind, span };
        let outer = std::mem::replace(&mut self.values_only, true);
        let expression = self.operand(Some(qualifiers));
        self.values_only = outer;
        Ok((expression?.0, Some(qualifiers)))
    }

    fn direction(&mut self) -> Option<Direction> {
        let one = |kind| match kind {
            TokenKind::Word("src") => Some(Direction::Source),
            TokenKind::Word("dst") => Some(Direction::Destination),
            _ => None,
        };
        let first = one(self.peek().kind)?;
        self.position += 1;
        let joined = match self.peek().kind {
            TokenKind::Or => Direction::Either,
            TokenKind::And => Direction::Both,
            _ => return Some(first),
        };
        // `src or src` is no direction; what comes after the `or` is then the next primitive, or an error there.
        match self.tokens.get(self.position + 1).and_then(|token| one(token.kind)) {
            Some(second) if second != first => {
                self.position += 2;
                Some(joined)
            }
            _ => Some(first),
        }
    }

    /// The identifier after `vlan`, where there is one.
    fn vlan_id(&mut self) -> Result<Option<u16>, FilterError> {
        let TokenKind::Word(word) = self.peek().kind else { return Ok(None) };
        let id = address::number(word).and_then(|id| u16::try_from(id).ok()).filter(|id| *id <= 0x0fff);
        let id = id.ok_or_else(|| self.expected("a VLAN identifier from 0 to 4095, `and`, `or` or the end"))?;
        self.position += 1;
        Ok(Some(id))
    }

    fn length(&mut self) -> Result<u32, FilterError> {
        let expected = "a length in bytes";
        let length = address::number(self.word(expected)?).ok_or_else(|| self.expected(expected))?;
        self.position += 1;
        Ok(length)
    }

    pub(super) fn leaf(&mut self, primitive: Primitive, span: Span) -> Result<Expression, FilterError> {
        self.primitives += 1;
        if self.primitives > MAX_PRIMITIVES {
            return Err(self.error(span, format!("more than {MAX_PRIMITIVES} conditions")));
        }
        Ok(Expression::Primitive(primitive, span))
    }

    /// One step down; the caller steps up again.
    fn enter(&mut self) -> Result<(), FilterError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.fail(format!("parentheses and `not` more than {MAX_DEPTH} deep")));
        }
        self.position += 1;
        Ok(())
    }

    fn at_qualifier(&self) -> bool {
        matches!(self.peek().kind, TokenKind::Word(word) if matches!(word, "src" | "dst") || kind_from_word(word).is_some())
    }

    pub(super) fn peek(&self) -> Token<'a> {
        let end = Token { kind: TokenKind::End, span: Span { start: self.text.len(), end: self.text.len() } };
        self.tokens.get(self.position).copied().unwrap_or(end)
    }

    pub(super) fn next(&mut self) -> Token<'a> {
        let token = self.peek();
        self.position += 1;
        token
    }

    /// The place of the last token taken.
    pub(super) fn previous(&self) -> Span {
        let before = self.position.checked_sub(1).and_then(|index| self.tokens.get(index));
        before.map_or(Span { start: 0, end: 0 }, |token| token.span)
    }

    /// The word at the current place, without taking it.
    pub(super) fn word(&self, expected: &str) -> Result<&'a str, FilterError> {
        match self.peek().kind {
            TokenKind::Word(word) => Ok(word),
            _ => Err(self.expected(expected)),
        }
    }

    pub(super) fn error(&self, span: Span, message: impl Into<String>) -> FilterError {
        FilterError::new(self.text, span, message)
    }

    pub(super) fn fail(&self, message: impl Into<String>) -> FilterError {
        self.error(self.peek().span, message)
    }

    pub(super) fn expected(&self, expected: &str) -> FilterError {
        self.fail(format!("expected {expected}, found {}", self.peek().found()))
    }

    /// The error where a value or an unknown word stands with nothing before it that says what it is.
    fn expected_with_hint(&self, expected: &str) -> FilterError {
        let TokenKind::Word(word) = self.peek().kind else { return self.expected(expected) };
        let hint = if address::number(word).is_some() {
            format!("; a port is written `port {word}`")
        } else if address::ipv6(word).is_some() || address::ipv4(word).is_some_and(|(_, mask)| mask == u32::MAX) {
            format!("; an address is written `host {word}`")
        } else if UNSUPPORTED.contains(&word) {
            ", a word of pcap-filter(7) that is not understood here".into()
        } else {
            String::new()
        };
        self.fail(format!("expected {expected}, found {}{hint}", self.peek().found()))
    }
}

fn kind_from_word(word: &str) -> Option<Kind> {
    Some(match word {
        "host" => Kind::Host,
        "net" => Kind::Net,
        "port" => Kind::Port,
        "portrange" => Kind::PortRange,
        "proto" => Kind::Proto,
        _ => return None,
    })
}

pub(super) fn is_keyword(word: &str) -> bool {
    matches!(word, "src" | "dst" | "vlan" | "greater" | "less")
        || kind_from_word(word).is_some()
        || Protocol::from_word(word).is_some()
}

/// Words of pcap-filter(7) that people may try.
const UNSUPPORTED: &[&str] = &[
    "ether",
    "link",
    "gateway",
    "broadcast",
    "multicast",
    "inbound",
    "outbound",
    "mpls",
    "pppoed",
    "pppoes",
    "geneve",
    "len",
    "byte",
    "protochain",
    "ifname",
    "on",
    "wlan",
    "fddi",
    "tr",
    "llc",
    "pim",
    "vrrp",
    "carp",
    "igrp",
    "type",
    "subtype",
    "dir",
    "iso",
    "atalk",
    "decnet",
];
