//! Completion: suggestions for arguments of prompts and variables of templates.

use std::{fmt::Display, future::Future, sync::Arc};

use anyport_protocol::{
    Error, Method, Raw, jsonrpc,
    types::{CompleteRequestParams, Reference},
};
use anyport_service::{Principal, Reply};

use crate::{
    Context, Failure, Values,
    ask::{self, Dialogue, HandlerFuture},
    error::ErrorReport,
    registry::{Registry, Target, renamed, replaced},
    server::Served,
    write::ResultWriter,
};

/// What is typed so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletionRequest {
    /// The value, as far as it is typed.
    pub value: String,
    /// The other arguments that have their values already.
    pub arguments: Values,
}

/// Suggestions, the most relevant first. At most 100 are sent.
///
/// 2026-07-28, completion §Completion Results: "Maximum 100 items per response".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completion {
    /// The suggestions.
    pub values: Vec<String>,
    /// How many there are in all; unless set, the number of `values`.
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

    /// All of `values`, of which those are kept that can be sent.
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

/// What a completing function may return.
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

/// A function that completes one argument or variable.
pub(crate) struct Completer(Box<Complete>);

type Complete = dyn Fn(CompletionRequest, Context) -> HandlerFuture<Result<Completion, Error>> + Send + Sync;

impl Completer {
    pub(crate) fn new<F, R>(function: F) -> Self
    where
        F: Fn(CompletionRequest, Context) -> R + Send + Sync + 'static,
        R: Future<Output: IntoCompletion> + Send + 'static,
    {
        Self(Box::new(move |partial, context| {
            let completion = function(partial, context);
            Box::pin(async move { completion.await.into_completion() })
        }))
    }

    /// Completes to those of `choices` that begin with what is typed.
    pub(crate) fn choices<S: Into<String>>(choices: impl IntoIterator<Item = S>) -> Self {
        let choices: Vec<String> = choices.into_iter().map(Into::into).collect();
        Self(Box::new(move |partial, _| {
            let completion = Completion::starting_with(&partial.value, choices.iter().map(String::as_str));
            Box::pin(std::future::ready(Ok(completion)))
        }))
    }
}

impl std::fmt::Debug for Completer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Completer")
    }
}

/// How templates and prompts say what completes their variables and arguments.
macro_rules! completing {
    ($($kind:ident $what:literal)*) => { $(
        impl<H> crate::$kind<H> {
            #[doc = concat!("Completes the ", $what, " `name` with `function`.")]
            #[must_use]
            pub fn complete<F, R>(mut self, name: impl Into<String>, function: F) -> Self
            where
                F: Fn(CompletionRequest, Context) -> R + Send + Sync + 'static,
                R: Future<Output: IntoCompletion> + Send + 'static,
            {
                self.completers.push((name.into(), Completer::new(function)));
                self
            }

            #[doc = concat!("Completes the ", $what, " `name` to those of `choices` that begin with what is typed.")]
            #[must_use]
            pub fn choices<S: Into<String>>(
                mut self,
                name: impl Into<String>,
                choices: impl IntoIterator<Item = S>,
            ) -> Self {
                self.completers.push((name.into(), Completer::choices(choices)));
                self
            }
        }
    )* };
}

completing! { Template "variable" Prompt "argument" }

/// What can be completed of one prompt or template: every argument's name, with its function if it has one.
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

/// Answers `completion/complete`.
///
/// # Errors
/// -32602 for a prompt, template or argument that does not exist (2026-07-28, completion §Error Handling).
pub(crate) fn complete(
    server: &Arc<Served>,
    params: jsonrpc::Params,
    service: anyport_service::Context,
) -> Result<Reply, Error> {
    let read: CompleteRequestParams = params
        .decode()
        .map_err(|error| Error::invalid_params(format!("completion/complete: {error:.240}")))?;
    let registry = server.registry.load();
    let completers = match find(&registry, &read.reference, service.principal(), server)? {
        Found::Nothing => None,
        Found::Own(completers) => Some(completers),
        Found::Mounted(place, name) => {
            let params = name.map_or_else(|| params.clone(), |name| referring(&params, name).into());
            return Ok(server.pass(place, Method::Complete, params, service));
        }
    };
    let argument = read.argument;
    let Some(completers) = completers else { return Ok(Reply::ready(write(server, Completion::default()))) };
    let Some((_, completer)) = completers.iter().find(|(name, _)| *name == argument.name) else {
        return Err(Error::invalid_params(format!(
            "there is no argument {:.64?} to complete",
            argument.name
        )));
    };
    let Some(completer) = completer else { return Ok(Reply::ready(write(server, Completion::default()))) };
    let resolved = read.context.and_then(|context| context.arguments);
    let resolved: Vec<(String, String)> = resolved.into_iter().flatten().collect();
    let partial = CompletionRequest { value: argument.value, arguments: resolved.into() };
    let context = Context::new(server.clone(), service, (Method::Complete, params), Dialogue::default());
    let handling = completer.0(partial, context.clone());
    Ok(ask::run(context, handling, None, |context, completion| {
        completion.and_then(|completion| write(context.inner(), completion)).into()
    }))
}

/// What a reference leads to.
enum Found<'a> {
    Own(&'a Completers),
    /// It is what a mounted server offers, there under this name if that is another.
    Mounted(usize, Option<&'a str>),
    /// A resource, of which nothing can be completed.
    Nothing,
}

/// What can be completed of what `reference` names, if `principal` may see it.
fn find<'a>(
    registry: &'a Registry,
    reference: &Reference,
    principal: &Principal,
    server: &Served,
) -> Result<Found<'a>, Error> {
    match reference {
        Reference::Prompt(prompt) => {
            match registry.prompts.find(&prompt.name, principal).map(|item| &item.target) {
                Some(Target::Own(entry)) => Ok(Found::Own(entry.completers())),
                Some(Target::Mounted(place, item)) => Ok(Found::Mounted(*place, Some(&item.key))),
                None => {
                    let name = server.outward(&prompt.name);
                    Err(Error::invalid_params(format!("unknown prompt: {name:.128}")))
                }
            }
        }
        Reference::Resource(resource) => {
            let uri = &resource.uri;
            // 2026-07-28, completion §CompleteRequest: "`uri` is a URI or URI template."
            let made = || registry.templates.seen(principal).find(|item| item.entry().makes(uri));
            let resource = || registry.resources.find(uri, principal);
            match registry.templates.find(uri, principal) {
                None if resource().is_some() => Ok(Found::Nothing),
                item => match item.or_else(made).map(|item| &item.target) {
                    Some(Target::Own(entry)) => Ok(Found::Own(entry.completers())),
                    Some(Target::Mounted(place, _)) => Ok(Found::Mounted(*place, None)),
                    None => Err(Error::invalid_params(format!("unknown resource template: {uri:.256}"))),
                },
            }
        }
        _ => Err(Error::invalid_params("\"ref\" must be a ref/prompt or a ref/resource")),
    }
}

/// `params` with a reference to `name` instead.
fn referring(params: &Raw, name: &str) -> Raw {
    let reference = params.members().filter(|member| member.is("ref")).last().map(|member| member.value);
    let Some(old) = reference else { return params.clone() };
    replaced(params, Some(old), &renamed(&params.slice(old), name))
}

fn write(server: &Served, mut completion: Completion) -> Result<Raw, Error> {
    let count = completion.values.len();
    let total = completion.total.or_else(|| (!completion.has_more).then_some(count as u64));
    completion.values.truncate(MAX_COMPLETIONS);
    let mut inner = serde_json::json!({
        "values": completion.values,
        "hasMore": completion.has_more || count > MAX_COMPLETIONS,
    });
    if let Some(total) = total {
        inner["total"] = total.into();
    }
    let mut result = ResultWriter::complete(256);
    result.value("completion", &inner)?;
    result.finish(&server.identity, None)
}
