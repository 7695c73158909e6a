//! All figures of a stream.
//!
//! In: a stream. Out: lines, a subject each. Never: a figure without its unit.

use super::sdp::beside;
use super::{entry, sentence};
use crate::model::snapshot::{FrameNo, JitterSummary, Snapshot, Ssrc, StreamRow, clock_source_name};
use crate::time::Timestamp;
use crate::view::text::figures::{bytes, count, decimal, duration, kbps, plural, utc, with_ms};
use crate::view::text::{Cell, Ink, Page};
use std::io;

pub(super) fn write(snapshot: &Snapshot, row: &StreamRow, width: usize, page: &mut Page<'_>) -> io::Result<()> {
    let figures = &row.figures;
    let what = [
        Some(Cell::plain(if row.encrypted { "SRTP" } else { "RTP" })),
        row.kind.map(|kind| Cell::plain(kind.name())),
        row.codec.as_ref().map(Cell::plain),
        Some(Cell::plain(format!("SSRC 0x{:08x}", row.ssrc))),
        row.mid.as_ref().map(|mid| Cell::plain(format!("mid {mid}"))),
        row.cname.as_ref().map(|cname| Cell::plain(format!("cname {cname}"))),
        row.rtx_of.map(|of| Cell::plain(format!("repeats 0x{of:08x}"))),
        row.in_red.then(|| Cell::plain("in RED")),
    ];
    entry("what", &what.into_iter().flatten().collect::<Vec<_>>(), page)?;
    let mut path = format!("{} → {} over {}, flow {}", row.src, row.dst, row.path().join(" "), row.flow);
    path += &row.peer.map(|peer| format!(", TURN peer {}", peer.text())).unwrap_or_default();
    sentence("path", &path, Ink::Plain, page)?;
    let lasted = duration(figures.last_ts.nanos_since(figures.first_ts));
    let span =
        format!("{} UTC for {lasted}, frames {} to {}", utc(figures.first_ts), figures.first_frame, figures.last_frame);
    sentence("time", &span, Ink::Plain, page)?;
    let size = [
        Cell::plain(plural(figures.packets, "packet", "packets")),
        Cell::plain(bytes(figures.bytes)),
        Cell::plain(format!("{} kbit/s", kbps(figures.mean_bps))),
        Cell::plain(format!("at most {} in a second", kbps(Some(figures.max_1s_bps as f64)))),
    ];
    entry("size", &size, page)?;
    two_views(snapshot, row, width, page)?;
    losses(row, page)?;
    timing(row, page)?;
    notes(row, page)
}

/// What was seen of the sender here, beside what its receiver says of it.
fn two_views(snapshot: &Snapshot, row: &StreamRow, width: usize, page: &mut Page<'_>) -> io::Result<()> {
    let figures = &row.figures;
    let lost = |lost: f64| if lost > 0.0 { Ink::Doubtful } else { Ink::Good };
    let millis = |millis: Option<f64>| with_ms(millis);
    let own = snapshot.rtcp.iter().filter(|from| from.sender.ssrc.0 == row.ssrc);
    let sender_reports: u64 = own.map(|from| from.sender.counts.sr).sum();
    let (sequence, loss) = (&figures.sequence, row.loss());
    let seen = vec![
        Cell::new("Sender, as seen here", Ink::Strong),
        Cell::new(
            format!("lost {} of {}, {} %", count(sequence.lost), count(sequence.expected), decimal(loss.lost_pct, 2)),
            lost(sequence.lost as f64),
        ),
        Cell::plain(format!("jitter p95 {}", millis(figures.timing.jitter.map(|jitter| jitter.p95)))),
        Cell::plain(format!("longest gap {}", millis(figures.delta.map(|delta| delta.max)))),
        Cell::plain(plural(sender_reports, "sender report", "sender reports")),
    ];
    let mut said = vec![Cell::new("Receiver, as it reports", Ink::Strong)];
    let points = snapshot.rtcp.iter().flat_map(|from| {
        let about = from.sender.reports.iter().filter(|point| point.about.0 == row.ssrc);
        about.map(move |point| (from, point))
    });
    match points.clone().max_by_key(|(_, point)| point.frame) {
        None => said.push(Cell::new("no report about it in the clear", Ink::Faint)),
        Some((from, last)) => {
            let most = points.map(|(_, point)| point.fraction_lost).max().unwrap_or(0);
            let most = decimal(Some(f64::from(most) * 100.0 / 256.0), 1);
            let sum = f64::from(last.cumulative_lost);
            said.push(Cell::new(format!("lost {}, at most {most} % at once", decimal(Some(sum), 0)), lost(sum)));
            said.push(Cell::plain(format!("jitter {}", millis(from.jitter_ms(last)))));
            said.push(Cell::plain(format!("round trip {}", millis(last.rtt_ms))));
            let about =
                |marks: &[(Timestamp, FrameNo, Ssrc)]| marks.iter().filter(|mark| mark.2.0 == row.ssrc).count() as u64;
            let nacks: u64 = snapshot.rtcp.iter().map(|from| about(&from.sender.nacks.marks)).sum();
            let pictures: u64 = snapshot.rtcp.iter().map(|from| about(&from.sender.picture_requests.marks)).sum();
            said.push(Cell::plain(format!("NACK {}, picture requests {}", count(nacks), count(pictures))));
        }
    }
    page.line(&[])?;
    beside(&seen, &said, width.saturating_sub(3) / 2, page)?;
    page.line(&[])
}

fn losses(row: &StreamRow, page: &mut Page<'_>) -> io::Result<()> {
    let (sequence, loss) = (&row.figures.sequence, row.loss());
    let ink = if sequence.lost > 0 { Ink::Doubtful } else { Ink::Good };
    let counted = |number: u64, text: &str| {
        Cell::new(format!("{} {text}", count(number)), if number > 0 { Ink::Doubtful } else { Ink::Plain })
    };
    let mut items = vec![
        Cell::new(
            format!("{} of {}, {} %", count(sequence.lost), count(sequence.expected), decimal(loss.lost_pct, 2)),
            ink,
        ),
        counted(sequence.duplicates, "twice"),
        counted(sequence.reordered, "reordered"),
    ];
    if sequence.bursts > 0 {
        items.push(Cell::plain(format!(
            "{} of {} ms with {} % lost, {} % between them",
            plural(sequence.bursts, "burst", "bursts"),
            decimal(loss.burst_duration_ms, 0),
            decimal(loss.burst_density_pct, 1),
            decimal(loss.gap_density_pct, 2)
        )));
    }
    entry("lost", &items, page)
}

fn timing(row: &StreamRow, page: &mut Page<'_>) -> io::Result<()> {
    let timing = &row.figures.timing;
    let jitter = |name: &str, jitter: Option<JitterSummary>| {
        jitter.map(|jitter| {
            let [mean, p95, max] = [jitter.mean, jitter.p95, jitter.max].map(|millis| decimal(Some(millis), 2));
            Cell::plain(format!("{name}mean {mean} ms, p95 {p95} ms, max {max} ms"))
        })
    };
    let apart = timing.frame_jitter.filter(|frames| Some(*frames) != timing.jitter);
    let items: Vec<Cell> = jitter("", timing.jitter).into_iter().chain(jitter("of frames ", apart)).collect();
    entry("jitter", &items, page)?;
    let rate = timing.clock.rate.map_or_else(|| "unknown".to_owned(), |rate| format!("{} Hz", count(u64::from(rate))));
    let mut items = vec![Cell::plain(format!("{rate} ({})", clock_source_name(timing.clock.source)))];
    items.extend(timing.drift_ppm.map(|ppm| Cell::plain(format!("drift {} ppm", decimal(Some(ppm), 1)))));
    items.extend(timing.skew_ms.map(|skew| Cell::plain(format!("skew {}", with_ms(Some(skew))))));
    entry("clock", &items, page)?;
    let Some(delta) = row.figures.delta else { return Ok(()) };
    let text = format!(
        "mean {} ms, longest {} ms before frame {}",
        decimal(Some(delta.mean), 2),
        decimal(Some(delta.max), 1),
        delta.max_frame
    );
    sentence("gaps", &text, Ink::Plain, page)
}

/// Where something happened.
fn notes(row: &StreamRow, page: &mut Page<'_>) -> io::Result<()> {
    let notes = &row.figures.notes;
    let mut losses: Vec<Cell> = notes
        .losses
        .iter()
        .filter(|place| place.missing > 0)
        .map(|place| {
            let took = with_ms(Some(place.nanos as f64 / 1e6));
            Cell::plain(format!("{} between frames {} and {}, {took}", place.missing, place.before, place.after))
        })
        .collect();
    losses.extend(first_gaps(row).map(|text| Cell::new(text, Ink::Faint)));
    entry("missing", &losses, page)?;
    let frames = |frames: &[FrameNo]| frames.iter().map(|frame| Cell::plain(frame.to_string())).collect::<Vec<_>>();
    entry("late", &frames(&notes.reordered), page)?;
    entry("restarts", &frames(&notes.restarts), page)?;
    entry("clock jump", &frames(&notes.clock_jumps), page)
}

/// How many gaps are told of, where these are not all.
pub(in crate::view::tui) fn first_gaps(row: &StreamRow) -> Option<String> {
    let notes = &row.figures.notes;
    let told = notes.losses.iter().filter(|place| place.missing > 0).count() as u64;
    let all: u64 = row.figures.sequence.loss_runs.values().sum();
    (notes.may_lack_losses() && told < all).then(|| format!("the first {} of {} gaps", count(told), count(all)))
}
