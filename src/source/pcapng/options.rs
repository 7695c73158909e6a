//! The options of a pcapng block (draft-ietf-opsawg-pcapng, section 3.5).
//!
//! In: the bytes behind a block's fixed fields. Out: code and value of one option after the other.
//! Never: a list of them in memory; a block of many megabytes can be all options.

use crate::source::format::ByteOrder;

/// Ends the options.
const END_OF_OPTIONS: u16 = 0;
/// A comment on what the block is about.
pub(super) const COMMENT: u16 = 1;

/// Walks the options, and stops at the end mark or at the first that does not fit.
pub(super) struct Options<'a> {
    bytes: &'a [u8],
    order: ByteOrder,
}

impl<'a> Options<'a> {
    pub(super) const fn new(bytes: &'a [u8], order: ByteOrder) -> Self {
        Self { bytes, order }
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let code = self.order.u16_at(self.bytes, 0)?;
        let length = usize::from(self.order.u16_at(self.bytes, 2)?);
        if code == END_OF_OPTIONS {
            return None;
        }
        let value = self.bytes.get(4..4 + length)?;
        // The last option of a block is kept although its padding is missing.
        self.bytes = self.bytes.get(4 + length.next_multiple_of(4)..).unwrap_or_default();
        Some((code, value))
    }
}
