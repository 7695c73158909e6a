//! Who we are to the server: of what was typed, and of the environment.
//!
//! In: [`CredentialArguments`] and a look into the environment; what stands in the files. Out: [`Credentials`], or
//! [`Refusal`]; of them an [`Identity`], which gives each allocation its [`Login`]. Never: a file opened, a clock, a secret
//! in an error.

use crate::args::CredentialArguments;
use crate::config::{Environment, Refusal, refuse};
use crate::secret::Secret;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Who we are to the server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Credentials {
    /// It does not ask.
    None,
    /// Long-term credential (RFC 8489, section 9.2).
    LongTerm {
        /// USERNAME.
        user: String,
        /// The password.
        password: SecretSource,
    },
    /// User name and password of a shared secret (draft-uberti-behave-turn-rest-00).
    Rest {
        /// Behind expiry and separator, where given.
        user: Option<String>,
        /// The secret.
        secret: SecretSource,
        /// How long each is valid.
        expiry: Duration,
        /// Between expiry and user.
        separator: char,
    },
}

/// Where a secret comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SecretSource {
    /// Here it is.
    Text(Secret),
    /// The first line of a file.
    File(PathBuf),
}

impl Credentials {
    /// With the secrets at hand. `read` gives the text of a file, of which the first line counts.
    pub fn identity(&self, read: &dyn Fn(&Path) -> std::io::Result<String>) -> Result<Identity, Refusal> {
        Ok(match self {
            Self::None => Identity::None,
            Self::LongTerm { user, password } => {
                Identity::LongTerm(Arc::new(Login { user: user.clone(), password: password.secret(read)? }))
            }
            Self::Rest { user, secret, expiry, separator } => Identity::Rest {
                user: user.clone(),
                secret: secret.secret(read)?,
                expiry: *expiry,
                separator: *separator,
            },
        })
    }
}

impl SecretSource {
    fn secret(&self, read: &dyn Fn(&Path) -> std::io::Result<String>) -> Result<Secret, Refusal> {
        let path = match self {
            Self::Text(secret) => return Ok(secret.clone()),
            Self::File(path) => path,
        };
        let text = match read(path) {
            Ok(text) => text,
            Err(error) => return refuse(format!("{}: {error}", path.display())),
        };
        match text.lines().next() {
            Some(line) if !line.is_empty() => Ok(Secret::from(line.to_owned())),
            _ => refuse(format!("{}: its first line is empty", path.display())),
        }
    }
}

/// Who we are, with the secrets at hand.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Identity {
    /// The server does not ask.
    None,
    /// The same for all allocations.
    LongTerm(Arc<Login>),
    /// Each login is made of the time.
    Rest {
        /// Behind expiry and separator, where given.
        user: Option<String>,
        /// The secret.
        secret: Secret,
        /// How long each is valid.
        expiry: Duration,
        /// Between expiry and user.
        separator: char,
    },
}

impl Identity {
    /// What an allocation says that begins at `unix`, the time since 1970; `None` where the server does not ask. An
    /// allocation keeps its login: a server refuses to refresh it for another user (RFC 8656, section 5).
    pub fn login(&self, unix: Duration) -> Option<Arc<Login>> {
        match self {
            Self::None => None,
            Self::LongTerm(login) => Some(Arc::clone(login)),
            Self::Rest { user, secret, expiry, separator } => {
                let end = unix.saturating_add(*expiry).as_secs();
                let user = match user {
                    Some(user) => format!("{end}{separator}{user}"),
                    None => end.to_string(),
                };
                let password = rest_password(secret, &user);
                Some(Arc::new(Login { user, password }))
            }
        }
    }
}

/// A user name and its password, as they go into messages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Login {
    /// USERNAME.
    pub user: String,
    /// What the key is made of.
    pub password: Secret,
}

/// Base64 of the HMAC-SHA1 of the user name (draft-uberti-behave-turn-rest-00, section 2.2).
fn rest_password(secret: &Secret, user: &str) -> Secret {
    let secret = secret.reveal().as_bytes();
    // HMAC takes keys of any length (RFC 2104, section 2).
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(secret) else { return Secret::from(String::new()) };
    mac.update(user.as_bytes());
    Secret::from(base64(&mac.finalize().into_bytes()))
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_usize, |word, byte| word << 8 | usize::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = ALPHABET[word >> (18 - 6 * place) & 0x3f];
            text.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

/// None where there are none. What was typed goes before the environment, as a whole: a secret of the environment does
/// not turn a typed password into REST credentials.
pub(crate) fn of(typed: CredentialArguments, environment: Environment<'_>) -> Result<Option<Credentials>, Refusal> {
    let password = one_source("password", typed.password, typed.password_file)?;
    let secret = one_source("secret", typed.secret, typed.secret_file)?;
    if typed.no_auth {
        if typed.user.is_some() || password.is_some() || secret.is_some() {
            return refuse("--no-auth contradicts --user, --password and --secret");
        }
        return Ok(Some(Credentials::None));
    }
    let from_environment = |name: &str| match environment(name).map(OsString::into_string) {
        None => Ok(None),
        Some(Ok(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
        Some(Err(_)) => refuse(format!("{name} in the environment is not UTF-8")),
    };
    let source = |text: String| SecretSource::Text(Secret::from(text));
    let (password, secret) = match (password, secret) {
        (None, None) => (from_environment("TURN_PASSWORD")?.map(source), from_environment("TURN_SECRET")?.map(source)),
        typed => typed,
    };
    let user = match typed.user {
        Some(user) => Some(user),
        None => from_environment("TURN_USERNAME")?,
    };
    if user.as_deref() == Some("") {
        return refuse("--user: the name is empty");
    }
    match (user, password, secret) {
        (_, Some(_), Some(_)) => {
            refuse("both a password and a shared secret; say which one with --password or --secret")
        }
        (Some(user), Some(password), None) => Ok(Some(Credentials::LongTerm { user, password })),
        (None, Some(_), None) => refuse("a password without a user; say --user or set TURN_USERNAME"),
        (user, None, Some(secret)) => {
            let (expiry, separator) = (typed.secret_expiry, typed.secret_separator);
            if expiry.is_zero() {
                return refuse("--secret-expiry: credentials that expire at once");
            }
            Ok(Some(Credentials::Rest { user, secret, expiry, separator }))
        }
        (Some(_), None, None) => refuse(
            "a user without a password; say --password-file or set TURN_PASSWORD (or --secret-file, TURN_SECRET)",
        ),
        (None, None, None) => Ok(None),
    }
}

fn one_source(name: &str, text: Option<Secret>, file: Option<PathBuf>) -> Result<Option<SecretSource>, Refusal> {
    match (text, file) {
        (Some(_), Some(_)) => refuse(format!("both --{name} and --{name}-file")),
        (Some(text), None) if text.reveal().is_empty() => refuse(format!("--{name}: it is empty")),
        (Some(text), None) => Ok(Some(SecretSource::Text(text))),
        (None, file) => Ok(file.map(SecretSource::File)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rest(user: Option<&str>) -> Identity {
        let secret = SecretSource::Text(Secret::from("logen".to_owned()));
        let user = user.map(str::to_owned);
        Credentials::Rest { user, secret, expiry: Duration::from_secs(86_400), separator: ':' }
            .identity(&|_| Err(std::io::ErrorKind::NotFound.into()))
            .expect("nothing is read")
    }

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xfb, 0xff]), "+/8=");
    }

    #[test]
    fn a_login_of_a_shared_secret_names_its_end_and_signs_it() {
        let login = rest(Some("alice")).login(Duration::from_millis(1_700_000_000_900)).expect("a login");
        assert_eq!(login.user, "1700086400:alice");
        assert_eq!(login.password.reveal(), "Nay3GuEl9wHPmgQ4Y6XHUzhHnfI=");
        let nameless = rest(None).login(Duration::from_secs(1_700_000_000)).expect("a login");
        assert_eq!(nameless.user, "1700086400");
        assert_ne!(nameless.password, login.password);
    }

    #[test]
    fn the_first_line_of_a_file_is_the_secret() {
        let of = |text: &'static str| {
            let password = SecretSource::File(PathBuf::from("p"));
            Credentials::LongTerm { user: "u".to_owned(), password }.identity(&move |_| Ok(text.to_owned()))
        };
        let login = of("open sesame\r\nmore").expect("a secret").login(Duration::ZERO).expect("a login");
        assert_eq!((login.user.as_str(), login.password.reveal()), ("u", "open sesame"));
        assert!(of("\nmore").expect_err("empty").to_string().contains("first line"));
        let password = SecretSource::File(PathBuf::from("no.such"));
        let missing = Credentials::LongTerm { user: "u".to_owned(), password }
            .identity(&|_| Err(std::io::ErrorKind::NotFound.into()))
            .expect_err("no file");
        assert!(missing.to_string().contains("no.such"));
    }

    #[test]
    fn nobody_logs_in_where_the_server_does_not_ask() {
        let none = Credentials::None.identity(&|_| Ok(String::new())).expect("nothing is read");
        assert_eq!(none.login(Duration::ZERO), None);
    }
}
