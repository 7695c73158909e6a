//! Tests of [`super`].

use super::*;

fn report(blocks: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x80, 207, 0, (1 + blocks.len() / 4) as u8, 0, 0, 0, 9];
    bytes.extend_from_slice(blocks);
    bytes
}

fn parse(bytes: &[u8]) -> (ExtendedReport<'_>, Option<ParseError>) {
    ExtendedReport::parse(&super::super::packets(bytes).next().unwrap()).unwrap()
}

fn only_block(blocks: &[u8]) -> u8 {
    let bytes = report(blocks);
    let (extended, error) = parse(&bytes);
    assert_eq!((extended.sender, error, extended.blocks().count()), (Ssrc(9), None, 1));
    extended.blocks().next().unwrap().number
}

#[test]
fn a_loss_list_counts_runs_and_vectors_out_around_the_wrap() {
    // From 65534 to 18: a run of 3 received, a vector of 15 of which 14 are received, two lost by a run, null.
    let bytes = report(&[1, 0, 0, 4, 0, 0, 0, 1, 0xff, 0xfe, 0, 18, 0x40, 3, 0xff, 0xfe, 0x00, 2, 0, 0]);
    let (extended, error) = parse(&bytes);
    assert_eq!(error, None);
    let Content::LossRle(list) = extended.blocks().next().unwrap().content else { panic!("another block") };
    assert_eq!(list.range, SequenceRange { source: Ssrc(1), begin: 65534, end: 18 });
    let packets: Vec<_> = list.packets().collect();
    assert_eq!(packets.len(), 20);
    assert_eq!((packets[0], packets[2], packets[19]), ((65534, true), (0, true), (17, false)));
    assert_eq!(packets.iter().filter(|(_, received)| !received).map(|(seq, _)| *seq).collect::<Vec<_>>(), [15, 16, 17]);
}

#[test]
fn a_thinned_list_tells_multiples_only() {
    let bytes = report(&[2, 2, 0, 3, 0, 0, 0, 1, 0, 5, 0, 17, 0x40, 9, 0, 0]);
    let (extended, _) = parse(&bytes);
    let Content::DuplicateRle(list) = extended.blocks().next().unwrap().content else { panic!("another block") };
    assert_eq!(list.packets().collect::<Vec<_>>(), [(8, true), (12, true), (16, true)]);
}

#[test]
fn receipt_times_go_with_their_sequence_numbers() {
    let bytes = report(&[3, 0, 0, 4, 0, 0, 0, 1, 0, 5, 0, 7, 0, 0, 1, 0, 0, 0, 2, 0]);
    let (extended, _) = parse(&bytes);
    let Content::ReceiptTimes(times) = extended.blocks().next().unwrap().content else { panic!("another block") };
    assert_eq!(times.packets().collect::<Vec<_>>(), [(5, 256), (6, 512)]);
}

#[test]
fn a_reference_time_and_its_answer_are_read() {
    // Both as a browser sends them in one packet.
    let blocks = [
        4, 0, 0, 2, 0xee, 0xab, 0x7a, 0x14, 0xb1, 0xa9, 0xfb, 0xe8, 5, 0, 0, 3, 0, 0, 0, 7, 0x7a, 0x14, 0xb1, 0xa9, 0,
        0, 0x01, 0x9a,
    ];
    let bytes = report(&blocks);
    let (extended, error) = parse(&bytes);
    assert_eq!(error, None);
    let mut walk = extended.blocks();
    assert!(matches!(walk.next().unwrap().content, Content::ReceiverReferenceTime(0xeeab_7a14_b1a9_fbe8)));
    let Content::DelaySinceLastRr(answers) = walk.next().unwrap().content else { panic!("another block") };
    assert_eq!(
        answers.iter().collect::<Vec<_>>(),
        [DelaySinceLastRr { receiver: Ssrc(7), last_rr: 0x7a14_b1a9, delay: 410 }]
    );
}

#[test]
fn a_summary_tells_only_what_its_flags_promise() {
    let mut block = vec![6, 0xa0, 0, 9, 0, 0, 0, 1, 0, 5, 0, 9, 0, 0, 0, 3, 0, 0, 0, 4];
    block.extend([0, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0, 5, 0, 0, 0, 2, 60, 64, 62, 1]);
    let bytes = report(&block);
    let (extended, error) = parse(&bytes);
    assert_eq!(error, None);
    let Content::Summary(summary) = extended.blocks().next().unwrap().content else { panic!("another block") };
    assert_eq!((summary.lost, summary.duplicates, summary.hops), (Some(3), None, None));
    assert_eq!(summary.jitter, Some(Spread { min: 1, max: 9, mean: 5, deviation: 2 }));
}

#[test]
fn voip_metrics_know_what_is_unavailable() {
    let block = [
        7, 0, 0, 8, 0, 0, 0, 1, 13, 2, 128, 1, 0, 100, 0x27, 0x10, 0, 45, 0, 60, 0xec, 127, 127, 16, 93, 127, 43, 127,
        0x30, 0, 0, 40, 0, 80, 0x01, 0x2c,
    ];
    let bytes = report(&block);
    let (extended, error) = parse(&bytes);
    assert_eq!(error, None);
    let Content::VoipMetrics(metrics) = extended.blocks().next().unwrap().content else { panic!("another block") };
    assert_eq!((metrics.loss_rate, metrics.gap_duration_ms, metrics.round_trip_ms), (13, 10_000, 45));
    assert_eq!((metrics.signal_level, metrics.noise_level, metrics.residual_echo_loss), (Some(-20), None, None));
    assert_eq!((metrics.r_factor, metrics.mos_lq_tenths, metrics.mos_cq_tenths), (Some(93), Some(43), None));
    assert_eq!((metrics.receiver_config, metrics.buffer_absolute_maximum_ms), (0x30, 300));
}

#[test]
fn a_block_that_is_known_by_number_only_does_not_hide_the_next() {
    assert_eq!(only_block(&[17, 0, 0, 1, 1, 2, 3, 4]), 17);
    let bytes = report(&[6, 0, 0, 1, 1, 2, 3, 4, 4, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2]);
    let (extended, error) = parse(&bytes);
    assert_eq!(error, Some(ParseError::short(LAYER, 16, 2, 0)), "a summary of four bytes");
    let numbers: Vec<_> = extended.blocks().map(|block| block.number).collect();
    assert_eq!(numbers, [6, 4]);
    assert!(matches!(extended.blocks().nth(1).unwrap().content, Content::ReceiverReferenceTime(0x1_0000_0002)));
}

#[test]
fn a_report_cut_anywhere_is_told_and_ends() {
    let block = [1, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0xff, 0xff, 0x7f, 0xff, 0x7f, 0xff, 0x7f, 0xff, 0x7f, 0xff];
    let bytes = report(&block);
    for len in 9..bytes.len() {
        let (extended, error) = parse(&bytes[..len]);
        assert!(error.is_some(), "at {len}");
        assert!(extended.blocks().count() <= 1);
    }
    let (extended, _) = parse(&bytes);
    let Content::LossRle(list) = extended.blocks().next().unwrap().content else { panic!("another block") };
    assert_eq!(list.packets().count(), 65_532, "four runs of 16,383, counted out and not stored");
}

#[test]
fn no_block_of_random_bytes_panics_or_outgrows_its_range() {
    let mut state = 3_u32;
    for round in 0..3000_u32 {
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        let mut block: Vec<u8> = (0..4 + 4 * (round % 12)).map(|_| random()).collect();
        block[0] = (round % 9) as u8;
        block[2] = 0;
        block[3] %= 16;
        let bytes = report(&block);
        let (extended, _) = parse(&bytes);
        for block in extended.blocks() {
            match block.content {
                Content::LossRle(list) | Content::DuplicateRle(list) => assert!(list.packets().count() <= 65_535),
                Content::ReceiptTimes(times) => assert!(times.packets().count() <= bytes.len() / 4),
                Content::DelaySinceLastRr(answers) => assert!(answers.iter().count() <= bytes.len() / 12),
                _ => {}
            }
        }
    }
}
