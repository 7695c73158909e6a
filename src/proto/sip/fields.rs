//! Header values of SIP: CSeq, addresses, Via (RFC 3261, sections 20.16, 20.10, 20.42).
//!
//! In: one value. Out: its parts, borrowed. Never: a check of what a URI means.

use crate::proto::header::{Parameters, number, text, with_parameters};

/// CSeq.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CSeq<'a> {
    /// Sequence number.
    pub number: u32,
    /// Method, as written.
    pub method: &'a str,
}

impl<'a> CSeq<'a> {
    /// Reads a value.
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (sequence, method) = value.split_at_checked(digits)?;
        Some(Self { number: number(sequence)?, method: text(method.trim_ascii()) })
    }
}

/// The value of From, To, Contact and their like: `"Name" <uri>;parameters` or `uri;parameters`.
#[derive(Clone, Copy, Debug)]
pub struct NameAddr<'a> {
    /// Display name without quotes; bytes, because old phones write Latin-1.
    pub display_name: Option<&'a [u8]>,
    /// The URI.
    pub uri: &'a str,
    /// Parameters of the header, not of the URI.
    pub parameters: Parameters<'a>,
}

impl<'a> NameAddr<'a> {
    /// Reads one value.
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let (address, parameters) = with_parameters(value);
        let Some((name, uri)) = bracketed(address) else {
            let uri = text(address);
            return (!uri.is_empty()).then_some(Self { display_name: None, uri, parameters });
        };
        let name = name.trim_ascii();
        let name = name.strip_prefix(b"\"").and_then(|name| name.strip_suffix(b"\"")).unwrap_or(name);
        Some(Self { display_name: Some(name).filter(|name| !name.is_empty()), uri: text(uri), parameters })
    }

    /// The tag, which with Call-ID makes the dialog (RFC 3261, section 12).
    pub fn tag(&self) -> Option<&'a str> {
        self.parameters.value("tag")
    }
}

/// What stands before `<` and inside `<…>`. A display name may hold a `<` in quotes, so the last one counts.
fn bracketed(address: &[u8]) -> Option<(&[u8], &[u8])> {
    let open = address.iter().rposition(|byte| *byte == b'<')?;
    let (name, uri) = address.split_at_checked(open)?;
    let uri = uri.get(1..)?;
    let close = uri.iter().position(|byte| *byte == b'>').unwrap_or(uri.len());
    Some((name, uri.get(..close)?.trim_ascii()))
}

/// Via: a hop that the request went through.
#[derive(Clone, Copy, Debug)]
pub struct Via<'a> {
    /// `UDP`, `TCP`, `TLS`, `WS`, `WSS`, as written.
    pub transport: &'a str,
    /// Host, as the hop knows itself; IPv6 without brackets.
    pub host: &'a str,
    /// Port.
    pub port: Option<u16>,
    /// All parameters.
    pub parameters: Parameters<'a>,
}

impl<'a> Via<'a> {
    /// Reads one value: `SIP/2.0/UDP host:port;parameters`, blanks around slashes and colon allowed.
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let (hop, parameters) = with_parameters(value);
        let slash = hop.iter().rposition(|byte| *byte == b'/')?;
        let tail = text(hop.get(slash + 1..)?).trim_ascii();
        let (transport, sent_by) = tail.split_once(|c: char| c.is_ascii_whitespace())?;
        let sent_by = sent_by.trim_ascii();
        let (host, port) = match sent_by.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, port)) => (host, port.trim_ascii().strip_prefix(':')),
            None => match sent_by.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (sent_by, None),
            },
        };
        let port = port.and_then(|port| number(port.trim_ascii().as_bytes()));
        Some(Self { transport, host: host.trim_ascii(), port, parameters })
    }

    /// The branch, which names the transaction (RFC 3261, section 8.1.1.7).
    pub fn branch(&self) -> Option<&'a str> {
        self.parameters.value("branch")
    }

    /// The address that the request came from (RFC 3261, section 18.2.1).
    pub fn received(&self) -> Option<&'a str> {
        self.parameters.value("received")
    }

    /// The port that the request came from (RFC 3581); the inner `None` is the request for it.
    pub fn rport(&self) -> Option<Option<u16>> {
        Some(self.parameters.parameter("rport")?.and_then(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_names_uris_and_tags() {
        let from = NameAddr::parse(b"\"J\xfcrgen <x>; Y\" <sip:j;u=1@h>;tag=a1").unwrap();
        assert_eq!(from.display_name, Some(&b"J\xfcrgen <x>; Y"[..]));
        assert_eq!((from.uri, from.tag()), ("sip:j;u=1@h", Some("a1")));
        let bare = NameAddr::parse(b"sip:bob@example.org;tag=9").unwrap();
        assert_eq!((bare.display_name, bare.uri, bare.tag()), (None, "sip:bob@example.org", Some("9")));
        let open = NameAddr::parse(b"Bob <sip:bob").unwrap();
        assert_eq!((open.uri, open.tag()), ("sip:bob", None));
        assert!(NameAddr::parse(b"").is_none());
    }

    #[test]
    fn a_via_has_branch_received_and_rport() {
        let via = Via::parse(b"SIP / 2.0 / UDP first.example: 4000;ttl=16 ;received=10.0.0.9;branch=z9hG4bKa;rport=61")
            .unwrap();
        assert_eq!((via.transport, via.host, via.port), ("UDP", "first.example", Some(4000)));
        assert_eq!((via.branch(), via.received()), (Some("z9hG4bKa"), Some("10.0.0.9")));
        assert_eq!(via.rport(), Some(Some(61)));
        let v6 = Via::parse(b"SIP/2.0/TCP [2001:db8::9]:5061;rport;branch=z").unwrap();
        assert_eq!((v6.host, v6.port, v6.rport()), ("2001:db8::9", Some(5061), Some(None)));
        let plain = Via::parse(b"SIP/2.0/TLS host").unwrap();
        assert_eq!((plain.host, plain.port, plain.rport()), ("host", None, None));
        assert!(Via::parse(b"SIP/2.0/UDP").is_none());
    }

    #[test]
    fn a_cseq_is_a_number_and_a_method() {
        assert_eq!(CSeq::parse(b"4711  INVITE"), Some(CSeq { number: 4711, method: "INVITE" }));
        assert_eq!(CSeq::parse(b"INVITE"), None);
        assert_eq!(CSeq::parse(b"4294967296 ACK"), None);
    }
}
