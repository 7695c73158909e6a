//! The report's words for what the rows hold, and the figures that follow from others.
//!
//! In: rows of a snapshot. Out: names, paths, percentages. Never: a figure that needs more than one row.

use super::dtls::{AlertSeen, HandshakeSummary, State};
use super::flow::{Peer, Via};
use super::ice::PairStatus;
use super::rtcp::ReportPoint;
use super::rtp_stream::ClockSource;
use super::snapshot::{FlowRow, RtcpRow, Snapshot, StreamRow};
use super::stun::{Outcome, Transaction};
use super::turn::{AllocationEnd, TurnError};
use crate::net::{Transport, TunnelKind, TunnelLayer};
use crate::proto::stun::Method;

impl Peer {
    /// An address, or the channel where the binding was not captured.
    pub fn text(&self) -> String {
        match self {
            Peer::Address(endpoint) => endpoint.to_string(),
            Peer::Channel(number) => format!("channel 0x{number:04x}"),
        }
    }
}

impl Transport {
    /// `udp` or `tcp`.
    pub const fn name(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
        }
    }
}

impl Outcome {
    /// The report's word.
    pub const fn name(self) -> &'static str {
        match self {
            Outcome::Success => "success",
            Outcome::Error => "error",
            Outcome::Timeout => "timeout",
            Outcome::Open => "open",
            Outcome::Indication => "indication",
        }
    }
}

impl PairStatus {
    /// The report's word.
    pub const fn name(self) -> &'static str {
        match self {
            PairStatus::Checking => "checking",
            PairStatus::Valid => "valid",
            PairStatus::Nominated => "nominated",
            PairStatus::Failed => "failed",
        }
    }
}

impl AllocationEnd {
    /// The report's word.
    pub const fn name(self) -> &'static str {
        match self {
            AllocationEnd::Deleted => "deleted",
            AllocationEnd::Expired => "expired",
            AllocationEnd::Open => "open",
            AllocationEnd::Failed => "failed",
        }
    }
}

/// The report's word for where a clock rate comes from.
pub const fn clock_source_name(source: ClockSource) -> &'static str {
    match source {
        ClockSource::Sdp => "sdp",
        ClockSource::Static => "static",
        ClockSource::Inferred => "inferred",
        ClockSource::None => "none",
    }
}

/// The report's word for a STUN method.
pub fn method_name(method: Method) -> String {
    method.to_string().to_ascii_lowercase().replace(' ', "-")
}

impl Transaction {
    /// `binding`, `allocate`; a number where there is no name.
    pub fn method_name(&self) -> String {
        method_name(self.method)
    }
}

impl TurnError {
    /// `allocate`, `refresh`; a number where there is no name.
    pub fn method_name(&self) -> String {
        method_name(self.method)
    }
}

impl AlertSeen {
    /// Level and description; of an encrypted alert only that it was one.
    pub fn text(&self) -> String {
        self.alert.map_or_else(|| "encrypted".to_owned(), |alert| alert.to_string())
    }
}

impl HandshakeSummary {
    /// The alert that ended the handshake.
    pub fn ending_alert(&self) -> Option<&AlertSeen> {
        self.alert.as_ref().filter(|_| self.state == State::Alert)
    }
}

fn tunnel_name(layer: &TunnelLayer) -> String {
    let name = match layer.kind {
        TunnelKind::Gre => "gre",
        TunnelKind::IpIp => "ipip",
        TunnelKind::Vxlan => "vxlan",
        TunnelKind::Geneve => "geneve",
        TunnelKind::GtpU => "gtpu",
        TunnelKind::Teredo => "teredo",
    };
    if layer.id == 0 { name.to_owned() } else { format!("{name}:{}", layer.id) }
}

fn path(tunnels: &[TunnelLayer], transport: Transport, vias: &[Via]) -> Vec<String> {
    let mut path: Vec<String> = tunnels.iter().map(tunnel_name).collect();
    path.push(transport.name().to_owned());
    path.extend(vias.iter().filter_map(|via| via.name()).map(str::to_owned));
    path
}

impl FlowRow {
    /// From the outside in: tunnels, transport, the ways inside it.
    pub fn path(&self) -> Vec<String> {
        path(&self.tunnels, self.transport, &self.vias)
    }
}

/// What follows from the sums over sequence numbers, in percent and milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossFigures {
    /// 100 * lost / expected.
    pub lost_pct: Option<f64>,
    /// Lost packets in bursts by all packets in bursts (RFC 3611, section 4.7.2).
    pub burst_density_pct: Option<f64>,
    /// Lost packets outside of bursts by all packets outside.
    pub gap_density_pct: Option<f64>,
    /// Mean duration of a burst, by the stream's mean packet interval.
    pub burst_duration_ms: Option<f64>,
}

impl StreamRow {
    /// From the outside in: tunnels, transport, the way inside it.
    pub fn path(&self) -> Vec<String> {
        path(&self.tunnels, self.transport, &[self.via])
    }

    /// Loss in percent, in bursts and between them.
    pub fn loss(&self) -> LossFigures {
        let sum = &self.figures.sequence;
        let percent = |part: u64, whole: u64| (whole > 0).then(|| 100.0 * part as f64 / whole as f64);
        let gap_packets = sum.expected.saturating_sub(sum.burst_packets);
        let interval_ms = self.figures.delta.map(|delta| {
            // The mean gap between packets that arrived, spread over those that should have.
            delta.mean * (sum.expected.saturating_sub(sum.lost).max(1) as f64) / (sum.expected.max(1) as f64)
        });
        LossFigures {
            lost_pct: percent(sum.lost, sum.expected),
            burst_density_pct: percent(sum.burst_lost, sum.burst_packets),
            gap_density_pct: percent(sum.lost.saturating_sub(sum.burst_lost), gap_packets),
            burst_duration_ms: interval_ms
                .filter(|_| sum.bursts > 0)
                .map(|interval| interval * sum.burst_packets as f64 / sum.bursts as f64),
        }
    }
}

impl RtcpRow {
    /// Jitter of a report in milliseconds, where the clock of the stream that it is about is known.
    pub fn jitter_ms(&self, point: &ReportPoint) -> Option<f64> {
        let rate = self.clock_rates.get(&point.about.0)?;
        Some(f64::from(point.jitter_ticks) * 1000.0 / f64::from(*rate))
    }
}

impl Snapshot {
    /// The streams, the one that fared worst first: by loss, then by jitter.
    pub fn worst_first(&self) -> Vec<&StreamRow> {
        let badness = |row: &StreamRow| {
            (row.loss().lost_pct.unwrap_or(0.0), row.figures.timing.jitter.map_or(0.0, |jitter| jitter.p95))
        };
        let mut rows: Vec<((f64, f64), &StreamRow)> = self.streams.iter().map(|row| (badness(row), row)).collect();
        rows.sort_by(|(a, _), (b, _)| b.0.total_cmp(&a.0).then(b.1.total_cmp(&a.1)));
        rows.into_iter().map(|(_, row)| row).collect()
    }
}

/// A day and time in UTC as ISO 8601 writes it, from seconds since the epoch. The Gregorian calendar counted in eras of
/// 400 years from 0000-03-01.
pub fn utc_date(seconds: i64) -> String {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}Z", second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(utc_date(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc_date(951_827_696), "2000-02-29T12:34:56Z");
        assert_eq!(utc_date(-1), "1969-12-31T23:59:59Z");
        assert_eq!(utc_date(4_102_444_800), "2100-01-01T00:00:00Z");
    }
}
