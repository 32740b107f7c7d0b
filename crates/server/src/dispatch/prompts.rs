//! `prompts/get`.

use std::sync::Arc;

use anyport_protocol::{Error, Method, Raw, jsonrpc};
use anyport_service::Reply;

use crate::{
    Context, Messages,
    ask::{self, Dialogue, DialogueStart},
    core::Served,
    params::Params,
    registry::Target,
    write::{Identity, ResultWriter},
};

/// Answers `prompts/get`.
///
/// # Errors
/// -32602 for an unknown prompt or missing arguments (2026-07-28, prompts §Error Handling).
pub(crate) fn get(
    server: &Arc<Served>,
    params: jsonrpc::Params,
    service: anyport_service::Context,
) -> Result<Reply, Error> {
    let read = Params::read(Method::PromptsGet, &params)?;
    let registry = server.core.registry.load();
    let principal = service.principal();
    let item = registry.prompts.find(&read.name, principal).ok_or_else(|| {
        let hint = registry.prompts.hint(&read.name, principal);
        Error::invalid_params(format!(
            "unknown prompt: {:.128}{hint}",
            server.env.scope.mount.name(&read.name)
        ))
    })?;
    let entry = match &item.target {
        Target::Own(entry) => entry,
        Target::Mounted(place, item) => {
            return Ok(server.pass_named((*place, item), Method::PromptsGet, params.raw(), service));
        }
    };
    entry.scopes.check(service.authorization())?;
    let values = entry.values(read.arguments)?;
    let (dialogue, running) =
        match Dialogue::open(&server.env.scope, Method::PromptsGet, &service, &read, params.raw())? {
            DialogueStart::Ended(outcome) => return Ok(Reply::ready(outcome)),
            DialogueStart::Open(dialogue, running) => (dialogue, running),
        };
    let context = Context::new(server.handle(), service, (Method::PromptsGet, params.clone()), dialogue);
    let handling = entry.begin(&server.env.scope.mount.name(&read.name), values, context.clone())?;
    Ok(ask::run(context, handling, running, |context, messages| {
        messages.and_then(|messages| write(&context.env().identity, &messages)).into()
    }))
}

fn write(identity: &Identity, messages: &Messages) -> Result<Raw, Error> {
    let mut result = ResultWriter::complete(512);
    if let Some(description) = &messages.description {
        result.text("description", description);
    }
    result.value("messages", &messages.messages)?;
    result.finish(identity, None)
}
