//! Prompts: messages that a person picks.

use std::{fmt::Display, future::Future, sync::Arc};

use anyport_protocol::{
    Error, Method, Raw,
    json::Members,
    types::{self, ContentBlock, Icon, MetaObject, PromptArgument, PromptMessage},
};
use anyport_service::Reply;

use crate::{
    Context, Failure, Partial, Values,
    ask::{self, Dialogue, Handling, Opening},
    complete::{Completer, Completers, IntoCompletion},
    params::{Params, text},
    server::Inner,
    state::Need,
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
pub struct PromptHandler(Box<Get>);

type Get = dyn Fn(Values, Context) -> Handling<Result<Messages, Error>> + Send + Sync;

/// The messages of a prompt.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Messages {
    /// What these messages are for, if it differs from what is listed.
    pub description: Option<String>,
    /// The messages.
    pub messages: Vec<PromptMessage>,
}

/// What a prompt's function may return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the messages of a prompt",
    note = "return text (one message of the user's), a `PromptMessage` or a list of them, `Messages`",
    note = "or a `Result` of one of these"
)]
pub trait IntoMessages {
    /// The messages.
    ///
    /// # Errors
    /// What ends the request instead.
    fn into_messages(self) -> Result<Messages, Error>;
}

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
}

impl Prompt<()> {
    /// The prompt `name`, whose function [`Prompt::get`] adds.
    pub fn new(name: impl Into<String>) -> Self {
        let (arguments, needs) = (Vec::new(), Vec::new());
        Self { definition: types::Prompt::new(name), arguments, needs, handler: () }
    }

    /// Writes its messages with `function`, which is given those arguments that are declared.
    pub fn get<F, R>(self, function: F) -> Prompt
    where
        F: Fn(Values, Context) -> R + Send + Sync + 'static,
        R: Future<Output: IntoMessages> + Send + 'static,
    {
        let Self { definition, arguments, needs, .. } = self;
        let handler = PromptHandler(Box::new(move |values, context| {
            let messages = function(values, context);
            Box::pin(async move { messages.await.into_messages() })
        }));
        Prompt { definition, arguments, needs, handler }
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
        let Prompt { mut definition, arguments, handler, .. } = prompt;
        let mut problems = Vec::new();
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
}

/// Answers `prompts/get`.
///
/// # Errors
/// -32602 for an unknown prompt or missing arguments (2026-07-28, prompts §Error Handling).
pub(crate) fn get(
    server: &Arc<Inner>,
    params: Raw,
    service: anyport_service::Context,
) -> Result<Reply, Error> {
    let read = Params::read(Method::PromptsGet, &params)?;
    let entry = server.prompts.get(&*read.name).ok_or_else(|| {
        let close = crate::names::close(&read.name, server.prompts.keys().map(String::as_str));
        let hint = if close.is_empty() { String::new() } else { format!("; there is {}", close.join(", ")) };
        Error::invalid_params(format!("unknown prompt: {:.128}{hint}", read.name))
    })?;
    let values = entry.values(read.arguments)?;
    let (dialogue, running) = match Dialogue::open(server, Method::PromptsGet, &service, &read, &params)? {
        Opening::Ended(outcome) => return Ok(Reply::ready(outcome)),
        Opening::Open(dialogue, running) => (dialogue, running),
    };
    let context = Context::new(server.clone(), service, (Method::PromptsGet, params.clone()), dialogue);
    let handling = (entry.handler.0)(values, context.clone());
    Ok(ask::run(context, handling, running, |context, messages| {
        messages.and_then(|messages| write(context.server(), &messages)).into()
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

impl IntoMessages for Messages {
    fn into_messages(self) -> Result<Messages, Error> {
        Ok(self)
    }
}

impl IntoMessages for Vec<PromptMessage> {
    fn into_messages(self) -> Result<Messages, Error> {
        Ok(Messages { messages: self, description: None })
    }
}

impl IntoMessages for PromptMessage {
    fn into_messages(self) -> Result<Messages, Error> {
        vec![self].into_messages()
    }
}

impl IntoMessages for String {
    fn into_messages(self) -> Result<Messages, Error> {
        PromptMessage::user(ContentBlock::text(self)).into_messages()
    }
}

impl IntoMessages for &'static str {
    fn into_messages(self) -> Result<Messages, Error> {
        PromptMessage::user(ContentBlock::text(self)).into_messages()
    }
}

/// An `Err` ends the request with -32603 and its words.
impl<T: IntoMessages, E: Display> IntoMessages for Result<T, E> {
    fn into_messages(self) -> Result<Messages, Error> {
        self.map_err(|error| Error::internal(error.to_string()))?.into_messages()
    }
}

/// An `Err` is the protocol error that ends the request.
impl<T: IntoMessages> IntoMessages for Result<T, Failure> {
    fn into_messages(self) -> Result<Messages, Error> {
        self.map_err(|Failure(error)| error)?.into_messages()
    }
}

impl std::fmt::Debug for PromptHandler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PromptHandler")
    }
}
