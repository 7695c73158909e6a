//! Several files as one, by time.
//!
//! In: opened files. Out: their records, always the earliest of those that stand first in their files; where times are
//! equal, the file that was named first. Each file keeps its own order, also where its times go back.
//! Never: a record twice, two compressed files unpacked at once that do not overlap in time.

#![forbid(unsafe_code)]

use super::decode::Interfaces;
use super::lane::Lane;
use super::open::CaptureFiles;
use super::record::{Interface, PacketSource, Record};
use super::summary::FileSummary;
use crate::packet::{FedPacket, FrameNo, PacketFeed, PacketSink};
use crate::time::Timestamp;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Reads all files of a [`CaptureFiles`], merged by time.
pub struct MergedReader<'m> {
    files: &'m CaptureFiles,
    lanes: Vec<Lane<'m>>,
    /// Time of the first record of each lane that has one. Not used for a single file, nor is `out`.
    queue: BinaryHeap<Reverse<(Timestamp, usize)>>,
    /// The lane whose record is out, and which has to go on before the next.
    out: Option<usize>,
    frames: u64,
    interfaces: Interfaces,
}

impl<'m> MergedReader<'m> {
    pub(super) fn new(files: &'m CaptureFiles) -> Self {
        let lanes = files.opened.iter().enumerate().map(|(file, opened)| Lane::awake(opened, file)).collect();
        let mut reader =
            Self { files, lanes, queue: BinaryHeap::new(), out: None, frames: 0, interfaces: Interfaces::default() };
        if reader.lanes.len() > 1 {
            reader.line_up();
        }
        reader
    }

    /// What each file held, as far as it was read, in the order in which the files were named.
    pub fn files(&self) -> impl ExactSizeIterator<Item = &FileSummary> {
        self.lanes.iter().map(|lane| &lane.summary)
    }

    /// Bytes read so far, of files as they lie on disk.
    pub fn bytes_read(&self) -> u64 {
        self.lanes.iter().map(Lane::bytes_read).sum()
    }

    /// Bytes that there are to read; `None` where an input is a pipe.
    pub fn bytes_total(&self) -> Option<u64> {
        self.files.opened.iter().map(|opened| opened.size).sum()
    }

    /// Finds the first time of each file. A compressed file is then put to sleep until its turn, because its buffers
    /// are worth megabytes and a ring of captures has many files.
    fn line_up(&mut self) {
        for (index, (lane, opened)) in self.lanes.iter_mut().zip(&self.files.opened).enumerate() {
            let first = if opened.can_be_read_again() {
                let first = lane.advance(&mut Interfaces::default());
                *lane = if first.is_some() { Lane::asleep(opened, index) } else { Lane::awake(opened, index) };
                first.or_else(|| lane.advance(&mut self.interfaces))
            } else {
                lane.advance(&mut self.interfaces)
            };
            self.queue.extend(first.map(|ts| Reverse((ts, index))));
        }
    }

    /// The lane of the next record of several files.
    fn next_lane(&mut self) -> Option<usize> {
        if let Some(index) = self.out.take()
            && let Some(ts) = self.lanes.get_mut(index)?.advance(&mut self.interfaces)
        {
            self.queue.push(Reverse((ts, index)));
        }
        loop {
            let Reverse((_, index)) = self.queue.pop()?;
            let lane = self.lanes.get_mut(index)?;
            if lane.is_asleep() {
                *lane = Lane::awake(self.files.opened.get(index)?, index);
                if lane.advance(&mut self.interfaces).is_none() {
                    continue;
                }
            }
            self.out = Some(index);
            return Some(index);
        }
    }
}

impl<'m> PacketFeed<'m> for MergedReader<'m> {
    #[inline(always)]
    fn feed(&mut self, limit: usize, sink: &mut impl PacketSink<'m>) -> bool {
        let end = self.frames + limit as u64;
        while self.frames < end {
            if let [lane] = self.lanes.as_mut_slice()
                && !lane.run((end - self.frames) as usize, &mut self.frames, sink)
            {
                return true;
            }
            if self.frames == end {
                return true;
            }
            // What the run stopped at, or a record of any other file.
            let Some(record) = self.next_record() else { return false };
            let fed = FedPacket { packet: record.packet(), mapped: record.mapped_packet().map(|mapped| mapped.data) };
            if !sink.packet(fed) {
                return true;
            }
        }
        true
    }
}

impl<'m> PacketSource<'m> for MergedReader<'m> {
    #[inline]
    fn next_record(&mut self) -> Option<Record<'m, '_>> {
        let index = if self.lanes.len() == 1 { 0 } else { self.next_lane()? };
        let lane = self.lanes.get_mut(index)?;
        if self.out.is_none() {
            lane.advance(&mut self.interfaces)?;
        }
        self.frames += 1;
        lane.deliver(FrameNo(self.frames))
    }

    fn interfaces(&self) -> &[Interface] {
        &self.interfaces.described
    }

    fn dropped_by_capture(&self) -> Option<u64> {
        self.files().filter_map(FileSummary::dropped_by_capture).reduce(u64::saturating_add)
    }
}
