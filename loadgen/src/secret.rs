//! A password or shared secret on its way through arguments and configuration.
//!
//! In: its text. Out: the text, to whoever asks for it by name. Never: the text in an error, in `Debug` or `Display`.

use std::fmt;

/// A text that must not be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself, for keys and messages to the server.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown_by_debug() {
        let secret = Secret::from("opensesame".to_owned());
        assert_eq!(format!("{secret:?} {:#?}", Some(&secret)).matches("opensesame").count(), 0);
        assert_eq!(secret.reveal(), "opensesame");
    }
}
