//! Records into a pcapng file, or into a ring of files.
//!
//! In: records, and what the kernel dropped. Out: files that hold them; of a ring the latest ones, each named by its number
//! and the time that it begins at, as those of dumpcap. Never: a file that the ring did not write taken away; the wall
//! clock: the caller says when the first file begins, the packets when the others do.

#![forbid(unsafe_code)]

use super::pcapng::PcapngWriter;
use crate::packet::RawPacket;
use crate::time::Timestamp;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

/// Bytes that are written at once.
const BUFFER: usize = 256 << 10;

/// When another file begins, and how many are kept. One file for all where nothing is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileRing {
    /// Bytes of a file.
    pub bytes: Option<u64>,
    /// Nanoseconds from the first packet of a file to the first of the next.
    pub nanos: Option<i64>,
    /// Packets of a file.
    pub packets: Option<u64>,
    /// Files that are kept.
    pub files: Option<usize>,
}

impl FileRing {
    const fn goes_on(&self) -> bool {
        self.bytes.is_some() || self.nanos.is_some() || self.packets.is_some()
    }
}

/// A file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}", path.display())]
pub struct SaveError {
    path: PathBuf,
    error: io::Error,
}

/// The files.
#[derive(Debug)]
pub struct SavedFiles {
    path: PathBuf,
    ring: FileRing,
    snap_length: u32,
    /// A point of time in digits, for the name of a file.
    digits: fn(Timestamp) -> String,
    writer: Option<PcapngWriter<BufWriter<File>>>,
    /// Those of the ring that are there, the latest last; the number of that one, and where it began.
    kept: VecDeque<PathBuf>,
    number: u64,
    began: Option<Timestamp>,
    /// Drops that earlier files tell of.
    told: u64,
}

impl SavedFiles {
    /// Opens the first file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn create(
        path: &Path,
        ring: FileRing,
        snap_length: u32,
        now: Timestamp,
        digits: fn(Timestamp) -> String,
    ) -> Result<Self, SaveError> {
        let path = path.to_path_buf();
        let mut files = Self {
            path,
            ring,
            snap_length,
            digits,
            writer: None,
            kept: VecDeque::new(),
            number: 0,
            began: None,
            told: 0,
        };
        files.open(now)?;
        Ok(files)
    }

    /// Writes a record, into the next file where this one is full; `name` and `dropped` are asked for where they are needed.
    ///
    /// # Errors
    /// The file cannot be written; the rest is not either.
    pub fn packet(
        &mut self,
        packet: &RawPacket<'_>,
        name: impl FnOnce() -> String,
        dropped: impl FnOnce() -> Option<u64>,
    ) -> Result<(), SaveError> {
        if self.is_full(packet) {
            self.close(dropped())?;
            self.open(packet.ts)?;
        }
        self.began.get_or_insert(packet.ts);
        let Some(writer) = &mut self.writer else { return Ok(()) };
        writer.packet(packet, name).map_err(|error| self.failed(error))
    }

    /// Hands what is buffered to the system.
    ///
    /// # Errors
    /// As of [`Self::packet`].
    pub fn flush(&mut self) -> Result<(), SaveError> {
        let flushed = self.writer.as_mut().map_or(Ok(()), PcapngWriter::flush);
        flushed.map_err(|error| self.failed(error))
    }

    /// Those that are there, the latest last.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.kept.iter()
    }

    /// True where none of them was taken away: together they number frames as the capture does.
    pub fn are_all_there(&self) -> bool {
        self.kept.len() as u64 == self.number
    }

    /// Ends the last file, with all that was dropped while the capture lasted.
    ///
    /// # Errors
    /// As of [`Self::packet`].
    pub fn finish(mut self, dropped: Option<u64>) -> Result<(), SaveError> {
        self.close(dropped)
    }

    fn is_full(&self, packet: &RawPacket<'_>) -> bool {
        let Some(writer) = self.writer.as_ref().filter(|writer| writer.packets > 0) else { return false };
        let size = PcapngWriter::<File>::size_of(packet);
        let lasted = self.began.map_or(0, |began| packet.ts.nanos_since(began));
        self.ring.bytes.is_some_and(|bytes| writer.bytes + size > bytes)
            || self.ring.nanos.is_some_and(|nanos| lasted >= nanos)
            || self.ring.packets.is_some_and(|packets| writer.packets >= packets)
    }

    fn open(&mut self, ts: Timestamp) -> Result<(), SaveError> {
        self.number += 1;
        self.began = None;
        let path = if self.ring.goes_on() { self.numbered(ts) } else { self.path.clone() };
        self.kept.push_back(path);
        let Some(path) = self.kept.back() else { return Ok(()) };
        let file = File::create(path).map_err(|error| self.failed(error))?;
        let writer = PcapngWriter::new(BufWriter::with_capacity(BUFFER, file), self.snap_length);
        self.writer = Some(writer.map_err(|error| self.failed(error))?);
        while self.ring.files.is_some_and(|files| self.kept.len() > files.max(1)) {
            let Some(oldest) = self.kept.pop_front() else { break };
            match std::fs::remove_file(&oldest) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(SaveError { path: oldest, error });
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn close(&mut self, dropped: Option<u64>) -> Result<(), SaveError> {
        let Some(writer) = self.writer.take() else { return Ok(()) };
        let here = dropped.map(|dropped| dropped.saturating_sub(self.told));
        self.told = dropped.unwrap_or(self.told);
        writer.finish(here).map(drop).map_err(|error| self.failed(error))
    }

    /// `call.pcapng` becomes `call_00001_20261121162239.pcapng`.
    fn numbered(&self, ts: Timestamp) -> PathBuf {
        let mut name = OsString::from(self.path.file_stem().unwrap_or_default());
        name.push(format!("_{:05}_{}", self.number, (self.digits)(ts)));
        if let Some(extension) = self.path.extension() {
            name.push(".");
            name.push(extension);
        }
        self.path.with_file_name(name)
    }

    fn failed(&self, error: io::Error) -> SaveError {
        SaveError { path: self.kept.back().unwrap_or(&self.path).clone(), error }
    }
}
