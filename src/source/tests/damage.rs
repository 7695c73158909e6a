use crate::packet::FrameNo;
use crate::source::fixture::*;
use crate::source::{CaptureFiles, Fault, PacketSource, Refusal};
use std::io::Cursor;

/// Reads the first `length` bytes both ways and compares with what a whole file would give.
fn cut(file: &[u8], length: usize, header: usize, ends: &[usize]) {
    let opened = CaptureFiles::of_stream(Cursor::new(file[..length].to_vec()));
    if length < header {
        let refusals = opened.err().unwrap();
        assert!(matches!(refusals[0].refusal, Refusal::Empty | Refusal::NotACapture(_) | Refusal::HeaderCutShort));
        return;
    }
    let read = read(&file[..length]);
    let whole = ends.iter().filter(|&&end| end <= length).count();
    assert_eq!(read.records.len(), whole, "cut at {length}");
    let proper = length == header || ends.contains(&length);
    assert_eq!(read.file().truncated, !proper, "cut at {length}");
    assert_eq!(read.file().damaged_places, 0, "cut at {length}");
    if let Some(end) = &read.file().end {
        assert_eq!(end.frame_in_file, whole as u64);
        assert!(matches!(end.fault, Fault::CutShort { .. }));
    }
}

#[test]
fn a_pcap_cut_anywhere_gives_all_whole_records_and_says_where_it_ended() {
    let file = pcap_at(&[1, 2, 3], 20);
    for length in 0..=file.len() {
        cut(&file, length, 24, &[24 + 36, 24 + 72, 24 + 108]);
    }
}

#[test]
fn a_pcapng_cut_anywhere_gives_all_whole_packets_and_says_where_it_ended() {
    let file = pcapng_at(&[1, 2]);
    let first = file.len() - 2 * 72;
    for length in 0..=file.len() {
        if length >= 28 && length <= first {
            let read = read(&file[..length]);
            assert_eq!((read.records.len(), read.file().damaged_places), (0, 0));
        } else {
            cut(&file, length, 28, &[first + 72, first + 144]);
        }
    }
}

#[test]
fn the_place_of_a_cut_names_file_frame_and_byte() {
    let file = pcap_at(&[1, 2, 3], 20);
    let read = read(&file[..100]);
    let end = read.file().end.clone().unwrap();
    assert_eq!((end.offset, end.frame_in_file, end.frame), (96, 2, FrameNo(2)));
    assert_eq!(end.fault, Fault::CutShort { need: 16, have: 4 });
    assert!(end.to_string().ends_with("cut short (needs 16 bytes, has 4) at byte 96, after frame 2"), "{end}");
}

#[test]
fn a_record_that_claims_gigabytes_is_passed_over_and_nothing_is_allocated_for_it() {
    let mut file = pcap_at(&[1, 2, 3, 4, 5, 6, 7], 50);
    let third = 24 + 2 * 66;
    file[third + 8..third + 12].copy_from_slice(&0xffff_fff0_u32.to_le_bytes());
    let read = read(&file);
    assert_eq!(read.seconds(), [1, 2, 4, 5, 6, 7]);
    assert_eq!((read.file().damaged_places, read.file().skipped_bytes), (1, 66));
    assert_eq!(read.file().damage[0].offset, third as u64);
    assert_eq!(read.file().damage[0].frame_in_file, 2);
    assert_eq!(read.file().end, None);
    assert_eq!(read.records[2].frame, 3);
}

#[test]
fn a_length_that_leads_into_the_middle_of_a_packet_costs_the_records_that_it_hides() {
    let mut file = pcap_at(&[1, 2, 3, 4, 5, 6, 7], 50);
    file[24 + 8] = 30;
    let read = read(&file);
    assert_eq!(read.seconds(), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(read.records[0].data.len(), 30);
    assert_eq!((read.file().damaged_places, read.file().skipped_bytes), (1, 20));
}

#[test]
fn a_hole_of_zeros_is_damage_and_not_a_row_of_empty_packets() {
    let mut file = pcap_at(&[1, 2], 50);
    file.extend([0; 4096]);
    for second in 3..8 {
        file.extend(pcap_record(LE, second, 0, &[second as u8; 50]));
    }
    let read = read(&file);
    assert_eq!(read.seconds(), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!((read.file().damaged_places, read.file().skipped_bytes), (1, 4096));
}

#[test]
fn damage_behind_which_nothing_good_comes_ends_the_file_there() {
    let mut file = pcap_at(&[1, 2], 50);
    let damage = file.len() as u64;
    file.extend([0xff; 5000]);
    let read = read(&file);
    assert_eq!(read.seconds(), [1, 2]);
    let end = read.file().end.clone().unwrap();
    assert_eq!((end.offset, end.frame_in_file), (damage, 2));
    assert!(matches!(end.fault, Fault::Damaged(_)));
    assert!(!read.file().truncated);
    assert_eq!(read.file().skipped_bytes, 5000);
}

#[test]
fn a_search_goes_on_over_several_windows() {
    let mut file = pcap_at(&[1], 50);
    file.extend(vec![0xff; 5 << 20]);
    for second in 2..5 {
        file.extend(pcap_record(LE, second, 0, &[second as u8; 50]));
    }
    let read = read(&file);
    assert_eq!(read.seconds(), [1, 2, 3, 4]);
    assert_eq!(read.file().skipped_bytes, 5 << 20);
}

#[test]
fn a_block_with_a_hostile_length_is_passed_over() {
    // 0 to 11 are below the frame of a block, the others go far behind the end of the file.
    for length in [0_u32, 4, 11, 12, 0x7fff_fffc, 0xffff_fff0, 0xffff_ffff] {
        let mut file = pcapng_at(&[1, 2, 3, 4]);
        let second = file.len() - 3 * 72;
        file[second + 4..second + 8].copy_from_slice(&length.to_le_bytes());
        let read = read(&file);
        assert_eq!(read.seconds(), [1, 3, 4], "length {length}");
        assert_eq!((read.file().damaged_places, read.file().skipped_bytes), (1, 72));
        assert_eq!(read.file().end, None);
    }
}

#[test]
fn a_block_whose_two_lengths_differ_is_passed_over() {
    let mut file = pcapng_at(&[1, 2, 3]);
    let at = file.len() - 72 - 4;
    file[at] ^= 0x10;
    let read = read(&file);
    assert_eq!(read.seconds(), [1, 3]);
    assert_eq!(read.file().skipped_bytes, 72);
}

#[test]
fn a_search_finds_the_next_section_in_the_other_byte_order() {
    let other = [section(BE, &[]), interface(BE, 1, 0, &[]), enhanced(BE, 0, 9_000_000, b"a", &[])].concat();
    let file = [pcapng_at(&[1]), vec![0x55; 101], other].concat();
    let read = read(&file);
    assert_eq!(read.seconds(), [1, 9]);
    assert_eq!(read.file().skipped_bytes, 101);
}

#[test]
fn packets_that_contradict_their_block_or_section_are_passed_over() {
    let mut too_long = enhanced(LE, 0, 1, b"abcd", &[]);
    too_long[20..24].copy_from_slice(&0xffff_fffa_u32.to_le_bytes());
    let file = [
        pcapng_at(&[1]),
        too_long,
        enhanced(LE, 7, 1, b"abcd", &[]),
        block(LE, 6, &[0; 16]),
        block(LE, 3, &[]),
        block(LE, 2, &[0; 8]),
        block(LE, 1, &[0; 4]),
        enhanced(LE, 0, 2_000_000, b"abcd", &[]),
    ]
    .concat();
    let read = read(&file);
    assert_eq!(read.seconds(), [1, 2]);
    assert_eq!(read.file().damaged_places, 6);
}

#[test]
fn options_that_do_not_fit_are_left_out() {
    let mut packet = enhanced(LE, 0, 1, b"abcd", &[(1, b"comment")]);
    let option = packet.len() - 4 - 16;
    packet[option + 2..option + 4].copy_from_slice(&0xffff_u16.to_le_bytes());
    let read = read(&[pcapng_at(&[]), packet].concat());
    assert_eq!((read.records.len(), read.file().comments.len()), (1, 0));
}

#[test]
fn only_the_first_places_of_damage_are_listed_and_all_are_counted() {
    let mut file = pcapng_at(&[1]);
    for _ in 0..100 {
        file.extend(enhanced(LE, 7, 1, b"abcd", &[]));
    }
    let read = read(&file);
    assert_eq!((read.file().damage.len(), read.file().damaged_places), (16, 100));
}

#[test]
fn compressed_data_that_are_cut_short_give_all_that_can_be_unpacked() {
    let file = pcap_at(&(1..20_000).collect::<Vec<_>>(), 20);
    for packed in [gzip(&file), zstd(&file)] {
        let read = read(&packed[..packed.len() - 7]);
        assert!(read.records.len() > 10_000, "{}", read.records.len());
        assert!(read.file().truncated);
        assert_eq!(read.file().end.as_ref().unwrap().fault, Fault::CompressedCutShort);
    }
}

#[test]
fn compressed_data_that_are_damaged_end_there() {
    let file = pcap_at(&(1..20_000).collect::<Vec<_>>(), 20);
    let mut packed = gzip(&file);
    let last = packed.len() - 6;
    packed[last] ^= 1;
    let read = read(&packed);
    assert_eq!(read.records.len(), 19_999);
    assert!(matches!(read.file().end.as_ref().unwrap().fault, Fault::Compression(_)));
}

#[test]
fn garbage_behind_every_kind_of_header_ends_without_a_panic() {
    let mut snoop = b"snoop\0\0\0".to_vec();
    snoop.extend(BE.words(&[2, 4]));
    let mut headers = vec![snoop, pcapng_at(&[1]), [section(BE, &[]), interface(BE, 1, 0, &[])].concat()];
    for magic in [MICROS, NANOS, MODIFIED] {
        headers.push(pcap_header(LE, magic, 1));
        headers.push(pcap_header(BE, magic, 1));
    }
    for header in headers {
        for seed in 0..20 {
            read(&[header.clone(), garbage(seed, 700)].concat());
        }
    }
}

#[test]
fn every_byte_of_a_small_file_may_be_any_other() {
    let comment: (u16, &[u8]) = (1, b"comment");
    let pcapng = [
        section(LE, &[comment]),
        interface(LE, 1, 0, &[(9, &[6]), comment]),
        enhanced(LE, 0, 1_000_000, b"abcde", &[comment]),
        block(LE, 4, &options(LE, &[(1, b"\x0a\x00\x00\x01host\0")])),
        block(LE, 5, &[LE.words(&[0, 0, 0]), options(LE, &[(5, &LE.u64(1))])].concat()),
        block(LE, 10, &LE.words(&[1, 4, 7])),
        enhanced(LE, 0, 2_000_000, b"abcde", &[]),
    ]
    .concat();
    for file in [pcapng, pcap_at(&[1, 2, 3], 9)] {
        for at in 0..file.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut file = file.clone();
                file[at] = value;
                if let Ok(files) = CaptureFiles::of_stream(Cursor::new(file)) {
                    let mut reader = files.reader();
                    let records = std::iter::from_fn(|| reader.next_record().map(|_| ())).count();
                    assert!(records <= 4, "byte {at} as {value}");
                }
            }
        }
    }
}
