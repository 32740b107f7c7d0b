//! Prompts: messages that a person picks.

mod arguments;
mod messages;

use std::{future::Future, sync::Arc};

use anyport_protocol::{
    Error, Method, Raw,
    json::Members,
    jsonrpc,
    types::{self, Icon, MetaObject, PromptArgument},
};
use anyport_service::Reply;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

pub use messages::{IntoMessages, Messages};

use crate::{
    Context, InvalidParams, Partial, Values,
    ask::{self, Dialogue, Handling, Opening},
    complete::{self, Completer, Completers, IntoCompletion},
    error::Told,
    params::{Params, text},
    registry::{Target, Visible},
    server::Inner,
    state::Need,
    values::{Check, Fault, Source, Unreadable, check},
    write::ResultWriter,
};

/// A prompt, and the function that writes its messages.
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
    definition: types::Prompt,
    arguments: Vec<Argument>,
    completers: Vec<(String, Completer)>,
    /// What is found wrong before it is built.
    problems: Vec<String>,
    pub(crate) visible: Option<Visible>,
    pub(crate) needs: Vec<Need>,
    handler: H,
}

/// An argument of a prompt.
#[derive(Debug)]
pub struct Argument {
    definition: PromptArgument,
    completer: Option<Completer>,
}

/// The function behind a prompt.
pub struct PromptHandler {
    get: Box<Get>,
    /// What the function's type makes of the arguments.
    check: Check,
}

/// The error is that of reading the arguments.
type Get = dyn Fn(Values, Context) -> Result<Handling<Result<Messages, Error>>, Unreadable> + Send + Sync;

impl Argument {
    /// The argument `name`, which may be left out.
    pub fn new(name: impl Into<String>) -> Self {
        Self { definition: PromptArgument::new(name), completer: None }
    }

    /// Its name for people.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.definition.title = Some(title.into());
        self
    }

    /// What it is.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.definition.description = Some(description.into());
        self
    }

    /// It must not be left out.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.definition.required = Some(true);
        self
    }

    /// Completes it with `function`.
    #[must_use]
    pub fn complete<F, R>(mut self, function: F) -> Self
    where
        F: Fn(Partial, Context) -> R + Send + Sync + 'static,
        R: Future<Output: IntoCompletion> + Send + 'static,
    {
        self.completer = Some(Completer::new(function));
        self
    }

    /// Completes it to those of `choices` that begin with what is typed.
    #[must_use]
    pub fn choices<S: Into<String>>(mut self, choices: impl IntoIterator<Item = S>) -> Self {
        self.completer = Some(Completer::choices(choices));
        self
    }
}

impl Prompt<()> {
    /// The prompt `name`, whose function [`Prompt::get`] adds.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            definition: types::Prompt::new(name),
            arguments: Vec::new(),
            completers: Vec::new(),
            problems: Vec::new(),
            visible: None,
            needs: Vec::new(),
            handler: (),
        }
    }

    /// Writes its messages with `function`, which is given those arguments that are declared as an `A`: [`Values`], or
    /// a struct with a field for each argument. An argument that `A` cannot be read from ends the request with -32602
    /// and words that name it.
    ///
    /// Arguments are texts. An `Option` takes one that is empty for absent, since clients send what a person left
    /// empty that way. Lists and structs are read as JSON. Whether `A` fits the arguments is checked when the server is
    /// built; those that are enums or booleans there complete themselves.
    pub fn get<A, F, R>(self, function: F) -> Prompt
    where
        A: DeserializeOwned + 'static,
        F: Fn(A, Context) -> R + Send + Sync + 'static,
        R: Future<Output: IntoMessages> + Send + 'static,
    {
        let Self { definition, arguments, completers, problems, visible, needs, .. } = self;
        let get = Box::new(move |values: Values, context: Context| {
            let messages = function(values.read(Source::Prompt)?, context);
            let messages = async move { messages.await.into_messages() };
            Ok(Box::pin(messages) as Handling<Result<Messages, Error>>)
        });
        let handler = PromptHandler { get, check: check::<A> };
        Prompt { definition, arguments, completers, problems, visible, needs, handler }
    }
}

impl<H> Prompt<H> {
    /// Its name for people.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.definition.title = Some(title.into());
        self
    }

    /// What it is for.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.definition.description = Some(description.into());
        self
    }

    /// Adds an argument.
    #[must_use]
    pub fn argument(mut self, argument: Argument) -> Self {
        self.arguments.push(argument);
        self
    }

    /// Adds an argument for each field of `A`: with its description and title, and required unless it is an `Option`
    /// or has a default. Types that are no struct with named fields have no arguments, and are refused when the server
    /// is built.
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

    /// Completes the argument `name` with `function`.
    #[must_use]
    pub fn complete<F, R>(mut self, name: impl Into<String>, function: F) -> Self
    where
        F: Fn(Partial, Context) -> R + Send + Sync + 'static,
        R: Future<Output: IntoCompletion> + Send + 'static,
    {
        self.completers.push((name.into(), Completer::new(function)));
        self
    }

    /// Completes the argument `name` to those of `choices` that begin with what is typed.
    #[must_use]
    pub fn choices<S: Into<String>>(
        mut self,
        name: impl Into<String>,
        choices: impl IntoIterator<Item = S>,
    ) -> Self {
        self.completers.push((name.into(), Completer::choices(choices)));
        self
    }

    /// Adds an icon.
    #[must_use]
    pub fn icon(mut self, icon: Icon) -> Self {
        self.definition.icons.get_or_insert_default().push(icon);
        self
    }

    /// Its metadata.
    #[must_use]
    pub fn meta(mut self, meta: MetaObject) -> Self {
        self.definition.meta = Some(meta);
        self
    }

    pub(crate) fn name(&self) -> &str {
        &self.definition.name
    }
}

/// A prompt as the server gets it.
pub(crate) struct Entry {
    required: Vec<String>,
    completers: Completers,
    handler: PromptHandler,
}

impl Entry {
    /// Compiles `prompt`; with it, what is listed.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub(crate) fn compile(prompt: Prompt) -> Result<(types::Prompt, Self), Vec<String>> {
        let Prompt { mut definition, arguments, completers: given, mut problems, handler, .. } = prompt;
        if definition.name.is_empty() {
            problems.push("a prompt needs a name".to_owned());
        }
        let (mut required, mut completers) = (Vec::new(), Completers::new());
        for Argument { definition: argument, completer } in arguments {
            if completers.iter().any(|(name, _)| *name == argument.name) {
                problems.push(format!("the argument {:?} is declared twice", argument.name));
            }
            if argument.required == Some(true) {
                required.push(argument.name.clone());
            }
            completers.push((argument.name.clone(), completer));
            definition.arguments.get_or_insert_default().push(argument);
        }
        complete::assign(&mut completers, given, "argument", &mut problems);
        arguments::fit(handler.check, &mut completers, &mut problems);
        if problems.is_empty() {
            Ok((definition, Self { required, completers, handler }))
        } else {
            Err(problems)
        }
    }

    pub(crate) fn completers(&self) -> &Completers {
        &self.completers
    }

    /// The declared arguments among those that were sent.
    fn values(&self, arguments: Option<&str>) -> Result<Values, Error> {
        let mut values = Vec::new();
        for member in Members::of(arguments.unwrap_or("{}")) {
            let name = member.key();
            if !self.completers.iter().any(|(declared, _)| *declared == name) {
                continue;
            }
            let value = text(member.value);
            let value = value
                .ok_or_else(|| Error::invalid_params(format!("the argument {name:.64?} must be text")))?;
            values.push((name.into_owned(), value.into_owned()));
        }
        let missing: Vec<&str> = self
            .required
            .iter()
            .filter(|required| !values.iter().any(|(name, _)| name == *required))
            .map(String::as_str)
            .collect();
        if missing.is_empty() {
            return Ok(values.into());
        }
        Err(Error::invalid_params(format!("missing required arguments: {}", missing.join(", "))))
    }

    /// What the caller hears when the arguments are not what the function takes.
    fn unreadable(&self, prompt: &str, error: &Unreadable) -> Error {
        match (&error.name, &error.fault) {
            (_, Fault::Missing(field)) if self.completers.iter().any(|(name, _)| name == field) => {
                Error::invalid_params(format!("missing required arguments: {field}"))
            }
            // Some types do not tell which fields they have, so that this shows at the first call.
            (_, Fault::Missing(field)) => {
                tracing::error!(prompt, field, "a prompt's function takes what is not declared");
                Error::internal(format!(
                    "the prompt {prompt} declares no argument {field:?}, and its function needs one"
                ))
            }
            (name, Fault::Unfit { expected, got }) => {
                let field = name.as_deref().unwrap_or_default();
                Told::of(&InvalidParams::new(field, expected).got(got)).into_error()
            }
            (_, Fault::Other(_)) => Error::invalid_params(format!("invalid arguments: {error}")),
        }
    }
}

/// Answers `prompts/get`.
///
/// # Errors
/// -32602 for an unknown prompt or missing arguments (2026-07-28, prompts §Error Handling).
pub(crate) fn get(
    server: &Arc<Inner>,
    params: jsonrpc::Params,
    service: anyport_service::Context,
) -> Result<Reply, Error> {
    let read = Params::read(Method::PromptsGet, &params)?;
    let registry = server.registry.load();
    let principal = service.principal();
    let item = registry.prompts.find(&read.name, principal).ok_or_else(|| {
        let hint = registry.prompts.hint(&read.name, principal);
        Error::invalid_params(format!("unknown prompt: {:.128}{hint}", server.outward(&read.name)))
    })?;
    let entry = match &item.target {
        Target::Own(entry) => entry,
        Target::Mounted(place, item) => {
            return Ok(server.pass_named((*place, item), Method::PromptsGet, &params, service));
        }
    };
    let values = entry.values(read.arguments)?;
    let (dialogue, running) = match Dialogue::open(server, Method::PromptsGet, &service, &read, &params)? {
        Opening::Ended(outcome) => return Ok(Reply::ready(outcome)),
        Opening::Open(dialogue, running) => (dialogue, running),
    };
    let context = Context::new(server.clone(), service, (Method::PromptsGet, params.clone()), dialogue);
    let handling = (entry.handler.get)(values, context.clone())
        .map_err(|error| entry.unreadable(&server.outward(&read.name), &error))?;
    Ok(ask::run(context, handling, running, |context, messages| {
        messages.and_then(|messages| write(context.inner(), &messages)).into()
    }))
}

fn write(server: &Inner, messages: &Messages) -> Result<Raw, Error> {
    let mut result = ResultWriter::complete(512);
    if let Some(description) = &messages.description {
        result.text("description", description);
    }
    result.value("messages", &messages.messages)?;
    result.finish(&server.identity, None)
}

impl std::fmt::Debug for PromptHandler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PromptHandler")
    }
}
