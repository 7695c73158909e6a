//! Credentials of a TURN server, with which MESSAGE-INTEGRITY is checked.
//!
//! In: what was typed, the environment, the first line of a file. Out: [`TurnCredentials`], or a message that names the
//! argument. Never: a secret in a message or in debug output.

use crate::model::analyzer::TurnCredentials;
use clap::Args;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

/// A text that is not shown.
#[derive(Clone)]
pub struct Secret(String);

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The arguments.
#[derive(Clone, Debug, Default, Args)]
pub struct TurnArguments {
    /// User of the TURN server that the password is for; without one it is for any user. Or TURN_USERNAME.
    #[arg(long, value_name = "NAME")]
    pub turn_user: Option<String>,
    /// Password of the TURN server, to check the MESSAGE-INTEGRITY of its messages. Or TURN_PASSWORD, which other users of
    /// the machine do not see.
    #[arg(long, value_name = "PASSWORD")]
    pub turn_password: Option<Secret>,
    /// File whose first line is the password.
    #[arg(long, value_name = "FILE", conflicts_with = "turn_password")]
    pub turn_password_file: Option<PathBuf>,
    /// Secret of which a TURN server makes passwords (the TURN REST API). Or TURN_SECRET.
    #[arg(long, value_name = "SECRET")]
    pub turn_secret: Option<Secret>,
    /// File whose first line is the secret.
    #[arg(long, value_name = "FILE", conflicts_with = "turn_secret")]
    pub turn_secret_file: Option<PathBuf>,
}

impl TurnArguments {
    /// With the variables of this process, and its files.
    pub(super) fn with_environment(self) -> Result<TurnCredentials, String> {
        self.credentials(|name| std::env::var_os(name), |path| std::fs::read_to_string(path))
    }

    /// What was typed goes before the environment, as a whole. `environment` gives a variable, `read` the text of a file.
    fn credentials(
        self,
        environment: impl Fn(&str) -> Option<OsString>,
        read: impl Fn(&Path) -> std::io::Result<String>,
    ) -> Result<TurnCredentials, String> {
        let variable = |name: &str| {
            let text = environment(name).map(OsString::into_string).transpose();
            text.map_err(|_| format!("{name} in the environment is not UTF-8"))
        };
        let one = |name: &str, typed: Option<Secret>, file: Option<PathBuf>| match file {
            None => Ok(typed.map(|secret| secret.0)),
            Some(path) => first_line(name, &path, &read).map(Some),
        };
        let mut password = one("turn-password-file", self.turn_password, self.turn_password_file)?;
        let mut secret = one("turn-secret-file", self.turn_secret, self.turn_secret_file)?;
        let mut user = self.turn_user;
        if password.is_none() && secret.is_none() {
            (password, secret) = (variable("TURN_PASSWORD")?, variable("TURN_SECRET")?);
            user = user.or(variable("TURN_USERNAME")?);
        }
        let given = |text: &String| !text.is_empty();
        Ok(TurnCredentials { user: user.filter(given), password: password.filter(given), secret: secret.filter(given) })
    }
}

fn first_line(name: &str, path: &Path, read: impl Fn(&Path) -> std::io::Result<String>) -> Result<String, String> {
    let text = read(path).map_err(|error| format!("--{name}: {}: {error}", path.display()))?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(line.to_owned()),
        _ => Err(format!("--{name}: the first line of {} is empty", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing(_: &str) -> Option<OsString> {
        None
    }

    fn file(_: &Path) -> std::io::Result<String> {
        Ok("from file\nsecond line\n".to_owned())
    }

    fn secret(text: &str) -> Option<Secret> {
        Some(Secret(text.to_owned()))
    }

    #[test]
    fn what_was_typed_goes_before_the_environment_as_a_whole() {
        let environment = |name: &str| Some(OsString::from(format!("value of {name}")));
        let typed = TurnArguments { turn_password: secret("typed"), ..TurnArguments::default() };
        let credentials = typed.credentials(environment, file).unwrap();
        assert_eq!(
            (credentials.password.as_deref(), credentials.secret, credentials.user),
            (Some("typed"), None, None)
        );
        let credentials = TurnArguments::default().credentials(environment, file).unwrap();
        assert_eq!(credentials.password.as_deref(), Some("value of TURN_PASSWORD"));
        assert_eq!(credentials.secret.as_deref(), Some("value of TURN_SECRET"));
        assert_eq!(credentials.user.as_deref(), Some("value of TURN_USERNAME"));
    }

    #[test]
    fn of_a_file_the_first_line_counts() {
        let named = |path: &str| TurnArguments { turn_secret_file: Some(path.into()), ..TurnArguments::default() };
        let credentials = named("x").credentials(nothing, file).unwrap();
        assert_eq!(credentials.secret.as_deref(), Some("from file"));
        let empty = named("x").credentials(nothing, |_: &Path| Ok("\nsecret".to_owned())).unwrap_err();
        assert_eq!(empty, "--turn-secret-file: the first line of x is empty");
    }

    #[test]
    fn a_secret_is_not_shown() {
        let typed = TurnArguments { turn_password: secret("hush"), ..TurnArguments::default() };
        assert!(!format!("{typed:?}").contains("hush"));
        assert!(!format!("{:?}", typed.credentials(nothing, file).unwrap()).contains("hush"));
    }
}
