//! A layer's bytes as far as they were captured, and the mark of the link they were captured on.
//!
//! In: slices and lengths from headers. Out: shorter slices that still know their length on the wire.
//! Never: a length that was only claimed where captured bytes are meant.

use crate::bytes::ParseError;

/// The captured part of a layer, with the layer's length on the wire.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut<'a> {
    bytes: &'a [u8],
    wire: usize,
}

impl<'a> Cut<'a> {
    /// `wire` counts only where it is more than what was captured.
    pub(super) fn new(bytes: &'a [u8], wire: usize) -> Self {
        Self { bytes, wire: wire.max(bytes.len()) }
    }

    /// The captured bytes.
    pub(super) fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// Length on the wire in bytes.
    pub(super) fn wire(self) -> usize {
        self.wire
    }

    /// Bytes on the wire that were not captured.
    pub(super) fn missing(self) -> u32 {
        u32::try_from(self.wire - self.bytes.len()).unwrap_or(u32::MAX)
    }

    /// The first `N` bytes, or the error of `layer`.
    pub(super) fn head<const N: usize>(self, layer: &'static str) -> Result<&'a [u8; N], ParseError> {
        self.bytes.first_chunk().ok_or(ParseError::short(layer, 0, N, self.bytes.len()))
    }

    /// Two bytes at `offset`, network order.
    pub(super) fn u16_at(self, offset: usize) -> Option<u16> {
        self.bytes.get(offset..)?.first_chunk().copied().map(u16::from_be_bytes)
    }

    /// Without the first `n` bytes; empty where there are fewer.
    pub(super) fn after(self, n: usize) -> Self {
        Self { bytes: self.bytes.get(n..).unwrap_or(&[]), wire: self.wire.saturating_sub(n) }
    }

    /// Without padding behind the first `len` bytes.
    pub(super) fn at_most(self, len: usize) -> Self {
        Self { bytes: self.bytes.get(..len).unwrap_or(self.bytes), wire: self.wire.min(len) }
    }

    /// With the length that the layer's own header gives: padding goes, and what is not there is missing.
    pub(super) fn of_length(self, len: usize) -> Self {
        Self { bytes: self.bytes.get(..len).unwrap_or(self.bytes), wire: len }
    }
}

/// Mixes interface and link header into the number that tells mirrored copies apart. Not a defence against crafted
/// input: a collision only hides that two copies came over different links.
#[derive(Clone, Copy, Debug)]
pub(super) struct LinkTag(u64);

impl LinkTag {
    #[inline]
    pub(super) fn new(interface: u32) -> Self {
        Self(0x9e37_79b9_7f4a_7c15 ^ u64::from(interface))
    }

    #[inline]
    pub(super) fn mix(self, word: u64) -> Self {
        let product = u128::from(self.0 ^ word) * 0xd6e8_feb8_6659_fd93_u128;
        Self(product as u64 ^ (product >> 64) as u64)
    }

    /// The two MAC addresses at the start of an Ethernet header.
    #[inline]
    pub(super) fn mix_macs(self, [a, b, c, d, e, f, g, h, i, j, k, l]: [u8; 12]) -> Self {
        self.mix(u64::from_be_bytes([a, b, c, d, e, f, g, h])).mix(u64::from(u32::from_be_bytes([i, j, k, l])))
    }

    /// A VLAN tag's control information.
    #[inline]
    pub(super) fn mix_vlan(self, tci: u16) -> Self {
        self.mix(u64::from(tci) | 1 << 16)
    }

    /// Any link header.
    #[inline]
    pub(super) fn mix_bytes(self, bytes: &[u8]) -> Self {
        bytes.chunks(8).fold(self, |tag, chunk| {
            let mut word = [0; 8];
            word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
            tag.mix(u64::from_be_bytes(word))
        })
    }

    #[inline]
    pub(super) fn value(self) -> u32 {
        (self.0 ^ self.0 >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_remembers_what_the_snap_length_took() {
        let cut = Cut::new(&[1, 2, 3, 4], 10);
        assert_eq!((cut.missing(), cut.after(3).bytes(), cut.after(3).wire()), (6, &[4_u8][..], 7));
        assert_eq!((cut.after(9).bytes().len(), cut.after(9).wire()), (0, 1));
        assert_eq!(cut.after(11).wire(), 0);
    }

    #[test]
    fn a_length_from_a_header_takes_padding_off_and_adds_what_is_missing() {
        let cut = Cut::new(&[1, 2, 3, 4], 4);
        assert_eq!((cut.of_length(2).bytes(), cut.of_length(2).missing()), (&[1_u8, 2][..], 0));
        assert_eq!((cut.of_length(9).bytes().len(), cut.of_length(9).missing()), (4, 5));
        assert_eq!(cut.at_most(9).missing(), 0);
    }

    #[test]
    fn a_link_tag_changes_with_interface_and_with_each_mac_byte() {
        let macs = [0_u8; 12];
        let base = LinkTag::new(0).mix_macs(macs).value();
        assert_ne!(base, LinkTag::new(1).mix_macs(macs).value());
        for position in 0..12 {
            let mut other = macs;
            other[position] = 1;
            assert_ne!(base, LinkTag::new(0).mix_macs(other).value(), "byte {position}");
        }
    }
}
