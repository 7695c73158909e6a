//! A file mapped into memory for reading.
//!
//! In: an open regular file. Out: its bytes, for as long as the [`Mapped`] lives.
//! Never: a write. Of `source` only this module and `live` have `unsafe` blocks.

use memmap2::{Advice, Mmap};
use std::fs::File;
use std::io;

/// The bytes of a file.
pub(super) struct Mapped(Mmap);

impl Mapped {
    /// Maps the whole file; the file may be closed afterwards.
    pub(super) fn new(file: &File) -> io::Result<Self> {
        // SAFETY: the mapping is private and read-only, and only `&[u8]` of it is handed out, never beyond the life of
        // `Mapped`. What remains is the file system's: a process that cuts the file short while we read makes the kernel
        // raise SIGBUS, which ends this program, and one that overwrites it changes bytes under us. Every reader in
        // `source` checks lengths against the mapping on each access and relies on no value read earlier.
        let map = unsafe { Mmap::map(file)? };
        // Only a hint to read ahead; a kernel that declines it costs time, not correctness.
        let _declined = map.advise(Advice::Sequential);
        Ok(Self(map))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}
