//! Sessions that are described and not negotiated.

use crate::model::signalling::{SessionState, Signal};
use crate::model::snapshot::ClockSource;
use crate::model::stage::{Stage, rtp};
use crate::net::TcpFlags;

const CLIENT: &str = "10.0.0.1:40000";
const SERVER: &str = "10.0.0.2:554";
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 10.0.0.2\r\ns=x\r\nt=0 0\r\nm=audio 0 RTP/AVP 97\r\n\
                   a=rtpmap:97 MPEG4-GENERIC/44100\r\na=control:1\r\n";

/// Says both sides of a connection in turn, the client first.
fn talk(stage: &mut Stage, said: &[Vec<u8>]) {
    let mut next = [1_u32; 2];
    stage.tcp(0, CLIENT, SERVER, 0, TcpFlags::SYN, &[]).tcp(0, SERVER, CLIENT, 0, TcpFlags::SYN, &[]);
    for (at, bytes) in said.iter().enumerate() {
        let side = at % 2;
        let (from, to) = if side == 0 { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
        stage.tcp(1 + at as i64, from, to, next[side], 0, bytes);
        next[side] += bytes.len() as u32;
    }
}

fn request(method: &str, cseq: u32, more: &str) -> Vec<u8> {
    format!("{method} rtsp://s/x RTSP/1.0\r\nCSeq: {cseq}\r\n{more}\r\n").into_bytes()
}

fn response(code: u16, cseq: u32, more: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("RTSP/1.0 {code} Because\r\nCSeq: {cseq}\r\n{more}Content-Length: {length}\r\n\r\n{body}").into_bytes()
}

fn to_play(transport: &str, code: u16) -> Vec<Vec<u8>> {
    let transport = format!("Transport: {transport}\r\n");
    vec![
        request("DESCRIBE", 1, ""),
        response(200, 1, "Content-Type: application/sdp\r\n", SDP),
        request("SETUP", 2, &transport),
        response(200, 2, &transport, ""),
        request("PLAY", 3, ""),
        response(code, 3, "", ""),
    ]
}

#[test]
fn media_on_the_ports_of_a_setup_is_what_was_described() {
    let mut stage = Stage::new();
    talk(&mut stage, &to_play("RTP/AVP;unicast;client_port=5000-5001;server_port=6000-6001", 200));
    for n in 0..3 {
        stage.udp(100 + 20 * i64::from(n), "10.0.0.2:6000", "10.0.0.1:5000", &rtp(97, 7, n, u32::from(n) * 882));
    }
    let snapshot = stage.snapshot();
    let (stream, session) = (&snapshot.streams[0], &snapshot.sessions[0]);
    assert_eq!(
        (stream.codec.as_deref(), stream.figures.timing.clock.source),
        (Some("MPEG4-GENERIC"), ClockSource::Sdp)
    );
    assert_eq!((session.signal, session.state), (Signal::Rtsp, SessionState::Established));
    assert_eq!((&session.call.streams, session.call.media[0].seen[0].packets), (&vec!["r1".to_owned()], 3));
}

#[test]
fn media_on_the_connection_itself_belongs_to_its_session() {
    let mut stage = Stage::new();
    let mut said = to_play("RTP/AVP/TCP;unicast;interleaved=0-1", 200);
    let media = |n: u16| rtp(97, 7, n, u32::from(n) * 882);
    let frames: Vec<u8> = (0..3).flat_map(|n| [&[b'$', 0, 0, media(n).len() as u8][..], &media(n)].concat()).collect();
    said.extend([request("OPTIONS", 4, ""), frames, request("TEARDOWN", 5, "")]);
    talk(&mut stage, &said);
    let snapshot = stage.snapshot();
    assert_eq!(snapshot.streams[0].codec.as_deref(), Some("MPEG4-GENERIC"));
    assert_eq!(snapshot.sessions.len(), 1);
    assert_eq!((snapshot.sessions[0].state, snapshot.sessions[0].call.streams.len()), (SessionState::Ended, 1));
}

#[test]
fn a_play_that_is_refused_is_a_session_that_is() {
    let mut stage = Stage::new();
    talk(&mut stage, &to_play("RTP/AVP;unicast;client_port=5000-5001;server_port=6000-6001", 454));
    let session = stage.snapshot().sessions.remove(0);
    assert_eq!((session.state, session.status), (SessionState::Refused, Some((454, "Because".to_owned()))));
}

#[test]
fn an_announcement_describes_media_and_is_taken_back() {
    let sap = |flags: u8, body: &str| [&[flags, 0, 1, 2, 10, 0, 0, 9][..], body.as_bytes()].concat();
    let sdp = "v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=x\r\nc=IN IP4 239.1.1.1/32\r\nt=0 0\r\n\
               m=audio 5004 RTP/AVP 98\r\na=rtpmap:98 L24/48000/2\r\n";
    let mut stage = Stage::new();
    stage.udp(0, "10.0.0.9:9875", "239.255.255.255:9875", &sap(0x20, sdp));
    stage.udp(5, "10.0.0.9:9875", "239.255.255.255:9875", &sap(0x20, sdp));
    for n in 0..3 {
        stage.udp(100 + i64::from(n), "10.0.0.9:5004", "239.1.1.1:5004", &rtp(98, 7, n, u32::from(n) * 48));
    }
    let snapshot = stage.snapshot();
    let session = &snapshot.sessions[0];
    assert_eq!((session.signal, session.state, session.descriptions.len()), (Signal::Sap, SessionState::Described, 1));
    assert_eq!((snapshot.streams[0].codec.as_deref(), session.call.streams.len()), (Some("L24"), 1));
    stage.udp(900, "10.0.0.9:9875", "239.255.255.255:9875", &sap(0x24, "o=- 1 1 IN IP4 10.0.0.9\r\n"));
    assert_eq!(stage.snapshot().sessions[0].state, SessionState::Ended);
}
