//! Single frames out of the inputs once more, for who wants to see their bytes.
//!
//! In: what was read before, and the number of a frame. Out: its bytes, taken apart. Never: the inputs opened before somebody
//! asks, or read from the start for every frame while there is room to remember where the others are.

use super::config::Reading;
use super::examine::open_again;
use crate::dissect::dissect;
use crate::packet::{FrameNo, LinkType, RawPacket};
use crate::source::{CaptureFiles, Input, PacketSource};
use crate::time::Timestamp;
use crate::view::tui::Frame;
use std::borrow::Cow;
use std::cell::OnceCell;

/// Frames whose place is remembered, and bytes of those that have to be unpacked.
const MAX_FRAMES: usize = 1 << 20;
const MAX_COPIED: usize = 64 << 20;

/// Where the opened inputs live.
pub(super) type Opened = OnceCell<Result<CaptureFiles, String>>;

/// The frames of the inputs.
pub(super) struct Frames<'f> {
    reading: &'f Reading,
    opened: &'f Opened,
    /// By number, from 1; filled with the first frame that is asked for.
    index: Option<Vec<Kept<'f>>>,
}

struct Kept<'f> {
    link: LinkType,
    wire_len: u32,
    bytes: Cow<'f, [u8]>,
}

impl<'f> Frames<'f> {
    pub(super) const fn of(reading: &'f Reading, opened: &'f Opened) -> Self {
        Self { reading, opened, index: None }
    }

    /// That frame, or why it cannot be had.
    pub(super) fn read(&mut self, number: FrameNo) -> Result<Frame, String> {
        if self.reading.inputs.iter().any(|input| matches!(input, Input::Stdin)) {
            return Err("the capture came through a pipe, which cannot be read a second time".to_owned());
        }
        let files = self.opened.get_or_init(|| open_again(&self.reading.inputs)).as_ref().map_err(Clone::clone)?;
        let index = self.index.get_or_insert_with(|| index(files));
        let place = usize::try_from(number.0).unwrap_or(usize::MAX).checked_sub(1);
        if let Some(kept) = place.and_then(|place| index.get(place)) {
            return Ok(frame(number, kept.link, kept.wire_len, &kept.bytes));
        }
        found(files, number)
    }
}

/// A frame of inputs that grow: nothing of them is remembered.
pub(super) fn of_growing(inputs: &[Input], number: FrameNo) -> Result<Frame, String> {
    found(&open_again(inputs)?, number)
}

fn found(files: &CaptureFiles, number: FrameNo) -> Result<Frame, String> {
    let mut reader = files.reader();
    while let Some(record) = reader.next_record() {
        if record.frame == number {
            let packet = record.packet();
            return Ok(frame(number, packet.link, packet.wire_len, packet.data));
        }
    }
    Err(format!("there is no frame {number} in the capture any more"))
}

fn frame(number: FrameNo, link: LinkType, wire_len: u32, data: &[u8]) -> Frame {
    let ts = Timestamp::default();
    let packet = RawPacket { ts, frame: number, interface: 0, link, wire_len, data };
    Frame { bytes: data.to_vec(), fields: dissect(&packet) }
}

fn index(files: &CaptureFiles) -> Vec<Kept<'_>> {
    let mut index = Vec::new();
    let mut copied = 0;
    let mut reader = files.reader();
    while index.len() < MAX_FRAMES
        && copied < MAX_COPIED
        && let Some(record) = reader.next_record()
    {
        let bytes = match record.mapped_packet() {
            Some(mapped) => Cow::Borrowed(mapped.data),
            None => {
                copied += record.packet().data.len();
                Cow::Owned(record.packet().data.to_vec())
            }
        };
        index.push(Kept { link: record.link, wire_len: record.wire_len, bytes });
    }
    index
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::InputArguments;
    use clap::{Args, FromArgMatches};
    use std::path::Path;

    fn reading(name: &str) -> Reading {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures").join(name).join("input.pcapng");
        let command = InputArguments::augment_args(clap::Command::new("test"));
        let matches = command.try_get_matches_from(["test".as_ref(), path.as_os_str()]).expect("arguments");
        Reading::of(InputArguments::from_arg_matches(&matches).expect("arguments")).expect("a reading")
    }

    #[test]
    fn a_frame_is_the_same_in_any_order_and_one_that_is_not_there_is_refused() {
        let reading = reading("webrtc-relay-udp");
        let opened = Opened::new();
        let mut frames = Frames::of(&reading, &opened);
        let later = frames.read(FrameNo(62)).expect("a frame");
        let earlier = frames.read(FrameNo(35)).expect("a frame");
        assert_eq!(frames.read(FrameNo(62)), Ok(later.clone()));
        assert_ne!(later, earlier);
        assert!(later.fields.iter().any(|field| field.name == "XOR-RELAYED-ADDRESS"), "{:#?}", later.fields);
        assert!(frames.read(FrameNo(1_000_000)).is_err() && frames.read(FrameNo(0)).is_err());
    }
}
