//! Colours, and what is left of them without.
//!
//! In: whether colour is wanted. Out: styles by meaning. Never: a meaning that colour alone carries; bold and words say
//! the same.

use ratatui::style::{Color, Modifier, Style};

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

    /// Names beside figures. Grey would be the background in some schemes of colours.
    pub(super) fn label(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// Frames and their titles.
    pub(super) fn frame(self) -> Style {
        self.colour(Color::DarkGray)
    }

    /// Titles.
    pub(super) fn title(self) -> Style {
        self.colour(Color::Cyan).add_modifier(Modifier::BOLD)
    }

    /// Curves.
    pub(super) fn curve(self) -> Style {
        self.colour(Color::Cyan)
    }

    /// As it should be.
    pub(super) fn good(self) -> Style {
        self.colour(Color::Green)
    }

    /// Worth a look.
    pub(super) fn notable(self) -> Style {
        self.colour(Color::Yellow).add_modifier(Modifier::BOLD)
    }

    /// As it should not be.
    pub(super) fn bad(self) -> Style {
        self.colour(Color::Red).add_modifier(Modifier::BOLD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_color_leaves_bold_and_takes_the_colours() {
        let plain = Theme::of(Some("1"));
        assert_eq!(plain.bad(), Style::new().add_modifier(Modifier::BOLD));
        assert_eq!(plain.good(), Style::new());
    }

    #[test]
    fn an_empty_no_color_is_none() {
        assert_eq!(Theme::of(Some("")), Theme::of(None));
        assert_eq!(Theme::of(None).bad().fg, Some(Color::Red));
    }
}
