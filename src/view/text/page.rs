//! Where lines are put together: cells with an ink, wrapped and cut to the width of the terminal.
//!
//! In: text from the snapshot. Out: lines. Never: a control character of the capture, or a line that is too wide.

use super::Style;
use super::figures::count;
use std::io;
use unicode_width::UnicodeWidthChar;

/// Rows of a table, unless all are wanted.
const ROWS: usize = 20;

/// The meaning of a text; the colour follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::view) enum Ink {
    Plain,
    /// Heads of sections and names.
    Strong,
    /// What the eye may skip.
    Faint,
    Good,
    Doubtful,
    Bad,
}

impl Ink {
    /// SGR parameters (ECMA-48, section 8.3.117).
    const fn sgr(self) -> Option<&'static str> {
        match self {
            Ink::Plain => None,
            Ink::Strong => Some("1"),
            Ink::Faint => Some("2"),
            Ink::Good => Some("32"),
            Ink::Doubtful => Some("33"),
            Ink::Bad => Some("31"),
        }
    }
}

/// A text that is safe to print, and its ink.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::view) struct Cell {
    text: String,
    ink: Ink,
}

impl Cell {
    pub(in crate::view) fn new(text: impl AsRef<str>, ink: Ink) -> Self {
        Self { text: visible(text.as_ref()), ink }
    }

    pub(in crate::view) fn plain(text: impl AsRef<str>) -> Self {
        Self::new(text, Ink::Plain)
    }

    pub(in crate::view) fn text(&self) -> &str {
        &self.text
    }

    pub(in crate::view) fn ink(&self) -> Ink {
        self.ink
    }

    pub(in crate::view) fn width(&self) -> usize {
        width(&self.text)
    }

    pub(in crate::view) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The same, at most `limit` columns wide.
    pub(in crate::view) fn cut(&self, limit: usize, cut: Cut) -> Self {
        Self { text: shortened(&self.text, limit, cut), ink: self.ink }
    }
}

/// Where a text that is too long loses its characters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::view) enum Cut {
    End,
    /// Addresses: both the network and the port say something.
    Middle,
}

/// What would move the cursor, turn the direction of writing or hide is written as an escape.
pub(in crate::view) fn visible(text: &str) -> String {
    let hides = |c: char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
            || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
    };
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if hides(c) {
            safe.extend(c.escape_default());
        } else {
            safe.push(c);
        }
    }
    safe
}

/// Columns that a text takes on a terminal.
pub(in crate::view) fn width(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

fn head_of(text: &str, limit: usize) -> &str {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += c.width().unwrap_or(0);
        if used > limit {
            return text.get(..at).unwrap_or_default();
        }
    }
    text
}

/// As `head_of`, and no word in two where a blank stands before it.
fn part_of(text: &str, limit: usize) -> &str {
    let head = head_of(text, limit);
    let is_whole = text.get(head.len()..).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
    match head.rfind(' ').filter(|blank| *blank > 0 && !is_whole) {
        Some(blank) => head.get(..blank).unwrap_or(head),
        None => head,
    }
}

fn tail_of(text: &str, limit: usize) -> &str {
    let mut used = 0;
    for (at, c) in text.char_indices().rev() {
        used += c.width().unwrap_or(0);
        if used > limit {
            return text.get(at + c.len_utf8()..).unwrap_or_default();
        }
    }
    text
}

fn shortened(text: &str, limit: usize, cut: Cut) -> String {
    if width(text) <= limit {
        return text.to_owned();
    }
    let Some(room) = limit.checked_sub(1) else { return String::new() };
    match cut {
        Cut::End => format!("{}…", head_of(text, room)),
        Cut::Middle => format!("{}…{}", head_of(text, room / 2), tail_of(text, room - room / 2)),
    }
}

/// The words of a sentence, for [`Page::wrapped`].
pub(in crate::view) fn words(text: &str, ink: Ink) -> Vec<Cell> {
    text.split(' ').filter(|word| !word.is_empty()).map(|word| Cell::new(word, ink)).collect()
}

/// The output.
pub(in crate::view) struct Page<'a> {
    style: &'a Style,
    out: Out<'a>,
}

enum Out<'a> {
    /// A terminal or a file.
    Bytes(&'a mut dyn io::Write),
    /// Somebody who puts the lines on a screen.
    Lines(&'a mut Vec<Vec<Cell>>),
}

impl<'a> Page<'a> {
    pub(in crate::view) fn new(style: &'a Style, out: &'a mut dyn io::Write) -> Self {
        Self { style, out: Out::Bytes(out) }
    }

    /// One whose lines are kept as cells.
    pub(in crate::view) fn of_lines(style: &'a Style, lines: &'a mut Vec<Vec<Cell>>) -> Self {
        Self { style, out: Out::Lines(lines) }
    }

    /// Columns to keep to; a terminal that says 0 does not know.
    pub(in crate::view) fn limit(&self) -> Option<usize> {
        self.style.width.filter(|width| *width > 0)
    }

    /// How many of `all` rows are shown.
    pub(in crate::view) fn shown(&self, all: usize) -> usize {
        self.shown_of(all, ROWS)
    }

    /// How many of `all` things are shown where `most` are enough.
    pub(in crate::view) fn shown_of(&self, all: usize, most: usize) -> usize {
        if self.style.full { all } else { all.min(most) }
    }

    /// The first rows of a table in their order, or in order of `badness` where not all are shown.
    pub(in crate::view) fn chosen<T>(&self, rows: impl Iterator<Item = T>, badness: impl Fn(&T) -> u8) -> Vec<T> {
        let mut rows: Vec<T> = rows.collect();
        let shown = self.shown(rows.len());
        if shown < rows.len() {
            rows.sort_by_key(badness);
            rows.truncate(shown);
        }
        rows
    }

    /// A blank line and the head of a section.
    pub(in crate::view) fn section(&mut self, title: &str, note: &str) -> io::Result<()> {
        self.line(&[])?;
        let note = if note.is_empty() { String::new() } else { format!("  {note}") };
        self.line(&[Cell::new(format!("━━ {title}"), Ink::Strong), Cell::new(note, Ink::Faint)])
    }

    /// What was left out.
    pub(in crate::view) fn more(&mut self, all: usize, shown: usize) -> io::Result<()> {
        if all <= shown {
            return Ok(());
        }
        let text = format!("  … {} more; --full shows all", count((all - shown) as u64));
        self.line(&[Cell::new(text, Ink::Faint)])
    }

    /// One line, cut at the width. Blanks at its end are nothing to print.
    pub(in crate::view) fn line(&mut self, cells: &[Cell]) -> io::Result<()> {
        let mut room = self.limit().unwrap_or(usize::MAX);
        let mut parts: Vec<(String, Ink)> = Vec::with_capacity(cells.len());
        for cell in cells {
            // Of blanks nothing is missed.
            let is_blank = cell.text.trim().is_empty();
            let text =
                if is_blank { head_of(&cell.text, room).to_owned() } else { shortened(&cell.text, room, Cut::End) };
            room -= width(&text).min(room);
            match parts.last_mut() {
                Some((before, ink)) if *ink == cell.ink => before.push_str(&text),
                _ => parts.push((text, cell.ink)),
            }
        }
        while parts.pop_if(|(text, _)| text.trim_end().is_empty()).is_some() {}
        if let Some((last, _)) = parts.last_mut() {
            last.truncate(last.trim_end().len());
        }
        let out = match &mut self.out {
            Out::Bytes(out) => out,
            Out::Lines(lines) => {
                lines.push(parts.into_iter().map(|(text, ink)| Cell { text, ink }).collect());
                return Ok(());
            }
        };
        for (text, ink) in parts {
            match ink.sgr().filter(|_| self.style.color && !text.trim().is_empty()) {
                Some(sgr) => write!(out, "\x1b[{sgr}m{text}\x1b[0m")?,
                None => out.write_all(text.as_bytes())?,
            }
        }
        out.write_all(b"\n")
    }

    /// Things behind `lead`, as many on a line as have room; lines behind the first begin at column `indent`.
    pub(in crate::view) fn wrapped(
        &mut self,
        lead: Cell,
        indent: usize,
        between: &str,
        items: &[Cell],
    ) -> io::Result<()> {
        let limit = self.limit().unwrap_or(usize::MAX);
        // A terminal too narrow for the indent gets none.
        let indent = if indent.saturating_mul(2) > limit { 0 } else { indent };
        let gap = indent.saturating_sub(lead.width());
        let mut used = lead.width() + gap;
        let mut line = vec![lead, Cell::plain(" ".repeat(gap))];
        let mut first = true;
        let separator = Cell::new(between, Ink::Faint);
        for item in items {
            if !first && used + separator.width() + item.width() > limit {
                self.line(&line)?;
                line = vec![Cell::plain(" ".repeat(indent))];
                used = indent;
                first = true;
            }
            if !first {
                used += separator.width();
                // Blanks have no colour; of the words' own they make one run.
                let ink = if between.trim().is_empty() { item.ink } else { separator.ink };
                line.push(Cell { ink, ..separator.clone() });
            }
            let mut rest = item.text.as_str();
            while used + width(rest) > limit && limit > indent {
                let part = part_of(rest, limit - used.min(limit));
                if part.is_empty() && used == indent {
                    break;
                }
                line.push(Cell { text: part.to_owned(), ink: item.ink });
                self.line(&line)?;
                line = vec![Cell::plain(" ".repeat(indent))];
                used = indent;
                rest = rest.get(part.len()..).unwrap_or_default().trim_start_matches(' ');
            }
            used += width(rest);
            line.push(Cell { text: rest.to_owned(), ink: item.ink });
            first = false;
        }
        self.line(&line)
    }
}
