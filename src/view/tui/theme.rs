//! Colours, and what is left of them without.
//!
//! In: whether colour is wanted. Out: styles by meaning. Never: a colour that a light or a dark background swallows, or
//! a meaning that colour alone carries.

use crate::view::text::{Cell, Ink};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

/// Styles by meaning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Theme {
    is_coloured: bool,
}

impl Theme {
    /// `no_color` is the environment's `NO_COLOR`, where set: any text but an empty one means no colour.
    pub fn of(no_color: Option<&str>) -> Self {
        Self { is_coloured: no_color.is_none_or(str::is_empty) }
    }

    fn colour(self, colour: Color) -> Style {
        if self.is_coloured { Style::new().fg(colour) } else { Style::new() }
    }

    /// As the report means it. Only colours that every scheme of sixteen can show on its own background.
    pub(super) fn ink(self, ink: Ink) -> Style {
        match ink {
            Ink::Plain => Style::new(),
            Ink::Strong => Style::new().add_modifier(Modifier::BOLD),
            Ink::Faint => Style::new().add_modifier(Modifier::DIM),
            Ink::Good => self.colour(Color::Green),
            Ink::Doubtful => self.colour(Color::Yellow).add_modifier(Modifier::BOLD),
            Ink::Bad => self.colour(Color::Red).add_modifier(Modifier::BOLD),
        }
    }

    /// Frames.
    pub(super) fn frame(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// Titles.
    pub(super) fn title(self) -> Style {
        self.colour(Color::Cyan).add_modifier(Modifier::BOLD)
    }

    /// Curves.
    pub(super) fn curve(self) -> Style {
        self.colour(Color::Cyan)
    }

    /// The selected row, and the tab in front: the terminal's own colours the other way round.
    pub(super) fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// A line of the report.
    pub(super) fn line(self, cells: &[Cell]) -> Line<'static> {
        Line::from(
            cells.iter().map(|cell| Span::styled(cell.text().to_owned(), self.ink(cell.ink()))).collect::<Vec<_>>(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_color_leaves_bold_and_takes_the_colours() {
        let plain = Theme::of(Some("1"));
        assert_eq!(plain.ink(Ink::Bad), Style::new().add_modifier(Modifier::BOLD));
        assert_eq!(plain.ink(Ink::Good), Style::new());
    }

    #[test]
    fn an_empty_no_color_is_none() {
        assert_eq!(Theme::of(Some("")), Theme::of(None));
        assert_eq!(Theme::of(None).ink(Ink::Bad).fg, Some(Color::Red));
    }
}
