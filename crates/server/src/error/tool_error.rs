use std::{error::Error as StdError, fmt};

use super::{ErrorKind, report::ErrorReport};
use crate::Failure;

/// Any error, for handlers in which everything converts with `?`: errors of the standard library and of other crates,
/// `anyhow::Error`, `Box<dyn Error + Send + Sync>`, and words.
///
/// The model reads the error's text and those of its causes, never its `Debug` output or a backtrace. If it or one of
/// its causes is a [`NotFound`](crate::NotFound) or another error of this crate, it has that kind; so it is with
/// [`std::io::ErrorKind::NotFound`] and [`PermissionDenied`](std::io::ErrorKind::PermissionDenied). The causes of an
/// [`InternalError`](crate::InternalError) are not sent, and a [`Failure`] remains the protocol error that it is. With
/// the feature `anyhow`, the kind of the error inside an `anyhow::Error` counts.
///
/// ```
/// use anyport_server::{ErrorKind, NotFound, ToolError};
///
/// fn parse(text: &str) -> Result<i32, ToolError> {
///     if text.is_empty() {
///         return Err("there is no number".into());
///     }
///     Ok(text.parse()?)
/// }
/// assert_eq!(parse("").unwrap_err().to_string(), "there is no number");
/// assert_eq!(parse("x").unwrap_err().to_string(), "invalid digit found in string");
///
/// let error = ToolError::from(NotFound::new("note 7")).because("the list cannot be made");
/// assert_eq!(error.to_string(), "the list cannot be made: not found: note 7");
/// assert_eq!(error.kind(), ErrorKind::NotFound);
/// ```
///
/// It is not a [`std::error::Error`] itself, like `anyhow::Error`: that lets all others convert.
pub struct ToolError(Box<ErrorReport>);

impl ToolError {
    /// An error with a message that the model can read and act on.
    pub fn new(words: impl Into<String>) -> Self {
        Self(Box::new(ErrorReport { words: words.into(), ..ErrorReport::default() }))
    }

    /// Puts `words` before the message: what was being done.
    #[must_use]
    pub fn because(mut self, words: impl fmt::Display) -> Self {
        self.0.words.insert_str(0, &format!("{words}: "));
        self
    }

    /// Says what kind of failure it is.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// Its kind.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    pub(super) fn report(&self) -> &ErrorReport {
        &self.0
    }
}

/// Any error.
impl<E: Into<Box<dyn StdError + Send + Sync>> + 'static> From<E> for ToolError {
    fn from(error: E) -> Self {
        #[cfg(feature = "anyhow")]
        if let Some(error) = (&error as &dyn std::any::Any).downcast_ref::<anyhow::Error>() {
            // As a boxed error it would hide of which type it is.
            return Self(Box::new(ErrorReport::chain(error.as_ref())));
        }
        Self(Box::new(ErrorReport::chain(&*error.into())))
    }
}

/// It remains a protocol error.
impl From<Failure> for ToolError {
    fn from(Failure(error): Failure) -> Self {
        let words = error.message.clone().into_owned();
        Self(Box::new(ErrorReport { words, failure: Some(error), ..ErrorReport::default() }))
    }
}

impl fmt::Display for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.words)
    }
}

/// The message, so that the output of a failed test is readable.
impl fmt::Debug for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ToolError({}: {:?})", self.0.kind, self.0.words)
    }
}
