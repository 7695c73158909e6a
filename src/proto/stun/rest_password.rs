//! Passwords that a web service and a TURN server make of a secret that they share (draft-uberti-behave-turn-rest-00).
//!
//! In: the secret, a user name. Out: the password. Never: a look at the time in the user name.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// RFC 4648, section 4.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 of the HMAC-SHA1 of the user name (section 2.2).
pub fn rest_password(secret: &[u8], username: &[u8]) -> String {
    // HMAC takes keys of any length (RFC 2104, section 2).
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(secret) else { return String::new() };
    mac.update(username);
    base64(&mac.finalize().into_bytes())
}

fn base64(bytes: &[u8]) -> String {
    let digit = |word: u32, place: usize| ALPHABET.get((word >> (18 - 6 * place) & 0x3f) as usize).copied();
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        text.extend((0..4).map(|place| digit(word, place).filter(|_| place <= chunk.len()).map_or('=', char::from)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    /// Made by `openssl dgst -sha1 -hmac north -binary | base64`.
    #[test]
    fn a_password_is_the_hmac_of_the_user_name() {
        assert_eq!(rest_password(b"north", b"1795231108:dave"), "SDcn4lemQX4WFIdfUPaOelnUAeY=");
    }
}
