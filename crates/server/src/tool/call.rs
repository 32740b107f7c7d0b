use std::{sync::Arc, time::Duration};

use anyport_protocol::{
    Error, Method, Raw, Revision,
    jsonrpc::{self, Reason},
    param_header::Plan,
    types::{self, JsonObject},
};
use anyport_service::{Outcome, Reply, param_headers};
use serde_json::{Value, json};

use super::{Tool, ToolHandler, ToolResult, coerce::Coercion, output::Output, timeout::Timeout};
use crate::{
    CallError, Context, ErrorKind, Fault,
    ask::{self, Dialogue, DialogueStart, HandlerFuture},
    error::ErrorReport,
    params::Params,
    registry::{Item, Target},
    schema::Schema,
    server::Served,
    subcall::SubcallPosition,
    validation,
};

/// A tool as the server calls it.
pub(crate) struct Entry {
    input: Schema,
    output: Option<Output>,
    headers: Plan,
    timeout: Option<Duration>,
    coerce: Option<Coercion>,
    /// Stands for this very tool, when a cache may keep its results.
    pub(super) cacheable: Option<u64>,
    handler: ToolHandler,
}

impl Entry {
    /// Compiles `tool`; with it, what is listed.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub(crate) fn compile(tool: Tool) -> Result<(types::Tool, Self), Vec<String>> {
        let mut problems = Vec::new();
        let cacheable = tool.cacheable();
        let mut definition = tool.definition;
        if !is_name(&definition.name) {
            problems.push("a name has 1 to 128 ASCII letters, digits, `_`, `-`, `.` or `/`".to_owned());
        }
        let schema = tool.input_schema.unwrap_or_else(|| json!({"type": "object"}));
        if schema.get("type") != Some(&json!("object")) {
            problems.push("the root of the input schema must have \"type\": \"object\"".to_owned());
        }
        let mut told = |problem: String| problems.push(problem);
        let input = Schema::compile(&schema).map_err(|error| told(format!("input schema: {error}"))).ok();
        let headers = Plan::compile(&schema).map_err(|error| told(format!("input schema: {error}"))).ok();
        if let (Some(Coercion::Fields(fields)), Some(known)) = (&tool.coerce, schema.get("properties")) {
            for unknown in fields.iter().filter(|field| known.get(field).is_none()) {
                told(format!("coerce_fields: there is no argument {unknown:?}"));
            }
        }
        if let Some(input) = &input {
            for example in definition.examples() {
                if let Err(faults) = input.check(example) {
                    told(format!("example {example:.80}: {}", validation::words(&faults)));
                }
            }
        }
        let mut output = None;
        if let Some(schema) = tool.output_schema {
            match Schema::compile(&schema) {
                Ok(compiled) => {
                    output = match tool.check_output {
                        Some(true) => Some(Output::always(compiled)),
                        Some(false) => None,
                        None => Some(Output::at_first(compiled)),
                    }
                }
                Err(error) => told(format!("output schema: {error}")),
            }
            definition.output_schema = object(schema);
        }
        definition.input_schema = object(schema).unwrap_or_default();
        match (input, headers, problems.is_empty()) {
            (Some(input), Some(headers), true) => {
                let Tool { coerce, timeout, handler, .. } = tool;
                Ok((definition, Self { input, output, headers, coerce, timeout, cacheable, handler }))
            }
            _ => Err(problems),
        }
    }

    /// Validates the arguments (2026-07-28, server/tools §Security: servers MUST "validate all tool inputs"). Gives
    /// others in their place where the tool coerces them and they fit only so.
    fn check(&self, params: &Raw, arguments: Option<&str>) -> Result<Option<Raw>, Vec<Fault>> {
        let text = arguments.unwrap_or("{}");
        let mut value: Value = serde_json::from_str(text)
            .map_err(|error| vec![Fault::new("", "JSON").in_words(error.to_string())])?;
        if self.input.fits(&value) {
            return Ok(None);
        }
        let coerced = match (&self.coerce, arguments) {
            (Some(coerce), Some(text)) => coerce.coerce(&self.input, &params.slice(text), &mut value),
            _ => None,
        };
        if coerced.is_some() && self.input.fits(&value) {
            return Ok(coerced);
        }
        Err(self.input.faults(&value))
    }

    /// The result on the wire, once it is known to conform.
    fn write(output: Option<&Output>, context: &Context, result: ToolResult) -> Outcome {
        match output.map_or(Ok(()), |output| output.check(&result)) {
            Ok(()) => result.write(&context.inner().identity).into(),
            Err(error) => Outcome::Error(error),
        }
    }
}

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
    let registry = server.registry.load();
    let principal = service.principal();
    let item = registry.tools.find(&read.name, principal);
    let item = item.ok_or_else(|| {
        let hint = registry.tools.hint(&read.name, principal);
        Error::invalid_params(format!("unknown tool: {:.128}{hint}", server.outward(&read.name)))
            .with_reason(Reason::UnknownTool)
    })?;
    let entry = match &item.target {
        Target::Own(entry) => entry,
        Target::Mounted(place, item) => {
            return Ok(server.pass_named((*place, item), Method::ToolsCall, &params, service));
        }
    };
    let arguments = read.arguments.unwrap_or("{}");
    // Older revisions have no such headers.
    if let Some(given) = service.param_headers().filter(|_| service.revision().is_modern()) {
        param_headers::check(&entry.headers, given, arguments)?;
    }
    let coerced = match entry.check(&params, read.arguments) {
        Ok(coerced) => coerced,
        Err(faults) => return invalid(server, &read.name, faults, service.revision()),
    };
    let (dialogue, running) = match Dialogue::open(server, Method::ToolsCall, &service, &read, &params)? {
        DialogueStart::Ended(outcome) => return Ok(Reply::ready(outcome)),
        DialogueStart::Open(dialogue, running) => (dialogue, running),
    };
    let revision = service.revision();
    let (timeout, service) = Timeout::begin(entry.timeout, &server.lifecycle, service);
    let context = Context::new(server.clone(), service, (Method::ToolsCall, params.clone()), dialogue);
    let handling = match &coerced {
        None => (entry.handler.0)(&params, read.arguments, context.clone()),
        Some(coerced) => (entry.handler.0)(coerced, Some(coerced.as_str()), context.clone()),
    };
    let handling = match handling {
        Ok(handling) => handling,
        // The schema cannot say all that a type demands.
        Err(faults) => return invalid(server, &read.name, faults, revision),
    };
    let handling = Timeout::bound(timeout, handling, &server.lifecycle);
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

/// A call that a handler made.
pub(crate) struct StartedSubcall {
    /// The tool; it may be removed before the call ends.
    pub(crate) item: Arc<Item<Entry>>,
    pub(crate) context: Context,
    pub(crate) handling: HandlerFuture<ToolResult>,
}

/// Begins the call of `name` with `arguments` that `caller` makes: like any other, but for what only a client brings,
/// headers and states.
pub(crate) fn nested(
    caller: &Context,
    name: &str,
    arguments: Raw,
    place: SubcallPosition,
) -> Result<StartedSubcall, CallError> {
    let mut server = caller.inner().clone();
    let tools = server.registry.load().tools.clone();
    let mut item = tools.find(name, caller.principal()).cloned().ok_or_else(|| {
        let hint = tools.hint(name, caller.principal());
        CallError::Unknown(format!("unknown tool: {name:.128}{hint}"))
    })?;
    // Where it is mounted, it runs as a tool of the server that it belongs to.
    while let Target::Mounted(place, inner) = &item.target {
        let view = server.view(*place);
        server = view.ok_or_else(|| CallError::Unknown(format!("unknown tool: {name:.128}")))?;
        item = inner.clone();
    }
    let entry = item.entry();
    let invalid = |faults: Vec<Fault>| CallError::Arguments { words: words(name, &faults), faults };
    if !arguments.is_object() {
        return Err(invalid(vec![Fault::new("", "an object")]));
    }
    let coerced = entry.check(&arguments, Some(arguments.as_str())).map_err(invalid)?;
    let arguments = coerced.unwrap_or(arguments);
    let (timeout, service) = Timeout::begin(entry.timeout, &server.lifecycle, (**caller).clone());
    let context = Context::nest(server.clone(), service, arguments.clone(), place);
    let handling = (entry.handler.0)(&arguments, Some(arguments.as_str()), context.clone());
    let handling = handling.map_err(invalid)?;
    let handling = Timeout::bound(timeout, handling, &server.lifecycle);
    Ok(StartedSubcall { item, context, handling })
}

/// The result of `entry`, if it is what its output schema says.
///
/// # Errors
/// The protocol error that the tool ended with, or that of a result that is something else.
pub(crate) fn conform(entry: &Entry, result: ToolResult) -> Result<ToolResult, Error> {
    let output = entry.output.as_ref();
    output.filter(|output| output.is_due()).map_or(Ok(()), |output| output.check(&result))?;
    match result.into_failure() {
        Ok(error) => Err(error),
        Err(result) => Ok(result),
    }
}

fn words(name: &str, faults: &[Fault]) -> String {
    format!("invalid arguments for {name}: {}", validation::words(faults))
}

/// What is wrong with the arguments.
///
/// 2026-07-28, server/tools §Error Handling: "Input validation errors" are "Tool Execution Errors", which the model
/// gets to read; so it is since 2025-11-25. Before, they were "Protocol Errors": "Invalid arguments".
fn invalid(server: &Served, name: &str, faults: Vec<Fault>, revision: Revision) -> Result<Reply, Error> {
    let words = words(&server.outward(name), &faults);
    let told =
        ErrorReport { kind: ErrorKind::Validation, words, faults, by_schema: true, ..ErrorReport::default() };
    if revision >= Revision::V2025_11_25 {
        return Ok(Reply::ready(told.into_tool_result().write(&server.identity)));
    }
    Err(told.into_error())
}

/// 2026-07-28, server/tools §Tool Names.
pub(crate) fn is_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/');
    (1..=128).contains(&name.len()) && name.bytes().all(is_allowed)
}

fn object(schema: Value) -> Option<JsonObject> {
    match schema {
        Value::Object(object) => Some(object),
        _ => None,
    }
}
