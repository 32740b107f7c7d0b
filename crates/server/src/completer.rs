//! The functions that complete arguments of prompts and variables of templates.

use std::future::Future;

use anyport_protocol::Error;

use crate::{
    Completion, CompletionRequest, Context, Failure, IntoCompletion, State, ask::HandlerFuture,
    state::StateType,
};

/// What a completion function takes beside the [`CompletionRequest`]: a [`Context`], a [`State`], or a [`State`] and the
/// [`Context`] as a pair.
///
/// ```
/// use anyport_server::{Argument, Completion, CompletionRequest, State};
///
/// struct Cities(Vec<String>);
///
/// async fn city(request: CompletionRequest, cities: State<Cities>) -> Completion {
///     Completion::starting_with(&request.value, cities.0.iter().map(String::as_str))
/// }
///
/// let argument = Argument::new("city").complete(city);
/// # let _ = argument;
/// ```
#[diagnostic::on_unimplemented(
    message = "a completion function cannot take `{Self}`",
    note = "after the `CompletionRequest` it takes a `Context`, a `State<T>`, or a pair `(State<T>, Context)`"
)]
pub trait CompletionInput: input::Input {}

impl CompletionInput for Context {}
impl<T: Send + Sync + 'static> CompletionInput for State<T> {}
impl<T: Send + Sync + 'static> CompletionInput for (State<T>, Context) {}

mod input {
    use super::{Context, Failure, State, StateType};

    /// Sealed: [`super::CompletionInput`] lists the types.
    pub trait Input: Sized {
        /// The state that it needs.
        fn need() -> Option<StateType>;

        fn of(context: Context) -> Result<Self, Failure>;
    }

    impl Input for Context {
        fn need() -> Option<StateType> {
            None
        }

        fn of(context: Context) -> Result<Self, Failure> {
            Ok(context)
        }
    }

    impl<T: Send + Sync + 'static> Input for State<T> {
        fn need() -> Option<StateType> {
            Some(StateType::of::<T>())
        }

        fn of(context: Context) -> Result<Self, Failure> {
            context.demand()
        }
    }

    impl<T: Send + Sync + 'static> Input for (State<T>, Context) {
        fn need() -> Option<StateType> {
            State::<T>::need()
        }

        fn of(context: Context) -> Result<Self, Failure> {
            Ok((context.demand()?, context))
        }
    }
}

/// A function that completes one argument or variable.
pub(crate) struct Completer {
    function: Box<Complete>,
    /// The state that it needs.
    pub(crate) need: Option<StateType>,
}

type Complete = dyn Fn(CompletionRequest, Context) -> HandlerFuture<Result<Completion, Error>> + Send + Sync;

impl Completer {
    pub(crate) fn new<F, I, R>(function: F) -> Self
    where
        F: Fn(CompletionRequest, I) -> R + Send + Sync + 'static,
        I: CompletionInput,
        R: Future<Output: IntoCompletion> + Send + 'static,
    {
        let function: Box<Complete> = Box::new(move |request, context| match I::of(context) {
            Ok(input) => {
                let completion = function(request, input);
                Box::pin(async move { completion.await.into_completion() })
            }
            Err(Failure(error)) => Box::pin(std::future::ready(Err(error))),
        });
        Self { function, need: I::need() }
    }

    /// Completes what `request` says.
    pub(crate) fn run(
        &self,
        request: CompletionRequest,
        context: Context,
    ) -> HandlerFuture<Result<Completion, Error>> {
        (self.function)(request, context)
    }

    /// Completes to those of `choices` that begin with what is typed.
    pub(crate) fn choices<S: Into<String>>(choices: impl IntoIterator<Item = S>) -> Self {
        let choices: Vec<String> = choices.into_iter().map(Into::into).collect();
        let function: Box<Complete> = Box::new(move |request, _| {
            let completion = Completion::starting_with(&request.value, choices.iter().map(String::as_str));
            Box::pin(std::future::ready(Ok(completion)))
        });
        Self { function, need: None }
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
            #[doc = concat!("Completes the ", $what, " `name` with `function`, which takes what [`CompletionInput`](crate::CompletionInput) lists.")]
            #[must_use]
            pub fn complete<F, I, R>(mut self, name: impl Into<String>, function: F) -> Self
            where
                F: Fn($crate::CompletionRequest, I) -> R + Send + Sync + 'static,
                I: $crate::CompletionInput,
                R: Future<Output: $crate::IntoCompletion> + Send + 'static,
            {
                let completer = $crate::completer::Completer::new(function);
                self.needs.extend(completer.need);
                self.completers.push((name.into(), completer));
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
