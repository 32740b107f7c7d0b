//! The functions that complete arguments of prompts and variables of templates.

use std::future::Future;

use anyport_protocol::Error;

use crate::{Completion, CompletionRequest, Context, IntoCompletion, ask::HandlerFuture};

/// A function that completes one argument or variable.
pub(crate) struct Completer(Box<Complete>);

type Complete = dyn Fn(CompletionRequest, Context) -> HandlerFuture<Result<Completion, Error>> + Send + Sync;

impl Completer {
    pub(crate) fn new<F, R>(function: F) -> Self
    where
        F: Fn(CompletionRequest, Context) -> R + Send + Sync + 'static,
        R: Future<Output: IntoCompletion> + Send + 'static,
    {
        Self(Box::new(move |request, context| {
            let completion = function(request, context);
            Box::pin(async move { completion.await.into_completion() })
        }))
    }

    /// Completes what `request` says.
    pub(crate) fn run(
        &self,
        request: CompletionRequest,
        context: Context,
    ) -> HandlerFuture<Result<Completion, Error>> {
        (self.0)(request, context)
    }

    /// Completes to those of `choices` that begin with what is typed.
    pub(crate) fn choices<S: Into<String>>(choices: impl IntoIterator<Item = S>) -> Self {
        let choices: Vec<String> = choices.into_iter().map(Into::into).collect();
        Self(Box::new(move |request, _| {
            let completion = Completion::starting_with(&request.value, choices.iter().map(String::as_str));
            Box::pin(std::future::ready(Ok(completion)))
        }))
    }
}

impl std::fmt::Debug for Completer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Completer")
    }
}

/// The methods of what has completions: the variables of templates, the arguments of prompts.
macro_rules! completes {
    ($kind:ident, $what:literal) => {
        impl<H> $kind<H> {
            #[doc = concat!("Completes the ", $what, " `name` with `function`.")]
            #[must_use]
            pub fn complete<F, R>(mut self, name: impl Into<String>, function: F) -> Self
            where
                F: Fn($crate::CompletionRequest, $crate::Context) -> R + Send + Sync + 'static,
                R: Future<Output: $crate::IntoCompletion> + Send + 'static,
            {
                self.completers.push((name.into(), $crate::completer::Completer::new(function)));
                self
            }

            #[doc = concat!("Completes the ", $what, " `name` with those of `choices` that begin with the text so far.")]
            #[must_use]
            pub fn choices<S: Into<String>>(
                mut self,
                name: impl Into<String>,
                choices: impl IntoIterator<Item = S>,
            ) -> Self {
                self.completers.push((name.into(), $crate::completer::Completer::choices(choices)));
                self
            }
        }
    };
}

pub(crate) use completes;

/// The completion of one prompt or template: every argument's name, with its function if it has one.
pub(crate) type Completers = Vec<(String, Option<Completer>)>;

/// Gives each of `given` to what it completes.
pub(crate) fn assign(
    completers: &mut Completers,
    given: Vec<(String, Completer)>,
    kind: &str,
    problems: &mut Vec<String>,
) {
    for (name, completer) in given {
        match completers.iter_mut().find(|(known, _)| *known == name) {
            Some((_, slot @ None)) => *slot = Some(completer),
            Some(_) => problems.push(format!("the {kind} {name:?} is completed twice")),
            None => problems.push(format!("there is no {kind} {name:?} to complete")),
        }
    }
}
