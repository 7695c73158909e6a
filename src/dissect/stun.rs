//! STUN and TURN messages.
//!
//! In: bytes with the header of RFC 8489, section 5. Out: header and attributes; what DATA carries is taken apart too. Never: a
//! check of integrity, which needs a password.

use super::{Tree, hex, message as inner_message, words};
use crate::proto::stun::{AttributeType, Message, Value};
use std::ops::Range;

/// RFC 8489, section 5.
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// Whether part of a stream begins with one.
pub(super) fn begins(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|first| *first < 4) && bytes.get(4..8) == Some(&MAGIC_COOKIE)
}

pub(super) fn message(tree: &mut Tree<'_>, at: Range<usize>) {
    let Ok(message) = Message::parse(tree.slice(&at)) else {
        return tree.add("STUN", "cannot be read", at);
    };
    let (start, class) = (at.start, format!("{:?}", message.class()));
    let class: String = class.chars().fold(String::new(), |mut text, letter| {
        if letter.is_uppercase() && !text.is_empty() {
            text.push(' ');
        }
        text.extend(letter.to_lowercase());
        text
    });
    let end = (start + message.declared_len()).min(at.end);
    tree.within("STUN", format!("{} {class}", message.method()), start..end, |tree| {
        tree.add("Message type", format!("{} {class}", message.method()), start..start + 2);
        tree.count("Message length", start + 2, 2);
        if message.is_rfc3489() {
            tree.add("Transaction ID", message.transaction_id().to_string(), start + 4..start + 20);
        } else {
            tree.hex("Magic cookie", start + 4, 4);
            tree.add("Transaction ID", message.transaction_id().to_string(), start + 8..start + 20);
        }
        for attribute in message.attributes() {
            let begin = start + attribute.offset;
            let value = begin + 4..begin + 4 + attribute.bytes.len();
            let said = attribute.value().map_or_else(|error| error.to_string(), |value| value_text(&value));
            tree.within(attribute.kind.to_string(), said, begin..value.end, |tree| {
                tree.hex("Type", begin, 2);
                tree.count("Length", begin + 2, 2);
                if attribute.kind == AttributeType::DATA {
                    inner_message(tree, value.clone());
                }
            });
        }
    });
}

fn value_text(value: &Value<'_>) -> String {
    match value {
        Value::Address(address) => address.to_string(),
        Value::Text(text) => words(text),
        Value::Bytes(bytes) => hex(bytes),
        Value::Flag => String::new(),
        Value::U8(17) => "17 (UDP)".to_owned(),
        Value::U8(6) => "6 (TCP)".to_owned(),
        Value::U8(number) => number.to_string(),
        Value::U16(number) => format!("{number} (0x{number:04x})"),
        Value::U32(number) => format!("{number} (0x{number:08x})"),
        Value::U64(number) => format!("0x{number:016x}"),
        Value::EvenPort(reserve) => if *reserve { "and the next one" } else { "only this one" }.to_owned(),
        Value::Family(family) => match family.0 {
            1 => "IPv4".to_owned(),
            2 => "IPv6".to_owned(),
            number => number.to_string(),
        },
        Value::ErrorCode { code, reason } | Value::AddressErrorCode { code, reason, .. } => {
            format!("{code} {}", words(reason))
        }
        Value::TransmitCounter { request, response } => format!("request {request}, response {response}"),
        Value::NetworkInfo { id, cost } => format!("interface {id}, cost {cost}"),
        Value::Icmp { icmp_type, code, data } => format!("type {icmp_type}, code {code}, data {data}"),
        other => format!("{other:?}"),
    }
}
