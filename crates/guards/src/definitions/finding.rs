/// What is suspicious about a text of a definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Finding {
    /// Characters of the block of tags, which have the letters of ASCII and no shape.
    Tags,
    /// Characters without a width.
    ZeroWidth,
    /// Characters that change the direction of text.
    Bidi,
    /// Several variation selectors in a row, which can carry bytes.
    VariationSelectors,
    /// Control characters, such as those that change how a terminal shows text.
    Control,
    /// A comment of HTML, which is not shown where Markdown is.
    HtmlComment,
    /// Words that tell a model to ignore or to hide something.
    Instruction,
}

impl Finding {
    /// Its words, for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tags => "invisible tag characters",
            Self::ZeroWidth => "characters without a width",
            Self::Bidi => "characters that change the direction of text",
            Self::VariationSelectors => "variation selectors in a row",
            Self::Control => "control characters",
            Self::HtmlComment => "an HTML comment",
            Self::Instruction => "words that tell a model to ignore or to hide something",
        }
    }
}
