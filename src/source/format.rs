//! Telling formats apart by their first bytes, and integers in either byte order.
//!
//! In: the first bytes of a file. Out: [`FileFormat`] and [`Compression`].
//! Never: a guess by file name.

#![forbid(unsafe_code)]

use std::fmt;

/// What a file is, inside its compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    /// Classic pcap with microseconds.
    Pcap,
    /// Classic pcap with nanoseconds.
    PcapNanos,
    /// Classic pcap as patched by Alexey Kuznetzov: eight more bytes in each record header.
    PcapModified,
    /// pcapng.
    Pcapng,
    /// snoop, RFC 1761.
    Snoop,
}

impl fmt::Display for FileFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FileFormat::Pcap => "pcap",
            FileFormat::PcapNanos => "pcap-ns",
            FileFormat::PcapModified => "pcap-modified",
            FileFormat::Pcapng => "pcapng",
            FileFormat::Snoop => "snoop",
        })
    }
}

impl FileFormat {
    /// The format and, where the first bytes tell it, the byte order.
    pub(super) fn detect(bytes: &[u8]) -> Option<(FileFormat, ByteOrder)> {
        let magic = bytes.first_chunk::<4>()?;
        // https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-04.html, section 4; the last one is libpcap's
        // KUZNETZOV_TCPDUMP_MAGIC.
        let by_number = |number| match number {
            0xa1b2_c3d4 => Some(FileFormat::Pcap),
            0xa1b2_3c4d => Some(FileFormat::PcapNanos),
            0xa1b2_cd34 => Some(FileFormat::PcapModified),
            _ => None,
        };
        if let Some(format) = by_number(u32::from_le_bytes(*magic)) {
            return Some((format, ByteOrder::Little));
        }
        if let Some(format) = by_number(u32::from_be_bytes(*magic)) {
            return Some((format, ByteOrder::Big));
        }
        if *magic == SECTION_HEADER {
            let order = ByteOrder::of_section(bytes)?;
            return Some((FileFormat::Pcapng, order));
        }
        // RFC 1761, section 2.
        bytes.starts_with(b"snoop\0\0\0").then_some((FileFormat::Snoop, ByteOrder::Big))
    }
}

/// The type of a pcapng Section Header Block, the same in both byte orders (draft-ietf-opsawg-pcapng, section 4.1).
pub(super) const SECTION_HEADER: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

/// What is around a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Nothing.
    None,
    /// gzip, RFC 1952.
    Gzip,
    /// Zstandard, RFC 8878.
    Zstd,
}

impl Compression {
    pub(super) fn detect(bytes: &[u8]) -> Compression {
        match bytes {
            // RFC 1952, section 2.3.1.
            [0x1f, 0x8b, ..] => Compression::Gzip,
            // RFC 8878, sections 3.1.1 and 3.1.2 (skippable frames may come first).
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
            _ => Compression::None,
        }
    }

    /// How the report names it behind the format: `""`, `"+gzip"`, `"+zstd"`.
    pub const fn suffix(self) -> &'static str {
        match self {
            Compression::None => "",
            Compression::Gzip => "+gzip",
            Compression::Zstd => "+zstd",
        }
    }
}

/// The byte order of the integers in a file or section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ByteOrder {
    Little,
    Big,
}

impl ByteOrder {
    /// The order that the byte-order magic of a Section Header Block tells (draft-ietf-opsawg-pcapng, section 4.1).
    pub(super) fn of_section(block: &[u8]) -> Option<ByteOrder> {
        match block.get(8..12)? {
            [0x4d, 0x3c, 0x2b, 0x1a] => Some(ByteOrder::Little),
            [0x1a, 0x2b, 0x3c, 0x4d] => Some(ByteOrder::Big),
            _ => None,
        }
    }

    #[inline]
    pub(super) fn u16_at(self, bytes: &[u8], at: usize) -> Option<u16> {
        let value = *bytes.get(at..)?.first_chunk::<2>()?;
        Some(match self {
            ByteOrder::Little => u16::from_le_bytes(value),
            ByteOrder::Big => u16::from_be_bytes(value),
        })
    }

    #[inline]
    pub(super) fn u32_at(self, bytes: &[u8], at: usize) -> Option<u32> {
        let value = *bytes.get(at..)?.first_chunk::<4>()?;
        Some(match self {
            ByteOrder::Little => u32::from_le_bytes(value),
            ByteOrder::Big => u32::from_be_bytes(value),
        })
    }

    #[inline]
    pub(super) fn u64_at(self, bytes: &[u8], at: usize) -> Option<u64> {
        let value = *bytes.get(at..)?.first_chunk::<8>()?;
        Some(match self {
            ByteOrder::Little => u64::from_le_bytes(value),
            ByteOrder::Big => u64::from_be_bytes(value),
        })
    }
}
