//! Two points of one path: what was lost, delayed and reordered between them.
//!
//! In: paired packets and both reports. Out: [`Path`]. Never: loss outside of the time in which both captures ran.

use super::Side;
use super::clock::{ClockOffset, Strand, measure};
use super::pairing::{Paired, Pairing};
use crate::model::sightings::{Group, Kind, Sightings};
use crate::time::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

/// Frames of lost packets that are named.
const FRAMES: usize = 10;

/// Which way packets went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Heading {
    /// They passed A first.
    AToB,
    /// They passed B first.
    BToA,
}

/// How that is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DirectionBy {
    /// By the times against those of the other way.
    Delay,
    /// By the hops left.
    Hops,
    /// Nothing tells; from the first capture named to the second.
    Assumed,
}

/// The whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Path {
    /// None where no packet is in both.
    pub clock: Option<ClockOffset>,
    /// RTP streams that are in both, in order of their first packet in A.
    pub streams: Vec<PathStream>,
    /// Other packets by class.
    pub others: Vec<OtherPackets>,
    /// RTP streams that only A has.
    pub only_a: Vec<Lone>,
    /// RTP streams that only B has.
    pub only_b: Vec<Lone>,
    /// Packets for which there was no room, and packets that a snap length cut: of both captures.
    pub not_compared: u64,
}

/// A stream at both points.
#[derive(Clone, Debug, PartialEq)]
pub struct PathStream {
    /// Ids in the reports.
    pub a: Option<String>,
    /// The same of B.
    pub b: Option<String>,
    /// The synchronization source.
    pub ssrc: u32,
    /// `audio`, `video`, where a report knows it.
    pub kind: Option<String>,
    /// The codec, where a report knows it.
    pub codec: Option<String>,
    /// Ends at A.
    pub src: String,
    /// Ends at A.
    pub dst: String,
    /// Which way.
    pub heading: Heading,
    /// How that is known.
    pub heading_by: DirectionBy,
    /// What became of its packets.
    pub passage: Passage,
}

/// What became of packets between the points.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Passage {
    /// Packets that are in both.
    pub matched: u64,
    /// Packets that passed the first point and should have passed the second while it was captured, and are not there.
    pub lost: u64,
    /// In percent of those and the matched.
    pub lost_pct: Option<f64>,
    /// Frames of the first ten of them in the capture of the first point.
    pub lost_frames: Vec<u64>,
    /// Packets that only the second point has, once more than the first or not at all.
    pub extra: u64,
    /// Packets of one point at a time when the other was not captured.
    pub outside: u64,
    /// Packets that came to the second point behind one that left the first point later (RFC 4737, section 3).
    pub reordered: u64,
    /// From the first point to the second.
    pub delay: Option<Delay>,
    /// Routers between the points, by the time to live; none where it did not fall.
    pub hops: Option<u8>,
}

/// Delays in nanoseconds, exact: each is that of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Delay {
    pub min: i64,
    pub p50: i64,
    pub p99: i64,
    pub max: i64,
}

/// Packets of a class other than RTP.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OtherPackets {
    /// The class.
    pub class: String,
    /// In both.
    pub matched: u64,
    /// In A only, while B was captured.
    pub only_a: u64,
    /// In B only, while A was captured.
    pub only_b: u64,
}

/// A stream that one capture has.
#[derive(Clone, Debug, PartialEq)]
pub struct Lone {
    /// Its id in the report.
    pub id: String,
    /// The synchronization source.
    pub ssrc: u32,
    /// Its ends.
    pub src: String,
    /// Its ends.
    pub dst: String,
    /// How many.
    pub packets: u64,
}

impl Path {
    pub(super) fn of(a: &Side<'_>, b: &Side<'_>, pairing: &Pairing) -> Self {
        let strands: Vec<Strand> = pairing.pairs.iter().filter_map(|pair| strand(pair, a, b)).collect();
        let (headings, clock) = measure(&strands);
        let streams = (Streams::of(a.report), Streams::of(b.report));
        let mut path = Path { clock, ..Path::default() };
        let mut others: BTreeMap<&'static str, OtherPackets> = BTreeMap::new();
        for (pair, (heading, heading_by)) in pairing.pairs.iter().zip(headings) {
            let (Some(group), Some(group_b)) = (a.sightings.groups.get(pair.a), b.sightings.groups.get(pair.b)) else {
                continue;
            };
            let passage = Passage::of(pair, heading, clock, (a.sightings, b.sightings), (group, group_b));
            let (row_a, row_b) = (streams.0.of_group(group), streams.1.of_group(group_b));
            match group.kind {
                Kind::Rtp(ssrc) if row_a.is_some() || row_b.is_some() => path.streams.push(PathStream {
                    a: row_a.map(|row| text(row, "id")),
                    b: row_b.map(|row| text(row, "id")),
                    ssrc,
                    kind: known(row_a, row_b, "kind"),
                    codec: known(row_a, row_b, "codec"),
                    src: group.src.to_string(),
                    dst: group.dst.to_string(),
                    heading,
                    heading_by,
                    passage,
                }),
                kind => {
                    let (first, second) = (passage.lost, passage.extra);
                    let (only_a, only_b) = if heading == Heading::AToB { (first, second) } else { (second, first) };
                    let row = others.entry(class(kind)).or_default();
                    row.matched += passage.matched;
                    row.only_a += only_a;
                    row.only_b += only_b;
                }
            }
        }
        for (side, streams, lone, is_a) in
            [(a, &streams.0, &pairing.lone_a, true), (b, &streams.1, &pairing.lone_b, false)]
        {
            for (group, packets) in lone {
                let Some(group) = side.sightings.groups.get(*group) else { continue };
                let row = others.entry(class(group.kind));
                match (group.kind, streams.of_group(group)) {
                    (Kind::Rtp(ssrc), Some(row)) => {
                        let (src, dst) = (group.src.to_string(), group.dst.to_string());
                        let lone = Lone { id: text(row, "id"), ssrc, src, dst, packets: *packets as u64 };
                        if is_a { path.only_a.push(lone) } else { path.only_b.push(lone) }
                    }
                    _ if is_a => row.or_default().only_a += *packets as u64,
                    _ => row.or_default().only_b += *packets as u64,
                }
            }
        }
        path.others = others.into_iter().map(|(class, row)| OtherPackets { class: class.to_owned(), ..row }).collect();
        path.not_compared = [a, b].iter().map(|side| side.sightings.not_kept + side.sightings.cut).sum();
        path
    }

    /// Packets of streams that got lost, and those that came out of order.
    pub fn faults(&self) -> (u64, u64) {
        let sum = |of: fn(&Passage) -> u64| self.streams.iter().map(|stream| of(&stream.passage)).sum();
        (sum(|passage| passage.lost), sum(|passage| passage.reordered))
    }
}

fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::Rtp(_) => "rtp_unconfirmed",
        Kind::Other(class) => class,
    }
}

fn strand(pair: &Paired, a: &Side<'_>, b: &Side<'_>) -> Option<Strand> {
    let (group_a, group_b) = (a.sightings.groups.get(pair.a)?, b.sightings.groups.get(pair.b)?);
    let times = pair.matched.iter().filter_map(|(place_a, place_b)| {
        let (at_a, at_b) = (time(a.sightings, *place_a)?, time(b.sightings, *place_b)?);
        Some((at_a.as_nanos(), at_b.nanos_since(at_a)))
    });
    let ttl = (group_a.ttl, group_b.ttl);
    Some(Strand { src: group_a.src, dst: group_a.dst, ttl, differences: times.collect() })
}

fn time(sightings: &Sightings, place: u32) -> Option<Timestamp> {
    sightings.seen.get(place as usize).map(|seen| seen.ts)
}

impl Passage {
    fn of(
        pair: &Paired,
        heading: Heading,
        clock: Option<ClockOffset>,
        (a, b): (&Sightings, &Sightings),
        (group_a, group_b): (&Group, &Group),
    ) -> Self {
        // From here on, first and second are the points in the order in which packets pass them.
        let forward = heading == Heading::AToB;
        let (first, second) = if forward { (a, b) } else { (b, a) };
        let (only_first, only_second) =
            if forward { (&pair.only_a, &pair.only_b) } else { (&pair.only_b, &pair.only_a) };
        let (ttl_first, ttl_second) = if forward { (group_a.ttl, group_b.ttl) } else { (group_b.ttl, group_a.ttl) };
        let mut matched: Vec<(u32, u32)> =
            pair.matched.iter().map(|(of_a, of_b)| if forward { (*of_a, *of_b) } else { (*of_b, *of_a) }).collect();
        matched.sort_unstable();
        let ahead = clock.map(|clock| if forward { clock.nanos } else { -clock.nanos });
        let mut delays: Vec<i64> = matched
            .iter()
            .filter_map(|(at_first, at_second)| {
                Some(time(second, *at_second)?.nanos_since(time(first, *at_first)?) - ahead?)
            })
            .collect();
        delays.sort_unstable();
        let delay = Delay::of(&delays);
        let usual = ahead.unwrap_or_default() + delay.map_or(0, |delay| delay.p50);
        let while_captured = |sightings: &Sightings, place: &u32, other: &Sightings, shift: i64| {
            let (Some(ts), Some((from, to))) = (time(sightings, *place), other.span) else { return false };
            (from..=to).contains(&ts.plus_nanos(shift))
        };
        let (lost, outside_first): (Vec<u32>, Vec<u32>) =
            only_first.iter().partition(|place| while_captured(first, place, second, usual));
        let (extra, outside_second): (Vec<u32>, Vec<u32>) =
            only_second.iter().partition(|place| while_captured(second, place, first, -usual));
        let all = matched.len() + lost.len();
        let frame = |place: &u32| first.seen.get(*place as usize).map(|seen| u64::from(seen.frame));
        Self {
            matched: matched.len() as u64,
            lost: lost.len() as u64,
            lost_pct: (all > 0).then(|| 100.0 * lost.len() as f64 / all as f64),
            lost_frames: lost.iter().filter_map(frame).take(FRAMES).collect(),
            extra: extra.len() as u64,
            outside: (outside_first.len() + outside_second.len()) as u64,
            reordered: reordered(&matched),
            delay,
            hops: ttl_first.checked_sub(ttl_second).filter(|hops| *hops > 0),
        }
    }
}

/// Packets that came behind one that had left later.
fn reordered(matched: &[(u32, u32)]) -> u64 {
    let mut arrivals: Vec<(u32, u32)> = matched.iter().map(|(left, came)| (*came, *left)).collect();
    arrivals.sort_unstable();
    let mut latest = None;
    let mut count = 0;
    for (_, left) in arrivals {
        if latest.is_some_and(|latest| left < latest) {
            count += 1;
        } else {
            latest = Some(left);
        }
    }
    count
}

impl Delay {
    fn of(sorted: &[i64]) -> Option<Self> {
        // The nearest rank: a value that occurred.
        let rank = |percent: usize| sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1)).copied();
        Some(Self { min: *sorted.first()?, p50: rank(50)?, p99: rank(99)?, max: *sorted.last()? })
    }
}

/// The streams of a report, by what a group knows of them.
struct Streams<'r>(BTreeMap<(&'r str, &'r str, &'r str), &'r Value>);

impl<'r> Streams<'r> {
    fn of(report: &'r Value) -> Self {
        let rows = report.get("rtp_streams").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let key =
            |row: &'r Value| Some((row.get("src")?.as_str()?, row.get("dst")?.as_str()?, row.get("ssrc")?.as_str()?));
        Self(rows.iter().filter_map(|row| Some((key(row)?, row))).collect())
    }

    fn of_group(&self, group: &Group) -> Option<&'r Value> {
        let Kind::Rtp(ssrc) = group.kind else { return None };
        let (src, dst, ssrc) = (group.src.to_string(), group.dst.to_string(), format!("0x{ssrc:08x}"));
        self.0.get(&(src.as_str(), dst.as_str(), ssrc.as_str())).copied()
    }
}

fn text(row: &Value, key: &str) -> String {
    row.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn known(a: Option<&Value>, b: Option<&Value>, key: &str) -> Option<String> {
    [a, b].into_iter().flatten().find_map(|row| row.get(key)?.as_str()).map(str::to_owned)
}
