//! Tunnels: their headers, and the table of the stacks that were seen.
//!
//! In: a GRE packet, or the payload of a UDP datagram on a port where tunnels run. Out: what is inside, by ether type.
//! Never: a UDP payload taken for a tunnel on the word of its port alone.

use super::cut::Cut;
use super::datagram::{TunnelId, TunnelKind, TunnelLayer};
use super::link::{begins_as_ethernet, ether_type};
use super::verdict::{OtherReason, Verdict};
use std::collections::HashMap;

/// The stacks of tunnels that datagrams came out of. A stack is known by kind and id of its tunnels and not by their
/// outer addresses, so that both directions have one number.
#[derive(Debug)]
pub struct TunnelTable {
    max_stacks: usize,
    /// By [`TunnelId`]; the first is the empty stack.
    stacks: Vec<Box<[TunnelLayer]>>,
    ids: HashMap<(TunnelId, TunnelLayer), TunnelId>,
    /// The latest question and its answer: packets come in trains.
    latest: Option<((TunnelId, TunnelLayer), TunnelId)>,
    overflows: u64,
}

impl TunnelTable {
    /// What every stack that the table had no room for is called.
    pub const OVERFLOW: TunnelId = TunnelId(u32::MAX);

    pub(super) fn new(max_stacks: usize) -> Self {
        Self { max_stacks, stacks: vec![Box::default()], ids: HashMap::new(), latest: None, overflows: 0 }
    }

    /// The tunnels of a stack from the outside in; none for `TunnelId(0)`, for [`TunnelTable::OVERFLOW`] and for ids
    /// of another table.
    pub fn layers(&self, id: TunnelId) -> &[TunnelLayer] {
        self.stacks.get(id.0 as usize).map_or(&[], |layers| layers)
    }

    /// Stacks in the table; their ids are 1 to this number.
    pub fn len(&self) -> usize {
        self.stacks.len() - 1
    }

    /// True where no tunnel was seen.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Packets whose stack got [`TunnelTable::OVERFLOW`].
    pub fn overflows(&self) -> u64 {
        self.overflows
    }

    pub(super) fn enter(&mut self, outer: TunnelId, layer: TunnelLayer) -> TunnelId {
        let key = (outer, layer);
        if let Some((latest, id)) = self.latest
            && latest == key
        {
            return id;
        }
        let Some(id) = self.ids.get(&key).copied().or_else(|| self.add(key)) else {
            self.overflows += 1;
            return Self::OVERFLOW;
        };
        self.latest = Some((key, id));
        id
    }

    fn add(&mut self, (outer, layer): (TunnelId, TunnelLayer)) -> Option<TunnelId> {
        if outer == Self::OVERFLOW || self.len() >= self.max_stacks {
            return None;
        }
        let id = TunnelId(u32::try_from(self.stacks.len()).ok().filter(|id| *id < Self::OVERFLOW.0)?);
        self.stacks.push(self.layers(outer).iter().copied().chain([layer]).collect());
        self.ids.insert((outer, layer), id);
        Some(id)
    }
}

/// An opened tunnel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tunnel<'a> {
    pub(super) layer: TunnelLayer,
    pub(super) ether_type: u16,
    pub(super) content: Cut<'a>,
}

/// RFC 7348, section 5; Linux used 8472 before.
const VXLAN: u16 = 4789;
const VXLAN_LINUX: u16 = 8472;
/// RFC 8926, section 3.3.
const GENEVE: u16 = 6081;
/// 3GPP TS 29.281, section 4.4.2.
const GTP_U: u16 = 2152;
/// RFC 4380, section 2.7.
const TEREDO: u16 = 3544;

/// The ports at places of their own, so that one comparison tells whether a port is among them; VXLAN also at the
/// places that are free, where no lookup of it comes.
const PORTS: [u16; 16] = {
    let mut table = [VXLAN; 16];
    table[place(VXLAN_LINUX)] = VXLAN_LINUX;
    table[place(GENEVE)] = GENEVE;
    table[place(GTP_U)] = GTP_U;
    table[place(TEREDO)] = TEREDO;
    table
};

#[inline]
const fn place(port: u16) -> usize {
    (port >> 3) as usize % 16
}

/// True for a port on which tunnels run.
#[inline]
pub(super) fn is_port(port: u16) -> bool {
    PORTS[place(port)] == port
}

/// The tunnel in a UDP payload, where one of the ports is its port and the content fits.
pub(super) fn in_udp(src: u16, dst: u16, payload: Cut<'_>) -> Option<Tunnel<'_>> {
    [dst, src].into_iter().find_map(|port| match port {
        VXLAN | VXLAN_LINUX => vxlan(payload),
        GENEVE => geneve(payload),
        GTP_U => gtp_u(payload),
        TEREDO => teredo(payload),
        _ => None,
    })
}

/// RFC 7348, section 5: the I flag, and something that looks like Ethernet, as some senders do not keep the reserved
/// bytes zero; or the group policy extension that Linux and others write, with its G flag and D and A bits. That one
/// begins as an RTP packet may, so nothing else may be set.
fn vxlan(payload: Cut<'_>) -> Option<Tunnel<'_>> {
    let content = payload.after(8);
    let vni = match *payload.bytes().first_chunk::<8>()? {
        [0x08, 0, 0, 0, a, b, c, 0] => [0, a, b, c],
        [0x08, _, _, _, a, b, c, _] if begins_as_ethernet(content) => [0, a, b, c],
        [0x88, policy, _, _, a, b, c, 0] if policy & !0x48 == 0 && begins_as_ethernet(content) => [0, a, b, c],
        _ => return None,
    };
    let layer = TunnelLayer { kind: TunnelKind::Vxlan, id: u32::from_be_bytes(vni) };
    Some(Tunnel { layer, ether_type: ether_type::ETHERNET, content })
}

/// RFC 8926, section 3.4: version 0, reserved bits zero.
fn geneve(payload: Cut<'_>) -> Option<Tunnel<'_>> {
    let [version_and_len, flags, type_high, type_low, a, b, c, 0] = *payload.bytes().first_chunk::<8>()? else {
        return None;
    };
    if version_and_len & 0xc0 != 0 || flags & 0x3f != 0 {
        return None;
    }
    let ether_type = u16::from_be_bytes([type_high, type_low]);
    let content = payload.after(8 + usize::from(version_and_len & 0x3f) * 4);
    let fits = match ether_type {
        ether_type::ETHERNET => !content.bytes().is_empty(),
        ether_type::IPV4 => version_nibble(content) == Some(4),
        ether_type::IPV6 => version_nibble(content) == Some(6),
        _ => false,
    };
    let layer = TunnelLayer { kind: TunnelKind::Geneve, id: u32::from_be_bytes([0, a, b, c]) };
    fits.then_some(Tunnel { layer, ether_type, content })
}

/// 3GPP TS 29.281, section 5.1: version 1, protocol type GTP, message type G-PDU.
fn gtp_u(payload: Cut<'_>) -> Option<Tunnel<'_>> {
    let [flags, 0xff, length_high, length_low, ..] = *payload.bytes().first_chunk::<8>()? else {
        return None;
    };
    if flags & 0xf0 != 0x30 {
        return None;
    }
    let length = usize::from(u16::from_be_bytes([length_high, length_low]));
    let mut content = payload.after(8);
    if length > content.wire() {
        return None;
    }
    content = content.at_most(length);
    // Any of E, S and PN brings all three fields; the next extension header's type counts only with E.
    if flags & 0x07 != 0 {
        let optional = content.bytes().first_chunk::<4>()?;
        let mut next = if flags & 0x04 != 0 { optional[3] } else { 0 };
        content = content.after(4);
        while next != 0 {
            // In units of four bytes, the type of the next one last (section 5.2.1).
            let len = usize::from(*content.bytes().first()?) * 4;
            next = *content.bytes().get(len.checked_sub(1)?)?;
            content = content.after(len);
        }
    }
    // The receiver chooses the endpoint identifier (section 5.1), so that the two directions of a flow have different
    // ones: it is no number of the tunnel.
    let layer = TunnelLayer { kind: TunnelKind::GtpU, id: 0 };
    Some(Tunnel { layer, ether_type: ip_ether_type(content)?, content })
}

/// RFC 4380, section 5.1.1: authentication and origin indication may stand before the IPv6 packet.
fn teredo(payload: Cut<'_>) -> Option<Tunnel<'_>> {
    let mut content = payload;
    if let [0, 1, id_len, authentication_len] = *content.bytes().first_chunk::<4>()? {
        // A nonce of eight bytes and a confirmation byte follow identifier and authentication value.
        content = content.after(4 + usize::from(id_len) + usize::from(authentication_len) + 9);
    }
    if content.bytes().starts_with(&[0, 0]) {
        content = content.after(8);
    }
    let head = content.bytes().first_chunk::<40>()?;
    let length = usize::from(u16::from_be_bytes([head[4], head[5]]));
    // Section 2.6 has the prefix; link-local addresses are in router solicitations and advertisements.
    let is_teredo = |at: usize| matches!(head.get(at..at + 4), Some([0x20, 0x01, 0, 0] | [0xfe, 0x80, 0, 0]));
    let fits = head[0] >> 4 == 6 && 40 + length <= content.wire() && (is_teredo(8) || is_teredo(24));
    let layer = TunnelLayer { kind: TunnelKind::Teredo, id: 0 };
    fits.then_some(Tunnel { layer, ether_type: ether_type::IPV6, content })
}

/// ERSPAN, an Ethernet mirror over GRE, types II and III.
const ERSPAN_II: u16 = 0x88be;
const ERSPAN_III: u16 = 0x22eb;

/// RFC 2784 with RFC 2890 (version 0), and the form that PPTP uses (RFC 2637, section 4.1, version 1).
pub(super) fn gre(packet: Cut<'_>) -> Result<Tunnel<'_>, Verdict> {
    let [high, low, type_high, type_low] = *packet.head::<4>("gre")?;
    let ether_type = u16::from_be_bytes([type_high, type_low]);
    let (checksum, routing, key, sequence) = (high & 0x80 != 0, high & 0x40 != 0, high & 0x20 != 0, high & 0x10 != 0);
    let acknowledgment = low & 0x80 != 0;
    let version = low & 0x07;
    let understood = match version {
        0 => !routing,
        1 => key && ether_type == ether_type::PPP,
        _ => false,
    };
    if !understood {
        return Err(OtherReason::IpProtocol(super::ip::protocol::GRE).into());
    }
    let mut content = packet.after(4);
    if checksum {
        content = content.after(4);
    }
    let mut id = 0;
    if key {
        // In PPTP it is a length and a number that names one direction only.
        let value = u32::from_be_bytes(*content.head("gre")?);
        id = if version == 0 { value } else { 0 };
        content = content.after(4);
    }
    let behind_sequence = if sequence { 4 } else { 0 } + if version == 1 && acknowledgment { 4 } else { 0 };
    content = content.after(behind_sequence);
    let layer = TunnelLayer { kind: TunnelKind::Gre, id };
    let (ether_type, content) = match ether_type {
        // Type I has neither sequence number nor header of its own.
        ERSPAN_II if !sequence => (ether_type::ETHERNET, content),
        ERSPAN_II => (ether_type::ETHERNET, content.after(8)),
        ERSPAN_III => {
            let platform_header = content.head::<12>("erspan")?[11] & 1 != 0;
            (ether_type::ETHERNET, content.after(if platform_header { 20 } else { 12 }))
        }
        // An acknowledgment of PPTP has nothing inside.
        ether_type::PPP if content.wire() == 0 => {
            return Err(OtherReason::IpProtocol(super::ip::protocol::GRE).into());
        }
        other => (other, content),
    };
    Ok(Tunnel { layer, ether_type, content })
}

fn version_nibble(content: Cut<'_>) -> Option<u8> {
    content.bytes().first().map(|byte| byte >> 4)
}

fn ip_ether_type(content: Cut<'_>) -> Option<u16> {
    match version_nibble(content)? {
        4 => Some(ether_type::IPV4),
        6 => Some(ether_type::IPV6),
        _ => None,
    }
}
