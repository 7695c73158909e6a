//! One file on its way through a decoder.
//!
//! In: an opened file. Out: its records in its own order, and its summary.
//! Never: a copy of a mapped packet.

#![forbid(unsafe_code)]

use super::decode::{Context, Decoder, Head, Interfaces, Step};
use super::error::Fault;
use super::open::{Opened, Progress};
use super::record::{Record, RecordBytes};
use super::summary::{CommentSubject, FileSummary};
use super::window::Window;
use crate::packet::{FedPacket, FrameNo, PacketSink, RawPacket};
use crate::time::Timestamp;

/// Where the bytes of a file come from.
pub(super) enum Feed<'m> {
    /// All of them are there.
    Mapped(&'m [u8]),
    /// They come as they are asked for.
    Stream(Window<'m>),
    /// None any more, or none yet.
    Closed,
}

pub(super) struct Lane<'m> {
    feed: Feed<'m>,
    decoder: Decoder,
    /// Offset of the next step: behind the current record, where there is one.
    position: u64,
    head: Head,
    /// True while `head` is a record, and the one that begins at `record`.
    at_record: bool,
    record: u64,
    /// Bytes of the current record that a stream still has to hold.
    held: usize,
    last_frame: FrameNo,
    file: usize,
    pub(super) summary: FileSummary,
    packet_comments: Vec<Vec<u8>>,
    progress: Progress,
    asleep: bool,
}

impl<'m> Lane<'m> {
    /// A lane at the start of the file.
    pub(super) fn awake(opened: &'m Opened, file: usize) -> Self {
        let mut lane = Self::asleep(opened, file);
        lane.asleep = false;
        match opened.feed(&lane.progress) {
            Ok(feed) => lane.feed = feed,
            Err(error) => lane.finish(Some((0, Fault::Io(error.to_string())))),
        }
        lane
    }

    /// A lane that holds no buffers, and is to be replaced by an awake one when its turn comes.
    pub(super) fn asleep(opened: &'m Opened, file: usize) -> Self {
        Self {
            feed: Feed::Closed,
            decoder: opened.decoder(),
            position: 0,
            head: Head::NONE,
            at_record: false,
            record: 0,
            held: 0,
            last_frame: FrameNo(0),
            file,
            summary: opened.summary(),
            packet_comments: Vec::new(),
            progress: opened.progress(),
            asleep: true,
        }
    }

    pub(super) const fn is_asleep(&self) -> bool {
        self.asleep
    }

    /// Bytes of the file as it lies on disk that were read so far.
    pub(super) fn bytes_read(&self) -> u64 {
        match self.feed {
            Feed::Mapped(_) => self.position,
            Feed::Stream(_) | Feed::Closed => self.progress.bytes(),
        }
    }

    /// Goes on to the next record and tells its time.
    #[inline]
    pub(super) fn advance(&mut self, interfaces: &mut Interfaces) -> Option<Timestamp> {
        let bytes = match &mut self.feed {
            Feed::Mapped(map) => rest(map, self.position),
            Feed::Stream(window) => {
                window.consume(self.held);
                self.held = 0;
                window.bytes()
            }
            Feed::Closed => {
                self.at_record = false;
                return None;
            }
        };
        self.at_record = self.decoder.ordinary(bytes, &mut self.head) || self.advance_stepwise(interfaces);
        if !self.at_record {
            return None;
        }
        // The next position is kept and not the current one, because the next step waits for it.
        self.record = self.position;
        self.position += self.head.next as u64;
        self.held = self.head.next;
        Some(self.head.ts)
    }

    /// As `advance`, for all that is no ordinary packet. True where there is a record.
    #[cold]
    fn advance_stepwise(&mut self, interfaces: &mut Interfaces) -> bool {
        loop {
            let (bytes, at_end) = match &self.feed {
                Feed::Mapped(map) => (rest(map, self.position), true),
                Feed::Stream(window) => (window.bytes(), window.at_end()),
                Feed::Closed => return false,
            };
            let mut context = Context {
                offset: self.position,
                at_end,
                file: self.file,
                last_frame: self.last_frame,
                summary: &mut self.summary,
                interfaces,
                packet_comments: &mut self.packet_comments,
            };
            match self.decoder.step(bytes, &mut self.head, &mut context) {
                Step::Record => return true,
                Step::Skip(length) => self.consume(length),
                Step::Need(length) => self.fill(length),
                Step::End(fault) => {
                    self.finish(fault);
                    return false;
                }
            }
        }
    }

    /// Hands out up to `limit` ordinary records of a mapped pcap file one after the other, until `sink` wants no more or
    /// another kind of record comes; `frames` counts them. False where `sink` wants no more.
    #[inline(always)]
    pub(super) fn run(&mut self, limit: usize, frames: &mut u64, sink: &mut impl PacketSink<'m>) -> bool {
        let (Feed::Mapped(map), Decoder::Pcap(pcap)) = (&self.feed, &mut self.decoder) else { return true };
        let Some(records) = pcap.run().filter(|_| self.packet_comments.is_empty()) else { return true };
        let map: &'m [u8] = rest(map, self.position);
        let mut bytes = map;
        let (mut last, mut wants_more, mut packets, mut captured) = (None, true, 0, 0);
        let first_frame = *frames;
        while wants_more && packets < limit {
            let Some((record, data)) = records.next(&mut bytes) else { break };
            packets += 1;
            captured += data.len() as u64;
            last = Some(record);
            let packet = RawPacket {
                ts: records.time(record),
                frame: FrameNo(first_frame + packets as u64),
                interface: records.interface,
                link: records.link,
                wire_len: record.wire_len(),
                data,
            };
            wants_more = sink.packet(FedPacket { packet, mapped: Some(data) });
        }
        *frames += packets as u64;
        if let Some(record) = last {
            pcap.went_on_to(record);
            self.position += (map.len() - bytes.len()) as u64;
            self.last_frame = FrameNo(*frames);
            self.summary.packets += packets as u64;
            self.summary.bytes += captured;
            self.at_record = false;
        }
        wants_more
    }

    /// Hands out the current record under its number in the merged input.
    #[inline]
    pub(super) fn deliver(&mut self, frame: FrameNo) -> Option<Record<'m, '_>> {
        if !self.at_record {
            return None;
        }
        let head = &self.head;
        self.last_frame = frame;
        self.summary.packets += 1;
        self.summary.bytes += (head.end - head.start) as u64;
        if !self.packet_comments.is_empty() {
            hand_over_comments(&mut self.packet_comments, &mut self.summary, frame);
        }
        let bytes = match &self.feed {
            Feed::Mapped(map) => RecordBytes::Mapped(rest(map, self.record).get(head.start..head.end)?),
            Feed::Stream(window) => RecordBytes::Buffered(window.bytes().get(head.start..head.end)?),
            Feed::Closed => return None,
        };
        Some(Record { ts: head.ts, frame, interface: head.interface, link: head.link, wire_len: head.wire_len, bytes })
    }

    fn consume(&mut self, length: usize) {
        self.position += length as u64;
        if let Feed::Stream(window) = &mut self.feed {
            window.consume(length);
        }
    }

    #[cold]
    fn fill(&mut self, length: usize) {
        if let Feed::Stream(window) = &mut self.feed {
            window.fill(length);
        }
    }

    /// Notes the end and lets the buffers go. A reader that failed is the cause where the decoder saw only the effect.
    #[cold]
    fn finish(&mut self, fault: Option<(u64, Fault)>) {
        let failure = match &self.feed {
            Feed::Stream(window) => window.failure().cloned().map(|fault| (self.position, fault)),
            Feed::Mapped(_) | Feed::Closed => None,
        };
        if let Some((offset, fault)) = failure.or(fault) {
            let place = self.summary.place(self.last_frame, offset, fault);
            self.summary.ended(place);
        }
        if matches!(self.feed, Feed::Mapped(_)) {
            self.progress.add(self.position);
        }
        self.feed = Feed::Closed;
    }
}

/// The bytes from `position` on.
#[inline]
fn rest(map: &[u8], position: u64) -> &[u8] {
    usize::try_from(position).ok().and_then(|at| map.get(at..)).unwrap_or_default()
}

#[cold]
fn hand_over_comments(comments: &mut Vec<Vec<u8>>, summary: &mut FileSummary, frame: FrameNo) {
    for comment in comments.drain(..) {
        summary.comment(CommentSubject::Frame(frame), &comment);
    }
}
