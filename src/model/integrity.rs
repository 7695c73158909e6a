//! MESSAGE-INTEGRITY of STUN messages, where a password is known: of SDP for the checks of ICE, of the user for TURN.
//!
//! In: messages and passwords. Out: how many were right and how many wrong. Never: a password, in any output.

use super::flow::Direction;
use super::media_context::MediaContexts;
use crate::net::Carrier;
use crate::packet::FrameNo;
use crate::proto::stun::{AttributeType, Check, Class, Key, Message, rest_password};
use std::fmt;
use std::sync::Arc;

/// What the checks of one pair or allocation have shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Integrity {
    /// Messages whose hash is that of the password.
    pub right: u64,
    /// Messages whose hash is not.
    pub wrong: u64,
    /// The first of these.
    pub first_wrong: Option<FrameNo>,
}

impl Integrity {
    /// The report's word.
    pub const fn name(&self) -> &'static str {
        match (self.right, self.wrong) {
            (0, 0) => "not checked",
            (_, 0) => "ok",
            _ => "wrong",
        }
    }

    /// Counts what a check has shown.
    pub(crate) fn note(&mut self, carrier: &Carrier, is_right: Option<bool>) {
        match is_right {
            Some(true) => self.right += 1,
            Some(false) => {
                self.wrong += 1;
                self.first_wrong.get_or_insert(carrier.frame);
            }
            None => {}
        }
    }
}

/// None where the message has neither attribute. Where it has both, both have to be right (RFC 8489, section 9.1.3).
fn is_right(message: &Message<'_>, key: &Key) -> Option<bool> {
    let checks = [message.integrity(key), message.integrity_sha256(key)];
    let is_there = checks.iter().any(|check| *check != Check::Absent);
    is_there.then(|| !checks.contains(&Check::Wrong))
}

/// One of several, where a fragment was announced with several passwords.
fn is_right_with_any(message: &Message<'_>, keys: &[Key]) -> Option<bool> {
    keys.iter().filter_map(|key| is_right(message, key)).reduce(|one, other| one || other)
}

/// The keys of a user name fragment.
pub(crate) struct IceKeys {
    passwords: Vec<String>,
    keys: Vec<Key>,
}

/// Passwords of one fragment: a fragment is short, and two calls may have the same.
const MAX_PASSWORDS: usize = 4;

impl IceKeys {
    pub(crate) fn of(password: &str) -> Self {
        Self { passwords: vec![password.to_owned()], keys: vec![Key::short_term(password.as_bytes())] }
    }

    /// These and those; none where nothing is new, or there is no room.
    pub(crate) fn with(&self, other: &Self) -> Option<Self> {
        let mut both = Self { passwords: self.passwords.clone(), keys: self.keys.clone() };
        for (password, key) in other.passwords.iter().zip(&other.keys) {
            if !both.passwords.contains(password) && both.passwords.len() < MAX_PASSWORDS {
                both.passwords.push(password.clone());
                both.keys.push(key.clone());
            }
        }
        (both.passwords.len() > self.passwords.len()).then_some(both)
    }
}

impl fmt::Debug for IceKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IceKeys(…)")
    }
}

/// The checks of a candidate pair: those that ask are hashed with the password of who is asked (RFC 8445, section 7.1.1),
/// and so are the answers (section 7.3).
#[derive(Clone, Debug, Default)]
pub(crate) struct PairIntegrity {
    pub(crate) seen: Integrity,
    /// What the last requests of each side were hashed with, and those before an ICE restart.
    asked: [[Option<Arc<IceKeys>>; 2]; 2],
}

impl PairIntegrity {
    /// Takes a Binding message.
    pub(crate) fn binding(
        &mut self,
        direction: Direction,
        carrier: &Carrier,
        message: &Message<'_>,
        contexts: &MediaContexts,
    ) {
        match message.class() {
            Class::Request => {
                let username = message.attribute_bytes(AttributeType::USERNAME);
                let fragment = username.and_then(|name| std::str::from_utf8(name).ok()?.split_once(':'));
                let Some(keys) = fragment.and_then(|(receivers, _)| contexts.ice_keys(receivers)) else { return };
                self.seen.note(carrier, is_right_with_any(message, &keys.keys));
                let [now, before] = &mut self.asked[direction as usize];
                if !now.as_ref().is_some_and(|known| Arc::ptr_eq(known, keys)) {
                    *before = now.replace(Arc::clone(keys));
                }
            }
            Class::SuccessResponse | Class::ErrorResponse => {
                let known = self.asked[direction.opposite() as usize].iter().flatten();
                let is_right =
                    known.filter_map(|keys| is_right_with_any(message, &keys.keys)).reduce(|one, other| one || other);
                self.seen.note(carrier, is_right);
            }
            Class::Indication => {}
        }
    }
}

/// What the user knows of a TURN server's credentials.
#[derive(Clone, Default)]
pub struct TurnCredentials {
    /// The user that the password is for; where there is none, any.
    pub user: Option<String>,
    /// A password.
    pub password: Option<String>,
    /// The secret that the server and a web service share: of each user name it makes the password (the TURN REST API).
    pub secret: Option<String>,
}

impl fmt::Debug for TurnCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TurnCredentials(…)")
    }
}

impl TurnCredentials {
    /// Keys of a user in a realm: by MD5 and by SHA-256, since a server chooses (RFC 8489, section 9.2.2).
    fn keys(&self, username: &[u8], realm: &[u8]) -> Vec<Key> {
        let is_meant = self.user.as_ref().is_none_or(|user| user.as_bytes() == username);
        let given = self.password.clone().filter(|_| is_meant);
        let made = self.secret.as_ref().map(|secret| rest_password(secret.as_bytes(), username));
        let passwords = given.into_iter().chain(made);
        passwords
            .flat_map(|password| {
                [Key::long_term_md5, Key::long_term_sha256].map(|key| key(username, realm, password.as_bytes()))
            })
            .collect()
    }

    fn is_empty(&self) -> bool {
        self.password.is_none() && self.secret.is_none()
    }

    /// The name behind USERHASH (RFC 8489, section 14.4): only that of the user who was given can be told.
    fn name_of_hash(&self, hash: &[u8], realm: &[u8]) -> Option<&[u8]> {
        let user = self.user.as_ref()?.as_bytes();
        (Key::userhash(user, realm) == hash).then_some(user)
    }
}

/// The keys of one five-tuple.
#[derive(Clone, Debug, Default)]
pub(crate) struct TurnKeys {
    /// Name and realm that the keys are of.
    of: (Vec<u8>, Vec<u8>),
    keys: Vec<Key>,
}

impl TurnKeys {
    /// Checks a TURN message of either side; none where there is no hash, or no password for it.
    pub(crate) fn check(&mut self, message: &Message<'_>, credentials: &TurnCredentials) -> Option<bool> {
        if credentials.is_empty() {
            return None;
        }
        if message.class() == Class::Request {
            self.learn(message, credentials);
        }
        is_right_with_any(message, &self.keys)
    }

    fn learn(&mut self, message: &Message<'_>, credentials: &TurnCredentials) -> Option<()> {
        let realm = message.attribute_bytes(AttributeType::REALM)?;
        let hash = || credentials.name_of_hash(message.attribute_bytes(AttributeType::USERHASH)?, realm);
        let username = message.attribute_bytes(AttributeType::USERNAME).or_else(hash)?;
        if self.of.0 != username || self.of.1 != realm {
            self.keys = credentials.keys(username, realm);
            self.of = (username.to_vec(), realm.to_vec());
        }
        Some(())
    }
}
