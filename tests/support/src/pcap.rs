//! Just enough of pcapng and pcap to take our own recordings apart and to put packets together for a test.
//!
//! In: the bytes of a little-endian pcapng file with one Ethernet interface. Out: its packets; or a pcap file.
//! It shares nothing with the reader that is under test.

/// A packet of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Nanoseconds since the epoch.
    pub nanos: u64,
    /// From the Ethernet header on.
    pub frame: Vec<u8>,
}

const ENHANCED_PACKET: u32 = 6;
const INTERFACE: u32 = 1;
const IF_TSRESOL: u16 = 9;
const PCAP_NANOS: u32 = 0xa1b2_3c4d;

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_le_bytes)
}

/// The packets of a whole, undamaged file.
pub fn read_pcapng(bytes: &[u8]) -> Vec<Record> {
    let mut records = Vec::new();
    let mut tick_nanos = 1000;
    let mut at = 0;
    while let (Some(kind), Some(length)) = (u32_at(bytes, at), u32_at(bytes, at + 4)) {
        let end = at + length as usize;
        let block = bytes.get(at + 8..end - 4).expect("a whole block");
        match kind {
            INTERFACE => tick_nanos = tick(&block[8..]),
            ENHANCED_PACKET => records.push(packet(block, tick_nanos).expect("a whole packet")),
            _ => {}
        }
        at = end;
    }
    records
}

fn packet(block: &[u8], tick_nanos: u64) -> Option<Record> {
    let ticks = u64::from(u32_at(block, 4)?) << 32 | u64::from(u32_at(block, 8)?);
    let captured = u32_at(block, 12)? as usize;
    Some(Record { nanos: ticks * tick_nanos, frame: block.get(20..20 + captured)?.to_vec() })
}

fn tick(options: &[u8]) -> u64 {
    let mut at = 0;
    while let (Some(code), Some(length)) = (u16_at(options, at), u16_at(options, at + 2)) {
        if code == IF_TSRESOL {
            return 1_000_000_000 / 10_u64.pow(u32::from(options[at + 4]));
        }
        at += 4 + usize::from(length).next_multiple_of(4);
    }
    1000
}

/// A little-endian pcap file of Ethernet frames with nanoseconds.
pub fn write_pcap(records: &[Record]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [PCAP_NANOS, 0x0004_0002, 0, 0, 262_144, 1] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    for record in records {
        let length = record.frame.len() as u32;
        let (seconds, nanos) = (record.nanos / 1_000_000_000, record.nanos % 1_000_000_000);
        for word in [seconds as u32, nanos as u32, length, length] {
            file.extend_from_slice(&word.to_le_bytes());
        }
        file.extend_from_slice(&record.frame);
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_is_read_whole_and_with_its_nanoseconds() {
        let file = std::fs::read(crate::root().join("captures/sip-hold/input.pcapng")).expect("the case is there");
        let records = read_pcapng(&file);
        assert_eq!(records.len(), 718);
        assert_eq!(records[0].nanos / 1_000_000_000, 1_795_233_672);
        assert!(records.iter().any(|record| record.nanos % 1000 != 0));
        assert_eq!(&records[0].frame[12..14], [0x08, 0x00]);
    }

    #[test]
    fn a_pcap_file_is_its_header_and_its_records() {
        let file = write_pcap(&[Record { nanos: 5_000_000_007, frame: vec![1, 2, 3] }]);
        assert_eq!(file.len(), 24 + 16 + 3);
        assert_eq!(&file[24..32], [5, 0, 0, 0, 7, 0, 0, 0]);
        assert_eq!(&file[40..], [1, 2, 3]);
    }
}
