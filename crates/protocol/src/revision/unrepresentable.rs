use crate::{Method, Revision};

/// An older revision cannot say this; the variant is the rule that refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unrepresentable {
    /// The method came with a later revision.
    #[error("{to} has no {}; it came with {}", .method.as_str(), .method.entry().since)]
    Method {
        /// The method.
        method: Method,
        /// The revision that lacks it.
        to: Revision,
    },
    /// Below 2026-07-28 every result is complete: the requests of `input_required` have to be sent while the call is
    /// open, and the result of an extension has to be finished first.
    #[error("a result of type {0} can only be said since 2026-07-28")]
    ResultType(String),
    /// Below 2025-11-25 a call has no task for its result.
    #[error("a task instead of a result can only be said since 2025-11-25")]
    Task,
    /// Below 2025-11-25 elicitation has forms only.
    #[error("elicitation in URL mode can only be said since 2025-11-25; ask with a form")]
    UrlElicitation,
    /// Below 2025-11-25 a sampled model has no tools.
    #[error("tool use in sampling can only be said since 2025-11-25; leave out `tools` and `toolChoice`")]
    ToolUse,
    /// Below 2025-11-25 a sampled message is one block, and these cannot be made one.
    #[error("a sampled message of several blocks can only be said since 2025-11-25, unless all are text")]
    SeveralBlocks,
    /// In 2024-11-05 sampling knows text and images.
    #[error("audio in sampling can only be said since 2025-03-26")]
    Audio,
    /// The answer to a field where several values could be chosen does not fit the choices.
    #[error("the answer to {field:?} does not fit: {why}")]
    Choice {
        /// The field.
        field: String,
        /// The fault of its answer.
        why: String,
    },
}
