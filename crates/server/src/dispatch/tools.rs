//! `tools/call`.

use std::sync::Arc;

use anyport_protocol::{
    Error, Method, Revision,
    jsonrpc::{self, Reason},
};
use anyport_service::Reply;

use crate::{
    Context, ErrorKind, Fault, ToolResult,
    ask::{self, Dialogue, DialogueStart},
    core::Served,
    error::ErrorReport,
    params::Params,
    registry::Target,
    tool::{Entry, Output, Timeout},
    validation,
};

/// Answers `tools/call`.
///
/// # Errors
/// What ends the call before its handler is reached.
pub(crate) fn call(
    server: &Arc<Served>,
    params: jsonrpc::Params,
    service: anyport_service::Context,
) -> Result<Reply, Error> {
    let read = Params::read(Method::ToolsCall, &params)?;
    let registry = server.core.registry.load();
    let principal = service.principal();
    let item = registry.tools.find(&read.name, principal);
    let item = item.ok_or_else(|| {
        let hint = registry.tools.hint(&read.name, principal);
        Error::invalid_params(format!("unknown tool: {:.128}{hint}", server.env.scope.mount.name(&read.name)))
            .with_reason(Reason::UnknownTool)
    })?;
    let entry = match &item.target {
        Target::Own(entry) => entry,
        Target::Mounted(place, item) => {
            return Ok(server.pass_named((*place, item), Method::ToolsCall, params.raw(), service));
        }
    };
    entry.scopes.check(service.authorization())?;
    let arguments = read.arguments.unwrap_or("{}");
    // Older revisions have no such headers.
    if let Some(given) = service.param_headers().filter(|_| service.revision().has_request_headers()) {
        entry.headers.check(given, arguments)?;
    }
    let coerced = match entry.check(params.raw(), read.arguments) {
        Ok(coerced) => coerced,
        Err(faults) => return invalid(server, &read.name, faults, service.revision()),
    };
    let (dialogue, running) =
        match Dialogue::open(&server.env.scope, Method::ToolsCall, &service, &read, params.raw())? {
            DialogueStart::Ended(outcome) => return Ok(Reply::ready(outcome)),
            DialogueStart::Open(dialogue, running) => (dialogue, running),
        };
    let revision = service.revision();
    let (timeout, service) = Timeout::begin(entry.timeout, &server.env.resources, service);
    let context = Context::new(server.handle(), service, (Method::ToolsCall, params.clone()), dialogue);
    let handling = match &coerced {
        None => entry.begin(params.raw(), read.arguments, context.clone()),
        Some(coerced) => entry.begin(coerced, Some(coerced.as_str()), context.clone()),
    };
    let handling = match handling {
        Ok(handling) => handling,
        // The schema cannot say all that a type demands.
        Err(faults) => return invalid(server, &read.name, faults, revision),
    };
    let handling = Timeout::bound(timeout, handling, &server.env.resources);
    if !entry.output.as_ref().is_some_and(Output::is_due) {
        return Ok(ask::run(context, handling, running, |context, result| {
            Entry::write(None, context, result)
        }));
    }
    // It may be removed before the call ends.
    let item = item.clone();
    Ok(ask::run(context, handling, running, move |context, result| {
        Entry::write(item.entry().output.as_ref(), context, result)
    }))
}

/// The faults of the arguments for `name`, as text.
pub(crate) fn words(name: &str, faults: &[Fault]) -> String {
    format!("invalid arguments for {name}: {}", validation::words(faults))
}

/// The faults of the arguments.
///
/// 2026-07-28, server/tools §Error Handling: "Input validation errors" are "Tool Execution Errors", which the model
/// gets to read; so it is since 2025-11-25. Before, they were "Protocol Errors": "Invalid arguments".
fn invalid(server: &Served, name: &str, faults: Vec<Fault>, revision: Revision) -> Result<Reply, Error> {
    let words = words(&server.env.scope.mount.name(name), &faults);
    let told =
        ErrorReport { kind: ErrorKind::Validation, words, faults, by_schema: true, ..ErrorReport::default() };
    if revision.tool_errors_are_results() {
        return Ok(Reply::ready(ToolResult::from(told).write(&server.env.identity)));
    }
    Err(told.into_error())
}
