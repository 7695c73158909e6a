//! IEEE 802.11 data frames and the headers that capturing machines put before them.
//!
//! In: a slice that should begin with an 802.11, radiotap, Prism, AVS or PPI header. Out: what the LLC header is around.
//! Never: decryption, reassembly of 802.11 fragments.

use super::cut::Cut;
use super::link::{Inside, Link};
use super::verdict::{OtherReason, Verdict};
use crate::bytes::ParseError;
use crate::packet::LinkType;

/// A frame from its frame control field on (IEEE 802.11, clause 9.2.3). `padded` where the header's length was
/// rounded up to four bytes.
pub(super) fn frame<'a>(link: &mut Link, cut: Cut<'a>, padded: bool) -> Result<Inside<'a>, Verdict> {
    let [kind, flags] = *cut.head("802.11")?;
    let (is_data, no_data, qos) = (kind & 0x0c == 0x08, kind & 0x40 != 0, kind & 0x80 != 0);
    if !is_data || no_data {
        return Err(OtherReason::WirelessControl.into());
    }
    if flags & 0x40 != 0 {
        return Err(OtherReason::WirelessEncrypted.into());
    }
    let head = cut.head::<24>("802.11")?;
    let (more_fragments, fragment_number) = (flags & 0x04 != 0, head[22] & 0x0f);
    if more_fragments || fragment_number != 0 {
        return Err(OtherReason::WirelessFragment.into());
    }
    link.tag = link.tag.mix_bytes(&head[4..22]);
    let four_addresses = flags & 0x03 == 0x03;
    let qos_at = if four_addresses { 30 } else { 24 };
    let high_throughput_control = qos && flags & 0x80 != 0;
    let len: usize = qos_at + if qos { 2 } else { 0 } + if high_throughput_control { 4 } else { 0 };
    let len = if padded { len.next_multiple_of(4) } else { len };
    let aggregated = qos && cut.u16_at(qos_at).is_some_and(|control| control & 0x8000 != 0);
    let body = cut.after(len);
    if aggregated { Ok(Inside::Aggregate(body)) } else { link.llc(body) }
}

/// The next subframe of an A-MSDU from its LLC header on, and what follows it (IEEE 802.11, clause 9.3.2.2.2).
pub(super) fn subframe(cut: Cut<'_>) -> Option<(Cut<'_>, Cut<'_>)> {
    let len = usize::from(cut.u16_at(12)?);
    Some((cut.after(14).at_most(len), cut.after((14 + len).next_multiple_of(4))))
}

/// Radiotap: version, pad, length, presence bits; the fields are little-endian and aligned.
pub(super) fn radiotap<'a>(link: &mut Link, cut: Cut<'a>) -> Result<Inside<'a>, Verdict> {
    let head = cut.head::<8>("radiotap")?;
    let len = usize::from(u16::from_le_bytes([head[2], head[3]]));
    if len < 8 {
        return Err(ParseError::invalid("radiotap", 2, "length below the header's own").into());
    }
    let flags = radiotap_flags(cut.at_most(len).bytes()).unwrap_or_default();
    let (padded, bad_fcs) = (flags & 0x20 != 0, flags & 0x40 != 0);
    if bad_fcs {
        return Err(OtherReason::WirelessDamaged.into());
    }
    frame(link, cut.after(len), padded)
}

/// The flags field, where it is present: only the time stamp, eight bytes at a multiple of eight, can stand before it.
fn radiotap_flags(header: &[u8]) -> Option<u8> {
    let (presence, _) = header.get(4..)?.as_chunks::<4>();
    let words = 1 + presence.iter().take_while(|word| word[3] & 0x80 != 0).count();
    let first = presence.first()?[0];
    let fields = 4 + words * 4;
    let at = if first & 1 != 0 { fields.next_multiple_of(8) + 8 } else { fields };
    if first & 2 != 0 { header.get(at).copied() } else { None }
}

/// The Prism header in either byte order, or the AVS header that shares its link type; both tell their length.
pub(super) fn prism<'a>(link: &mut Link, cut: Cut<'a>) -> Result<Inside<'a>, Verdict> {
    let head = cut.head::<8>("prism")?;
    let len = [head[4], head[5], head[6], head[7]];
    let len = u32::from_le_bytes(len).min(u32::from_be_bytes(len)) as usize;
    if len < 8 {
        return Err(ParseError::invalid("prism", 4, "length below the header's own").into());
    }
    frame(link, cut.after(len), false)
}

/// PPI: version, flags, length and inner link type, little-endian.
pub(super) fn ppi(cut: Cut<'_>) -> Result<(LinkType, Cut<'_>), Verdict> {
    let head = cut.head::<8>("ppi")?;
    let len = usize::from(u16::from_le_bytes([head[2], head[3]]));
    if len < 8 {
        return Err(ParseError::invalid("ppi", 2, "length below the header's own").into());
    }
    let inner = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
    Ok((LinkType(u16::try_from(inner).unwrap_or(u16::MAX)), cut.after(len)))
}
