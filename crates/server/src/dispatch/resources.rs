//! `resources/read`.

use std::sync::Arc;

use anyport_protocol::{Error, Method, Raw, jsonrpc};
use anyport_service::Reply;

use crate::{
    Contents, Context,
    ask::{self, Dialogue, DialogueStart},
    core::Served,
    params::Params,
    registry::Target,
    write::{Freshness, Identity, ResultWriter},
};

/// Answers `resources/read`: the resource of this very URI, else the first template that could have made it.
///
/// # Errors
/// What ends the read before its handler is reached.
pub(crate) fn read(
    server: &Arc<Served>,
    params: jsonrpc::Params,
    service: anyport_service::Context,
) -> Result<Reply, Error> {
    let read = Params::read(Method::ResourcesRead, &params)?;
    let uri = &*read.name;
    let registry = server.core.registry.load();
    let resource = registry.resources.find(uri, service.principal());
    let template = match resource {
        Some(_) => None,
        None => {
            let mut seen = registry.templates.seen(service.principal());
            seen.find_map(|item| Some((item, item.entry().values(uri)?)))
        }
    };
    // URIs are the same on the inside of a mount.
    let place = match (resource.map(|item| &item.target), template.as_ref().map(|(item, _)| &item.target)) {
        (Some(Target::Mounted(place, _)), _) | (None, Some(Target::Mounted(place, _))) => Some(*place),
        (None, None) => return Err(Error::resource_not_found(uri)),
        _ => None,
    };
    if let Some(place) = place {
        drop(read);
        return Ok(server.pass(place, Method::ResourcesRead, params, service));
    }
    let resource = resource.map(|item| item.entry());
    let template = template.map(|(item, values)| (item.entry(), values));
    if let Some(entry) = resource {
        entry.scopes.check(service.authorization())?;
    }
    if let Some((entry, _)) = &template {
        entry.scopes.check(service.authorization())?;
    }
    let (dialogue, running) =
        match Dialogue::open(&server.env.scope, Method::ResourcesRead, &service, &read, params.raw())? {
            DialogueStart::Ended(outcome) => return Ok(Reply::ready(outcome)),
            DialogueStart::Open(dialogue, running) => (dialogue, running),
        };
    let context = Context::new(server.handle(), service, (Method::ResourcesRead, params.clone()), dialogue);
    let (handling, freshness) = match (resource, template) {
        (Some(entry), _) => (entry.begin(uri, context.clone()), entry.freshness),
        (None, Some((entry, values))) => (entry.begin(uri, values, context.clone())?, entry.freshness),
        (None, None) => return Err(Error::resource_not_found(uri)),
    };
    // 2026-07-28, caching §Cache Key: results of requests "carrying `inputResponses` or `requestState` MUST NOT be
    // cached".
    let freshness = if read.is_retry() { Freshness::NONE } else { freshness };
    let freshness = freshness.limited(server.env.scope.mount.is_private());
    let uri = uri.to_owned();
    Ok(ask::run(context, handling, running, move |context, contents| {
        write(&context.env().identity, &uri, contents, freshness).into()
    }))
}

fn write(identity: &Identity, uri: &str, contents: Contents, freshness: Freshness) -> Result<Raw, Error> {
    let contents = match contents {
        // 2026-07-28, resources §Error Handling: "Servers MUST NOT return an empty `contents` array for a
        // non-existent resource."
        Contents::Missing => return Err(Error::resource_not_found(uri)),
        Contents::Failed(error) => return Err(error),
        Contents::Found(contents) => contents,
    };
    let mut result = ResultWriter::complete(1024);
    result.value("contents", &contents)?;
    result.freshness(freshness);
    result.finish(identity, None)
}
