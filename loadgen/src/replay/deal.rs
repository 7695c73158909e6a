//! Deals the RTP streams of a capture out to parts.
//!
//! In: the streams that the analyzer found, with their packets. Out: for each part its streams with times and sizes. Never: a
//! packet left out, or in two parts.
//!
//! A part is what one five-tuple, or one path inside of TURN, carries in one direction. Where a stream goes on elsewhere,
//! after ICE has chosen another pair or a channel has taken the place of indications, the part goes on with it.

use crate::media::{Beat, Kind, MAX_STREAMS, MIN_PAYLOAD};
use crate::result::Replayed;
use rtcscope::model::snapshot::{Endpoint, KeptPacket, StreamKind, StreamRow};
use std::collections::BTreeMap;
use std::time::Duration;

/// The streams of a part with their packets in order of time, counted from the first packet of the part.
pub(super) type Part = Vec<(Kind, Vec<Beat>)>;

/// Packets of the old way may come so long after the first one of the new way. What runs beside each other for longer are
/// two: the legs of a relay or an SFU, an echo.
const HANDOVER: Duration = Duration::from_millis(500);
/// So far apart may the sequence numbers on both sides of the change be. Calls one after the other with the same SSRC, as
/// tools for tests make them, are further apart.
const HANDOVER_PACKETS: u16 = 250;

/// A five-tuple or a path inside of it, and who sends.
type Way<'r> = (&'r str, Endpoint);

/// A stream, over all ways that it went.
struct Stream<'r> {
    rows: Vec<&'r StreamRow>,
    last: &'r StreamRow,
}

/// Deals them out; `notes` are said of them besides.
pub(super) fn dealt(rows: &[StreamRow], mut notes: Vec<String>) -> (Vec<Part>, Replayed) {
    let streams = joined(rows);
    let parts = parts(&streams);
    let packets = || rows.iter().flat_map(|row| &row.packets);
    let most = parts.iter().map(Vec::len).max().unwrap_or(0);
    if most > MAX_STREAMS {
        notes.push(format!(
            "a part has {most} streams; its last ones are sent as one, so that it has {MAX_STREAMS}, each packet at its time"
        ));
    }
    let facts = Replayed {
        parts: parts.len() as u64,
        streams: streams.len() as u64,
        packets: packets().count() as u64,
        padded_packets: packets().filter(|packet| (packet.bytes as usize) < MIN_PAYLOAD).count() as u64,
        length: Duration::ZERO,
        notes,
    };
    (parts.iter().map(|streams| part(streams)).collect(), facts)
}

/// In the order of their first frames.
fn joined(rows: &[StreamRow]) -> Vec<Stream<'_>> {
    let mut streams: Vec<Stream<'_>> = Vec::new();
    let mut of_ssrc: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for row in rows.iter().filter(|row| !row.packets.is_empty()) {
        let known = of_ssrc.entry(row.ssrc).or_default();
        match known.iter().find(|at| goes_on(streams[**at].last, row)) {
            Some(at) => {
                let stream = &mut streams[*at];
                stream.rows.push(row);
                stream.last = row;
            }
            None => {
                known.push(streams.len());
                streams.push(Stream { rows: vec![row], last: row });
            }
        }
    }
    streams
}

/// Whether `next` is what became of the stream before.
fn goes_on(before: &StreamRow, next: &StreamRow) -> bool {
    let (Some(last), Some(first)) = (before.packets.last(), next.packets.first()) else { return false };
    let ahead = first.seq.wrapping_sub(last.seq);
    let length = |row: &StreamRow| row.figures.last_ts.nanos_since(row.figures.first_ts);
    let overlap = before.figures.last_ts.nanos_since(next.figures.first_ts);
    let most = length(before).min(length(next)) / 2;
    ahead.min(ahead.wrapping_neg()) <= HANDOVER_PACKETS && overlap <= most.min(HANDOVER.as_nanos() as i64)
}

/// The streams of each part. Those of one five-tuple stand next to each other, whoever sent first before the other: two
/// allocations that send to each other then play the two sides of a call.
fn parts<'s, 'r>(streams: &'s [Stream<'r>]) -> Vec<Vec<&'s Stream<'r>>> {
    let mut part_of: BTreeMap<Way<'r>, usize> = BTreeMap::new();
    let mut parts: Vec<Vec<&Stream<'r>>> = Vec::new();
    for stream in streams {
        let ways = || stream.rows.iter().map(|row| way(row));
        let mut met: Vec<usize> = ways().filter_map(|way| part_of.get(&way).copied()).collect();
        met.sort_unstable();
        met.dedup();
        let (home, others) = match met.split_first() {
            Some((home, others)) => (*home, others),
            None => {
                parts.push(Vec::new());
                (parts.len() - 1, &[][..])
            }
        };
        // A stream that goes from one way to another makes one part of both.
        for other in others {
            let moved = std::mem::take(&mut parts[*other]);
            parts[home].extend(moved);
            part_of.values_mut().filter(|part| *part == other).for_each(|part| *part = home);
        }
        part_of.extend(ways().map(|way| (way, home)));
        parts[home].push(stream);
    }
    let mut flows: BTreeMap<&str, usize> = BTreeMap::new();
    for row in streams.iter().flat_map(|stream| &stream.rows) {
        let next = flows.len();
        flows.entry(&row.flow).or_insert(next);
    }
    parts.retain(|streams| !streams.is_empty());
    let place = |streams: &Vec<&Stream<'r>>| {
        let rows = || streams.iter().flat_map(|stream| &stream.rows);
        let flow = rows().filter_map(|row| flows.get(row.flow.as_str())).min();
        (flow.copied(), rows().map(|row| row.figures.first_frame).min())
    };
    parts.sort_by_key(place);
    parts
}

fn way(row: &StreamRow) -> Way<'_> {
    (&row.flow, row.src)
}

fn part(streams: &[&Stream<'_>]) -> Part {
    let packets = || streams.iter().flat_map(|stream| &stream.rows).flat_map(|row| &row.packets);
    let Some(start) = packets().map(|packet| packet.ts).min() else { return Part::new() };
    let beat = |packet: &KeptPacket| Beat {
        at: u64::try_from(packet.ts.nanos_since(start)).unwrap_or(0),
        bytes: u16::try_from(packet.bytes).unwrap_or(u16::MAX),
        marker: packet.marker,
    };
    let one = |stream: &&Stream<'_>| {
        let mut beats: Vec<Beat> = stream.rows.iter().flat_map(|row| &row.packets).map(beat).collect();
        // The clock of a capture may have been set back, and two ways overlap.
        beats.sort_by_key(|beat| beat.at);
        (kind(stream.rows.iter().find_map(|row| row.kind)), beats)
    };
    streams.iter().map(one).collect()
}

/// By it the RTP clock is chosen.
const fn kind(kind: Option<StreamKind>) -> Kind {
    match kind {
        Some(StreamKind::Audio | StreamKind::Event) => Kind::Audio,
        Some(StreamKind::Video | StreamKind::Rtx | StreamKind::Fec) => Kind::Video,
        Some(StreamKind::Text | StreamKind::Other) | None => Kind::Data,
    }
}
