//! Which stream a retransmission stream repeats (RFC 4588).
//!
//! In: the rows of all streams, each with the payload types that its own stand for. Out: `rtx_of` of those that the
//! SDP's FID groups left open. Never: a choice between two streams that it may be.

use super::super::snapshot::{StreamKind, StreamRow};
use super::Draft;
use crate::net::Endpoint;
use std::collections::HashMap;

/// A flow, the sender on it, and a payload type; none for any.
type Key<'a> = (&'a str, Endpoint, Option<u8>);

/// Links what `a=ssrc-group:FID` has not linked: `apt` names the payload type that is repeated (RFC 4588, section 8.1),
/// and where the sender has one stream of that in the same section, it is this one. Where there is no `apt`, any
/// payload type will do.
pub(super) fn link(drafts: &mut [Draft]) {
    let mut media: HashMap<Key<'_>, Vec<&StreamRow>, ahash::RandomState> = HashMap::default();
    for draft in drafts.iter() {
        let row = &draft.row;
        if matches!(row.kind, Some(StreamKind::Video | StreamKind::Audio)) {
            let payload_types = row.figures.payload_types.iter().copied().map(Some);
            for payload_type in payload_types.chain([None]) {
                media.entry((&row.flow, row.src, payload_type)).or_default().push(row);
            }
        }
    }
    let found: Vec<Option<u32>> = drafts.iter().map(|draft| repeated(draft, &media)).collect();
    for (draft, repeated) in drafts.iter_mut().zip(found) {
        draft.row.rtx_of = draft.row.rtx_of.or(repeated);
    }
}

fn repeated(draft: &Draft, media: &HashMap<Key<'_>, Vec<&StreamRow>, ahash::RandomState>) -> Option<u32> {
    let row = &draft.row;
    if row.kind != Some(StreamKind::Rtx) || row.rtx_of.is_some() || !draft.is_described {
        return None;
    }
    let payload_types = match draft.repeats.as_slice() {
        [] => vec![None],
        named => named.iter().copied().map(Some).collect(),
    };
    let mut candidates = payload_types
        .iter()
        .filter_map(|payload_type| media.get(&(row.flow.as_str(), row.src, *payload_type)))
        .flatten()
        .filter(|stream| stream.mid.is_none() || row.mid.is_none() || stream.mid == row.mid)
        .map(|stream| stream.ssrc);
    let first = candidates.next()?;
    candidates.all(|other| other == first).then_some(first)
}
