//! What a client reports: events, failures, counters, and what an input was.
//!
//! In: what the client came to know. Out: plain values. Never: a secret, or text of the server that is not cleaned.

use rtcscope::proto::stun::Method;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// Longest reason phrase and SOFTWARE (RFC 8489, sections 14.8 and 14.14: fewer than 128 characters).
const TEXT_CHARACTERS: usize = 127;

/// A peer of one client, in the order in which they were opened.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PeerId(pub(super) u16);

impl PeerId {
    /// From 0 on, in the order of [`open_peer`](super::Client::open_peer).
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Where a client stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum State {
    /// Nothing was asked for yet.
    Idle,
    /// The server was asked.
    Allocating,
    /// The allocation is there.
    Up,
    /// Its deletion was asked for.
    Closing,
    /// It is deleted.
    Closed,
    /// It never came, or was lost, or the server sent us elsewhere.
    Failed,
}

/// What happened. `Failed`, `Lost`, `Redirected`, `Closed` and `Undeleted` are the last of a client, one of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// The allocation is there.
    Allocated {
        /// Since [`allocate`](super::Client::allocate), challenge and retransmissions included.
        latency: Duration,
        /// What the server granted.
        lifetime: Duration,
    },
    /// The peer can be sent to. Renewals are not told.
    PeerReady(PeerId),
    /// The peer cannot, or no longer, be sent to.
    PeerRefused(PeerId, Failure),
    /// The allocation lives on.
    Refreshed,
    /// There is no allocation.
    Failed(Failure),
    /// The allocation was there and is gone: the server refused to go on, or did not answer in time.
    Lost(Failure),
    /// The server wants another one to be asked (RFC 8489, section 10).
    Redirected(Alternate),
    /// The allocation is deleted, or was never there.
    Closed,
    /// Nobody answered when it was to be deleted: the server keeps it until its lifetime is over.
    Undeleted,
}

/// Another server (RFC 8489, section 10).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Alternate {
    /// ALTERNATE-SERVER.
    pub server: SocketAddr,
    /// ALTERNATE-DOMAIN: whose certificate it shows over TLS and DTLS; that of the server before it where `None`.
    pub domain: Option<String>,
}

/// Why something did not come about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Failure {
    /// The server said so.
    Code {
        /// ERROR-CODE.
        code: u16,
        /// Its reason phrase, without control characters.
        reason: String,
        /// What was asked for.
        method: Method,
    },
    /// No answer to any transmission of the request.
    Timeout {
        /// What was asked for.
        method: Method,
    },
    /// 401 to a request that had the realm and the nonce that the server wants.
    WrongPassword,
    /// An answer that the protocol does not allow.
    Protocol(&'static str),
}

impl Failure {
    pub(super) fn code(code: u16, reason: &[u8], method: Method) -> Self {
        Self::Code { code, reason: server_text(reason), method }
    }

    /// Under which it is counted: `486`, `401`, `timeout`, `protocol`.
    pub fn key(&self) -> String {
        match self {
            Self::Code { code, .. } => code.to_string(),
            Self::Timeout { .. } => "timeout".to_owned(),
            Self::WrongPassword => "401".to_owned(),
            Self::Protocol(_) => "protocol".to_owned(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code { code, reason, method } if reason.is_empty() => write!(f, "{method}: {code}"),
            Self::Code { code, reason, method } => write!(f, "{method}: {code} {reason}"),
            Self::Timeout { method } => write!(f, "{method}: no answer"),
            Self::WrongPassword => f.write_str("refused with the right realm and nonce: wrong user name or password"),
            Self::Protocol(what) => f.write_str(what),
        }
    }
}

/// Text of a server, short, on one line. Some servers count the padding to it: what stands behind the text and is none
/// goes.
pub(crate) fn server_text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let is_none = |character: char| character.is_control() || character.is_whitespace();
    let text = text.trim_end_matches(|character| is_none(character) || character == char::REPLACEMENT_CHARACTER);
    let words: Vec<&str> = text.split(is_none).filter(|word| !word.is_empty()).collect();
    words.join(" ").chars().take(TEXT_CHARACTERS).collect()
}

/// What a message from the server was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Input<'b> {
    /// From a peer.
    Data {
        /// `None` where nobody opened it.
        peer: Option<PeerId>,
        /// What the peer sent.
        payload: &'b [u8],
    },
    /// An answer that was waited for.
    Handled,
    /// Anything else: late, cut, forged, or no TURN.
    Ignored,
}

/// What a client did.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counters {
    /// Requests, each once, however often transmitted.
    pub requests: u32,
    /// Transmissions after the first of a request.
    pub retransmissions: u32,
    /// 401 that were answered with credentials.
    pub challenges: u32,
    /// 438.
    pub stale_nonces: u32,
    /// Allocations prolonged.
    pub refreshes: u32,
    /// Permissions and channels prolonged.
    pub renewals: u32,
    /// Answers whose integrity was wrong or missing.
    pub forged: u32,
}
