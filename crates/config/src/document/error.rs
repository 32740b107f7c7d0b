/// Where and why a text is not of its language.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) reason: String,
}

/// Why an entry cannot be edited.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum EditError {
    Syntax(SyntaxError),
    /// A key on the way to the entry has a value of another kind.
    Shape {
        key: String,
        found: &'static str,
    },
    /// The edit would change more.
    Unsafe(String),
}

impl From<SyntaxError> for EditError {
    fn from(error: SyntaxError) -> Self {
        Self::Syntax(error)
    }
}
