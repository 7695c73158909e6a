//! Packets of some flows, out of the inputs once more and into a file.
//!
//! In: what was read before, and which flows. Out: a pcapng file in the current folder. Never: a file overwritten, or a packet
//! that the first walk left out.

use super::config::Reading;
use super::examine::open_again;
use super::feed::Feed;
use super::moment::Moment;
use super::progress::Progress;
use crate::net::filter::{Filter, Program};
use crate::net::{Decoder, Endpoint, FiveTuple, Transport, Unit, Verdict};
use crate::packet::{FedPacket, LinkType, PacketFeed, PacketSink, RawPacket};
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

/// Saves the packets of these flows; gives how many, and where.
pub(super) fn flows(reading: &Reading, selection: &Selection) -> Result<(u64, PathBuf), String> {
    if reading.inputs.iter().any(|input| matches!(input, Input::Stdin)) {
        return Err("standard input cannot be read a second time; save it to a file first".to_owned());
    }
    flows_of(&reading.inputs, reading.filter.as_ref(), (reading.from, reading.to), selection)
}

/// The same out of any files.
pub(super) fn flows_of(
    inputs: &[Input],
    filter: Option<&Filter>,
    window: (Option<Moment>, Option<Moment>),
    selection: &Selection,
) -> Result<(u64, PathBuf), String> {
    let files = open_again(inputs)?;
    let (path, file) =
        new_file(&format!("rtcscope-{}", selection.name), "pcapng").map_err(|error| error.to_string())?;
    let failed = |error: io::Error| format!("{}: {error}", path.display());
    let writer = PcapngWriter::new(file, UNLIMITED).map_err(failed)?;
    let mut saver = Saver {
        wanted: &selection.flows,
        decoder: Decoder::default(),
        hosts: Vec::new(),
        writer,
        result: Ok(()),
        saved: 0,
    };
    let progress = Progress::new(None, true);
    let mut feed = Feed::new(files.reader(), filter, window, progress);
    while saver.result.is_ok() && feed.feed(RECORDS, &mut saver) {}
    let Saver { result, writer, saved, .. } = saver;
    result.and_then(|()| writer.finish(None).map(drop)).map_err(failed)?;
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
    wanted: &'s [(Transport, Endpoint, Endpoint)],
    decoder: Decoder,
    /// For each link type met: what is between the hosts of a flow, whatever the ports. Fragments have none.
    hosts: Vec<(LinkType, Vec<Program>)>,
    writer: PcapngWriter<BufWriter<File>>,
    result: io::Result<()>,
    saved: u64,
}

impl Saver<'_> {
    fn wants(&mut self, packet: &RawPacket<'_>) -> bool {
        let mut is_wanted = false;
        let has = |flow: &FiveTuple| {
            self.wanted.iter().any(|(transport, a, b)| {
                flow.transport == *transport && ((flow.src, flow.dst) == (*a, *b) || (flow.src, flow.dst) == (*b, *a))
            })
        };
        let verdict = self.decoder.packet(packet, |unit| {
            is_wanted |= match unit {
                Unit::Datagram(datagram) => has(&datagram.flow),
                Unit::Segment(segment) => has(&segment.flow),
                Unit::Error(error) => has(&error.flow),
            };
        });
        is_wanted || matches!(verdict, Verdict::FragmentHeld) && self.is_between_hosts(packet)
    }

    fn is_between_hosts(&mut self, packet: &RawPacket<'_>) -> bool {
        let known = self.hosts.iter().position(|(link, _)| *link == packet.link);
        let at = known.unwrap_or_else(|| {
            let programs = self.wanted.iter().filter_map(|(_, a, b)| {
                let filter = Filter::parse(&format!("host {} and host {}", a.addr, b.addr)).ok()?;
                filter.compile(packet.link).ok()
            });
            self.hosts.push((packet.link, programs.collect()));
            self.hosts.len() - 1
        });
        let programs = self.hosts.get(at).map_or(&[] as &[Program], |(_, programs)| programs);
        programs.iter().any(|program| program.matches(packet.data, packet.wire_len))
    }
}

impl<'m> PacketSink<'m> for Saver<'_> {
    fn packet(&mut self, fed: FedPacket<'m, '_>) -> bool {
        if self.wants(&fed.packet) {
            self.result = self.writer.packet(&fed.packet, String::new);
            self.saved += 1;
        }
        self.result.is_ok()
    }
}
