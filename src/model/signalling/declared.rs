//! Descriptions that nobody is asked to answer: of RTSP and of announcements.
//!
//! In: RTSP messages and SAP datagrams. Out: sessions with their description, and where media will go.
//! Never: media; an RTSP connection's own is joined after the merge.

use super::session::{SessionState, Signal};
use super::{DECLARED, Signalling, name};
use crate::model::analyzer::FrontSink;
use crate::model::media_context::Announcement;
use crate::net::{Datagram, Endpoint};
use crate::proto::framing::MAX_BODY;
use crate::proto::sip::StartLine;
use crate::proto::{rtsp, sap};
use std::borrow::Cow;
use std::io::Read;

/// Pairs of addresses of a session that are kept.
const MAX_TRANSPORTS: usize = 64;

impl Signalling {
    /// Takes an RTSP message: the description of a DESCRIBE, the ports that a SETUP settles (RFC 7826, section 18.54),
    /// and whether it plays.
    pub(crate) fn rtsp(&mut self, datagram: &Datagram<'_>, sink: &mut impl FrontSink) {
        let Some(message) = rtsp::Message::parse(datagram.payload) else { return };
        let index = match message.sdp() {
            Some(_) => self.on_connection(Signal::Rtsp, datagram),
            None => self.known_connection(Signal::Rtsp, datagram),
        };
        self.trail.rtsp(datagram, index, &message);
        if let (Some(body), Some(index)) = (message.sdp(), index) {
            self.description(index, DECLARED, body, datagram, sink);
        }
        match message.start {
            StartLine::Request { method, .. } => self.asks(method, message.cseq(), datagram),
            StartLine::Response { code, reason } => {
                self.plays(code, reason, message.cseq(), datagram);
                if code == 200 {
                    self.transports(&message, datagram, sink);
                }
            }
        }
    }

    fn asks(&mut self, method: &str, cseq: Option<u32>, datagram: &Datagram<'_>) {
        let Some(index) = self.known_connection(Signal::Rtsp, datagram) else { return };
        let session = &mut self.sessions[index];
        match method {
            "PLAY" | "RECORD" => session.playing = cseq,
            "TEARDOWN" => {
                session.state = SessionState::Ended;
                session.ended = Some((datagram.carrier.frame, datagram.carrier.ts, datagram.flow.src));
            }
            _ => {}
        }
    }

    fn plays(&mut self, code: u16, reason: &str, cseq: Option<u32>, datagram: &Datagram<'_>) {
        let Some(index) = self.known_connection(Signal::Rtsp, datagram) else { return };
        let session = &mut self.sessions[index];
        if session.playing.is_none() || session.playing != cseq {
            return;
        }
        session.playing = None;
        session.status = Some((code, name(reason)));
        session.state = match code {
            200..=299 => SessionState::Established,
            300..=599 => SessionState::Refused,
            _ => session.state,
        };
    }

    fn transports(&mut self, message: &rtsp::Message<'_>, datagram: &Datagram<'_>, sink: &mut impl FrontSink) {
        let (server, client) = (datagram.flow.src, datagram.flow.dst);
        let session = self.known_connection(Signal::Rtsp, datagram);
        let described =
            session.and_then(|index| self.sessions[index].descriptions.last()).map(|known| known.sdp.clone());
        for transport in message.transports() {
            let at = |end: Endpoint, ports: rtsp::Pair<u16>| {
                let ports = [Some(ports.first), ports.second];
                ports.map(|port| port.map(|port| Endpoint { addr: end.addr, port }))
            };
            let servers = transport.server_port.map(|ports| at(server, ports)).unwrap_or_default();
            let clients = transport.client_port.map(|ports| at(client, ports)).unwrap_or_default();
            let mut media: Vec<Endpoint> = [servers[0], clients[0]].into_iter().flatten().collect();
            if transport.interleaved.is_some() {
                media.extend([server, client]);
            }
            let announcement = match &described {
                Some(described) => Announcement::of_tracks(described, media),
                None => Announcement::of_endpoints(media.into_iter()),
            };
            self.announce(announcement, datagram, sink);
            if let Some(session) = session.map(|index| &mut self.sessions[index])
                && session.transports.len() < MAX_TRANSPORTS
            {
                session.transports.extend(servers.into_iter().zip(clients).filter_map(|(one, other)| one.zip(other)));
            }
        }
    }

    /// Takes a datagram to the port of announcements.
    pub(crate) fn sap(&mut self, datagram: &Datagram<'_>, sink: &mut impl FrontSink) {
        let Ok(message) = sap::Announcement::parse(datagram.payload) else { return };
        let name = format!("sap {} {:04x}", message.source, message.hash);
        let known = self.by_call_id.get(&name).copied();
        if message.is_deletion {
            if let Some(index) = known {
                let session = &mut self.sessions[index];
                session.state = SessionState::Ended;
                session.ended = Some((datagram.carrier.frame, datagram.carrier.ts, datagram.flow.src));
            }
            return;
        }
        if message.is_encrypted {
            return;
        }
        let payload = match message.is_compressed {
            true => {
                let mut out = Vec::new();
                let _ = flate2::read::ZlibDecoder::new(message.payload).take(MAX_BODY as u64).read_to_end(&mut out);
                Cow::Owned(out)
            }
            false => Cow::Borrowed(message.payload),
        };
        if !crate::proto::sdp::looks_like_sdp(&payload) {
            return;
        }
        let Some(index) = known.or_else(|| self.begin_declared(&name, Signal::Sap, datagram)) else { return };
        self.description(index, DECLARED, &payload, datagram, sink);
    }

    fn begin_declared(&mut self, name: &str, signal: Signal, datagram: &Datagram<'_>) -> Option<usize> {
        let index = self.open(name, signal, SessionState::Described, datagram.carrier.ts)?;
        let session = &mut self.sessions[index];
        session.first_frame = Some(datagram.carrier.frame);
        session.addresses = Some((datagram.flow.src, datagram.flow.dst));
        Some(index)
    }

    fn known_connection(&self, signal: Signal, datagram: &Datagram<'_>) -> Option<usize> {
        self.by_call_id.get(&connection_name(signal, datagram)).copied()
    }

    /// The session of a connection that carries one: both directions are the same.
    fn on_connection(&mut self, signal: Signal, datagram: &Datagram<'_>) -> Option<usize> {
        let known = self.known_connection(signal, datagram);
        known.or_else(|| self.begin_declared(&connection_name(signal, datagram), signal, datagram))
    }
}

fn connection_name(signal: Signal, datagram: &Datagram<'_>) -> String {
    let (src, dst) = (datagram.flow.src, datagram.flow.dst);
    format!("{} {} {}", signal.name(), src.min(dst), src.max(dst))
}

#[cfg(test)]
mod tests;
