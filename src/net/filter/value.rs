//! The values that follow qualifiers: addresses, networks, ports, protocol numbers.
//!
//! In: the tokens after the qualifiers. Out: one [`Primitive`], or what was expected there. Never: a name resolved.

use super::address;
use super::error::{FilterError, Span};
use super::lexer::TokenKind;
use super::parser::{Kind, Parser, Qualifiers, is_keyword};
use super::primitive::{Expression, Family, Primitive, Protocol};

impl Parser<'_> {
    pub(super) fn value(&mut self, qualifiers: &Qualifiers) -> Result<Expression, FilterError> {
        let start = self.peek().span;
        let primitive = match qualifiers.kind {
            Kind::Host => self.host(qualifiers)?,
            Kind::Net => self.net(qualifiers)?,
            Kind::Port | Kind::PortRange => self.ports(qualifiers)?,
            Kind::Proto => self.ip_protocol(qualifiers)?,
        };
        self.leaf(primitive, start.to(self.previous()))
    }

    fn host(&mut self, qualifiers: &Qualifiers) -> Result<Primitive, FilterError> {
        let Qualifiers { protocol: within, direction, .. } = *qualifiers;
        let expected = "an IPv4 or IPv6 address";
        let word = self.word(expected)?;
        let primitive = if let Some(address) = address::ipv6(word) {
            self.check_family(qualifiers, Family::V6)?;
            Primitive::Net6 { direction, address, mask: u128::MAX }
        } else if let Some((address, mask)) = address::ipv4(word).filter(|_| word.contains('.')) {
            self.check_family(qualifiers, Family::V4)?;
            Primitive::Net4 { within, direction, address, mask }
        } else {
            return Err(self.expected_value(expected));
        };
        self.position += 1;
        if matches!(self.peek().kind, TokenKind::Slash | TokenKind::Word("mask")) {
            return Err(self.fail("a host has no mask; write `net` before the address"));
        }
        Ok(primitive)
    }

    fn net(&mut self, qualifiers: &Qualifiers) -> Result<Primitive, FilterError> {
        let Qualifiers { protocol: within, direction, .. } = *qualifiers;
        let expected = "a network such as 10.0.0.0/8 or fd00::/8";
        let word = self.word(expected)?;
        let start = self.peek().span;
        if let Some(address) = address::ipv6(word) {
            self.check_family(qualifiers, Family::V6)?;
            self.position += 1;
            let mask = self.prefix(128)?.unwrap_or(u128::MAX);
            self.no_host_bits(start, address & !mask != 0)?;
            return Ok(Primitive::Net6 { direction, address, mask });
        }
        let Some((address, short_mask)) =
            address::ipv4(word).filter(|(address, _)| *address != 0 || word.contains('.'))
        else {
            return Err(self.expected_value(expected));
        };
        self.check_family(qualifiers, Family::V4)?;
        self.position += 1;
        let mask = match self.prefix(32)? {
            Some(mask) => mask as u32,
            None => self.mask()?.unwrap_or(short_mask),
        };
        self.no_host_bits(start, address & !mask != 0)?;
        Ok(Primitive::Net4 { within, direction, address, mask })
    }

    /// `/ length`, as a mask in the low `width` bits.
    fn prefix(&mut self, width: u32) -> Result<Option<u128>, FilterError> {
        if self.peek().kind != TokenKind::Slash {
            return Ok(None);
        }
        self.position += 1;
        let expected = format!("a prefix length from 0 to {width}");
        let word = self.word(&expected)?;
        let length = word.parse().ok().and_then(|length| address::prefix_mask(length, width));
        let mask = length.ok_or_else(|| self.expected(&expected))?;
        self.position += 1;
        Ok(Some(mask))
    }

    /// `mask M`.
    fn mask(&mut self) -> Result<Option<u32>, FilterError> {
        if self.peek().kind != TokenKind::Word("mask") {
            return Ok(None);
        }
        self.position += 1;
        let expected = "a mask such as 255.255.0.0";
        let word = self.word(expected)?;
        let (mask, _) = address::ipv4(word).filter(|_| word.contains('.')).ok_or_else(|| self.expected(expected))?;
        self.position += 1;
        Ok(Some(mask))
    }

    fn no_host_bits(&self, start: Span, any: bool) -> Result<(), FilterError> {
        if any {
            return Err(self.error(start.to(self.previous()), "the address has bits outside the mask"));
        }
        Ok(())
    }

    /// Whether the protocol before an address goes with its family.
    fn check_family(&self, qualifiers: &Qualifiers, family: Family) -> Result<(), FilterError> {
        match (qualifiers.protocol, family) {
            (None, _)
            | (Some(Protocol::Ip | Protocol::Arp | Protocol::Rarp), Family::V4)
            | (Some(Protocol::Ip6), Family::V6) => Ok(()),
            (Some(Protocol::Ip | Protocol::Arp | Protocol::Rarp), Family::V6) => Err(self.expected("an IPv4 address")),
            (Some(Protocol::Ip6), Family::V4) => Err(self.expected("an IPv6 address")),
            (Some(_), _) => {
                let message =
                    "only ip, ip6, arp and rarp can stand before an address; join others with `and`: `udp and host …`";
                Err(self.error(qualifiers.span, message))
            }
        }
    }

    fn ports(&mut self, qualifiers: &Qualifiers) -> Result<Primitive, FilterError> {
        if !matches!(qualifiers.protocol, None | Some(Protocol::Tcp | Protocol::Udp | Protocol::Sctp)) {
            let message = "only tcp, udp and sctp can stand before a port; join others with `and`: `ip6 and port …`";
            return Err(self.error(qualifiers.span, message));
        }
        let range = qualifiers.kind == Kind::PortRange;
        let expected = if range { "a range of ports such as 5000-6000" } else { "a port from 0 to 65535" };
        let word = self.word(expected)?;
        let port = |word: &str| address::number(word).and_then(|port| u16::try_from(port).ok());
        let ends = match word.split_once('-').filter(|_| range) {
            Some((first, last)) => port(first).zip(port(last)),
            None => port(word).map(|port| (port, port)),
        };
        let Some((first, last)) = ends else {
            if !range && word.split_once('-').is_some_and(|(first, last)| port(first).zip(port(last)).is_some()) {
                return Err(self.fail("a range of ports is written `portrange 5000-6000`"));
            }
            return Err(self.expected_value(expected));
        };
        self.position += 1;
        let (first, last) = (first.min(last), first.max(last));
        Ok(Primitive::Ports { transport: qualifiers.protocol, direction: qualifiers.direction, first, last })
    }

    fn ip_protocol(&mut self, qualifiers: &Qualifiers) -> Result<Primitive, FilterError> {
        let family = match qualifiers.protocol {
            None => None,
            Some(Protocol::Ip) => Some(Family::V4),
            Some(Protocol::Ip6) => Some(Family::V6),
            Some(_) => return Err(self.error(qualifiers.span, "only ip and ip6 can stand before `proto`")),
        };
        let expected = "a protocol number from 0 to 255";
        let number = address::number(self.word(expected)?).and_then(|number| u8::try_from(number).ok());
        let number = number.ok_or_else(|| self.expected(expected))?;
        self.position += 1;
        Ok(Primitive::IpProtocol { family, number })
    }

    /// As [`Self::expected`]; where a name stands, it says that names are not resolved.
    fn expected_value(&self, expected: &str) -> FilterError {
        let name = match self.peek().kind {
            TokenKind::Word(word) => !is_keyword(word) && !word.contains(':') && word.contains(char::is_alphabetic),
            _ => false,
        };
        let note = if name { "; names are not resolved" } else { "" };
        self.fail(format!("expected {expected}, found {}{note}", self.peek().found()))
    }
}
