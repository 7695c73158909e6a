//! Opening inputs: map what can be mapped, look at the first bytes, refuse what is no capture.
//!
//! In: [`Input`]s. Out: [`CaptureFiles`], which owns the mappings.
//! Never: a failure of all because of one.

#![forbid(unsafe_code)]

use super::decode::Decoder;
use super::error::{OpenError, Refusal};
use super::format::{Compression, FileFormat, SECTION_HEADER};
use super::input::{Candidate, Input, candidates};
use super::lane::Feed;
use super::mapped::Mapped;
use super::merge::MergedReader;
use super::pcap::{self, Pcap};
use super::pcapng::{self, Pcapng};
use super::snoop::{self, Snoop};
use super::summary::FileSummary;
use super::window::Window;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// The inputs that can be read, opened and mapped. Mapped packets borrow from it.
pub struct CaptureFiles {
    pub(super) opened: Vec<Opened>,
    refused: Vec<OpenError>,
}

impl CaptureFiles {
    /// Opens all inputs.
    ///
    /// # Errors
    /// Where not one of them can be read, with the reason for each.
    pub fn open(inputs: &[Input]) -> Result<Self, Vec<OpenError>> {
        let mut files = Self { opened: Vec::new(), refused: Vec::new() };
        for input in inputs {
            match input {
                Input::Stdin => files.add("-".to_owned(), |name| Opened::stream(name, io::stdin())),
                Input::Path(path) => files.add_path(path),
            }
        }
        if files.opened.is_empty() { Err(files.refused) } else { Ok(files) }
    }

    /// The inputs that cannot be read.
    pub fn refused(&self) -> &[OpenError] {
        &self.refused
    }

    /// Starts reading at the first record. What came through a pipe can be read once only; a second reader finds it
    /// ended.
    pub fn reader(&self) -> MergedReader<'_> {
        MergedReader::new(self)
    }

    /// A capture that can be read once, front to back.
    #[cfg(test)]
    pub(super) fn of_stream(reader: impl Read + Send + 'static) -> Result<Self, Vec<OpenError>> {
        let mut files = Self { opened: Vec::new(), refused: Vec::new() };
        files.add("-".to_owned(), |name| Opened::stream(name, reader));
        if files.opened.is_empty() { Err(files.refused) } else { Ok(files) }
    }

    fn add_path(&mut self, path: &Path) {
        let named = || path.display().to_string();
        let candidates = match candidates(path) {
            Ok(candidates) => candidates,
            Err(refusal) => return self.refused.push(OpenError { file: named(), refusal }),
        };
        let before = self.opened.len() + self.refused.len();
        for Candidate { path, named } in candidates {
            let file = path.display().to_string();
            match Opened::file(file.clone(), &path) {
                Ok(opened) => self.opened.push(opened),
                Err(Refusal::NotACapture(_) | Refusal::Empty) if !named => {}
                Err(refusal) => self.refused.push(OpenError { file, refusal }),
            }
        }
        if self.opened.len() + self.refused.len() == before {
            self.refused.push(OpenError { file: named(), refusal: Refusal::NothingFound });
        }
    }

    fn add(&mut self, name: String, open: impl FnOnce(String) -> Result<Opened, Refusal>) {
        match open(name.clone()) {
            Ok(opened) => self.opened.push(opened),
            Err(refusal) => self.refused.push(OpenError { file: name, refusal }),
        }
    }
}

/// One file, known to be a capture.
pub(super) struct Opened {
    name: String,
    content: Content,
    kind: Kind,
    compression: Compression,
    /// Bytes on disk; `None` for a pipe.
    pub(super) size: Option<u64>,
}

enum Content {
    Mapped(Mapped),
    /// A pipe, taken by the first reader, and the bytes that were read from it before.
    Once(Mutex<Option<Window<'static>>>, Progress),
}

/// The format, and its decoder before the first byte.
struct Kind {
    format: FileFormat,
    decoder: Decoder,
}

impl Opened {
    fn file(name: String, path: &Path) -> Result<Self, Refusal> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Self::stream(name, file);
        }
        if metadata.len() == 0 {
            return Err(Refusal::Empty);
        }
        // Some file systems cannot map; what can be opened can still be read.
        let Ok(map) = Mapped::new(&file) else { return Self::stream(name, file) };
        let compression = Compression::detect(map.bytes());
        let kind = match compression {
            Compression::None => Kind::detect(map.bytes())?,
            _ => Kind::of_window(&mut Window::new(map.bytes(), compression)?)?,
        };
        Ok(Self { name, content: Content::Mapped(map), kind, compression, size: Some(metadata.len()) })
    }

    fn stream(name: String, mut reader: impl Read + Send + 'static) -> Result<Self, Refusal> {
        // A pipe may give a single byte at first, so the bytes that tell the compression are read on their own.
        let mut first = Vec::new();
        reader.by_ref().take(4).read_to_end(&mut first)?;
        let compression = Compression::detect(&first);
        let progress = Progress::default();
        let reader =
            Counted { inner: io::Cursor::new(first).chain(BufReader::new(reader)), progress: progress.clone() };
        let mut window = Window::new(reader, compression)?;
        let kind = Kind::of_window(&mut window)?;
        let content = Content::Once(Mutex::new(Some(window)), progress);
        Ok(Self { name, content, kind, compression, size: None })
    }

    /// True for a file that a reader opens by buffers of its own, and can open again.
    pub(super) fn can_be_read_again(&self) -> bool {
        matches!(self.content, Content::Mapped(_)) && self.compression != Compression::None
    }

    /// What a new lane counts its bytes with.
    pub(super) fn progress(&self) -> Progress {
        match &self.content {
            Content::Mapped(_) => Progress::default(),
            Content::Once(_, progress) => progress.clone(),
        }
    }

    pub(super) fn feed(&self, progress: &Progress) -> io::Result<Feed<'_>> {
        match &self.content {
            Content::Mapped(map) if self.compression == Compression::None => Ok(Feed::Mapped(map.bytes())),
            Content::Mapped(map) => {
                let reader = Counted { inner: map.bytes(), progress: progress.clone() };
                Ok(Feed::Stream(Window::new(reader, self.compression)?))
            }
            Content::Once(window, _) => match window.lock().ok().and_then(|mut window| window.take()) {
                Some(window) => Ok(Feed::Stream(window)),
                None => Err(io::Error::other("it was read before")),
            },
        }
    }

    pub(super) fn decoder(&self) -> Decoder {
        self.kind.decoder.clone()
    }

    pub(super) fn summary(&self) -> FileSummary {
        FileSummary::new(self.name.clone(), self.kind.format, self.compression)
    }
}

impl Kind {
    fn of_window(window: &mut Window<'_>) -> Result<Self, Refusal> {
        window.fill(pcapng::FILE_HEADER);
        match (window.bytes(), window.failure()) {
            ([], None) => Err(Refusal::Empty),
            (bytes, None) => Self::detect(bytes),
            // Where too little came to tell what it is, the cause of that is what is wrong.
            (bytes, Some(fault)) => Self::detect(bytes).map_err(|refusal| match refusal {
                Refusal::NotACapture(_) if bytes.len() >= SECTION_HEADER.len() => refusal,
                Refusal::NotACapture(_) | Refusal::HeaderCutShort => Refusal::Io(io::Error::other(fault.clone())),
                other => other,
            }),
        }
    }

    fn detect(bytes: &[u8]) -> Result<Self, Refusal> {
        let Some((format, order)) = FileFormat::detect(bytes) else {
            let cut_short = bytes.starts_with(&SECTION_HEADER) && bytes.len() < pcapng::FILE_HEADER;
            return Err(if cut_short { Refusal::HeaderCutShort } else { not_a_capture(bytes) });
        };
        let (header, decoder) = match format {
            FileFormat::Pcap | FileFormat::PcapNanos | FileFormat::PcapModified => {
                (pcap::FILE_HEADER, Some(Decoder::Pcap(Pcap::new(format, order))))
            }
            FileFormat::Pcapng => (pcapng::FILE_HEADER, Some(Decoder::Pcapng(Pcapng::new(order)))),
            FileFormat::Snoop => (snoop::FILE_HEADER, Snoop::new(bytes).map(Decoder::Snoop)),
        };
        if bytes.len() < header {
            return Err(Refusal::HeaderCutShort);
        }
        let Some(decoder) = decoder else {
            return Err(Refusal::Unsupported("a snoop capture of a datalink type that is not read"));
        };
        Ok(Self { format, decoder })
    }
}

fn not_a_capture(bytes: &[u8]) -> Refusal {
    let mut begin = String::new();
    for byte in bytes.iter().take(8) {
        // Writing to a string cannot fail.
        let _written = write!(begin, "{byte:02x}");
    }
    Refusal::NotACapture(begin)
}

/// Bytes taken from a file that is not walked in place, shared between the lane and the decompressor's reader.
#[derive(Clone, Default)]
pub(super) struct Progress(Arc<AtomicU64>);

impl Progress {
    pub(super) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// A reader that says how far it is.
struct Counted<R> {
    inner: R,
    progress: Progress,
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.progress.add(read as u64);
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.inner.consume(amount);
        self.progress.add(amount as u64);
    }
}
