use crate::packet::{FrameNo, LinkType, RawPacket};
use crate::source::fixture::*;
use crate::source::{FileRing, SavedFiles};
use crate::time::Timestamp;
use std::path::Path;

const SECOND: i64 = 1_000_000_000;

fn packet(nanos: i64, interface: u32, link: LinkType, data: &[u8]) -> RawPacket<'_> {
    let wire_len = data.len() as u32 + 7;
    RawPacket { ts: Timestamp::from_nanos(nanos), frame: FrameNo(0), interface, link, wire_len, data }
}

fn files(folder: &Path, ring: FileRing) -> SavedFiles {
    let digits = |ts: Timestamp| ts.seconds().to_string();
    SavedFiles::create(&folder.join("a.b.pcapng"), ring, 1500, Timestamp::from_nanos(9 * SECOND), digits).unwrap()
}

fn save(files: &mut SavedFiles, packet: &RawPacket<'_>) {
    files.packet(packet, || format!("eth{}", packet.interface), || Some(5)).unwrap();
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_is_saved_is_read_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let mut saved = files(folder.path(), FileRing::default());
    let late = packet(2 * SECOND + 1, 3, LinkType::RAW, b"four");
    let early = packet(SECOND + 999_999_999, 8, LinkType::ETHERNET, b"seven b");
    for packet in [&late, &early, &late] {
        save(&mut saved, packet);
    }
    saved.finish(Some(12)).unwrap();
    let read = read(&std::fs::read(folder.path().join("a.b.pcapng")).unwrap());
    let seen: Vec<_> =
        read.records.iter().map(|one| (one.nanos, one.link, one.wire_len, one.data.as_slice())).collect();
    let (late, early) = (
        (2 * SECOND + 1, LinkType::RAW, 11, b"four".as_slice()),
        (SECOND + 999_999_999, LinkType::ETHERNET, 14, b"seven b".as_slice()),
    );
    assert_eq!(seen, [late, early, late]);
    let names: Vec<_> = read.interfaces.iter().map(|interface| interface.name.as_deref()).collect();
    assert_eq!(names, [Some("eth3"), Some("eth8")]);
    assert_eq!(read.dropped, Some(12));
}

#[test]
fn a_file_is_no_longer_than_the_ring_allows_and_the_oldest_goes() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.b_00000_1.pcapng"), "of somebody else").unwrap();
    let mut saved = files(folder.path(), FileRing { bytes: Some(1000), files: Some(2), ..FileRing::default() });
    assert!(saved.are_all_there());
    for second in 10..40 {
        save(&mut saved, &packet(second * SECOND, 0, LinkType::ETHERNET, &[0; 100]));
    }
    assert!(!saved.are_all_there());
    saved.finish(None).unwrap();
    let names = names(folder.path());
    assert_eq!(names, ["a.b_00000_1.pcapng", "a.b_00004_28.pcapng", "a.b_00005_34.pcapng"]);
    for name in &names[1..] {
        assert!(std::fs::metadata(folder.path().join(name)).unwrap().len() <= 1100, "{name}");
    }
}

#[test]
fn a_file_ends_after_its_duration_by_the_clock_of_the_packets() {
    let folder = tempfile::tempdir().unwrap();
    let mut saved = files(folder.path(), FileRing { nanos: Some(60 * SECOND), ..FileRing::default() });
    for second in [10, 69, 70, 71, 500] {
        save(&mut saved, &packet(second * SECOND, 0, LinkType::ETHERNET, &[0; 60]));
    }
    saved.finish(None).unwrap();
    assert_eq!(names(folder.path()), ["a.b_00001_9.pcapng", "a.b_00002_70.pcapng", "a.b_00003_500.pcapng"]);
}
