use std::time::Duration;

use anyport_protocol::{
    Error, Raw,
    param_header::Plan,
    types::{self, JsonObject},
};
use anyport_service::Outcome;
use serde_json::{Value, json};

use super::{
    coerce::Coercion,
    definition::{Tool, ToolHandler},
    header_secrets::header_secrets,
    output::Output,
    result::ToolResult,
};
use crate::{Context, Fault, ask::HandlerFuture, meta, schema::Schema, scopes::RequiredScopes, validation};

/// A tool as the server calls it.
pub(crate) struct Entry {
    pub(crate) input: Schema,
    pub(crate) output: Option<Output>,
    pub(crate) headers: Plan,
    pub(crate) timeout: Option<Duration>,
    pub(crate) coerce: Option<Coercion>,
    /// Whether the function has a type that reads the arguments, and decides about null.
    pub(crate) reads_null: bool,
    /// Stands for this very tool, when a cache may keep its results.
    pub(crate) cacheable: Option<u64>,
    /// The scopes that a caller needs.
    pub(crate) scopes: RequiredScopes,
    pub(crate) handler: ToolHandler,
}

impl Entry {
    /// Begins a call with `arguments`, which are part of `params`.
    ///
    /// # Errors
    /// What the type of the function refuses, which its schema cannot say.
    pub(crate) fn begin(
        &self,
        params: &Raw,
        arguments: Option<&str>,
        context: Context,
    ) -> Result<HandlerFuture<ToolResult>, Vec<Fault>> {
        (self.handler.0)(params, arguments, context)
    }

    /// Compiles `tool`; with it, what is listed.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub(crate) fn compile(tool: Tool) -> Result<(types::Tool, Self), Vec<String>> {
        let mut problems = Vec::new();
        let cacheable = tool.cacheable();
        let mut definition = tool.definition;
        if !is_tool_name(&definition.name) {
            problems.push("a name has 1 to 128 ASCII letters, digits, `_`, `-`, `.` or `/`".to_owned());
        }
        let schema = tool.input_schema.unwrap_or_else(|| json!({"type": "object"}));
        if schema.get("type") != Some(&json!("object")) {
            problems.push("the root of the input schema must have \"type\": \"object\"".to_owned());
        }
        problems.extend(meta::problems(definition.meta.as_ref()));
        problems.extend(tool.scopes.problems());
        problems.extend(tool.unaskable.iter().map(|why| format!("what it asks cannot be asked: {why}")));
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
        if let Some(headers) = &headers {
            let secrets = header_secrets(headers, &schema).join(", ");
            if !secrets.is_empty() {
                tracing::warn!(
                    tool = definition.name,
                    secrets,
                    "arguments that look like secrets are repeated in headers, which whatever stands between may log: leave out \
                     their x-mcp-header"
                );
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
                let Tool { coerce, reads_null, timeout, scopes, handler, .. } = tool;
                Ok((
                    definition,
                    Self { input, output, headers, coerce, reads_null, timeout, cacheable, scopes, handler },
                ))
            }
            _ => Err(problems),
        }
    }

    /// Validates the arguments (2026-07-28, server/tools §Security: servers MUST "validate all tool inputs"). Gives
    /// others in their place where the tool coerces them and they fit only so.
    pub(crate) fn check(&self, params: &Raw, arguments: Option<&str>) -> Result<Option<Raw>, Vec<Fault>> {
        let text = arguments.unwrap_or("{}");
        let mut value: Value = serde_json::from_str(text)
            .map_err(|error| vec![Fault::new("", "JSON").in_words(error.to_string())])?;
        if self.input.fits(&value) {
            return Ok(None);
        }
        if self.reads_null {
            let mut without = value.clone();
            if self.input.remove_nulls(&mut without) && self.input.fits(&without) {
                // Some clients send null for what may be absent. The type of the function reads it, as it came.
                return Ok(None);
            }
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

    /// The `result` of a call, if it is what its output schema says.
    ///
    /// # Errors
    /// The protocol error that the tool ended with, or that of a result that is something else.
    pub(crate) fn conform(&self, result: ToolResult) -> Result<ToolResult, Error> {
        let output = self.output.as_ref();
        output.filter(|output| output.is_due()).map_or(Ok(()), |output| output.check(&result))?;
        match result.into_failure() {
            Ok(error) => Err(error),
            Err(result) => Ok(result),
        }
    }

    /// The result on the wire, once it is known to conform.
    pub(crate) fn write(output: Option<&Output>, context: &Context, result: ToolResult) -> Outcome {
        match output.map_or(Ok(()), |output| output.check(&result)) {
            Ok(()) => result.write(&context.env().identity).into(),
            Err(error) => Outcome::Error(error),
        }
    }
}

/// 2026-07-28, server/tools §Tool Names.
pub(crate) fn is_tool_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/');
    (1..=128).contains(&name.len()) && name.bytes().all(is_allowed)
}

fn object(schema: Value) -> Option<JsonObject> {
    match schema {
        Value::Object(object) => Some(object),
        _ => None,
    }
}
