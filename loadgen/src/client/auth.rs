//! The long-term credential mechanism (RFC 8489, section 9.2).
//!
//! In: challenges of the server. Out: what is added to requests, and whether answers are the server's. Never: a weaker
//! algorithm than the nonce says that the server offers.

use crate::credentials::Login;
use rtcscope::proto::stun::{
    AttributeType, Builder, Check, Key, Message, PasswordAlgorithm, PasswordAlgorithms, Value,
};

/// Bytes of the longest realm and nonce (RFC 8489, sections 14.9 and 14.10).
const TEXT_LEN: usize = 763;
/// Begins a nonce that protects the offered features (RFC 8489, section 9.2).
const NONCE_COOKIE: &[u8] = b"obMatJos2";
/// RFC 8489, section 18.1: bit 0 of 24, counted from the left.
const PASSWORD_ALGORITHMS: u32 = 1 << 23;
/// RFC 8489, section 18.1: bit 1.
const USERNAME_ANONYMITY: u32 = 1 << 22;

/// What the server wants to see in requests.
#[derive(Debug)]
pub(super) struct Auth {
    realm: Box<[u8]>,
    nonce: Box<[u8]>,
    key: Key,
    /// PASSWORD-ALGORITHMS as they were offered, and the one that is used.
    offer: Option<(Box<[u8]>, PasswordAlgorithm<'static>)>,
    /// USERHASH in place of USERNAME.
    userhash: Option<Box<[u8; 32]>>,
}

impl Auth {
    /// Reads a 401 or 438. What a 438 leaves out is as `before`.
    pub(super) fn of_challenge(
        message: &Message<'_>,
        login: &Login,
        before: Option<&Self>,
    ) -> Result<Self, &'static str> {
        let Some(realm) = message.realm().or(before.map(|before| &*before.realm)) else {
            return Err("a challenge without REALM");
        };
        let nonce = message.nonce().ok_or("a challenge without NONCE")?;
        if realm.len() > TEXT_LEN || nonce.len() > TEXT_LEN {
            return Err("a challenge with a realm or nonce of more than 763 bytes");
        }
        let features = security_features(nonce);
        let offer = match message.attribute_bytes(AttributeType::PASSWORD_ALGORITHMS) {
            Some(list) => Some((Box::from(list), chosen(list)?)),
            None if features & PASSWORD_ALGORITHMS != 0 => {
                return Err("a nonce that promises PASSWORD-ALGORITHMS, and none there: somebody bids down");
            }
            None => before.and_then(|before| before.offer.clone()),
        };
        let algorithm = offer.as_ref().map(|(_, algorithm)| *algorithm);
        let same = |before: &&Self| *before.realm == *realm && before.algorithm() == algorithm;
        let key = match before.filter(same) {
            Some(before) => before.key.clone(),
            None => key(login, realm, algorithm),
        };
        let anonymous = features & USERNAME_ANONYMITY != 0;
        let userhash = anonymous.then(|| Box::new(Key::userhash(login.user.as_bytes(), realm)));
        Ok(Self { realm: realm.into(), nonce: nonce.into(), key, offer, userhash })
    }

    fn algorithm(&self) -> Option<PasswordAlgorithm<'static>> {
        self.offer.as_ref().map(|(_, algorithm)| *algorithm)
    }

    /// True where the message challenges for the realm that is answered to already.
    pub(super) fn is_for_realm_of(&self, message: &Message<'_>) -> bool {
        message.realm().is_none_or(|realm| *realm == *self.realm)
    }

    /// Adds credentials and integrity.
    pub(super) fn sign<'v>(&self, builder: Builder<'v>, login: &Login) -> Builder<'v> {
        let mut builder = match &self.userhash {
            Some(hash) => builder.raw(AttributeType::USERHASH, &**hash),
            None => builder.raw(AttributeType::USERNAME, login.user.as_bytes()),
        };
        builder = builder.raw(AttributeType::REALM, &self.realm).raw(AttributeType::NONCE, &self.nonce);
        match &self.offer {
            // An offer is answered with the newer integrity alone (RFC 8489, section 9.2.5).
            Some((list, algorithm)) => builder
                .raw(AttributeType::PASSWORD_ALGORITHMS, list)
                .attribute(AttributeType::PASSWORD_ALGORITHM, &Value::PasswordAlgorithm(*algorithm))
                .integrity_sha256(&self.key),
            None => builder.integrity(&self.key),
        }
    }

    /// Whether an answer to a signed request is the server's.
    pub(super) fn check(&self, message: &Message<'_>) -> Check {
        match self.offer {
            Some(_) => message.integrity_sha256(&self.key),
            None => message.integrity(&self.key),
        }
    }
}

/// The first algorithm of the list that is known here (RFC 8489, section 9.2.5).
fn chosen(list: &[u8]) -> Result<PasswordAlgorithm<'static>, &'static str> {
    if list.len() > TEXT_LEN {
        return Err("PASSWORD-ALGORITHMS of more than 763 bytes");
    }
    let known = [PasswordAlgorithm::SHA256, PasswordAlgorithm::MD5];
    let mut algorithms = PasswordAlgorithms::new(list);
    let found = algorithms.find_map(|offered| known.into_iter().find(|known| *known == offered));
    found.ok_or("PASSWORD-ALGORITHMS without MD5 and SHA-256")
}

fn key(login: &Login, realm: &[u8], algorithm: Option<PasswordAlgorithm<'_>>) -> Key {
    let (user, password) = (login.user.as_bytes(), login.password.reveal().as_bytes());
    if algorithm == Some(PasswordAlgorithm::SHA256) {
        Key::long_term_sha256(user, realm, password)
    } else {
        Key::long_term_md5(user, realm, password)
    }
}

/// The 24 bits behind the nonce cookie, in four characters of base64; zero where there is no cookie.
fn security_features(nonce: &[u8]) -> u32 {
    let Some(digits) = nonce.strip_prefix(NONCE_COOKIE).and_then(|rest| rest.first_chunk::<4>()) else {
        return 0;
    };
    digits.iter().try_fold(0, |bits, digit| Some(bits << 6 | sextet(*digit)?)).unwrap_or(0)
}

/// RFC 4648, section 4.
fn sextet(digit: u8) -> Option<u32> {
    Some(match digit {
        b'A'..=b'Z' => u32::from(digit - b'A'),
        b'a'..=b'z' => u32::from(digit - b'a') + 26,
        b'0'..=b'9' => u32::from(digit - b'0') + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_features_of_a_nonce_stand_behind_its_cookie() {
        assert_eq!(security_features(b"obMatJos2gAAAf//499k"), PASSWORD_ALGORITHMS);
        assert_eq!(security_features(b"obMatJos2QAAAf//499k"), USERNAME_ANONYMITY);
        assert_eq!(security_features(b"obMatJos2wAAA"), PASSWORD_ALGORITHMS | USERNAME_ANONYMITY);
        for nonce in [&b"obMatJos2gAA"[..], b"obMatJos3gAAA", b"gAAA", b"obMatJos2gA!A", b""] {
            assert_eq!(security_features(nonce), 0);
        }
    }
}
