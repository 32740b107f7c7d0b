use regex::{Regex, RegexBuilder};

use crate::refusal::Fault;

/// A pattern that a text must match as a whole.
#[derive(Clone, Debug)]
pub struct WholeMatch {
    source: String,
    pattern: Regex,
}

/// A pattern cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It is too large.
    #[error("the pattern is too large: it may take {SIZE} bytes once it is compiled")]
    TooLarge,
    /// It is not one of the crate `regex`.
    #[error("the pattern cannot be read: {0}")]
    Invalid(String),
}

/// The most bytes of a compiled pattern.
pub(crate) const SIZE: usize = 1 << 20;

impl WholeMatch {
    /// The pattern `source`, in the syntax of Rust's `regex`, whose time is linear in the text.
    ///
    /// # Errors
    /// [`PatternError`].
    pub fn new(source: &str) -> Result<Self, PatternError> {
        // Alone first: one that closes the group would be a part of another pattern.
        compiled(source)?;
        let pattern = compiled(&format!(r"\A(?:{source})\z"))?;
        Ok(Self { source: source.to_owned(), pattern })
    }

    pub(crate) fn check(&self, text: &str) -> Result<(), Fault> {
        if self.pattern.is_match(text) { Ok(()) } else { Err("it does not match the pattern".into()) }
    }

    pub(crate) fn accepted(&self) -> String {
        format!("texts that match {} as a whole", self.source)
    }
}

/// A pattern of limited size.
///
/// # Errors
/// [`PatternError`].
pub(crate) fn compiled(source: &str) -> Result<Regex, PatternError> {
    RegexBuilder::new(source).size_limit(SIZE).dfa_size_limit(SIZE).build().map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => PatternError::TooLarge,
        error => PatternError::Invalid(error.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_matches_as_a_whole() {
        let check = WholeMatch::new("[a-z]+|x1").unwrap();
        for (text, is_right) in [
            ("abc", true),
            ("x1", true),
            ("", false),
            ("abc1", false),
            ("abc\n", false),
            ("abc\n; drop", false),
            ("1abc", false),
        ] {
            assert_eq!(check.check(text).is_ok(), is_right, "{text:?}");
        }
    }

    #[test]
    fn a_pattern_has_a_size_and_a_syntax() {
        assert_eq!(WholeMatch::new(r"\w{1000}{100}").err(), Some(PatternError::TooLarge));
        for wrong in ["(", "a)|(?:.*", "(?=a)"] {
            assert!(matches!(WholeMatch::new(wrong), Err(PatternError::Invalid(_))), "{wrong}");
        }
    }
}
