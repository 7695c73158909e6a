//! The words of a filter.
//!
//! In: the text. Out: tokens with their places. Never: a decision on what a word means.

use super::error::{FilterError, Span};

/// More text than anybody types, and less than would take time.
const MAX_TEXT: usize = 64 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind<'a> {
    /// Keywords, numbers, ranges, addresses.
    Word(&'a str),
    Open,
    Close,
    Slash,
    And,
    Or,
    Not,
    End,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'a> {
    pub(super) kind: TokenKind<'a>,
    pub(super) span: Span,
}

impl Token<'_> {
    /// How an error names it.
    pub(super) fn found(&self) -> String {
        let text = match self.kind {
            TokenKind::Word(word) if word.chars().count() > 40 => {
                return format!("`{}…`", word.chars().take(40).collect::<String>());
            }
            TokenKind::Word(word) => word,
            TokenKind::Open => "(",
            TokenKind::Close => ")",
            TokenKind::Slash => "/",
            TokenKind::And => "and",
            TokenKind::Or => "or",
            TokenKind::Not => "not",
            TokenKind::End => return "the end".into(),
        };
        format!("`{text}`")
    }
}

/// All tokens; the last is [`TokenKind::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>, FilterError> {
    if text.len() > MAX_TEXT {
        let message = format!("the filter is longer than {MAX_TEXT} bytes");
        return Err(FilterError::new(text, Span { start: 0, end: 0 }, message));
    }
    let mut tokens = Vec::new();
    let mut start = 0;
    while let Some(rest) = text.get(start..).filter(|rest| !rest.is_empty()) {
        let space = rest.len() - rest.trim_start().len();
        if space > 0 {
            start += space;
            continue;
        }
        let (kind, length) = token(rest).ok_or_else(|| unknown_character(text, start))?;
        tokens.push(Token { kind, span: Span { start, end: start + length } });
        start += length;
    }
    tokens.push(Token { kind: TokenKind::End, span: Span { start: text.len(), end: text.len() } });
    Ok(tokens)
}

fn token(rest: &str) -> Option<(TokenKind<'_>, usize)> {
    let symbols = [
        ("&&", TokenKind::And),
        ("||", TokenKind::Or),
        ("(", TokenKind::Open),
        (")", TokenKind::Close),
        ("/", TokenKind::Slash),
    ];
    for (symbol, kind) in symbols {
        if rest.starts_with(symbol) {
            return Some((kind, symbol.len()));
        }
    }
    if rest.starts_with('!') && !rest.starts_with("!=") {
        return Some((TokenKind::Not, 1));
    }
    let length = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
    let word = rest.get(..length).filter(|word| !word.is_empty())?;
    let kind = match word {
        "and" => TokenKind::And,
        "or" => TokenKind::Or,
        "not" => TokenKind::Not,
        _ => TokenKind::Word(word),
    };
    Some((kind, length))
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '.' | ':' | '-' | '_' | '%' | '\\')
}

fn unknown_character(text: &str, start: usize) -> FilterError {
    let character = text.get(start..).and_then(|rest| rest.chars().next()).unwrap_or(' ');
    let span = Span { start, end: start + character.len_utf8() };
    let message = match character {
        '&' => "expected `&&` or `and`".into(),
        '|' => "expected `||` or `or`".into(),
        '[' | ']' | '=' | '<' | '>' | '!' | '+' | '*' => {
            "comparisons of bytes and lengths are not understood; `greater N` and `less N` compare lengths".into()
        }
        _ if character.is_control() => "a control character cannot be in a filter".into(),
        _ => format!("`{character}` cannot be in a filter"),
    };
    FilterError::new(text, span, message)
}
