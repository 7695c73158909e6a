use super::samples::{BROWSER_OFFER, PHONE_OFFER};
use super::*;

/// The smallest offer that the strict reader takes, with room for more lines.
fn minimal(session: &str, media: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n{session}t=0 0\r\nm=audio 4000 RTP/AVP 0\r\nc=IN IP4 192.0.2.1\r\n{media}"
    )
}

fn parse(text: &str) -> SessionDescription {
    SessionDescription::parse(text.as_bytes())
}

#[test]
fn a_browser_offer_is_read_to_the_last_field() {
    let session = parse(BROWSER_OFFER);
    assert_eq!(session.error, None);
    assert_eq!(session.origin.as_ref().unwrap().session_id, "4611731400430051336");
    assert_eq!(session.attributes.groups[0].semantics, "BUNDLE");
    assert_eq!(session.attributes.groups[0].mids, ["0", "1", "2"]);
    assert_eq!(session.attributes.other("extmap-allow-mixed"), Some(None));
    assert_eq!(session.attributes.other("msid-semantic"), Some(Some("WMS stream")));
    assert_eq!(session.media.len(), 3);
    let audio = &session.media[0];
    assert_eq!((&audio.kind, audio.port), (&MediaKind::Audio, Some(50000)));
    assert_eq!(audio.payload_types().collect::<Vec<_>>(), [111, 63, 0, 110]);
    assert!(audio.protocol.is_srtp() && audio.protocol.is_dtls() && audio.protocol.has_feedback());
    assert_eq!(audio.rtpmap(111).map(|map| (map.clock_rate, map.channels)), Some((48000, Some(2))));
    assert_eq!(audio.fmtp(63).unwrap().parameters, "111/111");
    assert_eq!(audio.extension(4).unwrap().direction, Some(Direction::SendOnly));
    assert_eq!((audio.attributes.ptime_ms, audio.attributes.maxptime_ms), (Some(20.0), Some(60.0)));
    assert_eq!(audio.source(0xdead_beef).unwrap().cname.as_deref(), Some("Zk9vYmFyQmF6"));
    assert_eq!(audio.attributes.msids[0].track.as_deref(), Some("audio-track"));
    assert_eq!(audio.attributes.other, []);
    assert_eq!(session.direction(audio), Direction::SendRecv);
}

#[test]
fn ice_and_dtls_of_a_browser_offer_are_read() {
    let session = parse(BROWSER_OFFER);
    let audio = &session.media[0];
    assert_eq!(audio.attributes.candidates.len(), 3);
    assert!(audio.attributes.candidates[0].address.is_mdns());
    assert_eq!(audio.attributes.candidates[2].tcp_type, Some(TcpType::Active));
    assert!(audio.attributes.end_of_candidates);
    assert_eq!(audio.attributes.ice_options, ["trickle", "renomination"]);
    let credentials = session.ice_credentials(audio).unwrap();
    assert_eq!(credentials, IceCredentials { ufrag: "kPz1", pwd: "eAq4M7pU5aYw0eNnS2b+xR/T" });
    assert_eq!(session.fingerprints(audio)[0].digest.len(), 32);
    assert_eq!(session.setup(audio), Some(Setup::ActPass));
}

#[test]
fn video_and_data_sections_of_a_browser_offer_are_read() {
    let session = parse(BROWSER_OFFER);
    let video = session.media_by_mid("1").unwrap();
    assert_eq!(video.apt(97), Some(96));
    assert_eq!(video.attributes.source_groups[0].ssrcs, [11, 12]);
    assert_eq!(video.attributes.rids.len(), 2);
    assert_eq!(video.attributes.simulcast.as_ref().unwrap().send[1].alternatives, [("l".to_owned(), true)]);
    assert_eq!(video.attributes.rtcp_feedback.len(), 3);
    assert_eq!(session.direction(video), Direction::SendOnly);
    let data = session.media_by_mid("2").unwrap();
    assert!(data.protocol.is_sctp() && data.protocol.is_dtls() && !data.protocol.is_rtp());
    assert_eq!(data.formats, ["webrtc-datachannel"]);
    assert_eq!(data.payload_types().count(), 0);
    assert_eq!((data.attributes.sctp_port, data.attributes.max_message_size), (Some(5000), Some(262_144)));
}

#[test]
fn a_phone_offer_keeps_every_optional_line_and_every_section() {
    let session = parse(PHONE_OFFER);
    assert_eq!(session.error, None);
    let origin = session.origin.as_ref().unwrap();
    assert_eq!((origin.username.as_str(), origin.session_version.as_str()), ("Front Desk", "-1"));
    assert_eq!(session.connections.len(), 2);
    assert_eq!(session.connections[1].address.ip(), Some("2001:db8::10".parse().unwrap()));
    let letters: String = session.other_lines.iter().filter_map(|line| line.letter).collect();
    assert_eq!(letters, "iuepbtrzk");
    assert_eq!(
        session.media.iter().map(|media| media.kind.as_str()).collect::<Vec<_>>(),
        ["audio", "image", "message", "application"]
    );
    let audio = &session.media[0];
    assert_eq!((audio.port, audio.port_count), (Some(16384), Some(2)));
    assert_eq!(audio.attributes.ptime_ms, Some(2.5));
    assert_eq!(audio.attributes.cryptos[0].keys[0].mki, Some(("1".to_owned(), 1)));
    assert!(audio.protocol.is_srtp() && !audio.protocol.is_dtls());
    assert_eq!(session.direction(audio), Direction::SendOnly);
    let fax = &session.media[1];
    assert_eq!((fax.protocol.as_str(), fax.connections[0].ttl), ("udptl", Some(127)));
    assert_eq!(fax.attributes.other("t38faxversion"), Some(Some("0")));
    assert_eq!(session.media[2].attributes.other("path"), Some(Some("msrp://192.0.2.10:2855/s1;tcp")));
    assert!(session.media[2].protocol.is_tcp());
    assert_eq!(session.direction(&session.media[3]), Direction::Inactive);
}

#[test]
fn rtcp_goes_where_the_attributes_say() {
    let ip = |text: &str| Address::parse(text);
    let phone = parse(PHONE_OFFER);
    assert_eq!(phone.rtcp_destination(&phone.media[0]), Some((&ip("192.0.2.11"), 16390)));
    let plain = parse(&minimal("", ""));
    assert_eq!(plain.rtcp_destination(&plain.media[0]), Some((&ip("192.0.2.1"), 4001)));
    let port = parse(&minimal("", "a=rtcp:4100\r\n"));
    assert_eq!(port.rtcp_destination(&port.media[0]), Some((&ip("192.0.2.1"), 4100)));
    let mux = parse(BROWSER_OFFER);
    assert_eq!(mux.rtcp_destination(&mux.media[0]), Some((&ip("203.0.113.7"), 50000)));
    let top = parse("v=0\nc=IN IP4 1.2.3.4\nm=audio 65535 RTP/AVP 0\nm=audio 0 RTP/AVP 0");
    assert_eq!(top.rtcp_destination(&top.media[0]), None);
    assert_eq!(top.rtcp_destination(&top.media[1]), None);
}

#[test]
fn line_ends_case_blanks_and_blank_lines_do_not_matter() {
    let reference = parse(BROWSER_OFFER);
    let fields_of = |text: &str| SessionDescription { error: None, ..parse(text) };
    for variant in [
        BROWSER_OFFER.replace("\r\n", "\n"),
        BROWSER_OFFER.replace("\r\n", "\r"),
        BROWSER_OFFER.replace("\r\n", "\r\n \r\n\r\n"),
        BROWSER_OFFER.replace("\r\n", " \r\n "),
        BROWSER_OFFER.replace("\r\nm=", "\r\nM=").replace("\r\na=", "\r\nA = "),
        format!("\u{feff}{BROWSER_OFFER}\0\0"),
    ] {
        assert!(fields_of(&variant) == reference, "{variant}");
    }
}

#[test]
fn attribute_names_are_read_in_any_case() {
    let session = parse(&minimal("", "a=RTPMAP:0 pcmu/8000\r\na=SendOnly\r\na=ICE-UFRAG:x\r\n"));
    assert_eq!(session.media[0].rtpmap(0).unwrap().encoding, "pcmu");
    assert_eq!(session.direction(&session.media[0]), Direction::SendOnly);
    assert_eq!(session.ice_credentials(&session.media[0]), None);
    assert_eq!(session.media[0].attributes.ice_ufrag.as_deref(), Some("x"));
}

#[test]
fn bytes_that_are_not_utf8_spoil_only_themselves() {
    let mut bytes = b"v=0\r\no=M\xfcller 1 1 IN IP4 192.0.2.1\r\ns=\xff\xfe\r\n".to_vec();
    bytes.extend_from_slice(b"m=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=label:\xe4\r\n");
    let session = SessionDescription::parse(&bytes);
    assert_eq!(session.error, None);
    assert_eq!(session.origin.as_ref().unwrap().username, "M\u{fffd}ller");
    assert_eq!(session.media[0].rtpmap(0).unwrap().clock_rate, 8000);
    assert_eq!(session.media[0].attributes.other("label"), Some(Some("\u{fffd}")));
}

#[test]
fn odd_ports_keep_their_section_and_are_reported() {
    for (line, port, count) in [
        ("m=audio 99999 RTP/AVP 0", None, None),
        ("m=audio -1 RTP/AVP 0", None, None),
        ("m=audio $ RTP/AVP 0", None, None),
        ("m=audio", None, None),
        ("m=audio 4000/x RTP/AVP 0", Some(4000), None),
        ("m=audio 4000/3 RTP/AVP 0", Some(4000), Some(3)),
    ] {
        let session = parse(&format!("v=0\r\n{line}\r\na=rtpmap:0 PCMU/8000\r\n"));
        assert_eq!((session.media[0].port, session.media[0].port_count), (port, count), "{line}");
        assert_eq!(session.error.map(|error| error.offset), port.is_none().then_some(5), "{line}");
        assert_eq!(session.media[0].other_lines.len(), usize::from(port.is_none()), "{line}");
        assert_eq!(session.media[0].attributes.rtpmaps.len(), 1, "{line}");
    }
}

#[test]
fn a_section_is_rejected_by_port_zero_unless_it_is_bundled() {
    let session = parse("v=0\nm=audio 0 RTP/AVP 0\nm=video 0 RTP/AVP 96\na=bundle-only\nm=video 9 RTP/AVP 96");
    assert_eq!(session.media.iter().map(Media::is_rejected).collect::<Vec<_>>(), [true, false, false]);
}

#[test]
fn what_cannot_be_read_is_kept_as_text_and_the_first_place_is_named() {
    let text = "v=0\r\nhello\r\no=short\r\nc=IN\r\ny=what\r\nm=audio 1 RTP/AVP 0\r\na=rtpmap:x\r\nv=1\r\n";
    let session = parse(text);
    let line = |letter, text: &str| TextLine { letter, text: text.to_owned() };
    assert_eq!(session.error, Some(ParseError::invalid("sdp", 5, "not a letter and an equals sign")));
    assert_eq!(
        session.other_lines,
        [line(None, "hello"), line(Some('o'), "short"), line(Some('c'), "IN"), line(Some('y'), "what")]
    );
    assert_eq!(session.media[0].attributes.other("rtpmap"), Some(Some("x")));
    assert_eq!(session.media[0].other_lines, [line(Some('v'), "1")]);
}

#[test]
fn missing_lines_are_not_errors_but_a_missing_version_is() {
    assert_eq!(parse("v=0\r\nm=audio 9 RTP/AVP 0\r\n").error, None);
    assert_eq!(parse("m=audio 9 RTP/AVP 0\r\n").error, Some(ParseError::invalid("sdp", 0, "no v= line")));
    assert!(parse("").media.is_empty() && parse("").error.is_some());
}

#[test]
fn sections_and_lines_have_a_bound() {
    let many = format!("v=0\n{}", "m=audio 9 RTP/AVP 0\n".repeat(MAX_MEDIA + 5));
    let session = parse(&many);
    assert_eq!((session.media.len(), session.error.unwrap().reason), (MAX_MEDIA, "more lines than are read"));
    let session = parse(&format!("v=0\n{}", "a=x\n".repeat(MAX_LINES + 5)));
    assert_eq!((session.attributes.other.len(), session.error.is_some()), (MAX_LINES - 1, true));
    let formats = parse(&format!("v=0\nm=audio 9 RTP/AVP{}", " 0".repeat(5000)));
    assert_eq!(formats.media[0].formats.len(), lines::MAX_WORDS);
    let long = parse(&format!("v=0\ns={}", "x".repeat(MAX_BYTES)));
    assert_eq!(long.error.unwrap().reason, "more bytes than are read");
}

#[test]
fn every_truncation_is_read_and_never_gives_more_sections() {
    for text in [BROWSER_OFFER, PHONE_OFFER] {
        let whole = parse(text);
        for length in 0..text.len() {
            let cut = SessionDescription::parse(&text.as_bytes()[..length]);
            assert!(cut.media.len() <= whole.media.len());
            assert!(cut.origin.is_none() || length > 10);
        }
    }
}

/// A deterministic sequence (xorshift64), so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

#[test]
fn garbage_and_damaged_descriptions_are_read_without_a_panic() {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    for round in 0..400 {
        let source = if round % 2 == 0 { BROWSER_OFFER } else { PHONE_OFFER };
        let mut bytes = source.as_bytes().to_vec();
        for _ in 0..1 + round % 8 {
            let at = random.below(bytes.len());
            bytes[at] = random.below(256) as u8;
        }
        let session = SessionDescription::parse(&bytes);
        assert!(session.media.len() <= 8);
        let _verdict = strict(&String::from_utf8_lossy(&bytes));
        let noise: Vec<u8> = (0..random.below(200)).map(|_| random.below(256) as u8).collect();
        assert!(SessionDescription::parse(&noise).media.len() < 100);
        assert!(find_candidates(&noise).next().is_none());
        if let Some(found) = find_sdp(&bytes) {
            assert!(found.offset < found.end && found.end <= bytes.len());
        }
    }
}

#[test]
fn the_strict_reader_takes_a_browser_offer_and_names_what_it_ignores() {
    assert_eq!(strict(BROWSER_OFFER), Ok(Vec::new()));
    assert_eq!(strict(&minimal("", "")), Ok(Vec::new()));
}

#[test]
fn what_the_strict_reader_refuses_is_read_by_ours() {
    let refused = [
        (minimal("e=desk@phone.example\r\n", ""), "email"),
        ("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nk=prompt\r\nm=audio 1 RTP/AVP 0\r\nc=IN IP4 192.0.2.1\r\n".to_owned(), "key"),
        (minimal("", "").replace("c=IN IP4 192.0.2.1\r\n", ""), "connection"),
        (minimal("", "a=extmap:2 urn:b\r\n").replace("t=0 0\r\n", "t=0 0\r\na=extmap:1 urn:a\r\n"), "Extmap"),
        (minimal("", "a=ptime:2.5\r\n"), "Integer"),
        (minimal("", "a=candidate:1 1 udp 1 192.0.2.1 5 typ local\r\n"), "candidate type"),
        (minimal("", "").replace("4000", "99999"), "port"),
        (minimal("", "").replace("o=- 1 1", "o=- 1 -1"), "Integer"),
    ];
    for (text, why) in refused {
        let verdict = strict(&text).unwrap_err();
        assert!(verdict.contains(why), "{verdict}");
        let session = parse(&text);
        assert_eq!(session.media.len(), 1, "{text}");
        assert_eq!(session.origin.map(|origin| origin.session_id).as_deref(), Some("1"), "{text}");
    }
}

#[test]
fn sections_that_the_strict_reader_ignores_are_sections_of_ours() {
    for (line, kind) in [
        ("m=image 4400 udptl t38", MediaKind::Image),
        ("m=application 4400 UDP/BFCP *", MediaKind::Application),
        ("m=message 4400 TCP/MSRP *", MediaKind::Message),
    ] {
        let text = minimal("", &format!("{line}\r\na=inactive\r\n"));
        let warnings = strict(&text).unwrap();
        assert!(warnings.iter().any(|warning| warning.contains("4400")), "{warnings:?}");
        let session = parse(&text);
        assert_eq!((session.media.len(), &session.media[1].kind), (2, &kind));
        assert_eq!(session.direction(&session.media[0]), Direction::SendRecv);
        assert_eq!(session.direction(&session.media[1]), Direction::Inactive);
    }
}

#[test]
fn lines_of_an_ignored_section_fall_to_the_one_before_in_the_strict_reader_only() {
    // The strict reader drops the m= line of the fax alone, so that the audio section has two c= lines for it.
    let text = minimal("", "m=image 4400 udptl t38\r\nc=IN IP4 192.0.2.2\r\n");
    assert!(strict(&text).unwrap_err().contains("connection type already exists"));
    let session = parse(&text);
    let addresses: Vec<_> = session.media.iter().map(|media| media.connections[0].address.to_string()).collect();
    assert_eq!(addresses, ["192.0.2.1", "192.0.2.2"]);
}

#[test]
fn keys_that_the_strict_reader_discards_are_kept() {
    let text = minimal("", "a=crypto:1 AEAD_AES_128_GCM inline:MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkw\r\n");
    assert!(strict(&text).unwrap()[0].contains("crypto"));
    assert_eq!(parse(&text).media[0].attributes.cryptos[0].suite, "AEAD_AES_128_GCM");
}

#[test]
fn descriptions_too_large_to_be_judged_are_not_judged() {
    assert!(strict(&minimal("", &"a=x\r\n".repeat(5000))).is_err());
    assert!(strict(&minimal("", &format!("a={}\r\n", "x".repeat(9000)))).is_err());
}
