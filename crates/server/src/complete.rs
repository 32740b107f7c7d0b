//! Completion: suggestions for arguments of prompts and variables of templates.

use std::{fmt::Display, future::Future, sync::Arc};

use anyport_protocol::{
    Error, Method, Raw, jsonrpc,
    types::{CompleteRequestParams, Reference},
};
use anyport_service::{Principal, Reply};

use crate::{
    Context, Failure, Values,
    ask::{self, Dialogue, Handling},
    error::Told,
    registry::{Registry, Target, renamed, replaced},
    server::Inner,
    write::ResultWriter,
};

/// What is typed so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partial {
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
        self.map_err(|error| Told::of(&error).into_error())?.into_completion()
    }
}

impl<T: IntoCompletion> IntoCompletion for Result<T, Failure> {
    fn into_completion(self) -> Result<Completion, Error> {
        self.map_err(|Failure(error)| error)?.into_completion()
    }
}

/// A function that completes one argument or variable.
pub(crate) struct Completer(Box<Complete>);

type Complete = dyn Fn(Partial, Context) -> Handling<Result<Completion, Error>> + Send + Sync;

impl Completer {
    pub(crate) fn new<F, R>(function: F) -> Self
    where
        F: Fn(Partial, Context) -> R + Send + Sync + 'static,
        R: Future<Output: IntoCompletion> + Send + 'static,
    {
        Self(Box::new(move |partial, context| {
            let completion = function(partial, context);
            Box::pin(async move { completion.await.into_completion() })
        }))
    }
}

impl std::fmt::Debug for Completer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Completer")
    }
}

/// What can be completed of one prompt or template: every argument's name, with its function if it has one.
pub(crate) type Completers = Vec<(String, Option<Completer>)>;

/// Answers `completion/complete`.
///
/// # Errors
/// -32602 for a prompt, template or argument that does not exist (2026-07-28, completion §Error Handling).
pub(crate) fn complete(
    server: &Arc<Inner>,
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
    let partial = Partial { value: argument.value, arguments: resolved.into() };
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
    server: &Inner,
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
            match registry.template(&resource.uri, principal).map(|item| &item.target) {
                Some(Target::Own(entry)) => Ok(Found::Own(entry.completers())),
                Some(Target::Mounted(place, _)) => Ok(Found::Mounted(*place, None)),
                None if registry.resources.find(&resource.uri, principal).is_some() => Ok(Found::Nothing),
                None => {
                    Err(Error::invalid_params(format!("unknown resource template: {:.256}", resource.uri)))
                }
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

fn write(server: &Inner, mut completion: Completion) -> Result<Raw, Error> {
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
