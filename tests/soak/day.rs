//! A day on a busy network, second by second: calls that come and go, and noise.
//!
//! In: a number of seconds. Out: frames with their times, always the same ones. Never: a clock; two calls with anything in
//! common but their servers.

use rtcscope::proto::stun::{AttributeType, Builder, Class, Method, TransactionId, Value};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

/// When the day begins.
pub(crate) const BEGIN: u64 = 1_700_000_000;
/// Seconds between two calls, and how long one takes.
pub(crate) const EVERY: u64 = 5;
pub(crate) const TAKES: u64 = 60;

type At = SocketAddrV4;

const PROXIES: [At; 2] = [At::new(Ipv4Addr::new(10, 9, 0, 1), 5060), At::new(Ipv4Addr::new(10, 9, 0, 2), 5060)];
const RELAY: Ipv4Addr = Ipv4Addr::new(10, 8, 0, 1);
const WEB: At = At::new(Ipv4Addr::new(10, 7, 0, 1), 80);

/// Calls that have begun within so many seconds.
pub(crate) const fn calls(seconds: u64) -> u64 {
    seconds.div_ceil(EVERY)
}

/// The frames of a second of the day, with their times in nanoseconds.
pub(crate) fn second(at: u64) -> Vec<(u64, Vec<u8>)> {
    let mut second = Second { at, frames: Vec::new() };
    second.noise();
    for age in (at % EVERY..=TAKES.min(at)).step_by(EVERY as usize) {
        Call::of((at - age) / EVERY).say(age, &mut second);
    }
    second.frames
}

struct Second {
    at: u64,
    frames: Vec<(u64, Vec<u8>)>,
}

impl Second {
    fn ip(&mut self, protocol: u8, from: At, to: At, body: &[u8]) {
        let mut frame = vec![2; 12];
        frame.extend([8, 0, 0x45, 0]);
        frame.extend((20 + body.len() as u16).to_be_bytes());
        frame.extend((self.frames.len() as u16 + 1).to_be_bytes());
        frame.extend([0, 0, 64, protocol, 0, 0]);
        frame.extend(from.ip().octets());
        frame.extend(to.ip().octets());
        frame.extend(body);
        let nanos = (BEGIN + self.at) * 1_000_000_000 + self.frames.len() as u64 * 100_000;
        self.frames.push((nanos, frame));
    }

    fn udp(&mut self, from: At, to: At, payload: &[u8]) {
        let mut body = [from.port().to_be_bytes(), to.port().to_be_bytes()].concat();
        body.extend((8 + payload.len() as u16).to_be_bytes());
        body.extend([0, 0]);
        body.extend(payload);
        self.ip(17, from, to, &body);
    }

    fn tcp(&mut self, from: At, to: At, (seq, flags): (u32, u8), payload: &[u8]) {
        let mut body = [from.port().to_be_bytes(), to.port().to_be_bytes()].concat();
        body.extend(seq.to_be_bytes());
        body.extend([0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        body.extend(payload);
        self.ip(6, from, to, &body);
    }

    /// Somebody tries all addresses and ports, another opens connections and leaves them open.
    fn noise(&mut self) {
        let of_second = self.at as u32;
        let scanner = At::new(Ipv4Addr::new(203, 0, 113, 9), 40_000 + (of_second % 20_000) as u16);
        let host = At::new(Ipv4Addr::from(0x0a64_0000 + of_second % 65_000), 1 + (of_second % 65_000) as u16);
        self.udp(scanner, host, &of_second.to_be_bytes());
        if of_second.is_multiple_of(10) {
            self.tcp(scanner, host, (of_second, 2), &[]);
            self.tcp(scanner, host, (of_second.wrapping_add(1), 16), b"\x16\x03\x01 half a hello");
        }
    }
}

/// What sort of call it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// SIP, and RTP between the two phones.
    Plain,
    /// SIP, and RTP through a TURN server.
    Relayed,
    /// WHIP, ICE and DTLS.
    Web,
}

struct Call {
    number: u64,
    kind: Kind,
    /// Where the two sides send media from.
    sides: [At; 2],
}

impl Call {
    fn of(number: u64) -> Self {
        let host = |side: u32| Ipv4Addr::from(0x0a01_0000 + side * 0x0001_0000 + (number % 60_000) as u32 + 1);
        let port = 10_000 + (number % 25_000) as u16 * 2;
        let kind = [Kind::Plain, Kind::Relayed, Kind::Web][(number % 3) as usize];
        Self { number, kind, sides: [0, 1].map(|side| At::new(host(side), port)) }
    }

    /// Where the server relays it.
    fn relayed(&self) -> At {
        At::new(RELAY, 49_152 + (self.number % 16_000) as u16)
    }

    fn say(&self, age: u64, out: &mut Second) {
        match (self.kind, age) {
            (Kind::Plain | Kind::Relayed, 0) => self.invite(out),
            (Kind::Plain | Kind::Relayed, TAKES) => self.bye(out),
            (Kind::Web, 0) => self.whip(out),
            (Kind::Web, 1) => self.checks_and_hello(out),
            _ => {}
        }
        if self.kind == Kind::Relayed {
            self.turn(age, out);
        }
        if age >= 2 && age.is_multiple_of(2) && age < TAKES {
            (0..2).for_each(|side| self.media(side, &self.rtp(side, age), out));
        }
        if age % 20 == 5 {
            (0..2).for_each(|side| self.media(side, &self.report(side, age), out));
        }
    }

    /// The way of what a side sends.
    fn media(&self, side: usize, packet: &[u8], out: &mut Second) {
        if self.kind != Kind::Relayed {
            return out.udp(self.sides[side], self.sides[1 - side], packet);
        }
        let channel = [0x4000_u16.to_be_bytes(), (packet.len() as u16).to_be_bytes()].concat();
        let channel = [channel.as_slice(), packet].concat();
        let server = At::new(RELAY, 3478);
        if side == 0 {
            out.udp(self.sides[0], server, &channel);
            out.udp(self.relayed(), self.sides[1], packet);
        } else {
            out.udp(self.sides[1], self.relayed(), packet);
            out.udp(server, self.sides[0], &channel);
        }
    }

    fn ssrc(&self, side: usize) -> u32 {
        (self.number as u32).wrapping_mul(0x9e37_79b1) ^ side as u32
    }

    fn rtp(&self, side: usize, age: u64) -> Vec<u8> {
        // Of every seventh call three quarters of what one side sends are lost.
        let step = if self.number.is_multiple_of(7) && side == 0 { 4 } else { 1 };
        let mut packet = vec![0x80, 0];
        packet.extend((age as u16 / 2 * step).to_be_bytes());
        packet.extend((age as u32 * 8000).to_be_bytes());
        packet.extend(self.ssrc(side).to_be_bytes());
        packet.extend([7; 20]);
        packet
    }

    /// A sender report with a block about the other side.
    fn report(&self, side: usize, age: u64) -> Vec<u8> {
        let mut packet = vec![0x81, 200, 0, 12];
        packet.extend(self.ssrc(side).to_be_bytes());
        for word in [age as u32, 0, age as u32 * 8000, age as u32, age as u32 * 20, self.ssrc(1 - side), 0, age as u32]
        {
            packet.extend(word.to_be_bytes());
        }
        packet.extend([0; 12]);
        packet
    }

    fn description(&self, side: usize, at: At) -> String {
        let (ip, port) = (at.ip(), at.port());
        let n = self.number;
        let ice = format!("a=ice-ufrag:u{n}s{side}\r\na=ice-pwd:a-password-of-side-{side}-{n:08}\r\n");
        let (profile, ice) = if self.kind == Kind::Web { ("UDP/TLS/RTP/SAVPF", ice.as_str()) } else { ("RTP/AVP", "") };
        format!(
            "v=0\r\no=- {n}{side} 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n\
             m=audio {port} {profile} 0\r\na=rtpmap:0 PCMU/8000\r\n{ice}"
        )
    }

    fn sip(&self, from: usize, start: &str, cseq: &str, body: &str, out: &mut Second) {
        let n = self.number;
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let message = format!(
            "{start}\r\nVia: SIP/2.0/UDP 10.9.0.1;branch=z9hG4bK{n}{cseq}\r\nFrom: <sip:a{n}@there>;tag=1\r\n\
             To: <sip:b{n}@there>;tag=2\r\nCall-ID: call-{n}@there\r\nCSeq: {cseq}\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        out.udp(PROXIES[from], PROXIES[1 - from], message.as_bytes());
    }

    fn invite(&self, out: &mut Second) {
        let own = if self.kind == Kind::Relayed { self.relayed() } else { self.sides[0] };
        self.sip(0, "INVITE sip:b@there SIP/2.0", "1 INVITE", &self.description(0, own), out);
        self.sip(1, "SIP/2.0 200 OK", "1 INVITE", &self.description(1, self.sides[1]), out);
        self.sip(0, "ACK sip:b@there SIP/2.0", "1 ACK", "", out);
    }

    /// One in eight is never seen to end.
    fn bye(&self, out: &mut Second) {
        if !self.number.is_multiple_of(8) {
            self.sip(0, "BYE sip:b@there SIP/2.0", "2 BYE", "", out);
            self.sip(1, "SIP/2.0 200 OK", "2 BYE", "", out);
        }
    }

    fn whip(&self, out: &mut Second) {
        let client = At::new(*self.sides[0].ip(), self.sides[0].port() + 1);
        let (offer, answer) = (self.description(0, self.sides[0]), self.description(1, self.sides[1]));
        let n = self.number;
        let head = "Content-Type: application/sdp\r\nContent-Length:";
        let post = format!("POST /whip HTTP/1.1\r\nHost: web\r\n{head} {}\r\n\r\n{offer}", offer.len());
        let created =
            format!("HTTP/1.1 201 Created\r\nLocation: /resource/{n}\r\n{head} {}\r\n\r\n{answer}", answer.len());
        out.tcp(client, WEB, (100, 2), &[]);
        out.tcp(WEB, client, (500, 18), &[]);
        out.tcp(client, WEB, (101, 24), post.as_bytes());
        out.tcp(WEB, client, (501, 24), created.as_bytes());
    }

    fn id(&self, of: u8) -> TransactionId {
        let mut id = [of; 12];
        id[..8].copy_from_slice(&self.number.to_be_bytes());
        TransactionId::new(id)
    }

    fn stun(&self, class: Class, method: Method, id: u8, attributes: &[(AttributeType, Value<'_>)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let builder = Builder::new(&mut bytes, class, method, self.id(id));
        let builder = attributes.iter().fold(builder, |builder, (kind, value)| builder.attribute(*kind, value));
        builder.finish().expect("a short message");
        bytes
    }

    fn checks_and_hello(&self, out: &mut Second) {
        let n = self.number;
        for side in 0..2 {
            let name = format!("u{n}s{}:u{n}s{side}", 1 - side);
            let mut check = vec![
                (AttributeType::USERNAME, Value::Text(name.as_bytes())),
                (AttributeType::PRIORITY, Value::U32(0x6e7f_00ff)),
            ];
            if side == 0 {
                check.push((AttributeType::USE_CANDIDATE, Value::Flag));
            }
            let seen = [(AttributeType::XOR_MAPPED_ADDRESS, Value::Address(SocketAddr::V4(self.sides[side])))];
            let (own, other) = (self.sides[side], self.sides[1 - side]);
            out.udp(own, other, &self.stun(Class::Request, Method::BINDING, side as u8, &check));
            out.udp(other, own, &self.stun(Class::SuccessResponse, Method::BINDING, side as u8, &seen));
        }
        // A ClientHello of DTLS 1.2, by its bare bones: nobody answers.
        let mut hello = vec![0xfe, 0xfd];
        hello.extend([self.number as u8; 32]);
        hello.extend([0, 0, 0, 2, 0xc0, 0x2b, 1, 0]);
        let length = (hello.len() as u32).to_be_bytes();
        let mut record = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0];
        record.extend((12 + hello.len() as u16).to_be_bytes());
        record.extend([1, length[1], length[2], length[3], 0, 0, 0, 0, 0, length[1], length[2], length[3]]);
        record.extend(hello);
        out.udp(self.sides[0], self.sides[1], &record);
    }

    /// One allocation in four is never deleted.
    fn turn(&self, age: u64, out: &mut Second) {
        let (client, server) = (self.sides[0], At::new(RELAY, 3478));
        let mut ask = |method, id, asked: &[(AttributeType, Value<'_>)], granted: &[(AttributeType, Value<'_>)]| {
            out.udp(client, server, &self.stun(Class::Request, method, id, asked));
            out.udp(server, client, &self.stun(Class::SuccessResponse, method, id, granted));
        };
        let lifetime = |seconds| (AttributeType::LIFETIME, Value::U32(seconds));
        match age {
            0 => {
                let address = |at| Value::Address(SocketAddr::V4(at));
                let granted = [
                    (AttributeType::XOR_RELAYED_ADDRESS, address(self.relayed())),
                    (AttributeType::XOR_MAPPED_ADDRESS, address(client)),
                    lifetime(600),
                ];
                ask(Method::ALLOCATE, 1, &[(AttributeType::REQUESTED_TRANSPORT, Value::U8(17))], &granted);
                let bound = [
                    (AttributeType::CHANNEL_NUMBER, Value::U16(0x4000)),
                    (AttributeType::XOR_PEER_ADDRESS, address(self.sides[1])),
                ];
                ask(Method::CHANNEL_BIND, 2, &bound, &[]);
            }
            TAKES if !self.number.is_multiple_of(4) => ask(Method::REFRESH, 3, &[lifetime(0)], &[lifetime(0)]),
            _ => {}
        }
    }
}
