use std::fmt;

use anyport_transport::client::http::SideAnswer;
use serde::Deserialize;

use crate::{secret::Secret, shown::SHOWN};

/// The error of an authorization server (RFC 6749 §5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuthError {
    /// Its code, such as `invalid_grant`.
    pub code: String,
    /// Its words.
    pub description: Option<String>,
}

#[derive(Deserialize)]
struct Document {
    error: String,
    error_description: Option<String>,
}

impl OAuthError {
    /// An error with these words, each on one line.
    pub(crate) fn new(code: &str, description: Option<&str>) -> Self {
        let on_one_line = |text: &str| -> String {
            let words: Vec<&str> = text.split_whitespace().collect();
            words.join(" ").chars().filter(|sign| !sign.is_control()).collect()
        };
        let description = description.map(on_one_line).filter(|words| !words.is_empty());
        Self { code: on_one_line(code), description }
    }

    /// The error without what was sent: a server may repeat it. Words are cut only when they are shown, since a part of a secret
    /// would not be found.
    pub(crate) fn without<'a>(self, secrets: impl IntoIterator<Item = &'a Secret> + Clone) -> Self {
        let hidden =
            |text: String| secrets.clone().into_iter().fold(text, |text, secret| secret.hidden_in(&text));
        Self { code: hidden(self.code), description: self.description.map(hidden) }
    }

    /// The error in an answer, if it has one, whatever the status below 500 that it came with: GitHub's have 200.
    pub(crate) fn of(answer: &SideAnswer) -> Option<Self> {
        let body = answer.body.as_deref().filter(|_| answer.status < 500)?;
        let document: Document = serde_json::from_slice(body).ok()?;
        Some(Self::new(&document.error, document.error_description.as_deref()))
    }
}

impl fmt::Display for OAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.description {
            Some(description) => write!(f, "{:.SHOWN$} ({description:.SHOWN$})", self.code),
            None => write!(f, "{:.SHOWN$}", self.code),
        }
    }
}

/// The error code with which a proof with a nonce is asked for (RFC 9449 §8, §9).
pub(crate) const USE_DPOP_NONCE: &str = "use_dpop_nonce";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_secret_is_hidden_before_the_words_are_cut() {
        let secret = Secret::new("s".repeat(300));
        let error = OAuthError::new("no", Some(&format!("not {}, {}", secret.expose(), "x".repeat(300))));
        let shown = error.without([&secret]).to_string();
        assert!(shown.starts_with("no (not <hidden>, xxx") && !shown.contains("ss"), "{shown}");
        assert_eq!(shown.chars().count(), "no ()".len() + SHOWN);
    }
}
