//! The word `tui`, and the dashboard for whoever has snapshots: terminal, loop, and what a person asks for.
//!
//! In: snapshots, keys, signals. Out: frames; files that somebody wanted. Never: a terminal left as it should not be, or a
//! frame drawn that nothing has changed.

use super::args::{Format, TuiArguments};
use super::config::Reading;
use super::examine::{INPUT, USAGE, examine_over_time};
use super::frames::{Frames, Opened};
use super::live::{self, Engine, Until};
use super::output;
use super::run::fail;
use super::save;
use super::screen::{self, Screen};
use crate::model::snapshot::{FrameNo, Snapshot};
use crate::source::Input;
use crate::view::text;
use crate::view::tui::{Effect, Frame, Selection, State, Theme, action, render};
use ratatui::crossterm::event::{self, Event};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// How long a key is waited for before a look at signals and at whether there is a new snapshot.
const LOOK: Duration = Duration::from_millis(100);
/// Keys that wait are taken together for so long at most before what they did is drawn.
const TOGETHER: Duration = Duration::from_millis(50);
/// Bytes that terminals take for the clipboard, in the least of them.
const CLIPBOARD: usize = 70_000;

/// What there is to show that was not there at the last look.
pub(super) enum News {
    None,
    Snapshot(Arc<Snapshot>),
    /// Something to be told.
    Message(String),
    /// There is nothing more to look at.
    Over,
}

/// Saves packets; gives how many and where.
pub(super) type Save<'s> = dyn FnMut(&Selection) -> Result<(u64, PathBuf), String> + 's;

/// Reads a frame; gives it, or why it cannot be had.
pub(super) type ReadFrame<'s> = dyn FnMut(FrameNo) -> Result<Frame, String> + 's;

pub(super) fn tui(arguments: TuiArguments) -> ExitCode {
    let reading = match Reading::of(arguments.input) {
        Ok(reading) => reading,
        Err(message) => return fail(USAGE, &message),
    };
    if !has_screen() {
        return fail(USAGE, "the dashboard needs a terminal; `rtcscope analyze` writes a report anywhere");
    }
    let has_no_screen = match end_with_terminal() {
        Ok(has_no_screen) => has_no_screen,
        Err(error) => return fail(INPUT, &format!("signals cannot be caught: {error}")),
    };
    if let Some(speed) = arguments.speed {
        return replay(&reading, speed, &has_no_screen);
    }
    let examined = match examine_over_time(&reading) {
        Ok(examined) => examined,
        Err(code) => return code,
    };
    let code = examined.exit_code(&reading);
    let names: Vec<&str> = examined.snapshot.capture.facts.files.iter().map(|file| file.name.as_str()).collect();
    let title = names.join(", ");
    let snapshot = Arc::new(examined.snapshot);
    let opened = Opened::new();
    let mut frames = Frames::of(&reading, &opened);
    let mut read = |frame| frames.read(frame);
    let save = &mut |selection: &Selection| save::packets(&reading, selection);
    if let Err(error) = restore_with_terminal() {
        return fail(INPUT, &format!("signals cannot be caught: {error}"));
    }
    has_no_screen.store(false, Relaxed);
    let shown = show(&title, snapshot, &mut || News::None, save, &mut read);
    match shown {
        Ok(Some(signal @ (SIGHUP | SIGQUIT))) => ExitCode::from(128 + signal as u8),
        Ok(_) => code,
        Err(error) => fail(INPUT, &format!("the terminal: {error}")),
    }
}

/// Reads the capture as its packets came.
fn replay(reading: &Reading, speed: f64, has_no_screen: &AtomicBool) -> ExitCode {
    let credentials = match reading.turn.clone().with_environment() {
        Ok(credentials) => credentials,
        Err(message) => return fail(USAGE, &message),
    };
    let engine = match Engine::replay(reading, credentials, speed) {
        Ok(engine) => engine,
        Err(message) => return fail(INPUT, &message),
    };
    let name = |input: &Input| match input {
        Input::Stdin => "-".to_owned(),
        Input::Path(path) => path.display().to_string(),
    };
    let names: Vec<String> = reading.inputs.iter().map(name).collect();
    let title = format!("{} at {speed} times its pace", names.join(", "));
    let opened = Opened::new();
    let mut frames = Frames::of(reading, &opened);
    let mut read = |frame| frames.read(frame);
    let save = &mut |selection: &Selection| save::packets(reading, selection);
    has_no_screen.store(false, Relaxed);
    let shown = live::dashboard(&engine, &title, &Until::default(), (save, &mut read), &|_| ());
    let ended = engine.finish();
    ended.errors.iter().for_each(|error| output::note(error));
    let code = if ended.errors.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(INPUT) };
    std::mem::forget(ended);
    match shown {
        Ok(_) => code,
        Err(error) => fail(INPUT, &format!("the terminal: {error}")),
    }
}

/// A terminal that only prints has no place for a dashboard. Keys come from the terminal where standard input is a capture.
pub(super) fn has_screen() -> bool {
    let is_able = std::env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb");
    is_able && io::stdout().is_terminal()
}

/// For as long as what this gives is true, the process ends at once where the terminal is gone. While there is a screen, it
/// is restored first: the signal may come from elsewhere, and the terminal be there.
fn end_with_terminal() -> io::Result<Arc<AtomicBool>> {
    let has_no_screen = Arc::new(AtomicBool::new(true));
    signal_hook::flag::register_conditional_shutdown(SIGHUP, 128 + SIGHUP, Arc::clone(&has_no_screen))?;
    Ok(has_no_screen)
}

/// Whoever reads from a terminal that is gone reads its end for ever: a thread of its own restores what is there and ends the
/// process.
fn restore_with_terminal() -> io::Result<()> {
    let hangup = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGHUP, Arc::clone(&hangup))?;
    let watch = move || {
        while !hangup.load(Relaxed) && !screen::is_gone() {
            std::thread::sleep(LOOK);
        }
        screen::leave();
        std::process::exit(128 + SIGHUP);
    };
    std::thread::Builder::new().name("hangup".to_owned()).spawn(watch).map(drop)
}

/// Shows `first`, and then whatever `next` has, until the person leaves or the process is asked to end; gives the signal that
/// asked. `next` does not wait; it is asked ten times a second.
///
/// # Errors
/// Those of the terminal.
pub(super) fn show(
    title: &str,
    first: Arc<Snapshot>,
    next: &mut dyn FnMut() -> News,
    save: &mut Save<'_>,
    read: &mut ReadFrame<'_>,
) -> io::Result<Option<i32>> {
    let asked = Arc::new(AtomicUsize::new(0));
    for signal in [SIGHUP, SIGINT, SIGQUIT, SIGTERM] {
        signal_hook::flag::register_usize(signal, Arc::clone(&asked), signal as usize)?;
    }
    let mut screen = Screen::open()?;
    let theme = Theme::of(std::env::var("NO_COLOR").ok().as_deref());
    let mut snapshot = first;
    let mut newest = None;
    let mut state = State::new(title);
    let size = screen.terminal.size()?;
    state.refresh(&snapshot);
    state.resize(size.width, size.height, &snapshot);
    let mut is_changed = true;
    while !state.is_over() && asked.load(Relaxed) == 0 {
        if is_changed {
            if let Some(frame) = state.wanted_frame() {
                state.take_frame(frame, read(frame));
            }
            screen.terminal.draw(|frame| render(frame, &state, &snapshot, theme))?;
        }
        is_changed = keys(&mut state, &snapshot, &mut screen, save)?;
        match next() {
            News::None => {}
            News::Snapshot(newer) => newest = Some(newer),
            News::Message(message) => {
                state.tell(message);
                is_changed = true;
            }
            News::Over => break,
        }
        // While the display is held the newest waits for it to go on.
        if !state.is_paused()
            && let Some(newer) = newest.take()
        {
            snapshot = newer;
            state.refresh(&snapshot);
            is_changed = true;
        }
    }
    Ok(i32::try_from(asked.load(Relaxed)).ok().filter(|signal| *signal != 0))
}

/// Waits for a key, and takes all that were typed by now; true where there is something to be drawn.
fn keys(state: &mut State, snapshot: &Snapshot, screen: &mut Screen, save: &mut Save<'_>) -> io::Result<bool> {
    let mut is_changed = false;
    let mut until = None;
    while !state.is_over() && event::poll(if until.is_some() { Duration::ZERO } else { LOOK })? {
        let now = live::instant();
        if *until.get_or_insert(now + TOGETHER) < now {
            break;
        }
        let event = event::read()?;
        if let Event::Resize(width, height) = event {
            state.resize(width, height, snapshot);
            is_changed = true;
        }
        let Some(action) = action(&event, state.is_typing()) else { continue };
        is_changed = true;
        let told = match state.advance(action, snapshot) {
            None => continue,
            Some(Effect::Suspend) => {
                screen.suspend()?;
                let size = screen.terminal.size()?;
                state.resize(size.width, size.height, snapshot);
                continue;
            }
            Some(Effect::Export) => export(snapshot),
            Some(Effect::Copy(text)) => copy(&text),
            Some(Effect::Save(selection)) => saved(&selection, save),
        };
        state.tell(told.unwrap_or_else(|error| error));
    }
    state.catch_up(snapshot);
    Ok(is_changed)
}

/// Writes the report; gives what to say of it, as the next two do.
fn export(snapshot: &Snapshot) -> Result<String, String> {
    let (path, mut file) = save::new_file("rtcscope-report", "json").map_err(|error| error.to_string())?;
    let style = text::Style { width: None, color: false, full: true };
    let written = output::report(snapshot, Format::Json, &style, true, &mut file).and_then(|()| file.flush());
    written.map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(format!("the report is in {}", path.display()))
}

fn copy(text: &str) -> Result<String, String> {
    let text = text.get(..text.floor_char_boundary(CLIPBOARD)).unwrap_or(text);
    let mut out = io::stdout();
    // OSC 52 of xterm; terminals that do not know it ignore it.
    let sent = write!(out, "\x1b]52;c;{}\x07", base64(text.as_bytes())).and_then(|()| out.flush());
    sent.map_err(|error| error.to_string())?;
    Ok("copied, where the terminal allows it".to_owned())
}

fn saved(selection: &Selection, save: &mut Save<'_>) -> Result<String, String> {
    let (packets, path) = save(selection)?;
    let (packets, are) = match packets {
        1 => ("1 packet".to_owned(), "is"),
        packets => (format!("{packets} packets"), "are"),
    };
    Ok(format!("{packets} of {} {are} in {}", selection.packets.of, path.display()))
}

/// Base 64 (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let number = (0..3).fold(0_u32, |sum, at| sum << 8 | u32::from(three.get(at).copied().unwrap_or(0)));
        for at in 0..4 {
            let letter = LETTERS[(number >> (18 - 6 * at) & 63) as usize];
            text.push(if at <= three.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        let of = |text: &str| base64(text.as_bytes());
        assert_eq!([of(""), of("f"), of("fo"), of("foo"), of("foobar")], ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYmFy"]);
    }
}
