//! URIs of TURN servers (RFC 7065) and STUN servers (RFC 7064), and `host:port` as peers are named.
//!
//! In: text. Out: [`ServerUri`], [`HostPort`], or [`InvalidUri`] that says which part is wrong. Never: a name resolved,
//! a credential in a URI (the RFCs have no place for one).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// RFC 8656, section 17, and RFC 8489, section 17.4: `turn` and `stun` over UDP and TCP.
pub const DEFAULT_PORT: u16 = 3478;
/// The same over TLS and DTLS: `turns` and `stuns`.
pub const DEFAULT_SECURE_PORT: u16 = 5349;

/// What the server is asked for, and whether in a secured way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scheme {
    /// `stun`, RFC 7064.
    Stun,
    /// `stuns`, RFC 7064.
    Stuns,
    /// `turn`, RFC 7065.
    Turn,
    /// `turns`, RFC 7065.
    Turns,
}

impl Scheme {
    /// True for TLS and DTLS.
    pub const fn is_secure(self) -> bool {
        matches!(self, Scheme::Stuns | Scheme::Turns)
    }

    /// True where the server is asked to relay.
    pub const fn is_turn(self) -> bool {
        matches!(self, Scheme::Turn | Scheme::Turns)
    }

    const fn name(self) -> &'static str {
        match self {
            Scheme::Stun => "stun",
            Scheme::Stuns => "stuns",
            Scheme::Turn => "turn",
            Scheme::Turns => "turns",
        }
    }
}

/// The transport that a URI names (RFC 7065, section 3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UriTransport {
    /// `?transport=udp`.
    Udp,
    /// `?transport=tcp`.
    Tcp,
}

/// What carries the messages between client and server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wire {
    /// RFC 8656 over UDP.
    Udp,
    /// Over TCP.
    Tcp,
    /// Over TLS.
    Tls,
    /// Over DTLS (RFC 7350).
    Dtls,
}

impl Wire {
    /// The wire of a transport, secured or not.
    pub const fn of(transport: UriTransport, secure: bool) -> Self {
        match (transport, secure) {
            (UriTransport::Udp, false) => Wire::Udp,
            (UriTransport::Udp, true) => Wire::Dtls,
            (UriTransport::Tcp, false) => Wire::Tcp,
            (UriTransport::Tcp, true) => Wire::Tls,
        }
    }

    /// True where the messages go over a TCP connection.
    pub const fn is_stream(self) -> bool {
        matches!(self, Wire::Tcp | Wire::Tls)
    }
}

/// Where something is reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Host {
    /// A name that has to be resolved, in lower case.
    Name(String),
    /// An address.
    Address(IpAddr),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// Without a port; IPv6 with or without brackets.
impl FromStr for Host {
    type Err = InvalidUri;

    fn from_str(text: &str) -> Result<Self, InvalidUri> {
        if let Ok(address) = text.parse::<Ipv6Addr>() {
            return Ok(Host::Address(address.into()));
        }
        match host_and_port(text)? {
            (host, None) => Ok(host),
            (_, Some(_)) => Err(InvalidUri::new(format!("`{text}` has a port; only the host is meant"))),
        }
    }
}

/// A host with its port: `10.0.0.9:3480`, `peer.example.org:3480`, `[fd00::9]:3480`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HostPort {
    /// The host.
    pub host: Host,
    /// From 1 on.
    pub port: u16,
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl FromStr for HostPort {
    type Err = InvalidUri;

    fn from_str(text: &str) -> Result<Self, InvalidUri> {
        match host_and_port(text)? {
            (host, Some(port)) => Ok(Self { host, port }),
            (_, None) => Err(InvalidUri::new(format!("`{text}` has no port; say HOST:PORT"))),
        }
    }
}

/// A server: `turn:host:port?transport=udp`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerUri {
    /// What is asked for.
    pub scheme: Scheme,
    /// Where.
    pub host: Host,
    /// Its port, also where the URI leaves it out.
    pub port: u16,
    /// As the URI has it; [`ServerUri::wire`] knows the default.
    pub transport: Option<UriTransport>,
}

impl ServerUri {
    /// What carries the messages. Without a transport a secured scheme means TLS and the other ones UDP, as browsers
    /// take them.
    pub const fn wire(&self) -> Wire {
        let secure = self.scheme.is_secure();
        let transport = match self.transport {
            Some(transport) => transport,
            None if secure => UriTransport::Tcp,
            None => UriTransport::Udp,
        };
        Wire::of(transport, secure)
    }
}

/// With the port always, so that it says what will be connected to.
impl fmt::Display for ServerUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.scheme.name(), self.host, self.port)?;
        match self.transport {
            Some(UriTransport::Udp) => f.write_str("?transport=udp"),
            Some(UriTransport::Tcp) => f.write_str("?transport=tcp"),
            None => Ok(()),
        }
    }
}

impl FromStr for ServerUri {
    type Err = InvalidUri;

    fn from_str(text: &str) -> Result<Self, InvalidUri> {
        let Some((scheme, rest)) = text.split_once(':') else {
            return Err(InvalidUri::new("no scheme; say turn:HOST or turns:HOST".to_owned()));
        };
        // RFC 3986, section 3.1: schemes are compared without case.
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "stun" => Scheme::Stun,
            "stuns" => Scheme::Stuns,
            "turn" => Scheme::Turn,
            "turns" => Scheme::Turns,
            _ => return Err(InvalidUri::new("the scheme is none of turn, turns, stun, stuns".to_owned())),
        };
        if rest.starts_with("//") {
            return Err(InvalidUri::new(format!("there is no `//` behind `{}:` (RFC 7065)", scheme.name())));
        }
        // Whatever stands there may be a password, so it is not repeated.
        if rest.contains('@') {
            let why = "a URI has no place for a user; say --user and --password or set TURN_USERNAME and TURN_PASSWORD";
            return Err(InvalidUri::new(why.to_owned()));
        }
        let (place, query) = match rest.split_once('?') {
            Some((place, query)) => (place, Some(query)),
            None => (rest, None),
        };
        let (host, port) = host_and_port(place)?;
        let transport = query.map(|query| transport(scheme, query)).transpose()?;
        let default = if scheme.is_secure() { DEFAULT_SECURE_PORT } else { DEFAULT_PORT };
        Ok(Self { scheme, host, port: port.unwrap_or(default), transport })
    }
}

fn transport(scheme: Scheme, query: &str) -> Result<UriTransport, InvalidUri> {
    if !scheme.is_turn() {
        return Err(InvalidUri::new(format!("`{}:` takes no `?{query}` (RFC 7064)", scheme.name())));
    }
    match query.split_once('=') {
        Some(("transport", name)) if name.eq_ignore_ascii_case("udp") => Ok(UriTransport::Udp),
        Some(("transport", name)) if name.eq_ignore_ascii_case("tcp") => Ok(UriTransport::Tcp),
        Some(("transport", name)) => Err(InvalidUri::new(format!(
            "transport `{name}` is neither udp nor tcp (with turns: they mean DTLS and TLS)"
        ))),
        _ => Err(InvalidUri::new(format!("`?{query}` is not `?transport=udp` or `?transport=tcp`"))),
    }
}

fn host_and_port(text: &str) -> Result<(Host, Option<u16>), InvalidUri> {
    if let Some(inside) = text.strip_prefix('[') {
        let Some((address, behind)) = inside.split_once(']') else {
            return Err(InvalidUri::new(format!("`{text}` has no closing bracket")));
        };
        let address: Ipv6Addr =
            address.parse().map_err(|_| InvalidUri::new(format!("`{address}` in brackets is no IPv6 address")))?;
        let port = match behind.strip_prefix(':') {
            Some(digits) => Some(port(digits)?),
            None if behind.is_empty() => None,
            None => {
                return Err(InvalidUri::new(format!("`{behind}` stands behind the bracket; a port begins with `:`")));
            }
        };
        return Ok((Host::Address(address.into()), port));
    }
    let (host, port) = match text.split_once(':') {
        Some((_, digits)) if digits.contains(':') => {
            return Err(InvalidUri::new(format!("`{text}`: an IPv6 address stands in brackets, as in [fd00::1]:3478")));
        }
        Some((host, digits)) => (host, Some(port(digits)?)),
        None => (text, None),
    };
    Ok((name_or_ipv4(host)?, port))
}

fn name_or_ipv4(text: &str) -> Result<Host, InvalidUri> {
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Ok(Host::Address(address.into()));
    }
    if text.is_empty() {
        return Err(InvalidUri::new("the host is missing".to_owned()));
    }
    // A name of digits and dots only is an address mistyped (RFC 1123, section 2.1, keeps the two apart).
    if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Err(InvalidUri::new(format!("`{text}` is no IPv4 address")));
    }
    if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)) {
        return Err(InvalidUri::new(format!("`{text}` is no host name: letters, digits, `-`, `.` and `_` only")));
    }
    Ok(Host::Name(text.to_ascii_lowercase()))
}

fn port(digits: &str) -> Result<u16, InvalidUri> {
    let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    match digits.parse::<u16>() {
        Ok(port) if all_digits && port > 0 => Ok(port),
        _ => Err(InvalidUri::new(format!("port `{digits}` is not from 1 to 65535"))),
    }
}

/// What is wrong with a URI or a `host:port`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InvalidUri(String);

impl InvalidUri {
    fn new(why: String) -> Self {
        Self(why)
    }
}

impl fmt::Display for InvalidUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidUri {}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> ServerUri {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn refusal(text: &str) -> String {
        text.parse::<ServerUri>().expect_err(text).to_string()
    }

    #[test]
    fn ports_left_out_are_3478_and_with_tls_5349() {
        assert_eq!(uri("turn:example.org").port, 3478);
        assert_eq!(uri("stun:example.org").port, 3478);
        assert_eq!(uri("turns:example.org").port, 5349);
        assert_eq!(uri("stuns:example.org").port, 5349);
        assert_eq!(uri("turns:example.org:443").port, 443);
    }

    #[test]
    fn the_examples_of_rfc_7065_appendix_b_are_read() {
        assert_eq!(uri("turn:example.org").wire(), Wire::Udp);
        assert_eq!(uri("turns:example.org").wire(), Wire::Tls);
        assert_eq!(uri("turn:example.org:8000").port, 8000);
        assert_eq!(uri("turn:example.org?transport=udp").wire(), Wire::Udp);
        assert_eq!(uri("turn:example.org?transport=tcp").wire(), Wire::Tcp);
        assert_eq!(uri("turns:example.org?transport=tcp").wire(), Wire::Tls);
    }

    #[test]
    fn turns_over_udp_is_dtls() {
        assert_eq!(uri("turns:example.org?transport=udp").wire(), Wire::Dtls);
    }

    #[test]
    fn an_ipv6_address_stands_in_brackets() {
        let with_port = uri("turn:[fd00::1]:3479?transport=tcp");
        assert_eq!(with_port.host, Host::Address(IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1))));
        assert_eq!((with_port.port, with_port.wire()), (3479, Wire::Tcp));
        assert_eq!(uri("turns:[::1]").port, 5349);
        assert!(refusal("turn:fd00::1").contains("brackets"));
        assert!(refusal("turn:[fd00::1").contains("closing bracket"));
        assert!(refusal("turn:[10.0.0.1]").contains("no IPv6 address"));
        assert!(refusal("turn:[::1]3478").contains("begins with `:`"));
    }

    #[test]
    fn scheme_transport_and_name_are_read_without_case() {
        assert_eq!(uri("TURN:Example.ORG?transport=UDP"), uri("turn:example.org?transport=udp"));
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        for text in
            ["turn:127.0.0.1:3478", "turns:example.org:5349?transport=tcp", "turn:[::1]:3478?transport=udp", "stun:a:1"]
        {
            assert_eq!(uri(text).to_string(), text);
        }
    }

    #[test]
    fn each_wrong_part_is_named() {
        for (text, word) in [
            ("example.org", "scheme"),
            ("http:example.org", "scheme"),
            ("turn://example.org", "//"),
            ("turn:", "host is missing"),
            ("turn::3478", "host is missing"),
            ("turn:example.org:", "port"),
            ("turn:example.org:0", "port"),
            ("turn:example.org:65536", "port"),
            ("turn:example.org:+80", "port"),
            ("turn:256.1.1.1", "IPv4"),
            ("turn:exa mple", "host name"),
            ("turn:example.org?transport=sctp", "sctp"),
            ("turn:example.org?proto=udp", "transport=udp"),
            ("turn:example.org?", "transport=udp"),
            ("stun:example.org?transport=udp", "RFC 7064"),
        ] {
            assert!(refusal(text).contains(word), "{text}: {}", refusal(text));
        }
    }

    #[test]
    fn a_user_in_a_uri_is_refused_without_being_repeated() {
        let why = refusal("turn:alice:opensesame@example.org");
        assert!(why.contains("TURN_PASSWORD"));
        assert!(!why.contains("opensesame") && !why.contains("alice"));
    }

    #[test]
    fn no_text_makes_the_parser_panic() {
        let alphabet = ["turn", "s", ":", "[", "]", "?", "transport", "=", "udp", "::1", "9", ".", "é", "@", "/", ""];
        let mut state = 0x2545_f491_u32;
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..6 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                text.push_str(alphabet[(state >> 16) as usize % alphabet.len()]);
            }
            if let Ok(parsed) = text.parse::<ServerUri>() {
                assert_eq!(uri(&parsed.to_string()), parsed, "{text}");
            }
        }
    }

    #[test]
    fn a_peer_needs_its_port() {
        let peer: HostPort = "[fd00::9]:3480".parse().expect("a peer");
        assert_eq!((peer.port, peer.to_string().as_str()), (3480, "[fd00::9]:3480"));
        assert!("10.0.0.9".parse::<HostPort>().expect_err("no port").to_string().contains("no port"));
        assert_eq!("fd00::9".parse::<Host>(), "[fd00::9]".parse());
    }
}
