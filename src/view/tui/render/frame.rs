//! ```text
//! ┌ Frame 56, 142 bytes ────────────────────────────────────────────────┐
//! │ STUN  Allocate error response    │ 0020  0d 96 00 0a 01 13 00 58 …  │
//! │   ERROR-CODE  401 Unauthorized   │ 0030  65 c1 …                    │   the bytes of the selected field are shown
//! │   REALM  example.org             │                                  │   the other way round
//! └────────────────────────────────────────────────────────────── 12/40 ┘
//! ```
//!
//! In: a frame taken apart. Out: its fields beside its bytes. Never: a byte that was not captured.

use super::super::state::{Focus, Frame, State};
use super::super::theme::Theme;
use super::pane;
use crate::dissect::Field;
use crate::view::text::{Cell, Cut, Ink};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use std::ops::Range;

/// Columns that a line of so many bytes takes: offset, bytes, characters.
const fn hex_width(bytes: usize) -> usize {
    5 + bytes * 3 + 1 + bytes
}

pub(super) fn render(out: &mut ratatui::Frame<'_>, area: Rect, state: &State, theme: Theme) {
    let Some((number, read)) = state.frame() else {
        return out.render_widget(pane::frame("Frame", theme), area);
    };
    let mut block = pane::frame(&format!("Frame {number}"), theme);
    if state.focus() == Focus::Frame {
        block = block.border_style(theme.title());
    }
    let frame = match read {
        Some(Ok(frame)) => frame,
        Some(Err(reason)) => {
            return out.render_widget(Paragraph::new(format!(" {reason}")).block(block), area);
        }
        None => return out.render_widget(block, area),
    };
    let place = format!(" field {} of {} ", (state.field() + 1).min(frame.fields.len()), frame.fields.len());
    block = block.title_bottom(Line::styled(place, theme.frame()).right_aligned());
    let inner = block.inner(area);
    out.render_widget(block, area);
    let bytes = if usize::from(inner.width) >= hex_width(16) + 50 { 16 } else { 8 };
    let [tree, _, dump] =
        Layout::horizontal([Constraint::Fill(1), Constraint::Length(1), Constraint::Length(hex_width(bytes) as u16)])
            .areas(inner);
    let marked = frame.fields.get(state.field()).map_or(0..0, |field| field.bytes.clone());
    out.render_widget(Paragraph::new(fields(frame, state.field(), tree, theme)), tree);
    out.render_widget(Paragraph::new(lines(&frame.bytes, &marked, bytes, dump.height, theme)), dump);
}

/// Those in sight, the selected one among them.
fn fields(frame: &Frame, selected: usize, area: Rect, theme: Theme) -> Vec<Line<'static>> {
    let room = usize::from(area.height);
    let from = selected.saturating_sub(room / 3).min(frame.fields.len().saturating_sub(room));
    let shown = frame.fields.iter().enumerate().skip(from).take(room);
    shown
        .map(|(at, field)| {
            let line = field_line(field, usize::from(area.width), theme);
            if at == selected { line.patch_style(theme.selected()) } else { line }
        })
        .collect()
}

fn field_line(field: &Field, width: usize, theme: Theme) -> Line<'static> {
    let indent = " ".repeat(usize::from(field.depth) * 2);
    let name = Cell::new(format!("{indent}{} ", field.name), if field.depth == 0 { Ink::Strong } else { Ink::Faint });
    let at = format!("  {}+{}", field.bytes.start, field.bytes.len());
    let room = width.saturating_sub(name.width());
    let value = Cell::plain(&field.value);
    // Offset and length where there is room for them.
    let is_roomy = value.width() + at.len() <= room;
    let value = value.cut(room, Cut::End);
    let blanks = room.saturating_sub(value.width() + at.len());
    let mut cells = vec![name, value];
    if is_roomy {
        cells.extend([Cell::plain(" ".repeat(blanks)), Cell::new(at, Ink::Faint)]);
    }
    theme.line(&cells)
}

/// Lines of hexadecimal, from about the one where the marked bytes begin.
fn lines(bytes: &[u8], marked: &Range<usize>, width: usize, height: u16, theme: Theme) -> Vec<Line<'static>> {
    let (room, all) = (usize::from(height), bytes.len().div_ceil(width));
    let from = (marked.start / width).saturating_sub(room / 3).min(all.saturating_sub(room));
    (from..all.min(from + room)).map(|row| dump(bytes, row * width, width, marked, theme)).collect()
}

fn dump(bytes: &[u8], from: usize, width: usize, marked: &Range<usize>, theme: Theme) -> Line<'static> {
    let mut spans = vec![Span::styled(format!("{from:04x} "), theme.frame())];
    let style = |at: usize| if marked.contains(&at) { theme.selected() } else { ratatui::style::Style::new() };
    for at in from..from + width {
        let text = bytes.get(at).map_or_else(|| "  ".to_owned(), |byte| format!("{byte:02x}"));
        spans.push(Span::raw(" "));
        spans.push(Span::styled(text, if at < bytes.len() { style(at) } else { ratatui::style::Style::new() }));
    }
    spans.push(Span::raw(" "));
    for (at, byte) in bytes.iter().enumerate().skip(from).take(width) {
        let letter = if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' };
        spans.push(Span::styled(letter.to_string(), style(at)));
    }
    Line::from(spans)
}
