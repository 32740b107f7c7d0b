use anyport_protocol::{Error, json::Members, types};

use super::{
    argument::Argument,
    arguments,
    definition::{Prompt, PromptHandler},
    messages::Messages,
};
use crate::{
    Context, InvalidParams, Values,
    ask::HandlerFuture,
    completer::{self, Completers},
    error::ErrorReport,
    meta,
    params::text,
    scopes::RequiredScopes,
    values::{Fault, Unreadable},
};

/// A prompt as the server gets it.
pub(crate) struct Entry {
    required: Vec<String>,
    pub(crate) scopes: RequiredScopes,
    completers: Completers,
    handler: PromptHandler,
}

impl Entry {
    /// Compiles `prompt`; with it, what is listed.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub(crate) fn compile(prompt: Prompt) -> Result<(types::Prompt, Self), Vec<String>> {
        let Prompt { mut definition, arguments, completers: given, mut problems, scopes, handler, .. } =
            prompt;
        problems.extend(meta::problems(definition.meta.as_ref()));
        problems.extend(scopes.problems());
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
        completer::assign(&mut completers, given, "argument", &mut problems);
        arguments::fit(handler.check, &mut completers, &mut problems);
        if problems.is_empty() {
            Ok((definition, Self { required, scopes, completers, handler }))
        } else {
            Err(problems)
        }
    }

    pub(crate) fn completers(&self) -> &Completers {
        &self.completers
    }

    /// The declared arguments among those that were sent.
    pub(crate) fn values(&self, arguments: Option<&str>) -> Result<Values, Error> {
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

    /// Runs the function with `values`; `prompt` is what the caller calls it.
    ///
    /// # Errors
    /// Arguments that the function's type does not take.
    pub(crate) fn begin(
        &self,
        prompt: &str,
        values: Values,
        context: Context,
    ) -> Result<HandlerFuture<Result<Messages, Error>>, Error> {
        (self.handler.get)(values, context).map_err(|error| self.unreadable(prompt, &error))
    }

    /// The error for arguments that the function cannot read.
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
