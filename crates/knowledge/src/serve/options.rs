use crate::answers::DEFAULT_MAX_ANSWER_CHARS;

/// The most values that an argument lists in its schema, for a language or a domain; of more, it takes any text, and
/// the answer says what comes close.
pub const MAX_CHOICES: usize = 32;

/// How documents are offered.
///
/// ```
/// use anyport_knowledge::Options;
///
/// let options = Options { max_answer_chars: 20_000, languages: vec!["kotlin".to_owned()], ..Options::default() };
/// # let _ = options;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many characters of a document an answer of a tool or prompt holds, unless the call says another number.
    /// Default [`DEFAULT_MAX_ANSWER_CHARS`].
    pub max_answer_chars: usize,
    /// Languages that clients can choose even without documents, beside those of the documents and
    /// [`Options::LANGUAGES`].
    pub languages: Vec<String>,
    /// Domains, likewise, beside [`Options::DOMAINS`].
    pub domains: Vec<String>,
}

impl Options {
    /// Languages that clients can always choose.
    pub const LANGUAGES: [&str; 5] = ["python", "go", "javascript", "typescript", "rust"];
    /// Domains that clients can always choose.
    pub const DOMAINS: [&str; 5] = ["architecture", "testing", "security", "performance", "patterns"];
}

impl Default for Options {
    fn default() -> Self {
        Self { max_answer_chars: DEFAULT_MAX_ANSWER_CHARS, languages: Vec::new(), domains: Vec::new() }
    }
}
