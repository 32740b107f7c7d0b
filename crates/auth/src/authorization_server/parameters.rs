//! The parameters of a request: of a query, or of a form.

use std::borrow::Cow;

use crate::secret::Secret;

/// The parameters of one request. Some are secrets, so none is shown.
///
/// RFC 6749 §3.1: "Request and response parameters MUST NOT be included more than once."
#[derive(Clone, Default)]
pub struct Parameters(Vec<(String, Secret)>);

/// Why parameters are not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidParameters {
    /// One is there more than once.
    #[error("the parameter {0} is there more than once")]
    Repeated(String),
    /// There are more than any request of ours has.
    #[error("there are more than {MOST} parameters")]
    TooMany,
}

/// The longest name that an error repeats.
const NAME: usize = 40;
/// The most parameters that are read: each is compared with those before it.
const MOST: usize = 64;

impl Parameters {
    /// Reads the query of a URL, or a form.
    ///
    /// # Errors
    /// [`InvalidParameters`].
    pub fn parse(text: &[u8]) -> Result<Self, InvalidParameters> {
        let mut parameters: Vec<(String, Secret)> = Vec::new();
        for (name, value) in form_urlencoded::parse(text) {
            // RFC 6749 §3.1: "Parameters sent without a value MUST be treated as if they were omitted from the request."
            if value.is_empty() {
                continue;
            }
            if parameters.iter().any(|(known, _)| *known == *name) {
                return Err(InvalidParameters::Repeated(name.chars().take(NAME).collect()));
            }
            if parameters.len() == MOST {
                return Err(InvalidParameters::TooMany);
            }
            parameters.push((Cow::into_owned(name), Secret::new(value)));
        }
        Ok(Self(parameters))
    }

    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.expose())
    }

    /// Whether a parameter is there.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

/// Their names alone.
impl std::fmt::Debug for Parameters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_stands_once_and_an_empty_one_is_none() {
        let parameters = Parameters::parse(b"a=1&b=x+y%20z&c=&c=2").unwrap();
        assert_eq!((parameters.get("a"), parameters.get("b")), (Some("1"), Some("x y z")));
        assert_eq!((parameters.get("c"), parameters.has("d")), (Some("2"), false));
        assert_eq!(Parameters::parse(b"a=1&b=2&a=1").unwrap_err(), InvalidParameters::Repeated("a".into()));
        let many = |count: usize| (0..count).map(|name| format!("{name}=1&")).collect::<String>();
        assert!(Parameters::parse(many(MOST).as_bytes()).is_ok());
        let refused = Parameters::parse(many(100_000).as_bytes()).unwrap_err();
        assert_eq!(refused, InvalidParameters::TooMany, "and the rest is not read");
        assert!(!format!("{parameters:?}").contains("x y"));
    }
}
