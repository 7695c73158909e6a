//! The wiring: the only place where source and model meet.
//!
//! In: the process' arguments. Out: its exit code. Never: a panic for bad input.

use super::args::{AnalyzeArguments, Arguments, Command, Format};
use super::config::Config;
use super::feed::Feed;
use super::output::{self, note};
use super::progress::Progress;
use crate::model::analyzer::{Analyzer, Options};
use crate::model::capture::{CaptureFacts, Damage, FileFacts};
use crate::model::pipeline;
use crate::source::{CaptureFiles, Fault, FileSummary, InputError, PacketSource};
use crate::view::explain;
use clap::{CommandFactory, Parser};
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// Exit codes beyond 0; see the report contract.
const USAGE: u8 = 2;
const INPUT: u8 = 3;

/// The program.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version go to standard output and are no error; a closed pipe is none either.
            let code = if error.use_stderr() { USAGE } else { 0 };
            drop(error.print());
            return ExitCode::from(code);
        }
    };
    match arguments.command {
        None => analyze(arguments.analyze),
        Some(Command::Analyze(arguments)) => analyze(*arguments),
        Some(Command::Explain { code }) => explain(code.as_deref()),
        Some(Command::Completions { shell }) => print(|out| {
            clap_complete::generate(shell, &mut Arguments::command(), "rtcscope", out);
            Ok(())
        }),
        Some(Command::Man) => print(|out| clap_mangen::Man::new(Arguments::command()).render(out)),
    }
}

fn print(render: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> ExitCode {
    let mut page = Vec::new();
    let result = render(&mut page).and_then(|()| io::stdout().write_all(&page));
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => fail(INPUT, &error.to_string()),
        _ => ExitCode::SUCCESS,
    }
}

fn explain(code: Option<&str>) -> ExitCode {
    let page = match code {
        None => Some(explain::list()),
        Some(code) => explain::page(code),
    };
    if let Some(page) = page {
        return print(|out| out.write_all(page.as_bytes()));
    }
    let code = code.unwrap_or_default();
    let hint = match explain::near(code).as_slice() {
        [] => "`rtcscope explain` lists all".to_owned(),
        near => format!("did you mean {}?", near.join(", ")),
    };
    fail(USAGE, &format!("there is no finding {code:?}; {hint}"))
}

fn fail(code: u8, message: &str) -> ExitCode {
    note(message);
    ExitCode::from(code)
}

fn analyze(arguments: AnalyzeArguments) -> ExitCode {
    let config = match Config::of(arguments) {
        Ok(config) => config,
        Err(message) => return fail(USAGE, &message),
    };
    let files = match CaptureFiles::open(&config.inputs) {
        Ok(files) => files,
        Err(refused) if refused.is_empty() && !config.descriptions.is_empty() => return descriptions_only(&config),
        Err(refused) => {
            refused.iter().for_each(|error| note(&error.to_string()));
            return ExitCode::from(INPUT);
        }
    };

    let from_file = |path: &Path| std::fs::read_to_string(path);
    let turn_credentials = match config.turn.clone().credentials(|name| std::env::var_os(name), from_file) {
        Ok(credentials) => credentials,
        Err(message) => return fail(USAGE, &message),
    };
    let options = Options {
        remove_copies: config.remove_copies,
        ssrcs: config.ssrcs.clone(),
        turn_credentials,
        ..Options::default()
    };
    let mut analyzer = Analyzer::new(options);
    let mut refused: Vec<String> = files.refused().iter().map(ToString::to_string).collect();
    refused.extend(describe(&mut analyzer, &config));
    refused.iter().for_each(|message| note(message));
    let reader = files.reader();
    let progress = Progress::new(reader.bytes_total(), config.quiet);
    let mut feed = Feed::new(reader, config.filter.as_ref(), (config.from, config.to), progress);
    pipeline::run(&mut analyzer, &mut feed, config.threads);
    feed.finish_progress();
    feed.wants.filter_errors.iter().for_each(|error| note(error));
    if feed.wants.filter_fits_nothing() {
        return ExitCode::from(USAGE);
    }
    let facts = facts(&feed, refused);
    let damaged = facts.files.iter().any(|file| !file.damage.is_empty()) || !facts.refused.is_empty();
    if !config.quiet {
        facts.files.iter().flat_map(|file| &file.damage).for_each(|damage| note(&damage.text));
    }
    let snapshot = analyzer.snapshot(facts);
    if !config.quiet {
        let of_nothing = snapshot.findings.iter().filter(|finding| finding.tells_of_nothing());
        of_nothing.for_each(|finding| note(&finding.summary));
        if config.format == Format::Csv && snapshot.streams.is_empty() {
            note("no RTP stream to list; csv has rows for nothing else");
        }
    }
    if let Err(error) = output::report(&snapshot, &config) {
        return fail(INPUT, &format!("the report could not be written: {error}"));
    }
    // The process ends: to give all of it back piece by piece first would be work for nobody.
    std::mem::forget((analyzer, snapshot));
    ExitCode::from(if damaged && config.strict { INPUT } else { 0 })
}

/// Session descriptions without a capture: still a report, of what they say.
fn descriptions_only(config: &Config) -> ExitCode {
    let mut analyzer = Analyzer::new(Options::default());
    let refused = describe(&mut analyzer, config);
    refused.iter().for_each(|message| note(message));
    if refused.len() == config.descriptions.len() {
        return ExitCode::from(INPUT);
    }
    let damaged = !refused.is_empty();
    match output::report(&analyzer.snapshot(CaptureFacts { refused, ..CaptureFacts::default() }), config) {
        Ok(()) => ExitCode::from(if damaged && config.strict { INPUT } else { 0 }),
        Err(error) => fail(INPUT, &format!("the report could not be written: {error}")),
    }
}

/// Reads the session descriptions; gives those that cannot be read, with the reason.
fn describe(analyzer: &mut Analyzer, config: &Config) -> Vec<String> {
    let mut refused = Vec::new();
    for path in &config.descriptions {
        match std::fs::read(path) {
            Ok(body) => analyzer.session_description(&path.display().to_string(), &body),
            Err(error) => refused.push(format!("{}: {error}", path.display())),
        }
    }
    refused
}

fn facts(feed: &Feed<'_, '_>, refused: Vec<String>) -> CaptureFacts {
    CaptureFacts {
        files: feed.reader.files().map(file_facts).collect(),
        refused,
        dropped_by_capture: feed.reader.dropped_by_capture(),
        filtered_out: feed.wants.filtered_out,
        outside_window: feed.wants.outside_window,
        filtered_vlan: feed.wants.filtered_vlan,
        span: feed.wants.span,
        asked: feed.wants.asked(),
    }
}

fn file_facts(file: &FileSummary) -> FileFacts {
    // A search for the next good record that finds none ends the file where it began, at a place that is known already.
    let is_end = |place: &InputError| file.end.as_ref() == Some(place);
    let end = file.end.as_ref().filter(|end| !file.damage.contains(end));
    let counted = file.damaged_places > file.damage.len() as u64;
    let is_new = end.is_some_and(|end| !(counted && matches!(end.fault, Fault::Damaged(_))));
    FileFacts {
        name: file.name.clone(),
        format: file.format_name(),
        link_types: file.link_types.iter().map(ToString::to_string).collect(),
        packets: file.packets,
        truncated: file.truncated,
        damaged_places: file.damaged_places + u64::from(is_new),
        skipped_bytes: file.skipped_bytes,
        damage: file.damage.iter().chain(end).map(|place| damage(place, is_end(place))).collect(),
    }
}

fn damage(place: &InputError, is_end: bool) -> Damage {
    let behind = if is_end && !place.fault.is_truncation() { "; nothing can be read behind it" } else { "" };
    Damage { text: format!("{place}{behind}"), frame: (place.frame.0 > 0).then_some(place.frame) }
}
