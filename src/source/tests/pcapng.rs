use crate::packet::{FrameNo, LinkType};
use crate::source::CommentSubject;
use crate::source::fixture::*;

const COMMENT: u16 = 1;
const IF_NAME: u16 = 2;
const IF_DESCRIPTION: u16 = 3;
const IF_TSRESOL: u16 = 9;
const IF_TSOFFSET: u16 = 14;

#[test]
fn sections_of_either_byte_order_follow_each_other() {
    let mut file = Vec::new();
    for (order, second) in [(LE, 1_u64), (BE, 2), (LE, 3)] {
        file.extend(section(order, &[]));
        file.extend(interface(order, 1, 0, &[(IF_NAME, format!("eth{second}").as_bytes())]));
        file.extend(enhanced(order, 0, second * 1_000_000, b"odd", &[]));
    }
    let read = read(&file);
    assert_eq!(read.seconds(), [1, 2, 3]);
    assert_eq!(read.records.iter().map(|record| record.interface).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(read.interfaces[1].name.as_deref(), Some("eth2"));
    assert!(read.records.iter().all(|record| record.data == b"odd"));
}

#[test]
fn each_interface_has_its_link_type_and_resolution() {
    let order = BE;
    let nanos = interface(order, 1, 0, &[(IF_TSRESOL, &[9])]);
    let binary = interface(order, 101, 0, &[(IF_TSRESOL, &[0x80 | 10]), (IF_DESCRIPTION, b"tunnel")]);
    let file = [
        section(order, &[]),
        nanos,
        binary,
        enhanced(order, 0, 1_000_000_001, b"a", &[]),
        enhanced(order, 1, 2 << 10 | 1 << 9, b"b", &[]),
    ]
    .concat();
    let read = read(&file);
    assert_eq!(read.records[0].nanos, 1_000_000_001);
    assert_eq!(read.records[1].nanos, 2_500_000_000);
    assert_eq!(read.records[1].link, LinkType::RAW);
    assert_eq!(read.file().link_types, [LinkType::ETHERNET, LinkType::RAW]);
    assert_eq!(read.interfaces[1].description.as_deref(), Some("tunnel"));
}

#[test]
fn a_time_offset_is_read_in_the_byte_order_of_the_section() {
    for order in [LE, BE] {
        let offset = order.u64(3600);
        let file = [
            section(order, &[]),
            interface(order, 1, 0, &[(IF_TSOFFSET, &offset)]),
            enhanced(order, 0, 5_000_000, b"a", &[]),
        ]
        .concat();
        assert_eq!(read(&file).seconds(), [3605]);
    }
}

#[test]
fn a_simple_packet_has_the_first_interface_its_snap_length_and_the_time_before() {
    let simple = block(LE, 3, &[LE.u32(1500), vec![9; 64]].concat());
    let file = [
        section(LE, &[]),
        interface(LE, 1, 62, &[]),
        enhanced(LE, 0, 4_000_000, b"a", &[]),
        simple,
        block(LE, 3, &[LE.u32(3), b"abc".to_vec()].concat()),
    ]
    .concat();
    let read = read(&file);
    assert_eq!(read.seconds(), [4, 4, 4]);
    assert_eq!(read.file().packets_without_time, 2);
    assert_eq!((read.records[1].wire_len, read.records[1].data.len()), (1500, 62));
    assert_eq!(read.records[2].data, b"abc");
}

#[test]
fn an_obsolete_packet_block_is_read() {
    for order in [LE, BE] {
        let fixed = [order.u16(0), order.u16(5), order.words(&[0, 7_000_000, 3, 90])].concat();
        let file =
            [section(order, &[]), interface(order, 1, 0, &[]), block(order, 2, &[fixed, b"abc".to_vec()].concat())]
                .concat();
        let read = read(&file);
        assert_eq!(read.seconds(), [7]);
        assert_eq!((read.records[0].wire_len, read.records[0].data.as_slice()), (90, &b"abc"[..]));
        assert_eq!(read.dropped, Some(5));
    }
}

#[test]
fn names_secrets_and_comments_are_kept() {
    for order in [LE, BE] {
        let names = options(
            order,
            &[(1, b"\x0a\x00\x00\x01a.example\0b.example\0"), (2, &[&[0; 15][..], b"\x01six\0"].concat())],
        );
        let secrets = [order.u32(0x544c_534b), order.u32(5), b"KEY 1".to_vec()].concat();
        let file = [
            section(order, &[(COMMENT, b"about the file")]),
            interface(order, 1, 0, &[(COMMENT, b"about the interface")]),
            block(order, 10, &secrets),
            enhanced(order, 0, 1, b"a", &[]),
            enhanced(order, 0, 2, b"abcd", &[(COMMENT, b"about the packet"), (COMMENT, b"more")]),
            block(order, 4, &names),
        ]
        .concat();
        let read = read(&file);
        let comments: Vec<_> =
            read.file().comments.iter().map(|comment| (comment.subject, comment.text.as_str())).collect();
        assert_eq!(
            comments,
            [
                (CommentSubject::Section, "about the file"),
                (CommentSubject::Interface(0), "about the interface"),
                (CommentSubject::Frame(FrameNo(2)), "about the packet"),
                (CommentSubject::Frame(FrameNo(2)), "more"),
            ]
        );
        let hosts = &read.file().hosts;
        assert_eq!(hosts[&"10.0.0.1".parse().unwrap()], ["a.example", "b.example"]);
        assert_eq!(hosts[&"::1".parse().unwrap()], ["six"]);
        assert_eq!(
            (read.file().secrets[0].kind, read.file().secrets[0].bytes.as_slice()),
            (0x544c_534b, &b"KEY 1"[..])
        );
    }
}

#[test]
fn names_without_an_end_of_records_are_kept() {
    let mut names = options(LE, &[(1, b"\x0a\x00\x00\x01host\0")]);
    names.truncate(names.len() - 4);
    let file = [pcapng_at(&[1]), block(LE, 4, &names)].concat();
    assert_eq!(read(&file).file().hosts.len(), 1);
}

#[test]
fn secrets_are_not_shown_by_debug() {
    let secrets = [LE.u32(1), LE.u32(6), b"SECRET".to_vec()].concat();
    let read = read(&[pcapng_at(&[1]), block(LE, 10, &secrets)].concat());
    let shown = format!("{:?}", read.file().secrets);
    assert!(!shown.contains("83, 69") && shown.contains("len: 6"), "{shown}");
}

#[test]
fn the_last_statistics_of_each_interface_tell_the_drops() {
    for order in [LE, BE] {
        let statistics = |id, interface_drops: u64, system_drops: u64| {
            let with = options(order, &[(5, &order.u64(interface_drops)), (7, &order.u64(system_drops))]);
            block(order, 5, &[order.words(&[id, 0, 0]), with].concat())
        };
        let file = [
            section(order, &[]),
            interface(order, 1, 0, &[]),
            interface(order, 1, 0, &[]),
            enhanced(order, 0, 1, b"a", &[]),
            statistics(0, 3, 4),
            statistics(1, 10, 0),
            statistics(0, 5, 6),
        ]
        .concat();
        assert_eq!(read(&file).dropped, Some(21));
    }
}

#[test]
fn a_file_that_says_nothing_of_drops_has_none_that_are_known() {
    let statistics = block(LE, 5, &[LE.words(&[0, 0, 0]), options(LE, &[(4, &LE.u64(100))])].concat());
    assert_eq!(read(&[pcapng_at(&[1]), statistics].concat()).dropped, None);
}

#[test]
fn drop_counts_of_packets_are_summed_where_there_are_no_statistics() {
    let lost = LE.u64(2);
    let mut file = pcapng_at(&[1]);
    file.extend(enhanced(LE, 0, 2, b"a", &[(4, &lost)]));
    file.extend(enhanced(LE, 0, 3, b"a", &[(4, &lost)]));
    assert_eq!(read(&file).dropped, Some(4));
}

#[test]
fn unknown_and_custom_blocks_are_passed_over() {
    let mut file = pcapng_at(&[1]);
    for kind in [0x0bad, 0x4000_0bad, 9, 0x8000_0001, 0x204] {
        file.extend(block(LE, kind, &[0xaa; 20]));
    }
    file.extend(enhanced(LE, 0, 2_000_000, b"a", &[]));
    let read = read(&file);
    assert_eq!(read.seconds(), [1, 2]);
    assert_eq!(read.file().damaged_places, 0);
}

#[test]
fn comments_are_bounded_and_those_left_out_are_counted() {
    let text = vec![b'x'; 60_000];
    let with: Vec<_> = (0..100).map(|_| (COMMENT, text.as_slice())).collect();
    let mut file = pcapng_at(&[1]);
    for _ in 0..2 {
        file.extend(enhanced(LE, 0, 1, b"abcd", &with));
    }
    let read = read(&file);
    let file = read.file();
    assert_eq!(file.comments.len() as u64 + file.comments_not_kept, 200);
    assert!(file.comments.len() < 100);
}

#[test]
fn pcap_parser_reads_the_same_packets() {
    use pcap_parser::traits::{PcapNGPacketBlock as _, PcapReaderIterator as _};
    let file = pcapng_at(&(1..300).collect::<Vec<_>>());
    let mut oracle = pcap_parser::PcapNGReader::new(65_536, file.as_slice()).unwrap();
    let mut theirs = Vec::new();
    loop {
        match oracle.next() {
            Ok((length, block)) => {
                if let pcap_parser::PcapBlockOwned::NG(pcap_parser::Block::EnhancedPacket(packet)) = &block {
                    theirs.push((i64::from(packet.decode_ts(0, 1_000_000).0), packet.packet_data().to_vec()));
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
