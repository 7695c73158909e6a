//! From inputs to a snapshot: the only place where source and model meet.
//!
//! In: a [`Reading`]. Out: [`Examined`], or the exit code where nothing can be examined. Never: a view.

use super::config::Reading;
use super::feed::Feed;
use super::output::note;
use super::progress::Progress;
use crate::model::analyzer::{Analyzer, Options};
use crate::model::capture::{CaptureFacts, Damage, FileFacts};
use crate::model::pipeline;
use crate::model::sightings::{Collector, Sightings};
use crate::model::snapshot::Snapshot;
use crate::packet::PacketFeed;
use crate::source::{CaptureFiles, Fault, FileSummary, Input, InputError, PacketSource};
use std::process::ExitCode;

/// Exit codes beyond 0; see the report contract.
pub(super) const FAILED: u8 = 1;
pub(super) const USAGE: u8 = 2;
pub(super) const INPUT: u8 = 3;

/// Records that are walked before a look at the progress.
const RECORDS: usize = 8192;

/// What the inputs show.
pub(super) struct Examined {
    pub(super) snapshot: Snapshot,
    /// Kept, because to take it apart takes time.
    _analyzer: Analyzer,
    /// A capture is truncated, damaged, or could not be read.
    pub(super) is_damaged: bool,
}

impl Examined {
    /// The code of a run that did what it was asked for.
    pub(super) fn exit_code(&self, reading: &Reading) -> ExitCode {
        ExitCode::from(if self.is_damaged && reading.strict { INPUT } else { 0 })
    }
}

/// Reads and analyses the inputs; what has to be told of them is told.
pub(super) fn examine(reading: &Reading) -> Result<Examined, ExitCode> {
    examine_with(reading, false)
}

/// The same, and keeps how streams went over time.
pub(super) fn examine_over_time(reading: &Reading) -> Result<Examined, ExitCode> {
    examine_with(reading, true)
}

fn examine_with(reading: &Reading, series: bool) -> Result<Examined, ExitCode> {
    let files = match CaptureFiles::open(&reading.inputs) {
        Ok(files) => files,
        Err(refused) if refused.is_empty() && !reading.descriptions.is_empty() => return descriptions_only(reading),
        Err(refused) => {
            refused.iter().for_each(|error| note(&error.to_string()));
            return Err(ExitCode::from(INPUT));
        }
    };

    let turn_credentials = match reading.turn.clone().with_environment() {
        Ok(credentials) => credentials,
        Err(message) => {
            note(&message);
            return Err(ExitCode::from(USAGE));
        }
    };
    let options = Options {
        remove_copies: reading.remove_copies,
        ssrcs: reading.ssrcs.clone(),
        turn_credentials,
        series,
        keyframes: series,
        ..Options::default()
    };
    let mut analyzer = Analyzer::new(options);
    let mut refused: Vec<String> = files.refused().iter().map(ToString::to_string).collect();
    refused.extend(describe(&mut analyzer, reading));
    refused.iter().for_each(|message| note(message));
    let reader = files.reader();
    let progress = Progress::new(reader.bytes_total(), reading.quiet);
    let mut feed = Feed::new(reader, reading.filter.as_ref(), (reading.from, reading.to), progress);
    pipeline::run(&mut analyzer, &mut feed, reading.threads);
    feed.finish_progress();
    feed.wants.filter_errors.iter().for_each(|error| note(error));
    if feed.wants.filter_fits_nothing() {
        return Err(ExitCode::from(USAGE));
    }
    let facts = facts(&feed, refused);
    let is_damaged = facts.files.iter().any(|file| !file.damage.is_empty()) || !facts.refused.is_empty();
    if !reading.quiet {
        facts.files.iter().flat_map(|file| &file.damage).for_each(|damage| note(&damage.text));
    }
    let snapshot = analyzer.snapshot(facts);
    if !reading.quiet {
        let of_nothing = snapshot.findings.iter().filter(|finding| finding.tells_of_nothing());
        of_nothing.for_each(|finding| note(&finding.summary));
    }
    Ok(Examined { snapshot, _analyzer: analyzer, is_damaged })
}

/// Reads the inputs once more, for what was seen of each packet. What there is to tell of them has been told.
pub(super) fn sightings(reading: &Reading) -> Result<Sightings, ExitCode> {
    let mut collector = Collector::new();
    let Ok(files) = CaptureFiles::open(&reading.inputs) else { return Ok(collector.finish()) };
    let progress = Progress::new(None, true);
    let mut feed = Feed::new(files.reader(), reading.filter.as_ref(), (reading.from, reading.to), progress);
    while feed.feed(RECORDS, &mut collector) {}
    Ok(collector.finish())
}

/// Session descriptions without a capture: still a report, of what they say.
fn descriptions_only(reading: &Reading) -> Result<Examined, ExitCode> {
    let mut analyzer = Analyzer::new(Options::default());
    let refused = describe(&mut analyzer, reading);
    refused.iter().for_each(|message| note(message));
    if refused.len() == reading.descriptions.len() {
        return Err(ExitCode::from(INPUT));
    }
    let is_damaged = !refused.is_empty();
    let snapshot = analyzer.snapshot(CaptureFacts { refused, ..CaptureFacts::default() });
    Ok(Examined { snapshot, _analyzer: analyzer, is_damaged })
}

/// The inputs once more, for who wants packets of them; what is wrong with them in one line.
pub(super) fn open_again(inputs: &[Input]) -> Result<CaptureFiles, String> {
    CaptureFiles::open(inputs).map_err(|refused| refused.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
}

/// Reads the session descriptions; gives those that cannot be read, with the reason.
pub(super) fn describe(analyzer: &mut Analyzer, reading: &Reading) -> Vec<String> {
    let mut refused = Vec::new();
    for path in &reading.descriptions {
        match std::fs::read(path) {
            Ok(body) => analyzer.session_description(&path.display().to_string(), &body),
            Err(error) => refused.push(format!("{}: {error}", path.display())),
        }
    }
    refused
}

fn facts(feed: &Feed<'_>, refused: Vec<String>) -> CaptureFacts {
    CaptureFacts {
        files: feed.reader.files().map(file_facts).collect(),
        refused,
        dropped_by_capture: feed.reader.dropped_by_capture(),
        filtered_out: feed.wants.filtered_out,
        outside_window: feed.wants.outside_window,
        filtered_vlan: feed.wants.filtered_vlan,
        filtered_uncounted: false,
        span: feed.wants.span,
        asked: feed.wants.asked(),
    }
}

pub(super) fn file_facts(file: &FileSummary) -> FileFacts {
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
