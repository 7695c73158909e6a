use super::*;
use crate::proto::framing::tests::assert_needs_are_honest;

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";

fn invite(extra: &str, body: &str) -> String {
    format!(
        "INVITE sip:bob@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport\r\n\
         v: SIP/2.0/TCP 192.0.2.9, SIP/2.0/TLS 192.0.2.8;branch=z9hG4bK3\r\nf: <sip:alice@192.0.2.1>;tag=77\r\n\
         TO : Bob\r\n <sip:bob@192.0.2.2>\r\ni: abc@192.0.2.1\r\nCSeq: 1 INVITE\r\n\
         m: <sip:alice@192.0.2.1>, \"A, B\" <sip:ab@192.0.2.1>\r\n{extra}\r\n{body}"
    )
}

fn with_sdp() -> String {
    invite(&format!("c: application/sdp\r\nl: {}\r\n", SDP.len()), SDP)
}

#[test]
fn a_request_is_read_through_compact_folded_and_repeated_headers() {
    let text = with_sdp();
    let message = Message::parse(text.as_bytes()).unwrap();
    assert_eq!(message.error, None);
    assert_eq!(message.start, StartLine::Request { method: "INVITE", uri: "sip:bob@192.0.2.2" });
    assert_eq!(message.call_id(), Some("abc@192.0.2.1"));
    assert_eq!(message.cseq(), Some(CSeq { number: 1, method: "INVITE" }));
    assert_eq!(message.from().unwrap().tag(), Some("77"));
    let to = message.to().unwrap();
    assert_eq!((to.display_name, to.uri, to.tag()), (Some(&b"Bob"[..]), "sip:bob@192.0.2.2", None));
    let hops: Vec<_> = message.vias().map(|via| (via.transport, via.host)).collect();
    assert_eq!(hops, [("UDP", "192.0.2.1"), ("TCP", "192.0.2.9"), ("TLS", "192.0.2.8")]);
    let contacts: Vec<_> = message.contacts().map(|contact| contact.uri).collect();
    assert_eq!(contacts, ["sip:alice@192.0.2.1", "sip:ab@192.0.2.1"]);
    assert_eq!(message.sdp(), Some(SDP.as_bytes()));
}

#[test]
fn a_response_is_read_with_lf_alone() {
    let message = Message::parse(b"SIP/2.0 488 Not Acceptable Here\nCall-ID: x\nCSeq: 2 INVITE\n\n").unwrap();
    assert_eq!(message.start, StartLine::Response { code: 488, reason: "Not Acceptable Here" });
    assert_eq!((message.call_id(), message.error), (Some("x"), None));
    assert_eq!(message.sdp(), None);
}

#[test]
fn what_is_not_sip_is_none() {
    for bytes in
        [&b""[..], b"\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"NOTIFY * HTTP/1.1\r\n\r\n", b"\x80\0\0\0", b"SIP/2.0"]
    {
        assert!(Message::parse(bytes).is_none(), "{bytes:?}");
    }
}

#[test]
fn a_broken_content_length_keeps_the_body_and_is_reported() {
    for (length, body, reason) in [
        ("-5", SDP.len(), "Content-Length is no number"),
        ("ten", SDP.len(), "Content-Length is no number"),
        ("99999999999999999999999", SDP.len(), "Content-Length is no number"),
        ("5000", SDP.len(), "too short"),
        ("0", 0, "more bytes than Content-Length says"),
        ("5", 5, "more bytes than Content-Length says"),
        ("5\r\nContent-Length: 6", SDP.len(), "Content-Length is no number"),
    ] {
        let text = invite(&format!("Content-Type: application/sdp\r\nContent-Length: {length}\r\n"), SDP);
        let message = Message::parse(text.as_bytes()).unwrap();
        assert_eq!(message.error.unwrap().reason, reason, "{length}");
        assert_eq!((message.body.len(), message.body.len() + message.surplus.len()), (body, SDP.len()), "{length}");
        assert_eq!(message.sdp(), Some(SDP.as_bytes()), "{length}");
    }
}

#[test]
fn a_description_is_found_in_a_multipart_body_and_without_a_content_type() {
    let body = format!(
        "--q\r\nContent-Type: application/isup\r\n\r\n\x01\x02\r\n--q\r\nc: x\r\nContent-Type: application/sdp\r\n\r\n{SDP}\r\n--q--\r\n"
    );
    let text = invite("Content-Type: multipart/mixed;boundary=q\r\n", &body);
    assert_eq!(Message::parse(text.as_bytes()).unwrap().sdp(), Some(SDP.as_bytes()));
    let untyped = invite("", SDP);
    assert_eq!(Message::parse(untyped.as_bytes()).unwrap().sdp(), Some(SDP.as_bytes()));
    let text = invite("Content-Type: text/plain\r\n", SDP);
    assert_eq!(Message::parse(text.as_bytes()).unwrap().sdp(), None);
}

#[test]
fn a_stream_is_cut_by_content_length() {
    let first = with_sdp();
    let stream = format!("{first}\r\n\r\nSIP/2.0 200 OK\r\nl:0\r\n\r\n");
    assert_eq!(frame(stream.as_bytes()), Frame::Complete(first.len()));
    let rest = &stream.as_bytes()[first.len()..];
    assert_eq!(frame(rest), Frame::Complete(4));
    assert_eq!(frame(&rest[4..]), Frame::Complete(rest.len() - 4));
    assert_needs_are_honest(frame, first.as_bytes());
}

#[test]
fn a_stream_message_without_a_usable_length_goes_to_the_next_first_line() {
    let broken = invite("Content-Type: application/sdp\r\nContent-Length: x\r\n", SDP);
    let stream = format!("{broken}{}", with_sdp());
    assert_eq!(frame(stream.as_bytes()), Frame::Complete(broken.len()));
    assert_eq!(frame(broken.as_bytes()), Frame::Complete(broken.len()));
    let bare = invite("", "");
    assert_eq!(frame(format!("{bare}{bare}").as_bytes()), Frame::Complete(bare.len()));
    let huge = invite("Content-Length: 2000000\r\n", "");
    assert_eq!(frame(huge.as_bytes()), Frame::NotThis);
}

#[test]
fn every_truncation_of_a_datagram_is_read() {
    let text = with_sdp();
    let first_line = text.find("\r\n").unwrap();
    for length in 0..text.len() {
        match Message::parse(&text.as_bytes()[..length]) {
            Some(message) => {
                assert!(length >= first_line && message.error.is_some(), "{length}");
                assert!(message.body.len() <= SDP.len());
            }
            None => assert!(length < first_line, "{length}"),
        }
    }
}

#[test]
fn garbage_is_read_without_a_panic() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let text = with_sdp();
    for _ in 0..2000 {
        let mut bytes = text.as_bytes().to_vec();
        for _ in 0..6 {
            let at = random() as usize % bytes.len();
            bytes[at] = b"\r\n :;,\"<>\\\0\xff=/"[random() as usize % 14];
        }
        if let Frame::Complete(length) = frame(&bytes) {
            assert!((1..=bytes.len()).contains(&length));
        }
        if let Some(message) = Message::parse(&bytes) {
            let fields = message.vias().count() + message.contacts().count() + message.headers.iter().count();
            assert!(fields < 100);
            assert!(message.sdp().is_none_or(|sdp| sdp.len() <= bytes.len()));
            let _tags = (message.from().and_then(|from| from.tag()), message.to().and_then(|to| to.tag()));
        }
    }
}
