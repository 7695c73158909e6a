//! Why a server is of no use, in words that name what to do.
//!
//! In: failures of the client, who asked, the time of day. Out: a [`Cause`]. Never: a password; a guess where the server
//! said what is wrong.

use crate::client::Failure;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// What is wrong with a certificate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Doubt {
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYetValid,
    /// It is for another name.
    WrongName,
    /// Nobody knows who signed it.
    UnknownAuthority,
    /// It signed itself.
    SelfSigned,
    /// Anything else.
    Other,
}

impl Doubt {
    /// In a word.
    pub const fn name(self) -> &'static str {
        match self {
            Doubt::Expired => "expired",
            Doubt::NotYetValid => "not-yet-valid",
            Doubt::WrongName => "wrong-name",
            Doubt::UnknownAuthority => "unknown-authority",
            Doubt::SelfSigned => "self-signed",
            Doubt::Other => "invalid",
        }
    }

    /// In some words.
    pub const fn words(self) -> &'static str {
        match self {
            Doubt::Expired => "it is expired",
            Doubt::NotYetValid => "it is not valid yet (or the clock of this machine is wrong)",
            Doubt::WrongName => "it is for another name",
            Doubt::UnknownAuthority => "it is signed by nobody who is trusted here",
            Doubt::SelfSigned => "it is self-signed",
            Doubt::Other => "it is not valid",
        }
    }

    /// What to do.
    pub const fn advice(self) -> Option<&'static str> {
        Some(match self {
            Doubt::Expired => "renew it, and let the server load it again",
            Doubt::WrongName => "name the host as in the certificate, or get one for this name",
            Doubt::UnknownAuthority => "--ca-file with its authority, or --insecure",
            Doubt::SelfSigned => "--insecure, or one that an authority in --ca-file has signed",
            Doubt::NotYetValid | Doubt::Other => return None,
        })
    }
}

/// What is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cause {
    /// The name stands for nothing.
    Dns(String),
    /// There is no way to the address.
    Unreachable(String),
    /// The port is closed.
    Refused,
    /// Silence.
    NoAnswer {
        /// To what.
        step: &'static str,
        /// For how long.
        waited: Duration,
    },
    /// The server closed the connection.
    Closed {
        /// In which step.
        step: &'static str,
    },
    /// The certificate is not believed.
    Certificate(Doubt, String),
    /// TLS or DTLS failed otherwise.
    Handshake(String),
    /// The server asks who we are, and nobody said.
    NoCredentials {
        /// REALM.
        realm: Option<String>,
    },
    /// User name or password is wrong.
    WrongCredentials {
        /// REALM.
        realm: Option<String>,
        /// They were made of a shared secret.
        of_secret: bool,
    },
    /// A REST user name whose time is over.
    ExpiredUser {
        /// For how long.
        since: Duration,
    },
    /// The server's realm is of no use.
    Realm(String),
    /// The server has none of what it was asked for.
    Code {
        /// ERROR-CODE.
        code: u16,
        /// The whole in words.
        text: String,
    },
    /// 403 for a peer that a relay should reach.
    PeerForbidden {
        /// Which.
        peer: SocketAddr,
    },
    /// The relayed address is one that peers elsewhere cannot reach.
    PrivateRelay {
        /// The relayed address.
        relayed: SocketAddr,
        /// From where packets of the relay come in truth, where it was seen.
        seen: Option<IpAddr>,
    },
    /// Nothing came in at the relayed address.
    RelayUnreachable {
        /// For how long packets were sent.
        waited: Duration,
    },
    /// Packets came in through the relay, none went out to the peer.
    RelayMute {
        /// For how long packets were sent.
        waited: Duration,
    },
    /// The server sends clients elsewhere, again and again.
    Redirected(SocketAddr),
    /// An answer that the protocol does not allow.
    Protocol(String),
    /// This machine could not do it.
    Local(String),
}

impl Cause {
    /// In a word, for machines.
    pub const fn key(&self) -> &'static str {
        match self {
            Cause::Dns(_) => "dns",
            Cause::Unreachable(_) => "unreachable",
            Cause::Refused => "refused",
            Cause::NoAnswer { .. } => "no-answer",
            Cause::Closed { .. } => "closed",
            Cause::Certificate(..) => "certificate",
            Cause::Handshake(_) => "handshake",
            Cause::NoCredentials { .. } => "no-credentials",
            Cause::WrongCredentials { .. } => "wrong-credentials",
            Cause::ExpiredUser { .. } => "expired-user",
            Cause::Realm(_) => "realm",
            Cause::Code { .. } => "error-code",
            Cause::PeerForbidden { .. } => "peer-forbidden",
            Cause::PrivateRelay { .. } => "private-relay",
            Cause::RelayUnreachable { .. } => "relay-unreachable",
            Cause::RelayMute { .. } => "relay-mute",
            Cause::Redirected(_) => "redirected",
            Cause::Protocol(_) => "protocol",
            Cause::Local(_) => "local",
        }
    }

    /// What to do, where it can be said.
    pub const fn advice(&self) -> Option<&'static str> {
        Some(match self {
            Cause::Dns(_) => "the name in the URI, and the resolver of this machine",
            Cause::Refused => "no server listens there: its port and transport, or the server is down",
            Cause::NoAnswer { .. } => {
                "a firewall that drops, another port, or the server does not speak this transport"
            }
            Cause::Certificate(Doubt::UnknownAuthority, _) => {
                "--ca-file with its authority; a server must send its intermediate certificates too; browsers refuse it"
            }
            Cause::Certificate(doubt, _) => return doubt.advice(),
            Cause::Handshake(_) => {
                "whether TLS (or DTLS) is spoken at this port; DTLS servers with RSA certificates are not supported here"
            }
            Cause::NoCredentials { .. } => "say --user and --password-file, or --secret-file",
            Cause::WrongCredentials { of_secret: true, .. } => {
                "the shared secret (static-auth-secret), the separator, and the clocks of both machines"
            }
            Cause::WrongCredentials { of_secret: false, .. } => {
                "user and password; a server that keeps hashed keys has them for one realm only"
            }
            Cause::ExpiredUser { .. } => "get fresh credentials from whoever made them",
            Cause::Realm(_) => "the realm of the server's configuration",
            Cause::Code { code: 486, .. } => "the quota of this user or of the server (user-quota, total-quota)",
            Cause::Code { code: 508, .. } => "the range of relay ports (min-port, max-port), or the server is full",
            Cause::PeerForbidden { .. } => "the server's rules for peers (denied-peer-ip, allowed-peer-ip)",
            Cause::PrivateRelay { .. } => "external-ip of the server: the public address in front of its NAT",
            Cause::RelayUnreachable { .. } => {
                "a firewall in front of the relay ports (UDP, min-port to max-port) of the server, or external-ip"
            }
            Cause::RelayMute { .. } => "a firewall for what the relay sends, or for what this machine receives by UDP",
            _ => return None,
        })
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Dns(why) => write!(f, "the name is not resolved: {why}"),
            Cause::Unreachable(why) => write!(f, "there is no way to it: {why}"),
            Cause::Refused => f.write_str("connection refused"),
            Cause::NoAnswer { step, waited } => write!(f, "no answer to {step} within {} s", waited.as_secs_f64()),
            Cause::Closed { step } => write!(f, "the server closed the connection during {step}"),
            // What the library says of these two is a word of its own.
            Cause::Certificate(doubt @ (Doubt::SelfSigned | Doubt::UnknownAuthority), _) => {
                write!(f, "certificate: {}", doubt.words())
            }
            Cause::Certificate(doubt, why) => write!(f, "certificate: {} ({why})", doubt.words()),
            Cause::Handshake(why) => write!(f, "the handshake failed: {why}"),
            Cause::NoCredentials { realm } => write!(f, "the server asks for credentials{}", of_realm(realm)),
            Cause::WrongCredentials { realm, of_secret } => {
                let what = if *of_secret { "shared secret" } else { "user name or password" };
                write!(f, "401, wrong {what}{}", of_realm(realm))
            }
            Cause::ExpiredUser { since } => {
                write!(f, "401, the time in the user name was over {} ago", ago(*since))
            }
            Cause::Realm(why) => write!(f, "realm: {why}"),
            Cause::Code { text, .. } => f.write_str(text),
            Cause::PeerForbidden { peer } => write!(f, "403, the server does not relay to {peer}"),
            Cause::PrivateRelay { relayed, seen } => {
                write!(f, "the relayed address {relayed} cannot be reached from elsewhere")?;
                seen.map_or(Ok(()), |seen| write!(f, "; its packets come from {seen}"))
            }
            Cause::RelayUnreachable { waited } => {
                write!(f, "nothing came in at the relayed address within {} s", waited.as_secs_f64())
            }
            Cause::RelayMute { waited } => {
                write!(
                    f,
                    "packets came in through the relay, none went out to the peer within {} s",
                    waited.as_secs_f64()
                )
            }
            Cause::Redirected(to) => write!(f, "300, the server sends clients on to {to}, after others before"),
            Cause::Protocol(what) | Cause::Local(what) => f.write_str(what),
        }
    }
}

/// As coarse as it is long.
fn ago(since: Duration) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    match since.as_secs() {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ ..7_200 => format!("{} minutes", seconds / MINUTE),
        seconds @ ..172_800 => format!("{} hours", seconds / HOUR),
        seconds => format!("{} days", seconds / DAY),
    }
}

fn of_realm(realm: &Option<String>) -> String {
    realm.as_ref().map(|realm| format!(" (realm `{realm}`)")).unwrap_or_default()
}

/// Who asked, and when.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// USERNAME, where there was one.
    pub user: Option<&'a str>,
    /// The credentials were made of a shared secret.
    pub of_secret: bool,
    /// REALM of the server, where it said one.
    pub realm: Option<&'a str>,
    /// Time since 1970.
    pub unix: Duration,
    /// How long an answer was waited for.
    pub waited: Duration,
}

/// Why there is no allocation.
pub fn refusal(failure: &Failure, asked: &Asked<'_>) -> Cause {
    let realm = asked.realm.map(str::to_owned);
    match failure {
        Failure::Code { code: 401, .. } if asked.user.is_none() => Cause::NoCredentials { realm },
        // 441: Wrong Credentials (RFC 8656, section 19).
        Failure::WrongPassword | Failure::Code { code: 401 | 441, .. } => {
            match asked.user.and_then(|user| expired(user, asked.unix)) {
                Some(since) => Cause::ExpiredUser { since },
                None if asked.realm == Some("") => Cause::Realm("the server's is empty".to_owned()),
                None => Cause::WrongCredentials { realm, of_secret: asked.of_secret },
            }
        }
        Failure::Code { code, .. } => Cause::Code { code: *code, text: failure.to_string() },
        Failure::Timeout { .. } => Cause::NoAnswer { step: "Allocate", waited: asked.waited },
        Failure::Protocol(what) if what.contains("REALM") || what.contains("realm") => Cause::Realm((*what).to_owned()),
        Failure::Protocol(what) => Cause::Protocol((*what).to_owned()),
    }
}

/// How long ago the time in a REST user name was over (draft-uberti-behave-turn-rest-00, section 2.2): seconds since 1970
/// before or behind a separator. `None` where there is no such time or it is still to come.
pub fn expired(user: &str, unix: Duration) -> Option<Duration> {
    /// Seconds from 2001 to 2286 have ten digits; what is shorter is a telephone extension or the like.
    const DIGITS: usize = 10;
    let mut parts = user.split(|character: char| !character.is_ascii_digit());
    let (first, last) = (parts.next(), parts.next_back());
    let end = first.into_iter().chain(last).find(|part| part.len() == DIGITS)?;
    let end = Duration::from_secs(end.parse().ok()?);
    unix.checked_sub(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtcscope::proto::stun::Method;

    const NOW: Duration = Duration::from_secs(1_700_000_000);

    fn asked(user: Option<&'static str>) -> Asked<'static> {
        Asked { user, of_secret: false, realm: Some("example.org"), unix: NOW, waited: Duration::from_secs(5) }
    }

    #[test]
    fn a_user_name_is_expired_when_the_time_in_it_is_over() {
        assert_eq!(expired("1699999990:alice", NOW), Some(Duration::from_secs(10)));
        assert_eq!(expired("alice:1699999990", NOW), Some(Duration::from_secs(10)));
        assert_eq!(expired("1699999990", NOW), Some(Duration::from_secs(10)));
        for user in ["1700000001:alice", "alice", "4711", "", "99999999999999999999:alice", "12345678901:a"] {
            assert_eq!(expired(user, NOW), None, "{user}");
        }
    }

    #[test]
    fn a_401_is_told_apart_by_who_asked() {
        let refused = |user| refusal(&Failure::WrongPassword, &asked(user));
        assert_eq!(refused(Some("alice")).key(), "wrong-credentials");
        assert_eq!(refused(Some("1600000000:alice")).key(), "expired-user");
        let code = |code| Failure::Code { code, reason: String::new(), method: Method::ALLOCATE };
        assert_eq!(refusal(&code(401), &asked(None)).key(), "no-credentials");
        assert_eq!(refusal(&code(441), &asked(Some("alice"))).key(), "wrong-credentials");
        assert_eq!(refusal(&code(486), &asked(Some("alice"))).key(), "error-code");
        let realmless = Asked { realm: Some(""), ..asked(Some("alice")) };
        assert_eq!(refusal(&Failure::WrongPassword, &realmless).key(), "realm");
        assert_eq!(refusal(&Failure::Protocol("a challenge without REALM"), &asked(None)).key(), "realm");
    }

    #[test]
    fn how_long_a_user_name_is_expired_is_said_in_words_that_fit_the_time() {
        let said = |secs| Cause::ExpiredUser { since: Duration::from_secs(secs) }.to_string();
        for (secs, words) in [(7, "7 s"), (125, "2 minutes"), (7_300, "2 hours"), (295_276_492, "3417 days")] {
            assert_eq!(said(secs), format!("401, the time in the user name was over {words} ago"));
        }
    }

    #[test]
    fn the_realm_and_the_secret_are_named_for_wrong_credentials() {
        let text =
            refusal(&Failure::WrongPassword, &Asked { of_secret: true, ..asked(Some("1700000009")) }).to_string();
        assert_eq!(text, "401, wrong shared secret (realm `example.org`)");
    }
}
