//! The source as the model wants it fed: filtered, within the time window, with progress told.
//!
//! In: a reader over all inputs. Out: the records that the user asked for. Never: a record reordered.

use super::config::Moment;
use super::progress::Progress;
use crate::net::filter::{Filter, Program};
use crate::packet::{FedPacket, LinkType, PacketFeed};
use crate::source::{MergedReader, PacketSource};
use crate::time::Timestamp;

/// Records between two looks at the progress.
const PROGRESS_EVERY: u32 = 8192;

/// The feed.
pub(super) struct Feed<'m, 'c> {
    pub(super) reader: MergedReader<'m>,
    filter: Option<&'c Filter>,
    /// The filter for each link type met so far.
    programs: Vec<(LinkType, Option<Program>)>,
    from: Option<Moment>,
    to: Option<Moment>,
    first: Option<Timestamp>,
    progress: Progress,
    until_progress: u32,
    pub(super) filtered_out: u64,
    /// Link types that the filter cannot be compiled for, with the reason.
    pub(super) filter_errors: Vec<String>,
}

impl<'m, 'c> Feed<'m, 'c> {
    pub(super) fn new(
        reader: MergedReader<'m>,
        filter: Option<&'c Filter>,
        window: (Option<Moment>, Option<Moment>),
        progress: Progress,
    ) -> Self {
        Self {
            reader,
            filter,
            programs: Vec::new(),
            from: window.0,
            to: window.1,
            first: None,
            progress,
            until_progress: PROGRESS_EVERY,
            filtered_out: 0,
            filter_errors: Vec::new(),
        }
    }

    fn is_plain(&self) -> bool {
        self.filter.is_none() && self.from.is_none() && self.to.is_none()
    }

    pub(super) fn finish_progress(&self) {
        self.progress.finish();
    }
}

/// True where the record is in the window and matches; a link type that the filter cannot be compiled for never does.
fn is_wanted(
    packet: &crate::packet::RawPacket<'_>,
    window: (Option<Timestamp>, Option<Timestamp>),
    filter: Option<&Filter>,
    programs: &mut Vec<(LinkType, Option<Program>)>,
    errors: &mut Vec<String>,
) -> bool {
    if window.0.is_some_and(|from| packet.ts < from) || window.1.is_some_and(|to| packet.ts >= to) {
        return false;
    }
    let Some(filter) = filter else { return true };
    let known = programs.iter().position(|(link, _)| *link == packet.link);
    let at = known.unwrap_or_else(|| {
        let program = filter.compile(packet.link);
        if let Err(error) = &program {
            errors.push(error.to_string());
        }
        programs.push((packet.link, program.ok()));
        programs.len() - 1
    });
    programs.get(at).and_then(|(_, program)| program.as_ref()).is_some_and(|program| program.matches(packet.data, packet.wire_len))
}

impl<'m> PacketFeed<'m> for Feed<'m, '_> {
    #[inline]
    fn next(&mut self) -> Option<FedPacket<'m, '_>> {
        self.until_progress -= 1;
        if self.until_progress == 0 {
            self.until_progress = PROGRESS_EVERY;
            self.progress.at(self.reader.bytes_read());
        }
        if self.is_plain() {
            let record = self.reader.next()?;
            return Some(FedPacket { packet: record.packet(), mapped: record.mapped_packet().map(|packet| packet.data) });
        }
        self.next_wanted()
    }
}

impl<'m> Feed<'m, '_> {
    fn next_wanted(&mut self) -> Option<FedPacket<'m, '_>> {
        let Self { reader, filter, programs, from, to, first, filtered_out, filter_errors, .. } = self;
        loop {
            // A record lives until the next one is asked for; whether it is wanted is decided on what can be copied.
            let (wanted, record) = {
                let record = reader.peek()?;
                let packet = record.packet();
                let first = *first.get_or_insert(packet.ts);
                let window = (from.map(|from| from.on_clock(first)), to.map(|to| to.on_clock(first)));
                (is_wanted(&packet, window, *filter, programs, filter_errors), ())
            };
            let () = record;
            if wanted {
                break;
            }
            *filtered_out += 1;
        }
        let record = reader.peek()?;
        Some(FedPacket { packet: record.packet(), mapped: record.mapped_packet().map(|packet| packet.data) })
    }
}
