//! `completion/complete`.

use std::sync::Arc;

use anyport_protocol::{
    Error, Method, Raw, jsonrpc,
    types::{CompleteRequestParams, Reference},
};
use anyport_service::{Principal, Reply};

use crate::{
    Completion, CompletionRequest, Context, MAX_COMPLETIONS,
    ask::{self, Dialogue},
    completer::Completers,
    core::Served,
    registry::{Registry, Target},
    rename::{renamed, replaced},
    scopes::RequiredScopes,
    write::{Identity, ResultWriter},
};

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
        .raw()
        .decode()
        .map_err(|error| Error::invalid_params(format!("completion/complete: {error:.240}")))?;
    let registry = server.core.registry.load();
    let completers = match find(&registry, &read.reference, service.principal(), server)? {
        Found::Nothing => None,
        Found::Own(completers, scopes) => {
            scopes.check(service.authorization())?;
            Some(completers)
        }
        Found::Mounted(place, name) => {
            let params = name.map_or_else(|| params.clone(), |name| referring(params.raw(), name).into());
            return Ok(server.pass(place, Method::Complete, params, service));
        }
    };
    let argument = read.argument;
    let Some(completers) = completers else {
        return Ok(Reply::ready(write(&server.env.identity, Completion::default())));
    };
    let Some((_, completer)) = completers.iter().find(|(name, _)| *name == argument.name) else {
        return Err(Error::invalid_params(format!(
            "there is no argument {:.64?} to complete",
            argument.name
        )));
    };
    let Some(completer) = completer else {
        return Ok(Reply::ready(write(&server.env.identity, Completion::default())));
    };
    let resolved = read.context.and_then(|context| context.arguments);
    let resolved: Vec<(String, String)> = resolved.into_iter().flatten().collect();
    let request = CompletionRequest { value: argument.value, arguments: resolved.into() };
    let context = Context::new(server.handle(), service, (Method::Complete, params), Dialogue::default());
    let handling = completer.run(request, context.clone());
    Ok(ask::run(context, handling, None, |context, completion| {
        completion.and_then(|completion| write(&context.env().identity, completion)).into()
    }))
}

/// The target of a reference.
enum Found<'a> {
    Own(&'a Completers, &'a RequiredScopes),
    /// It is what a mounted server offers, there under this name if that is another.
    Mounted(usize, Option<&'a str>),
    /// A resource, of which nothing can be completed.
    Nothing,
}

/// The completion of the target of `reference`, if `principal` may see it.
fn find<'a>(
    registry: &'a Registry,
    reference: &Reference,
    principal: &Principal,
    server: &Served,
) -> Result<Found<'a>, Error> {
    match reference {
        Reference::Prompt(prompt) => {
            match registry.prompts.find(&prompt.name, principal).map(|item| &item.target) {
                Some(Target::Own(entry)) => Ok(Found::Own(entry.completers(), &entry.scopes)),
                Some(Target::Mounted(place, item)) => Ok(Found::Mounted(*place, Some(&item.key))),
                None => {
                    let name = server.env.scope.mount.name(&prompt.name);
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
                    Some(Target::Own(entry)) => Ok(Found::Own(entry.completers(), &entry.scopes)),
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

fn write(identity: &Identity, mut completion: Completion) -> Result<Raw, Error> {
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
    result.finish(identity, None)
}
