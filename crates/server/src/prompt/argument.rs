use std::future::Future;

use anyport_protocol::types::PromptArgument;

use crate::{CompletionInput, CompletionRequest, IntoCompletion, completer::Completer};

/// An argument of a prompt.
#[derive(Debug)]
pub struct Argument {
    pub(super) definition: PromptArgument,
    pub(super) completer: Option<Completer>,
}

impl Argument {
    /// An optional argument called `name`.
    pub fn new(name: impl Into<String>) -> Self {
        Self { definition: PromptArgument::new(name), completer: None }
    }

    /// Sets its name for people.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.definition.title = Some(title.into());
        self
    }

    /// Sets its description.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.definition.description = Some(description.into());
        self
    }

    /// Makes it required.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.definition.required = Some(true);
        self
    }

    /// Completes it with `function`, which takes what [`CompletionInput`] lists.
    #[must_use]
    pub fn complete<F, I, R>(mut self, function: F) -> Self
    where
        F: Fn(CompletionRequest, I) -> R + Send + Sync + 'static,
        I: CompletionInput,
        R: Future<Output: IntoCompletion> + Send + 'static,
    {
        self.completer = Some(Completer::new(function));
        self
    }

    /// Completes it with those of `choices` that begin with the text so far.
    #[must_use]
    pub fn choices<S: Into<String>>(mut self, choices: impl IntoIterator<Item = S>) -> Self {
        self.completer = Some(Completer::choices(choices));
        self
    }
}
