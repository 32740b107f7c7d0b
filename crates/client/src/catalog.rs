//! Facts about a server's listed tools: parameter headers, output schemas, idempotency.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use anyport_protocol::{
    Raw,
    meta::{encode_header, header_text},
    param_header::Plan,
    types::Tool,
};
use anyport_service::ParamHeaders;
use jsonschema::Validator;
use serde_json::Value;

use crate::{CallResult, Error, schema};

/// The tools that were listed, by name.
#[derive(Default)]
pub(crate) struct Catalog(Mutex<HashMap<String, Arc<Known>>>);

/// One of them.
pub(crate) struct Known {
    output: Option<Value>,
    plan: Plan,
    safe: bool,
    /// Compiled when a result first needs it, since most tools that are listed are not called.
    validator: OnceLock<Option<Validator>>,
}

/// More than these tools are not remembered: a server chooses how many there are.
const MAX_TOOLS: usize = 100_000;

impl Catalog {
    /// Remembers a tool. `false` when it must not be used, since its headers break the rules.
    ///
    /// 2026-07-28, tools §x-mcp-header: clients "MUST exclude the invalid tool from the result of `tools/list`" and
    /// "SHOULD log a warning".
    pub(crate) fn learn(&self, tool: &Tool) -> bool {
        let plan = match Plan::compile(&Value::Object(tool.input_schema.clone())) {
            Ok(plan) => plan,
            Err(problem) => {
                tracing::warn!(tool = tool.name, %problem, "left out a tool of the server's");
                self.lock().remove(&tool.name);
                return false;
            }
        };
        let annotations = tool.annotations.as_ref();
        let hint = |hint: Option<bool>| hint == Some(true);
        let safe = annotations
            .is_some_and(|annotations| hint(annotations.read_only_hint) || hint(annotations.idempotent_hint));
        let output = tool.output_schema.clone().map(Value::Object);
        let mut tools = self.lock();
        // Unchanged tools keep their compiled schemas.
        let same = tools
            .get(&tool.name)
            .is_some_and(|known| known.output == output && known.plan == plan && known.safe == safe);
        if !same && (tools.len() < MAX_TOOLS || tools.contains_key(&tool.name)) {
            let known = Known { output, plan, safe, validator: OnceLock::new() };
            tools.insert(tool.name.clone(), Arc::new(known));
        }
        true
    }

    pub(crate) fn get(&self, tool: &str) -> Option<Arc<Known>> {
        self.lock().get(tool).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Known>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Whether a call may be sent again though an earlier one may have been processed.
    pub(crate) fn is_safe(&self) -> bool {
        self.safe
    }

    /// The headers that mirror `arguments`; `None` when the tool has none.
    ///
    /// 2026-07-28, streamable-http §Client Behavior: "Append a `Mcp-Param-{Name}: {Value}` header to the request".
    pub(crate) fn headers(&self, arguments: &Raw) -> Option<ParamHeaders> {
        if self.plan.headers().is_empty() {
            return None;
        }
        let mut headers = ParamHeaders::default();
        for header in self.plan.headers() {
            if let Some(value) = header.value(arguments.as_str()) {
                let text = header_text(&arguments.slice(value)).into_owned();
                headers.push(header.name().to_ascii_lowercase(), encode_header(&text).as_bytes().to_vec());
            }
        }
        Some(headers)
    }

    /// Checks what the tool `name` answered. A schema that cannot be compiled checks nothing.
    ///
    /// 2026-07-28, tools §Output Schema: "Servers MUST provide structured results that conform to this schema", "Clients
    /// SHOULD validate structured results against this schema".
    pub(crate) fn check(&self, name: &str, result: CallResult) -> Result<CallResult, Error> {
        let Some(output) = self.output.as_ref().filter(|_| !result.is_error()) else { return Ok(result) };
        let compiled = self.validator.get_or_init(|| match schema::compile(output, false) {
            Ok(validator) => Some(validator),
            Err(fault) => {
                tracing::warn!(
                    tool = name,
                    fault,
                    "results are not checked: the output schema cannot be used"
                );
                None
            }
        });
        let Some(validator) = compiled else { return Ok(result) };
        let fault = match &result.structured_content {
            Some(content) => schema::fault(validator, content),
            None => Some("there is no structured content".into()),
        };
        match fault {
            None => Ok(result),
            Some(fault) => Err(Error::Output { tool: name.into(), fault, result: Box::new(result) }),
        }
    }
}
