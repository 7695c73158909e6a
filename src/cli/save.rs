//! Packets of a stream, a session or a flow, out of the inputs once more and into a file.
//!
//! In: what was read before, and which packets. Out: a pcapng file in the current folder. Never: a file overwritten or without
//! a packet, or a packet that the first walk left out.

use super::config::Reading;
use super::examine::open_again;
use super::feed::Feed;
use super::fragments::Fragments;
use super::moment::Moment;
use super::progress::Progress;
use crate::model::sieve::Sieve;
use crate::net::filter::Filter;
use crate::net::{Decoder, Unit, Verdict};
use crate::packet::{FedPacket, PacketFeed, PacketSink, RawPacket};
use crate::source::{Input, PcapngWriter};
use crate::view::tui::Selection;
use std::fs::File;
use std::io::{self, BufWriter};
use std::path::PathBuf;

/// Records that are walked at a time.
const RECORDS: usize = 8192;
/// No limit to what is kept of a packet.
const UNLIMITED: u32 = 0;
/// Files of one name.
const NAMES: usize = 1000;

/// Saves these packets; gives how many, and where.
pub(super) fn packets(reading: &Reading, selection: &Selection) -> Result<(u64, PathBuf), String> {
    if reading.inputs.iter().any(|input| matches!(input, Input::Stdin)) {
        return Err("standard input cannot be read a second time; save it to a file first".to_owned());
    }
    packets_of(&reading.inputs, reading.filter.as_ref(), (reading.from, reading.to), selection)
}

/// The same out of any files.
pub(super) fn packets_of(
    inputs: &[Input],
    filter: Option<&Filter>,
    window: (Option<Moment>, Option<Moment>),
    selection: &Selection,
) -> Result<(u64, PathBuf), String> {
    let files = open_again(inputs)?;
    let mut saver = Saver {
        stem: format!("rtcscope-{}", selection.name),
        sieve: Sieve::new(&selection.packets),
        decoder: Decoder::default(),
        fragments: Fragments::default(),
        file: None,
        result: Ok(()),
        saved: 0,
    };
    let progress = Progress::new(None, true);
    let mut feed = Feed::new(files.reader(), filter, window, progress);
    while saver.result.is_ok() && feed.feed(RECORDS, &mut saver) {}
    let Saver { result, file, saved, .. } = saver;
    let Some((path, writer)) = file else {
        result.map_err(|error| error.to_string())?;
        return Err(format!("no packet of {} was found: nothing is saved", selection.packets.of));
    };
    let written = result.and_then(|()| writer.finish(None).map(drop));
    written.map_err(|error| format!("{}: {error}", path.display()))?;
    Ok((saved, path))
}

/// A file in the current folder that was not there before: `stem.end`, `stem-2.end`, …
pub(super) fn new_file(stem: &str, end: &str) -> io::Result<(PathBuf, BufWriter<File>)> {
    let names = (1..NAMES).map(|number| match number {
        1 => PathBuf::from(format!("{stem}.{end}")),
        number => PathBuf::from(format!("{stem}-{number}.{end}")),
    });
    for path in names {
        match File::create_new(&path) {
            Ok(file) => return Ok((path, BufWriter::new(file))),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
        }
    }
    Err(io::Error::other(format!("there are {NAMES} files {stem}.{end} already")))
}

struct Saver<'s> {
    stem: String,
    sieve: Sieve<'s>,
    decoder: Decoder,
    fragments: Fragments,
    /// There is none before there is a packet for it.
    file: Option<(PathBuf, PcapngWriter<BufWriter<File>>)>,
    result: io::Result<()>,
    saved: u64,
}

impl Saver<'_> {
    /// Takes a record, and the fragments that it makes whole.
    fn take(&mut self, packet: &RawPacket<'_>) -> io::Result<()> {
        let mut is_wanted = self.sieve.has_frame(packet.frame);
        let mut parts = Vec::new();
        let (sieve, fragments) = (&mut self.sieve, &mut self.fragments);
        let verdict = self.decoder.packet(packet, |unit| match unit {
            Unit::Datagram(datagram) => {
                let is_whole_here = packet.data.as_ptr_range().contains(&datagram.payload.as_ptr());
                let held = if is_whole_here { Vec::new() } else { fragments.take(&datagram) };
                if sieve.has_datagram(&datagram) {
                    is_wanted = true;
                    parts.extend(held);
                }
            }
            Unit::Segment(segment) => is_wanted |= sieve.has_segment(&segment),
            Unit::Error(error) => is_wanted |= sieve.is_in_time(&error.flow, packet.ts),
        });
        if matches!(verdict, Verdict::FragmentHeld) && !is_wanted {
            self.fragments.hold(packet);
        }
        for part in &parts {
            self.write(&part.packet())?;
        }
        if is_wanted { self.write(packet) } else { Ok(()) }
    }

    fn write(&mut self, packet: &RawPacket<'_>) -> io::Result<()> {
        let (_, writer) = match &mut self.file {
            Some(file) => file,
            None => {
                let (path, file) = new_file(&self.stem, "pcapng")?;
                self.file.insert((path, PcapngWriter::new(file, UNLIMITED)?))
            }
        };
        self.saved += 1;
        writer.packet(packet, String::new)
    }
}

impl<'m> PacketSink<'m> for Saver<'_> {
    fn packet(&mut self, fed: FedPacket<'m, '_>) -> bool {
        self.result = self.take(&fed.packet);
        self.result.is_ok()
    }
}
