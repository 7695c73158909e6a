//! What is known of one handshake.
//!
//! In: nothing; [`Association`](super::Association) fills it. Out: plain values for a snapshot. Never: a judgement.

use super::flight::{Flight, MessageKind};
use super::{Direction, Point};
use crate::bytes::ParseError;
use crate::proto::dtls::{Alert, CertificateInfo, CipherSuite, NamedGroup, SignatureScheme, SrtpProfile, Version};
use crate::time::Timestamp;

/// How the capture came to know of a handshake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opening {
    /// Its ClientHello was captured.
    ClientHello,
    /// A ChangeCipherSpec in an encrypted epoch: the hellos before it are encrypted (DTLS 1.2).
    Renegotiation,
    /// The capture began later, or misses the ClientHello.
    Joined,
}

/// How far a handshake came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Both sides finished, see [`HandshakeSummary::handshake_ms`].
    Complete,
    /// Not finished by the end of what was captured; the last of the flights says where it stopped.
    Incomplete,
    /// An alert came before it was complete.
    Alert,
}

impl State {
    /// The word of the report.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Incomplete => "incomplete",
            Self::Alert => "alert",
        }
    }
}

/// An alert.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AlertSeen {
    /// Level and description; `None` for an encrypted one.
    pub alert: Option<Alert>,
    /// Who sent it.
    pub from: Direction,
    /// Where.
    pub at: Point,
    /// True where the handshake was complete before; an encrypted alert then is a close_notify in all likelihood.
    pub after_completion: bool,
    /// True in DTLS 1.3, which hides the content type: a record of exactly the size of an encrypted alert came where a
    /// flight was due, and nothing contradicted it later. An ACK of no records has this size too, but no place there.
    pub inferred: bool,
}

/// A certificate and who sent it. In DTLS 1.3 certificates are encrypted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerCertificate {
    /// Who sent it.
    pub from: Direction,
    /// 0 for the sender's own, then those that signed.
    pub position: usize,
    /// The frame that made the message whole.
    pub at: Point,
    /// What it says.
    pub info: CertificateInfo,
}

/// What the client offered in its last ClientHello, best first. Lists are cut at 64.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Offer {
    /// Versions.
    pub versions: Vec<Version>,
    /// Cipher suites.
    pub cipher_suites: Vec<CipherSuite>,
    /// Profiles of use_srtp; empty where the extension is missing.
    pub srtp_profiles: Vec<SrtpProfile>,
    /// Groups.
    pub groups: Vec<NamedGroup>,
    /// Groups for which the client sent a key.
    pub key_shares: Vec<NamedGroup>,
    /// Signature schemes.
    pub signature_algorithms: Vec<SignatureScheme>,
    /// Application protocols.
    pub alpn: Vec<String>,
    /// The host's name.
    pub server_name: Option<String>,
    /// Extended master secret (RFC 7627).
    pub extended_master_secret: bool,
    /// Encrypt-then-MAC (RFC 7366).
    pub encrypt_then_mac: bool,
    /// True where a session was to be resumed: by id, ticket or pre-shared key.
    pub resumption: bool,
}

/// Records by type, captured duplicates left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RecordCounts {
    /// Type 20.
    pub change_cipher_spec: u64,
    /// Type 21, encrypted ones too.
    pub alert: u64,
    /// Type 22, encrypted ones too.
    pub handshake: u64,
    /// Type 23, and the records of DTLS 1.3 behind the handshake: these hide alerts, ACKs and key updates too.
    pub application_data: u64,
    /// Type 24.
    pub heartbeat: u64,
    /// Type 25: their types are hidden.
    pub connection_id: u64,
    /// Type 26 in plaintext.
    pub ack: u64,
    /// Unified header, epoch 1: early data.
    pub early_data: u64,
    /// Unified header, epoch 2: encrypted handshake.
    pub encrypted_handshake: u64,
}

/// One handshake on a five-tuple.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HandshakeSummary {
    /// How it came to be known.
    pub opening: Opening,
    /// How far it came.
    pub state: State,
    /// The direction in which the client sends: who sent the ClientHello, else inferred from messages that only one side
    /// sends. `None` where no such message was captured.
    pub client: Option<Direction>,
    /// Both sides sent a ClientHello and neither a ServerHello before that: the frame of the second one. Both then think
    /// that they are the client (`a=setup:active`, RFC 5763, section 5).
    pub both_clients: Option<Point>,
    /// Negotiated; without a ServerHello inferred from the records, see `version_negotiated`.
    pub version: Option<Version>,
    /// True where `version` stands in a ServerHello.
    pub version_negotiated: bool,
    /// What the client offered.
    pub offer: Offer,
    /// Chosen by the server.
    pub cipher_suite: Option<CipherSuite>,
    /// Chosen by the server. DTLS 1.3 encrypts it: `None`, see `offer`.
    pub srtp_profile: Option<SrtpProfile>,
    /// Chosen by the server. DTLS 1.3 encrypts it: `None`, see `offer`.
    pub alpn: Option<String>,
    /// The group of the key exchange.
    pub group: Option<NamedGroup>,
    /// The id that the client wants to receive records with (RFC 9146).
    pub client_connection_id: Option<Vec<u8>>,
    /// The id that the server wants to receive records with (RFC 9146).
    pub server_connection_id: Option<Vec<u8>>,
    /// The server agreed to it (RFC 7627); always false in DTLS 1.3, which has no need of it.
    pub extended_master_secret: bool,
    /// Whether a session was resumed; `None` where that cannot be told yet.
    pub resumed: Option<bool>,
    /// The server asked the client for a certificate; `None` in DTLS 1.3, which encrypts it.
    pub certificate_requested: Option<bool>,
    /// Certificates in capture order, the first eight.
    pub certificates: Vec<PeerCertificate>,
    /// The first frame of it.
    pub first: Point,
    /// The last frame that belongs to it, application data included.
    pub last: Point,
    /// The first fragment of the first ClientHello.
    pub client_hello: Option<Point>,
    /// Where it was complete: the last frame of the last flight.
    pub completed: Option<Point>,
    /// The flights in the order in which they began.
    pub flights: Vec<Flight>,
    /// Parts of messages that found no room in `flights`.
    pub messages_not_kept: u64,
    /// Times that a flight was sent again, over all flights: a known message_seq in a record with a new sequence number.
    pub retransmitted_flights: u32,
    /// Records captured more than once: same header, same bytes.
    pub captured_duplicates: u64,
    /// The alert that ended the handshake, or the first one behind it.
    pub alert: Option<AlertSeen>,
    /// All alerts, the first eight.
    pub alerts: Vec<AlertSeen>,
    /// Records by type.
    pub records: RecordCounts,
    /// Encrypted handshake messages of DTLS 1.2 that are no Finished: renegotiation in the making.
    pub post_handshake_messages: u64,
    /// Things that could not be read.
    pub errors: u64,
    /// The first of them.
    pub first_error: Option<(ParseError, Point)>,
}

impl HandshakeSummary {
    pub(super) fn new(opening: Opening, at: Point) -> Self {
        Self {
            opening,
            state: State::Incomplete,
            client: None,
            both_clients: None,
            version: None,
            version_negotiated: false,
            offer: Offer::default(),
            cipher_suite: None,
            srtp_profile: None,
            alpn: None,
            group: None,
            client_connection_id: None,
            server_connection_id: None,
            extended_master_secret: false,
            resumed: None,
            certificate_requested: None,
            certificates: Vec::new(),
            first: at,
            last: at,
            client_hello: None,
            completed: None,
            flights: Vec::new(),
            messages_not_kept: 0,
            retransmitted_flights: 0,
            captured_duplicates: 0,
            alert: None,
            alerts: Vec::new(),
            records: RecordCounts::default(),
            post_handshake_messages: 0,
            errors: 0,
            first_error: None,
        }
    }

    /// Milliseconds from the first ClientHello to the end of the last flight; `None` where either is not known.
    ///
    /// DTLS 1.0 and 1.2: the last flight ends with the later of the two first Finished messages. DTLS 1.3 hides the
    /// client's Finished: it ends with the last record of epoch 2 that the client sent before the server's first record
    /// of epoch 3 that is no alert by its size, which is an ACK or application data and proves that the server took it.
    pub fn handshake_ms(&self) -> Option<f64> {
        let (start, end) = (self.client_hello?, self.completed?);
        Some(end.ts.millis_since(start.ts))
    }

    /// True where something that belongs to a handshake was captured, and not only what is sent behind one: a capture
    /// that began later and a five-tuple that ICE moved an association to show nothing else. A record of DTLS 1.3 that
    /// hides its type proves nothing: its first byte is that of one datagram in eight of random ones.
    pub fn was_seen(&self) -> bool {
        let messages = || self.flights.iter().flat_map(|flight| &flight.messages);
        self.opening != Opening::Joined
            || messages().any(|message| message.kind != MessageKind::Encrypted)
            || self.alerts.iter().any(|seen| seen.alert.is_some())
    }

    /// Where it agreed on keys for SRTP (RFC 5764) and both sides had them: the end of the last flight.
    pub(crate) fn srtp_since(&self) -> Option<Timestamp> {
        self.srtp_profile.and(self.completed).map(|point| point.ts)
    }

    /// True where it may have agreed on keys for SRTP. The client offered profiles, and the server did not leave them
    /// out where its answer can be read, which DTLS 1.3 encrypts; or the hellos were not captured.
    pub(crate) fn may_have_srtp(&self) -> bool {
        let declined = self.version_negotiated && self.version != Some(Version::DTLS_1_3);
        match self.client_hello {
            None => !declined || self.srtp_profile.is_some(),
            Some(_) => self.srtp_profile.is_some() || (!self.offer.srtp_profiles.is_empty() && !declined),
        }
    }

    /// The direction in which the server sends.
    pub fn server(&self) -> Option<Direction> {
        self.client.map(Direction::opposite)
    }
}
