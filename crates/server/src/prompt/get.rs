//! How prompts are got.

use std::sync::Arc;

use anyport_protocol::{Error, Method, Raw, json::Members, jsonrpc, types};
use anyport_service::Reply;

use super::{Argument, Messages, Prompt, PromptHandler, arguments};
use crate::{
    Context, InvalidParams, Values,
    ask::{self, Dialogue, DialogueStart},
    complete::{self, Completers},
    error::ErrorReport,
    params::{Params, text},
    registry::Target,
    server::Served,
    values::{Fault, Unreadable},
    write::ResultWriter,
};

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
                ErrorReport::of(&InvalidParams::new(field, expected).got(got)).into_error()
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
    server: &Arc<Served>,
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
        DialogueStart::Ended(outcome) => return Ok(Reply::ready(outcome)),
        DialogueStart::Open(dialogue, running) => (dialogue, running),
    };
    let context = Context::new(server.clone(), service, (Method::PromptsGet, params.clone()), dialogue);
    let handling = (entry.handler.get)(values, context.clone())
        .map_err(|error| entry.unreadable(&server.outward(&read.name), &error))?;
    Ok(ask::run(context, handling, running, |context, messages| {
        messages.and_then(|messages| write(context.inner(), &messages)).into()
    }))
}

fn write(server: &Served, messages: &Messages) -> Result<Raw, Error> {
    let mut result = ResultWriter::complete(512);
    if let Some(description) = &messages.description {
        result.text("description", description);
    }
    result.value("messages", &messages.messages)?;
    result.finish(&server.identity, None)
}
