//! Link headers: from the first captured byte to the IP packet.
//!
//! In: a slice and its `LINKTYPE_`, or an ether type out of another layer. Out: the IP packet, and a tag of the link.
//! Never: a loop or a recursion without a bound over stacked headers.

use super::cut::{Cut, LinkTag};
use super::verdict::{OtherReason, Verdict};
use super::wireless;
use crate::bytes::ParseError;
use crate::packet::LinkType;

/// IEEE 802 numbers (IANA), as Ethernet, SNAP, GRE, Geneve and cooked captures carry them.
pub(super) mod ether_type {
    pub(in crate::net) const IPV4: u16 = 0x0800;
    pub(in crate::net) const ARP: u16 = 0x0806;
    /// Transparent Ethernet bridging, RFC 1701.
    pub(in crate::net) const ETHERNET: u16 = 0x6558;
    /// IEEE 802.1Q.
    pub(in crate::net) const VLAN: u16 = 0x8100;
    /// IEEE 802.1ad.
    pub(in crate::net) const SERVICE_VLAN: u16 = 0x88a8;
    /// QinQ before it was standardized.
    pub(in crate::net) const OLD_QINQ: u16 = 0x9100;
    pub(in crate::net) const IPV6: u16 = 0x86dd;
    /// RFC 2637 and RFC 3378.
    pub(in crate::net) const PPP: u16 = 0x880b;
    /// RFC 5332.
    pub(in crate::net) const MPLS: u16 = 0x8847;
    pub(in crate::net) const MPLS_MULTICAST: u16 = 0x8848;
    /// RFC 2516.
    pub(in crate::net) const PPPOE_SESSION: u16 = 0x8864;
    /// Below it the field is a length (IEEE 802.3, clause 3.2.6).
    pub(in crate::net) const FIRST: u16 = 0x0600;
}

/// Headers that may stand around one another below one IP header: VLAN tags, MPLS, pseudo-wires, PPPoE, PPI.
const MAX_NESTING: u8 = 16;
/// Labels in one MPLS stack.
const MAX_LABELS: usize = 16;

/// What a link header was around.
#[derive(Clone, Copy, Debug)]
pub(super) enum Inside<'a> {
    /// An IP packet.
    Ip(Cut<'a>),
    /// Several, in an 802.11 A-MSDU.
    Aggregate(Cut<'a>),
}

/// An opener of link headers: it carries the tag along and counts how deep they are nested.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub(super) tag: LinkTag,
    nesting: u8,
}

type Opened<'a> = Result<Inside<'a>, Verdict>;

impl Link {
    pub(super) fn new(tag: LinkTag) -> Self {
        Self { tag, nesting: 0 }
    }

    /// By the capture's link type.
    pub(super) fn open<'a>(&mut self, link: LinkType, cut: Cut<'a>) -> Opened<'a> {
        match link {
            LinkType::ETHERNET => self.ethernet(cut),
            LinkType::LINUX_SLL => self.cooked(cut),
            LinkType::LINUX_SLL2 => self.cooked_v2(cut),
            LinkType::RAW_BSD | LinkType::RAW_OPENBSD | LinkType::RAW | LinkType::IPV4 | LinkType::IPV6 => {
                Ok(Inside::Ip(cut))
            }
            LinkType::NULL | LinkType::LOOP => loopback(cut),
            LinkType::PPP => self.ppp(cut),
            LinkType::PPP_HDLC => match cut.head::<2>("ppp")? {
                [CISCO_UNICAST | CISCO_BROADCAST, 0] => self.cisco_hdlc(cut),
                _ => self.ppp(cut),
            },
            LinkType::PPP_ETHER => self.pppoe(cut),
            LinkType::C_HDLC => self.cisco_hdlc(cut),
            LinkType::FDDI => self.fddi(cut),
            LinkType::FRELAY => self.frame_relay(cut),
            LinkType::IEEE802_11 => wireless::frame(self, cut, false),
            LinkType::IEEE802_11_RADIOTAP => wireless::radiotap(self, cut),
            LinkType::IEEE802_11_PRISM => wireless::prism(self, cut),
            LinkType::PPI => {
                self.nest()?;
                let (inner, content) = wireless::ppi(cut)?;
                self.open(inner, content)
            }
            LinkType(number) => Err(OtherReason::LinkType(number).into()),
        }
    }

    /// By the ether type before the slice.
    pub(super) fn ether_type<'a>(&mut self, ether_type: u16, cut: Cut<'a>) -> Opened<'a> {
        match ether_type {
            ether_type::IPV4 | ether_type::IPV6 => Ok(Inside::Ip(cut)),
            ether_type::ARP => Err(OtherReason::Arp.into()),
            ether_type::VLAN | ether_type::SERVICE_VLAN | ether_type::OLD_QINQ => self.vlan(cut),
            ether_type::MPLS | ether_type::MPLS_MULTICAST => self.mpls(cut),
            ether_type::PPPOE_SESSION => self.pppoe(cut),
            ether_type::PPP => self.ppp(cut),
            ether_type::ETHERNET => self.ethernet(cut),
            other => Err(OtherReason::EtherType(other).into()),
        }
    }

    /// Ethernet II or IEEE 802.3.
    fn ethernet<'a>(&mut self, cut: Cut<'a>) -> Opened<'a> {
        self.nest()?;
        let macs = cut.head::<12>("ethernet")?;
        let Some(type_or_length) = cut.u16_at(12) else {
            return Err(ParseError::short("ethernet", 12, 2, cut.bytes().len() - 12).into());
        };
        self.tag = self.tag.mix_macs(*macs);
        self.type_or_length(type_or_length, cut.after(14))
    }

    fn type_or_length<'a>(&mut self, type_or_length: u16, cut: Cut<'a>) -> Opened<'a> {
        if type_or_length >= ether_type::FIRST {
            self.ether_type(type_or_length, cut)
        } else {
            self.llc(cut.at_most(usize::from(type_or_length)))
        }
    }

    /// IEEE 802.2 and SNAP (RFC 1042), with the OUI of RFC 1042 or of IEEE 802.1H.
    pub(super) fn llc<'a>(&mut self, cut: Cut<'a>) -> Opened<'a> {
        match cut.head::<3>("llc")? {
            [0xaa, 0xaa, 0x03] => match cut.head::<8>("snap")? {
                [_, _, _, 0, 0, 0 | 0xf8, high, low] => {
                    self.ether_type(u16::from_be_bytes([*high, *low]), cut.after(8))
                }
                _ => Err(OtherReason::Llc.into()),
            },
            // The LLC service access point of IP.
            [0x06, 0x06, 0x03] => Ok(Inside::Ip(cut.after(3))),
            _ => Err(OtherReason::Llc.into()),
        }
    }

    fn vlan<'a>(&mut self, cut: Cut<'a>) -> Opened<'a> {
        self.nest()?;
        let Some((tci, type_or_length, _)) = vlan_fields(cut.bytes()) else {
            return Err(ParseError::short("vlan", 0, 4, cut.bytes().len()).into());
        };
        self.tag = self.tag.mix_vlan(tci);
        self.type_or_length(type_or_length, cut.after(4))
    }

    /// RFC 3032; what is behind the labels is guessed from the first nibble, as routers do (RFC 4928).
    fn mpls<'a>(&mut self, cut: Cut<'a>) -> Opened<'a> {
        self.nest()?;
        let mut cut = cut;
        for _ in 0..MAX_LABELS {
            let entry = u32::from_be_bytes(*cut.head("mpls")?);
            self.tag = self.tag.mix(u64::from(entry) | 1 << 32);
            cut = cut.after(4);
            let bottom = entry & 0x100 != 0;
            if bottom {
                return match cut.head::<1>("mpls")?[0] >> 4 {
                    4 | 6 => Ok(Inside::Ip(cut)),
                    // A pseudo-wire control word (RFC 4385, section 3) begins with a zero nibble.
                    0 if begins_as_ethernet(cut.after(4)) => self.ethernet(cut.after(4)),
                    _ if begins_as_ethernet(cut) => self.ethernet(cut),
                    _ => Err(OtherReason::MplsPayload.into()),
                };
            }
        }
        Err(ParseError::invalid("mpls", 0, "too many labels").into())
    }

    /// RFC 2516, section 4, from the version on.
    fn pppoe<'a>(&mut self, cut: Cut<'a>) -> Opened<'a> {
        self.nest()?;
        let [version_and_type, code, session @ .., length_high, length_low] = *cut.head::<6>("pppoe")?;
        if version_and_type != 0x11 {
            return Err(ParseError::invalid("pppoe", 0, "version or type is not 1").into());
        }
        // Only session data has code 0; what discovers a session has others.
        if code != 0 {
            return Err(OtherReason::EtherType(ether_type::PPPOE_SESSION).into());
        }
        self.tag = self.tag.mix(u64::from(u16::from_be_bytes(session)) | 1 << 17);
        let length = usize::from(u16::from_be_bytes([length_high, length_low]));
        self.ppp(cut.after(6).at_most(length))
    }

    /// RFC 1661 and RFC 1662, with or without address and control, with long or compressed protocol field.
    fn ppp<'a>(&mut self, cut: Cut<'a>) -> Opened<'a> {
        let cut = if cut.bytes().starts_with(&[0xff, 0x03]) { cut.after(2) } else { cut };
        let (protocol, cut) = match cut.head::<1>("ppp")? {
            [odd] if odd & 1 != 0 => (u16::from(*odd), cut.after(1)),
            _ => (u16::from_be_bytes(*cut.head("ppp")?), cut.after(2)),
        };
        match protocol {
            0x0021 | 0x0057 => Ok(Inside::Ip(cut)),
            0x0281 | 0x0283 => self.mpls(cut),
            other => Err(OtherReason::PppProtocol(other).into()),
        }
    }

    /// Address, control, ether type.
    fn cisco_hdlc<'a>(&mut self, cut: Cut<'a>) -> Opened<'a> {
        let head = cut.head::<4>("cisco hdlc")?;
        self.ether_type(u16::from_be_bytes([head[2], head[3]]), cut.after(4))
    }

    /// Frame control and addresses; only frames of the LLC class hold anything for us (RFC 1390).
    fn fddi<'a>(&mut self, cut: Cut<'a>) -> Opened<'a> {
        let [control, macs @ ..] = *cut.head::<13>("fddi")?;
        if control & 0xf0 != 0x50 {
            return Err(OtherReason::Llc.into());
        }
        self.tag = self.tag.mix_macs(macs);
        self.llc(cut.after(13))
    }

    /// RFC 2427 behind a Q.922 address of two to four bytes, or Cisco's bare ether type.
    fn frame_relay<'a>(&mut self, cut: Cut<'a>) -> Opened<'a> {
        let address = cut.bytes().iter().take(4).position(|byte| byte & 1 != 0);
        let Some(address_len @ 2..) = address.map(|last| last + 1) else {
            return Err(ParseError::invalid("frame relay", 0, "address of a length other than 2 to 4").into());
        };
        self.tag = self.tag.mix_bytes(cut.bytes().get(..address_len).unwrap_or_default());
        let cut = cut.after(address_len);
        let unnumbered = 0x03;
        match *cut.head::<2>("frame relay")? {
            // Padding that aligns SNAP.
            [control, 0] if control == unnumbered => frame_relay_nlpid(self, cut.after(2)),
            [control, _] if control == unnumbered => frame_relay_nlpid(self, cut.after(1)),
            bytes => self.ether_type(u16::from_be_bytes(bytes), cut.after(2)),
        }
    }

    fn cooked<'a>(&mut self, cut: Cut<'a>) -> Opened<'a> {
        let (protocol, hardware, tag) = cooked_fields(cut.head("linux cooked")?, self.tag);
        self.tag = tag;
        self.cooked_protocol(protocol, hardware, cut.after(16))
    }

    fn cooked_v2<'a>(&mut self, cut: Cut<'a>) -> Opened<'a> {
        let (protocol, hardware, tag) = cooked_v2_fields(cut.head("linux cooked v2")?, self.tag);
        self.tag = tag;
        self.cooked_protocol(protocol, hardware, cut.after(20))
    }

    fn cooked_protocol<'a>(&mut self, protocol: u16, hardware: u16, cut: Cut<'a>) -> Opened<'a> {
        match hardware {
            ARPHRD_IEEE80211 => return wireless::frame(self, cut, false),
            ARPHRD_RADIOTAP => return wireless::radiotap(self, cut),
            _ => {}
        }
        match protocol {
            // ETH_P_802_2: the frame had a length in the place of an ether type.
            0x0004 => self.llc(cut),
            other => self.ether_type(other, cut),
        }
    }

    fn nest(&mut self) -> Result<(), Verdict> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            return Err(ParseError::invalid("link", 0, "too many headers around one another").into());
        }
        Ok(())
    }
}

/// Hardware types that Linux gives to monitoring wireless interfaces, which may be among those that are captured.
const ARPHRD_IEEE80211: u16 = 801;
const ARPHRD_RADIOTAP: u16 = 803;

/// True where the protocol of a cooked header tells what follows it.
#[inline]
pub(super) fn is_wired(hardware: u16) -> bool {
    !matches!(hardware, ARPHRD_IEEE80211 | ARPHRD_RADIOTAP)
}

/// LINKTYPE_LINUX_SLL: packet type, hardware type, address length, address, protocol. Gives protocol and hardware
/// type.
#[inline]
pub(super) fn cooked_fields(head: &[u8; 16], tag: LinkTag) -> (u16, u16, LinkTag) {
    let protocol = u16::from_be_bytes([head[14], head[15]]);
    (protocol, u16::from_be_bytes([head[2], head[3]]), tag.mix_bytes(&head[..14]))
}

/// LINKTYPE_LINUX_SLL2: protocol, reserved, interface, hardware type, packet type, address length, address.
#[inline]
pub(super) fn cooked_v2_fields(head: &[u8; 20], tag: LinkTag) -> (u16, u16, LinkTag) {
    let protocol = u16::from_be_bytes([head[0], head[1]]);
    (protocol, u16::from_be_bytes([head[8], head[9]]), tag.mix_bytes(&head[2..]))
}

/// Control information and type of a VLAN tag, and what is behind it (IEEE 802.1Q, clause 9.6).
#[inline]
pub(super) fn vlan_fields(bytes: &[u8]) -> Option<(u16, u16, &[u8])> {
    let ([tci_high, tci_low, high, low], inner) = bytes.split_first_chunk()?;
    Some((u16::from_be_bytes([*tci_high, *tci_low]), u16::from_be_bytes([*high, *low]), inner))
}

/// Addresses of Cisco HDLC.
const CISCO_UNICAST: u8 = 0x0f;
const CISCO_BROADCAST: u8 = 0x8f;

/// A BSD address family in the writer's byte order: AF_INET, and the numbers that NetBSD, FreeBSD, macOS and Linux
/// gave AF_INET6.
fn loopback(cut: Cut<'_>) -> Opened<'_> {
    let family = u32::from_le_bytes(*cut.head("loopback")?);
    let family = if family > 0xffff { family.swap_bytes() } else { family };
    match family {
        2 | 10 | 24 | 28 | 30 => Ok(Inside::Ip(cut.after(4))),
        other => Err(OtherReason::AddressFamily(other).into()),
    }
}

/// Network layer protocol identifiers, ISO/IEC TR 9577.
fn frame_relay_nlpid<'a>(link: &mut Link, cut: Cut<'a>) -> Opened<'a> {
    match cut.head::<1>("frame relay")?[0] {
        0xcc | 0x8e => Ok(Inside::Ip(cut.after(1))),
        0x80 => match cut.head::<6>("snap")? {
            [_, 0, 0, 0, high, low] => link.ether_type(u16::from_be_bytes([*high, *low]), cut.after(6)),
            _ => Err(OtherReason::Llc.into()),
        },
        other => Err(OtherReason::Nlpid(other).into()),
    }
}

/// True where an ether type that is read here stands in its place.
pub(super) fn begins_as_ethernet(cut: Cut<'_>) -> bool {
    matches!(
        cut.u16_at(12),
        Some(
            ether_type::IPV4
                | ether_type::IPV6
                | ether_type::ARP
                | ether_type::VLAN
                | ether_type::SERVICE_VLAN
                | ether_type::OLD_QINQ
                | ether_type::MPLS
                | ether_type::PPPOE_SESSION
        )
    )
}
