//! IPv4 and IPv6 headers, down to the first byte of the transport or the fragment.
//!
//! In: a slice that should begin with an IP header. Out: addresses, protocol, payload, place in a fragmented datagram.
//! Never: a checksum (capturing machines see packets before the network card fills it in), an option's meaning.

use super::cut::Cut;
use super::datagram::Addr;
use super::verdict::{OtherReason, Verdict};
use crate::bytes::ParseError;

/// Assigned Internet Protocol Numbers (IANA), as the IPv4 protocol and IPv6 next header fields carry them.
pub(super) mod protocol {
    pub(in crate::net) const HOP_BY_HOP: u8 = 0;
    pub(in crate::net) const ICMP: u8 = 1;
    pub(in crate::net) const IGMP: u8 = 2;
    pub(in crate::net) const IPV4: u8 = 4;
    pub(in crate::net) const TCP: u8 = 6;
    pub(in crate::net) const UDP: u8 = 17;
    pub(in crate::net) const IPV6: u8 = 41;
    pub(in crate::net) const ROUTING: u8 = 43;
    pub(in crate::net) const FRAGMENT: u8 = 44;
    pub(in crate::net) const GRE: u8 = 47;
    pub(in crate::net) const ESP: u8 = 50;
    pub(in crate::net) const AH: u8 = 51;
    pub(in crate::net) const ICMPV6: u8 = 58;
    pub(in crate::net) const NO_NEXT: u8 = 59;
    pub(in crate::net) const DESTINATION: u8 = 60;
    pub(in crate::net) const SCTP: u8 = 132;
    pub(in crate::net) const MOBILITY: u8 = 135;
    pub(in crate::net) const UDP_LITE: u8 = 136;
    pub(in crate::net) const HIP: u8 = 139;
    pub(in crate::net) const SHIM6: u8 = 140;
}

/// No sender chains more; a limit for crafted packets.
const MAX_EXTENSIONS: usize = 16;

/// What a header says of its packet, apart from the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IpHeader {
    pub(super) v4: bool,
    pub(super) src: Addr,
    pub(super) dst: Addr,
    /// Length of the whole packet on the wire.
    pub(super) ip_len: u32,
    pub(super) ip_id: Option<u16>,
    pub(super) ttl: u8,
    pub(super) traffic_class: u8,
}

/// Where a payload belongs in the datagram it was cut from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fragment {
    pub(super) id: u32,
    /// In bytes.
    pub(super) offset: u32,
    pub(super) more: bool,
}

/// A payload and the protocol it is in; where it is a fragment, the protocol of the whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct IpPayload<'a> {
    pub(super) protocol: u8,
    pub(super) fragment: Option<Fragment>,
    pub(super) content: Cut<'a>,
}

/// Reads the header that the version nibble tells, and all extension headers.
pub(super) fn open(cut: Cut<'_>) -> Result<(IpHeader, IpPayload<'_>), Verdict> {
    match cut.head::<1>("ip")?[0] >> 4 {
        4 => ipv4(cut),
        6 => ipv6(cut),
        _ => Err(ParseError::invalid("ip", 0, "version neither 4 nor 6").into()),
    }
}

/// RFC 791, section 3.1.
fn ipv4(cut: Cut<'_>) -> Result<(IpHeader, IpPayload<'_>), Verdict> {
    let head = cut.head::<20>("ipv4")?;
    let header_len = usize::from(head[0] & 0x0f) * 4;
    if header_len < 20 {
        return Err(ParseError::invalid("ipv4", 0, "header length below 20").into());
    }
    if header_len > cut.bytes().len() {
        return Err(ParseError::short("ipv4", 20, header_len - 20, cut.bytes().len() - 20).into());
    }
    // Zero where the network card was to cut the packet into segments and fill the length in.
    let total_len = match u16::from_be_bytes([head[2], head[3]]) {
        0 => cut.wire(),
        len => usize::from(len),
    };
    if total_len < header_len {
        return Err(ParseError::invalid("ipv4", 2, "total length below the header's").into());
    }
    let flags_and_offset = u16::from_be_bytes([head[6], head[7]]);
    let id = u16::from_be_bytes([head[4], head[5]]);
    let fragment = (flags_and_offset & 0x3fff != 0).then(|| Fragment {
        id: u32::from(id),
        offset: u32::from(flags_and_offset & 0x1fff) * 8,
        more: flags_and_offset & 0x2000 != 0,
    });
    let header = IpHeader {
        v4: true,
        src: Addr::v4([head[12], head[13], head[14], head[15]]),
        dst: Addr::v4([head[16], head[17], head[18], head[19]]),
        ip_len: total_len as u32,
        ip_id: Some(id),
        ttl: head[8],
        traffic_class: head[1],
    };
    let content = cut.of_length(total_len).after(header_len);
    match fragment {
        Some(_) => Ok((header, IpPayload { protocol: head[9], fragment, content })),
        None => Ok((header, extensions(head[9], content)?)),
    }
}

/// RFC 8200, section 3.
fn ipv6(cut: Cut<'_>) -> Result<(IpHeader, IpPayload<'_>), Verdict> {
    let head = cut.head::<40>("ipv6")?;
    // Zero in jumbograms (RFC 2675, section 3) and before segmentation by the network card.
    let payload_len = match u16::from_be_bytes([head[4], head[5]]) {
        0 if head[6] != protocol::NO_NEXT => cut.wire().saturating_sub(40),
        len => usize::from(len),
    };
    let payload = extensions(head[6], cut.after(40).of_length(payload_len))?;
    let header = IpHeader {
        v4: false,
        src: Addr::v6(*cut.after(8).head("ipv6")?),
        dst: Addr::v6(*cut.after(24).head("ipv6")?),
        ip_len: payload_len.saturating_add(40).try_into().unwrap_or(u32::MAX),
        ip_id: payload.fragment.map(|fragment| fragment.id as u16),
        ttl: head[7],
        traffic_class: head[0] << 4 | head[1] >> 4,
    };
    Ok((header, payload))
}

/// Goes over IPv6 extension headers (RFC 8200, section 4) and the authentication header (RFC 4302, which stands in
/// IPv4 too), to the transport or to a fragment. What was reassembled goes through here again.
pub(super) fn extensions(first: u8, content: Cut<'_>) -> Result<IpPayload<'_>, Verdict> {
    let mut next = first;
    let mut cut = content;
    for _ in 0..MAX_EXTENSIONS {
        let unit = match next {
            protocol::HOP_BY_HOP
            | protocol::ROUTING
            | protocol::DESTINATION
            | protocol::MOBILITY
            | protocol::HIP
            | protocol::SHIM6 => 8,
            protocol::AH => 4,
            protocol::FRAGMENT => 0,
            protocol::NO_NEXT => return Err(OtherReason::NoNextHeader.into()),
            _ => return Ok(IpPayload { protocol: next, fragment: None, content: cut }),
        };
        let head = cut.head::<8>("ip extension header")?;
        if unit == 0 {
            let offset_and_flags = u16::from_be_bytes([head[2], head[3]]);
            // Neither offset nor "more": an atomic fragment, a whole packet (RFC 6946).
            if offset_and_flags & 0xfff9 != 0 {
                let fragment = Fragment {
                    id: u32::from_be_bytes([head[4], head[5], head[6], head[7]]),
                    offset: u32::from(offset_and_flags & 0xfff8),
                    more: offset_and_flags & 1 != 0,
                };
                return Ok(IpPayload { protocol: head[0], fragment: Some(fragment), content: cut.after(8) });
            }
        }
        // Lengths do not count the first eight bytes; the authentication header counts four at a time.
        let len = 8 + usize::from(head[1]) * unit;
        if len > cut.bytes().len() {
            return Err(ParseError::short("ip extension header", 8, len - 8, cut.bytes().len() - 8).into());
        }
        next = head[0];
        cut = cut.after(len);
    }
    Err(ParseError::invalid("ip extension header", 0, "too many in a row").into())
}
