//! One handshake in the making: what each record adds to its summary.
//!
//! In: records that belong to it. Out: the summary. Never: a decision whether a record belongs to it but
//! [`Handshake::is_succeeded_by`].

use super::flight::{FlightLog, MessageKind, Part};
use super::reassembly::Reassembler;
use super::summary::{AlertSeen, HandshakeSummary, Opening, State};
use super::{Direction, Point};
use crate::bytes::ParseError;
use crate::proto::dtls::{
    Alert, CipherSuite, ClientHello, ContentType, Fragment, Fragments, HandshakeType, Header, Message, Record,
    ServerKeyExchange, Version,
};
use crate::time::NANOS_PER_SEC;

/// Alerts that are kept, the first ones.
const MAX_ALERTS: usize = 8;
/// A ServerHello may be captured this long before the ClientHello that it answers, where two interfaces' captures were
/// merged by time.
const MERGE_SKEW_NANOS: i64 = NANOS_PER_SEC;

/// What the first fragment of a ClientHello tells, for the choice of the handshake that it belongs to.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClientHelloStart {
    message_seq: u16,
    record_sequence: u64,
    /// `None` in a later fragment.
    random: Option<[u8; 32]>,
}

/// The record's ClientHello fragment, where it begins with one.
pub(super) fn client_hello_start(record: &Record<'_>) -> Option<ClientHelloStart> {
    let Header::Classic { content_type: ContentType::HANDSHAKE, epoch: 0, sequence, .. } = record.header else {
        return None;
    };
    let fragment = Fragments::new(record.payload).next()?.ok()?;
    if fragment.message_type != HandshakeType::CLIENT_HELLO {
        return None;
    }
    let random = match fragment.fragment_offset {
        0 => fragment.body.get(2..34).and_then(|bytes| bytes.try_into().ok()),
        _ => None,
    };
    Some(ClientHelloStart { message_seq: fragment.message_seq, record_sequence: sequence, random })
}

/// What is known of one side beyond the summary.
#[derive(Debug, Default)]
struct Side {
    reassembler: Reassembler,
    /// Something of it was captured.
    seen: bool,
    /// DTLS 1.2: its first encrypted handshake message behind a ChangeCipherSpec.
    finished: Option<Point>,
    /// DTLS 1.3: its last record of epoch 2 that is larger than an alert.
    encrypted_flight: Option<Point>,
    /// Highest sequence number of a record in epoch 0.
    highest_plaintext: Option<u64>,
}

/// A handshake and what it takes to go on with it.
#[derive(Debug)]
pub(super) struct Handshake {
    summary: HandshakeSummary,
    log: FlightLog,
    sides: [Side; 2],
    client_random: Option<[u8; 32]>,
    client_session_id: Vec<u8>,
    server_hello: bool,
    /// Encrypted traffic that a side sends only when it is done.
    implied_complete: Option<Point>,
    /// DTLS 1.3: a record of the size of an alert where a flight was due.
    suspected_alert: Option<AlertSeen>,
    /// The epoch in which the Finished messages are: 1, more after a renegotiation.
    finished_epoch: u16,
}

impl Handshake {
    pub(super) fn new(opening: Opening, at: Point) -> Self {
        Self {
            summary: HandshakeSummary::new(opening, at),
            log: FlightLog::default(),
            sides: Default::default(),
            client_random: None,
            client_session_id: Vec::new(),
            server_hello: false,
            implied_complete: None,
            suspected_alert: None,
            finished_epoch: 1,
        }
    }

    /// Takes over from the handshake before what a renegotiation does not show.
    pub(super) fn inherit(&mut self, before: &HandshakeSummary) {
        self.summary.client = before.client;
        self.summary.version = before.version;
        self.summary.client_connection_id.clone_from(&before.client_connection_id);
        self.summary.server_connection_id.clone_from(&before.server_connection_id);
    }

    pub(super) fn summary(&self) -> &HandshakeSummary {
        &self.summary
    }

    pub(super) fn into_summary(self) -> HandshakeSummary {
        self.summary
    }

    /// Length of the connection id in records of that direction: who receives them has said so in its hello.
    pub(super) fn connection_id_len(&self, from: Direction) -> Option<usize> {
        let client = self.summary.client?;
        // Both have to have agreed; before the server did, records carry none (RFC 9146, section 3).
        let (to_client, to_server) =
            (self.summary.client_connection_id.as_ref()?, self.summary.server_connection_id.as_ref()?);
        Some(if from == client { to_server.len() } else { to_client.len() })
    }

    /// True where a ClientHello does not belong to this handshake but begins the next one: it has another random, or
    /// nothing is known of this one's and it is over.
    pub(super) fn is_succeeded_by(&self, from: Direction, at: Point, hello: &ClientHelloStart) -> bool {
        let over = self.summary.state != State::Incomplete;
        let Some(random) = hello.random else {
            // Which handshake a later fragment belongs to cannot be read from it. A new one counts its records anew.
            let restarted = self.side(from).highest_plaintext.is_some_and(|highest| hello.record_sequence <= highest);
            return over && (restarted || self.summary.opening == Opening::Joined);
        };
        match self.client_random {
            Some(known) if known == random => false,
            Some(_) => {
                let conflict = self.summary.client == Some(from.opposite()) && !self.server_hello;
                let continued = hello.message_seq > 0 || conflict;
                over || !continued
            }
            None if self.summary.opening == Opening::Joined => {
                let answered_early = at.ts.nanos_since(self.summary.first.ts) < MERGE_SKEW_NANOS && self.server_hello;
                over || !answered_early
            }
            None => over,
        }
    }

    /// True where nothing was captured that says more than that there were records.
    pub(super) fn is_blank(&self) -> bool {
        self.summary.opening == Opening::Joined
            && self.log.flights().is_empty()
            && self.summary.alerts.is_empty()
            && self.summary.completed.is_none()
    }

    /// True where a ChangeCipherSpec in that epoch is none of this handshake's own.
    pub(super) fn is_before_epoch(&self, epoch: u16) -> bool {
        epoch >= self.finished_epoch
    }

    pub(super) fn captured_duplicate(&mut self) {
        self.summary.captured_duplicates += 1;
    }

    pub(super) fn error(&mut self, at: Point, error: ParseError) {
        self.summary.errors += 1;
        self.summary.first_error.get_or_insert((error, at));
    }

    /// Takes a record.
    pub(super) fn record(&mut self, from: Direction, at: Point, record: &Record<'_>) {
        self.side_mut(from).seen = true;
        match record.header {
            Header::Classic { content_type, version, epoch, sequence, .. } => {
                self.infer_version(version, content_type);
                if epoch == 0 {
                    let highest = &mut self.side_mut(from).highest_plaintext;
                    *highest = (*highest).max(Some(sequence));
                    self.plaintext(from, at, content_type, record);
                } else {
                    self.encrypted(from, at, content_type, epoch);
                }
            }
            Header::Unified { epoch_bits, .. } => {
                if !self.summary.version_negotiated {
                    self.summary.version = Some(Version::DTLS_1_3);
                }
                self.unified(from, at, epoch_bits, record.payload.len());
            }
        }
    }

    /// Without a ServerHello, a record that is none of a hello says which version it is of.
    fn infer_version(&mut self, version: Version, content_type: ContentType) {
        let silent = matches!(content_type, ContentType::HANDSHAKE | ContentType::ALERT);
        if !silent && self.summary.version.is_none() {
            self.summary.version = Some(version);
        }
    }

    /// Brings the summary up to date behind a datagram.
    pub(super) fn settle(&mut self, at: Point) {
        let summary = &mut self.summary;
        summary.last = at;
        let [a, b] = &self.sides;
        let both_finished = a.finished.zip(b.finished).map(|(a, b)| if a.ts >= b.ts { a } else { b });
        summary.completed = both_finished.or(self.implied_complete);
        let before = summary.alerts.iter().find(|alert| !alert.after_completion).copied();
        let suspected = self.suspected_alert.filter(|_| summary.completed.is_none());
        summary.alert = before.or(suspected).or(summary.alerts.first().copied());
        summary.state = match summary.completed {
            Some(_) => State::Complete,
            None if before.or(suspected).is_some() => State::Alert,
            None => State::Incomplete,
        };
        if self.log.take_changed() {
            summary.flights = self.log.flights().to_vec();
            summary.messages_not_kept = self.log.not_kept();
            summary.retransmitted_flights =
                summary.flights.iter().fold(0u32, |sum, flight| sum.saturating_add(flight.retransmissions));
        }
    }

    fn plaintext(&mut self, from: Direction, at: Point, content_type: ContentType, record: &Record<'_>) {
        let counts = &mut self.summary.records;
        match content_type {
            ContentType::HANDSHAKE => {
                counts.handshake += 1;
                for fragment in Fragments::new(record.payload) {
                    match fragment {
                        Ok(fragment) => self.fragment(from, at, &fragment),
                        Err(error) => self.error(at, error),
                    }
                }
            }
            ContentType::CHANGE_CIPHER_SPEC => {
                counts.change_cipher_spec += 1;
                self.opaque_message(from, at, MessageKind::ChangeCipherSpec);
            }
            ContentType::ALERT => {
                counts.alert += 1;
                self.alert(from, at, record.alert());
            }
            ContentType::APPLICATION_DATA => counts.application_data += 1,
            ContentType::HEARTBEAT => counts.heartbeat += 1,
            ContentType::ACK => counts.ack += 1,
            _ => counts.connection_id += 1,
        }
    }

    /// A record of DTLS 1.0 or 1.2 in an epoch above 0.
    fn encrypted(&mut self, from: Direction, at: Point, content_type: ContentType, epoch: u16) {
        match content_type {
            ContentType::CHANGE_CIPHER_SPEC => {
                self.summary.records.change_cipher_spec += 1;
                self.finished_epoch = self.finished_epoch.max(epoch.saturating_add(1));
                self.opaque_message(from, at, MessageKind::ChangeCipherSpec);
            }
            ContentType::HANDSHAKE => {
                self.summary.records.handshake += 1;
                if !self.finished(from, at, epoch) {
                    self.summary.post_handshake_messages += 1;
                }
            }
            ContentType::ALERT => {
                self.summary.records.alert += 1;
                self.alert(from, at, None);
            }
            ContentType::TLS12_CID => {
                self.summary.records.connection_id += 1;
                if !self.finished(from, at, epoch) {
                    self.imply_complete(at, epoch);
                }
            }
            ContentType::APPLICATION_DATA => {
                self.summary.records.application_data += 1;
                self.imply_complete(at, epoch);
            }
            ContentType::HEARTBEAT => self.summary.records.heartbeat += 1,
            _ => self.summary.records.ack += 1,
        }
    }

    /// Application data of DTLS 1.2 follows a handshake that its sender takes for complete.
    fn imply_complete(&mut self, at: Point, epoch: u16) {
        if epoch >= self.finished_epoch {
            self.implied_complete.get_or_insert(at);
        }
    }

    /// Takes an encrypted handshake message as the Finished, where one is due: the first behind each ChangeCipherSpec.
    fn finished(&mut self, from: Direction, at: Point, epoch: u16) -> bool {
        if epoch < self.finished_epoch {
            return true;
        }
        let sent = |kind| self.log.of_kind(from, kind).map_or(0, |message| message.transmissions);
        let due = sent(MessageKind::ChangeCipherSpec).max(1);
        if sent(MessageKind::Finished) >= due {
            return false;
        }
        self.opaque_message(from, at, MessageKind::Finished);
        self.side_mut(from).finished.get_or_insert(at);
        true
    }

    /// A record of DTLS 1.3 that is encrypted; all that can be seen is the epoch's low bits and the size.
    fn unified(&mut self, from: Direction, at: Point, epoch_bits: u8, len: usize) {
        let alert_sized = len == self.encrypted_alert_len();
        let over = self.summary.state == State::Complete;
        match epoch_bits {
            1 => self.summary.records.early_data += 1,
            2 => {
                self.summary.records.encrypted_handshake += 1;
                if alert_sized && !over {
                    self.suspect_alert(from, at);
                } else if !over {
                    self.suspected_alert = self.suspected_alert.filter(|alert| alert.from != from);
                    self.side_mut(from).encrypted_flight = Some(at);
                    self.opaque_message(from, at, MessageKind::Encrypted);
                }
            }
            _ => {
                self.summary.records.application_data += 1;
                if !over {
                    self.behind_handshake(from, at, alert_sized);
                }
            }
        }
    }

    /// A record of epoch 3 before it is known that the handshake is complete.
    fn behind_handshake(&mut self, from: Direction, at: Point, alert_sized: bool) {
        let Some(client) = self.summary.client else {
            self.implied_complete.get_or_insert(at);
            return;
        };
        let client_flight = self.side(client).encrypted_flight;
        if from == client {
            // It took the server's Finished; that the server took the client's is not known unless nothing of the
            // server was captured at all.
            if !self.side(client.opposite()).seen && !alert_sized {
                self.implied_complete = client_flight.or(Some(at));
            }
        } else if alert_sized {
            self.suspect_alert(from, at);
        } else if let Some(end) = client_flight {
            self.implied_complete.get_or_insert(end);
        }
    }

    /// Level and description, the hidden content type, and the tag (RFC 8446, section 5.2).
    fn encrypted_alert_len(&self) -> usize {
        2 + 1 + self.summary.cipher_suite.map_or(16, CipherSuite::aead_tag_len)
    }

    fn suspect_alert(&mut self, from: Direction, at: Point) {
        let alert = AlertSeen { alert: None, from, at, after_completion: false, inferred: true };
        self.suspected_alert.get_or_insert(alert);
    }

    fn alert(&mut self, from: Direction, at: Point, alert: Option<Alert>) {
        if self.summary.alerts.len() < MAX_ALERTS {
            let [a, b] = &self.sides;
            let after_completion = self.implied_complete.is_some() || (a.finished.is_some() && b.finished.is_some());
            self.summary.alerts.push(AlertSeen { alert, from, at, after_completion, inferred: false });
        }
    }

    fn opaque_message(&mut self, from: Direction, at: Point, kind: MessageKind) {
        if let Some(place) = self.log.note(from, at, Part::opaque(kind)) {
            self.log.complete(place, at, kind);
        }
        if kind == MessageKind::ChangeCipherSpec && self.summary.client == Some(from.opposite()) {
            self.infer_resumption();
        }
    }

    fn fragment(&mut self, from: Direction, at: Point, fragment: &Fragment<'_>) {
        if fragment.message_type.name().is_none() {
            self.error(at, ParseError::invalid("dtls handshake", fragment.offset, "unknown message type"));
            return;
        }
        let kind = MessageKind::Handshake(fragment.message_type);
        self.infer_client(from, at, fragment);
        let part = Part {
            kind,
            message_seq: Some(fragment.message_seq),
            length: Some(fragment.length),
            fragment_offset: fragment.fragment_offset,
        };
        let Some(place) = self.log.note(from, at, part) else { return };
        if self.log.is_complete(place) {
            return;
        }
        let whole = match fragment.whole() {
            Some(body) => self.message(from, at, fragment.message_type, body),
            None => match self.side_mut(from).reassembler.push(fragment) {
                Some(body) => self.message(from, at, fragment.message_type, &body),
                None => return,
            },
        };
        self.log.complete(place, at, whole);
    }

    /// Messages that only one side sends tell who the client is (RFC 5246, section 7.3).
    fn infer_client(&mut self, from: Direction, at: Point, fragment: &Fragment<'_>) {
        let client = match fragment.message_type {
            HandshakeType::CLIENT_HELLO => {
                if self.summary.client == Some(from.opposite()) && !self.server_hello {
                    self.summary.both_clients.get_or_insert(at);
                    return;
                }
                self.summary.client_hello.get_or_insert(at);
                if self.client_random.is_none() && self.summary.opening == Opening::Joined {
                    self.summary.opening = Opening::ClientHello;
                }
                if fragment.fragment_offset == 0 {
                    self.client_random = fragment.body.get(2..34).and_then(|bytes| bytes.try_into().ok());
                }
                from
            }
            HandshakeType::SERVER_HELLO
            | HandshakeType::HELLO_VERIFY_REQUEST
            | HandshakeType::SERVER_KEY_EXCHANGE
            | HandshakeType::CERTIFICATE_REQUEST
            | HandshakeType::SERVER_HELLO_DONE
            | HandshakeType::NEW_SESSION_TICKET => from.opposite(),
            HandshakeType::CLIENT_KEY_EXCHANGE | HandshakeType::CERTIFICATE_VERIFY => from,
            _ => return,
        };
        if fragment.message_type == HandshakeType::SERVER_HELLO {
            // Where both sent a ClientHello, the one that answers is the server.
            self.summary.client = Some(client);
        }
        self.summary.client.get_or_insert(client);
    }

    /// Takes a whole message; says what it turned out to be.
    fn message(&mut self, from: Direction, at: Point, message_type: HandshakeType, body: &[u8]) -> MessageKind {
        let (message, error) = Message::read(message_type, body);
        if let Some(error) = error {
            self.error(at, error);
        }
        match message {
            Message::ClientHello(hello) => self.client_hello(from, &hello),
            Message::ServerHello(hello) if hello.is_retry() => {
                self.summary.choose(&hello, &self.client_session_id);
                return MessageKind::HelloRetryRequest;
            }
            Message::ServerHello(hello) => {
                self.server_hello = true;
                self.summary.choose(&hello, &self.client_session_id);
            }
            Message::Certificate(chain) => {
                for error in self.summary.add_certificates(from, at, chain) {
                    self.error(at, error);
                }
            }
            Message::CertificateRequest(_) => self.summary.certificate_requested = Some(true),
            Message::ServerKeyExchange(ServerKeyExchange::Ecdhe { group, .. }) => self.summary.group = Some(group),
            Message::ServerHelloDone => {
                self.summary.resumed = Some(false);
                self.summary.certificate_requested.get_or_insert(false);
            }
            _ => {}
        }
        MessageKind::Handshake(message_type)
    }

    fn client_hello(&mut self, from: Direction, hello: &ClientHello<'_>) {
        if self.summary.client != Some(from) {
            return;
        }
        self.client_session_id = hello.session_id.to_vec();
        self.summary.take_offer(hello);
    }

    /// A server that changes its cipher before its ServerHelloDone resumes a session (RFC 5246, section 7.3).
    fn infer_resumption(&mut self) {
        if self.server_hello && self.summary.resumed.is_none() && self.summary.certificates.is_empty() {
            self.summary.resumed = Some(true);
        }
    }

    fn side(&self, direction: Direction) -> &Side {
        let [a, b] = &self.sides;
        match direction {
            Direction::AToB => a,
            Direction::BToA => b,
        }
    }

    fn side_mut(&mut self, direction: Direction) -> &mut Side {
        let [a, b] = &mut self.sides;
        match direction {
            Direction::AToB => a,
            Direction::BToA => b,
        }
    }
}
