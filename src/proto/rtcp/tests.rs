//! Tests of [`super`] and of the packets that have no module of tests of their own.

use super::feedback::{BitrateLimit, Command, Control, LostSlices};
use super::report::ReportBlock;
use super::source::SdesKind;
use super::*;

/// Sender report with two blocks and a word of extension, SDES, BYE with a reason.
const COMPOUND: &str = "82c80013 11111111 eeab7a14 b1a9fbe8 00001000 00000020 00003000 \
     22222222 40ffffff 00010005 00000011 7a14b1a9 0000019a \
     33333333 00000007 00000001 00000002 00000000 00000000 aabbccdd \
     81ca0005 11111111 01046e616d65 0803016b76 06025478 00 \
     82cb0003 11111111 22222222 03627965";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn random(state: &mut u32) -> u8 {
    *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    (*state >> 24) as u8
}

/// Runs every iterator of a message dry and counts what it yields.
fn drain(message: &Message<'_>) -> usize {
    match message {
        Message::SenderReport(report) => report.blocks.iter().count(),
        Message::ReceiverReport(report) => report.blocks.iter().count(),
        Message::SourceDescription(description) => {
            description.items().filter(|(_, item)| item.private().is_none() || !item.text.is_empty()).count()
                + description.chunks().count()
        }
        Message::Bye(bye) => bye.sources().count(),
        Message::App(app) => app.data.len(),
        Message::CongestionControl(feedback) => feedback.streams().map(|stream| stream.packets().count()).sum(),
        Message::ExtendedReport(report) => report.blocks().count(),
        Message::Other => 0,
        Message::Feedback(feedback) => match feedback.control {
            Control::Nack(lost) | Control::ThirdPartyLoss(lost) => lost.sequences().count(),
            Control::Tmmbr(entries) | Control::Tmmbn(entries) => entries.iter().count(),
            Control::TransportCc(feedback) => feedback.statuses().count(),
            Control::SliceLoss(entries) => entries.iter().count(),
            Control::FullIntraRequest(entries)
            | Control::TradeOffRequest(entries)
            | Control::TradeOffNotification(entries) => entries.iter().count(),
            Control::VideoBackChannel(messages) => messages.count(),
            Control::ThirdPartyPictureLoss(sources) => sources.iter().count(),
            Control::Remb(remb) => remb.sources.iter().count(),
            Control::ReferencePicture(picture) => picture.bits.len(),
            Control::Application(rest) | Control::Other(rest) => rest.len(),
            Control::SenderReportRequest | Control::PictureLoss => 0,
        },
    }
}

fn only_message(bytes: &[u8]) -> (Message<'_>, Option<ParseError>) {
    let mut walk = packets(bytes);
    let packet = walk.next().unwrap();
    assert_eq!((walk.next(), walk.error()), (None, None));
    packet.message()
}

fn control(bytes: &[u8]) -> Control<'_> {
    let (Message::Feedback(feedback), None) = only_message(bytes) else { panic!("no sound feedback") };
    assert_eq!((feedback.sender, feedback.media), (Ssrc(1), Ssrc(2)));
    feedback.control
}

#[test]
fn a_compound_is_walked_with_exact_offsets() {
    let compound = bytes(COMPOUND);
    let mut walk = packets(&compound);
    let list: Vec<_> = walk.by_ref().map(|packet| (packet.offset, packet.packet_type, packet.bytes.len())).collect();
    assert_eq!(list, [(0, 200, 80), (80, 202, 24), (104, 203, 16)]);
    assert_eq!((walk.error(), walk.position()), (None, compound.len()));
    assert_eq!(packet_type_name(200), Some("SR"));
    assert_eq!(packet_type_name(199), None);
}

#[test]
fn a_sender_report_is_read_with_negative_losses_and_its_extension() {
    let compound = bytes(COMPOUND);
    let (Message::SenderReport(report), None) = packets(&compound).next().unwrap().message() else {
        panic!("no sound report")
    };
    assert_eq!(
        (report.sender, report.ntp, report.ntp_middle()),
        (Ssrc(0x1111_1111), 0xeeab_7a14_b1a9_fbe8, 0x7a14_b1a9)
    );
    assert_eq!((report.rtp_timestamp, report.packet_count, report.octet_count), (0x1000, 0x20, 0x3000));
    assert_eq!(report.extension, [0xaa, 0xbb, 0xcc, 0xdd]);
    assert_eq!(
        report.blocks.iter().next(),
        Some(ReportBlock {
            about: Ssrc(0x2222_2222),
            fraction_lost: 64,
            cumulative_lost: -1,
            extended_highest: 0x1_0005,
            jitter: 17,
            last_sr: 0x7a14_b1a9,
            delay_since_last_sr: 410,
        })
    );
    assert_eq!(report.blocks.iter().nth(1).map(|block| block.cumulative_lost), Some(7));
}

#[test]
fn descriptions_and_goodbyes_are_read() {
    let compound = bytes(COMPOUND);
    let mut walk = packets(&compound).skip(1);
    let (Message::SourceDescription(description), None) = walk.next().unwrap().message() else { panic!("no SDES") };
    let items: Vec<_> = description.items().map(|(source, item)| (source.0, item.kind, item.text)).collect();
    assert_eq!(
        items,
        [
            (0x1111_1111, SdesKind::Cname, &b"name"[..]),
            (0x1111_1111, SdesKind::Priv, b"\x01kv"),
            (0x1111_1111, SdesKind::Tool, b"Tx"),
        ]
    );
    let private = description.items().find_map(|(_, item)| item.private());
    assert_eq!(private, Some((&b"k"[..], &b"v"[..])));
    let (Message::Bye(bye), None) = walk.next().unwrap().message() else { panic!("no BYE") };
    assert_eq!(bye.sources().collect::<Vec<_>>(), [Ssrc(0x1111_1111), Ssrc(0x2222_2222)]);
    assert_eq!(bye.reason, Some(&b"bye"[..]));
}

#[test]
fn chunks_begin_on_words_whatever_the_items_lengths() {
    let packet = bytes("83ca0008 00000001 01026161 00000000 00000002 0c037171 71000000 00000003 00000000 ");
    let (Message::SourceDescription(description), error) = only_message(&packet) else { panic!("no SDES") };
    assert_eq!(error, None);
    let chunks: Vec<_> = description.chunks().map(|chunk| (chunk.source.0, chunk.items().count())).collect();
    assert_eq!(chunks, [(1, 1), (2, 1), (3, 0)]);
    assert_eq!(description.items().nth(1).map(|(_, item)| item.kind), Some(SdesKind::RtpStreamId));
}

#[test]
fn a_report_with_fewer_blocks_than_it_counts_gives_those_that_are_whole() {
    let packet = bytes("83c90007 00000001 00000002 00000003 00000004 00000005 00000006 00000007");
    let (Message::ReceiverReport(report), error) = only_message(&packet) else { panic!("no RR") };
    assert_eq!((report.blocks.len(), report.blocks.iter().count()), (1, 1));
    assert_eq!(error, Some(ParseError::short("rtcp receiver report", 8, 72, 24)));
}

#[test]
fn an_application_packet_keeps_name_and_data() {
    let packet = bytes("85cc0003 00000001 50494e47 504f4e47");
    let (Message::App(app), None) = only_message(&packet) else { panic!("no APP") };
    assert_eq!((app.subtype, app.sender, &app.name, app.data), (5, Ssrc(1), b"PING", &b"PONG"[..]));
}

#[test]
fn a_generic_nack_counts_its_masks_out_around_the_wrap() {
    let packet = bytes("81cd0004 00000001 00000002 ffff8001 00100000");
    let Control::Nack(lost) = control(&packet) else { panic!("no NACK") };
    assert_eq!(lost.sequences().collect::<Vec<_>>(), [0xffff, 0, 15, 16]);
    assert_eq!(lost.pairs().len(), 2);
}

#[test]
fn bitrate_limits_are_scaled_and_saturate() {
    let limit = |source, bits_per_second, overhead| BitrateLimit { source: Ssrc(source), bits_per_second, overhead };
    let packet = bytes("83cd0006 00000001 00000002 00000003 0c000c28 00000004 fffffe00");
    let Control::Tmmbr(entries) = control(&packet) else { panic!("no TMMBR") };
    assert_eq!(entries.iter().collect::<Vec<_>>(), [limit(3, 6 << 3, 40), limit(4, u64::MAX, 0)]);
    let packet = bytes("84cd0004 00000001 00000002 00000003 00000200");
    let Control::Tmmbn(entries) = control(&packet) else { panic!("no TMMBN") };
    assert_eq!(entries.iter().collect::<Vec<_>>(), [limit(3, 1, 0)]);
    let packet = bytes("84cd0002 00000001 00000002");
    let Control::Tmmbn(entries) = control(&packet) else { panic!("no TMMBN") };
    assert!(entries.is_empty(), "nothing is limited, and nothing is wrong");
}

#[test]
fn a_maximum_bitrate_estimate_names_its_streams() {
    let packet = bytes("8fce0006 00000001 00000002 52454d42 020bd090 0000000a 0000000b");
    let Control::Remb(remb) = control(&packet) else { panic!("no REMB") };
    assert_eq!(remb.bits_per_second, 0x3_d090 << 2);
    assert_eq!(remb.sources.iter().collect::<Vec<_>>(), [Ssrc(10), Ssrc(11)]);
}

#[test]
fn payload_feedback_is_read_by_its_format() {
    assert!(matches!(control(&bytes("81ce0002 00000001 00000002")), Control::PictureLoss));
    let packet = bytes("84ce0004 00000001 00000002 00000003 07000000");
    let Control::FullIntraRequest(entries) = control(&packet) else { panic!("no FIR") };
    assert_eq!(entries.iter().collect::<Vec<_>>(), [Command { source: Ssrc(3), sequence: 7, index: 0 }]);
    let packet = bytes("85ce0004 00000001 00000002 00000003 0700001f");
    let Control::TradeOffRequest(entries) = control(&packet) else { panic!("no TSTR") };
    assert_eq!(entries.iter().next().map(|entry| entry.index), Some(31));
    let packet = bytes("82ce0003 00000001 00000002 000900c5");
    let Control::SliceLoss(entries) = control(&packet) else { panic!("no SLI") };
    assert_eq!(entries.iter().collect::<Vec<_>>(), [LostSlices { first: 1, count: 1027, picture: 5 }]);
    let packet = bytes("83ce0004 00000001 00000002 0c60ab c0 0000 0000");
    let Control::ReferencePicture(picture) = control(&packet) else { panic!("no RPSI") };
    assert_eq!((picture.payload_type, picture.padding_bits, picture.bits.len()), (96, 4, 5));
    let packet = bytes("87ce0006 00000001 00000002 00000003 05600003 aabbcc00 00000000");
    let (Message::Feedback(feedback), Some(_)) = only_message(&packet) else { panic!("no cut VBCM") };
    let Control::VideoBackChannel(messages) = feedback.control else { panic!("no VBCM") };
    let list: Vec<_> = messages.map(|entry| (entry.sequence, entry.payload_type, entry.message)).collect();
    assert_eq!(list, [(5, 96, &[0xaa, 0xbb, 0xcc][..])]);
    assert!(matches!(control(&bytes("8fce0003 00000001 00000002 41424344")), Control::Application(b"ABCD")));
    assert!(matches!(control(&bytes("8cce0003 00000001 00000002 41424344")), Control::Other(b"ABCD")));
}

#[test]
fn third_party_and_other_transport_feedback_is_read_by_its_format() {
    assert!(matches!(control(&bytes("85cd0002 00000001 00000002")), Control::SenderReportRequest));
    let packet = bytes("87cd0003 00000001 00000002 00050001");
    let Control::ThirdPartyLoss(lost) = control(&packet) else { panic!("no TLLEI") };
    assert_eq!(lost.sequences().collect::<Vec<_>>(), [5, 6]);
    let packet = bytes("88ce0003 00000001 00000002 00000005");
    let Control::ThirdPartyPictureLoss(sources) = control(&packet) else { panic!("no PSLEI") };
    assert_eq!(sources.iter().collect::<Vec<_>>(), [Ssrc(5)]);
}

#[test]
fn congestion_feedback_of_rfc_8888_has_no_media_source() {
    let packet = bytes("8bcd0004 00000001 00000002 00050000 12345678");
    let (Message::CongestionControl(feedback), None) = only_message(&packet) else { panic!("no CCFB") };
    assert_eq!((feedback.sender, feedback.report_timestamp), (Ssrc(1), Some(0x1234_5678)));
}

#[test]
fn a_browsers_transport_feedback_with_padding_that_is_no_multiple_of_four_is_whole() {
    // As Chromium sent it: four statuses, three small deltas, three bytes of padding.
    let packet = bytes("afcd0006 b1717767 22a95fac 00010003 00581900 2003fa50 50000003");
    let walked = packets(&packet).next().unwrap();
    assert_eq!((walked.padding, packets(&packet).error()), (3, None));
    let (Message::Feedback(feedback), None) = walked.message() else { panic!("no sound feedback") };
    let Control::TransportCc(feedback) = feedback.control else { panic!("no transport-cc") };
    let deltas: Vec<_> = feedback.statuses().map(|(sequence, arrival)| (sequence, arrival.delta())).collect();
    assert_eq!(deltas, [(1, Some(250)), (2, Some(80)), (3, Some(80))]);
    assert_eq!((feedback.reference_time, feedback.feedback_count), (0x5819, 0));
}

#[test]
fn padding_belongs_to_the_last_packet() {
    let last = bytes("80c90001 00000001 a0cb0001 00000004");
    let list: Vec<_> = packets(&last).map(|packet| (packet.bytes.len(), packet.padding)).collect();
    assert_eq!((list, packets(&last).error()), (vec![(8, 0), (4, 4)], None));
    let mut walk = packets(&last);
    walk.by_ref().for_each(drop);
    assert_eq!(walk.error(), None);
    for (hex, offset) in
        [("a0cb0001 00000004 80c90001 00000001", 0), ("80cb0000 a0c90001 00000000", 11), ("a0cb0001 00000005", 7)]
    {
        let compound = bytes(hex);
        let mut walk = packets(&compound);
        assert!(walk.by_ref().count() > 0);
        assert_eq!(walk.error().map(|error| error.offset), Some(offset), "{hex}");
    }
}

#[test]
fn a_compound_cut_anywhere_keeps_the_packets_before_the_cut() {
    let compound = bytes(COMPOUND);
    for len in 0..compound.len() {
        let mut walk = packets(&compound[..len]);
        let list: Vec<_> = walk.by_ref().collect();
        let whole = list.iter().filter(|packet| packet.missing == 0).count();
        assert_eq!(whole, usize::from(len >= 80) + usize::from(len >= 104), "at {len}");
        assert_eq!(walk.error().is_some(), ![0, 80, 104].contains(&len), "at {len}");
        let shown: usize = list.iter().map(|packet| packet.bytes.len()).sum();
        assert!(len - shown < 4, "at {len}");
        for packet in &list {
            drain(&packet.message().0);
        }
    }
}

#[test]
fn every_message_cut_anywhere_is_read_as_far_as_it_goes() {
    let whole = [
        "81cd0004 00000001 00000002 ffff8001 00100000",
        "83cd0006 00000001 00000002 00000003 0c000c28 00000004 fffffe00",
        "8fce0006 00000001 00000002 52454d42 020bd090 0000000a 0000000b",
        "83ce0004 00000001 00000002 0c60abc0 00000000",
        "87ce0005 00000001 00000002 00000003 05600003 aabbcc00",
        "8fcd0006 00000001 00000002 00010003 00581900 2003fa50 50000003",
        "85cc0003 00000001 50494e47 504f4e47",
    ];
    for hex in whole {
        let packet = bytes(hex);
        assert_eq!(packets(&packet).next().unwrap().message().1, None, "{hex}");
        for len in 4..packet.len() {
            let cut = packets(&packet[..len]).next().unwrap();
            assert_eq!(cut.missing, packet.len() - len);
            drain(&cut.message().0);
            // The header's length follows, so that the cut looks like a message that is too short.
            let mut short = packet[..len / 4 * 4].to_vec();
            short[3] = (len / 4 - 1) as u8;
            drain(&only_message(&short).0);
        }
    }
}

#[test]
fn a_header_that_cannot_be_ends_the_walk_after_what_came_before() {
    for (hex, offset) in
        [("80c90001 00000001 00c90001", 8), ("80c90001 00000001 80600001", 9), ("80c90001 00000001 80c9", 8)]
    {
        let compound = bytes(hex);
        let mut walk = packets(&compound);
        assert_eq!((walk.by_ref().count(), walk.error().map(|error| error.offset)), (1, Some(offset)), "{hex}");
    }
}

#[test]
fn packets_on_which_the_rtcp_crate_panics_are_decoded() {
    let list = ["84ce000100000000", "8fce0004000000000000000052454d42fe000000", "81cd000100000000"];
    for hex in list {
        let packet = bytes(hex);
        let (message, error) = only_message(&packet);
        assert!(error.is_some(), "{hex}");
        drain(&message);
    }
    let remb = bytes(list[1]);
    let (Message::Feedback(feedback), Some(error)) = only_message(&remb) else { panic!("no REMB") };
    let Control::Remb(remb) = feedback.control else { panic!("no REMB") };
    assert!(remb.sources.is_empty());
    assert_eq!(error, ParseError::short("rtcp feedback", 20, 254 * 4, 0));
}

#[test]
fn a_small_packet_that_claims_many_statuses_is_counted_out_and_not_stored() {
    // Eight runs of 8191 missing in 36 bytes.
    let mut packet = bytes("8fcd0008 00000001 00000002 0000fff8 00000000");
    for _ in 0..8 {
        packet.extend([0x1f, 0xff]);
    }
    let Control::TransportCc(feedback) = control(&packet) else { panic!("no transport-cc") };
    assert_eq!(feedback.statuses().count(), 65_528);
}

#[test]
fn random_compounds_never_panic_and_never_outgrow_their_bytes() {
    let mut state = 11;
    for round in 0..4000_u32 {
        let mut packet: Vec<u8> = (0..4 + round % 61).map(|_| random(&mut state)).collect();
        packet[0] = packet[0] & 0x3f | 0x80;
        packet[1] = 200 + (round % 8) as u8;
        packet[2] = 0;
        packet[3] %= 18;
        let mut walk = packets(&packet);
        for packet in walk.by_ref() {
            assert!(drain(&packet.message().0) <= 65_535);
        }
        let _ = (shape(&packet, 0), shape(&packet, 7));
    }
}

#[test]
fn well_formed_packets_agree_with_the_rtcp_crate() {
    use rtcp::packet::Packet;
    use rtcp::receiver_report::ReceiverReport as TheirReport;
    use rtcp::reception_report::ReceptionReport;
    use rtcp::transport_feedbacks::transport_layer_nack::{NackPair, TransportLayerNack};
    use webrtc_util::marshal::Marshal;
    let mut state = 5;
    for round in 0..100_u32 {
        let mut word = || u32::from_be_bytes(std::array::from_fn(|_| random(&mut state)));
        let theirs = TheirReport {
            ssrc: word(),
            reports: (0..round % 32)
                .map(|_| ReceptionReport {
                    ssrc: word(),
                    fraction_lost: word() as u8,
                    total_lost: word() >> 9,
                    last_sequence_number: word(),
                    jitter: word(),
                    last_sender_report: word(),
                    delay: word(),
                })
                .collect(),
            profile_extensions: Default::default(),
        };
        let built = theirs.marshal().unwrap();
        let (Message::ReceiverReport(ours), None) = only_message(&built) else { panic!("no sound report") };
        assert_eq!((ours.sender.0, ours.blocks.len()), (theirs.ssrc, theirs.reports.len()));
        for (our, their) in ours.blocks.iter().zip(&theirs.reports) {
            assert_eq!((our.about.0, our.fraction_lost), (their.ssrc, their.fraction_lost));
            assert_eq!(our.cumulative_lost, their.total_lost as i32);
            assert_eq!((our.extended_highest, our.jitter), (their.last_sequence_number, their.jitter));
            assert_eq!((our.last_sr, our.delay_since_last_sr), (their.last_sender_report, their.delay));
        }
        let nack = TransportLayerNack {
            sender_ssrc: 1,
            media_ssrc: 2,
            nacks: (0..1 + round % 9)
                .map(|_| NackPair { packet_id: word() as u16, lost_packets: word() as u16 })
                .collect(),
        };
        assert_eq!(nack.header().count, 1);
        let built = nack.marshal().unwrap();
        let Control::Nack(ours) = control(&built) else { panic!("no NACK") };
        let theirs: Vec<u16> = nack.nacks.iter().flat_map(|pair| pair.packet_list()).collect();
        assert_eq!(ours.sequences().collect::<Vec<_>>(), theirs);
    }
}

mod shapes {
    use super::*;

    /// SRTCP as a call put them on the wire: AES-CM with an 80-bit tag, first index.
    const SRTCP_80: &str = "80cc000322eb4fe103ec362acf83c42780000001c0167431fa27aca830e9";

    /// The compound's first eight bytes, then bytes that look like nothing, then a trailer.
    fn encrypted(clear_words: usize, trailer: &str) -> Vec<u8> {
        let mut packet = bytes("81c90007 00000001");
        let mut state = 77;
        packet.extend((0..4 * clear_words).map(|_| random(&mut state)));
        packet.extend(bytes(trailer));
        packet
    }

    fn trailer(packet: &[u8]) -> SrtcpTrailer {
        let RtcpShape::Encrypted(Some(trailer)) = shape(packet, 0) else { panic!("{:?}", shape(packet, 0)) };
        trailer
    }

    #[test]
    fn rtcp_in_clear_walks_to_its_end() {
        assert_eq!(shape(&bytes(COMPOUND), 0), RtcpShape::Plain);
        assert_eq!(shape(&bytes("afcd0006b171776722a95fac00010003005819002003fa5050000003"), 0), RtcpShape::Plain);
        assert_eq!(shape(&bytes("80cb0000"), 0), RtcpShape::Plain, "reduced size, no source");
    }

    #[test]
    fn an_eighty_bit_tag_is_found_behind_the_index() {
        let packet = bytes(SRTCP_80);
        let expected = SrtcpTrailer { index: 1, index_offset: 16, offset: 16, tag_len: 10, mki_len: 0 };
        assert_eq!(shape(&packet, 0), RtcpShape::Encrypted(Some(expected)));
        let long = encrypted(14, "80000143 0bf6303f2fb2764f7000");
        assert_eq!((trailer(&long).index, trailer(&long).tag_len), (0x143, 10));
    }

    #[test]
    fn an_aead_tag_stands_before_the_index() {
        let packet = encrypted(14, "00112233445566778899aabbccddeeff 80000002");
        let found = trailer(&packet);
        assert_eq!((found.index, found.tag_len, found.index_offset - found.offset), (2, 16, 16));
        let alone = encrypted(6, "00112233445566778899aabbccddeeff 80000002");
        assert_eq!((trailer(&alone).offset, trailer(&alone).tag_len), (32, 16), "ends where the first packet does");
    }

    #[test]
    fn short_tags_and_key_identifiers_are_found() {
        let short = encrypted(14, "80000002 a1b2c3d4");
        assert_eq!((trailer(&short).index, trailer(&short).tag_len), (2, 4));
        let none = encrypted(6, "80000002");
        assert_eq!((trailer(&none).index, trailer(&none).tag_len), (2, 0));
        let one = encrypted(14, "80000002 01 a1b2c3d4e5f6a7b8c9d0");
        assert_eq!((trailer(&one).index, trailer(&one).mki_len), (2, 1));
        let four = encrypted(14, "80000002 c0ffee01 a1b2c3d4e5f6a7b8c9d0");
        assert_eq!((trailer(&four).index, trailer(&four).mki_len), (2, 4));
    }

    #[test]
    fn a_null_cipher_leaves_the_compound_in_clear() {
        let mut packet = bytes(COMPOUND);
        let end = packet.len();
        packet.extend(bytes("00000005 a1b2c3d4e5f6a7b8c9d0"));
        let expected = SrtcpTrailer { index: 5, index_offset: end, offset: end, tag_len: 10, mki_len: 0 };
        assert_eq!(shape(&packet, 0), RtcpShape::Authenticated(expected));
    }

    #[test]
    fn a_broken_compound_is_malformed_and_not_encrypted() {
        let mut packet = bytes(COMPOUND);
        packet.extend([0; 2]);
        assert!(matches!(shape(&packet, 0), RtcpShape::Malformed(error) if error.offset == 120));
        // Two packets were sound, so what follows is no ciphertext even where it ends like SRTCP.
        packet.truncate(104);
        packet.extend(bytes("ffffffff 80000005 a1b2c3d4e5f6a7b8c9d0"));
        assert!(matches!(shape(&packet, 0), RtcpShape::Malformed(error) if error.offset == 104));
        assert!(matches!(shape(&[], 0), RtcpShape::Malformed(_)));
        assert!(matches!(shape(&bytes("81c90007"), 0), RtcpShape::Malformed(_)), "cut, and too short for a trailer");
    }

    #[test]
    fn an_index_that_no_session_reaches_is_not_believed() {
        assert!(matches!(shape(&encrypted(14, "81000000 a1b2c3d4e5f6a7b8c9d0"), 0), RtcpShape::Malformed(_)));
    }

    #[test]
    fn a_length_on_the_wire_tells_an_eighty_bit_tag_through_a_snap_length() {
        let packet = encrypted(14, "80000143 0bf6303f2fb2764f7000");
        for len in [8, 20, 34, 60] {
            assert_eq!(shape(&packet[..len], (packet.len() - len) as u32), RtcpShape::Encrypted(None), "at {len}");
        }
    }

    #[test]
    fn a_cut_compound_in_clear_is_told_by_two_headers_or_an_exact_length() {
        let compound = bytes(COMPOUND);
        for len in 84..compound.len() {
            assert_eq!(shape(&compound[..len], (compound.len() - len) as u32), RtcpShape::Plain, "at {len}");
        }
        assert_eq!(shape(&compound[..50], 30), RtcpShape::Plain, "the report alone");
        assert!(matches!(shape(&compound[..50], 70), RtcpShape::Malformed(_)), "it could be an AEAD's");
        assert!(matches!(shape(&compound[..50], u32::MAX), RtcpShape::Malformed(_)));
    }

    #[test]
    fn every_truncation_has_a_shape() {
        for (packet, ends) in [(bytes(COMPOUND), &[80, 104][..]), (bytes(SRTCP_80), &[16])] {
            for len in 0..packet.len() {
                let cut = shape(&packet[..len], 0);
                assert_eq!(cut == RtcpShape::Plain, ends.contains(&len), "at {len}");
            }
        }
    }
}
