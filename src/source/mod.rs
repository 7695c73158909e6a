//! From capture files, and the interfaces of this machine, to records in time order.
//!
//! In: what was named on the command line (files, folders, globs, standard input): pcap, pcapng and snoop, plain or
//! inside gzip or zstd. Out: one [`Record`] after the other with time, number, interface and link type, and for each
//! file a [`FileSummary`] that says what it held and where it ended.
//! Never: a look inside a packet, a buffer as large as a header claims, a panic, an endless loop on a damaged file.
//!
//! Plain files are mapped, and their packets are handed out with the lifetime of the mapping, so that a worker thread
//! can keep a slice while the reader goes on. Everything else streams through a bounded window, and its packets live
//! until the next record is asked for.

mod decode;
mod error;
mod format;
mod input;
mod lane;
#[cfg(all(feature = "analyzer", target_os = "linux"))]
pub mod live;
mod mapped;
mod merge;
mod open;
mod pcap;
mod pcapng;
mod record;
mod save;
mod snoop;
mod summary;
mod unpack;
mod window;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

pub use error::{Fault, InputError, OpenError, Refusal};
pub use format::{Compression, FileFormat};
pub use input::Input;
pub use merge::MergedReader;
pub use open::CaptureFiles;
pub use pcapng::PcapngWriter;
pub use record::{Interface, PacketSource, Record, RecordBytes};
pub use save::{FileRing, SaveError, SavedFiles};
pub use summary::{Comment, CommentSubject, FileSummary, Secrets};
