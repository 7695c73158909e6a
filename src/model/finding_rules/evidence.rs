//! What the rules look at: the snapshot, and the ways across it that several of them need.
//!
//! In: a snapshot without findings. Out: rows by flow, ICE sessions, whom the capture hears. Never: a judgement.

use super::super::class::Class;
use super::super::finding::Finding;
use super::super::snapshot::{FlowRow, PairRow, ReportPoint, RtcpRow, SessionSummary, Snapshot, StreamKind, StreamRow};
use super::{Fault, capture_direction};
use crate::net::{Addr, Endpoint};
use crate::time::Timestamp;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Sequence numbers by which a receiver's report must grow to show that media came to it.
const GROWTH: u32 = 50;

type ByFlow<'a, T> = HashMap<&'a str, T, ahash::RandomState>;

/// Seconds before a moment in which signalling that comes with it may have been.
const ABOUT_S: f64 = 3.0;

/// What the rules look at.
pub(super) struct Evidence<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) faults: &'a [Fault],
    flows: OnceCell<ByFlow<'a, &'a FlowRow>>,
    streams: OnceCell<ByFlow<'a, Vec<&'a StreamRow>>>,
    streams_by_id: OnceCell<ByFlow<'a, &'a StreamRow>>,
    streams_by_ssrc: OnceCell<HashMap<u32, Vec<&'a StreamRow>, ahash::RandomState>>,
    flows_by_end: OnceCell<HashMap<Endpoint, Vec<&'a str>, ahash::RandomState>>,
    flows_between: OnceCell<HashMap<(Addr, Addr), Vec<&'a FlowRow>, ahash::RandomState>>,
    heard: OnceCell<HashSet<Addr, ahash::RandomState>>,
    ice: OnceCell<Vec<IceSession<'a>>>,
    ice_by_flow: OnceCell<ByFlow<'a, usize>>,
    halves: OnceCell<BTreeSet<&'a str>>,
}

/// What a receiver says of a source that is not in the capture.
pub(super) struct UnseenReport<'a> {
    pub(super) row: &'a RtcpRow,
    pub(super) first: &'a ReportPoint,
    pub(super) last: &'a ReportPoint,
    /// Sequence numbers between the two.
    pub(super) growth: u32,
}

/// The candidate pairs of two agents: those whose checks name the same two username fragments.
pub(super) struct IceSession<'a> {
    pub(super) fragments: [&'a str; 2],
    pub(super) pairs: Vec<&'a PairRow>,
}

impl<'a> Evidence<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, faults: &'a [Fault]) -> Self {
        Self {
            snapshot,
            faults,
            flows: OnceCell::new(),
            streams: OnceCell::new(),
            streams_by_id: OnceCell::new(),
            streams_by_ssrc: OnceCell::new(),
            flows_by_end: OnceCell::new(),
            flows_between: OnceCell::new(),
            heard: OnceCell::new(),
            ice: OnceCell::new(),
            ice_by_flow: OnceCell::new(),
            halves: OnceCell::new(),
        }
    }

    /// The time of the last packet.
    fn end(&self) -> Timestamp {
        self.snapshot.capture.last_ts.unwrap_or_default()
    }

    /// Seconds from then to the end of the capture; none where time jumps in it, so that nobody can tell.
    pub(super) fn seconds_to_end(&self, since: Timestamp) -> f64 {
        let jumps = self.snapshot.capture.clock_steps.count > 0;
        if jumps { 0.0 } else { self.end().millis_since(since) / 1000.0 }
    }

    pub(super) fn flow(&self, id: &str) -> Option<&'a FlowRow> {
        let flows = self.flows.get_or_init(|| self.snapshot.flows.iter().map(|row| (row.id.as_str(), row)).collect());
        flows.get(id).copied()
    }

    /// The streams of a flow, in order of their first frame.
    pub(super) fn streams(&self, flow: &str) -> &[&'a StreamRow] {
        let streams = self.streams.get_or_init(|| {
            let mut by_flow: ByFlow<'a, Vec<&'a StreamRow>> = HashMap::default();
            for row in &self.snapshot.streams {
                by_flow.entry(&row.flow).or_default().push(row);
            }
            by_flow
        });
        streams.get(flow).map_or(&[], Vec::as_slice)
    }

    pub(super) fn stream(&self, id: &str) -> Option<&'a StreamRow> {
        let streams = self.snapshot.streams.iter();
        let by_id = self.streams_by_id.get_or_init(|| streams.map(|row| (row.id.as_str(), row)).collect());
        by_id.get(id).copied()
    }

    /// The streams of that source, in order of their first frame.
    pub(super) fn streams_of_ssrc(&self, ssrc: u32) -> &[&'a StreamRow] {
        let by_ssrc = self.streams_by_ssrc.get_or_init(|| {
            let mut by_ssrc: HashMap<u32, Vec<&'a StreamRow>, ahash::RandomState> = HashMap::default();
            for row in &self.snapshot.streams {
                by_ssrc.entry(row.ssrc).or_default().push(row);
            }
            by_ssrc
        });
        by_ssrc.get(&ssrc).map_or(&[], Vec::as_slice)
    }

    /// The flows of streams from or to there.
    pub(super) fn media_flows_at(&self, end: Endpoint) -> &[&'a str] {
        let by_end = self.flows_by_end.get_or_init(|| {
            let mut by_end: HashMap<Endpoint, Vec<&'a str>, ahash::RandomState> = HashMap::default();
            for row in &self.snapshot.streams {
                by_end.entry(row.src).or_default().push(&row.flow);
                by_end.entry(row.dst).or_default().push(&row.flow);
            }
            by_end
        });
        by_end.get(&end).map_or(&[], Vec::as_slice)
    }

    /// The flows between two hosts, whoever began.
    pub(super) fn flows_between(&self, one: Addr, other: Addr) -> &[&'a FlowRow] {
        let between = self.flows_between.get_or_init(|| {
            let mut between: HashMap<(Addr, Addr), Vec<&'a FlowRow>, ahash::RandomState> = HashMap::default();
            for flow in &self.snapshot.flows {
                let (a, b) = (flow.a.addr, flow.b.addr);
                between.entry((a.min(b), a.max(b))).or_default().push(flow);
            }
            between
        });
        between.get(&(one.min(other), one.max(other))).map_or(&[], Vec::as_slice)
    }

    /// Reports on sources of which no packet is here, though it grew from the first report to the last: it reached who
    /// reports. None where the capture may have forgotten some.
    pub(super) fn reports_on_unseen(&self) -> Vec<UnseenReport<'a>> {
        let mut unseen = Vec::new();
        if self.snapshot.capture.forgotten.streams > 0 {
            return unseen;
        }
        for row in &self.snapshot.rtcp {
            let subjects: BTreeSet<u32> = row.sender.reports.iter().map(|point| point.about.0).collect();
            for about in subjects.into_iter().filter(|about| *about != 0 && self.streams_of_ssrc(*about).is_empty()) {
                let points = || row.sender.reports.iter().filter(|point| point.about.0 == about);
                let (Some(first), Some(last)) = (points().next(), points().next_back()) else { continue };
                let growth = last.extended_highest.wrapping_sub(first.extended_highest);
                if (GROWTH..1 << 31).contains(&growth) {
                    unseen.push(UnseenReport { row, first, last, growth });
                }
            }
        }
        unseen
    }

    /// True where the capture has any packet towards this address: it is not one of a single direction.
    pub(super) fn hears(&self, addr: Addr) -> bool {
        let heard = self.heard.get_or_init(|| {
            let flows = self.snapshot.flows.iter();
            let forward = flows.clone().map(|row| row.b.addr);
            let backward = flows.filter(|row| row.first_backward.is_some()).map(|row| row.a.addr);
            forward.chain(backward).collect()
        });
        heard.contains(&addr)
    }

    /// The last time that this end of a flow is known to have sent something: media, RTCP, a check.
    pub(super) fn last_sent(&self, flow: &str, end: Endpoint) -> Option<Timestamp> {
        let media = self.streams(flow).iter().filter(|row| row.src == end).map(|row| row.figures.last_ts);
        let reports = self.snapshot.rtcp.iter().filter(|row| row.flow == flow && row.src == end);
        let pairs = self.snapshot.pairs.iter().filter(|row| row.flow == flow);
        let sides = pairs.flat_map(|row| row.pair.sides.iter().zip([row.local, row.remote]));
        let checks = sides.filter(|(_, own)| *own == end).filter_map(|(side, _)| Some(side.span?.1));
        media.chain(reports.map(|row| row.sender.last.1)).chain(checks).max()
    }

    /// True where what a finding is about lies on flows of which the capture has one direction only, as is proven.
    pub(super) fn is_half(&self, finding: &Finding) -> bool {
        let halves = self.halves.get_or_init(|| capture_direction::halves(self));
        let Some(subject) = finding.subject.as_deref().filter(|_| !halves.is_empty()) else { return false };
        let streams = self.snapshot.streams.iter().filter(|row| row.id == subject);
        let number = subject.strip_prefix('s').and_then(|number| number.parse::<usize>().ok()?.checked_sub(1));
        let session = number.and_then(|at| self.snapshot.sessions.get(at));
        let of_session = session.into_iter().flat_map(|session| session.call.flows.iter().map(String::as_str));
        let mut flows = streams.map(|row| row.flow.as_str()).chain(of_session).chain([subject]);
        flows.any(|flow| halves.contains(flow))
    }

    /// The ICE sessions, in order of their fragments.
    pub(super) fn ice(&self) -> &[IceSession<'a>] {
        self.ice.get_or_init(|| {
            let mut sessions: BTreeMap<[&str; 2], Vec<&PairRow>> = BTreeMap::new();
            for row in &self.snapshot.pairs {
                let Some((one, other)) = row.pair.ufrag.as_deref().and_then(|name| name.split_once(':')) else {
                    continue;
                };
                sessions.entry([one.min(other), one.max(other)]).or_default().push(row);
            }
            sessions.into_iter().map(|(fragments, pairs)| IceSession { fragments, pairs }).collect()
        })
    }

    /// The session of a flow's pair.
    pub(super) fn ice_of(&self, flow: &str) -> Option<&IceSession<'a>> {
        let by_flow = self.ice_by_flow.get_or_init(|| {
            let sessions = self.ice().iter().enumerate();
            sessions.flat_map(|(at, session)| session.pairs.iter().map(move |row| (row.flow.as_str(), at))).collect()
        });
        self.ice().get(*by_flow.get(flow)?)
    }

    /// True where anything but STUN passed on one of the session's flows.
    pub(super) fn carries(&self, session: &IceSession<'_>, wanted: impl Fn(Class) -> bool) -> bool {
        let mut flows = session.pairs.iter().filter_map(|row| self.flow(&row.flow));
        flows.any(|flow| flow.classes.iter().any(|(class, number)| number > 0 && wanted(class)))
    }
}

impl IceSession<'_> {
    /// True where any check of any pair was answered.
    pub(super) fn is_answered(&self) -> bool {
        self.pairs.iter().any(|row| row.pair.last_answer.is_some())
    }
}

/// True for media itself: no retransmission, no repair.
pub(super) fn is_media(row: &StreamRow) -> bool {
    row.rtx_of.is_none() && !matches!(row.kind, Some(StreamKind::Rtx | StreamKind::Fec))
}

/// The session of a flow.
pub(super) fn session_of<'a>(evidence: &Evidence<'a>, flow: &str) -> Option<&'a SessionSummary> {
    evidence.snapshot.sessions.iter().find(|session| session.call.flows.iter().any(|id| id == flow))
}

/// True where somebody said something about the call around that moment or later: a description, the end.
pub(super) fn was_said(session: &SessionSummary, moment: Timestamp) -> bool {
    let described = session.descriptions.iter().filter_map(|described| described.ts);
    let ended = session.ended.map(|(_, ts, _)| ts);
    described.chain(ended).any(|ts| ts.millis_since(moment) / 1000.0 > -ABOUT_S)
}

/// `10.0.0.1:5000`, and what it sends to: `10.0.0.1:5000 → 10.0.0.2:6000`.
pub(super) fn way(from: Endpoint, to: Endpoint) -> String {
    format!("{from} → {to}")
}

/// A span in the unit that suits it: `820 ms`, `7.0 s`, `4 min`.
pub(super) fn span(seconds: f64) -> String {
    match seconds {
        ..1.0 => format!("{:.0} ms", seconds * 1000.0),
        1.0..120.0 => format!("{seconds:.1} s"),
        120.0..7200.0 => format!("{:.0} min", seconds / 60.0),
        7200.0..172_800.0 => format!("{:.0} h", seconds / 3600.0),
        _ => format!("{:.0} days", seconds / 86_400.0),
    }
}

/// `1 check`, `5 checks`.
pub(super) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
