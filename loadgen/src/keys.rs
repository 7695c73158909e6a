//! What comes from the keyboard of a dashboard.
//!
//! In: the terminal at standard input. Out: its events, in order. Never: a load that waits for the terminal, or a thread that
//! reads on from one that is gone.

#![forbid(unsafe_code)]

use ratatui::crossterm::event::{self, Event};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::time::Duration;

/// How soon a new size is heard of, which comes as a signal and not from the terminal.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
/// Events that wait for somebody to take them.
const WAITING: usize = 256;

/// Events as they come. A thread of its own reads them: crossterm reads the end of a terminal that was closed for ever.
pub(crate) struct Keys(Receiver<Event>);

impl Keys {
    /// # Errors
    /// There is no thread to be had.
    pub(crate) fn listen() -> io::Result<Self> {
        let (sender, receiver) = mpsc::sync_channel(WAITING);
        std::thread::Builder::new().name("keys".to_owned()).spawn(move || read(&sender))?;
        Ok(Self(receiver))
    }

    /// The next one that is here.
    pub(crate) fn next(&self) -> Option<Event> {
        self.0.try_recv().ok()
    }
}

fn read(sender: &SyncSender<Event>) {
    let terminal = io::stdin();
    loop {
        let mut looked_at = [PollFd::new(&terminal, PollFlags::IN)];
        let found = match poll(&mut looked_at, Some(&LOOK)) {
            Ok(_) => looked_at[0].revents(),
            Err(rustix::io::Errno::INTR) => PollFlags::empty(),
            Err(_) => return,
        };
        if found.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
            return;
        }
        while event::poll(Duration::ZERO).unwrap_or(false) {
            let Ok(event) = event::read() else { return };
            if sender.send(event).is_err() {
                return;
            }
        }
    }
}
