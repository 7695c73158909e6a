//! Builders of small capture files for the tests.

#![forbid(unsafe_code)]

use super::{CaptureFiles, FileSummary, Input, Interface, PacketSource};
use crate::packet::LinkType;
use std::io::Write as _;
use std::path::PathBuf;
use tempfile::TempDir;

/// Integers in the byte order of a file.
#[derive(Clone, Copy)]
pub(super) struct Order {
    pub(super) big: bool,
}

pub(super) const LE: Order = Order { big: false };
pub(super) const BE: Order = Order { big: true };

impl Order {
    pub(super) fn u16(self, value: u16) -> Vec<u8> {
        if self.big { value.to_be_bytes().into() } else { value.to_le_bytes().into() }
    }

    pub(super) fn u32(self, value: u32) -> Vec<u8> {
        if self.big { value.to_be_bytes().into() } else { value.to_le_bytes().into() }
    }

    pub(super) fn u64(self, value: u64) -> Vec<u8> {
        if self.big { value.to_be_bytes().into() } else { value.to_le_bytes().into() }
    }

    pub(super) fn words(self, values: &[u32]) -> Vec<u8> {
        values.iter().flat_map(|&value| self.u32(value)).collect()
    }
}

pub(super) const MICROS: u32 = 0xa1b2_c3d4;
pub(super) const NANOS: u32 = 0xa1b2_3c4d;
pub(super) const MODIFIED: u32 = 0xa1b2_cd34;

/// A pcap file header of version 2.4.
pub(super) fn pcap_header(order: Order, magic: u32, link: u32) -> Vec<u8> {
    [order.u32(magic), order.u16(2), order.u16(4), order.words(&[0, 0, 65_535, link])].concat()
}

/// A pcap record.
pub(super) fn pcap_record(order: Order, seconds: u32, fraction: u32, data: &[u8]) -> Vec<u8> {
    let length = data.len() as u32;
    [order.words(&[seconds, fraction, length, length]), data.to_vec()].concat()
}

/// A little-endian Ethernet pcap with one record for each second, whose data are `length` times the low byte of it.
pub(super) fn pcap_at(seconds: &[u32], length: usize) -> Vec<u8> {
    let mut file = pcap_header(LE, MICROS, 1);
    for &second in seconds {
        file.extend(pcap_record(LE, second, 0, &vec![second as u8; length]));
    }
    file
}

/// A pcapng block.
pub(super) fn block(order: Order, kind: u32, body: &[u8]) -> Vec<u8> {
    let mut body = body.to_vec();
    body.resize(body.len().next_multiple_of(4), 0);
    let length = body.len() as u32 + 12;
    [order.u32(kind), order.u32(length), body, order.u32(length)].concat()
}

/// pcapng options, with the end mark.
pub(super) fn options(order: Order, options: &[(u16, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (code, value) in options.iter().chain(&[(0, &[][..])]) {
        bytes.extend(order.u16(*code));
        bytes.extend(order.u16(value.len() as u16));
        bytes.extend(*value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

pub(super) fn section(order: Order, with: &[(u16, &[u8])]) -> Vec<u8> {
    let length_unknown = order.u64(u64::MAX);
    let fixed = [order.u32(0x1a2b_3c4d), order.u16(1), order.u16(0), length_unknown].concat();
    block(order, 0x0a0d_0d0a, &[fixed, options(order, with)].concat())
}

pub(super) fn interface(order: Order, link: u16, snap_len: u32, with: &[(u16, &[u8])]) -> Vec<u8> {
    let fixed = [order.u16(link), order.u16(0), order.u32(snap_len)].concat();
    block(order, 1, &[fixed, options(order, with)].concat())
}

pub(super) fn enhanced(order: Order, interface: u32, time: u64, data: &[u8], with: &[(u16, &[u8])]) -> Vec<u8> {
    let length = data.len() as u32;
    let mut body = order.words(&[interface, (time >> 32) as u32, time as u32, length, length]);
    body.extend(data);
    body.resize(body.len().next_multiple_of(4), 0);
    if !with.is_empty() {
        body.extend(options(order, with));
    }
    block(order, 6, &body)
}

/// A pcapng of one section and one Ethernet interface, one packet for each second.
pub(super) fn pcapng_at(seconds: &[u32]) -> Vec<u8> {
    let mut file = [section(LE, &[]), interface(LE, 1, 0, &[])].concat();
    for &second in seconds {
        file.extend(enhanced(LE, 0, u64::from(second) * 1_000_000, &[second as u8; 40], &[]));
    }
    file
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

/// One record, with its bytes copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) nanos: i64,
    pub(super) frame: u64,
    pub(super) interface: u32,
    pub(super) link: LinkType,
    pub(super) wire_len: u32,
    pub(super) data: Vec<u8>,
}

/// All that a reader gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) records: Vec<Seen>,
    pub(super) files: Vec<FileSummary>,
    pub(super) interfaces: Vec<Interface>,
    pub(super) dropped: Option<u64>,
}

impl Read {
    pub(super) fn seconds(&self) -> Vec<i64> {
        self.records.iter().map(|record| record.nanos / 1_000_000_000).collect()
    }

    pub(super) fn file(&self) -> &FileSummary {
        &self.files[0]
    }
}

pub(super) fn read_all(files: &CaptureFiles) -> Read {
    let mut reader = files.reader();
    let mut records = Vec::new();
    while let Some(record) = reader.next_record() {
        let packet = record.packet();
        records.push(Seen {
            nanos: packet.ts.as_nanos(),
            frame: packet.frame.0,
            interface: packet.interface,
            link: packet.link,
            wire_len: packet.wire_len,
            data: packet.data.to_vec(),
        });
    }
    assert!(reader.next_record().is_none(), "a source that ended stays ended");
    Read {
        records,
        files: reader.files().cloned().collect(),
        interfaces: reader.interfaces().to_vec(),
        dropped: reader.dropped_by_capture(),
    }
}

/// A folder of files that is removed with the value.
pub(super) struct Folder(TempDir);

impl Folder {
    pub(super) fn of(files: &[(&str, &[u8])]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (name, bytes) in files {
            std::fs::write(folder.path(name), bytes).unwrap();
        }
        folder
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(super) fn input(&self, name: &str) -> Input {
        Input::Path(self.path(name))
    }
}

/// Reads the bytes as a mapped file and as a stream, and sees that both give the same.
pub(super) fn read(bytes: &[u8]) -> Read {
    let folder = Folder::of(&[("file", bytes)]);
    let mapped = read_all(&CaptureFiles::open(&[folder.input("file")]).unwrap());
    let streamed = read_all(&CaptureFiles::of_stream(std::io::Cursor::new(bytes.to_vec())).unwrap());
    assert_eq!(mapped.records, streamed.records);
    assert_eq!(mapped.interfaces, streamed.interfaces);
    assert_eq!(mapped.file().damaged_places, streamed.file().damaged_places);
    assert_eq!(mapped.file().skipped_bytes, streamed.file().skipped_bytes);
    assert_eq!(mapped.file().truncated, streamed.file().truncated);
    let fault = |read: &Read| read.file().end.as_ref().map(|end| (end.offset, end.fault.clone()));
    assert_eq!(fault(&mapped), fault(&streamed));
    mapped
}

/// Bytes that look random and are the same each time.
pub(super) fn garbage(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    std::iter::repeat_with(&mut next).take(length).collect()
}
