//! Completion: suggestions for arguments of prompts and variables of templates.

use std::fmt::Display;

use anyport_protocol::Error;

use crate::{Failure, Values, error::ErrorReport};

/// A request for completions: the text of an argument or variable so far.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompletionRequest {
    /// The text so far.
    pub value: String,
    /// The values of other arguments that the client has already.
    pub arguments: Values,
}

/// The suggestions for an argument or variable, the most relevant first. At most 100 are sent.
///
/// 2026-07-28, completion §Completion Results: "Maximum 100 items per response".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completion {
    /// The suggestions.
    pub values: Vec<String>,
    /// The number of all suggestions; unless set, that of `values`.
    pub total: Option<u64>,
    /// Whether there are more than `values`; more than 100 `values` imply it.
    pub has_more: bool,
}

impl Completion {
    /// Those `candidates` that begin with what is `typed`, whatever their case, in their order.
    pub fn starting_with<S: Into<String>>(typed: &str, candidates: impl IntoIterator<Item = S>) -> Self {
        let typed = typed.to_lowercase();
        Self::of(
            candidates.into_iter().map(Into::into).filter(|text| text.to_lowercase().starts_with(&typed)),
        )
    }

    /// Those `candidates` that have what is `typed` anywhere in them, whatever their case: first those that begin with
    /// it, then those in which a word does, then the others.
    pub fn matching<S: Into<String>>(typed: &str, candidates: impl IntoIterator<Item = S>) -> Self {
        let typed = typed.to_lowercase();
        let rank = |text: &str| -> Option<usize> {
            let text = text.to_lowercase();
            let begins_word = |at: usize| !text[..at].ends_with(char::is_alphanumeric);
            match text.find(&typed)? {
                0 => Some(0),
                _ if text.match_indices(&typed).any(|(at, _)| begins_word(at)) => Some(1),
                _ => Some(2),
            }
        };
        let candidates = candidates.into_iter().map(Into::into);
        let mut found: Vec<(usize, String)> =
            candidates.filter_map(|text: String| Some((rank(&text)?, text))).collect();
        found.sort_by_key(|(rank, _)| *rank);
        Self::of(found.into_iter().map(|(_, text)| text))
    }

    /// Suggests `values`, cut to the number that can be sent.
    fn of(values: impl Iterator<Item = String>) -> Self {
        let mut completion = Self::default();
        let mut total = 0;
        for value in values {
            total += 1;
            if completion.values.len() < MAX_COMPLETIONS {
                completion.values.push(value);
            }
        }
        completion.total = Some(total);
        completion.has_more = total > MAX_COMPLETIONS as u64;
        completion
    }
}

/// The most suggestions in one result.
pub const MAX_COMPLETIONS: usize = 100;

/// The return types of a completion function.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a completion",
    note = "return a `Vec<String>`, a `Completion`, or a `Result` of one of these"
)]
pub trait IntoCompletion {
    /// The suggestions.
    ///
    /// # Errors
    /// What ends the request instead.
    fn into_completion(self) -> Result<Completion, Error>;
}

impl IntoCompletion for Completion {
    fn into_completion(self) -> Result<Completion, Error> {
        Ok(self)
    }
}

impl<S: Into<String>> IntoCompletion for Vec<S> {
    fn into_completion(self) -> Result<Completion, Error> {
        let values: Vec<String> = self.into_iter().map(Into::into).collect();
        Ok(Completion { values, ..Completion::default() })
    }
}

impl<T: IntoCompletion, E: Display + 'static> IntoCompletion for Result<T, E> {
    fn into_completion(self) -> Result<Completion, Error> {
        self.map_err(|error| ErrorReport::of(&error).into_error())?.into_completion()
    }
}

impl<T: IntoCompletion> IntoCompletion for Result<T, Failure> {
    fn into_completion(self) -> Result<Completion, Error> {
        self.map_err(|Failure(error)| error)?.into_completion()
    }
}
