use super::*;
use crate::packet::{FrameNo, LinkType};
use crate::time::Timestamp;

fn packet(data: &[u8]) -> RawPacket<'_> {
    RawPacket {
        ts: Timestamp::from_nanos(0),
        frame: FrameNo(7),
        interface: 0,
        link: LinkType::ETHERNET,
        wire_len: data.len() as u32,
        data,
    }
}

/// In Ethernet, IPv4 and UDP.
fn datagram(payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    bytes.extend([0x45, 0]);
    bytes.extend((28 + payload.len() as u16).to_be_bytes());
    bytes.extend([0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0x13, 0x88, 0x13, 0x89]);
    bytes.extend((8 + payload.len() as u16).to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(payload);
    bytes
}

/// In Ethernet, IPv4 and TCP.
fn segment(payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    bytes.extend([0x45, 0]);
    bytes.extend((40 + payload.len() as u16).to_be_bytes());
    bytes.extend([0, 1, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0x13, 0x88, 0x13, 0x89]);
    bytes.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 1, 0, 0, 0, 0, 0]);
    bytes.extend(payload);
    bytes
}

/// Names and values of what lies in a segment, without what lies in these.
fn in_segment(payload: &[u8]) -> Vec<(String, String)> {
    let fields = dissect(&packet(&segment(payload)));
    let behind = fields.into_iter().skip_while(|field| field.name != "TCP").skip(1);
    behind.filter(|field| field.depth == 0).map(|field| (field.name, field.value)).collect()
}

fn named(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn field<'f>(fields: &'f [Field], name: &str) -> &'f Field {
    fields.iter().find(|field| field.name == name).unwrap_or_else(|| panic!("no {name} in {fields:#?}"))
}

/// The sample request of RFC 5769, section 2.1.
const REQUEST: &str = "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e740024000\
    46e0001ff80290008932ff9b151263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2\
    80280004e57a3bcf";

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}

#[test]
fn attributes_of_stun_have_their_bytes() {
    let bytes = datagram(&unhex(REQUEST));
    let fields = dissect(&packet(&bytes));
    let software = field(&fields, "SOFTWARE");
    assert_eq!((software.value.as_str(), software.bytes.clone()), ("STUN test client", 62..82));
    assert_eq!(&bytes[66..82], b"STUN test client");
    assert_eq!(field(&fields, "USERNAME").value, "evtj:h6vY");
    assert_eq!(field(&fields, "Message type").bytes, 42..44);
    assert_eq!(field(&fields, "UDP").bytes, 34..42);
}

#[test]
fn rtp_has_its_header_field_by_field() {
    let bytes = datagram(&[0x80, 0xe0, 0, 9, 0, 0, 0, 160, 0xde, 0xad, 0xbe, 0xef, 1, 2, 3]);
    let fields = dissect(&packet(&bytes));
    assert_eq!((field(&fields, "Marker").value.as_str(), field(&fields, "Payload type").value.as_str()), ("yes", "96"));
    assert_eq!((field(&fields, "SSRC").value.as_str(), field(&fields, "SSRC").bytes.clone()), ("0xdeadbeef", 50..54));
    assert_eq!(field(&fields, "Payload").bytes, 54..57);
}

#[test]
fn report_blocks_of_rtcp_are_told_with_their_sign() {
    let mut report = vec![0x81, 201, 0, 7, 0, 0, 0, 2, 0, 0, 0, 1, 64, 0xff, 0xff, 0xfe, 0, 0, 0, 9, 0, 0, 0, 80];
    report.extend([0, 0, 0, 5, 0, 0, 0x80, 0]);
    let bytes = datagram(&report);
    let fields = dissect(&packet(&bytes));
    let values =
        ["Cumulative lost", "Fraction lost", "Delay since last SR"].map(|name| field(&fields, name).value.clone());
    assert_eq!(values, ["-2", "25.0 %", "500.0 ms"]);
}

#[test]
fn lines_of_sip_and_sdp_are_fields() {
    let text = "OPTIONS sip:a@b SIP/2.0\r\nCall-ID: 1@host\r\nCSeq: 1 OPTIONS\r\n\r\nv=0\r\na=mid:0\r\n";
    let bytes = datagram(text.as_bytes());
    let fields = dissect(&packet(&bytes));
    assert_eq!(field(&fields, "SIP").value, "OPTIONS sip:a@b SIP/2.0");
    let call = field(&fields, "Call-ID");
    assert_eq!((call.value.as_str(), &bytes[call.bytes.clone()]), ("1@host", &b"Call-ID: 1@host"[..]));
    assert_eq!((field(&fields, "a=mid").value.as_str(), field(&fields, "v=").value.as_str()), ("0", "0"));
}

#[test]
fn what_is_inside_channel_data_is_taken_apart_too() {
    let mut data = vec![0x40, 0, 0, 12];
    data.extend([0x80, 0x60, 0, 9, 0, 0, 0, 160, 0, 0, 0, 5]);
    let bytes = datagram(&data);
    let fields = dissect(&packet(&bytes));
    assert_eq!(field(&fields, "TURN ChannelData").value, "channel 0x4000");
    assert!(field(&fields, "RTP").depth > field(&fields, "TURN ChannelData").depth);
}

#[test]
fn a_segment_that_begins_within_a_message_is_part_of_a_stream_whatever_its_first_bytes_look_like() {
    let quic = [&[0xe6, 0x26, 0xce, 0x6a][..], &[0x5a; 60]].concat();
    let rtcp = [&[0x81, 201, 0, 200][..], &[0; 60]].concat();
    let rtp = [&[0x80, 96][..], &[7; 60]].concat();
    let dtls = [&[22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 1, 0, 4][..], &[1; 4]].concat();
    // Four letters are a channel of RFC 5766 and a length that fits.
    let letters = [&b"Ca\0\x08"[..], b"of what", b"!"].concat();
    for payload in [quic, rtcp, rtp, dtls, [&letters[..], b"more"].concat()] {
        let said = format!("part of a TCP stream, {} bytes", payload.len());
        assert_eq!(in_segment(&payload), [named("Payload", &said)]);
    }
}

#[test]
fn messages_that_say_their_length_follow_each_other_in_a_segment() {
    let request = unhex(REQUEST);
    // Eleven bytes of data, one of padding.
    let data = [&[0x40, 1, 0, 11, 0x80, 0x60][..], &[0; 10]].concat();
    let found = in_segment(&[&request[..], &data, &data, &data[..7]].concat());
    let channel = named("TURN ChannelData", "channel 0x4001");
    let rest = named("Payload", "part of a TCP stream, 7 bytes");
    assert_eq!(found, [named("STUN", "Binding request"), channel.clone(), channel, rest]);
}

#[test]
fn a_packet_behind_its_length_is_taken_apart_in_a_segment() {
    let rtp = [0x80, 96, 0, 9, 0, 0, 0, 160, 0, 0, 0, 5];
    let framed = in_segment(&[&[0, 12][..], &rtp].concat());
    assert_eq!(framed.iter().map(|field| field.0.as_str()).collect::<Vec<_>>(), ["RFC 4571 length", "RTP"]);
    let interleaved = [&[b'$', 2, 0, 12][..], &rtp].concat();
    let twice = in_segment(&[&interleaved[..], &interleaved].concat());
    assert_eq!(twice, vec![named("RTSP interleaved", "16 bytes"); 2]);
    let fields = dissect(&packet(&segment(&interleaved)));
    assert_eq!(field(&fields, "Channel").value, "2");
    assert_eq!(field(&fields, "SSRC").value, "0x00000005");
}

#[test]
fn no_bytes_break_it_and_no_field_lies_outside_of_the_frame() {
    let mut state: u64 = 1;
    let mut byte = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    let mut samples: Vec<Vec<u8>> = vec![datagram(&unhex(REQUEST))];
    for first in [0_u8, 1, 20, 22, 23, 26, 0x30, 64, 0x80, 0x81, 0x9f, b'I'] {
        for second in [200, 201, 202, 205, 206, 207, 0, 254] {
            let mut payload = vec![first, second];
            payload.extend((0..120).map(|_| byte()));
            samples.push(datagram(&payload));
            samples.push(segment(&payload));
        }
    }
    for sample in samples {
        for length in 0..=sample.len() {
            let cut = &sample[..length];
            for link in [LinkType::ETHERNET, LinkType::RAW, LinkType::LINUX_SLL, LinkType::NULL] {
                let fields = dissect(&RawPacket { link, ..packet(cut) });
                assert!(fields.iter().all(|field| field.bytes.start <= field.bytes.end && field.bytes.end <= length));
            }
        }
    }
}
