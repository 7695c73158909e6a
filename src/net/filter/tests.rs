use super::condition::{Comparison, Condition, Field, Test, Width};
use super::*;

const LINKS: [LinkType; 10] = [
    LinkType::ETHERNET,
    LinkType::LINUX_SLL,
    LinkType::LINUX_SLL2,
    LinkType::RAW,
    LinkType::RAW_BSD,
    LinkType::RAW_OPENBSD,
    LinkType::IPV4,
    LinkType::IPV6,
    LinkType::NULL,
    LinkType::LOOP,
];

const MACS: &str = "020000000002 020000000001";
/// 10.0.0.1:5000 to 192.168.1.2:53, four bytes.
const UDP4: &str = "4500002000010000401100000a000001c0a80102 13880035000c0000 01020304";
/// The same with an option of four bytes.
const UDP4_OPTION: &str = "4600002400010000401100000a000001c0a8010201010101 13880035000c0000 01020304";
/// Its second fragment, whose payload looks like ports 5000 and 53.
const UDP4_LATER: &str = "4500001c00010001401100000a000001c0a80102 1388003500000000";
/// 10.0.0.1:443 to 192.168.1.2:50000, SYN.
const TCP4: &str = "4500002800020000400600000a000001c0a80102 01bbc3500000000000000000500200000000 0000";
/// fd00::1 port 6000 to fd00::2 port 3478, UDP.
const UDP6: &str = "60000000000c1140 fd000000000000000000000000000001 fd000000000000000000000000000002
    17700d96000c0000 01020304";
/// The same behind a fragment header.
const UDP6_FRAGMENT: &str = "6000000000142c40 fd000000000000000000000000000001 fd000000000000000000000000000002
    1100000000000001 17700d96000c0000 01020304";
const ICMP6: &str = "6000000000083a40 fe800000000000000000000000000001 ff020000000000000000000000000001
    8500000000000000";
/// Who has 10.0.0.9? Tell 10.0.0.1.
const ARP: &str = "0001080006040001 020000000001 0a000001 000000000000 0a000009";

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks_exact(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

fn ethernet(ether_type: &str, payload: &str) -> Vec<u8> {
    hex(&format!("{MACS} {ether_type} {payload}"))
}

fn program(text: &str, link: LinkType) -> Program {
    Filter::parse(text).and_then(|filter| filter.compile(link)).unwrap_or_else(|error| panic!("{text}\n{error}"))
}

fn matches(text: &str, packet: &[u8]) -> bool {
    program(text, LinkType::ETHERNET).matches(packet, packet.len() as u32)
}

/// Which of the packets match, as one character each.
fn which(text: &str, packets: &[Vec<u8>]) -> String {
    packets.iter().map(|packet| if matches(text, packet) { '#' } else { '.' }).collect()
}

fn error(text: &str) -> FilterError {
    Filter::parse(text).expect_err(text)
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 16) as usize % bound
    }
}

#[test]
fn every_word_selects_its_packets() {
    let packets = [
        ethernet("0800", UDP4),
        ethernet("0800", UDP4_OPTION),
        ethernet("0800", UDP4_LATER),
        ethernet("0800", TCP4),
        ethernet("86dd", UDP6),
        ethernet("86dd", UDP6_FRAGMENT),
        ethernet("86dd", ICMP6),
        ethernet("0806", ARP),
    ];
    for (text, expected) in [
        ("", "########"),
        ("ip", "####...."),
        ("ip6", "....###."),
        ("arp", ".......#"),
        ("udp", "###.##.."),
        ("tcp", "...#...."),
        ("icmp6", "......#."),
        ("ip proto 17", "###....."),
        ("ip6 proto 44", ".....#.."),
        ("proto 17 or 6", "######.."),
        ("port 53", "##......"),
        ("tcp port 53", "........"),
        ("src port 53", "........"),
        ("dst port 53", "##......"),
        ("src or dst port 53", "##......"),
        ("src and dst port 53", "........"),
        ("udp port 3478", "....#..."),
        ("port 0x1388", "##......"),
        ("portrange 400-500", "...#...."),
        ("portrange 6000-5000", "##..#..."),
        ("src portrange 5000-6000", "##..#..."),
        ("portrange 53", "##......"),
        ("host 10.0.0.1", "####...#"),
        ("ip host 10.0.0.1", "####...."),
        ("arp host 10.0.0.9", ".......#"),
        ("src 10.0.0.1", "####...#"),
        ("dst host 192.168.1.2", "####...."),
        ("host fd00::2", "....##.."),
        ("ip6 src host fd00::2", "........"),
        ("net 192.168", "####...."),
        ("net 10", "####...#"),
        ("net 10/8", "####...#"),
        ("src and dst net 10", ".......#"),
        ("net 192.168.0.0/16", "####...."),
        ("dst net 192.168.1.0 mask 255.255.255.0", "####...."),
        ("net 0.0.0.0/0", "####...#"),
        ("net fd00::/8", "....##.."),
        ("net fe80::/10", "......#."),
        ("net ::/0", "....###."),
        ("not udp", "...#..##"),
        ("!udp && !arp", "...#..#."),
    ] {
        assert_eq!(which(text, &packets), expected, "{text}");
    }
}

#[test]
fn lengths_are_those_on_the_wire() {
    let packet = ethernet("0800", UDP4);
    for (text, wire_len, expected) in [
        ("greater 100", 100, true),
        ("greater 100", 99, false),
        ("less 100", 100, true),
        ("less 100", 101, false),
        ("not less 100", 101, true),
    ] {
        assert_eq!(program(text, LinkType::ETHERNET).matches(&packet, wire_len), expected, "{text} {wire_len}");
    }
}

#[test]
fn and_and_or_bind_alike_and_to_the_left() {
    let packets = [ethernet("0800", UDP4), ethernet("0800", TCP4), ethernet("86dd", UDP6)];
    assert_eq!(which("tcp or udp and ip6", &packets), "..#");
    assert_eq!(which("tcp or (udp and ip6)", &packets), ".##");
    assert_eq!(which("ip6 and tcp or udp", &packets), "#.#");
    assert_eq!(which("not tcp and ip", &packets), "#..");
    assert_eq!(which("not (tcp and ip)", &packets), "#.#");
    assert_eq!(which("!tcp&&ip||ip6", &packets), "#.#");
}

#[test]
fn a_value_alone_repeats_the_qualifiers_before_it() {
    let packets = [ethernet("0800", UDP4), ethernet("0800", TCP4), ethernet("86dd", UDP6)];
    assert_eq!(which("udp dst port 53 or 3478", &packets), "#.#");
    assert_eq!(which("port (53 or 443) and ip", &packets), "##.");
    assert_eq!(which("port not 53", &packets), ".##");
    assert_eq!(which("not port 53 or 5000", &packets), "###");
    assert_eq!(which("not port 53 and not 443", &packets), "..#");
    assert_eq!(which("dst host 10.0.0.1 or 192.168.1.2 or fd00::2", &packets), "###");
    assert_eq!(which("port 53 or tcp port 443", &packets), "##.");
    assert_eq!(which("port 1 or (2 or 443)", &packets), ".#.");
}

#[test]
fn a_vlan_word_moves_everything_after_it_in_the_text() {
    let tagged = |tags: &str| ethernet(tags, &format!("0800 {UDP4}"));
    let packets = [
        ethernet("0800", UDP4),
        tagged("8100 0005"),
        tagged("88a8 a007"),
        tagged("8100 0005 8100 0006"),
        ethernet("8100 0005 86dd", UDP6),
    ];
    for (text, expected) in [
        ("vlan", ".####"),
        ("vlan 5", ".#.##"),
        ("vlan 7", "..#.."),
        ("vlan and udp", ".##.#"),
        ("vlan and port 53", ".##.."),
        ("vlan 5 and vlan 6", "...#."),
        ("vlan and vlan and host 10.0.0.1", "...#."),
        ("udp", "#...."),
        ("udp or vlan and udp", ".##.#"),
        ("udp or (vlan and udp)", "###.#"),
        ("not vlan", "#...."),
        ("vlan or ip", ".####"),
    ] {
        assert_eq!(which(text, &packets), expected, "{text}");
    }
}

#[test]
fn every_link_type_finds_the_same_ip_packet() {
    let wrapped = |link, v6| {
        let payload = if v6 { UDP6 } else { UDP4 };
        let header = match (link, v6) {
            (LinkType::ETHERNET, false) => format!("{MACS} 0800"),
            (LinkType::ETHERNET, true) => format!("{MACS} 86dd"),
            (LinkType::LINUX_SLL, false) => "0000 0001 0006 0200000000010000 0800".into(),
            (LinkType::LINUX_SLL, true) => "0000 0304 0006 0200000000010000 86dd".into(),
            (LinkType::LINUX_SLL2, false) => "0800 0000 00000002 0001 00 06 0200000000010000".into(),
            (LinkType::LINUX_SLL2, true) => "86dd 0000 00000002 0001 00 06 0200000000010000".into(),
            (LinkType::NULL, false) => "02000000".into(),
            (LinkType::NULL, true) => "1e000000".into(),
            (LinkType::LOOP, false) => "00000002".into(),
            (LinkType::LOOP, true) => "00000018".into(),
            _ => String::new(),
        };
        hex(&format!("{header} {payload}"))
    };
    for link in LINKS {
        let (v4, v6) = (wrapped(link, false), wrapped(link, true));
        let selected = |text: &str| {
            let program = program(text, link);
            [program.matches(&v4, v4.len() as u32), program.matches(&v6, v6.len() as u32)]
        };
        // What is known to be IPv4 is not asked for its version, nor the other way round.
        let (four, six) = (link != LinkType::IPV6, link != LinkType::IPV4);
        if four {
            assert!(selected("udp dst port 53 and src host 10.0.0.1")[0], "{link}");
            assert!(selected("ip")[0], "{link}");
        }
        if six {
            assert!(selected("udp dst port 3478 and dst host fd00::2")[1], "{link}");
            assert!(selected("ip6")[1], "{link}");
        }
        if four && six {
            assert_eq!(selected("ip or arp"), [true, false], "{link}");
            assert_eq!(selected("ip6"), [false, true], "{link}");
        }
        assert_eq!(selected("arp"), [false, false], "{link}");
        assert_eq!(selected(""), [true, true], "{link}");
    }
}

#[test]
fn loopback_families_are_known_in_the_byte_order_of_any_writer() {
    for family in ["00000002", "02000000"] {
        assert!(program("ip and port 53", LinkType::NULL).matches(&hex(&format!("{family} {UDP4}")), 36), "{family}");
    }
    for family in ["0a000000", "18000000", "1c000000", "1e000000", "0000001e", "17000000"] {
        assert!(program("ip6", LinkType::NULL).matches(&hex(&format!("{family} {UDP6}")), 56), "{family}");
    }
    assert!(!program("ip", LinkType::LOOP).matches(&hex(&format!("02000000 {UDP4}")), 36));
}

#[test]
fn a_field_outside_the_captured_bytes_rejects_even_under_a_not() {
    let packet = ethernet("0800", UDP4);
    let program = program("not port 9", LinkType::ETHERNET);
    // The destination port ends at byte 38.
    for length in 0..=packet.len() {
        assert_eq!(program.matches(&packet[..length], packet.len() as u32), length >= 38, "{length}");
    }
}

#[test]
fn the_program_is_the_one_that_others_compile() {
    let code = |code, jt, jf, k| Instruction { code, jt, jf, k };
    let expected = [
        code(0x28, 0, 0, 12),
        code(0x15, 0, 6, 0x0800),
        code(0x20, 0, 0, 26),
        code(0x54, 0, 0, 0xff00_0000),
        code(0x15, 0, 3, 0x0a00_0000),
        code(0x28, 0, 0, 12),
        code(0x15, 0, 1, 0x0800),
        code(0x06, 0, 0, 262_144),
        code(0x06, 0, 0, 0),
    ];
    assert_eq!(program("ip src net 10.0.0.0/8 and ip", LinkType::ETHERNET).instructions(), expected);
    assert_eq!(program("", LinkType::RAW).instructions(), [code(0x06, 0, 0, 262_144)]);
    assert_eq!(program("arp", LinkType::RAW).instructions(), [code(0x06, 0, 0, 0)]);
    assert_eq!(program("port 53", LinkType::ETHERNET).instructions().len(), 25);
}

#[test]
fn jumps_further_than_their_eight_bits_arrive() {
    let ports: Vec<String> = (1..=200).map(|port| format!("{}", port * 2)).collect();
    let text = format!("udp dst port {}", ports.join(" or "));
    let program = program(&text, LinkType::ETHERNET);
    let inverse = self::program(&format!("not ({text})"), LinkType::ETHERNET);
    assert!(program.instructions().len() > 512);
    for port in 0..500_u16 {
        let mut packet = ethernet("0800", UDP4);
        packet[36..38].copy_from_slice(&port.to_be_bytes());
        let listed = port % 2 == 0 && (2..=400).contains(&port);
        assert_eq!(program.matches(&packet, 60), listed, "{port}");
        assert_eq!(inverse.matches(&packet, 60), !listed, "{port}");
    }
}

#[test]
fn a_filter_that_no_kernel_takes_is_an_error() {
    let hosts: Vec<String> = (0..900).map(|host| format!("10.0.{}.{}", host / 256, host % 256)).collect();
    let filter = Filter::parse(&format!("host {}", hosts.join(" or "))).unwrap();
    let error = filter.compile(LinkType::ETHERNET).unwrap_err();
    assert_eq!(error.message(), "the filter needs more than 4096 instructions");
    assert!(error.to_string().len() < 700);
}

#[test]
fn errors_underline_what_they_speak_of() {
    for (text, expected) in [
        (
            "udp port sip",
            "filter, column 10: expected a port from 0 to 65535, found `sip`; names are not resolved
    udp port sip
             ^^^",
        ),
        (
            "host example.org or port 5",
            "filter, column 6: expected an IPv4 or IPv6 address, found `example.org`; names are not resolved
    host example.org or port 5
         ^^^^^^^^^^^",
        ),
        (
            "udp and (port 5 or",
            "filter, column 19: expected a port from 0 to 65535, found the end
    udp and (port 5 or
                      ^",
        ),
        (
            "udp and (port 5",
            "filter, column 9: this parenthesis is never closed
    udp and (port 5
            ^",
        ),
    ] {
        assert_eq!(error(text).to_string(), expected);
    }
}

#[test]
fn errors_say_what_was_expected_and_where() {
    for (text, column, part) in [
        ("tcp 80", 5, "expected `and`, `or` or the end, found `80`; a port is written `port 80`"),
        ("10.0.0.1", 1, "found `10.0.0.1`; an address is written `host 10.0.0.1`"),
        ("tcp or 80", 8, "expected a word such as host"),
        ("(port 1) or 2", 13, "a port is written `port 2`"),
        ("foo", 1, "found `foo`"),
        ("ether host 1", 1, "`ether`, a word of pcap-filter(7) that is not understood here"),
        ("udp)", 4, "never opened"),
        ("()", 2, "found `)`"),
        ("port", 5, "found the end"),
        ("port 65536", 6, "a port from 0 to 65535"),
        ("port 80-90", 6, "portrange"),
        ("portrange 1-", 11, "a range of ports"),
        ("portrange a-b", 11, "names are not resolved"),
        ("host 256.1.1.1", 6, "an IPv4 or IPv6 address, found `256.1.1.1`"),
        ("host 1.2.3.4.5", 6, "an IPv4 or IPv6 address"),
        ("host fe80::1%eth0", 6, "an IPv4 or IPv6 address"),
        ("host 10.0.0.0/8", 14, "write `net`"),
        ("host tcp", 6, "found `tcp`"),
        ("host (1.1.1.1 or tcp)", 18, "found `tcp`"),
        ("net 10.0.0.1/8", 5, "bits outside the mask"),
        ("net 10.0.0.0/33", 14, "from 0 to 32"),
        ("net fd00::/129", 12, "from 0 to 128"),
        ("net fd00::1/64", 5, "bits outside the mask"),
        ("net 10.0.0.0 mask ffff", 19, "a mask such as"),
        ("net 0", 5, "a network such as"),
        ("ip6 host 10.0.0.1", 10, "an IPv6 address"),
        ("ip net fd00::/8", 8, "an IPv4 address"),
        ("udp host 10.0.0.1", 1, "`udp and host"),
        ("ip6 port 53", 1, "`ip6 and port"),
        ("tcp proto 5", 1, "only ip and ip6"),
        ("proto 256", 7, "from 0 to 255"),
        ("src proto 5", 1, "no source or destination"),
        ("vlan 4096", 6, "from 0 to 4095"),
        ("vlan udp", 6, "a VLAN identifier"),
        ("greater x", 9, "a length in bytes"),
        ("udp & tcp", 5, "`&&`"),
        ("udp | tcp", 5, "`||`"),
        ("udp[8] = 5", 4, "comparisons of bytes"),
        ("len != 5", 5, "comparisons of bytes"),
        ("host \u{1b}[31m", 6, "control character"),
        ("ünd port 5 #", 12, "`#` cannot be"),
        ("src or src port 5", 5, "expected an IPv4 or IPv6 address, found `or`"),
        ("not", 4, "found the end"),
    ] {
        let error = error(text);
        assert_eq!(error.column(), column, "{error}");
        assert!(error.message().contains(part), "{error}");
        assert!(!error.to_string().contains('\u{1b}'));
    }
}

#[test]
fn a_long_text_is_shown_around_the_error_only() {
    let error = error(&format!("{}port x or {}udp", "tcp or ".repeat(100), "udp or ".repeat(100)));
    let text = error.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(error.column(), 706);
    assert!(lines[1].chars().count() < 130);
    let column = lines[2].chars().position(|character| character == '^').unwrap();
    assert_eq!(lines[1].chars().nth(column), Some('x'));
}

#[test]
fn what_a_link_type_cannot_have_is_an_error() {
    let compile = |text: &str, link| Filter::parse(text).unwrap().compile(link).unwrap_err();
    let error = compile("udp or vlan 5 and ip", LinkType::LINUX_SLL);
    assert_eq!((error.column(), error.message()), (8, "link type LINUX_SLL has no VLAN tags"));
    let error = compile("udp", LinkType::IEEE802_11);
    assert!(error.message().starts_with("link type IEEE802_11 cannot be filtered"), "{error}");
    assert!(Filter::parse("").unwrap().compile(LinkType(147)).is_err());
}

#[test]
fn depth_and_size_are_bounded() {
    let deep = |depth: usize| Filter::parse(&format!("{}udp{}", "(".repeat(depth), ")".repeat(depth)));
    assert!(deep(64).is_ok());
    assert!(deep(65).unwrap_err().message().contains("64 deep"));
    assert!(Filter::parse(&format!("{}udp", "!".repeat(60_000))).is_err());
    assert!(Filter::parse(&"(".repeat(60_000)).is_err());
    assert!(Filter::parse(&"udp ".repeat(20_000)).unwrap_err().message().contains("longer than"));
    // The deepest tree that there is.
    let zigzag = format!("{}udp", "udp or tcp and ".repeat(499));
    assert!(Filter::parse(&zigzag).unwrap().compile(LinkType::ETHERNET).is_err());
    let arps = format!("{}arp", "arp or ip and ".repeat(499));
    assert!(Filter::parse(&arps).unwrap().compile(LinkType::ETHERNET).is_ok());
    assert!(error(&format!("{}udp", "udp or ".repeat(1000))).message().contains("more than 1000"));
}

/// What the kernel checks before it takes a program, as far as ours can offend.
fn assert_is_valid(program: &Program) {
    let instructions = program.instructions();
    assert!((1..=4096).contains(&instructions.len()));
    assert_eq!(instructions.last().unwrap().code, 0x06);
    for (index, instruction) in instructions.iter().enumerate() {
        let left = instructions.len() - index - 1;
        match instruction.code {
            0x05 => assert!((instruction.k as usize) < left),
            0x15 | 0x25 | 0x35 | 0x45 => assert!(usize::from(instruction.jt.max(instruction.jf)) < left),
            0x06 | 0x20 | 0x28 | 0x30 | 0x48 | 0x54 | 0x80 | 0xb1 => {}
            code => panic!("{code:#x}"),
        }
    }
}

#[test]
fn no_text_panics_and_what_is_understood_makes_a_valid_program() {
    const WORDS: &[&str] = &[
        "host",
        "net",
        "port",
        "portrange",
        "src",
        "dst",
        "udp",
        "tcp",
        "ip",
        "ip6",
        "icmp",
        "icmp6",
        "arp",
        "vlan",
        "and",
        "or",
        "not",
        "(",
        ")",
        "!",
        "&&",
        "||",
        "/",
        "mask",
        "greater",
        "less",
        "proto",
        "1",
        "53",
        "10.0.0.1",
        "10",
        "fd00::1",
        "::",
        "1-2",
        "255.0.0.0",
        "8",
        "x",
        "é",
        "\0",
        "[",
        "-",
        "0x",
        "09",
    ];
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut understood = 0;
    for _ in 0..30_000 {
        let mut text = String::new();
        for _ in 0..random.below(12) {
            text.push_str(WORDS[random.below(WORDS.len())]);
            text.push_str(if random.below(4) == 0 { "" } else { " " });
        }
        match Filter::parse(&text) {
            Ok(filter) => {
                understood += 1;
                for link in LINKS {
                    if let Ok(program) = filter.compile(link) {
                        assert_is_valid(&program);
                        program.matches(&ethernet("0800", UDP4), 60);
                    }
                }
            }
            Err(error) => assert!(error.to_string().starts_with("filter, column ")),
        }
        let bytes: Vec<u8> = (0..random.below(20)).map(|_| random.next() as u8).collect();
        let _ = Filter::parse(&String::from_utf8_lossy(&bytes)).map_err(|error| error.to_string());
    }
    assert!(understood > 500);
}

/// `None` where a field is outside the packet.
fn evaluate(condition: &Condition, packet: &[u8], wire_len: u32) -> Option<bool> {
    match condition {
        Condition::Constant(value) => Some(*value),
        Condition::Not(inner) => evaluate(inner, packet, wire_len).map(|value| !value),
        Condition::All(list) => {
            for inner in list {
                if !evaluate(inner, packet, wire_len)? {
                    return Some(false);
                }
            }
            Some(true)
        }
        Condition::Any(list) => {
            for inner in list {
                if evaluate(inner, packet, wire_len)? {
                    return Some(true);
                }
            }
            Some(false)
        }
        Condition::Test(Test { field, mask, comparison, value }) => {
            let (offset, width) = match field {
                Field::WireLength => (0, 0),
                Field::Absolute { width, offset } => (*offset as usize, *width as usize),
                Field::BehindIpv4 { ip, offset } => {
                    let words = usize::from(packet.get(*ip as usize)? & 15);
                    ((ip + offset) as usize + 4 * words, Width::Half as usize)
                }
            };
            let bytes = packet.get(offset..offset + (1 << width));
            let number = bytes.map(|bytes| bytes.iter().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte)));
            let a = if *field == Field::WireLength { wire_len } else { number? } & mask;
            Some(match comparison {
                Comparison::Equal => a == *value,
                Comparison::AtLeast => a >= *value,
                Comparison::Above => a > *value,
                Comparison::AnyBit => a & value != 0,
            })
        }
    }
}

fn random_condition(random: &mut Random, depth: usize) -> Condition {
    let list = |random: &mut Random| {
        let length = 2 + random.below(if depth > 3 { 60 } else { 3 });
        (0..length).map(|_| random_condition(random, depth - 1)).collect()
    };
    match random.below(4) {
        0 if depth > 0 => Condition::All(list(random)),
        1 if depth > 0 => Condition::Any(list(random)),
        2 if depth > 0 => Condition::Not(Box::new(random_condition(random, depth - 1))),
        _ => {
            let field = match random.below(8) {
                0 => Field::WireLength,
                1 | 2 => Field::BehindIpv4 { ip: random.below(3) as u32, offset: random.below(4) as u32 },
                3 => Field::Absolute { width: Width::Word, offset: random.below(6) as u32 },
                4 => Field::Absolute { width: Width::Half, offset: random.below(6) as u32 },
                _ => Field::Absolute { width: Width::Byte, offset: random.below(6) as u32 },
            };
            let comparison = [Comparison::Equal, Comparison::AtLeast, Comparison::Above, Comparison::AnyBit];
            let mask = [u32::MAX, 3, 1][random.below(3)];
            let value = random.below(4) as u32;
            Condition::Test(Test { field, mask, comparison: comparison[random.below(4)], value })
        }
    }
}

#[test]
fn a_program_decides_as_its_conditions_do() {
    let mut random = Random(0x0123_4567_89ab_cdef);
    let mut decided = [0; 2];
    let mut far = 0;
    for _ in 0..400 {
        let condition = random_condition(&mut random, 6);
        let Some(instructions) = emit::instructions(&condition) else { continue };
        far += instructions.iter().filter(|instruction| instruction.code == 0x05).count();
        let program = Program::from_instructions(instructions);
        assert_is_valid(&program);
        for _ in 0..40 {
            let packet: Vec<u8> = (0..4 + random.below(24)).map(|_| random.next() as u8 & 3).collect();
            let expected = evaluate(&condition, &packet, 2).unwrap_or(false);
            assert_eq!(program.matches(&packet, 2), expected);
            decided[usize::from(expected)] += 1;
        }
    }
    assert!(decided[0] > 500 && decided[1] > 500 && far > 50, "{decided:?} {far}");
}

#[test]
fn every_instruction_of_the_machine_does_what_it_says() {
    let run = |code, k| {
        // X = 3 and A = 40 before it; accepts where A is the expected after it.
        let instruction = |code, k| Instruction { code, jt: 0, jf: 0, k };
        move |expected: u32| {
            let program = Program::from_instructions(vec![
                instruction(0x01, 3),
                instruction(0x00, 40),
                instruction(code, k),
                Instruction { code: 0x15, jt: 0, jf: 1, k: expected },
                instruction(0x06, 1),
                instruction(0x06, 0),
            ]);
            program.matches(&[0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde], 99)
        }
    };
    for (code, k, expected) in [
        (0x04, 2, 42),
        (0x0c, 0, 43),
        (0x14, 41, u32::MAX),
        (0x1c, 0, 37),
        (0x24, 2, 80),
        (0x34, 7, 5),
        (0x3c, 0, 13),
        (0x44, 1, 41),
        (0x54, 0x28, 40),
        (0x64, 1, 80),
        (0x64, 32, 0),
        (0x74, 3, 5),
        (0x74, 99, 0),
        (0x84, 0, 40_u32.wrapping_neg()),
        (0x94, 7, 5),
        (0xa4, 1, 41),
        (0x20, 1, 0x3456_789a),
        (0x28, 2, 0x5678),
        (0x30, 6, 0xde),
        (0x40, 0, 0x789a_bcde),
        (0x48, 0, 0x789a),
        (0x50, 1, 0x9a),
        (0x80, 0, 99),
        (0x60, 5, 0),
        (0x87, 0, 3),
        (0x02, 5, 40),
    ] {
        assert!(run(code, k)(expected), "{code:#x}");
        assert!(!run(code, k)(expected ^ 1), "{code:#x}");
    }
    for (code, k) in [(0x34, 0), (0x94, 0), (0x20, 4), (0x28, 6), (0x30, 7), (0x40, u32::MAX), (0x60, 16), (0x02, 16)] {
        assert!(!(0..100).any(|expected| run(code, k)(expected)), "{code:#x} {k}");
    }
}

#[test]
fn any_program_ends_on_any_packet() {
    let mut random = Random(42);
    let mut accepted = 0;
    for _ in 0..20_000 {
        let length = random.below(40);
        let instructions = (0..length)
            .map(|_| {
                let bits = random.next();
                let k = if bits & 1 == 0 { (bits >> 32) as u32 } else { (bits >> 32) as u32 % 20 };
                Instruction {
                    code: (bits >> 8) as u16 & 0xff,
                    jt: (bits >> 24) as u8 % 9,
                    jf: (bits >> 28) as u8 % 9,
                    k,
                }
            })
            .collect();
        let packet: Vec<u8> = (0..random.below(64)).map(|_| random.next() as u8).collect();
        accepted += usize::from(Program::from_instructions(instructions).matches(&packet, random.next() as u32));
    }
    assert!(accepted > 0);
    assert!(!Program::from_instructions(Vec::new()).matches(&[], 0));
}
