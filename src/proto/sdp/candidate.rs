//! ICE candidates (RFC 8839, section 5.1; TCP: RFC 6544, section 4.5).
//!
//! In: the text of a candidate, from an `a=candidate` line or trickled in JSON. Out: a [`Candidate`].
//! Never: a candidate refused for a type, transport or extension that is not known.

use super::lines::Words;
use std::fmt;
use std::net::IpAddr;

/// An address as SDP gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// An IPv4 or IPv6 address; a zone id is cut off.
    Ip(IpAddr),
    /// A host name, also an mDNS name that hides an address.
    Name(String),
}

impl Address {
    pub(super) fn parse(text: &str) -> Self {
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        let bare = bare.split('%').next().unwrap_or(bare);
        bare.parse().map_or_else(|_| Self::Name(text.to_owned()), Self::Ip)
    }

    /// The IP address, where it is one.
    pub const fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(ip) => Some(*ip),
            Self::Name(_) => None,
        }
    }

    /// A name under `.local` (RFC 6762, section 3), as browsers give in the place of host addresses.
    pub fn is_mdns(&self) -> bool {
        match self {
            Self::Ip(_) => false,
            Self::Name(name) => name.rsplit_once('.').is_some_and(|(_, last)| last.eq_ignore_ascii_case("local")),
        }
    }

    /// `0.0.0.0` or `::`: nothing is meant yet, or, in old descriptions, hold (RFC 3264, section 8.4).
    pub fn is_unspecified(&self) -> bool {
        self.ip().is_some_and(|ip| ip.is_unspecified())
    }
}

impl Default for Address {
    fn default() -> Self {
        Self::Name(String::new())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => fmt::Display::fmt(ip, f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// The transport of a candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CandidateTransport {
    /// `udp`
    Udp,
    /// `tcp`
    Tcp,
    /// Anything else (`ssltcp`, `tls`), as written.
    Other(String),
}

/// The type of a candidate (RFC 8445, section 4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CandidateKind {
    /// `host`
    Host,
    /// `srflx`
    ServerReflexive,
    /// `prflx`
    PeerReflexive,
    /// `relay`
    Relayed,
    /// Anything else, as written; empty where no `typ` stands.
    Other(String),
}

impl CandidateKind {
    /// The word of `typ`.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Host => "host",
            Self::ServerReflexive => "srflx",
            Self::PeerReflexive => "prflx",
            Self::Relayed => "relay",
            Self::Other(word) => word,
        }
    }
}

/// `tcptype` (RFC 6544, section 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpType {
    /// Opens connections.
    Active,
    /// Waits for connections.
    Passive,
    /// Simultaneous open.
    SimultaneousOpen,
}

/// One ICE candidate.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Foundation.
    pub foundation: String,
    /// Component: 1 RTP, 2 RTCP.
    pub component: u32,
    /// Transport.
    pub transport: CandidateTransport,
    /// Priority.
    pub priority: u32,
    /// Connection address.
    pub address: Address,
    /// Port.
    pub port: u16,
    /// Type.
    pub kind: CandidateKind,
    /// `raddr` and `rport`.
    pub related: Option<(Address, u16)>,
    /// `tcptype`.
    pub tcp_type: Option<TcpType>,
    /// `generation`, counted up by ICE restarts in browsers.
    pub generation: Option<u32>,
    /// `ufrag`, the credentials that a trickled candidate belongs to (RFC 8838).
    pub ufrag: Option<String>,
    /// `network-id` of browsers.
    pub network_id: Option<u32>,
    /// `network-cost` of browsers.
    pub network_cost: Option<u32>,
    /// Other extensions, name and value.
    pub extensions: Vec<(String, String)>,
}

impl Candidate {
    /// Reads a candidate with or without `a=` and `candidate:` before it. `None` where foundation, component,
    /// transport, priority, address or port is not there.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim_ascii();
        let text = strip(strip(text, "a="), "candidate:");
        let mut words = Words::new(text);
        let mut candidate = Self {
            foundation: words.word()?.to_owned(),
            component: words.number()?,
            transport: transport(words.word()?),
            priority: words.number()?,
            address: Address::parse(words.word()?),
            port: words.number()?,
            kind: CandidateKind::Other(String::new()),
            related: None,
            tcp_type: None,
            generation: None,
            ufrag: None,
            network_id: None,
            network_cost: None,
            extensions: Vec::new(),
        };
        let mut related_address = None;
        let mut related_port = None;
        for _ in 0..super::lines::MAX_WORDS {
            let (Some(name), Some(value)) = (words.word(), words.word()) else { break };
            match name.to_ascii_lowercase().as_str() {
                "raddr" => related_address = Some(Address::parse(value)),
                "rport" => related_port = value.parse().ok(),
                _ => candidate.extend(name, value),
            }
        }
        candidate.related = related_address.map(|address| (address, related_port.unwrap_or_default()));
        Some(candidate)
    }

    fn extend(&mut self, name: &str, value: &str) {
        let known = match name.to_ascii_lowercase().as_str() {
            "typ" => {
                self.kind = kind(value);
                true
            }
            "tcptype" => {
                self.tcp_type = tcp_type(value);
                self.tcp_type.is_some()
            }
            "generation" => number(&mut self.generation, value),
            "network-id" => number(&mut self.network_id, value),
            "network-cost" => number(&mut self.network_cost, value),
            "ufrag" => {
                self.ufrag = Some(value.to_owned());
                true
            }
            _ => false,
        };
        if !known {
            self.extensions.push((name.to_owned(), value.to_owned()));
        }
    }
}

fn strip<'a>(text: &'a str, prefix: &str) -> &'a str {
    match text.split_at_checked(prefix.len()) {
        Some((head, rest)) if head.eq_ignore_ascii_case(prefix) => rest,
        _ => text,
    }
}

fn number(place: &mut Option<u32>, value: &str) -> bool {
    *place = value.parse().ok();
    place.is_some()
}

fn transport(word: &str) -> CandidateTransport {
    match word.to_ascii_lowercase().as_str() {
        "udp" => CandidateTransport::Udp,
        "tcp" => CandidateTransport::Tcp,
        _ => CandidateTransport::Other(word.to_owned()),
    }
}

fn kind(word: &str) -> CandidateKind {
    match word.to_ascii_lowercase().as_str() {
        "host" => CandidateKind::Host,
        "srflx" => CandidateKind::ServerReflexive,
        "prflx" => CandidateKind::PeerReflexive,
        "relay" => CandidateKind::Relayed,
        _ => CandidateKind::Other(word.to_owned()),
    }
}

fn tcp_type(word: &str) -> Option<TcpType> {
    Some(match word.to_ascii_lowercase().as_str() {
        "active" => TcpType::Active,
        "passive" => TcpType::Passive,
        "so" => TcpType::SimultaneousOpen,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_candidate_keeps_every_field() {
        let text = "candidate:842163049 1 udp 1677729535 203.0.113.7 61000 typ srflx raddr 10.0.0.4 rport 61001 \
                    generation 2 ufrag Qx7F network-id 3 network-cost 10 color blue";
        let candidate = Candidate::parse(text).unwrap();
        assert_eq!(candidate.foundation, "842163049");
        assert_eq!((candidate.component, candidate.priority, candidate.port), (1, 1_677_729_535, 61000));
        assert_eq!(candidate.address.ip(), Some("203.0.113.7".parse().unwrap()));
        assert_eq!(candidate.kind, CandidateKind::ServerReflexive);
        assert_eq!(candidate.related, Some((Address::parse("10.0.0.4"), 61001)));
        assert_eq!((candidate.generation, candidate.network_id, candidate.network_cost), (Some(2), Some(3), Some(10)));
        assert_eq!(candidate.ufrag.as_deref(), Some("Qx7F"));
        assert_eq!(candidate.extensions, [("color".to_owned(), "blue".to_owned())]);
    }

    #[test]
    fn mdns_names_zones_and_brackets_are_addresses() {
        let hidden = Candidate::parse("1 1 UDP 2113937151 7a1c-44.local 50000 typ host").unwrap();
        assert!(hidden.address.is_mdns());
        assert_eq!(hidden.transport, CandidateTransport::Udp);
        assert_eq!(Address::parse("fe80::1%en0").ip(), Some("fe80::1".parse().unwrap()));
        assert_eq!(Address::parse("[2001:db8::1]").ip(), Some("2001:db8::1".parse().unwrap()));
        assert!(!Address::parse("turn.example.org").is_mdns());
    }

    #[test]
    fn tcp_candidates_and_unknown_words_are_read() {
        let tcp = Candidate::parse("a=candidate:1 2 TCP 1518280447 10.0.0.4 9 typ host tcptype active").unwrap();
        assert_eq!((tcp.component, tcp.tcp_type), (2, Some(TcpType::Active)));
        let odd = Candidate::parse("candidate:a 1 ssltcp 5 10.0.0.1 443 typ local tcptype sideways").unwrap();
        assert_eq!(odd.kind, CandidateKind::Other("local".to_owned()));
        assert_eq!(odd.transport, CandidateTransport::Other("ssltcp".to_owned()));
        assert_eq!(odd.extensions, [("tcptype".to_owned(), "sideways".to_owned())]);
    }

    #[test]
    fn a_candidate_without_a_port_is_none() {
        assert_eq!(Candidate::parse("candidate:1 1 udp 5 10.0.0.1"), None);
        assert_eq!(Candidate::parse("candidate:1 1 udp 5 10.0.0.1 66000 typ host"), None);
        assert_eq!(Candidate::parse(""), None);
    }
}
