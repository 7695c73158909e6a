//! What the signalling has said of media addresses: payload types, clocks, keys.
//!
//! In: session descriptions. Out: the format of a payload type at an address.
//! Never: a guess; an address that nobody described has no context.

use super::integrity::IceKeys;
use crate::net::Endpoint;
use crate::proto::sdp::{CandidateTransport, Media, SessionDescription};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

/// Addresses kept; the oldest goes first.
const MAX_CONTEXTS: usize = 1 << 16;

/// User name fragments with a password that are kept; the oldest goes first.
const MAX_FRAGMENTS: usize = 1 << 14;

/// Of one description: media sections and candidates of a section whose addresses are kept, and sources of a section.
/// Each address gets what all sections say of it, so that without a bound one megabyte of text makes gigabytes.
const MAX_SECTIONS: usize = 256;
const MAX_CANDIDATES: usize = 64;
const MAX_SOURCES: usize = 256;
/// Payload types, formats and sources that all contexts of one description hold together, and characters of a name.
const MAX_ENTRIES: usize = 4096;
const MAX_NAME: usize = 255;

/// One format of a description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    pub(crate) encoding: String,
    pub(crate) clock_rate: u32,
    pub(crate) kind: String,
    /// None where several sections have the payload type (RFC 9143, section 9.1.1): it does not tell which one.
    pub(crate) mid: Option<String>,
    /// The payload type whose packets an RTX format carries again (RFC 4588).
    pub(crate) apt: Option<u8>,
}

/// What was described for one address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MediaContext {
    pub(crate) formats: BTreeMap<u8, Format>,
    /// What the section of a payload type carries: also of those without a rtpmap, such as static ones.
    pub(crate) kinds: BTreeMap<u8, String>,
    /// A section has a profile of SRTP.
    pub(crate) srtp: bool,
    /// A section has a profile of RTP and names no keys, with which it might be SRTP all the same (RFC 8643).
    pub(crate) rtp: bool,
    /// Named by the `m=` and `c=` lines, and not by an ICE candidate only.
    pub(crate) by_media_line: bool,
    /// Sources by `a=ssrc` (RFC 5576): canonical name and media section.
    pub(crate) sources: BTreeMap<u32, Source>,
}

/// A source that a description names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) cname: Option<String>,
    pub(crate) mid: Option<String>,
    /// The source whose packets this one repeats (`a=ssrc-group:FID`).
    pub(crate) rtx_of: Option<u32>,
}

/// The sections of a description that tell of an address, and whether one names it in its `m=` and `c=` lines.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct SectionGroup {
    sections: Vec<usize>,
    by_media_line: bool,
}

/// What all shards are told: the contexts that one description gives, by address and by ICE username fragment, or the
/// addresses that a TURN server granted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Announcement {
    endpoints: Vec<(Endpoint, Arc<MediaContext>)>,
    fragments: Vec<(String, Arc<MediaContext>)>,
    relayed: Vec<Endpoint>,
    /// By user name fragment.
    ice_keys: Vec<(String, Arc<IceKeys>)>,
}

impl Announcement {
    /// Reads the media addresses and fragments of a description.
    pub(crate) fn of(description: &SessionDescription) -> Self {
        Self::read(description, true)
    }

    /// The same of a description within an application's own messages, which tshark does not see.
    pub(crate) fn within_text(description: &SessionDescription) -> Self {
        Self::read(description, false)
    }

    fn read(description: &SessionDescription, tshark_sees: bool) -> Self {
        let media: Vec<&Media> =
            description.media.iter().filter(|media| media.protocol.is_rtp()).take(MAX_SECTIONS).collect();
        let mut described: BTreeMap<Endpoint, SectionGroup> = BTreeMap::new();
        for (section, media) in media.iter().enumerate() {
            for (endpoint, by_media_line) in addresses(description, media) {
                let group = described.entry(endpoint).or_default();
                group.by_media_line |= by_media_line && tshark_sees;
                if group.sections.last() != Some(&section) {
                    group.sections.push(section);
                }
            }
        }
        let mut by_fragment: BTreeMap<&str, SectionGroup> = BTreeMap::new();
        for (section, media) in media.iter().enumerate() {
            if let Some(credentials) = description.ice_credentials(media) {
                by_fragment.entry(credentials.ufrag).or_default().sections.push(section);
            }
        }
        // Addresses of which the same sections tell share what these say.
        let mut shared: BTreeMap<SectionGroup, Arc<MediaContext>> = BTreeMap::new();
        let mut room = MAX_ENTRIES;
        let mut context_of = |group: SectionGroup| {
            if let Some(context) = shared.get(&group) {
                return Arc::clone(context);
            }
            let mut context = MediaContext { by_media_line: group.by_media_line, ..MediaContext::default() };
            group.sections.iter().filter_map(|section| media.get(*section)).for_each(|media| {
                context.describe(description, media, &mut room);
            });
            let context = Arc::new(context);
            shared.insert(group, Arc::clone(&context));
            context
        };
        let fragments = by_fragment.into_iter().map(|(fragment, group)| (name(fragment), context_of(group))).collect();
        let endpoints = described.into_iter().map(|(endpoint, group)| (endpoint, context_of(group))).collect();
        Self { endpoints, fragments, relayed: Vec::new(), ice_keys: ice_keys(description) }
    }

    /// An address that a candidate tells of, of a side that has been described.
    pub(crate) fn of_candidate(endpoint: Endpoint, context: &Arc<MediaContext>) -> Self {
        Self { endpoints: vec![(endpoint, Arc::clone(context))], ..Self::default() }
    }

    /// Addresses that are known to carry RTP, without a word on what.
    pub(crate) fn of_endpoints(endpoints: impl Iterator<Item = Endpoint>) -> Self {
        let context = Arc::new(MediaContext { rtp: true, ..MediaContext::default() });
        let endpoints = endpoints.map(|endpoint| (endpoint, Arc::clone(&context))).collect();
        Self { endpoints, ..Self::default() }
    }

    /// Addresses that carry the sections of a description, nobody knows which of them: a payload type that several have
    /// is left out.
    pub(crate) fn of_tracks(description: &SessionDescription, endpoints: Vec<Endpoint>) -> Self {
        let media = || description.media.iter().filter(|media| media.protocol.is_rtp()).take(MAX_SECTIONS);
        let mut context = MediaContext::default();
        let mut room = MAX_ENTRIES;
        media().for_each(|media| context.describe(description, media, &mut room));
        let mut sections: BTreeMap<u8, usize> = BTreeMap::new();
        media().flat_map(Media::payload_types).for_each(|number| *sections.entry(number).or_default() += 1);
        let is_of_one = |number: &u8| sections.get(number).is_none_or(|count| *count == 1);
        context.formats.retain(|number, _| is_of_one(number));
        context.kinds.retain(|number, _| is_of_one(number));
        let context = Arc::new(context);
        let endpoints = endpoints.into_iter().map(|endpoint| (endpoint, Arc::clone(&context))).collect();
        Self { endpoints, ..Self::default() }
    }

    /// Addresses on the far side of a TURN server.
    pub(crate) fn of_relayed(relayed: Vec<Endpoint>) -> Self {
        Self { relayed, ..Self::default() }
    }

    /// Those that are announced.
    pub(crate) fn relayed(&self) -> &[Endpoint] {
        &self.relayed
    }

    /// The addresses that it tells of.
    pub(crate) fn named(&self) -> impl Iterator<Item = Endpoint> {
        self.endpoints.iter().map(|(endpoint, _)| *endpoint).chain(self.relayed.iter().copied())
    }

    /// The username fragments that it tells of.
    pub(crate) fn fragments(&self) -> impl Iterator<Item = &str> {
        let keyed = self.ice_keys.iter().map(|(fragment, _)| fragment.as_str());
        self.fragments.iter().map(|(fragment, _)| fragment.as_str()).chain(keyed)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.endpoints.is_empty() && self.fragments.is_empty() && self.relayed.is_empty() && self.ice_keys.is_empty()
    }
}

/// The passwords of a description, those of a bundle once (RFC 8839, section 5.4).
fn ice_keys(description: &SessionDescription) -> Vec<(String, Arc<IceKeys>)> {
    let sections = description.media.iter().take(MAX_SECTIONS);
    let mut credentials: Vec<_> = sections.filter_map(|media| description.ice_credentials(media)).collect();
    credentials.retain(|found| found.ufrag.len() <= MAX_NAME && found.pwd.len() <= MAX_NAME);
    credentials.dedup();
    credentials.into_iter().map(|found| (found.ufrag.to_owned(), Arc::new(IceKeys::of(found.pwd)))).collect()
}

/// Address and port of a media section: that of its own lines, of the section that it is bundled with, and of its
/// candidates. A port of 0 or 9 and an unspecified address stand for none (RFC 8843, RFC 8840).
pub(super) fn addresses(description: &SessionDescription, media: &Media) -> Vec<(Endpoint, bool)> {
    let bundle = media.attributes.mid.as_deref().and_then(|mid| {
        let group = description.attributes.groups.iter().find(|group| {
            group.semantics.eq_ignore_ascii_case("BUNDLE") && group.mids.iter().any(|member| member == mid)
        })?;
        description.media_by_mid(group.mids.first()?)
    });
    let mut found = Vec::new();
    for section in [Some(media), bundle].into_iter().flatten() {
        let address = description.connection(section).and_then(|connection| connection.address.ip());
        if let (Some(ip), Some(port)) = (address, section.port)
            && !ip.is_unspecified()
            && port != 0
            && port != 9
        {
            found.push((Endpoint { addr: ip.into(), port }, true));
        }
        let candidates = section
            .attributes
            .candidates
            .iter()
            .filter(|candidate| matches!(candidate.transport, CandidateTransport::Udp) && candidate.component == 1)
            .take(MAX_CANDIDATES);
        for candidate in candidates {
            if let Some(ip) = candidate.address.ip() {
                found.push((Endpoint { addr: ip.into(), port: candidate.port }, false));
            }
        }
    }
    found
}

impl MediaContext {
    /// Adds what a section says; `room` is how many entries there may still be.
    fn describe(&mut self, description: &SessionDescription, media: &Media, room: &mut usize) {
        let has_keys = !media.attributes.cryptos.is_empty() || !description.fingerprints(media).is_empty();
        self.srtp |= media.protocol.is_srtp();
        self.rtp |= !media.protocol.is_srtp() && !has_keys;
        let mut has_room = || {
            let left = room.checked_sub(1);
            *room = left.unwrap_or(0);
            left.is_some()
        };
        let mid = media.attributes.mid.as_deref().map(name);
        let kind = name(media.kind.as_str());
        for payload_type in media.payload_types().take_while(|_| has_room()) {
            self.kinds.insert(payload_type, kind.clone());
        }
        for map in media.attributes.rtpmaps.iter().take_while(|_| has_room()) {
            let is_elsewhere = self.formats.get(&map.payload_type).is_some_and(|known| known.mid != mid);
            let format = Format {
                encoding: name(&map.encoding),
                clock_rate: map.clock_rate,
                kind: kind.clone(),
                mid: mid.clone().filter(|_| !is_elsewhere),
                apt: media.apt(map.payload_type),
            };
            self.formats.insert(map.payload_type, format);
        }
        for source in media.attributes.sources.iter().take(MAX_SOURCES).take_while(|_| has_room()) {
            let entry = self.sources.entry(source.ssrc).or_default();
            entry.cname = source.cname.as_deref().map(name).or(entry.cname.take());
            entry.mid.clone_from(&mid);
        }
        let groups = media.attributes.source_groups.iter().filter(|group| group.semantics == "FID");
        for group in groups.take(MAX_SOURCES).take_while(|_| has_room()) {
            if let [media_source, repair, ..] = group.ssrcs[..] {
                self.sources.entry(repair).or_default().rtx_of = Some(media_source);
            }
        }
    }
}

fn name(text: &str) -> String {
    text.chars().take(MAX_NAME).collect()
}

/// The newest contexts by key.
#[derive(Clone, Debug)]
struct Newest<K> {
    contexts: HashMap<K, Arc<MediaContext>, ahash::RandomState>,
    order: VecDeque<K>,
}

impl<K> Default for Newest<K> {
    fn default() -> Self {
        Self { contexts: HashMap::default(), order: VecDeque::new() }
    }
}

impl<K: Clone + Eq + std::hash::Hash> Newest<K> {
    /// True where it says something new.
    fn add(&mut self, key: &K, context: &Arc<MediaContext>) -> bool {
        match self.contexts.get_mut(key) {
            Some(known) if Arc::ptr_eq(known, context) || known == context => return false,
            Some(known) => *known = Arc::clone(context),
            None => {
                self.contexts.insert(key.clone(), Arc::clone(context));
                self.order.push_back(key.clone());
            }
        }
        while self.order.len() > MAX_CONTEXTS {
            if let Some(oldest) = self.order.pop_front() {
                self.contexts.remove(&oldest);
            }
        }
        true
    }
}

impl<K: Clone + Eq + std::hash::Hash> Newest<K> {
    fn retain(&mut self, stays: impl Fn(&K) -> bool) {
        self.contexts.retain(|key, _| stays(key));
        self.contexts.shrink_to(self.contexts.len() * 2);
        self.order.retain(stays);
        self.order.shrink_to(self.order.len() * 2);
    }
}

/// All that has been announced so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct MediaContexts {
    by_endpoint: Newest<Endpoint>,
    by_fragment: Newest<String>,
    version: u32,
    ice_keys: HashMap<String, Arc<IceKeys>, ahash::RandomState>,
    ice_order: VecDeque<String>,
}

impl MediaContexts {
    /// Counts announcements that said something new, so that whoever asked before can tell whether to ask again.
    pub(crate) fn version(&self) -> u32 {
        self.version
    }

    pub(crate) fn add(&mut self, announcement: &Announcement) {
        self.add_ice_keys(&announcement.ice_keys);
        let mut is_new = false;
        for (endpoint, context) in &announcement.endpoints {
            is_new |= self.by_endpoint.add(endpoint, context);
        }
        for (fragment, context) in &announcement.fragments {
            is_new |= self.by_fragment.add(fragment, context);
        }
        self.version = self.version.wrapping_add(u32::from(is_new));
    }

    /// Keeps what is said of these addresses and fragments.
    pub(crate) fn retain(&mut self, endpoint: impl Fn(&Endpoint) -> bool, fragment: impl Fn(&String) -> bool) {
        self.by_endpoint.retain(endpoint);
        self.by_fragment.retain(&fragment);
        self.ice_keys.retain(|key, _| fragment(key));
        self.ice_keys.shrink_to(self.ice_keys.len() * 2);
        self.ice_order.retain(fragment);
        self.ice_order.shrink_to(self.ice_order.len() * 2);
    }

    /// What the side with an ICE username fragment said of all sections that have it.
    pub(crate) fn of_fragment(&self, fragment: &str) -> Option<&Arc<MediaContext>> {
        self.by_fragment.contexts.get(fragment)
    }

    fn add_ice_keys(&mut self, announced: &[(String, Arc<IceKeys>)]) {
        for (fragment, keys) in announced {
            if let Some(known) = self.ice_keys.get_mut(fragment) {
                if let Some(both) = known.with(keys) {
                    *known = Arc::new(both);
                }
                continue;
            }
            self.ice_keys.insert(fragment.clone(), Arc::clone(keys));
            self.ice_order.push_back(fragment.clone());
            if self.ice_order.len() > MAX_FRAGMENTS
                && let Some(oldest) = self.ice_order.pop_front()
            {
                self.ice_keys.remove(&oldest);
            }
        }
    }

    /// The keys of a user name fragment.
    pub(crate) fn ice_keys(&self, fragment: &str) -> Option<&Arc<IceKeys>> {
        self.ice_keys.get(fragment)
    }

    pub(crate) fn at(&self, endpoint: Endpoint) -> Option<&MediaContext> {
        self.by_endpoint.contexts.get(&endpoint).map(Arc::as_ref)
    }

    /// The format of a payload type: as the receiver described it (RFC 3264, section 5.1), else as the sender did.
    pub(crate) fn format(&self, receiver: Endpoint, sender: Endpoint, payload_type: u8) -> Option<(&Format, bool)> {
        self.first_format([receiver, sender], payload_type)
    }

    /// The format of a payload type at the first of these addresses that has one, and whether tshark knows it too.
    pub(crate) fn first_format(
        &self,
        endpoints: impl IntoIterator<Item = Endpoint>,
        payload_type: u8,
    ) -> Option<(&Format, bool)> {
        endpoints.into_iter().find_map(|endpoint| {
            let context = self.at(endpoint)?;
            Some((context.formats.get(&payload_type)?, context.by_media_line))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(text: &str) -> Endpoint {
        text.parse::<std::net::SocketAddr>().unwrap().into()
    }

    fn contexts(text: &str) -> MediaContexts {
        let mut contexts = MediaContexts::default();
        contexts.add(&Announcement::of(&SessionDescription::parse(text.as_bytes())));
        contexts
    }

    const HEAD: &str = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\n";

    #[test]
    fn the_receivers_format_goes_before_the_senders() {
        let (here, there) = (endpoint("10.0.0.1:4000"), endpoint("10.0.0.2:5000"));
        let mut both = contexts(&format!("{HEAD}m=audio 4000 RTP/AVP 96\r\na=rtpmap:96 opus/48000/2\r\n"));
        let theirs = HEAD.replace("10.0.0.1", "10.0.0.2") + "m=audio 5000 RTP/AVP 96\r\na=rtpmap:96 L16/44100\r\n";
        both.add(&Announcement::of(&SessionDescription::parse(theirs.as_bytes())));
        assert_eq!(both.format(here, there, 96).unwrap().0.encoding, "opus");
        assert_eq!(both.format(there, here, 96).unwrap().0.clock_rate, 44_100);
        assert!(both.format(there, here, 97).is_none());
    }

    #[test]
    fn ports_and_addresses_that_stand_for_none_have_no_context() {
        for media in ["m=audio 0 RTP/AVP 0", "m=audio 9 RTP/AVP 0", "m=audio 4000 RTP/AVP 0\r\nc=IN IP4 0.0.0.0"] {
            assert!(contexts(&format!("{HEAD}{media}\r\n")).by_endpoint.contexts.is_empty(), "{media}");
        }
        assert!(contexts(&format!("{HEAD}m=application 4000 UDP/DTLS/SCTP x\r\n")).by_endpoint.contexts.is_empty());
    }

    #[test]
    fn a_bundled_section_is_received_where_the_first_one_is() {
        let text = format!(
            "{HEAD}a=group:BUNDLE a v\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:a\r\na=rtpmap:111 opus/48000/2\r\n\
             a=candidate:1 1 udp 1 10.0.0.1 4000 typ host\r\na=candidate:1 2 udp 1 10.0.0.1 4001 typ host\r\n\
             a=candidate:1 1 tcp 1 10.0.0.1 4002 typ host tcptype active\r\n\
             m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=mid:v\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\n\
             a=fmtp:97 apt=96\r\na=ssrc-group:FID 1 2\r\na=ssrc:1 cname:x\r\na=ssrc:2 cname:x\r\n"
        );
        let contexts = contexts(&text);
        assert_eq!(contexts.by_endpoint.contexts.len(), 1);
        let context = contexts.at(endpoint("10.0.0.1:4000")).unwrap();
        assert_eq!(context.formats.keys().collect::<Vec<_>>(), [&96, &97, &111]);
        assert_eq!(context.formats[&97].apt, Some(96));
        assert_eq!(context.sources[&2].rtx_of, Some(1));
        assert_eq!((context.srtp, context.rtp, context.by_media_line), (true, false, false));
    }

    #[test]
    fn a_payload_type_of_two_sections_tells_of_neither() {
        let section = |mid: &str| format!("m=audio 4000 RTP/AVP 0 96\r\na=mid:{mid}\r\na=rtpmap:96 opus/48000/2\r\n");
        let both = contexts(&format!("{HEAD}a=group:BUNDLE a b\r\n{}{}{}", section("a"), section("b"), section("c")));
        let context = both.at(endpoint("10.0.0.1:4000")).unwrap();
        assert_eq!((context.formats[&96].mid.as_deref(), context.formats[&96].encoding.as_str()), (None, "opus"));
        let one = contexts(&format!("{HEAD}{}", section("a")));
        assert_eq!(one.at(endpoint("10.0.0.1:4000")).unwrap().formats[&96].mid.as_deref(), Some("a"));
    }

    #[test]
    fn a_profile_of_rtp_with_keys_does_not_say_that_media_is_in_the_clear() {
        let profile = |text: &str| {
            let contexts = contexts(text);
            let context = contexts.at(endpoint("10.0.0.1:4000")).unwrap();
            (context.srtp, context.rtp)
        };
        let section = "m=audio 4000 RTP/AVP 0\r\n";
        let crypto = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR\r\n";
        assert_eq!(profile(&format!("{HEAD}{section}")), (false, true));
        assert_eq!(profile(&format!("{HEAD}{section}{crypto}")), (false, false));
        assert_eq!(profile(&format!("{HEAD}a=fingerprint:sha-1 AA:BB\r\n{section}")), (false, false));
        assert_eq!(profile(&format!("{HEAD}{}{crypto}", section.replace("AVP", "SAVP"))), (true, false));
    }

    #[test]
    fn a_description_of_a_megabyte_has_as_many_addresses_as_an_honest_one() {
        let candidates: String = (0..5000)
            .map(|n| format!("a=candidate:1 1 udp 1 10.1.{}.{} 4000 typ host\r\n", n / 250, n % 250))
            .collect();
        let contexts = contexts(&format!("{HEAD}m=audio 9 RTP/AVP 0\r\n{candidates}"));
        assert_eq!(contexts.by_endpoint.contexts.len(), MAX_CANDIDATES);
    }

    #[test]
    fn the_oldest_addresses_go_when_there_are_too_many() {
        let mut contexts = MediaContexts::default();
        for n in 0..MAX_CONTEXTS as u32 + 10 {
            let endpoint = Endpoint { addr: std::net::IpAddr::from(std::net::Ipv4Addr::from(n)).into(), port: 1 };
            contexts.add(&Announcement::of_candidate(endpoint, &Arc::default()));
        }
        assert_eq!(
            (contexts.by_endpoint.contexts.len(), contexts.by_endpoint.order.len()),
            (MAX_CONTEXTS, MAX_CONTEXTS)
        );
    }

    #[test]
    fn addresses_of_the_same_sections_share_one_context() {
        let candidates: String =
            (0..64).map(|n| format!("a=candidate:1 1 udp 1 10.1.0.{n} 4000 typ host\r\n")).collect();
        let mids: String = (0..200).map(|n| format!(" {n}")).collect();
        let sections: String = (1..200)
            .map(|n| {
                format!("m=audio 9 RTP/AVP 96 97\r\na=mid:{n}\r\na=rtpmap:96 opus/48000\r\na=ssrc:{n} cname:x\r\n")
            })
            .collect();
        let text = format!("{HEAD}a=group:BUNDLE{mids}\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n{candidates}{sections}");
        let contexts = contexts(&text);
        assert_eq!(contexts.by_endpoint.contexts.len(), 64);
        let first = &contexts.by_endpoint.contexts[&endpoint("10.1.0.0:4000")];
        assert_eq!((Arc::strong_count(first), first.sources.len()), (64, 199));
        assert!(contexts.by_endpoint.contexts.values().all(|context| Arc::ptr_eq(context, first)));
    }

    #[test]
    fn a_description_has_no_more_entries_than_its_bound() {
        let section = |n: u32| {
            let sources: String = (0..200).map(|ssrc| format!("a=ssrc:{} cname:x\r\n", n * 1000 + ssrc)).collect();
            format!("m=audio {} RTP/AVP 0\r\n{sources}", 4000 + n)
        };
        let contexts = contexts(&format!("{HEAD}{}", (0..100).map(section).collect::<String>()));
        let entries = |context: &Arc<MediaContext>| context.sources.len() + context.kinds.len() + context.formats.len();
        assert_eq!(contexts.by_endpoint.contexts.len(), 100);
        assert_eq!(contexts.by_endpoint.contexts.values().map(entries).sum::<usize>(), MAX_ENTRIES);
    }

    #[test]
    fn the_version_changes_only_where_something_new_was_said() {
        let text = format!("{HEAD}m=audio 4000 RTP/AVP 0\r\n");
        let mut known = contexts(&text);
        let version = known.version();
        known.add(&Announcement::of(&SessionDescription::parse(text.as_bytes())));
        assert_eq!(known.version(), version);
        known.add(&Announcement::of(&SessionDescription::parse(text.replace("AVP 0", "AVP 8").as_bytes())));
        assert_ne!(known.version(), version);
    }
}
