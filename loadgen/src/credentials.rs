//! Who we are to the server: of what was typed, and of the environment.
//!
//! In: [`CredentialArguments`] and a look into the environment. Out: [`Credentials`], or [`Refusal`].
//! Never: a file opened, a secret in an error.

use crate::args::CredentialArguments;
use crate::config::{Environment, Refusal, refuse};
use crate::secret::Secret;
use std::ffi::OsString;
use std::path::PathBuf;
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
