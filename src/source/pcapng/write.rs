//! A pcapng file on its way out.
//!
//! In: records, and at the end what was dropped. Out: one section with a block for each interface before its first
//! packet, Enhanced Packet Blocks with nanoseconds, and Interface Statistics Blocks.
//! Never: a record that the reader beside it does not give back as it was.

#![forbid(unsafe_code)]

use crate::packet::{LinkType, RawPacket};
use crate::time::{NANOS_PER_SEC, Timestamp};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Block types and option codes (draft-ietf-opsawg-pcapng, sections 3.5 and 4).
const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
const SHB_USERAPPL: u16 = 4;
const IF_NAME: u16 = 2;
const IF_TSRESOL: u16 = 9;
const ISB_IFRECV: u16 = 4;
const ISB_IFDROP: u16 = 5;

/// The writer; `out` should be buffered.
#[derive(Debug)]
pub struct PcapngWriter<W> {
    out: W,
    snap_length: u32,
    /// Interfaces of the records, by their number and link type: their number in the file, and packets.
    interfaces: BTreeMap<(u32, u16), (u32, u64)>,
    pub(in crate::source) bytes: u64,
    pub(in crate::source) packets: u64,
    last: Timestamp,
}

impl<W: Write> PcapngWriter<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn new(out: W, snap_length: u32) -> io::Result<Self> {
        let interfaces = BTreeMap::new();
        let mut writer = Self { out, snap_length, interfaces, bytes: 0, packets: 0, last: Timestamp::default() };
        let mut body = Vec::new();
        body.extend_from_slice(&BYTE_ORDER.to_le_bytes());
        body.extend_from_slice(&[1, 0, 0, 0]);
        // The length of the section is not known yet.
        body.extend_from_slice(&u64::MAX.to_le_bytes());
        let program = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));
        option(&mut body, SHB_USERAPPL, program.as_bytes());
        option(&mut body, 0, &[]);
        writer.block(SECTION, &[&body])?;
        Ok(writer)
    }

    /// Writes a record; `name` is asked for where its interface is a new one, and may be empty.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn packet(&mut self, packet: &RawPacket<'_>, name: impl FnOnce() -> String) -> io::Result<()> {
        let key = (packet.interface, packet.link.0);
        let number = match self.interfaces.get_mut(&key) {
            Some((number, packets)) => {
                *packets += 1;
                *number
            }
            None => {
                let number = self.interfaces.len() as u32;
                self.interface(packet.link, &name())?;
                self.interfaces.insert(key, (number, 1));
                number
            }
        };
        let (high, low) = ticks(packet.ts);
        let mut head = [0; 20];
        let length = packet.data.len() as u32;
        for (field, value) in head.chunks_exact_mut(4).zip([number, high, low, length, packet.wire_len]) {
            field.copy_from_slice(&value.to_le_bytes());
        }
        self.packets += 1;
        self.last = packet.ts;
        self.block(ENHANCED_PACKET, &[&head, packet.data])
    }

    /// Bytes that a record takes.
    pub(in crate::source) const fn size_of(packet: &RawPacket<'_>) -> u64 {
        32 + packet.data.len().next_multiple_of(4) as u64
    }

    /// Writes what the kernel dropped, of all interfaces together with the first one, and lets the file go.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn finish(mut self, dropped: Option<u64>) -> io::Result<W> {
        let mut interfaces: Vec<(u32, u64)> = self.interfaces.values().copied().collect();
        interfaces.sort_unstable();
        let (high, low) = ticks(self.last);
        for (number, packets) in interfaces {
            let mut body = Vec::new();
            for value in [number, high, low] {
                body.extend_from_slice(&value.to_le_bytes());
            }
            option(&mut body, ISB_IFRECV, &packets.to_le_bytes());
            if let Some(dropped) = dropped.filter(|_| number == 0) {
                option(&mut body, ISB_IFDROP, &dropped.to_le_bytes());
            }
            option(&mut body, 0, &[]);
            self.block(STATISTICS, &[&body])?;
        }
        self.out.flush()?;
        Ok(self.out)
    }

    /// Hands what is buffered to the system.
    pub(in crate::source) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn interface(&mut self, link: LinkType, name: &str) -> io::Result<()> {
        let mut body = Vec::new();
        body.extend_from_slice(&link.0.to_le_bytes());
        body.extend_from_slice(&[0, 0]);
        body.extend_from_slice(&self.snap_length.to_le_bytes());
        if !name.is_empty() {
            option(&mut body, IF_NAME, name.as_bytes());
        }
        // Decimal, to the ninth digit.
        option(&mut body, IF_TSRESOL, &[9]);
        option(&mut body, 0, &[]);
        self.block(INTERFACE, &[&body])
    }

    fn block(&mut self, kind: u32, parts: &[&[u8]]) -> io::Result<()> {
        let content: usize = parts.iter().map(|part| part.len()).sum();
        let padded = content.next_multiple_of(4);
        let length = (12 + padded as u32).to_le_bytes();
        self.out.write_all(&kind.to_le_bytes())?;
        self.out.write_all(&length)?;
        for part in parts {
            self.out.write_all(part)?;
        }
        self.out.write_all([0; 3].get(..padded - content).unwrap_or_default())?;
        self.out.write_all(&length)?;
        self.bytes += 12 + padded as u64;
        Ok(())
    }
}

/// The two halves of a time; one before 1970 has none.
fn ticks(ts: Timestamp) -> (u32, u32) {
    let nanos = ts.seconds().saturating_mul(NANOS_PER_SEC).saturating_add(ts.subsec_nanos()).max(0) as u64;
    ((nanos >> 32) as u32, nanos as u32)
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    // A name of a network interface has at most 15 bytes; whatever else comes is cut where the field ends.
    let value = value.get(..usize::from(u16::MAX)).unwrap_or(value);
    body.extend_from_slice(&code.to_le_bytes());
    body.extend_from_slice(&(value.len() as u16).to_le_bytes());
    body.extend_from_slice(value);
    body.resize(body.len().next_multiple_of(4), 0);
}
