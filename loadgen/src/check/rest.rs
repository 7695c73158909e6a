//! What an endpoint of TURN REST credentials answers (draft-uberti-behave-turn-rest-00, section 2.2).
//!
//! In: a JSON document. Out: a login and the servers it is for. Never: the password in an error.

use crate::credentials::Login;
use crate::secret::Secret;
use crate::uri::ServerUri;
use serde::Deserialize;
use std::time::Duration;

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// User name and password.
    pub login: Login,
    /// How long they are valid, where it is said.
    pub ttl: Option<Duration>,
    /// For which servers.
    pub uris: Vec<ServerUri>,
}

#[derive(Deserialize)]
struct Document {
    username: String,
    password: String,
    ttl: Option<f64>,
    #[serde(default)]
    uris: Vec<String>,
}

/// Reads it.
///
/// # Errors
/// One sentence that holds nothing of the document but its URIs.
pub fn read(text: &str) -> Result<Answer, String> {
    let document: Document = serde_json::from_str(text).map_err(|error| {
        format!(
            "no JSON object with username, password, ttl and uris (line {}, column {})",
            error.line(),
            error.column()
        )
    })?;
    let uri = |text: &String| text.parse::<ServerUri>().map_err(|error| format!("a URI of the endpoint: {error}"));
    Ok(Answer {
        login: Login { user: document.username, password: Secret::from(document.password) },
        ttl: document.ttl.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
        uris: document.uris.iter().map(uri).collect::<Result<_, _>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_gives_login_time_and_servers() {
        let text = r#"{"username": "12334939:mbzrxpgjys", "password": "adfsaflsjfldssia", "ttl": 86400,
            "uris": ["turn:1.2.3.4:9991?transport=udp", "turns:1.2.3.4:443?transport=tcp"]}"#;
        let answer = read(text).expect("an answer");
        assert_eq!((answer.login.user.as_str(), answer.uris.len()), ("12334939:mbzrxpgjys", 2));
        assert_eq!(answer.ttl, Some(Duration::from_hours(24)));
    }

    #[test]
    fn what_is_no_answer_is_refused_without_the_password() {
        for text in [
            "",
            "[]",
            r#"{"username": "u", "password": 42143}"#,
            r#"{"username": 42143}"#,
            r#"{"username": "u", "password": "42143", "uris": ["http://x"]}"#,
        ] {
            let error = read(text).expect_err(text);
            assert!(!error.contains("42143"), "{error}");
        }
        let endless = read(r#"{"username": "u", "password": "p", "ttl": 1e300}"#).expect("an answer");
        assert_eq!((endless.ttl, endless.uris.len()), (None, 0));
    }
}
