use anyport_protocol::{Raw, json::Members};

/// Estimates the tokens that JSON takes in a model's context: four bytes are about one. Real numbers differ by model and language;
/// this one costs nothing, and is the same for all.
pub fn estimated_tokens(json: &str) -> usize {
    json.len().div_ceil(BYTES_PER_TOKEN)
}

/// The bytes of JSON that are about one token.
pub(super) const BYTES_PER_TOKEN: usize = 4;

/// The tokens of the parts of a result.
pub(super) struct Measured {
    pub(super) content: usize,
    pub(super) structured: usize,
}

impl Measured {
    pub(super) fn of(result: &Raw) -> Self {
        let tokens = |name| Members::find(result.as_str(), name).map_or(0, estimated_tokens);
        Self { content: tokens("content"), structured: tokens("structuredContent") }
    }

    /// The tokens of the result: a client passes its content or its structured content to a model, which usually say the same.
    pub(super) fn tokens(&self) -> usize {
        self.content.max(self.structured)
    }
}
