//! Captures that ask for memory and time: floods of everything that a table is kept for, and things inside things.
//!
//! In: nothing. Out: packets, the same each time. Never: random bytes; those are the mutations' part.

use support::Record;

/// What it is, and who makes it.
type Flood = (&'static str, fn() -> Vec<Record>);

/// All of them.
pub(crate) const FLOODS: &[Flood] = &[
    ("65,535 fragments that never make a datagram", fragments),
    ("100,000 five-tuples", five_tuples),
    ("100,000 SSRCs on one flow", ssrcs),
    ("50,000 channels", channels),
    ("tunnels in tunnels in tunnels", tunnels),
    ("2,000 connections with holes", holes),
    ("100,000 connections", connections),
    ("a head of one byte per segment", slow_head),
    ("descriptions of 60 KB", descriptions),
    ("a description of 1 MB over TCP", large_description),
    ("descriptions of 64 candidates in the first of many bundled sections", bundles),
    ("100,000 calls", calls),
    ("600,000 report blocks", report_blocks),
    ("200,000 transactions", transactions),
    ("handshakes that begin and begin", handshakes),
    ("indications in indications", indications),
];

const SOURCE: u32 = 0x0a00_0001;
const TARGET: u32 = 0x0a00_0002;

/// Frames become records a tenth of a millisecond apart.
fn records(frames: impl IntoIterator<Item = Vec<u8>>) -> Vec<Record> {
    let start = 1_700_000_000_000_000_000;
    let timed = frames.into_iter().enumerate();
    timed.map(|(at, frame)| Record { nanos: start + at as u64 * 100_000, frame }).collect()
}

fn joined(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

fn ethernet(ether_type: u16, payload: &[u8]) -> Vec<u8> {
    joined(&[&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2], &ether_type.to_be_bytes(), payload])
}

fn ipv4(protocol: u8, source: u32, id: u16, offset_and_flags: u16, payload: &[u8]) -> Vec<u8> {
    let mut header = vec![0x45, 0];
    header.extend((20 + payload.len() as u16).to_be_bytes());
    header.extend(id.to_be_bytes());
    header.extend(offset_and_flags.to_be_bytes());
    header.extend([64, protocol, 0, 0]);
    header.extend(source.to_be_bytes());
    header.extend(TARGET.to_be_bytes());
    joined(&[&header, payload])
}

fn udp(source_port: u16, target_port: u16, payload: &[u8]) -> Vec<u8> {
    let length = 8 + payload.len() as u16;
    joined(&[&source_port.to_be_bytes(), &target_port.to_be_bytes(), &length.to_be_bytes(), &[0, 0], payload])
}

fn datagram(source: u32, source_port: u16, target_port: u16, payload: &[u8]) -> Vec<u8> {
    ethernet(0x0800, &ipv4(17, source, 0, 0, &udp(source_port, target_port, payload)))
}

const SYN: u8 = 0x02;
const ACK: u8 = 0x10;

fn segment(source: u32, source_port: u16, seq: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut header = Vec::new();
    header.extend(source_port.to_be_bytes());
    header.extend(5060_u16.to_be_bytes());
    header.extend(seq.to_be_bytes());
    header.extend([0, 0, 0, 1, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    ethernet(0x0800, &ipv4(6, source, 0, 0, &joined(&[&header, payload])))
}

fn stun(kind: u16, id: u32, attributes: &[u8]) -> Vec<u8> {
    let length = attributes.len() as u16;
    let head = [&kind.to_be_bytes()[..], &length.to_be_bytes(), &[0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0]];
    joined(&[&head.concat(), &id.to_be_bytes(), attributes])
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = joined(&[&kind.to_be_bytes(), &(value.len() as u16).to_be_bytes(), value]);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn rtp(ssrc: u32, seq: u16) -> Vec<u8> {
    let head = [&[0x80, 0][..], &seq.to_be_bytes(), &(u32::from(seq) * 160).to_be_bytes(), &ssrc.to_be_bytes()];
    joined(&[&head.concat(), &[0; 20]])
}

/// Eight bytes each, all datagrams without their first fragment.
fn fragments() -> Vec<Record> {
    let fragment = |n: u32| ipv4(17, SOURCE, (n / 8190) as u16, 0x2000 | (n % 8190 + 1) as u16, &[0; 8]);
    records((0..65_535).map(|n| ethernet(0x0800, &fragment(n))))
}

fn five_tuples() -> Vec<Record> {
    records((0..100_000).map(|n| datagram(SOURCE + n / 50_000, (n % 50_000) as u16, 3478, &stun(1, n, &[]))))
}

fn ssrcs() -> Vec<Record> {
    records((0..200_000).map(|n| datagram(SOURCE, 5004, 5006, &rtp(n / 2, n as u16))))
}

fn channels() -> Vec<Record> {
    let bind = |n: u32| {
        let peer = [0, 1, (n >> 8) as u8, n as u8, 0x21, 0x12, (n >> 4) as u8, 0x42];
        let number = ((0x4000 + n) as u16).to_be_bytes();
        let attributes = [attribute(0x000c, &[number[0], number[1], 0, 0]), attribute(0x0012, &peer)].concat();
        datagram(SOURCE, 5000, 3478, &stun(0x0009, n, &attributes))
    };
    let data = |n: u32| {
        let number = (0x4000 + n as u16 % 4096).to_be_bytes();
        datagram(SOURCE, 5000, 3478, &joined(&[&number, &32_u16.to_be_bytes(), &rtp(n, 1)]))
    };
    records((0..50_000).flat_map(|n| [bind(n), data(n)]))
}

fn tunnels() -> Vec<Record> {
    let mut gre = ipv4(17, SOURCE, 0, 0, &udp(1, 2, &rtp(1, 1)));
    let mut vxlan = ethernet(0x0800, &gre);
    for depth in 0..400_u32 {
        gre = ipv4(47, SOURCE, 0, 0, &joined(&[&[0x20, 0, 8, 0], &depth.to_be_bytes(), &gre]));
        let vni = joined(&[&[8, 0, 0, 0, 0, 0, depth as u8, 0], &vxlan]);
        vxlan = ethernet(0x0800, &ipv4(17, SOURCE, 0, 0, &udp(9, 4789, &vni)));
    }
    let many = (0..20_000_u32).map(|key| {
        let inner = ipv4(17, SOURCE, 0, 0, &udp(1, 2, &rtp(1, key as u16)));
        ethernet(0x0800, &ipv4(47, SOURCE, 0, 0, &joined(&[&[0x20, 0, 8, 0], &key.to_be_bytes(), &inner])))
    });
    records([ethernet(0x0800, &gre), vxlan].into_iter().chain(many))
}

fn holes() -> Vec<Record> {
    let connection = |n: u32| {
        let (source, port) = (SOURCE + n / 500, 1024 + (n % 500) as u16);
        let open = segment(source, port, 0, SYN, &[]);
        let large = segment(source, port, 2_000_000, ACK, &[b'x'; 30_000]);
        let small = (1..100).map(move |piece| segment(source, port, piece * 100, ACK, b"y"));
        [open, large].into_iter().chain(small)
    };
    records((0..2000).flat_map(connection))
}

fn connections() -> Vec<Record> {
    records((0..100_000).map(|n| segment(SOURCE + n / 50_000, (n % 50_000) as u16, 7, ACK, b"INVITE sip:a SIP")))
}

fn slow_head() -> Vec<Record> {
    let text = b"INVITE sip:a SIP/2.0\r\n".iter().chain(b"A: b\r\n".iter().cycle()).take(100_000);
    let bytes = text.enumerate().map(|(at, byte)| segment(SOURCE, 5060, 1 + at as u32, ACK, &[*byte]));
    records([segment(SOURCE, 5060, 0, SYN, &[])].into_iter().chain(bytes))
}

fn description(lines: usize) -> String {
    let mut text =
        "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\na=group:BUNDLE 1\r\n".to_owned();
    for n in 0..lines {
        text.push_str("m=audio 9 RTP/AVP 0 1 2\r\na=mid:1\r\n");
        text.push_str(&format!("a=candidate:1 1 udp 1 10.0.{}.{} {} typ host\r\n", n / 250, n % 250, n + 1));
        text.push_str(&format!("a=ssrc:{n} cname:x\r\n"));
    }
    text
}

fn invite(call: u32, body: &str) -> Vec<u8> {
    let head = format!(
        "INVITE sip:b@10.0.0.2 SIP/2.0\r\nCall-ID: {call}\r\nCSeq: 1 INVITE\r\nFrom: <sip:a@a>\r\nTo: <sip:b@b>\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    head.into_bytes()
}

fn descriptions() -> Vec<Record> {
    let body = description(500);
    let of = |n: u32| format!("{body}a=x:{n}\r\n");
    records((0..100).map(|n| datagram(SOURCE, 5060, 5060, &invite(n, &of(n)))))
}

/// 54 KB each: the candidates of the first section are those of all.
fn bundle(call: u32) -> String {
    let mids: String = (0..200).map(|n| format!(" {n}")).collect();
    let mut text = format!("v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE{mids}\r\n");
    for section in 0..200 {
        text.push_str(&format!("m=audio 9 RTP/SAVPF 96\r\na=mid:{section}\r\na=rtpmap:96 opus/48000/2\r\n"));
        let candidates = if section == 0 { 0..64 } else { 0..0 };
        for n in candidates {
            let address = format!("10.{}.{}.{n}", call >> 8 & 0xff, call & 0xff);
            text.push_str(&format!("a=candidate:1 1 udp 1 {address} 4000 typ host\r\n"));
        }
        for source in 0..9 {
            text.push_str(&format!("a=ssrc:{} cname:x\r\n", section * 16 + source));
        }
    }
    text
}

fn bundles() -> Vec<Record> {
    records((0..100).map(|n| datagram(SOURCE, 5060, 5060, &invite(n, &bundle(n)))))
}

fn large_description() -> Vec<Record> {
    let message = invite(1, &description(9000));
    let pieces = message.chunks(1400).enumerate();
    let sent = pieces.map(|(at, piece)| segment(SOURCE, 5060, 1 + at as u32 * 1400, ACK, piece));
    records([segment(SOURCE, 5060, 0, SYN, &[])].into_iter().chain(sent))
}

fn calls() -> Vec<Record> {
    let body = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
    records((0..100_000).map(|n| datagram(SOURCE, 5060, 5060, &invite(n, body))))
}

fn report_blocks() -> Vec<Record> {
    let report = |n: u32| {
        let length: u16 = 1 + 31 * 6;
        let blocks: Vec<u8> = (0..31_u32)
            .flat_map(|block| [block.to_be_bytes(), [1; 4], [2; 4], [3; 4], [4; 4], [5; 4]].concat())
            .collect();
        joined(&[&[0x9f, 201], &length.to_be_bytes(), &n.to_be_bytes(), &blocks])
    };
    records((0..20_000).map(|n| datagram(SOURCE, 5005 + (n % 4) as u16, 5007, &report(n))))
}

fn transactions() -> Vec<Record> {
    let check = |n: u32| stun(1, n, &attribute(0x0006, b"abcd:efgh"));
    records((0..200_000).map(|n| datagram(SOURCE, 5000 + (n % 20) as u16, 3478, &check(n))))
}

fn handshakes() -> Vec<Record> {
    let hello = |n: u32| {
        let random = [n.to_be_bytes(); 8].concat();
        let body = joined(&[&[0xfe, 0xfd], &random, &[0, 0, 0, 2, 0xc0, 0x2b, 1, 0]]);
        let length = (body.len() as u32).to_be_bytes();
        let message = joined(&[&[1], &length[1..], &[0, 0, 0, 0, 0], &length[1..], &body]);
        let record = [&[22, 0xfe, 0xfd, 0, 0, 0, 0][..], &n.to_be_bytes(), &(message.len() as u16).to_be_bytes()];
        datagram(SOURCE, 5000 + (n % 500) as u16, 6000, &joined(&[&record.concat(), &message]))
    };
    records((0..50_000).map(hello))
}

fn indications() -> Vec<Record> {
    let mut inner = rtp(1, 1);
    for depth in 0..300 {
        let peer = attribute(0x0012, &[0, 1, 0, depth as u8, 1, 2, 3, 4]);
        inner = stun(0x0016, depth, &[peer, attribute(0x0013, &inner)].concat());
    }
    records((0..1000).map(|n| datagram(SOURCE, n, 3478, &inner)))
}
