use std::fmt;

use serde::Serialize;

/// How much of a value that was found is repeated.
const MAX_GOT: usize = 80;

/// A fault of one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Fault {
    /// Which field: `name`, `address.city`, `items[2]`. Empty when it is all of the arguments.
    pub field: String,
    /// The expectation.
    pub expected: String,
    /// The found value, cut short; absent without a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub got: Option<String>,
    #[serde(skip)]
    said: Said,
}

/// The text of a fault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Said {
    /// The expectation, and the found value.
    #[default]
    Plainly,
    /// The field is missing; such faults are reported together.
    Missing,
    /// This text.
    As(String),
}

/// The arguments are not what is taken, which only the handler could see: a day in the past, two fields that
/// contradict each other. What a schema can say is checked before the handler runs.
///
/// ```
/// use anyport_server::InvalidParams;
///
/// let error = InvalidParams::new("day", "a day in the future").got("2020-01-01");
/// assert_eq!(error.to_string(), "invalid arguments: day: expected a day in the future, got 2020-01-01");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidParams {
    faults: Vec<Fault>,
}

impl Fault {
    /// `field` is not what was `expected`.
    pub fn new(field: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { field: field.into(), expected: expected.into(), got: None, said: Said::Plainly }
    }

    /// `field` is not there, which should be what was `expected`.
    pub(crate) fn missing(field: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { said: Said::Missing, ..Self::new(field, expected) }
    }

    /// Sets a text other than the one made of expectation and value.
    #[must_use]
    pub(crate) fn in_words(mut self, words: impl Into<String>) -> Self {
        self.said = Said::As(words.into());
        self
    }

    /// Leaves out what was found.
    pub(crate) fn without_got(self) -> Self {
        Self { got: None, ..self }
    }

    pub(crate) fn is_missing(&self) -> bool {
        self.said == Said::Missing
    }

    /// Sets the found value; a long one is cut.
    #[must_use]
    pub fn got(mut self, got: impl fmt::Display) -> Self {
        self.got = Some(cut(&got.to_string(), MAX_GOT).into_owned());
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.said {
            Said::As(words) => return f.write_str(words),
            Said::Missing => return write!(f, "missing: {} ({})", self.field, self.expected),
            Said::Plainly => {}
        }
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        write!(f, "expected {}", self.expected)?;
        match &self.got {
            Some(got) => write!(f, ", got {got}"),
            None => Ok(()),
        }
    }
}

impl InvalidParams {
    /// `field` is not what was `expected`.
    pub fn new(field: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { faults: vec![Fault::new(field, expected)] }
    }

    /// Sets the found value of the last named field; a long one is cut. Omit it for secrets.
    #[must_use]
    pub fn got(mut self, got: impl fmt::Display) -> Self {
        if let Some(last) = self.faults.pop() {
            self.faults.push(last.got(got));
        }
        self
    }

    /// Another field is wrong as well.
    #[must_use]
    pub fn and(mut self, field: impl Into<String>, expected: impl Into<String>) -> Self {
        self.faults.push(Fault::new(field, expected));
        self
    }

    /// The fields that are wrong.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

impl fmt::Display for InvalidParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid arguments: ")?;
        for (index, fault) in self.faults.iter().enumerate() {
            let separator = if index > 0 { "; " } else { "" };
            write!(f, "{separator}{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for InvalidParams {}

/// `text`, cut where it becomes too long.
pub(crate) fn cut(text: &str, most: usize) -> std::borrow::Cow<'_, str> {
    if text.len() <= most {
        return text.into();
    }
    format!("{}…", &text[..text.floor_char_boundary(most)]).into()
}
