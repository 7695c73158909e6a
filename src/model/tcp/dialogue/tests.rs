//! When held bytes are looked at, and how often at most.

use super::super::super::stage::{channel_data, check, rtp};
use super::*;
use crate::packet::FrameNo;
use crate::time::Timestamp;

/// Says the bytes in pieces of this size; gives the lengths of the messages, each with how many bytes had been said.
fn say(dialogue: &mut Dialogue, bytes: &[u8], size: usize) -> Vec<(usize, usize)> {
    let mut messages = Vec::new();
    dialogue.event(Direction::Forward, StreamEvent::Start { from_syn: true }, &mut |_, _| {});
    for (at, piece) in bytes.chunks(size).enumerate() {
        let data =
            StreamEvent::Data { bytes: piece, offset: (at * size) as u64, ts: Timestamp::default(), frame: FrameNo(1) };
        dialogue.event(Direction::Forward, data, &mut |message, _| {
            messages.push((message.len(), at * size + piece.len()));
        });
    }
    messages
}

fn end(dialogue: &mut Dialogue) -> Vec<usize> {
    let mut messages = Vec::new();
    dialogue
        .event(Direction::Forward, StreamEvent::End { reset: false }, &mut |message, _| messages.push(message.len()));
    messages
}

fn invite(body: usize) -> Vec<u8> {
    let head = format!("INVITE sip:b@b SIP/2.0\r\nCall-ID: 77\r\nContent-Length: {body}\r\n\r\n");
    [head.into_bytes(), vec![b'x'; body]].concat()
}

fn chunked(chunks: usize) -> Vec<u8> {
    let head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    [&head[..], &b"1\r\nx\r\n".repeat(chunks), b"0\r\n\r\n"].concat()
}

#[test]
fn every_message_is_handed_on_with_its_last_byte_wherever_segments_end() {
    let media = rtp(96, 7, 1, 0);
    let rfc4571 = |packet: Vec<u8>| [&(packet.len() as u16).to_be_bytes()[..], &packet].concat();
    let conversations: [Vec<Vec<u8>>; 5] = [
        vec![check(1, false), channel_data(0x4000, &media), channel_data(0x4000, &media)],
        vec![rfc4571(check(1, false)), rfc4571(media.clone())],
        vec![invite(3), b"\r\n\r\n".to_vec(), invite(700), invite(0)],
        vec![b"PLAY rtsp://a/b RTSP/1.0\r\nCSeq: 1\r\n\r\n".to_vec(), [&[b'$', 2, 0, 32][..], &media].concat()],
        vec![chunked(3), chunked(0), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()],
    ];
    for messages in conversations {
        let bytes = messages.concat();
        let ends: Vec<usize> = (1..=messages.len()).map(|to| messages[..to].concat().len()).collect();
        for size in [1, 2, 3, 7, 50] {
            let said = say(&mut Dialogue::default(), &bytes, size);
            // Line ends between messages come one by one.
            let handed_on: Vec<usize> = said.iter().filter(|(length, _)| *length > 4).map(|(_, at)| *at).collect();
            let expected = ends.iter().zip(&messages).filter(|(_, message)| message.len() > 4);
            let expected: Vec<usize> = expected.map(|(end, _)| end.next_multiple_of(size).min(bytes.len())).collect();
            assert_eq!(handed_on, expected, "{size}: {}", String::from_utf8_lossy(&bytes));
        }
    }
}

#[test]
fn a_long_message_in_tiny_segments_is_looked_at_when_what_it_waits_for_has_come() {
    let mut dialogue = Dialogue::default();
    let bytes = invite(200_000);
    assert_eq!(say(&mut dialogue, &bytes, 1), [(bytes.len(), bytes.len())]);
    // One for each byte of the first line, which tells the protocol; for the end of the head; for the end of the body.
    assert!(dialogue.looks.0 <= 30, "{:?}", dialogue.looks);

    let mut media = Dialogue::default();
    let bytes = [check(1, false), channel_data(0x4000, &[7; 60_000])].concat();
    assert_eq!(say(&mut media, &bytes, 1).len(), 2);
    assert!(media.looks.0 <= 30, "{:?}", media.looks);
}

#[test]
fn whatever_tiny_segments_say_each_byte_is_looked_at_a_bounded_number_of_times() {
    let starts = b"INVITE sip:b@b SIP/2.0\r\n";
    let garbage = crate::proto::dtls::vectors::garbage(7, 1000).repeat(60);
    let hostile = [
        chunked(10_000),
        [&b"GET / HTTP/1.1\r\n"[..], &b"\r".repeat(60_000)].concat(),
        [&b"GET /"[..], &b"\n".repeat(60_000)].concat(),
        [&starts[..], &b"a: b\r\n".repeat(10_000)].concat(),
        [invite(0), starts.repeat(2000)].concat(),
        [invite(0), b"\0".to_vec(), starts.repeat(2000)].concat(),
        [check(1, false), garbage.clone()].concat(),
        b"\r\n".repeat(30_000),
        garbage,
    ];
    for bytes in hostile {
        let mut dialogue = Dialogue::default();
        say(&mut dialogue, &bytes, 1);
        end(&mut dialogue);
        let most = (MAX_LOOKS + 2) * bytes.len() + FREE_LOOKS;
        assert!(dialogue.looks.1 <= most, "{:?} {most} {:?}", dialogue.looks, &bytes[..20]);
    }
}

#[test]
fn a_message_that_was_looked_at_too_often_is_handed_on_at_the_end_of_its_stream() {
    let mut dialogue = Dialogue::default();
    let bytes = chunked(10_000);
    let early = say(&mut dialogue, &bytes, 1);
    assert_eq!(early, [], "so many tiny chunks exhaust what may be looked at again");
    assert_eq!(end(&mut dialogue), [bytes.len()]);
    assert_eq!(end(&mut dialogue), Vec::<usize>::new());

    let mut flushed = Dialogue::default();
    say(&mut flushed, &bytes, 1);
    let mut messages = 0;
    flushed.finish(&mut |_, _, _| messages += 1);
    assert_eq!((messages, flushed.held_bytes()), (1, 0));
}

#[test]
fn the_search_for_a_message_stops_at_a_head_that_has_no_end() {
    let bytes = b"INVITE sip:b@b SIP/2.0\r\na: b\r\n".repeat(1000);
    let looks = std::cell::Cell::new(0);
    let counted = |bytes: &[u8]| {
        looks.set(looks.get() + 1);
        sip::frame(bytes)
    };
    assert_eq!((find_whole(&bytes, counted), looks.get()), (None, 1));
    let whole = [&b"b: c\r\n"[..], &invite(5), &bytes].concat();
    assert_eq!(find_whole(&whole, sip::frame), Some(6));
}
