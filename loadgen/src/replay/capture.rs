//! Reads a capture with the analyzer.
//!
//! In: a file: pcap, pcapng, snoop, plain or in gzip or zstd. Out: the parts of its RTP streams. Never: a
//! stream that the analyzer does not take for one.

use super::deal::{Part, dealt};
use crate::result::Replayed;
use rtcscope::model::analyzer::{Analyzer, Options};
use rtcscope::model::capture::CaptureFacts;
use rtcscope::model::snapshot::Snapshot;
use rtcscope::source::{CaptureFiles, FileSummary, Input, MergedReader, PacketSource};
use std::path::Path;

/// Packets that are kept: some hours of a call, some ten seconds of a busy relay. Each takes less than 100 bytes.
pub(super) const MAX_PACKETS: usize = 4_000_000;
/// Records that are read before it is looked how many packets there are.
const ROUND: usize = 1_024;

/// Reads until the end, or until `limit` packets are kept.
///
/// # Errors
/// Why it cannot be read, or what is in it where that is no RTP.
pub(super) fn read(file: &Path, limit: usize) -> Result<(Vec<Part>, Replayed), String> {
    // The analyzer takes folders and patterns for many files; one capture is one file.
    if std::fs::metadata(file).map_err(|error| error.to_string())?.is_dir() {
        return Err("a folder, and no capture file".to_owned());
    }
    let files = CaptureFiles::open(&[Input::Path(file.to_owned())])
        .map_err(|refused| refused.first().map_or_else(String::new, |error| error.refusal.to_string()))?;
    let mut analyzer = Analyzer::new(Options { keep_packets: true, ..Options::default() });
    let mut reader = files.reader();
    let is_whole = feed(&mut analyzer, &mut reader, limit);
    analyzer.finish();
    let snapshot = analyzer.snapshot(CaptureFacts::default());
    if snapshot.streams.is_empty() {
        return Err(format!("no RTP stream in it; {}", contents(&snapshot)));
    }
    let mut notes = Vec::new();
    if !is_whole {
        let (records, kept) = (snapshot.capture.packets, analyzer.kept_packets());
        notes.push(format!(
            "the capture is larger than what is played of it: its first {records} records, with {kept} RTP packets"
        ));
    }
    let damaged = |file: &FileSummary| file.truncated || file.end.is_some() || file.damaged_places > 0;
    if reader.files().any(damaged) {
        notes.push("the capture is damaged or cut short; what can be read of it is played".to_owned());
    }
    Ok(dealt(&snapshot.streams, notes))
}

/// False where there are more packets than may be kept.
fn feed(analyzer: &mut Analyzer, reader: &mut MergedReader<'_>, limit: usize) -> bool {
    loop {
        for _ in 0..ROUND {
            let Some(record) = reader.next_record() else { return analyzer.kept_packets() <= limit };
            analyzer.packet(&record.packet());
        }
        if analyzer.kept_packets() >= limit {
            return reader.next_record().is_none();
        }
    }
}

/// What is in a capture without RTP.
fn contents(snapshot: &Snapshot) -> String {
    let classes: Vec<String> = snapshot
        .packets
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(class, count)| format!("{} {count}", class.name()))
        .collect();
    match snapshot.capture.packets {
        0 => "it has no packets".to_owned(),
        packets => format!("its {packets} packets are {}", classes.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{Beat, Course, Kind, Parts};
    use std::path::PathBuf;

    fn capture(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../captures").join(name)
    }

    /// Packets and bytes of each stream of each part.
    fn sums(parts: &[Part]) -> Vec<Vec<(usize, u64)>> {
        let sum = |(_, beats): &(Kind, Vec<Beat>)| (beats.len(), beats.iter().map(|beat| u64::from(beat.bytes)).sum());
        parts.iter().map(|streams| streams.iter().map(sum).collect()).collect()
    }

    #[test]
    fn both_directions_of_a_relayed_call_are_parts_with_all_their_streams() {
        let (parts, facts) = read(&capture("webrtc-relay-udp/input.pcapng"), MAX_PACKETS).expect("a capture");
        // As the report of the analyzer lists them, by the first frame of each.
        let packets: Vec<Vec<usize>> =
            sums(&parts).iter().map(|part| part.iter().map(|stream| stream.0).collect()).collect();
        assert_eq!(packets, [[428, 14, 223], [427, 14, 223]]);
        assert_eq!((facts.parts, facts.streams, facts.packets), (2, 6, 1_329));
        assert!(parts.iter().all(|part| part.iter().any(|(_, beats)| beats[0].at == 0)));
        let kinds: Vec<Kind> = parts[1].iter().map(|(kind, _)| *kind).collect();
        assert_eq!((kinds[0], kinds[2]), (Kind::Audio, Kind::Video));
    }

    #[test]
    fn a_call_that_ice_moves_to_another_pair_stays_one_part_for_each_side() {
        // A first pair for some packets, then the better one; and two restarts in the middle of the call.
        for (name, packets) in [("webrtc-loss", 1_399), ("webrtc-ice-restart", 1_545), ("webrtc-simulcast", 1_167)] {
            let (parts, facts) = read(&capture(&format!("{name}/input.pcapng")), MAX_PACKETS).expect("a capture");
            assert_eq!((parts.len(), facts.packets), (2, packets), "{name}: {:?}", sums(&parts));
            let dealt: usize = sums(&parts).iter().flatten().map(|stream| stream.0).sum();
            assert_eq!((dealt as u64, facts.streams), (packets, parts.iter().flatten().count() as u64), "{name}");
            assert!(parts.iter().flatten().all(|(_, beats)| beats.is_sorted_by_key(|beat| beat.at)));
        }
    }

    #[test]
    fn an_echo_with_the_same_ssrc_is_another_part() {
        let (parts, _) = read(&capture("sip-hold/input.pcapng"), MAX_PACKETS).expect("a capture");
        assert_eq!(sums(&parts).iter().map(|part| part.len()).collect::<Vec<_>>(), [1, 1]);
    }

    #[test]
    fn containers_and_copies_of_a_mirror_port_change_nothing_of_a_call() {
        let (whole, _) = read(&capture("sip-hold/input.pcapng"), MAX_PACKETS).expect("a capture");
        let (zipped, _) = read(&capture("container-pcap-gz/input.pcap.gz"), MAX_PACKETS).expect("a capture");
        assert_eq!(sums(&whole), sums(&zipped));
        let (mirrored, facts) = read(&capture("mirror-duplicates/input.pcapng"), MAX_PACKETS).expect("a capture");
        for (part, copied) in whole.iter().zip(&mirrored) {
            assert_eq!(part[0].1[..copied[0].1.len()], copied[0].1[..]);
        }
        assert_eq!(mirrored.len(), whole.len());
        assert!(facts.notes.is_empty(), "{facts:?}");
    }

    #[test]
    fn media_in_tcp_is_found_as_well() {
        let (parts, _) = read(&capture("webrtc-relay-tcp/input.pcapng"), MAX_PACKETS).expect("a capture");
        assert!(parts.len() == 2 && parts.iter().all(|part| part.len() >= 2), "{:?}", sums(&parts));
        let (parts, _) = read(&capture("rtsp-interleaved/input.pcapng"), MAX_PACKETS).expect("a capture");
        assert!(!parts.is_empty());
    }

    #[test]
    fn what_is_beyond_the_bound_is_left_out_and_that_is_said() {
        let file = capture("webrtc-relay-udp/input.pcapng");
        let (parts, facts) = read(&file, 500).expect("a capture");
        let kept: usize = sums(&parts).iter().flatten().map(|stream| stream.0).sum();
        assert!((500..1_329).contains(&kept), "{kept}");
        assert_eq!(facts.packets, kept as u64);
        assert!(facts.notes[0].contains("larger than what is played"), "{facts:?}");
    }

    #[test]
    fn damage_is_said_and_what_can_be_read_is_played() {
        let (parts, facts) = read(&capture("damaged-truncated/input.pcapng"), MAX_PACKETS).expect("a capture");
        assert_eq!(sums(&parts).iter().flatten().map(|stream| stream.0).collect::<Vec<_>>(), [148, 148]);
        assert!(facts.notes[0].contains("damaged or cut short"), "{facts:?}");
    }

    #[test]
    fn a_file_without_rtp_or_that_is_no_capture_says_what_it_is() {
        let error = |path: &Path| read(path, MAX_PACKETS).expect_err("refused");
        let without = error(&capture("turn-wrong-password/input.pcapng"));
        assert!(without.starts_with("no RTP stream in it; its ") && without.contains("stun"), "{without}");
        assert!(error(&capture("sip-hold/README.md")).contains("not a capture file"));
        assert!(error(&capture("sip-hold")).contains("folder"));
        assert!(error(&capture("no-such-file")).contains("No such file"));
    }

    #[test]
    fn a_table_is_shared_by_all_who_play_it() {
        let (parts, _) = read(&capture("webrtc-relay-udp/input.pcapng"), MAX_PACKETS).expect("a capture");
        let parts = Parts::replayed(parts, Course::Spread).expect("parts");
        assert_eq!(parts.of_allocation(7).len(), 3);
        assert_eq!(parts.of_allocation(7), parts.of_allocation(1));
        assert!(std::ptr::eq(parts.of_allocation(7), parts.of_allocation(1)));
    }
}
