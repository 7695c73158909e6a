//! What a key can mean.
//!
//! In: nothing. Out: [`Action`], [`Screen`]. Never: a key; which one means what is [`super::keymap`]'s.

/// What there is to look at.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Screen {
    Overview,
    Streams,
    Stream,
    Reports,
    Sessions,
    Turn,
    Sdp,
    Findings,
    Flows,
}

impl Screen {
    /// All, in the order of their keys.
    pub const ALL: [Screen; 9] = [
        Screen::Overview,
        Screen::Streams,
        Screen::Stream,
        Screen::Reports,
        Screen::Sessions,
        Screen::Turn,
        Screen::Sdp,
        Screen::Findings,
        Screen::Flows,
    ];

    /// The word of its tab.
    pub const fn name(self) -> &'static str {
        match self {
            Screen::Overview => "Overview",
            Screen::Streams => "Streams",
            Screen::Stream => "Stream",
            Screen::Reports => "RTCP",
            Screen::Sessions => "Sessions",
            Screen::Turn => "TURN",
            Screen::Sdp => "SDP",
            Screen::Findings => "Findings",
            Screen::Flows => "Flows",
        }
    }

    /// So many screens on, around the end.
    pub(super) fn beyond(self, steps: usize) -> Self {
        let at = (self as usize + steps) % Self::ALL.len();
        Self::ALL.get(at).copied().unwrap_or(Screen::Overview)
    }
}

/// What the person at the keyboard wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Leave.
    Quit,
    /// Close what lies on top; else go back to where one came from.
    Back,
    /// Show or hide the page of keys.
    ToggleHelp,
    /// Go to a screen.
    Show(Screen),
    /// To the next screen.
    Next,
    /// To the screen before.
    Previous,
    /// One row or line up.
    Up,
    /// One row or line down.
    Down,
    /// A page up.
    PageUp,
    /// A page down.
    PageDown,
    /// To the first row or line.
    First,
    /// To the last row or line.
    Last,
    /// To the neighbour before: another table or session, an earlier moment.
    Left,
    /// To the neighbour behind.
    Right,
    /// To another stream or session: so many on.
    Aside(isize),
    /// Look at half the time, or at twice as much of it.
    Zoom(bool),
    /// Look at what was earlier, or, if true, at what was later.
    Pan(bool),
    /// Go to what is new, or stop doing so.
    Follow,
    /// One line up in what stands below a table.
    DetailUp,
    /// One line down in what stands below a table.
    DetailDown,
    /// Open what the selected row is about.
    Open,
    /// Begin to type a filter.
    Filter,
    /// Sort by the next column.
    Sort,
    /// Turn the order around.
    Reverse,
    /// Give the terminal back to the shell until it lets the dashboard go on.
    Suspend,
    /// Stop or go on showing what is new.
    TogglePause,
    /// Write the report.
    Export,
    /// Copy the selected row.
    Copy,
    /// Save the packets of the selected row.
    Save,
    /// A character of the filter.
    Type(char),
    /// Take the last character of the filter back.
    Erase,
    /// Take the last word of the filter back.
    EraseWord,
    /// Take all of the filter back.
    EraseAll,
    /// Keep the filter.
    Accept,
    /// Leave the filter as it was.
    Cancel,
    /// A click: column and row of the screen.
    Click(u16, u16),
}
