//! DTLS records and handshake messages (RFC 6347, RFC 9147).
//!
//! In: a datagram of records. Out: their headers, and what of the handshake is in the clear. Never: a key, or bytes decrypted.

use super::{Tree, hex};
use crate::proto::dtls::{CipherSuite, ExtensionType, Fragments, HandshakeType, Header, Records, SrtpProfile, Version};
use std::ops::Range;

pub(super) fn records(tree: &mut Tree<'_>, at: Range<usize>) {
    for record in Records::new(tree.slice(&at), None).map_while(Result::ok) {
        let start = at.start + record.offset;
        let body = start + record.header_bytes.len()..start + record.header_bytes.len() + record.payload.len();
        match record.header {
            Header::Classic { content_type, version, epoch, sequence, connection_id } => {
                let title = format!("{version} {content_type}, epoch {epoch}, sequence {sequence}");
                tree.within("DTLS record", title, start..body.end, |tree| {
                    tree.add("Content type", content_type.to_string(), start..start + 1);
                    tree.add("Version", version.to_string(), start + 1..start + 3);
                    tree.count("Epoch", start + 3, 2);
                    tree.count("Sequence number", start + 5, 6);
                    if !connection_id.is_empty() {
                        tree.add("Connection ID", hex(connection_id), start + 11..body.start - 2);
                    }
                    tree.count("Length", body.start - 2, 2);
                    if let Some(alert) = record.alert() {
                        tree.add("Alert", alert.to_string(), body.clone());
                    } else if record.is_plaintext() && content_type.0 == 22 {
                        handshake(tree, body.clone());
                    } else if !record.is_plaintext() {
                        tree.add("Encrypted", format!("{} bytes", body.len()), body.clone());
                    }
                });
            }
            Header::Unified { epoch_bits, .. } => {
                let title = format!("1.3, epoch bits {epoch_bits}, encrypted");
                tree.within("DTLS record", title, start..body.end, |tree| {
                    tree.add("Unified header", hex(record.header_bytes), start..body.start);
                    tree.add("Encrypted", format!("{} bytes", body.len()), body.clone());
                });
            }
        }
    }
}

fn handshake(tree: &mut Tree<'_>, at: Range<usize>) {
    for fragment in Fragments::new(tree.slice(&at)).map_while(Result::ok) {
        let start = at.start + fragment.offset;
        let body = start + 12..start + 12 + fragment.body.len();
        let kind = fragment.message_type;
        let part = if fragment.whole().is_some() {
            String::new()
        } else {
            format!(", bytes {} on of {}", fragment.fragment_offset, fragment.length)
        };
        tree.within("Handshake", format!("{kind}{part}"), start..body.end, |tree| {
            tree.add("Message type", kind.to_string(), start..start + 1);
            tree.count("Length", start + 1, 3);
            tree.count("Message sequence", start + 4, 2);
            tree.count("Fragment offset", start + 6, 3);
            tree.count("Fragment length", start + 9, 3);
            if fragment.fragment_offset > 0 {
                return;
            }
            match kind {
                HandshakeType::CLIENT_HELLO => drop(hello(tree, body.clone(), true)),
                HandshakeType::SERVER_HELLO => drop(hello(tree, body.clone(), false)),
                _ => tree.add("Body", format!("{} bytes", body.len()), body.clone()),
            }
        });
    }
}

/// RFC 5246, sections 7.4.1.2 and 7.4.1.3; the cookie of RFC 6347, section 4.2.1.
fn hello(tree: &mut Tree<'_>, at: Range<usize>, is_client: bool) -> Option<()> {
    let version = tree.number(at.start, 2)? as u16;
    tree.add("Version", Version(version).to_string(), at.start..at.start + 2);
    tree.add("Random", hex(tree.slice(&(at.start + 2..at.start + 34))), at.start + 2..at.start + 34);
    let mut next = at.start + 34;
    let opaque = |tree: &mut Tree<'_>, name: &str, next: &mut usize| -> Option<()> {
        let length = tree.number(*next, 1)? as usize;
        tree.add(name, hex(tree.slice(&(*next + 1..*next + 1 + length))), *next..*next + 1 + length);
        *next += 1 + length;
        Some(())
    };
    opaque(tree, "Session ID", &mut next)?;
    if is_client {
        opaque(tree, "Cookie", &mut next)?;
        let length = tree.number(next, 2)? as usize;
        let end = (next + 2 + length).min(at.end);
        tree.within("Cipher suites", format!("{}", length / 2), next..end, |tree| {
            for suite in (next + 2..end.saturating_sub(1)).step_by(2) {
                let number = tree.number(suite, 2).unwrap_or(0) as u16;
                tree.add("Suite", CipherSuite(number).to_string(), suite..suite + 2);
            }
        });
        next += 2 + length;
        opaque(tree, "Compression methods", &mut next)?;
    } else {
        let suite = tree.number(next, 2)? as u16;
        tree.add("Cipher suite", CipherSuite(suite).to_string(), next..next + 2);
        tree.count("Compression method", next + 2, 1);
        next += 3;
    }
    next += 2;
    while next + 4 <= at.end {
        let (kind, length) = (tree.number(next, 2)? as u16, tree.number(next + 2, 2)? as usize);
        let value = next + 4..(next + 4 + length).min(at.end);
        let kind = ExtensionType(kind);
        let said = if kind == ExtensionType::USE_SRTP { profiles(tree, &value) } else { hex(tree.slice(&value)) };
        tree.add(format!("Extension {kind}"), said, next..value.end);
        next = value.end.max(next + 4);
    }
    Some(())
}

/// RFC 5764, section 4.1.1.
fn profiles(tree: &Tree<'_>, at: &Range<usize>) -> String {
    let length = tree.number(at.start, 2).unwrap_or(0) as usize;
    let end = (at.start + 2 + length).min(at.end);
    let numbers = (at.start + 2..end.saturating_sub(1)).step_by(2).filter_map(|at| tree.number(at, 2));
    numbers.map(|number| SrtpProfile(number as u16).to_string()).collect::<Vec<_>>().join(" ")
}
