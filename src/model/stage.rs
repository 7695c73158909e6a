//! A stage for tests: packets by who says what to whom, through the whole analyzer.
//!
//! In: times in milliseconds, addresses as text, payloads. Out: the snapshot. Never: anything outside of tests.

use super::analyzer::{Analyzer, Options};
use super::capture::CaptureFacts;
use super::snapshot::{FlowRow, Snapshot};
use crate::net::TcpFlags;
use crate::packet::{FrameNo, LinkType, RawPacket};
use crate::proto::dtls::vectors::{AIORTC_1_2, hex};
use crate::proto::stun::{AttributeType, Builder, Class, Method, TransactionId, Value};
use crate::time::Timestamp;
use std::net::SocketAddrV4;

/// An analysis and the number of its last frame.
pub(super) struct Stage {
    pub(super) analyzer: Analyzer,
    /// Bytes of a record that are captured.
    snap_length: usize,
    frame: u64,
    /// The last packet that was sent, and its time in nanoseconds.
    last: (i64, Vec<u8>),
}

impl Stage {
    pub(super) fn new() -> Self {
        Self::with(Options::default())
    }

    pub(super) fn with(options: Options) -> Self {
        Self { analyzer: Analyzer::new(options), snap_length: usize::MAX, frame: 0, last: (0, Vec::new()) }
    }

    /// A capture with a snap length.
    pub(super) fn cut_to(snap_length: usize) -> Self {
        Self { snap_length, ..Self::new() }
    }

    /// One IP packet.
    fn packet(&mut self, millis: i64, protocol: u8, from: SocketAddrV4, to: SocketAddrV4, segment: &[u8]) {
        let mut data = vec![0x45, 0];
        data.extend((20 + segment.len() as u16).to_be_bytes());
        data.extend((self.frame as u16 + 1).to_be_bytes());
        data.extend([0, 0, 64, protocol, 0, 0]);
        data.extend(from.ip().octets());
        data.extend(to.ip().octets());
        data.extend_from_slice(segment);
        self.last = (millis * 1_000_000, data);
        self.record(0);
    }

    /// The last packet, as an interface shows it.
    fn record(&mut self, interface: u32) {
        self.frame += 1;
        let (nanos, ip) = &self.last;
        let ether_type = if ip[0] >> 4 == 6 { [0x86, 0xdd] } else { [0x08, 0x00] };
        let data = [&[2; 12], ether_type.as_slice(), ip].concat();
        self.analyzer.packet(&RawPacket {
            ts: Timestamp::from_nanos(*nanos),
            frame: FrameNo(self.frame),
            interface,
            link: LinkType::ETHERNET,
            wire_len: data.len() as u32,
            data: &data[..data.len().min(self.snap_length)],
        });
        if self.analyzer.is_sweep_due() {
            self.analyzer.sweep(CaptureFacts::default());
        }
    }

    /// The last packet once more, 40 microseconds later: the capture saw it on this interface too.
    pub(super) fn again(&mut self, interface: u32) -> &mut Self {
        self.last.0 += 40_000;
        self.record(interface);
        self
    }

    /// An IP packet as it is.
    pub(super) fn ip(&mut self, interface: u32, millis: i64, data: &[u8]) -> &mut Self {
        self.last = (millis * 1_000_000, data.to_vec());
        self.record(interface);
        self
    }

    pub(super) fn udp(&mut self, millis: i64, from: &str, to: &str, payload: &[u8]) -> &mut Self {
        let (from, to) = (socket(from), socket(to));
        let mut datagram = [from.port().to_be_bytes(), to.port().to_be_bytes()].concat();
        datagram.extend((8 + payload.len() as u16).to_be_bytes());
        datagram.extend([0, 0]);
        datagram.extend_from_slice(payload);
        self.packet(millis, 17, from, to, &datagram);
        self
    }

    pub(super) fn tcp(&mut self, millis: i64, from: &str, to: &str, seq: u32, flags: u8, payload: &[u8]) -> &mut Self {
        let (from, to) = (socket(from), socket(to));
        let mut segment = [from.port().to_be_bytes(), to.port().to_be_bytes()].concat();
        segment.extend(seq.to_be_bytes());
        segment.extend([0, 0, 0, 0, 0x50, flags & !TcpFlags::ACK, 0xff, 0xff, 0, 0, 0, 0]);
        segment.extend_from_slice(payload);
        self.packet(millis, 6, from, to, &segment);
        self
    }

    /// An INVITE with an offer, and 10 ms later the answer in its 200; `number` is that of the CSeq.
    pub(super) fn agree(
        &mut self,
        millis: i64,
        number: u32,
        ends: (&str, &str),
        offer: &str,
        answer: &str,
    ) -> &mut Self {
        let (from, to) = ends;
        let message = |start: &str, body: &str| {
            format!(
                "{start}\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{number}\r\nFrom: <sip:a@a>;tag=1\r\nTo: <sip:b@b>;tag=2\r\n\
                 Call-ID: one\r\nCSeq: {number} INVITE\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
            .into_bytes()
        };
        self.udp(millis, from, to, &message("INVITE sip:b@b SIP/2.0", offer));
        self.udp(millis + 10, to, from, &message("SIP/2.0 200 OK", answer))
    }

    /// A handshake of DTLS 1.2 with SRTP and certificates of both sides, complete after three milliseconds.
    pub(super) fn handshake(&mut self, millis: i64, client: &str, server: &str) -> &mut Self {
        for (at, datagram) in (0..).zip(AIORTC_1_2) {
            let (from, to) = if at % 2 == 0 { (client, server) } else { (server, client) };
            self.udp(millis + at, from, to, &hex(datagram));
        }
        self
    }

    pub(super) fn snapshot(&mut self) -> Snapshot {
        self.analyzer.finish();
        self.analyzer.snapshot(CaptureFacts::default())
    }
}

fn socket(text: &str) -> SocketAddrV4 {
    text.parse().unwrap()
}

/// Classes with their counts, as `rtp 2, other 1`.
pub(super) fn classes(row: &FlowRow) -> String {
    let counts = row.classes.iter().filter(|(_, count)| *count > 0);
    counts.map(|(class, count)| format!("{} {count}", class.name())).collect::<Vec<_>>().join(", ")
}

/// A STUN message with a transaction id made of a number.
pub(super) fn stun(class: Class, method: Method, id: u8, attributes: &[(AttributeType, Value<'_>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let builder = Builder::new(&mut bytes, class, method, TransactionId::new([id; 12]));
    attributes.iter().fold(builder, |builder, (kind, value)| builder.attribute(*kind, value)).finish().unwrap();
    bytes
}

/// A check with ICE attributes, nominating or not.
pub(super) fn check(id: u8, nominates: bool) -> Vec<u8> {
    let mut attributes =
        vec![(AttributeType::USERNAME, Value::Text(b"there:here")), (AttributeType::PRIORITY, Value::U32(7))];
    if nominates {
        attributes.push((AttributeType::USE_CANDIDATE, Value::Flag));
    }
    stun(Class::Request, Method::BINDING, id, &attributes)
}

/// An RTP packet with twenty bytes of media.
pub(super) fn rtp(payload_type: u8, ssrc: u32, seq: u16, rtp_ts: u32) -> Vec<u8> {
    let mut bytes = vec![0x80, payload_type];
    bytes.extend(seq.to_be_bytes());
    bytes.extend(rtp_ts.to_be_bytes());
    bytes.extend(ssrc.to_be_bytes());
    bytes.extend([7; 20]);
    bytes
}

/// ChannelData around data, not padded.
pub(super) fn channel_data(number: u16, data: &[u8]) -> Vec<u8> {
    let mut bytes = [number.to_be_bytes(), (data.len() as u16).to_be_bytes()].concat();
    bytes.extend_from_slice(data);
    bytes
}
