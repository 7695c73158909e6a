//! The terminal while the dashboard has it.
//!
//! In: the terminal of standard output. Out: a screen, and a terminal again. Never: one that is left without its cursor, its
//! mouse or its echo, however the process ends.

use ratatui::DefaultTerminal;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event::{DisableMouseCapture, EnableMouseCapture};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{EnterAlternateScreen, enable_raw_mode};
use signal_hook::consts::SIGTSTP;
use std::io::{self, IsTerminal};

/// A screen; a terminal again when dropped. After a panic the hook of ratatui sees to that.
pub(super) struct Screen {
    pub(super) terminal: DefaultTerminal,
}

impl Screen {
    pub(super) fn open() -> io::Result<Self> {
        let terminal = ratatui::try_init()?;
        let screen = Self { terminal };
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            drop(execute!(io::stdout(), DisableMouseCapture));
            before(panic);
        }));
        execute!(io::stdout(), EnableMouseCapture)?;
        Ok(screen)
    }

    /// Stops the process until its shell lets it go on; draws nothing. Where no shell could, the process is not stopped.
    pub(super) fn suspend(&mut self) -> io::Result<()> {
        leave();
        signal_hook::low_level::raise(SIGTSTP)?;
        enable_raw_mode()?;
        execute!(io::stdout(), EnterAlternateScreen, EnableMouseCapture)?;
        self.terminal.clear()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

/// True where the terminal was closed. Whether a signal tells of it is up to whoever led its session; and whoever reads from it reads its
/// end for ever.
pub(super) fn is_gone() -> bool {
    !io::stdout().is_terminal()
}

/// Makes the screen a terminal again. Of one that is gone nothing is left to restore, and nobody to tell.
pub(super) fn leave() {
    drop(execute!(io::stdout(), DisableMouseCapture, Show));
    drop(ratatui::try_restore());
}
