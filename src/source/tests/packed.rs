use crate::source::fixture::*;
use crate::source::unpack::{Gzip, Zstd};
use crate::source::{CaptureFiles, Fault};
use std::io::{BufReader, Cursor, ErrorKind, Read as _};

/// Where 64 bytes of garbage are put.
const DAMAGE: [usize; 18] = [
    30, 90, 200, 1000, 4090, 5000, 5400, 8190, 8200, 12_000, 16_380, 20_000, 30_000, 40_000, 60_000, 90_000, 95_000,
    99_000,
];

/// A capture of so many records that compresses to about half of it.
fn capture(records: u32) -> Vec<u8> {
    let mut file = pcap_header(LE, MICROS, 1);
    for second in 1..=records {
        let half = garbage(second.into(), 100);
        file.extend(pcap_record(LE, second, 0, &[half.clone(), half].concat()));
    }
    file
}

/// The same capture in every kind of packing.
fn packed() -> Vec<(&'static str, Vec<u8>)> {
    let file = capture(2000);
    let (front, back) = file.split_at(file.len() / 3);
    vec![
        ("gzip", gzip(&file)),
        ("gzip of two members", [gzip(front), gzip(back)].concat()),
        ("gzip of many members", file.chunks(3000).flat_map(gzip).collect()),
        ("zstd", zstd(&file)),
        ("zstd with a checksum", zstd_with_checksum(&file)),
        ("zstd of two frames", [zstd_with_checksum(front), zstd(back)].concat()),
    ]
}

fn zstd_with_checksum(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::stream::read::Encoder::new(bytes, 1).unwrap();
    encoder.include_checksum(true).unwrap();
    let mut packed = Vec::new();
    encoder.read_to_end(&mut packed).unwrap();
    packed
}

fn damaged(packed: &[u8], at: usize) -> Vec<u8> {
    let mut packed = packed.to_vec();
    let end = (at + 64).min(packed.len());
    let noise = garbage(at as u64, end - at);
    packed[at..end].copy_from_slice(&noise);
    packed
}

/// All that comes before the failure, and the failure, where at most so many bytes go in and come out at a time.
fn unpack(packed: &[u8], input: usize, output: usize) -> (Vec<u8>, Option<(ErrorKind, String)>) {
    let pieces = BufReader::with_capacity(input, packed);
    let mut reader: Box<dyn std::io::Read> = match packed[0] {
        0x1f => Box::new(Gzip::new(pieces)),
        _ => Box::new(Zstd::new(pieces).unwrap()),
    };
    read_until_failure(&mut reader, output)
}

/// As the libraries do it in the smallest of steps, in which the least is lost.
fn unpack_by_the_library(packed: &[u8]) -> Vec<u8> {
    let bytewise = BufReader::with_capacity(1, packed);
    match packed[0] {
        0x1f => read_until_failure(&mut flate2::bufread::MultiGzDecoder::new(bytewise), 1).0,
        _ => read_until_failure(&mut zstd::stream::read::Decoder::with_buffer(bytewise).unwrap(), 200_000).0,
    }
}

fn read_until_failure(reader: &mut dyn std::io::Read, step: usize) -> (Vec<u8>, Option<(ErrorKind, String)>) {
    let (mut all, mut piece) = (Vec::new(), vec![0; step]);
    loop {
        match reader.read(&mut piece) {
            Ok(0) => return (all, None),
            Ok(n) => all.extend(&piece[..n]),
            Err(error) => return (all, Some((error.kind(), error.to_string()))),
        }
    }
}

/// Reads a damaged file by name and through a pipe, and the unpacked bytes as they are, and sees that all give the same.
fn same_by_name_by_pipe_and_unpacked(packed: &[u8], what: &str) -> Read {
    let (raw, failure) = unpack(packed, 1 << 20, 1 << 20);
    let (by_name_and_pipe, unpacked) = (read(packed), read(&raw));
    assert_eq!(by_name_and_pipe.records, unpacked.records, "{what}");
    let fault = |read: &Read| read.file().end.as_ref().map(|end| end.fault.clone());
    let told = match failure {
        Some((ErrorKind::UnexpectedEof, _)) => Some(Fault::CompressedCutShort),
        Some((_, words)) => Some(Fault::Compression(words)),
        None => fault(&unpacked),
    };
    assert_eq!(fault(&by_name_and_pipe), told, "{what}");
    by_name_and_pipe
}

#[test]
fn packed_data_damaged_anywhere_give_the_same_by_name_by_pipe_and_unpacked() {
    for (kind, packed) in packed() {
        for at in DAMAGE {
            let read = same_by_name_by_pipe_and_unpacked(&damaged(&packed, at), &format!("{kind}, damaged at {at}"));
            // Without a checksum the damage of a literal is no failure.
            if kind.starts_with("gzip") || kind.ends_with("checksum") {
                assert!(read.file().end.is_some(), "{kind}, damaged at {at}");
            }
        }
    }
}

#[test]
fn packed_data_cut_anywhere_give_the_same_by_name_by_pipe_and_unpacked() {
    for (kind, packed) in packed() {
        for length in DAMAGE.into_iter().chain(packed.len() - 12..=packed.len()) {
            // A file that is cut where its header is not yet unpacked is another matter.
            if unpack(&packed[..length], 4096, 4096).0.len() >= 24 {
                same_by_name_by_pipe_and_unpacked(&packed[..length], &format!("{kind}, cut at {length}"));
            }
        }
    }
}

#[test]
fn what_is_unpacked_before_a_failure_does_not_depend_on_the_size_of_the_pieces() {
    for (kind, packed) in packed() {
        for at in [90, 5000, 20_000, 95_000] {
            for packed in [damaged(&packed, at), packed[..at].to_vec()] {
                let whole = unpack(&packed, 1 << 20, 1 << 20);
                for (input, output) in [(1, 1 << 20), (1 << 20, 7), (8192, 4096), (13, 50_000), (4096, 131_072)] {
                    let pieces = unpack(&packed, input, output);
                    assert!(pieces == whole, "{kind}, damaged at {at}, in pieces of {input} and {output}");
                }
            }
        }
    }
}

#[test]
fn all_that_the_library_can_unpack_before_a_failure_is_there() {
    for (kind, packed) in packed() {
        for at in [90, 5000, 20_000, 95_000] {
            let packed = damaged(&packed, at);
            let theirs = unpack_by_the_library(&packed);
            let ours = unpack(&packed, 8192, 256 << 10).0;
            assert!(ours.starts_with(&theirs), "{kind}, damaged at {at}");
            // A call of the gzip reader that fails may have given the one byte that it had room for.
            assert!(ours.len() - theirs.len() <= 1, "{kind}, damaged at {at}: {} and {}", ours.len(), theirs.len());
        }
    }
}

#[test]
fn a_wrong_checksum_behind_the_last_block_costs_no_packet() {
    let file = capture(2000);
    for mut packed in [gzip(&file), zstd_with_checksum(&file)] {
        let in_checksum = packed.len() - if packed[0] == 0x1f { 6 } else { 2 };
        packed[in_checksum] ^= 1;
        let read = same_by_name_by_pipe_and_unpacked(&packed, "wrong checksum");
        assert_eq!(read.records.len(), 2000);
        let end = read.file().end.as_ref().unwrap();
        assert!(matches!(end.fault, Fault::Compression(_)));
        assert_eq!(end.offset, file.len() as u64);
    }
}

#[test]
fn damage_in_the_first_block_of_deflate_costs_what_stands_behind_it_and_not_the_file() {
    let packed = gzip(&capture(100));
    let read = same_by_name_by_pipe_and_unpacked(&damaged(&packed, 5000), "damage in the first buffer");
    assert!(read.records.len() > 20, "{}", read.records.len());
}

#[test]
fn a_file_cut_or_damaged_before_its_header_is_unpacked_is_refused_for_that_by_name_and_by_pipe() {
    let file = pcap_at(&[1, 2, 3], 20);
    for packed in [gzip(&file), zstd(&file), zstd_with_checksum(&file)] {
        for length in 4..packed.len() {
            let cut = &packed[..length];
            let folder = Folder::of(&[("file", cut)]);
            let by_name = CaptureFiles::open(&[folder.input("file")]).map(|files| read_all(&files).records);
            let by_pipe = CaptureFiles::of_stream(Cursor::new(cut.to_vec())).map(|files| read_all(&files).records);
            match (by_name, by_pipe) {
                (Ok(by_name), Ok(by_pipe)) => assert_eq!(by_name, by_pipe, "cut at {length}"),
                (Err(by_name), Err(by_pipe)) => {
                    let words = by_name[0].refusal.to_string();
                    assert_eq!(words, by_pipe[0].refusal.to_string());
                    assert_eq!(words, "the compressed data are cut short", "cut at {length}");
                    assert!(unpack(cut, 1, 1).0.len() < 24, "cut at {length}");
                }
                _ => panic!("cut at {length}: refused one way and read the other"),
            }
        }
    }
}

#[test]
fn garbage_behind_the_magic_numbers_ends_without_a_panic() {
    for magic in [&[0x1f, 0x8b, 8][..], &[0x1f, 0x8b], &[0x28, 0xb5, 0x2f, 0xfd], &[0x50, 0x2a, 0x4d, 0x18]] {
        for seed in 0..200 {
            let packed = [magic, &garbage(seed, 3000)].concat();
            assert!(unpack(&packed, 1 << 20, 1 << 20) == unpack(&packed, 3, 1000), "{magic:x?}, seed {seed}");
        }
    }
}

#[test]
fn skippable_and_empty_frames_are_passed_over() {
    let file = pcap_at(&[1, 2], 20);
    let skippable = |length: usize| [&[0x5a, 0x2a, 0x4d, 0x18], &LE.u32(length as u32)[..], &vec![7; length]].concat();
    let packed =
        [skippable(0), skippable(70_000), zstd(&[]), zstd(&file[..30]), skippable(2), zstd(&file[30..])].concat();
    for (input, output) in [(1, 1), (1 << 20, 1 << 20), (5, 31)] {
        assert_eq!(unpack(&packed, input, output), (file.clone(), None));
    }
    assert_eq!(read(&packed).seconds(), [1, 2]);
}

#[test]
fn a_pipe_that_breaks_inside_packed_data_is_no_damage_of_them() {
    struct Broken;
    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("broken"))
        }
    }
    for packed in [gzip(&capture(1000)), zstd(&capture(1000))] {
        let half = Cursor::new(packed[..packed.len() * 9 / 10].to_vec());
        let read = read_all(&CaptureFiles::of_stream(half.chain(Broken)).unwrap());
        assert!(read.records.len() > 500, "{}", read.records.len());
        assert_eq!(read.file().end.as_ref().unwrap().fault, Fault::Io("broken".to_owned()));
    }
}
