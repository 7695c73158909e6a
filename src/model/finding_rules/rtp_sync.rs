//! Sound and picture of one sender that do not come together.
//!
//! Sender reports say which moment of the sender's clock a timestamp stands for (RFC 3550, section 6.4.1), and all streams
//! with one canonical name share that clock (section 6.5.1). So each stream has a time between the sender's clock and its
//! arrival here; where these of sound and picture differ, so do sound and picture.

use super::super::finding::{Finding, Severity};
use super::super::snapshot::{ClockReading, RtcpRow, StreamKind, StreamRow};
use super::evidence::{is_media, span, way};
use super::{Evidence, Rule};
use crate::packet::FrameNo;
use std::collections::BTreeMap;

/// Milliseconds between sound and picture that nobody accepts: ITU-R BT.1359, annex 1, ends at 90 ms of sound before and
/// 185 ms behind the picture; EBU R37 has much less.
const APART_MS: f64 = 200.0;
/// Readings of the picture's and of the sound's clocks for which it lasts, and seconds.
const PICTURES: usize = 3;
const SOUNDS: usize = 2;
const LASTED_S: f64 = 5.0;
/// Milliseconds between two readings that may be compared.
const TOGETHER_MS: f64 = 15_000.0;
/// Milliseconds by which a stream whose reports take another flow may be early or late in all its life: then any packet
/// tells of the moment of the report.
const EVEN_MS: f64 = 50.0;
/// Seconds from 1900, where NTP begins, to 1970 (RFC 5905, section 6), in milliseconds.
const NTP_TO_UNIX_MS: f64 = 2_208_988_800_000.0;

pub(super) static RULE: Rule = Rule {
    code: "RTP_OUT_OF_SYNC",
    severity: Severity::Warning,
    title: "Sound and picture come apart",
    explanation: "By the clock of their sender, sound and picture of the same moment come here more than 200 ms apart (ITU-R \
        BT.1359 accepts 90 ms of sound before the picture and 185 ms behind it). A receiver that holds the earlier one \
        back puts them in step and adds delay to the call; one that does not shows lips that move at the wrong time. Or the \
        clocks in the sender reports are wrong, and the receiver puts them out of step.",
    advice: "Look at what takes long at the sender (a camera, an encoder, a pacer that lets pictures wait), at queues by class on \
        the way, and at gateways that make sender reports of their own.",
    find,
};

fn find(evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut reports: BTreeMap<u32, Vec<&RtcpRow>> = BTreeMap::new();
    for row in evidence.snapshot.rtcp.iter().filter(|row| !row.sender.clocks.is_empty()) {
        reports.entry(row.sender.ssrc.0).or_default().push(row);
    }
    if reports.len() < 2 || evidence.snapshot.capture.clock_steps.count > 0 {
        return Vec::new();
    }
    let of_kind = |kind| {
        let rows = evidence.snapshot.streams.iter().filter(move |row| is_media(row) && row.kind == Some(kind));
        rows.filter(|row| reports.contains_key(&row.ssrc))
    };
    let mut findings = Vec::new();
    for sound in of_kind(StreamKind::Audio) {
        let mut pictures = of_kind(StreamKind::Video).filter(|picture| are_of_one(sound, picture));
        // Of the layers of one picture the first.
        findings.extend(pictures.find_map(|picture| apart(sound, picture, &reports)));
    }
    findings
}

/// True where both have the clock of one sender.
fn are_of_one(one: &StreamRow, other: &StreamRow) -> bool {
    let is_one = match (&one.cname, &other.cname) {
        (Some(one), Some(other)) => one == other,
        (None, None) => one.flow == other.flow,
        _ => false,
    };
    is_one && (one.src.addr, one.dst.addr, one.via) == (other.src.addr, other.dst.addr, other.via)
}

/// What a report says of the way of a stream.
struct Transit {
    frame: FrameNo,
    at_ms: f64,
    /// Milliseconds from the sender's clock to the arrival.
    millis: f64,
}

fn transits(row: &StreamRow, reports: &BTreeMap<u32, Vec<&RtcpRow>>) -> Vec<Transit> {
    let own = reports.get(&row.ssrc).into_iter().flatten();
    let own = own.filter(|report| (report.src.addr, report.dst.addr) == (row.src.addr, row.dst.addr));
    // Inside and outside of a relay there are rows with the same addresses: one of them is enough.
    let Some(report) = own.max_by_key(|report| report.flow == row.flow) else { return Vec::new() };
    report.sender.clocks.iter().filter_map(|reading| transit(row, reading)).collect()
}

fn transit(row: &StreamRow, reading: &ClockReading) -> Option<Transit> {
    let timing = &row.figures.timing;
    let rate = timing.clock.rate.filter(|rate| *rate > 0)?;
    let is_even = timing.skew_ms.is_some_and(|skew| skew.abs() <= EVEN_MS)
        && row.figures.sequence.segments == 1
        && row.figures.notes.clock_jump_count == 0;
    let any = (row.figures.first_ts, row.figures.first_rtp_ts);
    let (arrived, rtp_ts) = reading.heard.or(is_even.then_some(any))?;
    let since_report = f64::from(rtp_ts.wrapping_sub(reading.rtp_ts) as i32) * 1000.0 / f64::from(rate);
    let sent_ms = reading.ntp as f64 * 1000.0 / 2_f64.powi(32) - NTP_TO_UNIX_MS + since_report;
    let millis = arrived.as_nanos() as f64 / 1e6 - sent_ms;
    Some(Transit { frame: reading.frame, at_ms: reading.ts.as_nanos() as f64 / 1e6, millis })
}

/// The longest run of reports between which sound and picture are apart in the same sense.
fn apart(sound: &StreamRow, picture: &StreamRow, reports: &BTreeMap<u32, Vec<&RtcpRow>>) -> Option<Finding> {
    let (sounds, pictures) = (transits(sound, reports), transits(picture, reports));
    let mut runs: Vec<Vec<(&Transit, &Transit, f64)>> = vec![Vec::new()];
    for own in &pictures {
        let distance = |other: &&Transit| (other.at_ms - own.at_ms).abs();
        let nearest = sounds.iter().min_by(|one, other| distance(one).total_cmp(&distance(other)))?;
        let late = own.millis - nearest.millis;
        if distance(&nearest) > TOGETHER_MS || late.abs() < APART_MS {
            runs.push(Vec::new());
            continue;
        }
        match runs.last_mut() {
            Some(run) if run.last().is_none_or(|(.., before)| before.signum() == late.signum()) => {
                run.push((own, nearest, late));
            }
            _ => runs.push(vec![(own, nearest, late)]),
        }
    }
    let run = runs.into_iter().max_by_key(Vec::len)?;
    let (first, last) = (run.first()?, run.last()?);
    let mut of_sound: Vec<FrameNo> = run.iter().map(|(_, sound, _)| sound.frame).collect();
    of_sound.dedup();
    let lasted = (last.0.at_ms - first.0.at_ms) / 1000.0;
    if run.len() < PICTURES || of_sound.len() < SOUNDS || lasted < LASTED_S {
        return None;
    }
    let mut late: Vec<f64> = run.iter().map(|(.., late)| *late).collect();
    late.sort_by(f64::total_cmp);
    let median = late.get(late.len() / 2)?;
    let (behind, before) = if *median > 0.0 { ("picture", "sound") } else { ("sound", "picture") };
    let summary = format!(
        "{}: the {behind} comes {} behind the {before}, by {} sender reports in {}",
        way(picture.src, picture.dst),
        span(median.abs() / 1000.0),
        run.len(),
        span(lasted)
    );
    let frames = run.iter().flat_map(|(picture, sound, _)| [picture.frame, sound.frame]);
    Some(RULE.finding(summary).with_frames(frames).about(&picture.id))
}

#[cfg(test)]
mod tests {
    use super::super::super::stage::{Stage, rtp};

    const A: &str = "10.0.0.1:5000";
    const B: &str = "10.0.0.2:6000";
    /// A moment of the sender's clock, in seconds since 1900.
    const NTP: u64 = 3_900_000_000;

    /// A sender report with a canonical name.
    fn report(ssrc: u8, millis: u64, rtp_ts: u32) -> Vec<u8> {
        let mut bytes = vec![0x80, 200, 0, 6, 0, 0, 0, ssrc];
        bytes.extend(((NTP << 32) + (millis << 32) / 1000).to_be_bytes());
        bytes.extend(rtp_ts.to_be_bytes());
        bytes.extend([0; 8]);
        bytes.extend([0x81, 202, 0, 3, 0, 0, 0, ssrc, 1, 3, b'o', b'n', b'e', 0, 0, 0]);
        bytes
    }

    /// Twenty seconds of G.711 and H.263, whose pictures come so much later than the sound of their moment. RTCP comes on
    /// the flow of the media, or on another.
    fn call(late: i64, rtcp: [&str; 2]) -> Vec<String> {
        let mut stage = Stage::new();
        let mut packets: Vec<(i64, [&str; 2], Vec<u8>)> = Vec::new();
        for seq in 0..1000_u16 {
            packets.push((i64::from(seq) * 20, [A, B], rtp(0, 7, seq, u32::from(seq) * 160)));
        }
        for seq in 0..500_u16 {
            packets.push((i64::from(seq) * 40 + late, [A, B], rtp(34, 8, seq, u32::from(seq) * 3600)));
        }
        for second in (1..20_u64).step_by(2) {
            let at = second as i64 * 1000 + 1;
            packets.push((at, rtcp, report(7, second * 1000, second as u32 * 8000)));
            packets.push((at, rtcp, report(8, second * 1000, second as u32 * 90_000)));
        }
        packets.sort_by_key(|(at, ..)| *at);
        for (at, [from, to], packet) in packets {
            stage.udp(1000 + at, from, to, &packet);
        }
        let findings = stage.snapshot().findings;
        findings.into_iter().filter(|own| own.code == "RTP_OUT_OF_SYNC").map(|own| own.summary).collect()
    }

    #[test]
    fn a_picture_that_comes_late_for_its_sound_is_told_and_a_little_is_not() {
        for rtcp in [[A, B], ["10.0.0.1:5001", "10.0.0.2:6001"]] {
            let told = call(400, rtcp);
            assert!(told[0].contains("the picture comes 400 ms behind the sound, by 10 sender reports"), "{told:?}");
            assert_eq!(call(120, rtcp), [] as [&str; 0]);
        }
    }

    #[test]
    fn sound_that_comes_late_is_told_as_such() {
        let told = call(-300, [A, B]);
        assert!(told[0].contains("the sound comes 300 ms behind the picture"), "{told:?}");
    }
}
