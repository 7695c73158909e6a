//! Streams and RTCP.
//!
//! In: rows of the snapshot. Out: objects of the report. Never: a unit that the key does not name.

use super::{Rounded, Text, ssrc};
use crate::model::snapshot::{
    Endpoint, JitterSummary, ReportPoint, RtcpRow, Ssrc, StreamRow, TsharkSummary, clock_source_name,
};
use crate::time::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Serialize)]
pub(super) struct Stream<'a> {
    id: &'a str,
    flow: &'a str,
    src: Text<Endpoint>,
    dst: Text<Endpoint>,
    path: Vec<String>,
    peer: Option<String>,
    ssrc: Text<Ssrc>,
    encrypted: bool,
    kind: Option<&'static str>,
    codec: Option<&'a str>,
    in_red: bool,
    payload_types: &'a [u8],
    clock_rate: Option<u32>,
    clock_source: &'static str,
    mid: Option<&'a str>,
    rid: Option<&'a str>,
    cname: Option<&'a str>,
    rtx_of: Option<Text<Ssrc>>,
    first_ts: Text<Timestamp>,
    last_ts: Text<Timestamp>,
    first_frame: u64,
    last_frame: u64,
    packets: u64,
    bytes: u64,
    ip_bytes: u64,
    expected: u64,
    lost: u64,
    lost_pct: Option<Rounded>,
    duplicates: u64,
    reordered: u64,
    max_reorder_distance: u64,
    misordered: u64,
    duplicates_removed: u64,
    segments: u64,
    jitter_ms: Jitter,
    frame_jitter_ms: Jitter,
    delta_ms: Delta,
    bitrate_bps: Bitrate,
    drift_ppm: Option<Rounded>,
    skew_ms: Option<Rounded>,
    loss_runs: BTreeMap<String, u64>,
    loss_model: LossModel,
    mos: Option<Rounded>,
    tshark: Tshark,
}

/// An object of nulls where nothing was measured, so that its keys can always be read.
#[derive(Serialize)]
struct Jitter {
    last: Option<Rounded>,
    mean: Option<Rounded>,
    max: Option<Rounded>,
    p95: Option<Rounded>,
}

/// The same.
#[derive(Serialize)]
struct Delta {
    mean: Option<Rounded>,
    max: Option<Rounded>,
    max_frame: Option<u64>,
}

#[derive(Serialize)]
struct Bitrate {
    mean: Option<Rounded>,
    max_1s: u64,
    ip_mean: Option<Rounded>,
}

#[derive(Serialize)]
struct LossModel {
    gilbert_p: Option<Rounded>,
    gilbert_r: Option<Rounded>,
    bursts: u64,
    burst_density_pct: Option<Rounded>,
    gap_density_pct: Option<Rounded>,
    burst_duration_ms: Option<Rounded>,
}

/// tshark's own figures, unrounded: whoever compares rounds as tshark does. Its -1 for a minimum without a sample is
/// null here as everywhere.
#[derive(Serialize)]
struct Tshark {
    packets: u32,
    lost: i32,
    lost_pct: f64,
    min_delta_ms: Option<f64>,
    mean_delta_ms: f64,
    max_delta_ms: f64,
    min_jitter_ms: Option<f64>,
    mean_jitter_ms: f64,
    max_jitter_ms: f64,
    problem: bool,
}

impl Tshark {
    fn of(sum: &TsharkSummary) -> Self {
        Self {
            packets: sum.packets,
            lost: sum.lost,
            lost_pct: sum.lost_pct,
            min_delta_ms: sum.min_delta_ms,
            mean_delta_ms: sum.mean_delta_ms,
            max_delta_ms: sum.max_delta_ms,
            min_jitter_ms: sum.min_jitter_ms,
            mean_jitter_ms: sum.mean_jitter_ms,
            max_jitter_ms: sum.max_jitter_ms,
            problem: sum.problem,
        }
    }
}

impl Jitter {
    fn of(sum: Option<&JitterSummary>) -> Self {
        Self {
            last: sum.map(|sum| Rounded(sum.last)),
            mean: sum.map(|sum| Rounded(sum.mean)),
            max: sum.map(|sum| Rounded(sum.max)),
            p95: sum.map(|sum| Rounded(sum.p95)),
        }
    }
}

impl<'a> Stream<'a> {
    pub(super) fn of(row: &'a StreamRow) -> Self {
        let figures = &row.figures;
        let sequence = &figures.sequence;
        let loss = row.loss();
        Self {
            id: &row.id,
            flow: &row.flow,
            src: Text(row.src),
            dst: Text(row.dst),
            path: row.path(),
            peer: row.peer.map(|peer| peer.text()),
            ssrc: ssrc(row.ssrc),
            encrypted: row.encrypted,
            kind: row.kind.map(|kind| kind.name()),
            codec: row.codec.as_deref(),
            in_red: row.in_red,
            payload_types: &figures.payload_types,
            clock_rate: figures.timing.clock.rate,
            clock_source: clock_source_name(figures.timing.clock.source),
            mid: row.mid.as_deref(),
            rid: None,
            cname: row.cname.as_deref(),
            rtx_of: row.rtx_of.map(ssrc),
            first_ts: Text(figures.first_ts),
            last_ts: Text(figures.last_ts),
            first_frame: figures.first_frame.0,
            last_frame: figures.last_frame.0,
            packets: figures.packets,
            bytes: figures.bytes,
            ip_bytes: figures.ip_bytes,
            expected: sequence.expected,
            lost: sequence.lost,
            lost_pct: loss.lost_pct.map(Rounded),
            duplicates: sequence.duplicates,
            reordered: sequence.reordered,
            max_reorder_distance: sequence.max_reorder_distance,
            misordered: sequence.misordered,
            duplicates_removed: figures.copies.packets,
            segments: sequence.segments,
            jitter_ms: Jitter::of(figures.timing.jitter.as_ref()),
            frame_jitter_ms: Jitter::of(figures.timing.frame_jitter.as_ref()),
            delta_ms: Delta {
                mean: figures.delta.map(|delta| Rounded(delta.mean)),
                max: figures.delta.map(|delta| Rounded(delta.max)),
                max_frame: figures.delta.map(|delta| delta.max_frame.0),
            },
            bitrate_bps: Bitrate {
                mean: figures.mean_bps.map(Rounded),
                max_1s: figures.max_1s_bps,
                ip_mean: figures.mean_ip_bps.map(Rounded),
            },
            drift_ppm: figures.timing.drift_ppm.map(Rounded),
            skew_ms: figures.timing.skew_ms.map(Rounded),
            loss_runs: sequence.loss_runs.iter().map(|(length, count)| (length.to_string(), *count)).collect(),
            loss_model: LossModel {
                gilbert_p: sequence.gilbert_p.map(Rounded),
                gilbert_r: sequence.gilbert_r.map(Rounded),
                bursts: sequence.bursts,
                burst_density_pct: loss.burst_density_pct.map(Rounded),
                gap_density_pct: loss.gap_density_pct.map(Rounded),
                burst_duration_ms: loss.burst_duration_ms.map(Rounded),
            },
            mos: None,
            tshark: Tshark::of(&figures.tshark),
        }
    }
}

#[derive(Serialize)]
pub(super) struct Rtcp<'a> {
    flow: &'a str,
    src: Text<Endpoint>,
    dst: Text<Endpoint>,
    ssrc: Text<Ssrc>,
    cname: Option<&'a str>,
    sr: u64,
    rr: u64,
    sdes: u64,
    bye: u64,
    app: u64,
    nack: u64,
    pli: u64,
    fir: u64,
    remb: u64,
    twcc: u64,
    ccfb: u64,
    xr: u64,
    other: u64,
    encrypted: u64,
    reports: Vec<Report>,
}

#[derive(Serialize)]
struct Report {
    frame: u64,
    ts: Text<Timestamp>,
    about: Text<Ssrc>,
    fraction_lost: Rounded,
    cumulative_lost: i32,
    extended_highest: u32,
    jitter_ms: Option<Rounded>,
    rtt_ms: Option<Rounded>,
}

impl<'a> Rtcp<'a> {
    pub(super) fn of(row: &'a RtcpRow) -> Self {
        let counts = &row.sender.counts;
        Self {
            flow: &row.flow,
            src: Text(row.src),
            dst: Text(row.dst),
            ssrc: Text(row.sender.ssrc),
            cname: row.sender.cname.as_deref(),
            sr: counts.sr,
            rr: counts.rr,
            sdes: counts.sdes,
            bye: counts.bye,
            app: counts.app,
            nack: counts.nack,
            pli: counts.pli,
            fir: counts.fir,
            remb: counts.remb,
            twcc: counts.twcc,
            ccfb: counts.ccfb,
            xr: counts.xr,
            other: counts.other,
            encrypted: counts.encrypted,
            reports: row.sender.reports.iter().map(|point| Report::of(row, point)).collect(),
        }
    }
}

impl Report {
    fn of(row: &RtcpRow, point: &ReportPoint) -> Self {
        Self {
            frame: point.frame.0,
            ts: Text(point.ts),
            about: Text(point.about),
            fraction_lost: Rounded(f64::from(point.fraction_lost) / 256.0),
            cumulative_lost: point.cumulative_lost,
            extended_highest: point.extended_highest,
            jitter_ms: row.jitter_ms(point).map(Rounded),
            rtt_ms: point.rtt_ms.map(Rounded),
        }
    }
}
