//! Whole messages: the vectors of RFC 5769 and RFC 8489, messages cut, broken and built, and streams of them.

use super::*;
use crate::bytes::ParseError;
use crate::proto::channel_data::{self, ChannelNumber};
use stun_types::message as oracle;

/// Bytes from hexadecimal digits; white space does not count.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

/// RFC 5769, section 2.1.
const SAMPLE_REQUEST: &str = "
    000100582112a442b7e7a701bc34d686fa87dfae
    802200105354554e207465737420636c69656e74
    002400046e0001ff80290008932ff9b151263b36
    000600096576746a3a68367659202020
    000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf";

/// RFC 5769, section 2.2.
const SAMPLE_IPV4_RESPONSE: &str = "
    0101003c2112a442b7e7a701bc34d686fa87dfae
    8022000b7465737420766563746f7220002000080001a147e112a643
    000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96";

/// RFC 5769, section 2.3.
const SAMPLE_IPV6_RESPONSE: &str = "
    010100482112a442b7e7a701bc34d686fa87dfae
    8022000b7465737420766563746f7220
    002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9
    00080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c";

/// RFC 5769, section 2.4.
const SAMPLE_LONG_TERM_REQUEST: &str = "
    000100602112a44278ad3433c6ad72c029da412e
    00060012e3839ee38388e383aae38383e382afe382b90000
    0015001c662f2f3439396b393534643 64f4c33346f4c394653547679363473 41
    0014000b6578616d706c652e6f726700
    00080014f67024656dd64a3e02b8e0712e85c9a28ca89666";

/// RFC 8489, appendix B.1, with the hash of erratum 6268.
const SAMPLE_SHA256_REQUEST: &str = "
    000100902112a44278ad3433c6ad72c029da412e
    001e00204a3cf38fef6992bda952c6780417da0f24819415569e60b205c46e41407f1704
    001500296f62 4d61744a6f733241414143662f2f3439396b39353464364f4c33346f4c394653547679363473 41000000
    0014000b6578616d706c652e6f726700 001d000400020000
    001c0020b5c7bf005b6c52a21c51c5e892f81924136296cb927c43149309278cc6518e65";

const ICE_PASSWORD: &[u8] = b"VOkJxbRl1RmTxUk/WvJxBt";
const MATRIX: &str = "マトリックス";

fn ids() -> TransactionId {
    TransactionId::new([0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae])
}

/// The bytes of an Allocate request with most kinds of values.
fn allocate(key: &Key) -> Vec<u8> {
    let mut out = Vec::new();
    Builder::new(&mut out, Class::Request, Method::ALLOCATE, ids())
        .attribute(AttributeType::REQUESTED_TRANSPORT, &Value::U8(17))
        .attribute(AttributeType::LIFETIME, &Value::U32(600))
        .attribute(AttributeType::DONT_FRAGMENT, &Value::Flag)
        .attribute(AttributeType::EVEN_PORT, &Value::EvenPort(true))
        .attribute(AttributeType::USERNAME, &Value::Text(b"user"))
        .attribute(AttributeType::REALM, &Value::Text(b"example.org"))
        .attribute(AttributeType::NONCE, &Value::Text(b"n0nce"))
        .attribute(AttributeType::XOR_PEER_ADDRESS, &Value::Address("192.0.2.7:4000".parse().unwrap()))
        .integrity(key)
        .integrity_sha256(key)
        .fingerprint()
        .finish()
        .unwrap();
    out
}

mod vectors {
    use super::*;

    #[test]
    fn the_sample_request_of_rfc_5769_is_read_and_verified() {
        let bytes = hex(SAMPLE_REQUEST);
        let message = Message::parse(&bytes).unwrap();
        assert_eq!((message.class(), message.method()), (Class::Request, Method::BINDING));
        assert_eq!(message.transaction_id(), ids());
        assert_eq!(message.transaction_id().to_string(), "b7e7a701bc34d686fa87dfae");
        assert_eq!(message.attribute_bytes(AttributeType::SOFTWARE), Some(&b"STUN test client"[..]));
        assert_eq!(message.value(AttributeType::PRIORITY), Some(Value::U32(0x6e00_01ff)));
        assert_eq!(message.value(AttributeType::ICE_CONTROLLED), Some(Value::U64(0x932f_f9b1_5126_3b36)));
        assert_eq!(message.value(AttributeType::USERNAME), Some(Value::Text(b"evtj:h6vY")));
        assert_eq!(message.integrity(&Key::short_term(ICE_PASSWORD)), Check::Right);
        assert_eq!(message.integrity(&Key::short_term(b"another")), Check::Wrong);
        assert_eq!(message.integrity_sha256(&Key::short_term(ICE_PASSWORD)), Check::Absent);
        assert_eq!(message.fingerprint(), Check::Right);
        assert_eq!(message.error(), None);
    }

    #[test]
    fn the_sample_responses_of_rfc_5769_tell_the_mapped_address() {
        for (text, mapped) in [
            (SAMPLE_IPV4_RESPONSE, "192.0.2.1:32853"),
            (SAMPLE_IPV6_RESPONSE, "[2001:db8:1234:5678:11:2233:4455:6677]:32853"),
        ] {
            let bytes = hex(text);
            let message = Message::parse(&bytes).unwrap();
            assert_eq!(message.class(), Class::SuccessResponse);
            assert_eq!(message.attribute_bytes(AttributeType::SOFTWARE), Some(&b"test vector"[..]));
            assert_eq!(message.address(AttributeType::XOR_MAPPED_ADDRESS), Some(mapped.parse().unwrap()));
            assert_eq!(message.integrity(&Key::short_term(ICE_PASSWORD)), Check::Right);
            assert_eq!(message.fingerprint(), Check::Right);
            assert_eq!(message.error(), None);
        }
    }

    #[test]
    fn the_long_term_request_of_rfc_5769_is_verified_with_the_md5_key() {
        let bytes = hex(SAMPLE_LONG_TERM_REQUEST);
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.attribute_bytes(AttributeType::USERNAME), Some(MATRIX.as_bytes()));
        let realm = message.attribute_bytes(AttributeType::REALM).unwrap();
        let key = Key::long_term_md5(MATRIX.as_bytes(), realm, b"TheMatrIX");
        assert_eq!(message.integrity(&key), Check::Right);
        assert_eq!(message.integrity(&Key::long_term_sha256(MATRIX.as_bytes(), realm, b"TheMatrIX")), Check::Wrong);
        assert_eq!(message.fingerprint(), Check::Absent);
        assert_eq!(message.error(), None);
    }

    #[test]
    fn the_request_of_rfc_8489_is_verified_with_the_sha_256_key_and_built_alike() {
        let bytes = hex(SAMPLE_SHA256_REQUEST);
        let message = Message::parse(&bytes).unwrap();
        let userhash = Key::userhash(MATRIX.as_bytes(), b"example.org");
        assert_eq!(message.attribute_bytes(AttributeType::USERHASH), Some(&userhash[..]));
        let algorithm = message.value(AttributeType::PASSWORD_ALGORITHM);
        assert_eq!(algorithm, Some(Value::PasswordAlgorithm(PasswordAlgorithm::SHA256)));
        let key = Key::long_term_sha256(MATRIX.as_bytes(), b"example.org", b"TheMatrIX");
        assert_eq!(message.integrity_sha256(&key), Check::Right);
        assert_eq!(message.integrity(&key), Check::Absent);

        let mut built = Vec::new();
        let len = Builder::new(&mut built, Class::Request, Method::BINDING, message.transaction_id())
            .attribute(AttributeType::USERHASH, &Value::Bytes(&userhash))
            .attribute(AttributeType::NONCE, &message.value(AttributeType::NONCE).unwrap())
            .attribute(AttributeType::REALM, &Value::Text(b"example.org"))
            .attribute(AttributeType::PASSWORD_ALGORITHM, &Value::PasswordAlgorithm(PasswordAlgorithm::SHA256))
            .integrity_sha256(&key)
            .finish();
        assert_eq!((len, built), (Ok(bytes.len()), bytes));
    }

    #[test]
    fn a_bit_turned_anywhere_shows_in_the_fingerprint_or_in_the_integrity() {
        let bytes = hex(SAMPLE_REQUEST);
        let key = Key::short_term(ICE_PASSWORD);
        for bit in 0..bytes.len() * 8 {
            let mut turned = bytes.clone();
            turned[bit / 8] ^= 0x80 >> (bit % 8);
            if let Ok(message) = Message::parse(&turned) {
                assert_ne!(message.fingerprint(), Check::Right, "bit {bit}");
                // The hash is taken with the length that ends at the hash, whatever the header says.
                let covered = !(2..4).contains(&(bit / 8)) && bit / 8 < bytes.len() - 32;
                if covered {
                    assert_ne!(message.integrity(&key), Check::Right, "bit {bit}");
                }
            }
        }
    }
}

mod building {
    use super::*;

    #[test]
    fn an_independent_codec_accepts_what_is_built_and_verifies_it() {
        let key = Key::long_term_md5(b"user", b"example.org", b"secret");
        let bytes = allocate(&key);
        let theirs = oracle::Message::from_bytes(&bytes).unwrap();
        assert_eq!(theirs.method().value(), Method::ALLOCATE.number());
        let credentials = oracle::LongTermKeyCredentials::new("user".into(), "secret".into(), "example.org".into());

        let mut sha1_only = Vec::new();
        Builder::new(&mut sha1_only, Class::Request, Method::REFRESH, ids()).integrity(&key).finish().unwrap();
        let mut sha256_only = Vec::new();
        let key = Key::long_term_sha256(b"user", b"example.org", b"secret");
        Builder::new(&mut sha256_only, Class::Request, Method::REFRESH, ids()).integrity_sha256(&key).finish().unwrap();
        for bytes in [sha1_only, sha256_only] {
            let message = oracle::Message::from_bytes(&bytes).unwrap();
            assert!(message.validate_integrity(&credentials.clone().into()).is_ok());
        }
    }

    #[test]
    fn an_independent_codec_sees_the_same_attributes_at_the_same_places() {
        let bytes = allocate(&Key::short_term(b"secret"));
        let theirs = oracle::Message::from_bytes(&bytes).unwrap();
        let theirs: Vec<(usize, u16, Vec<u8>)> = theirs
            .iter_attributes()
            .map(|(offset, raw)| (offset, raw.header.get_type().value(), raw.value.to_vec()))
            .collect();
        let ours: Vec<(usize, u16, Vec<u8>)> = Message::parse(&bytes)
            .unwrap()
            .attributes()
            .map(|attribute| (attribute.offset, attribute.kind.0, attribute.bytes.to_vec()))
            .collect();
        assert_eq!(ours, theirs);
        assert_eq!(ours.len(), 11);
    }

    #[test]
    fn what_is_built_is_read_back() {
        let key = Key::long_term_md5(b"user", b"example.org", b"secret");
        let bytes = allocate(&key);
        let message = Message::parse(&bytes).unwrap();
        assert_eq!((message.class(), message.method()), (Class::Request, Method::ALLOCATE));
        assert_eq!(message.value(AttributeType::LIFETIME), Some(Value::U32(600)));
        assert_eq!(message.value(AttributeType::EVEN_PORT), Some(Value::EvenPort(true)));
        assert_eq!(message.value(AttributeType::DONT_FRAGMENT), Some(Value::Flag));
        assert_eq!(message.address(AttributeType::XOR_PEER_ADDRESS), Some("192.0.2.7:4000".parse().unwrap()));
        assert_eq!(message.integrity(&key), Check::Right);
        assert_eq!(message.integrity_sha256(&key), Check::Right);
        assert_eq!(message.fingerprint(), Check::Right);
        assert_eq!(message.error(), None);
    }

    #[test]
    fn a_message_goes_behind_what_the_vec_holds_already() {
        let mut out = vec![1, 2, 3];
        let key = Key::short_term(b"secret");
        let builder = Builder::new(&mut out, Class::Indication, Method::BINDING, ids());
        let len = builder.integrity(&key).fingerprint().finish().unwrap();
        assert_eq!(out.len(), 3 + len);
        let message = Message::parse(&out[3..]).unwrap();
        assert_eq!((message.integrity(&key), message.fingerprint()), (Check::Right, Check::Right));
    }

    #[test]
    fn what_does_not_fit_is_refused_and_leaves_no_trace() {
        let mut out = vec![9];
        let huge = vec![0; 0x1_0000];
        let one = Builder::new(&mut out, Class::Request, Method::SEND, ids()).raw(AttributeType::DATA, &huge);
        assert_eq!(one.fingerprint().finish(), Err(TooLong));
        assert_eq!(out, [9]);
        let half = &huge[..0x8000];
        let two = Builder::new(&mut out, Class::Request, Method::SEND, ids());
        assert_eq!(two.raw(AttributeType::DATA, half).raw(AttributeType::DATA, half).finish(), Err(TooLong));
        assert_eq!(out, [9]);
    }

    #[test]
    fn a_password_longer_than_a_block_is_hashed_first() {
        let password = [b'x'; 100];
        let mut out = Vec::new();
        let builder = Builder::new(&mut out, Class::Request, Method::BINDING, ids());
        builder.integrity(&Key::short_term(&password)).finish().unwrap();
        let message = oracle::Message::from_bytes(&out).unwrap();
        let credentials = oracle::ShortTermCredentials::new("x".repeat(100));
        assert!(message.validate_integrity(&credentials.into()).is_ok());
    }

    #[test]
    fn a_key_does_not_show_its_password() {
        assert_eq!(format!("{:?}", Key::short_term(b"secret")), "Key(…)");
    }
}

mod broken {
    use super::*;

    #[test]
    fn at_every_length_the_attributes_before_the_cut_are_read() {
        let whole = allocate(&Key::short_term(b"secret"));
        let attributes: Vec<Attribute<'_>> = Message::parse(&whole).unwrap().attributes().collect();
        for cut in 0..whole.len() {
            let Ok(message) = Message::parse(&whole[..cut]) else {
                assert!(cut < HEADER_LEN);
                continue;
            };
            assert!(cut >= HEADER_LEN);
            assert_eq!(message.declared_len(), whole.len());
            let fitting = attributes.iter().filter(|a| a.offset + 4 + a.bytes.len() <= cut);
            assert!(message.attributes().eq(fitting.copied()), "cut at {cut}");
            assert!(message.error().is_some_and(|error| error.need > error.have), "cut at {cut}");
            assert_eq!(message.fingerprint(), Check::Absent);
        }
    }

    #[test]
    fn an_attribute_longer_than_the_message_stops_the_walk_and_is_named() {
        let bytes = hex("00010008 2112a442 b7e7a701bc34d686fa87dfae 0024ffff 00000001");
        let message = Message::parse(&bytes).unwrap();
        let mut attributes = message.attributes();
        assert_eq!(attributes.next(), None);
        assert_eq!(attributes.next(), None);
        assert_eq!(attributes.error(), Some(ParseError::short("stun", 24, 0xffff, 4)));
        assert_eq!(message.error(), attributes.error());
    }

    #[test]
    fn an_error_code_without_its_number_is_an_error_and_what_follows_is_read() {
        let bytes = hex("01110014 2112a442 b7e7a701bc34d686fa87dfae 00090002 00000000 80220006 68656c6c6f210000");
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.error_code(), None);
        assert_eq!(message.attribute_bytes(AttributeType::SOFTWARE), Some(&b"hello!"[..]));
        assert_eq!(message.error(), Some(ParseError::invalid("stun", 20, "value shorter than its fields")));
    }

    #[test]
    fn a_missing_last_padding_is_tolerated_and_told() {
        let bytes = hex("00160005 2112a442 b7e7a701bc34d686fa87dfae 00130001 ff");
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.attribute_bytes(AttributeType::DATA), Some(&[0xff][..]));
        assert_eq!(message.error(), Some(ParseError::invalid("stun", 2, "length is not a multiple of 4")));
    }

    #[test]
    fn bytes_behind_the_message_are_kept_apart() {
        let mut bytes = hex(SAMPLE_REQUEST);
        let len = bytes.len();
        bytes.extend_from_slice(b"more");
        let message = Message::parse(&bytes).unwrap();
        assert_eq!((message.bytes().len(), message.trailing()), (len, &b"more"[..]));
        assert_eq!(message.fingerprint(), Check::Right);
        assert_eq!(message.error(), Some(ParseError::invalid("stun", len, "bytes after the end of the message")));
    }

    #[test]
    fn an_unknown_attribute_keeps_number_and_bytes() {
        let bytes = hex("00010008 2112a442 b7e7a701bc34d686fa87dfae 7abc0003 01020300");
        let message = Message::parse(&bytes).unwrap();
        let attribute = message.attributes().next().unwrap();
        assert_eq!((attribute.kind, attribute.bytes, attribute.offset), (AttributeType(0x7abc), &[1, 2, 3][..], 20));
        assert_eq!(attribute.value(), Ok(Value::Bytes(&[1, 2, 3])));
        assert_eq!(message.error(), None);
    }

    #[test]
    fn a_fingerprint_that_is_not_last_or_not_four_bytes_is_wrong() {
        let mut out = Vec::new();
        let builder = Builder::new(&mut out, Class::Request, Method::BINDING, ids()).fingerprint();
        builder.attribute(AttributeType::USE_CANDIDATE, &Value::Flag).finish().unwrap();
        assert_eq!(Message::parse(&out).unwrap().fingerprint(), Check::Wrong);
        let bytes = hex("00010004 2112a442 b7e7a701bc34d686fa87dfae 80280000");
        assert_eq!(Message::parse(&bytes).unwrap().fingerprint(), Check::Wrong);
    }

    #[test]
    fn a_truncated_sha_256_counts_from_16_bytes_on() {
        let key = Key::short_term(b"secret");
        for len in 0..=36 {
            let mut whole = Vec::new();
            let header = Builder::new(&mut whole, Class::Request, Method::BINDING, ids());
            header.finish().unwrap();
            let length = u16::try_from(4 + len).unwrap();
            let mut hash = hmac::Mac::finalize(key.sha256_of(&whole, length)).into_bytes().to_vec();
            hash.resize(len, 0);
            let mut bytes = Vec::new();
            let builder = Builder::new(&mut bytes, Class::Request, Method::BINDING, ids());
            builder.raw(AttributeType::MESSAGE_INTEGRITY_SHA256, &hash).finish().unwrap();
            let expected = if matches!(len, 16 | 20 | 24 | 28 | 32) { Check::Right } else { Check::Wrong };
            assert_eq!(Message::parse(&bytes).unwrap().integrity_sha256(&key), expected, "{len} bytes");
        }
    }

    #[test]
    fn garbage_is_survived() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut garbage = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_be_bytes()[3]
        };
        let key = Key::short_term(b"secret");
        for round in 0..2000_usize {
            let mut bytes: Vec<u8> = (0..round % 97).map(|_| garbage()).collect();
            for (to, from) in bytes.iter_mut().zip([0x01, 0x13, 0x00, 0x40, 0x21, 0x12, 0xa4, 0x42]) {
                *to = from;
            }
            if let Some(kind) = bytes.get_mut(20) {
                *kind &= 0x80;
            }
            if let Ok(message) = Message::parse(&bytes) {
                let walked: usize = message.attributes().map(|attribute| 4 + attribute.bytes.len()).sum();
                assert!(HEADER_LEN + walked <= bytes.len());
                let _ = (message.error(), message.fingerprint(), message.integrity(&key));
                let _ = message.integrity_sha256(&key);
            }
            let _ = (frame(&bytes), find_start(bytes.get(9..).unwrap_or_default()));
        }
    }
}

mod rfc3489 {
    use super::*;

    /// A Binding response as an old server writes it: no cookie, plain addresses.
    const RESPONSE: &str = "
        01010024 00112233445566778899aabbccddeeff
        00010008 0001 1388 c0000201 00040008 0001 0d96 c6336401 00050008 0001 0d97 c6336402";

    #[test]
    fn a_response_without_the_cookie_is_read() {
        let bytes = hex(RESPONSE);
        let message = Message::parse(&bytes).unwrap();
        assert!(message.is_rfc3489());
        assert_eq!(message.transaction_id().to_string(), "00112233445566778899aabbccddeeff");
        assert_eq!(message.address(AttributeType::MAPPED_ADDRESS), Some("192.0.2.1:5000".parse().unwrap()));
        assert_eq!(message.address(AttributeType::CHANGED_ADDRESS), Some("198.51.100.2:3479".parse().unwrap()));
        assert_eq!(message.error(), None);
    }

    #[test]
    fn without_the_cookie_every_byte_has_to_agree() {
        let bytes = hex(RESPONSE);
        for cut in 0..bytes.len() {
            assert!(Message::parse(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(Message::parse(&longer).is_err());
        let mut shifted = bytes;
        shifted[23] = 12;
        assert!(Message::parse(&shifted).is_err());
    }

    #[test]
    fn an_empty_message_without_the_cookie_is_a_request_with_an_id() {
        assert!(Message::parse(&hex("00010000 00112233445566778899aabbccddeeff")).is_ok());
        assert!(Message::parse(&hex("01010000 00112233445566778899aabbccddeeff")).is_err());
        assert!(Message::parse(&hex("00010000 00000000000000000000000000000000")).is_err());
    }

    #[test]
    fn an_attribute_of_nobody_does_not_refute_a_walk_that_ends_exactly() {
        let bytes = hex("00010018 c15dae63585d14392e582c260403bf30 01010014 3132333435363738393031323334353637383900");
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.attribute_bytes(AttributeType(0x0101)), Some(&b"1234567890123456789\0"[..]));
    }

    /// An error response of a conferencing server: the reason phrase of 57 bytes is followed at once by the next attribute.
    const MS_TURN_ERROR: &str = "
        011300a7 2112a442 b2343f6e67f41d58acba639f 000f0004 72c64bc6 80080004 00000006
        0009003d 00000401 546865207265717565737420646964206e6f7420636f6e7461696e2061204d657373
        6167652d496e7465677269747920617474726962757465
        000e0008 00010d96 3472fa8d 00140014 024ecbf8827a60d65306debfa77d87d14402dd5d
        0015000a 227274636d6564696122 00010008 00010d98 3472fa89 80220004 312e3000";

    #[test]
    fn the_attributes_of_ms_turn_are_not_padded() {
        let mut bytes = hex(MS_TURN_ERROR);
        let length = u16::try_from(bytes.len() - HEADER_LEN).unwrap();
        bytes[2..4].copy_from_slice(&length.to_be_bytes());
        let message = Message::parse(&bytes).unwrap();
        assert!(message.is_ms_turn() && !message.is_rfc3489());
        assert_eq!(
            message.error_code(),
            Some((401, &b"The request did not contain a Message-Integrity attribute"[..]))
        );
        assert_eq!(message.realm(), Some(&b"\"rtcmedia\""[..]));
        assert_eq!(message.nonce().map(<[u8]>::len), Some(20));
        assert_eq!(
            message.address(AttributeType::DRAFT_ALTERNATE_SERVER),
            Some("52.114.250.141:3478".parse().unwrap())
        );
        assert_eq!(message.attribute_bytes(AttributeType::SOFTWARE), Some(&b"1.0\0"[..]));
        assert_eq!(message.error(), None);
    }

    #[test]
    fn the_remote_address_of_ms_turn_is_not_xored() {
        let bytes = hex("01150014 00112233445566778899aabbccddeeff 000f0004 72c64bc6 00120008 0001 1388 c0000201");
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(message.address(AttributeType::XOR_PEER_ADDRESS), Some("192.0.2.1:5000".parse().unwrap()));
    }
}

mod streams {
    use super::*;

    fn channel(number: u16, len: usize) -> Vec<u8> {
        let mut out = Vec::new();
        // Data whose first bytes could be taken for a header.
        let data: Vec<u8> = (0..len).map(|i| [0x40, 0x41, 0x00, 0x05, 0x77][i % 5]).collect();
        channel_data::write_padded(ChannelNumber::new(number).unwrap(), &data, &mut out).unwrap();
        out
    }

    #[test]
    fn a_stun_message_is_framed_by_its_length() {
        let bytes = hex(SAMPLE_IPV4_RESPONSE);
        for cut in 0..bytes.len() {
            let need = match cut {
                0 => channel_data::HEADER_LEN,
                1..20 => HEADER_LEN,
                _ => bytes.len(),
            };
            assert_eq!(frame(&bytes[..cut]), Frame::NeedMore(need), "cut at {cut}");
        }
        assert_eq!(frame(&bytes), Frame::Stun(bytes.len()));
    }

    #[test]
    fn channel_data_is_framed_with_its_padding() {
        let bytes = channel(0x4000, 5);
        assert_eq!(frame(&bytes), Frame::ChannelData { len: 12 });
        assert_eq!(frame(&bytes[..9]), Frame::NeedMore(12));
        assert_eq!(frame(&bytes[..3]), Frame::NeedMore(4));
    }

    #[test]
    fn a_tls_record_and_a_header_without_the_cookie_are_neither() {
        assert_eq!(frame(&[0x16, 3, 1, 0, 200, 1, 0, 0]), Frame::Neither);
        assert_eq!(frame(&[0x00, 1, 0, 0, 0x22]), Frame::Neither);
        assert_eq!(frame(&[0x00, 1, 0, 1]), Frame::Neither);
        assert_eq!(frame(&[0x80, 0x60]), Frame::Neither);
    }

    #[test]
    fn a_stream_entered_in_a_stun_message_continues_with_the_next_one() {
        let message = hex(SAMPLE_IPV4_RESPONSE);
        let stream = [&message[..], &message[..]].concat();
        for entered in 1..=message.len() {
            assert_eq!(find_start(&stream[entered..]), Some(message.len() - entered));
        }
    }

    #[test]
    fn a_stream_entered_in_channel_data_continues_where_three_messages_agree() {
        let first = channel(0x4001, 40);
        let stream = [first.clone(), channel(0x4001, 40), channel(0x4001, 33), channel(0x4001, 8)].concat();
        for entered in 1..=first.len() {
            assert_eq!(find_start(&stream[entered..]), Some(first.len() - entered), "entered at {entered}");
        }
        let two = &stream[..first.len() * 2];
        assert_eq!(find_start(&two[1..]), None);
    }

    #[test]
    fn other_channels_in_between_do_not_confirm_and_do_not_refute() {
        let stream = [channel(0x4001, 9), channel(0x4002, 9), channel(0x4001, 9), channel(0x4001, 0)].concat();
        assert_eq!(find_start(&stream), Some(0));
    }

    #[test]
    fn attributes_that_lead_to_the_next_messages_are_not_taken_for_channel_data() {
        let message = hex(SAMPLE_IPV4_RESPONSE);
        let stream = [&hex("6f726700 00080000 40000000 40010000")[..], &message, &message].concat();
        assert_eq!(find_start(&stream), Some(16));
    }

    #[test]
    fn a_connectivity_check_inside_a_channel_is_not_taken_for_the_outer_message() {
        let check = hex(SAMPLE_REQUEST);
        let mut outer = vec![0xee; 7];
        channel_data::write_padded(ChannelNumber::new(0x4003).unwrap(), &check, &mut outer).unwrap();
        assert_eq!(find_start(&outer), Some(7));
    }

    #[test]
    fn a_connectivity_check_inside_a_send_indication_is_not_taken_for_the_outer_message() {
        let check = hex(SAMPLE_REQUEST);
        let mut stream = Vec::new();
        Builder::new(&mut stream, Class::Indication, Method::SEND, ids())
            .attribute(AttributeType::DATA, &Value::Bytes(&check))
            .finish()
            .unwrap();
        let next = stream.len();
        stream.extend_from_slice(&check);
        assert_eq!(find_start(&stream), Some(0));
        assert_eq!(find_start(&stream[1..]), Some(next - 1));
    }
}
