//! What is seen of a run while it lasts: lines, or the dashboard; the interval log.
//!
//! In: progress once a second, keys. Out: lines on standard error, frames on the terminal, rows of the log; what the
//! person wants. Never: a terminal left as it should not be.

#![forbid(unsafe_code)]

use crate::config::RunConfig;
use crate::engine::drive::{Watch, Wish};
use crate::engine::exposition::Exposition;
use crate::keys::Keys;
use crate::result::Progress;
use crate::stats::ShardStats;
use crate::view::hlog::IntervalLog;
use crate::view::tui::{Quit, State, Theme, action, render};
use crate::view::{prometheus, text};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::Event;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::time::SystemTime;

/// All that watches.
pub(crate) struct Watcher {
    dashboard: Option<Dashboard>,
    log: Option<IntervalLog<BufWriter<File>>>,
    exposition: Option<Exposition>,
    target: String,
}

struct Dashboard {
    terminal: DefaultTerminal,
    /// Without a thread to read them there are none, and signals end the run.
    keys: Option<Keys>,
    state: State,
    theme: Theme,
    /// The dashboard shows what fits; all of it is said once the terminal is a terminal again.
    notes: Vec<String>,
}

impl Watcher {
    /// Opens what was asked for.
    ///
    /// # Errors
    /// One sentence that names the argument.
    pub(crate) fn open(config: &RunConfig, seed: u64, began: SystemTime) -> Result<Self, String> {
        let output = &config.output;
        let log = match &output.hlog {
            Some(path) => {
                let file = File::create(path).map_err(|error| format!("--hlog {}: {error}", path.display()))?;
                let about = format!("{}, seed {seed}", config.server);
                let log = IntervalLog::begin(BufWriter::new(file), began, &about);
                Some(log.map_err(|error| format!("--hlog {}: {error}", path.display()))?)
            }
            None => None,
        };
        let exposition = match output.prometheus {
            Some(at) => {
                let exposition = Exposition::serve(at, prometheus::CONTENT_TYPE, prometheus::NOTHING_YET);
                let exposition = exposition.map_err(|error| format!("--prometheus {at}: {error}"))?;
                crate::run::note(&format!("metrics at http://{}/metrics", exposition.address()));
                Some(exposition)
            }
            None => None,
        };
        // The dashboard needs the terminal for itself: results of other formats may go there too.
        let has_terminal = io::stdout().is_terminal() && io::stdin().is_terminal() && has_screen();
        let terminal = (has_terminal && !output.no_tui).then(|| ratatui::try_init().ok()).flatten();
        let keys = terminal.as_ref().map(|_| Keys::listen()).transpose().unwrap_or(None);
        let mut dashboard = terminal.map(|terminal| Dashboard {
            terminal,
            keys,
            state: State::new(&format!(
                "{} over {}{}",
                config.server,
                crate::view::json::wire(config.wire),
                if config.find_knee.is_some() { ", search for the knee" } else { "" }
            )),
            theme: Theme::of(std::env::var("NO_COLOR").ok().as_deref()),
            notes: Vec::new(),
        });
        // A second goes by before there are figures.
        dashboard.iter_mut().for_each(Dashboard::draw);
        Ok(Self { dashboard, log, exposition, target: config.server.to_string() })
    }
}

/// A terminal that only prints has no place for a dashboard.
fn has_screen() -> bool {
    std::env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb")
}

impl Watcher {
    /// What became of a step of a search.
    pub(crate) fn step(&mut self, text: &str) {
        match &mut self.dashboard {
            Some(dashboard) => dashboard.state.step(text),
            None => drop(writeln!(io::stderr(), "{text}")),
        }
    }
}

impl Watch for Watcher {
    fn progress(&mut self, progress: &Progress, interval: &ShardStats) {
        match &mut self.dashboard {
            Some(dashboard) => {
                dashboard.state.progress(progress.clone());
                dashboard.draw();
            }
            // Nobody is left to be told where standard error is closed.
            None => drop(writeln!(io::stderr(), "{}", text::line(progress))),
        }
        if let Some(exposition) = &self.exposition {
            exposition.set(prometheus::exposition(progress, &self.target));
        }
        let row = &progress.last;
        if let Some(log) = &mut self.log {
            let start = row.at.saturating_sub(row.length);
            // Pairs have no round trips.
            let way = if interval.one_way.count() > 0 { &interval.one_way } else { &interval.rtt };
            let written = log.interval(None, start, row.length, way.histogram()).and_then(|()| {
                if interval.latency.count() == 0 {
                    return Ok(());
                }
                log.interval(Some("allocation"), start, row.length, interval.latency.histogram())
            });
            if let Err(error) = written {
                self.log = None;
                self.note(&format!("--hlog: {error}"));
            }
        }
    }

    fn note(&mut self, note: &str) {
        match &mut self.dashboard {
            Some(dashboard) => {
                dashboard.state.note(note);
                dashboard.notes.push(note.to_owned());
            }
            None => crate::run::note(note),
        }
    }

    fn wish(&mut self) -> Wish {
        self.dashboard.as_mut().map_or(Wish::GoOn, Dashboard::keys)
    }
}

impl Dashboard {
    fn keys(&mut self) -> Wish {
        let mut is_changed = false;
        while let Some(event) = self.keys.as_ref().and_then(Keys::next) {
            match event {
                Event::Key(key) => {
                    if let Some(action) = action(key) {
                        self.state.update(action);
                        is_changed = true;
                    }
                }
                Event::Resize(..) => is_changed = true,
                _ => {}
            }
        }
        if is_changed {
            self.draw();
        }
        match self.state.quit() {
            Quit::No => Wish::GoOn,
            Quit::Drain => Wish::Drain,
            Quit::Now => Wish::Stop,
        }
    }

    fn draw(&mut self) {
        let (state, theme) = (&self.state, self.theme);
        // A frame that cannot be drawn is no reason to end the load.
        drop(self.terminal.draw(|frame| render(frame, state, theme)));
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        drop(ratatui::try_restore());
        self.notes.iter().for_each(|note| crate::run::note(note));
    }
}
