//! A ladder as text: hosts are columns, events are arrows with frame and time.
//!
//! In: a [`Ladder`]. Out: lines. Never: a line wider than asked for, or a control character of the capture.
//!
//! ```text
//!                    10.77.1.2
//!                    │           10.77.1.1  TURN server
//!    time s   frame  │           │
//!     1.042      56  ├──────────▶│  TURN Allocate request
//!     1.044      57  │◀──────────┤  TURN Allocate 401 Unauthorized, 1.9 ms
//!     1.302      77  ╞══════════▶│  SRTP audio r1: 428 packets until 11.2 s
//!     1.400      80  │           │  ! TURN_… what went wrong
//! ```

use super::text::{Cell, Ink, Page, Style, width};
use crate::model::snapshot::{Arrow, Event, Ladder, Stroke, Tone};
use std::cmp::Ordering;
use std::io;

/// How to draw.
#[derive(Clone, Copy, Debug)]
pub struct Drawing {
    /// Width, colour, and whether all events are wanted.
    pub style: Style,
    /// No characters beyond ASCII.
    pub ascii: bool,
}

/// Columns before the first lifeline: time, frame, and what is between.
const MARGIN: usize = 19;
/// From one lifeline to the next.
const SPACING: (usize, usize) = (6, 18);
/// Columns that the words have at least, and those that they should have.
const WORDS: (usize, usize) = (30, 46);
/// Events that are drawn, unless all are wanted.
const EVENTS: usize = 400;

/// How many lifelines fit.
pub fn columns(width: usize) -> usize {
    (width.saturating_sub(MARGIN + WORDS.0) / SPACING.0 + 1).clamp(2, 12)
}

/// Writes it.
///
/// # Errors
/// Those of the writer.
pub fn write(ladder: &Ladder, drawing: &Drawing, out: &mut dyn io::Write) -> io::Result<()> {
    draw(ladder, drawing, &mut Page::new(&drawing.style, out)).map(drop)
}

/// The same for a screen; gives of each event its first line, and the one behind its last.
pub(super) fn draw(ladder: &Ladder, drawing: &Drawing, page: &mut Page<'_>) -> io::Result<Vec<(usize, usize)>> {
    if ladder.events.is_empty() {
        page.line(&[Cell::plain("nothing to draw: no signalling, STUN, DTLS or media")])?;
        return Ok(Vec::new());
    }
    let lines = Lines::of(ladder, drawing);
    let mut line = lines.heads(ladder, page)?;
    let mut places = Vec::new();
    let shown = if drawing.style.full { ladder.events.len() } else { ladder.events.len().min(EVENTS) };
    for event in ladder.events.iter().take(shown) {
        let first = line;
        line += lines.event(ladder, event, page)?;
        places.push((first, line));
    }
    for note in notes(ladder, shown) {
        page.wrapped(Cell::plain(""), 2, " ", &[Cell::new(note, Ink::Faint)])?;
    }
    Ok(places)
}

fn notes(ladder: &Ladder, shown: usize) -> Vec<String> {
    let mut notes = Vec::new();
    if shown < ladder.events.len() {
        notes.push(format!("{} more events; --full draws all", ladder.events.len() - shown));
    }
    if ladder.left_out > 0 {
        let why = "no columns for these; --width makes room, --session draws one call";
        notes.push(format!("{} events between other hosts: {why}", ladder.left_out));
    }
    if ladder.signals_not_kept > 0 {
        notes.push(format!("{} messages of the signalling were not kept", ladder.signals_not_kept));
    }
    notes
}

/// The characters of a drawing.
struct Pens {
    life: char,
    message: Strokes,
    media: Strokes,
    right: char,
    left: char,
}

/// What an arrow begins with, to the right and to the left, and goes on with.
struct Strokes {
    to_right: char,
    to_left: char,
    dash: char,
}

const LINES: Pens = Pens {
    life: '│',
    message: Strokes { to_right: '├', to_left: '┤', dash: '─' },
    media: Strokes { to_right: '╞', to_left: '╡', dash: '═' },
    right: '▶',
    left: '◀',
};

const ASCII: Pens = Pens {
    life: '|',
    message: Strokes { to_right: '|', to_left: '|', dash: '-' },
    media: Strokes { to_right: '|', to_left: '|', dash: '=' },
    right: '>',
    left: '<',
};

struct Lines {
    hosts: usize,
    spacing: usize,
    pens: &'static Pens,
    ascii: bool,
}

impl Lines {
    fn of(ladder: &Ladder, drawing: &Drawing) -> Self {
        let hosts = ladder.hosts.len().max(1);
        let room = drawing.style.width.unwrap_or(usize::MAX / 2).saturating_sub(MARGIN + 3 + WORDS.1);
        let spacing = (room / (hosts - 1).max(1)).clamp(SPACING.0, SPACING.1);
        Self { hosts, spacing, pens: if drawing.ascii { &ASCII } else { &LINES }, ascii: drawing.ascii }
    }

    /// The lifelines of the first `hosts`.
    fn lifelines(&self, hosts: usize) -> String {
        let lines = (0..hosts).map(|_| self.pens.life.to_string());
        lines.collect::<Vec<_>>().join(&" ".repeat(self.spacing - 1))
    }

    /// Each name begins at its line, below those to its left. Gives how many lines that took.
    fn heads(&self, ladder: &Ladder, page: &mut Page<'_>) -> io::Result<usize> {
        for (at, host) in ladder.hosts.iter().enumerate() {
            let mut before = " ".repeat(MARGIN) + &self.lifelines(at);
            if at > 0 {
                before += &" ".repeat(self.spacing - 1);
            }
            let mut cells = vec![Cell::new(before, Ink::Faint), Cell::new(self.words(&host.name), Ink::Strong)];
            if !host.roles.is_empty() {
                cells.push(Cell::new(format!("  {}", host.roles.join(", ")), Ink::Faint));
            }
            page.line(&cells)?;
        }
        let heads = format!("{:>8}{:>8}   {}", "time s", "frame", self.lifelines(self.hosts));
        page.line(&[Cell::new(heads, Ink::Faint)])?;
        Ok(ladder.hosts.len() + 1)
    }

    /// Gives how many lines it took.
    fn event(&self, ladder: &Ladder, event: &Event, page: &mut Page<'_>) -> io::Result<usize> {
        let seconds = event.ts.zip(ladder.start).map(|(ts, start)| ts.millis_since(start) / 1000.0);
        let time = seconds.map(|seconds| format!("{seconds:.3}")).unwrap_or_default();
        let ink = match event.tone {
            Tone::Plain => Ink::Plain,
            Tone::Good => Ink::Good,
            Tone::Doubtful => Ink::Doubtful,
            Tone::Bad => Ink::Bad,
            Tone::Faint => Ink::Faint,
        };
        let (drawn, text) = match event.arrow {
            Some(arrow) => (Cell::new(self.arrow(arrow), ink), event.text.clone()),
            None => (Cell::new(self.lifelines(self.hosts), Ink::Faint), format!("! {}", event.text)),
        };
        let indent = MARGIN + self.spacing * (self.hosts - 1) + 3;
        let room = page.limit().map_or(usize::MAX, |limit| limit.saturating_sub(indent).max(1));
        let mut margin = Cell::new(format!("{time:>8}{:>8}   ", event.frame.0), Ink::Faint);
        let mut drawn = drawn;
        let lines = broken(&self.words(&text), room);
        let taken = lines.len();
        for line in lines {
            page.line(&[margin, drawn, Cell::plain("  "), Cell::new(line, ink)])?;
            margin = Cell::plain(" ".repeat(MARGIN));
            drawn = Cell::new(self.lifelines(self.hosts), Ink::Faint);
        }
        Ok(taken)
    }

    fn arrow(&self, arrow: Arrow) -> String {
        let strokes = match arrow.stroke {
            Stroke::Message => &self.pens.message,
            Stroke::Media => &self.pens.media,
        };
        let (from, to) = (arrow.from * self.spacing, arrow.to * self.spacing);
        let (start, head, head_at) = match from.cmp(&to) {
            Ordering::Less => (strokes.to_right, self.pens.right, to - 1),
            Ordering::Greater => (strokes.to_left, self.pens.left, to + 1),
            Ordering::Equal => return self.lifelines(self.hosts),
        };
        let between = from.min(to) + 1..from.max(to);
        let pen = |(at, life): (usize, char)| match at {
            at if at == from => start,
            at if at == head_at => head,
            at if between.contains(&at) => strokes.dash,
            _ => life,
        };
        self.lifelines(self.hosts).chars().enumerate().map(pen).collect()
    }

    /// Names of the capture may have any character.
    fn words(&self, text: &str) -> String {
        let plain = |c: char| match c {
            '…' => '.',
            c if c.is_ascii() => c,
            _ => '?',
        };
        if self.ascii { text.chars().map(plain).collect() } else { text.to_owned() }
    }
}

/// Lines of at most so many columns, broken at blanks where there are any.
fn broken(text: &str, room: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        if !line.is_empty() && width(&line) + 1 + width(word) > room {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        for c in word.chars() {
            if !line.is_empty() && width(&line) + width(c.encode_utf8(&mut [0; 4])) > room {
                lines.push(std::mem::take(&mut line));
            }
            line.push(c);
        }
    }
    lines.push(line);
    lines
}
