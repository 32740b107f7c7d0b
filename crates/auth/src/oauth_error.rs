use std::fmt;

use serde::Deserialize;

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
    /// An error with these words, each on one line and of a length that can be shown.
    pub(crate) fn new(code: &str, description: Option<&str>) -> Self {
        let shown = |text: &str| -> String {
            let words: Vec<&str> = text.split_whitespace().collect();
            words.join(" ").chars().filter(|sign| !sign.is_control()).take(200).collect()
        };
        let description = description.map(shown).filter(|words| !words.is_empty());
        Self { code: shown(code), description }
    }

    /// The error in a document, if it has one, whatever the status it came with: some servers answer 200.
    pub(crate) fn of(document: &[u8]) -> Option<Self> {
        let document: Document = serde_json::from_slice(document).ok()?;
        Some(Self::new(&document.error, document.error_description.as_deref()))
    }
}

impl fmt::Display for OAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.description {
            Some(description) => write!(f, "{} ({description})", self.code),
            None => f.write_str(&self.code),
        }
    }
}
