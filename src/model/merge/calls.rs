//! Sessions as calls: their signalling, checks, allocations, handshakes and streams together.
//!
//! In: the rows of the snapshot. Out: each session with the ids of what belongs to it, its steps and its media; and a
//! session for each group of flows that no signalling tells of. Never: a flow in a session because of its hosts alone.

mod observed;
mod setup;
pub(super) mod sides;
mod unsignalled;

use super::super::flow::{Direction, Origin};
use super::super::signalling::{Described, SessionState, SessionSummary, Signal};
use super::super::snapshot::{Class, Snapshot};
use super::{Merge, Place};
use crate::net::{Addr, Endpoint};
use crate::time::Timestamp;
use sides::{Index, Side};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Sessions in all, with and without signalling.
const MAX_SESSIONS: usize = 1 << 16;

/// A client asks for allocations so long before its description or after it at most.
const GATHERING_NANOS: i64 = 5_000_000_000;

/// What belongs to a session, by place in the lists of the snapshot.
#[derive(Clone, Debug, Default)]
struct Members {
    flows: BTreeSet<usize>,
    /// With the side that sends.
    streams: BTreeMap<usize, Side>,
    allocations: BTreeSet<usize>,
    handshakes: BTreeSet<usize>,
    pairs: BTreeSet<usize>,
}

impl Members {
    /// True where something of the media path was captured.
    fn has_media_path(&self) -> bool {
        !self.streams.is_empty() || !self.handshakes.is_empty() || !self.pairs.is_empty()
    }
}

/// The ends of a connection, in either order.
type Connection = (Endpoint, Endpoint);

fn connection(one: Endpoint, other: Endpoint) -> Connection {
    (one.min(other), one.max(other))
}

impl Merge<'_> {
    /// Joins all rows to the sessions, and makes sessions of those that belong to none.
    pub(super) fn join_sessions(&self, snapshot: &mut Snapshot) {
        let mut sessions = std::mem::take(&mut snapshot.sessions);
        let all_sides: Vec<Vec<Side>> = sessions.iter().map(sides::sides).collect();
        let (mut members, rest) = self.members(snapshot, &sessions, &all_sides);
        let groups = unsignalled::groups(self, snapshot, &rest);
        let dropped = (sessions.len() + groups.len()).saturating_sub(MAX_SESSIONS) as u64;
        for (session, own) in groups.into_iter().take(MAX_SESSIONS.saturating_sub(sessions.len())) {
            sessions.push(session);
            members.push(own);
        }
        *snapshot.capture.limits.entry("sessions_not_kept").or_default() += dropped;
        let by_parent = allocations_by_flow(snapshot);
        let no_sides = Vec::new();
        for (at, (session, own)) in sessions.iter_mut().zip(&mut members).enumerate() {
            self.add_allocations(own, &by_parent);
            let sides = all_sides.get(at).unwrap_or(&no_sides);
            let observed::Observed { rounds, media, unexpected, in_red } =
                observed::observe(session, sides, own, snapshot);
            (session.call.rounds, session.call.media, session.call.unexpected) = (rounds, media, unexpected);
            for (stream, codec) in in_red {
                if let Some(row) = snapshot.streams.get_mut(stream) {
                    (row.in_red, row.codec) = (true, Some(codec));
                }
            }
            (session.call.setup, session.call.timeline) = setup::setup(session, own, snapshot);
            session.state = state(session, own, snapshot);
            let call = &mut session.call;
            call.flows = ids(&snapshot.flows, &own.flows, |row| &row.id);
            call.streams = own.streams.keys().filter_map(|at| Some(snapshot.streams.get(*at)?.id.clone())).collect();
            call.allocations = ids(&snapshot.allocations, &own.allocations, |row| &row.id);
            call.handshakes = ids(&snapshot.handshakes, &own.handshakes, |row| &row.id);
            call.pairs = ids(&snapshot.pairs, &own.pairs, |row| &row.id);
        }
        in_order(sessions, snapshot);
    }

    /// What belongs to each session, and what to none.
    fn members(
        &self,
        snapshot: &Snapshot,
        sessions: &[SessionSummary],
        sides: &[Vec<Side>],
    ) -> (Vec<Members>, Members) {
        let index = Index::of(sessions, sides);
        let on_connection: HashMap<Connection, usize, ahash::RandomState> = sessions
            .iter()
            .enumerate()
            .filter(|(_, session)| session.signal == Signal::Rtsp)
            .filter_map(|(at, session)| session.addresses.map(|(one, other)| (connection(one, other), at)))
            .collect();
        let mut members = vec![Members::default(); sessions.len()];
        let mut rest = Members::default();
        let lookup = |place: Place, ts: Timestamp| {
            self.session_at(&index, place, ts).or_else(|| {
                // RTSP may carry media on its own connection.
                let (src, dst) = (self.flow(place).tuple.src, self.flow(place).tuple.dst);
                let at = *on_connection.get(&connection(src, dst))?;
                let server = sessions.get(at)?.addresses.map(|(server, _)| server);
                Some((at, Side::from(server != Some(src))))
            })
        };
        // The same source between the same hosts: RTCP may have ports of its own.
        let mut of_source: HashMap<(Endpoint, Endpoint, u32), usize, ahash::RandomState> = HashMap::default();
        let host = |endpoint: Endpoint| Endpoint { port: 0, ..endpoint };
        for (at, row) in snapshot.streams.iter().enumerate() {
            let Some((number, place)) = self.place_of(&row.flow) else { continue };
            match lookup(place, row.figures.first_ts) {
                Some((session, first)) => {
                    let is_forward = row.src == self.flow(place).tuple.src;
                    let own = &mut members[session];
                    own.flows.insert(number);
                    own.streams.insert(at, if is_forward { first } else { 1 - first });
                    of_source.insert((host(row.src), host(row.dst), row.ssrc), session);
                }
                None => {
                    rest.streams.insert(at, 0);
                }
            }
        }
        let mut any = |flow: &str, ts: Timestamp| {
            let (number, place) = self.place_of(flow)?;
            let (session, _) = lookup(place, ts)?;
            members[session].flows.insert(number);
            Some(session)
        };
        let pairs: Vec<Option<usize>> = snapshot.pairs.iter().map(|row| any(&row.flow, row.pair.first_ts)).collect();
        let handshakes: Vec<Option<usize>> =
            snapshot.handshakes.iter().map(|row| any(&row.flow, row.handshake.first.ts)).collect();
        for (at, session) in pairs.into_iter().enumerate() {
            session.map_or(&mut rest, |session| &mut members[session]).pairs.insert(at);
        }
        for (at, session) in handshakes.into_iter().enumerate() {
            session.map_or(&mut rest, |session| &mut members[session]).handshakes.insert(at);
        }
        for row in &snapshot.rtcp {
            let own = of_source.get(&(host(row.src), host(row.dst), row.sender.ssrc.0));
            if let (Some(session), Some((number, _))) = (own, self.place_of(&row.flow)) {
                members[*session].flows.insert(number);
            }
        }
        for (at, row) in snapshot.allocations.iter().enumerate() {
            let relayed = [row.allocation.relayed, None];
            let session = index.between([relayed, [None; 2]], row.allocation.created_ts.unwrap_or_default());
            if let Some((session, _)) = session {
                members[session].allocations.insert(at);
                members[session].flows.extend(self.place_of(&row.flow).map(|(number, _)| number));
            }
        }
        self.other_allocations(snapshot, sessions, &mut members);
        signalling_flows(snapshot, sessions, &mut members);
        (members, rest)
    }

    /// The session of a flow at a time, and the side of it that sends forward.
    fn session_at(&self, index: &Index<'_>, place: Place, ts: Timestamp) -> Option<(usize, Side)> {
        let details = self.flow(place).details.as_deref();
        let fragments =
            [Direction::Forward, Direction::Backward].map(|end| details.and_then(|details| details.ice.fragment(end)));
        if let [Some(forward), Some(backward)] = fragments {
            // Checks of a session whose signalling was not captured belong to no other that had the address.
            return index.checked([forward, backward], ts);
        }
        index.between([self.names(place, Direction::Forward), self.names(place, Direction::Backward)], ts)
    }

    /// Allocations of which nothing came: of the one session with ICE that their client was setting up then, if it is one.
    fn other_allocations(&self, snapshot: &Snapshot, sessions: &[SessionSummary], members: &mut [Members]) {
        let mut of_host: HashMap<Addr, Vec<usize>, ahash::RandomState> = HashMap::default();
        let uses_ice = |described: &Described| {
            described.sdp.media.iter().any(|media| described.sdp.ice_credentials(media).is_some())
        };
        for (at, session) in sessions.iter().enumerate() {
            for described in session.descriptions.iter().filter(|described| uses_ice(described)) {
                for end in described.ends.into_iter().flat_map(|(one, other)| [one, other]) {
                    let known = of_host.entry(end.addr).or_default();
                    if known.last() != Some(&at) {
                        known.push(at);
                    }
                }
            }
        }
        let joined: BTreeSet<usize> = members.iter().flat_map(|own| own.allocations.iter().copied()).collect();
        for (at, row) in snapshot.allocations.iter().enumerate().filter(|(at, _)| !joined.contains(at)) {
            let is_setting_up = |session: &&usize| {
                let Some(session) = sessions.get(**session) else { return false };
                let last = session.descriptions.iter().rev().find_map(|described| described.ts);
                let asked = row.allocation.first_ts;
                asked.nanos_since(session.first_ts) >= -GATHERING_NANOS
                    && last.is_some_and(|last| asked.nanos_since(last) <= GATHERING_NANOS)
            };
            let mut setting_up = of_host.get(&row.client.addr).into_iter().flatten().filter(is_setting_up);
            if let (Some(session), None) = (setting_up.next(), setting_up.next()) {
                members[*session].allocations.insert(at);
                members[*session].flows.extend(self.place_of(&row.flow).map(|(number, _)| number));
            }
        }
    }

    /// A flow by its id: the number among all, and the place.
    pub(super) fn place_of(&self, id: &str) -> Option<(usize, Place)> {
        let number = id.strip_prefix('f')?.parse::<usize>().ok()?.checked_sub(1)?;
        Some((number, *self.order.get(number)?))
    }

    /// Allocations whose inner flows belong to a session belong to it too, with the flows around them.
    fn add_allocations(&self, members: &mut Members, by_parent: &HashMap<String, Vec<usize>, ahash::RandomState>) {
        let parents: Vec<Place> = members
            .flows
            .iter()
            .filter_map(|number| self.order.get(*number))
            .filter_map(|place| match self.flow(*place).origin {
                Origin::InTurn { parent, .. } => Some((place.0, parent)),
                Origin::Captured => None,
            })
            .collect();
        for parent in parents {
            let id = self.id(parent);
            members.flows.extend(self.place_of(&id).map(|(number, _)| number));
            members.allocations.extend(by_parent.get(&id).into_iter().flatten());
        }
    }
}

fn allocations_by_flow(snapshot: &Snapshot) -> HashMap<String, Vec<usize>, ahash::RandomState> {
    let mut by_flow: HashMap<String, Vec<usize>, ahash::RandomState> = HashMap::default();
    for (at, row) in snapshot.allocations.iter().enumerate() {
        by_flow.entry(row.flow.clone()).or_default().push(at);
    }
    by_flow
}

/// Puts the sessions in order of their first frame, and has the messages of the signalling name them by their new places.
fn in_order(sessions: Vec<SessionSummary>, snapshot: &mut Snapshot) {
    let mut sessions: Vec<(usize, SessionSummary)> = sessions.into_iter().enumerate().collect();
    sessions.sort_by_key(|(_, session)| session.first_frame);
    let mut places = vec![0; sessions.len()];
    for (place, (before, _)) in sessions.iter().enumerate() {
        places[*before] = place;
    }
    for message in &mut snapshot.signals {
        message.session = message.session.and_then(|before| places.get(before).copied());
    }
    snapshot.sessions = sessions.into_iter().map(|(_, session)| session).collect();
}

/// The flows that carried the descriptions and transactions of the sessions.
fn signalling_flows(snapshot: &Snapshot, sessions: &[SessionSummary], members: &mut [Members]) {
    let mut flows: HashMap<Connection, Vec<usize>, ahash::RandomState> = HashMap::default();
    for (at, row) in snapshot.flows.iter().enumerate() {
        let speaks = [Class::Sip, Class::Http, Class::Websocket, Class::Rtsp];
        if speaks.into_iter().any(|class| row.classes.of(class) > 0) {
            flows.entry(connection(row.a, row.b)).or_default().push(at);
        }
    }
    for (session, members) in sessions.iter().zip(members) {
        let described = session.descriptions.iter().filter_map(|described| described.ends);
        let asked = session.dialog.transactions.iter().map(|known| (known.from, known.to));
        for (one, other) in described.chain(asked).chain(session.addresses) {
            members.flows.extend(flows.get(&connection(one, other)).into_iter().flatten());
        }
    }
}

/// Where a session stands, by its media too where its signalling does not say.
fn state(session: &SessionSummary, members: &Members, snapshot: &Snapshot) -> SessionState {
    let says_nothing = matches!(session.signal, Signal::Websocket | Signal::Http | Signal::None);
    let is_open = matches!(session.state, SessionState::Offered | SessionState::Negotiated | SessionState::Described);
    if session.state == SessionState::Calling && session.is_unanswered(snapshot.capture.last_ts) {
        return SessionState::Failed;
    }
    if says_nothing && is_open && !members.streams.is_empty() { SessionState::Established } else { session.state }
}

fn ids<T>(rows: &[T], members: &BTreeSet<usize>, id: fn(&T) -> &String) -> Vec<String> {
    members.iter().filter_map(|at| Some(id(rows.get(*at)?).clone())).collect()
}

#[cfg(test)]
mod tests;
