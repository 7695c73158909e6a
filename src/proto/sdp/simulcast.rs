//! Simulcast: `a=rid` (RFC 8851) and `a=simulcast` (RFC 8853 and the drafts that browsers shipped).
//!
//! In: the values. Out: layers in order of preference, each with its alternatives.
//! Never: a check that the ids exist; offers are munged by hand.

use super::lines::{MAX_WORDS, Words};

/// Which way a `rid` is sent, seen by the sender of the description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RidDirection {
    /// `send`
    Send,
    /// `recv`
    Receive,
}

impl RidDirection {
    fn parse(word: &str) -> Option<Self> {
        if word.eq_ignore_ascii_case("send") {
            Some(Self::Send)
        } else {
            word.eq_ignore_ascii_case("recv").then_some(Self::Receive)
        }
    }
}

/// `a=rid`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rid {
    /// The id, as in the RtpStreamId header extension.
    pub id: String,
    /// Which way.
    pub direction: RidDirection,
    /// Payload types of `pt=`; empty where all are allowed.
    pub payload_types: Vec<u8>,
    /// Other restrictions as written, `max-width=1280`.
    pub restrictions: Vec<String>,
}

impl Rid {
    pub(super) fn parse(value: &str) -> Option<Self> {
        let mut words = Words::new(value);
        let (id, direction) = (words.word()?.to_owned(), RidDirection::parse(words.word()?)?);
        let mut rid = Self { id, direction, payload_types: Vec::new(), restrictions: Vec::new() };
        for restriction in words.rest().split(';').map(str::trim_ascii).filter(|text| !text.is_empty()).take(MAX_WORDS)
        {
            match restriction.strip_prefix("pt=") {
                Some(list) => rid.payload_types.extend(list.split(',').filter_map(|pt| pt.parse::<u8>().ok())),
                None => rid.restrictions.push(restriction.to_owned()),
            }
        }
        Some(rid)
    }
}

/// One way to send a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimulcastLayer {
    /// Ids of alternatives (`rid`s, or payload types in the oldest drafts), most wanted first, each with whether it
    /// starts paused.
    pub alternatives: Vec<(String, bool)>,
}

/// `a=simulcast`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Simulcast {
    /// Layers that the describing side sends.
    pub send: Vec<SimulcastLayer>,
    /// Layers that it receives.
    pub receive: Vec<SimulcastLayer>,
}

impl Simulcast {
    /// `send 1,~4;2 recv c`, and the drafts' `send rid=1;2 paused=2` and `recv pt=97;98`.
    pub(super) fn parse(value: &str) -> Option<Self> {
        let mut words = Words::new(value);
        let mut simulcast = Self::default();
        let mut direction = RidDirection::parse(words.word()?)?;
        for word in words.take(MAX_WORDS) {
            if let Some(other) = RidDirection::parse(word) {
                direction = other;
                continue;
            }
            let layers = match direction {
                RidDirection::Send => &mut simulcast.send,
                RidDirection::Receive => &mut simulcast.receive,
            };
            match word.strip_prefix("paused=") {
                Some(paused) => pause(layers, paused),
                None => layers.extend(list(word)),
            }
        }
        let empty = simulcast.send.is_empty() && simulcast.receive.is_empty();
        (!empty).then_some(simulcast)
    }
}

fn list(word: &str) -> impl Iterator<Item = SimulcastLayer> {
    let ids = word.strip_prefix("rid=").or(word.strip_prefix("pt=")).unwrap_or(word);
    ids.split(';').filter(|layer| !layer.is_empty()).take(MAX_WORDS).map(|layer| SimulcastLayer {
        alternatives: layer
            .split(',')
            .take(MAX_WORDS)
            .map(|id| match id.strip_prefix('~') {
                Some(id) => (id.to_owned(), true),
                None => (id.to_owned(), false),
            })
            .collect(),
    })
}

fn pause(layers: &mut [SimulcastLayer], ids: &str) {
    // Three or four ids in practice; the bound keeps ids times layers small.
    for id in ids.split([',', ';']).take(16) {
        let alternatives = layers.iter_mut().flat_map(|layer| layer.alternatives.iter_mut());
        alternatives.filter(|(name, _)| name == id).for_each(|(_, paused)| *paused = true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers(list: &[SimulcastLayer]) -> Vec<String> {
        let text = |(id, paused): &(String, bool)| format!("{}{id}", if *paused { "~" } else { "" });
        list.iter().map(|layer| layer.alternatives.iter().map(text).collect::<Vec<_>>().join("|")).collect()
    }

    #[test]
    fn the_rfc_8853_form_has_alternatives_and_pauses() {
        let simulcast = Simulcast::parse("send 1,~4;2;~3 recv c").unwrap();
        assert_eq!(layers(&simulcast.send), ["1|~4", "2", "~3"]);
        assert_eq!(layers(&simulcast.receive), ["c"]);
    }

    #[test]
    fn the_drafts_forms_are_read_too() {
        let rid = Simulcast::parse("send rid=h;m;l paused=l").unwrap();
        assert_eq!(layers(&rid.send), ["h", "m", "~l"]);
        let pt = Simulcast::parse("recv pt=97;98 send pt=97").unwrap();
        assert_eq!((layers(&pt.receive), layers(&pt.send)), (vec!["97".into(), "98".into()], vec!["97".into()]));
        assert_eq!(Simulcast::parse("send"), None);
        assert_eq!(Simulcast::parse("rid=1;2"), None);
    }

    #[test]
    fn a_rid_has_payload_types_and_restrictions() {
        let rid = Rid::parse("hi send pt=96,97;max-width=1280;max-fps=30").unwrap();
        assert_eq!((rid.id.as_str(), rid.direction), ("hi", RidDirection::Send));
        assert_eq!(rid.payload_types, [96, 97]);
        assert_eq!(rid.restrictions, ["max-width=1280", "max-fps=30"]);
        assert_eq!(Rid::parse("lo recv").unwrap().direction, RidDirection::Receive);
        assert_eq!(Rid::parse("lo"), None);
    }
}
