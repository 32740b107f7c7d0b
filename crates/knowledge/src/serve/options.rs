use anyport_protocol::settings;

use crate::answers::DEFAULT_MAX_ANSWER_CHARS;

/// The most values that an argument lists in its schema, for a language or a domain; of more, it takes any text, and
/// the answer says what comes close.
pub const MAX_CHOICES: usize = 32;

settings! {
    /// How documents are offered.
    ///
    /// ```
    /// use anyport_knowledge::Options;
    ///
    /// let options = Options::default().max_answer_chars(20_000).languages(["kotlin".to_owned()]);
    /// # let _ = options;
    /// ```
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Options {
        /// The number of characters of a document that an answer of a tool or prompt has, unless the call gives another
        /// number.
        #[default("[`DEFAULT_MAX_ANSWER_CHARS`]" = DEFAULT_MAX_ANSWER_CHARS)]
        pub max_answer_chars: usize,
        /// Languages that clients can choose even without documents, beside those of the documents and
        /// [`Options::LANGUAGES`].
        #[default("none" = Vec::new())]
        #[set(into)]
        pub languages: Vec<String>,
        /// Domains, likewise, beside [`Options::DOMAINS`].
        #[default("none" = Vec::new())]
        #[set(into)]
        pub domains: Vec<String>,
    }
}

impl Options {
    /// Languages that clients can always choose.
    pub const LANGUAGES: [&str; 5] = ["python", "go", "javascript", "typescript", "rust"];
    /// Domains that clients can always choose.
    pub const DOMAINS: [&str; 5] = ["architecture", "testing", "security", "performance", "patterns"];
}
