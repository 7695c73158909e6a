use crate::packet::LinkType;
use crate::source::fixture::*;
use crate::source::{CaptureFiles, PacketSource, RecordBytes};
use pcap_parser::traits::PcapReaderIterator;

#[test]
fn all_kinds_of_pcap_are_read_in_both_byte_orders() {
    for (magic, fraction, nanos, name) in [
        (MICROS, 999_999, 999_999_000, "pcap"),
        (NANOS, 999_999_999, 999_999_999, "pcap-ns"),
        (MODIFIED, 5, 5_000, "pcap-modified"),
    ] {
        for order in [LE, BE] {
            let mut record = pcap_record(order, 7, fraction, b"packet");
            if magic == MODIFIED {
                record.splice(16..16, [0; 8]);
            }
            let file = [pcap_header(order, magic, 1), record.clone(), record].concat();
            let read = read(&file);
            assert_eq!(read.records.len(), 2, "{name}");
            assert_eq!(read.records[1].nanos, 7_000_000_000 + nanos);
            assert_eq!(read.records[1].data, b"packet");
            assert_eq!(read.records[1].frame, 2);
            assert_eq!(read.file().format_name(), name);
            assert_eq!(read.file().end, None);
            assert_eq!(read.file().bytes, 12);
        }
    }
}

#[test]
fn the_fcs_bits_are_not_part_of_the_link_type() {
    let file = [pcap_header(LE, MICROS, 0x2400_0001), pcap_record(LE, 1, 0, b"x")].concat();
    let read = read(&file);
    assert_eq!(read.records[0].link, LinkType::ETHERNET);
    assert_eq!(read.file().link_types, [LinkType::ETHERNET]);
}

#[test]
fn a_snap_length_leaves_the_length_on_the_wire() {
    let mut file = pcap_header(LE, MICROS, 101);
    file.extend(LE.words(&[1, 0, 4, 1500]));
    file.extend(b"head");
    let read = read(&file);
    assert_eq!((read.records[0].wire_len, read.records[0].data.len()), (1500, 4));
    assert_eq!(read.interfaces[0].snap_len, 65_535);
}

#[test]
fn the_lengths_of_an_old_file_are_read_in_their_old_order() {
    let mut file = pcap_header(LE, MICROS, 1);
    file[6] = 2;
    file.extend(LE.words(&[1, 0, 1500, 4]));
    file.extend(b"head");
    let read = read(&file);
    assert_eq!((read.records[0].wire_len, read.records[0].data.as_slice()), (1500, &b"head"[..]));
}

#[test]
fn a_packet_that_is_longer_than_its_length_on_the_wire_is_read() {
    let mut file = pcap_header(LE, MICROS, 1);
    for second in 1..4 {
        file.extend(LE.words(&[second, 0, 6, 4]));
        file.extend(b"longer");
    }
    let read = read(&file);
    assert_eq!(read.seconds(), [1, 2, 3]);
    assert_eq!(read.records[0].wire_len, 6);
    assert_eq!(read.file().damaged_places, 0);
}

#[test]
fn times_that_go_back_stay_as_they_are_in_a_single_file() {
    assert_eq!(read(&pcap_at(&[5, 3, 4], 10)).seconds(), [5, 3, 4]);
}

#[test]
fn the_seconds_are_unsigned() {
    assert_eq!(read(&pcap_at(&[u32::MAX], 10)).seconds(), [i64::from(u32::MAX)]);
}

#[test]
fn packets_of_a_mapped_file_live_as_long_as_the_mapping() {
    let folder = Folder::of(&[("a.pcap", &pcap_at(&[1, 2, 3], 10))]);
    let files = CaptureFiles::open(&[folder.input("a.pcap")]).unwrap();
    let mut kept = Vec::new();
    {
        let mut reader = files.reader();
        while let Some(record) = reader.next_record() {
            kept.push(record.mapped_packet().unwrap());
        }
    }
    assert_eq!(kept.iter().map(|packet| packet.data[0]).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn packets_of_a_stream_are_only_buffered() {
    let files = CaptureFiles::of_stream(std::io::Cursor::new(pcap_at(&[1], 10))).unwrap();
    let mut reader = files.reader();
    let record = reader.next_record().unwrap();
    assert!(matches!(record.bytes, RecordBytes::Buffered(_)));
    assert!(record.mapped_packet().is_none());
}

#[test]
fn a_packet_larger_than_the_first_window_is_read_from_a_stream() {
    let large = vec![7; 3 << 20];
    let mut file = pcap_at(&[1], 100);
    for second in 2..5 {
        file.extend(pcap_record(LE, second, 0, &large));
    }
    let read = read(&file);
    assert_eq!(read.seconds(), [1, 2, 3, 4]);
    assert_eq!(read.records[3].data, large);
}

#[test]
fn snoop_is_read_with_its_padding_and_drops() {
    let mut file = b"snoop\0\0\0".to_vec();
    file.extend(BE.words(&[2, 4]));
    for (second, drops) in [(1, 0), (2, 3)] {
        file.extend(BE.words(&[60, 5, 32, drops, second, 250_000]));
        file.extend(b"abcde\0\0\0");
    }
    let read = read(&file);
    assert_eq!(read.seconds(), [1, 2]);
    assert_eq!(read.records[1].nanos, 2_250_000_000);
    assert_eq!((read.records[1].wire_len, read.records[1].data.as_slice()), (60, &b"abcde"[..]));
    assert_eq!((read.file().format_name().as_str(), read.dropped), ("snoop", Some(3)));
}

#[test]
fn pcap_parser_reads_the_same_records() {
    let file = pcap_at(&(1..500).collect::<Vec<_>>(), 77);
    let mut oracle = pcap_parser::LegacyPcapReader::new(65_536, file.as_slice()).unwrap();
    let mut theirs = Vec::new();
    loop {
        match oracle.next() {
            Ok((length, block)) => {
                if let pcap_parser::PcapBlockOwned::Legacy(record) = block {
                    theirs.push((i64::from(record.ts_sec), record.data.to_vec()));
                }
                oracle.consume(length);
            }
            Err(pcap_parser::PcapError::Incomplete(_)) => oracle.refill().unwrap(),
            Err(_) => break,
        }
    }
    let read = read(&file);
    let ours: Vec<_> = read.seconds().into_iter().zip(read.records.into_iter().map(|record| record.data)).collect();
    assert_eq!(ours, theirs);
}
