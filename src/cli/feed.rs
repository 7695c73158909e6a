//! The source as the model wants it fed: filtered, within the time window, with progress told.
//!
//! In: a reader over all inputs. Out: the records that the user asked for. Never: a record reordered.

use super::moment::Moment;
use super::progress::Progress;
use crate::model::capture::Asked;
use crate::net::filter::{Filter, Program};
use crate::packet::{FedPacket, LinkType, PacketFeed, PacketSink, RawPacket};
use crate::source::MergedReader;
use crate::time::Timestamp;

/// The feed.
pub(super) struct Feed<'m> {
    pub(super) reader: MergedReader<'m>,
    pub(super) wants: Wants,
    /// Every record is wanted.
    all: bool,
    progress: Progress,
}

impl<'m> Feed<'m> {
    pub(super) fn new(
        reader: MergedReader<'m>,
        filter: Option<&Filter>,
        window: (Option<Moment>, Option<Moment>),
        progress: Progress,
    ) -> Self {
        let wants = Wants::new(filter.cloned(), window);
        let all = wants.all();
        Self { reader, wants, all, progress }
    }

    pub(super) fn finish_progress(&self) {
        self.progress.finish();
    }
}

/// The user's filter for one link type, where it can be compiled for it, and the one for VLAN tags.
struct Programs {
    filter: Option<Program>,
    vlan: Option<Program>,
}

/// What the user wants to see of the input.
pub(super) struct Wants {
    filter: Option<Filter>,
    /// The filter for each link type met so far.
    programs: Vec<(LinkType, Programs)>,
    /// Matches what has a VLAN tag.
    vlan: Option<Filter>,
    from: Option<Moment>,
    to: Option<Moment>,
    first: Option<Timestamp>,
    pub(super) span: Option<(Timestamp, Timestamp)>,
    pub(super) filtered_out: u64,
    pub(super) outside_window: u64,
    pub(super) filtered_vlan: u64,
    /// Link types that the filter cannot be compiled for, with the reason.
    pub(super) filter_errors: Vec<String>,
}

impl Wants {
    pub(super) fn new(filter: Option<Filter>, (from, to): (Option<Moment>, Option<Moment>)) -> Self {
        Self {
            vlan: filter.as_ref().and_then(|_| Filter::parse("vlan").ok()),
            filter,
            programs: Vec::new(),
            from,
            to,
            first: None,
            span: None,
            filtered_out: 0,
            outside_window: 0,
            filtered_vlan: 0,
            filter_errors: Vec::new(),
        }
    }

    /// True where every record is wanted.
    pub(super) const fn all(&self) -> bool {
        self.filter.is_none() && self.from.is_none() && self.to.is_none()
    }

    /// True where link types were met and the filter could be compiled for none of them.
    pub(super) fn filter_fits_nothing(&self) -> bool {
        !self.programs.is_empty() && self.programs.iter().all(|(_, programs)| programs.filter.is_none())
    }

    /// The user's words and times, on the capture clock; a time after the first packet is none where there is no packet.
    pub(super) fn asked(&self) -> Asked {
        let on_clock = |moment: Option<Moment>| match moment? {
            Moment::At(ts) => Some(ts),
            after @ Moment::After(_) => self.first.map(|first| after.on_clock(first)),
        };
        Asked {
            filter: self.filter.as_ref().map(|filter| filter.text().to_owned()),
            from: on_clock(self.from),
            to: on_clock(self.to),
        }
    }

    /// Whether the user wants it; what is not wanted is counted.
    pub(super) fn packet(&mut self, packet: &RawPacket<'_>) -> bool {
        let (earliest, latest) = self.span.unwrap_or((packet.ts, packet.ts));
        self.span = Some((earliest.min(packet.ts), latest.max(packet.ts)));
        if !self.is_in_window(packet.ts) {
            self.filtered_out += 1;
            self.outside_window += 1;
            return false;
        }
        let wanted = self.matches(packet);
        self.filtered_out += u64::from(!wanted);
        wanted
    }

    fn is_in_window(&mut self, ts: Timestamp) -> bool {
        let first = *self.first.get_or_insert(ts);
        self.from.is_none_or(|from| ts >= from.on_clock(first)) && self.to.is_none_or(|to| ts < to.on_clock(first))
    }

    /// A link type that the filter cannot be compiled for never matches.
    fn matches(&mut self, packet: &RawPacket<'_>) -> bool {
        let Some(filter) = &self.filter else { return true };
        let known = self.programs.iter().position(|(link, _)| *link == packet.link);
        let at = known.unwrap_or_else(|| {
            let program = filter.compile(packet.link);
            if let Err(error) = &program {
                self.filter_errors.push(error.to_string());
            }
            let vlan = self.vlan.as_ref().and_then(|vlan| vlan.compile(packet.link).ok());
            self.programs.push((packet.link, Programs { filter: program.ok(), vlan }));
            self.programs.len() - 1
        });
        let Some((_, programs)) = self.programs.get(at) else { return false };
        let holds = |program: &Option<Program>| {
            program.as_ref().is_some_and(|program| program.matches(packet.data, packet.wire_len))
        };
        let wanted = holds(&programs.filter);
        if !wanted {
            self.filtered_vlan += u64::from(holds(&programs.vlan));
        }
        wanted
    }
}

/// Lets through what the user wants.
struct Wanted<'w, S> {
    wants: &'w mut Wants,
    sink: &'w mut S,
}

impl<'m, S: PacketSink<'m>> PacketSink<'m> for Wanted<'_, S> {
    fn packet(&mut self, fed: FedPacket<'m, '_>) -> bool {
        !self.wants.packet(&fed.packet) || self.sink.packet(fed)
    }
}

impl<'m> PacketFeed<'m> for Feed<'m> {
    #[inline(always)]
    fn feed(&mut self, limit: usize, sink: &mut impl PacketSink<'m>) -> bool {
        let more = if self.all {
            self.reader.feed(limit, sink)
        } else {
            self.reader.feed(limit, &mut Wanted { wants: &mut self.wants, sink })
        };
        self.progress.at(self.reader.bytes_read());
        more
    }
}
