use std::future::Future;

use anyport_protocol::{
    Error,
    types::{self, Icon, MetaObject},
};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::{
    argument::Argument,
    arguments,
    messages::{IntoMessages, Messages},
};
use crate::{
    Context, Values,
    ask::HandlerFuture,
    completer::{Completer, completes},
    scopes::{RequiredScopes, require},
    state::{StateType, needs_state},
    values::{Check, Source, Unreadable, check},
    visibility::{VisibilityRule, visible_to},
};

/// A prompt: its definition and the function that writes its messages.
///
/// ```
/// use anyport_server::{Argument, Context, Prompt, Values};
///
/// let review = Prompt::new("review")
///     .description("Reviews code")
///     .argument(Argument::new("code").required())
///     .get(async |values: Values, _: Context| {
///         format!("Please review:\n{}", values.get("code").unwrap_or_default())
///     });
/// # let _ = review;
/// ```
#[derive(Debug)]
pub struct Prompt<H = PromptHandler> {
    pub(super) definition: types::Prompt,
    pub(super) arguments: Vec<Argument>,
    pub(crate) completers: Vec<(String, Completer)>,
    /// What is found wrong before it is built.
    pub(super) problems: Vec<String>,
    pub(crate) visible: Option<VisibilityRule>,
    pub(crate) scopes: RequiredScopes,
    pub(crate) needs: Vec<StateType>,
    pub(super) handler: H,
}

/// The function behind a prompt.
pub struct PromptHandler {
    pub(super) get: Box<Get>,
    /// The types of the function's arguments.
    pub(super) check: Check,
}

/// The error is that of reading the arguments.
pub(super) type Get =
    dyn Fn(Values, Context) -> Result<HandlerFuture<Result<Messages, Error>>, Unreadable> + Send + Sync;

impl Prompt<()> {
    /// Begins the prompt `name`; [`Prompt::get`] adds its function.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            definition: types::Prompt::new(name),
            arguments: Vec::new(),
            completers: Vec::new(),
            problems: Vec::new(),
            visible: None,
            scopes: RequiredScopes::default(),
            needs: Vec::new(),
            handler: (),
        }
    }

    /// Sets the function, which gets the declared arguments as an `A`: [`Values`], or a struct with a field for each
    /// argument. An invalid argument ends the request with -32602 and a message that names it.
    ///
    /// Arguments are texts. An `Option` reads an empty text as absent, because clients send empty form fields that way.
    /// Lists and structs are read as JSON. Whether `A` matches the arguments is checked when the server is built;
    /// arguments that are enums or booleans in `A` have completions of their own.
    pub fn get<A, F, R>(self, function: F) -> Prompt
    where
        A: DeserializeOwned + 'static,
        F: Fn(A, Context) -> R + Send + Sync + 'static,
        R: Future<Output: IntoMessages> + Send + 'static,
    {
        let Self { definition, arguments, completers, problems, visible, scopes, needs, .. } = self;
        let get = Box::new(move |values: Values, context: Context| {
            let messages = function(values.read(Source::Prompt)?, context);
            let messages = async move { messages.await.into_messages() };
            Ok(Box::pin(messages) as HandlerFuture<Result<Messages, Error>>)
        });
        let handler = PromptHandler { get, check: check::<A> };
        Prompt { definition, arguments, completers, problems, visible, scopes, needs, handler }
    }
}

impl<H> Prompt<H> {
    /// Sets its name for people.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.definition.title = Some(title.into());
        self
    }

    /// Sets its description: what it is for.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.definition.description = Some(description.into());
        self
    }

    /// Adds an argument.
    #[must_use]
    pub fn argument(mut self, argument: Argument) -> Self {
        self.needs.extend(argument.completer.as_ref().and_then(|completer| completer.need));
        self.arguments.push(argument);
        self
    }

    /// Adds an argument for each field of `A`, with its description and title, and required unless it is an `Option` or
    /// has a default. If `A` is not a struct with named fields, the server cannot be built.
    ///
    /// ```
    /// use anyport_server::{Context, Prompt};
    ///
    /// #[derive(serde::Deserialize, schemars::JsonSchema)]
    /// struct Review {
    ///     /// The code
    ///     code: String,
    ///     /// How many remarks at most
    ///     remarks: Option<u32>,
    /// }
    ///
    /// let review = Prompt::new("review")
    ///     .arguments::<Review>()
    ///     .get(async |Review { code, .. }: Review, _: Context| format!("Please review:\n{code}"));
    /// # let _ = review;
    /// ```
    #[must_use]
    pub fn arguments<A: JsonSchema>(mut self) -> Self {
        match arguments::of::<A>() {
            Ok(arguments) => self.arguments.extend(arguments),
            Err(problem) => self.problems.push(problem),
        }
        self
    }

    /// Adds an icon.
    #[must_use]
    pub fn icon(mut self, icon: Icon) -> Self {
        self.definition.icons.get_or_insert_default().push(icon);
        self
    }

    /// Adds metadata; a later value of the same key takes the place of an earlier one.
    #[must_use]
    pub fn meta(mut self, meta: MetaObject) -> Self {
        self.definition.meta.get_or_insert_default().extend(meta);
        self
    }

    pub(crate) fn name(&self) -> &str {
        &self.definition.name
    }
}

completes!(Prompt, "argument");
visible_to!(Prompt);
require!(Prompt);
needs_state!(Prompt);

impl std::fmt::Debug for PromptHandler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PromptHandler")
    }
}
