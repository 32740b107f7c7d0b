use std::fmt::Write as _;

use http::HeaderValue;

/// An authentication challenge, as a value of `WWW-Authenticate` (RFC 9110 §11.6.1).
#[derive(Debug)]
pub(super) struct Challenge {
    text: String,
    has_parameters: bool,
}

impl Challenge {
    /// A challenge of the scheme `scheme`.
    pub(super) fn new(scheme: &str) -> Self {
        Self { text: scheme.to_owned(), has_parameters: false }
    }

    /// Adds the parameter `name`, a quoted string (RFC 9110 §5.6.4), unless its value is empty.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        if value.is_empty() {
            return self;
        }
        let separator = if self.has_parameters { ", " } else { " " };
        // Writing to a string does not fail.
        let _ = write!(self.text, "{separator}{name}=\"");
        for character in value.chars() {
            match character {
                '"' | '\\' => self.text.extend(['\\', character]),
                ' '..='~' => self.text.push(character),
                // What a header cannot say.
                _ => self.text.push('?'),
            }
        }
        self.text.push('"');
        self.has_parameters = true;
        self
    }

    /// Adds `error` and its description. RFC 6750 §3: values of `error_description` "MUST NOT include characters outside the
    /// set %x20-21 / %x23-5B / %x5D-7E".
    pub(super) fn with_error(self, error: &str, description: &str) -> Self {
        self.with("error", error).with("error_description", &description.replace(['"', '\\'], "'"))
    }

    /// The value of the header. `None` cannot be, as the text is visible ASCII.
    pub(super) fn into_header(self) -> Option<HeaderValue> {
        HeaderValue::try_from(self.text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(challenge: Challenge) -> String {
        challenge.into_header().unwrap().to_str().unwrap().to_owned()
    }

    #[test]
    fn parameters_are_quoted_and_nothing_leaves_the_quotes() {
        assert_eq!(text(Challenge::new("Bearer")), "Bearer");
        let challenge = Challenge::new("DPoP").with("scope", "a b").with("algs", "").with("x", "1");
        assert_eq!(text(challenge), r#"DPoP scope="a b", x="1""#);
        let evil = Challenge::new("Bearer").with("scope", "a\", error=\"x\\\r\nSet-Cookie: ä");
        assert_eq!(text(evil), r#"Bearer scope="a\", error=\"x\\??Set-Cookie: ?""#);
        let error = Challenge::new("Bearer").with_error("invalid_token", "not \"here\"");
        assert_eq!(text(error), r#"Bearer error="invalid_token", error_description="not 'here'""#);
    }
}
