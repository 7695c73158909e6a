//! What a filter asks of the bytes of a packet.
//!
//! In: the tree and a link type. Out: tests of single fields, joined by and, or, not. The order of the tests is that
//! of the filter, since a field outside the packet rejects it at once.
//! Never: anything of the machine that runs them.

use super::error::{FilterError, Span};
use super::primitive::{Direction, Expression, Family, Primitive, Protocol};
use crate::packet::LinkType;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Test(Test),
    Constant(bool),
}

/// `field & mask` compared with `value`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Test {
    pub(super) field: Field,
    pub(super) mask: u32,
    pub(super) comparison: Comparison,
    pub(super) value: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    AtLeast,
    Above,
    AnyBit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// At a fixed offset.
    Absolute {
        width: Width,
        offset: u32,
    },
    /// 16 bits behind the IPv4 header that starts at `ip`, whose length is in its first byte.
    BehindIpv4 {
        ip: u32,
        offset: u32,
    },
    WireLength,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    Byte,
    Half,
    Word,
}

/// Ether types (IEEE 802 numbers).
const ETHERTYPE_IP: u16 = 0x0800;
const ETHERTYPE_ARP: u16 = 0x0806;
const ETHERTYPE_RARP: u16 = 0x8035;
const ETHERTYPE_IPV6: u16 = 0x86dd;
/// Tag protocol identifiers: IEEE 802.1Q, 802.1ad, and the one in use before 802.1ad.
const VLAN_TPIDS: [u16; 3] = [0x8100, 0x88a8, 0x9100];
/// Bytes of a tag, and the bits of its identifier (IEEE 802.1Q, clause 9).
const VLAN_TAG_LENGTH: u32 = 4;
const VLAN_ID_MASK: u32 = 0x0fff;

/// Protocol numbers (IANA).
const ICMP: u8 = 1;
const IGMP: u8 = 2;
const TCP: u8 = 6;
const UDP: u8 = 17;
const IPV6_FRAGMENT: u8 = 44;
const ESP: u8 = 50;
const AH: u8 = 51;
const ICMPV6: u8 = 58;
const SCTP: u8 = 132;

/// Offsets in the IPv4 header and the mask of the fragment offset (RFC 791, section 3.1).
const IPV4_FRAGMENT: u32 = 6;
const IPV4_FRAGMENT_OFFSET: u32 = 0x1fff;
const IPV4_PROTOCOL: u32 = 9;
const IPV4_ADDRESSES: [u32; 2] = [12, 16];
/// Offsets in ARP for Ethernet and IPv4 (RFC 826): sender and target protocol address.
const ARP_ADDRESSES: [u32; 2] = [14, 24];
/// Offsets in the IPv6 header, and its length (RFC 8200, section 3).
const IPV6_NEXT_HEADER: u32 = 6;
const IPV6_ADDRESSES: [u32; 2] = [8, 24];
const IPV6_LENGTH: u32 = 40;
/// Offsets of the ports in UDP (RFC 768), TCP (RFC 9293, section 3.1) and SCTP (RFC 9260, section 3.1).
const PORTS: [u32; 2] = [0, 2];

/// AF_INET, the same everywhere, and AF_INET6 of Linux, NetBSD and OpenBSD, FreeBSD, macOS, Windows.
const AF_INET: &[u32] = &[2];
const AF_INET6: &[u32] = &[10, 24, 28, 30, 23];

/// How a link type tells what it carries.
#[derive(Clone, Copy)]
enum Network {
    /// 16 bits at this offset.
    EtherType(u32),
    /// The version nibble at offset 0.
    Version,
    /// 32 bits at offset 0: an address family in network order, or in either.
    AddressFamily { either_order: bool },
    /// Always this.
    Only(u16),
}

/// Where things are, behind the VLAN tags that the filter has asked for so far.
struct Layout<'t> {
    text: &'t str,
    link: LinkType,
    network: Network,
    /// Offset of the network layer's header.
    payload: u32,
}

pub(super) fn build(text: &str, expression: &Expression, link: LinkType) -> Result<Condition, FilterError> {
    let (network, payload) = match link {
        LinkType::ETHERNET => (Network::EtherType(12), 14),
        LinkType::LINUX_SLL => (Network::EtherType(14), 16),
        LinkType::LINUX_SLL2 => (Network::EtherType(0), 20),
        LinkType::RAW | LinkType::RAW_BSD | LinkType::RAW_OPENBSD => (Network::Version, 0),
        LinkType::IPV4 => (Network::Only(ETHERTYPE_IP), 0),
        LinkType::IPV6 => (Network::Only(ETHERTYPE_IPV6), 0),
        LinkType::NULL => (Network::AddressFamily { either_order: true }, 4),
        LinkType::LOOP => (Network::AddressFamily { either_order: false }, 4),
        _ => {
            let message =
                format!("link type {link} cannot be filtered; Ethernet, Linux cooked, raw IP and loopback can");
            return Err(FilterError::new(text, Span::whole(text), message));
        }
    };
    Layout { text, link, network, payload }.expression(expression)
}

impl Layout<'_> {
    fn expression(&mut self, expression: &Expression) -> Result<Condition, FilterError> {
        Ok(match expression {
            Expression::All(list) => all(self.list(list)?),
            Expression::Any(list) => any(self.list(list)?),
            Expression::Not(inner) => not(self.expression(inner)?),
            Expression::Primitive(primitive, span) => self.primitive(*primitive, *span)?,
        })
    }

    fn list(&mut self, list: &[Expression]) -> Result<Vec<Condition>, FilterError> {
        list.iter().map(|expression| self.expression(expression)).collect()
    }

    fn primitive(&mut self, primitive: Primitive, span: Span) -> Result<Condition, FilterError> {
        Ok(match primitive {
            Primitive::Protocol(protocol) => self.protocol(protocol),
            Primitive::IpProtocol { family: None, number } => self.either_family(number),
            Primitive::IpProtocol { family: Some(Family::V4), number } => self.over_ipv4(number),
            Primitive::IpProtocol { family: Some(Family::V6), number } => self.over_ipv6(number),
            Primitive::Net4 { within, direction, address, mask } => self.net4(within, direction, address, mask),
            Primitive::Net6 { direction, address, mask } => self.net6(direction, address, mask),
            Primitive::Ports { transport, direction, first, last } => self.ports(transport, direction, first, last),
            Primitive::Vlan(id) => self.vlan(id, span)?,
            Primitive::Greater(length) => test(Field::WireLength, u32::MAX, Comparison::AtLeast, length),
            Primitive::Less(length) => not(test(Field::WireLength, u32::MAX, Comparison::Above, length)),
        })
    }

    fn network(&self, ether_type: u16) -> Condition {
        match self.network {
            Network::EtherType(offset) => equal(absolute(Width::Half, offset), ether_type.into()),
            Network::Only(only) => Condition::Constant(only == ether_type),
            Network::Version => match ether_type {
                ETHERTYPE_IP => test(absolute(Width::Byte, 0), 0xf0, Comparison::Equal, 0x40),
                ETHERTYPE_IPV6 => test(absolute(Width::Byte, 0), 0xf0, Comparison::Equal, 0x60),
                _ => Condition::Constant(false),
            },
            Network::AddressFamily { either_order } => {
                let families = match ether_type {
                    ETHERTYPE_IP => AF_INET,
                    ETHERTYPE_IPV6 => AF_INET6,
                    _ => &[],
                };
                let orders = |family: &u32| [Some(*family), either_order.then(|| family.swap_bytes())];
                let values = families.iter().flat_map(orders).flatten();
                any(values.map(|value| equal(absolute(Width::Word, 0), value)).collect())
            }
        }
    }

    fn protocol(&self, protocol: Protocol) -> Condition {
        match protocol {
            Protocol::Ip => self.network(ETHERTYPE_IP),
            Protocol::Ip6 => self.network(ETHERTYPE_IPV6),
            Protocol::Arp => self.network(ETHERTYPE_ARP),
            Protocol::Rarp => self.network(ETHERTYPE_RARP),
            Protocol::Tcp => self.either_family(TCP),
            Protocol::Udp => self.either_family(UDP),
            Protocol::Sctp => self.either_family(SCTP),
            Protocol::Esp => self.either_family(ESP),
            Protocol::Ah => self.either_family(AH),
            Protocol::Icmp => self.over_ipv4(ICMP),
            Protocol::Igmp => self.over_ipv4(IGMP),
            Protocol::Icmp6 => self.over_ipv6(ICMPV6),
        }
    }

    fn either_family(&self, number: u8) -> Condition {
        any(vec![self.over_ipv4(number), self.over_ipv6(number)])
    }

    fn over_ipv4(&self, number: u8) -> Condition {
        all(vec![self.network(ETHERTYPE_IP), equal(self.byte(IPV4_PROTOCOL), number.into())])
    }

    /// The next header, or the one behind a fragment header; no other extension header is passed over.
    fn over_ipv6(&self, number: u8) -> Condition {
        let next = self.byte(IPV6_NEXT_HEADER);
        let behind_fragment =
            all(vec![equal(next, IPV6_FRAGMENT.into()), equal(self.byte(IPV6_LENGTH), number.into())]);
        all(vec![self.network(ETHERTYPE_IPV6), any(vec![equal(next, number.into()), behind_fragment])])
    }

    fn net4(&self, within: Option<Protocol>, direction: Direction, address: u32, mask: u32) -> Condition {
        let layer = |ether_type, offsets: [u32; 2]| {
            let at = |offset| self.masked_word(offset, address, mask);
            all(vec![self.network(ether_type), directed(direction, offsets.map(at))])
        };
        let ip = || layer(ETHERTYPE_IP, IPV4_ADDRESSES);
        let arp = || layer(ETHERTYPE_ARP, ARP_ADDRESSES);
        let rarp = || layer(ETHERTYPE_RARP, ARP_ADDRESSES);
        match within {
            Some(Protocol::Arp) => arp(),
            Some(Protocol::Rarp) => rarp(),
            Some(_) => ip(),
            None => any(vec![ip(), arp(), rarp()]),
        }
    }

    fn net6(&self, direction: Direction, address: u128, mask: u128) -> Condition {
        let at = |offset: u32| {
            let word = |index: u32| {
                let bits = |value: u128| (value >> (96 - 32 * index)) as u32;
                self.masked_word(offset + 4 * index, bits(address), bits(mask))
            };
            all((0..4).map(word).collect())
        };
        all(vec![self.network(ETHERTYPE_IPV6), directed(direction, IPV6_ADDRESSES.map(at))])
    }

    fn masked_word(&self, offset: u32, value: u32, mask: u32) -> Condition {
        if mask == 0 {
            return Condition::Constant(true);
        }
        test(absolute(Width::Word, self.payload + offset), mask, Comparison::Equal, value)
    }

    /// Ports of IPv6 are looked for right behind its header, those of IPv4 in first fragments only.
    fn ports(&self, transport: Option<Protocol>, direction: Direction, first: u16, last: u16) -> Condition {
        let numbers: &[u8] = match transport {
            Some(Protocol::Tcp) => &[TCP],
            Some(Protocol::Udp) => &[UDP],
            Some(Protocol::Sctp) => &[SCTP],
            _ => &[SCTP, TCP, UDP],
        };
        let carries = |field| any(numbers.iter().map(|number| equal(field, (*number).into())).collect());
        let v6 = PORTS.map(|offset| in_range(absolute(Width::Half, self.payload + IPV6_LENGTH + offset), first, last));
        let v4 = PORTS.map(|offset| in_range(Field::BehindIpv4 { ip: self.payload, offset }, first, last));
        let fragment = absolute(Width::Half, self.payload + IPV4_FRAGMENT);
        any(vec![
            all(vec![self.network(ETHERTYPE_IPV6), carries(self.byte(IPV6_NEXT_HEADER)), directed(direction, v6)]),
            all(vec![
                self.network(ETHERTYPE_IP),
                carries(self.byte(IPV4_PROTOCOL)),
                not(test(fragment, u32::MAX, Comparison::AnyBit, IPV4_FRAGMENT_OFFSET)),
                directed(direction, v4),
            ]),
        ])
    }

    /// A tag, and from here on in the text everything is sought behind it.
    fn vlan(&mut self, id: Option<u16>, span: Span) -> Result<Condition, FilterError> {
        let (LinkType::ETHERNET, Network::EtherType(offset)) = (self.link, self.network) else {
            let message = format!("link type {} has no VLAN tags", self.link);
            return Err(FilterError::new(self.text, span, message));
        };
        let tagged = any(VLAN_TPIDS.map(|tpid| equal(absolute(Width::Half, offset), tpid.into())).into());
        let tag = absolute(Width::Half, self.payload);
        let wanted = id.map(|id| test(tag, VLAN_ID_MASK, Comparison::Equal, id.into()));
        self.network = Network::EtherType(offset + VLAN_TAG_LENGTH);
        self.payload += VLAN_TAG_LENGTH;
        Ok(all(std::iter::once(tagged).chain(wanted).collect()))
    }

    fn byte(&self, offset: u32) -> Field {
        absolute(Width::Byte, self.payload + offset)
    }
}

const fn absolute(width: Width, offset: u32) -> Field {
    Field::Absolute { width, offset }
}

const fn test(field: Field, mask: u32, comparison: Comparison, value: u32) -> Condition {
    Condition::Test(Test { field, mask, comparison, value })
}

const fn equal(field: Field, value: u32) -> Condition {
    test(field, u32::MAX, Comparison::Equal, value)
}

fn in_range(field: Field, first: u16, last: u16) -> Condition {
    if first == last {
        return equal(field, first.into());
    }
    all(vec![
        test(field, u32::MAX, Comparison::AtLeast, first.into()),
        not(test(field, u32::MAX, Comparison::Above, last.into())),
    ])
}

fn directed(direction: Direction, [source, destination]: [Condition; 2]) -> Condition {
    match direction {
        Direction::Source => source,
        Direction::Destination => destination,
        Direction::Either => any(vec![source, destination]),
        Direction::Both => all(vec![source, destination]),
    }
}

/// All of them; constants are folded, so that they are left at the root only.
fn all(list: Vec<Condition>) -> Condition {
    fold(list, false, Condition::All)
}

fn any(list: Vec<Condition>) -> Condition {
    fold(list, true, Condition::Any)
}

/// `decisive` is the constant that decides the list.
fn fold(mut list: Vec<Condition>, decisive: bool, join: fn(Vec<Condition>) -> Condition) -> Condition {
    if list.contains(&Condition::Constant(decisive)) {
        return Condition::Constant(decisive);
    }
    list.retain(|condition| *condition != Condition::Constant(!decisive));
    match list.len() {
        0 => Condition::Constant(!decisive),
        1 => list.remove(0),
        _ => join(list),
    }
}

fn not(condition: Condition) -> Condition {
    match condition {
        Condition::Constant(value) => Condition::Constant(!value),
        Condition::Not(inner) => *inner,
        other => Condition::Not(Box::new(other)),
    }
}
