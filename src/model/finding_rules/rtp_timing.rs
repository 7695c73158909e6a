//! RTP packets that come at the wrong time, and clocks that jump.

use super::super::finding::{Finding, Severity};
use super::super::snapshot::StreamKind;
use super::evidence::{is_media, way};
use super::rtp_loss::ENOUGH_EXPECTED;
use super::{Evidence, Rule};

/// Jitter in milliseconds below which every player's buffer bridges it. By the median: one pause in which timestamps stand
/// still, as on hold, raises the estimator of RFC 3550 for fifty packets, and with it all but the median.
const JITTER_MS: f64 = 20.0;

pub(super) static JITTER: Rule = Rule {
    code: "RTP_JITTER",
    severity: Severity::Warning,
    title: "Jitter is larger than the time between packets",
    explanation: "Packets of speech come with delays that differ by more than the time that one of them plays. A player has to \
        wait longer for all of them, or drops the late ones, which sounds like loss.",
    advice: "Look at full queues and wireless links on the way, and at senders that are short of processor time. Marking (DSCP) \
        helps where queues by class exist.",
    find: jitter,
};

pub(super) static CLOCK_JUMP: Rule = Rule {
    code: "RTP_CLOCK_JUMP",
    severity: Severity::Warning,
    title: "RTP timestamps jump",
    explanation: "From one packet to the next the timestamp went on by at least ten seconds more, or less, than arrival, with the \
        same SSRC. Players fall silent, or play too early or late, until they have found their place anew.",
    advice: "A sender that changes its source has to keep its timestamps or take another SSRC: look at transfers, announcements \
        and music on hold of gateways and servers.",
    find: clock_jump,
};

fn jitter(evidence: &Evidence<'_>) -> Vec<Finding> {
    // Comfort noise and telephone events among speech have timestamps of their own making.
    let streams = evidence.snapshot.streams.iter().filter(|row| {
        let is_speech = is_media(row) && row.kind == Some(StreamKind::Audio) && row.figures.payload_types.len() == 1;
        is_speech && row.figures.packets >= ENOUGH_EXPECTED
    });
    streams
        .filter_map(|row| {
            let (jitter, delta) = (row.figures.timing.jitter?, row.figures.delta?);
            let summary = format!(
                "{}: jitter is above {:.0} ms half of the time and up to {:.0} ms, with a packet every {:.0} ms",
                way(row.src, row.dst),
                jitter.p50,
                jitter.max,
                delta.mean
            );
            let frames = [row.figures.first_frame, delta.max_before, delta.max_frame];
            (jitter.p50 >= JITTER_MS && jitter.p50 > delta.mean)
                .then(|| JITTER.finding(summary).with_frames(frames).about(&row.id))
        })
        .collect()
}

fn clock_jump(evidence: &Evidence<'_>) -> Vec<Finding> {
    let streams =
        evidence.snapshot.streams.iter().filter(|row| is_media(row) && row.figures.notes.clock_jump_count > 0);
    streams
        .map(|row| {
            let notes = &row.figures.notes;
            let times = if notes.clock_jump_count == 1 { "once" } else { "several times" };
            let summary = format!("{}: the timestamp jumped {times}", way(row.src, row.dst));
            CLOCK_JUMP.finding(summary).with_frames(notes.clock_jumps.iter().copied()).about(&row.id)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::stage::{Stage, rtp};
    use super::super::tests::codes;

    const A: &str = "10.0.0.1:5000";
    const B: &str = "10.0.0.2:6000";

    fn stream(late: impl Fn(u16) -> i64, jump: u32) -> Stage {
        let mut stage = Stage::new();
        (0..500_u16).for_each(|seq| {
            let rtp_ts = u32::from(seq) * 160 + if seq < 250 { 0 } else { jump };
            stage.udp(1000 + i64::from(seq) * 20 + late(seq), A, B, &rtp(0, 7, seq, rtp_ts));
        });
        stage
    }

    #[test]
    fn jitter_above_the_packet_time_is_told_and_below_it_is_not() {
        assert_eq!(codes(&mut stream(|seq| i64::from(seq % 2) * 15, 0)), [] as [&str; 0]);
        // Five packets at once every hundred milliseconds.
        assert_eq!(codes(&mut stream(|seq| (9 - i64::from(seq % 10)) * 20, 0)), ["RTP_JITTER"]);
    }

    #[test]
    fn a_timestamp_that_jumps_is_told_with_its_frame() {
        let findings = stream(|_| 0, 8000 * 60).snapshot().findings;
        assert_eq!((findings[0].code, findings[0].frames[0].0), ("RTP_CLOCK_JUMP", 251));
        assert_eq!(codes(&mut stream(|_| 0, 8000 * 5)), [] as [&str; 0]);
    }
}
