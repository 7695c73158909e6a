//! Sessions over HTTP and WebSocket, whatever the application makes of them.

use crate::model::signalling::{SessionState, SessionSummary, Signal};
use crate::model::snapshot::{ClockSource, Snapshot, StreamKind};
use crate::model::stage::{Stage, check, rtp};
use crate::net::TcpFlags;

const A: &str = "10.0.0.1:40000";
const A2: &str = "10.0.0.1:40001";
const B: &str = "10.0.0.2:50000";
const SERVER: &str = "10.0.0.9:8080";
const MEDIA_A: &str = "10.0.0.1:5000";
const MEDIA_B: &str = "10.0.0.2:6000";

/// A TCP connection that numbers its segments.
struct Wire<'s> {
    stage: &'s mut Stage,
    ends: [&'static str; 2],
    next: [u32; 2],
    millis: i64,
}

impl<'s> Wire<'s> {
    fn new(stage: &'s mut Stage, client: &'static str, server: &'static str, millis: i64) -> Self {
        stage.tcp(millis, client, server, 0, TcpFlags::SYN, &[]);
        stage.tcp(millis, server, client, 0, TcpFlags::SYN, &[]);
        Self { stage, ends: [client, server], next: [1, 1], millis }
    }

    fn upgraded(stage: &'s mut Stage, client: &'static str, server: &'static str, millis: i64) -> Self {
        let mut wire = Self::new(stage, client, server, millis);
        wire.say(0, b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n");
        wire.say(1, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n");
        wire
    }

    fn say(&mut self, side: usize, bytes: &[u8]) {
        self.millis += 1;
        let (from, to) = (self.ends[side], self.ends[1 - side]);
        self.stage.tcp(self.millis, from, to, self.next[side], 0, bytes);
        self.next[side] += bytes.len() as u32;
    }

    /// A text in one frame, masked as the client has to.
    fn text(&mut self, side: usize, text: &str) {
        let (masked, mask) = if side == 0 { (0x80, &[1, 2, 3, 4][..]) } else { (0, &[][..]) };
        let mut bytes = vec![0x81];
        if text.len() < 126 {
            bytes.push(masked | text.len() as u8);
        } else {
            bytes.push(masked | 126);
            bytes.extend((text.len() as u16).to_be_bytes());
        }
        bytes.extend(mask);
        let key = if side == 0 { [1, 2, 3, 4] } else { [0; 4] };
        bytes.extend(text.bytes().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
        self.say(side, &bytes);
    }

    fn http(&mut self, side: usize, start: &str, headers: &str, body: &str) {
        self.say(side, format!("{start}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
    }
}

fn sdp(session: u64, ufrag: &str, setup: &str) -> String {
    format!(
        "v=0\r\no=- {session} 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n\
         c=IN IP4 0.0.0.0\r\na=mid:0\r\na=ice-ufrag:{ufrag}\r\na=ice-pwd:0123456789012345678901\r\n\
         a=setup:{setup}\r\na=rtpmap:111 opus/48000/2\r\n"
    )
}

fn offer() -> String {
    sdp(1_000_000_001, "here", "actpass")
}

fn answer() -> String {
    sdp(2_000_000_002, "there", "active")
}

fn json(key: &str, said: &str, sdp: &str) -> String {
    let escaped = sdp.replace('\r', "\\r").replace('\n', "\\n");
    format!("{{\"action\":\"x\",\"{key}\":\"{said}\",\"payload\":\"{escaped}\"}}")
}

fn candidate(address: &str, ufrag: &str) -> String {
    let (ip, port) = address.split_once(':').unwrap();
    format!(
        "{{\"ice\":{{\"candidate\":\"candidate:1 1 udp 7 {ip} {port} typ host\",\"sdpMid\":\"0\",\
         \"usernameFragment\":\"{ufrag}\"}}}}"
    )
}

fn media(stage: &mut Stage, from: &str, to: &str) {
    for n in 0..3 {
        stage.udp(500 + 20 * i64::from(n), from, to, &rtp(111, 7, n, u32::from(n) * 960));
    }
}

fn parts(session: &SessionSummary) -> Vec<bool> {
    session.descriptions.iter().map(|known| known.is_offer).collect()
}

fn only(snapshot: &Snapshot) -> &SessionSummary {
    assert_eq!(snapshot.sessions.len(), 1, "{:?}", snapshot.sessions);
    &snapshot.sessions[0]
}

#[test]
fn an_offer_and_an_answer_over_websocket_are_a_session_that_names_the_codec() {
    let mut stage = Stage::new();
    let mut wire = Wire::upgraded(&mut stage, A, SERVER, 0);
    wire.text(0, &json("kind", "offer", &offer()));
    wire.text(0, &candidate(MEDIA_A, "here"));
    wire.text(1, &json("kind", "answer", &answer()));
    wire.text(1, &candidate(MEDIA_B, "there"));
    media(&mut stage, MEDIA_A, MEDIA_B);
    let snapshot = stage.snapshot();
    let session = only(&snapshot);
    assert_eq!((session.signal, session.state), (Signal::Websocket, SessionState::Established));
    assert_eq!((parts(session), session.candidates.len()), (vec![true, false], 2));
    let stream = &snapshot.streams[0];
    assert_eq!((stream.codec.as_deref(), stream.kind), (Some("opus"), Some(StreamKind::Audio)));
    assert_eq!((stream.figures.timing.clock.source, stream.encrypted), (ClockSource::Sdp, true));
}

#[test]
fn connectivity_checks_lead_to_the_description_where_no_candidate_has_the_address() {
    let mut stage = Stage::new();
    let mut wire = Wire::upgraded(&mut stage, A, SERVER, 0);
    wire.text(0, &json("type", "offer", &offer()));
    wire.text(1, &json("type", "answer", &answer()));
    stage.udp(400, MEDIA_A, "192.0.2.1:7777", &check(1, false));
    media(&mut stage, MEDIA_A, "192.0.2.1:7777");
    let stream = stage.snapshot().streams.remove(0);
    assert_eq!((stream.codec.as_deref(), stream.mid.as_deref()), (Some("opus"), Some("0")));
    assert_eq!(stream.figures.timing.clock.source, ClockSource::Sdp);
}

#[test]
fn a_description_on_its_way_to_the_other_side_is_the_same_one() {
    let mut stage = Stage::new();
    Wire::upgraded(&mut stage, A, SERVER, 0).text(0, &json("type", "offer", &offer()));
    let mut callee = Wire::upgraded(&mut stage, B, SERVER, 10);
    callee.text(1, &json("type", "offer", &offer()));
    callee.text(0, &json("type", "answer", &answer()));
    assert_eq!(parts(only(&stage.snapshot())), [true, false]);
}

#[test]
fn the_answer_may_come_by_a_poll_on_another_connection() {
    let mut stage = Stage::new();
    let text = json("type", "offer", &offer());
    Wire::new(&mut stage, A, SERVER, 0).http(0, "POST /a HTTP/1.1", "Content-Type: application/json\r\n", &text);
    let text = json("type", "answer", &answer());
    let mut poll = Wire::new(&mut stage, A2, SERVER, 10);
    poll.http(0, "GET /b HTTP/1.1", "", "");
    poll.http(1, "HTTP/1.1 200 OK", "Content-Type: application/json\r\n", &text);
    let snapshot = stage.snapshot();
    assert_eq!((only(&snapshot).signal, parts(only(&snapshot))), (Signal::Http, vec![true, false]));
}

#[test]
fn a_publisher_and_a_subscriber_on_one_connection_are_two_sessions() {
    let mut stage = Stage::new();
    let mut wire = Wire::upgraded(&mut stage, A, SERVER, 0);
    wire.text(0, &json("type", "offer", &offer()));
    wire.text(1, &json("type", "answer", &answer()));
    wire.text(1, &json("type", "offer", &sdp(3_000_000_003, "sub", "actpass")));
    wire.text(0, &json("type", "answer", &sdp(4_000_000_004, "scr", "active")));
    wire.text(1, &json("type", "offer", &sdp(2_000_000_002, "again", "actpass")));
    let snapshot = stage.snapshot();
    let all: Vec<Vec<bool>> = snapshot.sessions.iter().map(parts).collect();
    assert_eq!(all, [vec![true, false, true], vec![true, false]]);
}

#[test]
fn without_a_word_the_dtls_role_and_then_the_order_say_what_a_description_is() {
    let plain = |session: u64| {
        let described = sdp(session, "x", "holdconn");
        described
            .lines()
            .filter(|line| !line.starts_with("a=ice"))
            .map(|line| format!("{line}\r\n"))
            .collect::<String>()
    };
    for (first, second) in [(offer(), answer()), (plain(1_000_000_001), plain(2_000_000_002))] {
        let mut stage = Stage::new();
        let mut wire = Wire::upgraded(&mut stage, A, SERVER, 0);
        wire.text(0, &json("x", "y", &first));
        wire.text(1, &json("x", "y", &second));
        assert_eq!(parts(only(&stage.snapshot())), [true, false]);
    }
}

#[test]
fn whip_posts_an_offer_trickles_and_deletes_its_resource() {
    let mut stage = Stage::new();
    let mut wire = Wire::new(&mut stage, A, SERVER, 0);
    let kind = "Content-Type: application/sdp\r\n";
    wire.http(0, "POST /whip/room HTTP/1.1", kind, &offer());
    wire.http(1, "HTTP/1.1 201 Created", &format!("{kind}Location: http://10.0.0.9:8080/whip/7\r\n"), &answer());
    let fragment = "a=ice-ufrag:here\r\na=ice-pwd:0123456789012345678901\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n\
                    a=candidate:1 1 udp 7 10.0.0.1 5000 typ host\r\na=end-of-candidates\r\n";
    wire.http(0, "PATCH /whip/7 HTTP/1.1", "Content-Type: application/trickle-ice-sdpfrag\r\n", fragment);
    wire.http(1, "HTTP/1.1 204 No Content", "", "");
    wire.http(0, "DELETE /whip/7 HTTP/1.1", "", "");
    media(&mut stage, MEDIA_A, MEDIA_B);
    let snapshot = stage.snapshot();
    let session = only(&snapshot);
    assert_eq!((session.signal, session.state), (Signal::Http, SessionState::Ended));
    assert_eq!((parts(session), session.candidates.len()), (vec![true, false], 1));
    assert_eq!(session.candidates[0].mid.as_deref(), Some("0"));
    assert_eq!(session.ended.unwrap().2.to_string(), A);
    assert_eq!(snapshot.streams[0].codec.as_deref(), Some("opus"));
}

#[test]
fn candidates_may_come_before_their_description() {
    let mut stage = Stage::new();
    let mut wire = Wire::upgraded(&mut stage, A, SERVER, 0);
    wire.text(0, &candidate(MEDIA_A, "here"));
    wire.text(0, &candidate("10.0.0.1:5001", "nobody"));
    wire.text(0, &json("type", "offer", &offer()));
    wire.text(0, &candidate(MEDIA_A, "here"));
    let snapshot = stage.snapshot();
    assert_eq!(only(&snapshot).candidates.len(), 1);
    assert_eq!(only(&snapshot).candidates[0].ufrag.as_deref(), Some("here"));
}

#[test]
fn sip_over_websocket_is_sip() {
    let mut stage = Stage::new();
    let mut wire = Wire::upgraded(&mut stage, A, SERVER, 0);
    let body = offer();
    wire.text(
        0,
        &format!(
            "INVITE sip:b@b SIP/2.0\r\nCall-ID: 77\r\nCSeq: 1 INVITE\r\nFrom: <sip:a@a>;tag=1\r\nTo: <sip:b@b>\r\n\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ),
    );
    let snapshot = stage.snapshot();
    assert_eq!((only(&snapshot).signal, only(&snapshot).call_id.as_str()), (Signal::Sip, "77"));
}

#[test]
fn a_compressed_body_is_read_and_a_page_with_a_description_in_its_script_is_not() {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(json("type", "offer", &offer()).as_bytes()).unwrap();
    let body = encoder.finish().unwrap();
    let head = format!("POST /a HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", body.len());
    let mut stage = Stage::new();
    let mut wire = Wire::new(&mut stage, A, SERVER, 0);
    wire.say(0, &[head.as_bytes(), &body].concat());
    wire.http(1, "HTTP/1.1 200 OK", "Content-Type: text/html\r\n", &offer().replace("here", "page"));
    assert_eq!(parts(only(&stage.snapshot())), [true]);
}

#[test]
fn garbage_and_truncated_messages_make_nothing_that_was_not_said() {
    let text = format!("{}{}", json("type", "offer", &offer()), candidate(MEDIA_A, "here"));
    let mut stage = Stage::new();
    let mut wire = Wire::upgraded(&mut stage, A, SERVER, 0);
    for length in 0..text.len() {
        wire.text(0, &text[..length]);
    }
    let garbage = crate::proto::dtls::vectors::garbage(9, 20_000);
    wire.say(0, &garbage);
    let snapshot = stage.snapshot();
    // An origin that is cut somewhere else is somebody else's.
    assert!(snapshot.sessions.len() < 30, "{}", snapshot.sessions.len());
    assert!(snapshot.sessions.iter().all(|session| parts(session).iter().all(|is_offer| *is_offer)));
}
