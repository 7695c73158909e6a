//! Records to a pcapng file (draft-ietf-opsawg-pcapng).
//!
//! In: records as a source hands them on, of any interfaces. Out: the bytes of a file with a section of its own, times in
//! nanoseconds. Never: a record changed.

use crate::packet::{LinkType, RawPacket};
use std::io::{self, Write};

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
const IF_TSRESOL: u16 = 9;
/// Of a block: type, and the length at both ends.
const FRAME: usize = 12;

/// The file while it grows.
pub struct PcapngWriter<W> {
    out: W,
    /// By number in the file: which interface of the input, and with which link type.
    interfaces: Vec<(u32, LinkType)>,
}

impl<W: Write> PcapngWriter<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn new(mut out: W) -> io::Result<Self> {
        let mut body = BYTE_ORDER_MAGIC.to_le_bytes().to_vec();
        // Version 1.0, and a section whose length nobody knows yet.
        body.extend([1, 0, 0, 0]);
        body.extend(u64::MAX.to_le_bytes());
        block(&mut out, SECTION_HEADER, &[&body])?;
        Ok(Self { out, interfaces: Vec::new() })
    }

    /// Appends a record.
    ///
    /// # Errors
    /// Those of the file.
    pub fn packet(&mut self, packet: &RawPacket<'_>) -> io::Result<()> {
        let interface = self.interface(packet)?;
        let nanos = packet.ts.as_nanos().max(0) as u64;
        let mut head = interface.to_le_bytes().to_vec();
        head.extend(((nanos >> 32) as u32).to_le_bytes());
        head.extend((nanos as u32).to_le_bytes());
        head.extend((packet.data.len() as u32).to_le_bytes());
        head.extend(packet.wire_len.to_le_bytes());
        block(&mut self.out, ENHANCED_PACKET, &[&head, packet.data])
    }

    /// The interface of a record, described where it is the first of it.
    fn interface(&mut self, packet: &RawPacket<'_>) -> io::Result<u32> {
        let wanted = (packet.interface, packet.link);
        if let Some(at) = self.interfaces.iter().position(|known| *known == wanted) {
            return Ok(at as u32);
        }
        let mut body = packet.link.0.to_le_bytes().to_vec();
        // Reserved, and no limit to what is captured of a packet.
        body.extend([0; 6]);
        body.extend(IF_TSRESOL.to_le_bytes());
        // One byte, ten to the power of minus nine, padded; then the end of options.
        body.extend([1, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
        block(&mut self.out, INTERFACE_DESCRIPTION, &[&body])?;
        self.interfaces.push(wanted);
        Ok(self.interfaces.len() as u32 - 1)
    }

    /// Ends the file.
    ///
    /// # Errors
    /// Those of the file.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }
}

/// A block whose body is these parts, padded to whole words.
fn block(out: &mut impl Write, kind: u32, parts: &[&[u8]]) -> io::Result<()> {
    let body: usize = parts.iter().map(|part| part.len()).sum();
    let padding = body.next_multiple_of(4) - body;
    let length = u32::try_from(FRAME + body + padding).map_err(io::Error::other)?.to_le_bytes();
    out.write_all(&kind.to_le_bytes())?;
    out.write_all(&length)?;
    parts.iter().try_for_each(|part| out.write_all(part))?;
    out.write_all(&[0; 3][..padding])?;
    out.write_all(&length)
}
