use crate::packet::FrameNo;
use crate::source::fixture::*;
use crate::source::{CaptureFiles, CommentSubject, Fault, Input, PacketSource, Refusal};
use std::ffi::OsStr;
use std::io::{Cursor, Read as _};

#[test]
fn gzip_and_zstd_are_unpacked_also_of_several_members() {
    let file = pcap_at(&(1..3000).collect::<Vec<_>>(), 100);
    let (front, back) = file.split_at(100_001);
    for (packed, name) in [
        (gzip(&file), "pcap+gzip"),
        (zstd(&file), "pcap+zstd"),
        ([gzip(front), gzip(back)].concat(), "pcap+gzip"),
        ([zstd(front), zstd(back)].concat(), "pcap+zstd"),
    ] {
        let read = read(&packed);
        assert_eq!(read.records.len(), 2999);
        assert_eq!((read.file().format_name().as_str(), &read.file().end), (name, &None));
    }
}

#[test]
fn a_pipe_that_gives_single_bytes_is_read() {
    struct Trickle(Cursor<Vec<u8>>);
    impl std::io::Read for Trickle {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let one = buffer.len().min(1);
            self.0.read(&mut buffer[..one])
        }
    }
    for bytes in [pcap_at(&[1, 2], 30), gzip(&pcapng_at(&[1, 2]))] {
        let files = CaptureFiles::of_stream(Trickle(Cursor::new(bytes))).unwrap();
        assert_eq!(read_all(&files).seconds(), [1, 2]);
    }
}

#[test]
fn what_came_through_a_pipe_can_be_read_only_once() {
    let files = CaptureFiles::of_stream(Cursor::new(pcap_at(&[1], 10))).unwrap();
    assert_eq!(read_all(&files).records.len(), 1);
    let again = read_all(&files);
    assert_eq!(again.records.len(), 0);
    assert!(matches!(again.file().end.as_ref().unwrap().fault, Fault::Io(_)));
}

#[test]
fn a_pipe_that_breaks_says_so() {
    struct Broken;
    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("broken"))
        }
    }
    let files = CaptureFiles::of_stream(Cursor::new(pcap_at(&[1], 10)).chain(Broken)).unwrap();
    let read = read_all(&files);
    assert_eq!(read.records.len(), 1);
    assert_eq!(read.file().end.as_ref().unwrap().fault, Fault::Io("broken".to_owned()));
}

#[test]
fn several_files_are_merged_by_time_and_equal_times_by_their_order() {
    let folder = Folder::of(&[
        ("a.pcap", &pcap_at(&[1, 4, 4, 6], 10)),
        ("b.pcapng", &pcapng_at(&[2, 4, 5])),
        ("c.pcap.gz", &gzip(&pcap_at(&[3, 4, 7], 30))),
    ]);
    let inputs: Vec<_> = ["a.pcap", "b.pcapng", "c.pcap.gz"].map(|name| folder.input(name)).into();
    let read = read_all(&CaptureFiles::open(&inputs).unwrap());
    assert_eq!(read.seconds(), [1, 2, 3, 4, 4, 4, 4, 5, 6, 7]);
    assert_eq!(read.records.iter().map(|record| record.data.len()).collect::<Vec<_>>()[3..7], [10, 10, 40, 30]);
    assert_eq!(read.records.iter().map(|record| record.frame).collect::<Vec<_>>(), (1..=10).collect::<Vec<_>>());
    let of_file = |record: &Seen| read.interfaces[record.interface as usize].file;
    assert_eq!(read.records.iter().map(of_file).collect::<Vec<_>>(), [0, 1, 2, 0, 0, 1, 2, 1, 0, 2]);
    assert_eq!(read.files.iter().map(|file| file.packets).collect::<Vec<_>>(), [4, 3, 3]);
}

#[test]
fn a_file_whose_times_go_back_keeps_its_order_in_a_merge() {
    let folder = Folder::of(&[("a", &pcap_at(&[5, 3, 6], 10)), ("b", &pcap_at(&[4], 20))]);
    let read = read_all(&CaptureFiles::open(&[folder.input("a"), folder.input("b")]).unwrap());
    assert_eq!(read.seconds(), [4, 5, 3, 6]);
}

#[test]
fn ring_files_come_in_the_order_of_their_first_packets() {
    let folder = Folder::of(&[
        ("ring_1.pcap", &pcap_at(&[30, 31], 10)),
        ("ring_2.pcap.zst", &zstd(&pcap_at(&[10, 11], 10))),
        ("ring_3.pcap.gz", &gzip(&pcap_at(&[20, 21], 10))),
    ]);
    let files = CaptureFiles::open(&[folder.input("ring_*")]).unwrap();
    let mut reader = files.reader();
    assert_eq!(reader.bytes_read(), 24 + 26, "the compressed files wait for their turn");
    let mut seconds = Vec::new();
    while let Some(record) = reader.next_record() {
        seconds.push(record.ts.seconds());
    }
    assert_eq!(seconds, [10, 11, 20, 21, 30, 31]);
    assert_eq!(Some(reader.bytes_read()), reader.bytes_total());
}

#[test]
fn the_place_of_damage_is_told_in_both_numbers() {
    let cut = pcap_at(&[2, 4, 6], 10);
    let folder = Folder::of(&[("a", &pcap_at(&[1, 3, 5], 10)), ("b", &cut[..cut.len() - 1])]);
    let read = read_all(&CaptureFiles::open(&[folder.input("a"), folder.input("b")]).unwrap());
    let end = read.files[1].end.clone().unwrap();
    assert_eq!((end.frame_in_file, end.frame), (2, FrameNo(4)));
    assert!(end.to_string().ends_with("after frame 2 (frame 4 of the merged input)"));
    assert!(read.files[1].truncated && !read.files[0].truncated);
}

#[test]
fn a_comment_names_the_frame_of_the_merged_input() {
    let commented = [pcapng_at(&[]), enhanced(LE, 0, 2_000_000, b"abcd", &[(1, b"here")])].concat();
    let folder = Folder::of(&[("a", &pcap_at(&[1, 3], 10)), ("b", &commented), ("c.gz", &gzip(&commented))]);
    let inputs: Vec<_> = ["a", "b", "c.gz"].map(|name| folder.input(name)).into();
    let read = read_all(&CaptureFiles::open(&inputs).unwrap());
    assert_eq!(read.files[1].comments[0].subject, CommentSubject::Frame(FrameNo(2)));
    assert_eq!(read.files[2].comments.len(), 1);
    assert_eq!(read.files[2].comments[0].subject, CommentSubject::Frame(FrameNo(3)));
}

#[test]
fn a_folder_gives_its_capture_files_by_name_and_no_others() {
    let folder = Folder::of(&[
        ("2.pcap", &pcap_at(&[2], 10)),
        ("1.dump", &pcap_at(&[1], 10)),
        ("notes.txt", b"not a capture"),
        ("empty.pcap", b""),
    ]);
    std::fs::create_dir(folder.path("below")).unwrap();
    let files = CaptureFiles::open(&[Input::Path(folder.path(""))]).unwrap();
    assert!(files.refused().is_empty());
    let read = read_all(&files);
    assert_eq!(read.seconds(), [1, 2]);
    assert!(read.files[0].name.ends_with("1.dump"));
}

#[test]
fn a_folder_without_captures_is_refused() {
    let folder = Folder::of(&[("notes.txt", b"not a capture")]);
    let refused = CaptureFiles::open(&[Input::Path(folder.path(""))]).err().unwrap();
    assert!(matches!(refused[0].refusal, Refusal::NothingFound));
}

#[test]
fn a_glob_matches_in_folders_and_names_and_leaves_hidden_files_alone() {
    let folder = Folder::of(&[(".x.pcap", &pcap_at(&[9], 10))]);
    for (name, second) in [("day1", 1), ("day2", 2), ("other", 3)] {
        std::fs::create_dir(folder.path(name)).unwrap();
        std::fs::write(folder.path(name).join("x.pcap"), pcap_at(&[second], 10)).unwrap();
    }
    let files = CaptureFiles::open(&[folder.input("day[12]/*.{pcap,cap}")]).unwrap();
    assert_eq!(read_all(&files).seconds(), [1, 2]);
    let refused = CaptureFiles::open(&[folder.input("*.pcap")]).err().unwrap();
    assert!(matches!(refused[0].refusal, Refusal::NothingFound));
    let refused = CaptureFiles::open(&[folder.input("day[12/*")]).err().unwrap();
    assert!(matches!(refused[0].refusal, Refusal::Pattern(_)));
}

#[test]
fn a_file_whose_name_looks_like_a_glob_is_read() {
    let folder = Folder::of(&[("call[1].pcap", &pcap_at(&[1], 10))]);
    assert_eq!(read_all(&CaptureFiles::open(&[folder.input("call[1].pcap")]).unwrap()).seconds(), [1]);
}

#[test]
fn one_unreadable_input_is_reported_and_the_others_are_read() {
    let folder = Folder::of(&[("a.pcap", &pcap_at(&[1], 10)), ("b.txt", b"hello, world"), ("c.pcap", b"")]);
    let inputs: Vec<_> = ["missing", "b.txt", "c.pcap", "a.pcap"].map(|name| folder.input(name)).into();
    let files = CaptureFiles::open(&inputs).unwrap();
    assert_eq!(read_all(&files).seconds(), [1]);
    let [missing, text, empty] = files.refused() else { panic!("three are refused") };
    assert!(matches!(missing.refusal, Refusal::Io(_)));
    assert!(text.to_string().ends_with("b.txt: not a capture file (it begins with 68656c6c6f2c2077)"));
    assert!(matches!(empty.refusal, Refusal::Empty));
}

#[test]
fn a_compressed_file_that_is_no_capture_is_refused() {
    let folder = Folder::of(&[("a.gz", &gzip(b"{\"json\": true}")), ("b.gz", &gzip(b"")), ("c.gz", &[0x1f, 0x8b, 1])]);
    let inputs: Vec<_> = ["a.gz", "b.gz", "c.gz"].map(|name| folder.input(name)).into();
    let refused = CaptureFiles::open(&inputs).err().unwrap();
    assert!(matches!(refused[0].refusal, Refusal::NotACapture(_)));
    assert!(matches!(refused[1].refusal, Refusal::Empty));
    assert!(matches!(refused[2].refusal, Refusal::Io(_)));
}

#[test]
fn a_dash_is_standard_input() {
    assert_eq!(Input::from(OsStr::new("-")), Input::Stdin);
    assert_eq!(Input::from(OsStr::new("./-")), Input::Path("./-".into()));
}

#[test]
fn files_are_read_the_same_a_second_time() {
    let folder = Folder::of(&[("a", &pcapng_at(&[1, 3])), ("b", &gzip(&pcap_at(&[2], 10)))]);
    let files = CaptureFiles::open(&[folder.input("a"), folder.input("b")]).unwrap();
    assert_eq!(read_all(&files), read_all(&files));
}
