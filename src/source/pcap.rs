//! Classic pcap: microseconds, nanoseconds, Kuznetzov's patch, either byte order.
//!
//! In: the bytes from the file header on. Out: a [`Step`] for each record.
//! Never: trust in a record length beyond the bytes at hand.
//!
//! The format is that of <https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-04.html>.

#![forbid(unsafe_code)]

use super::decode::{Context, Head, InterfaceNames, MAX_PACKET, Search, Step};
use super::format::{ByteOrder, FileFormat};
use crate::packet::LinkType;
use crate::time::{NANOS_PER_SEC, Timestamp};

/// Bytes of the file header (section 4).
pub(super) const FILE_HEADER: usize = 24;

/// tcpdump's MAXIMUM_SNAPLEN: a longer record is believed only if a good one follows, whatever the snap length.
const USUAL_MAX: u32 = 262_144;

/// Records of one file are this close to each other in time, in seconds, or one of them is taken for damage. It
/// matters only where something else is wrong too.
const NEAR: u32 = 30 * 86_400;

/// So many good headers in a row end a search.
const CHAIN: usize = 3;

/// The walk over one file, from its header on.
#[derive(Clone)]
pub(super) struct Pcap {
    records: Records,
    /// Up to version 2.3 there were writers that put the original length first.
    may_be_swapped: bool,
    last_seconds: Option<u32>,
    state: State,
}

/// What the file header says of the records.
#[derive(Clone, Copy)]
pub(super) struct Records {
    order: ByteOrder,
    /// Bytes of a record header.
    header: usize,
    /// Nanoseconds in a unit of the second timestamp field.
    unit: i64,
    /// Records up to this length need no second look.
    usual: u32,
    pub(super) link: LinkType,
    pub(super) interface: u32,
}

#[derive(Clone, Copy)]
enum State {
    FileHeader,
    Records,
    Searching(Search),
}

/// A record header (section 5), of which Kuznetzov's eight more bytes are not needed.
#[derive(Clone, Copy)]
pub(super) struct RecordHeader {
    seconds: u32,
    fraction: u32,
    captured: u32,
    original: u32,
}

impl Pcap {
    pub(super) const fn new(format: FileFormat, order: ByteOrder) -> Self {
        let nanos = matches!(format, FileFormat::PcapNanos);
        Self {
            records: Records {
                order,
                header: if matches!(format, FileFormat::PcapModified) { 24 } else { 16 },
                unit: if nanos { 1 } else { 1000 },
                usual: USUAL_MAX,
                link: LinkType::NULL,
                interface: 0,
            },
            may_be_swapped: false,
            last_seconds: None,
            state: State::FileHeader,
        }
    }

    /// Takes the record at the start of `bytes` where nothing is remarkable about it.
    #[inline]
    pub(super) fn ordinary(&mut self, bytes: &[u8], head: &mut Head) -> bool {
        let State::Records = self.state else { return false };
        let Some((record, end)) = self.records.ordinary(bytes) else { return false };
        self.accept(record, end, head);
        true
    }

    /// For a run of records, where the next one is a record at all.
    pub(super) fn run(&self) -> Option<Records> {
        matches!(self.state, State::Records).then_some(self.records)
    }

    /// The last record of a run that was made with [`Self::run`].
    pub(super) fn went_on_to(&mut self, record: RecordHeader) {
        self.last_seconds = Some(record.seconds);
    }

    pub(super) fn step(&mut self, bytes: &[u8], head: &mut Head, context: &mut Context<'_>) -> Step {
        match self.state {
            State::FileHeader => return self.file_header(bytes, context),
            State::Searching(search) => return self.go_on_searching(search, bytes, context),
            State::Records => {}
        }
        if self.ordinary(bytes, head) {
            return Step::Record;
        }
        match self.ordered_header(bytes) {
            Some(record) => self.second_look(record, bytes, head, context),
            None => context.need(self.records.header, bytes.len()),
        }
    }

    fn accept(&mut self, record: RecordHeader, end: usize, head: &mut Head) {
        self.last_seconds = Some(record.seconds);
        *head = Head {
            ts: self.records.time(record),
            interface: self.records.interface,
            link: self.records.link,
            wire_len: record.wire_len(),
            start: self.records.header,
            end,
            next: end,
        };
    }

    /// As `record_header`, with the lengths of an old file in the usual order.
    fn ordered_header(&self, bytes: &[u8]) -> Option<RecordHeader> {
        let record = self.records.header(bytes)?;
        let swapped = self.may_be_swapped && record.captured > record.original;
        Some(if swapped {
            RecordHeader { captured: record.original, original: record.captured, ..record }
        } else {
            record
        })
    }

    /// A record that is unusually long, ends behind the bytes at hand or contradicts itself: there are writers that
    /// do so, and the bytes that follow decide.
    #[cold]
    fn second_look(&mut self, record: RecordHeader, bytes: &[u8], head: &mut Head, context: &mut Context<'_>) -> Step {
        let captured = record.captured as usize;
        if captured > MAX_PACKET {
            return self.search(context, "a record longer than 16 MiB");
        }
        let end = self.records.header + captured;
        let nothing = record.seconds == 0 && record.fraction == 0 && captured == 0 && record.original == 0;
        if nothing {
            return self.search(context, "a record header of zeros");
        }
        if !context.at_end && bytes.len() < end + self.records.header {
            return Step::Need(end + self.records.header);
        }
        if end > bytes.len() {
            if self.is_good(record, self.last_seconds) {
                return context.need(end, bytes.len());
            }
            return self.search(context, "a record that ends behind the end of the file");
        }
        let rest = bytes.get(end..).unwrap_or_default();
        let goes_on = match self.ordered_header(rest) {
            None => true,
            Some(next) => next.captured as usize <= MAX_PACKET && next.seconds.abs_diff(record.seconds) <= NEAR,
        };
        if !goes_on {
            return self.search(context, "a record header that cannot be");
        }
        self.accept(record, end, head);
        Step::Record
    }

    fn search(&mut self, context: &mut Context<'_>, fault: &'static str) -> Step {
        let (search, step) = Search::begin(context, fault);
        self.state = State::Searching(search);
        step
    }

    fn go_on_searching(&mut self, mut search: Search, bytes: &[u8], context: &mut Context<'_>) -> Step {
        let at_end = context.at_end;
        let found = search.go_on(bytes, context, |at| self.is_chain(bytes.get(at..).unwrap_or_default(), at_end));
        self.state = if found.is_ok() { State::Records } else { State::Searching(search) };
        found.map_or_else(|step| step, Step::Skip)
    }

    /// Three good headers in a row, or one after which the file properly ends.
    fn is_chain(&self, mut bytes: &[u8], at_end: bool) -> bool {
        let mut before = self.last_seconds;
        for _ in 0..CHAIN {
            let Some(record) = self.ordered_header(bytes).filter(|&record| self.is_good(record, before)) else {
                return false;
            };
            let Some(rest) = bytes.get(self.records.header + record.captured as usize..) else {
                return false;
            };
            if at_end && rest.is_empty() {
                return true;
            }
            before = Some(record.seconds);
            bytes = rest;
        }
        true
    }

    /// A header that nothing speaks against: used where there is reason for doubt.
    fn is_good(&self, record: RecordHeader, before: Option<u32>) -> bool {
        record.original > 0
            && record.original as usize <= MAX_PACKET
            && record.captured <= record.original
            && record.captured <= self.records.usual
            && i64::from(record.fraction) * self.records.unit < NANOS_PER_SEC
            && before.is_none_or(|seconds| seconds.abs_diff(record.seconds) <= NEAR)
    }

    fn file_header(&mut self, bytes: &[u8], context: &mut Context<'_>) -> Step {
        let (Some(snap_len), Some(link)) = (self.records.order.u32_at(bytes, 16), self.records.order.u32_at(bytes, 20))
        else {
            return context.need(FILE_HEADER, bytes.len());
        };
        // The upper half has the FCS length and reserved bits (section 4); the link type is the lower half.
        self.records.link = LinkType(link as u16);
        let version = (self.records.order.u16_at(bytes, 4), self.records.order.u16_at(bytes, 6));
        self.may_be_swapped = matches!(version, (Some(2), Some(0..=3)));
        self.records.usual = snap_len.clamp(USUAL_MAX, MAX_PACKET as u32);
        self.records.interface = context.interface(self.records.link, snap_len, InterfaceNames::default());
        self.state = State::Records;
        Step::Skip(FILE_HEADER)
    }
}

impl RecordHeader {
    #[inline(always)]
    pub(super) fn wire_len(self) -> u32 {
        self.original.max(self.captured)
    }
}

impl Records {
    /// The header of the record at the start of `bytes` and the end of its packet, where nothing is remarkable about
    /// it; this is the hot path.
    #[inline(always)]
    fn ordinary(&self, bytes: &[u8]) -> Option<(RecordHeader, usize)> {
        let record = self.header(bytes)?;
        let end = self.header + record.captured as usize;
        let remarkable = record.captured > self.usual
            || record.captured > record.original
            || record.original == 0
            || end > bytes.len();
        (!remarkable).then_some((record, end))
    }

    /// As [`Self::ordinary`], with the packet; `bytes` then begin behind it.
    #[inline(always)]
    pub(super) fn next<'a>(&self, bytes: &mut &'a [u8]) -> Option<(RecordHeader, &'a [u8])> {
        let (record, end) = self.ordinary(bytes)?;
        let (this, rest) = bytes.split_at_checked(end)?;
        *bytes = rest;
        Some((record, this.get(self.header..)?))
    }

    #[inline(always)]
    fn header(&self, bytes: &[u8]) -> Option<RecordHeader> {
        if bytes.len() < self.header {
            return None;
        }
        let bytes = bytes.first_chunk::<16>()?;
        // One test for the whole header: four conditional swaps would lie between this length and the next record.
        Some(match self.order {
            ByteOrder::Little => fields(bytes, ByteOrder::Little)?,
            ByteOrder::Big => fields(bytes, ByteOrder::Big)?,
        })
    }

    #[inline(always)]
    pub(super) fn time(&self, record: RecordHeader) -> Timestamp {
        // Cannot overflow: both factors are below 2^32 and 10^9, and the sum stays below 2^63.
        Timestamp::from_nanos(i64::from(record.seconds) * NANOS_PER_SEC + i64::from(record.fraction) * self.unit)
    }
}

#[inline(always)]
fn fields(bytes: &[u8; 16], order: ByteOrder) -> Option<RecordHeader> {
    Some(RecordHeader {
        seconds: order.u32_at(bytes, 0)?,
        fraction: order.u32_at(bytes, 4)?,
        captured: order.u32_at(bytes, 8)?,
        original: order.u32_at(bytes, 12)?,
    })
}
