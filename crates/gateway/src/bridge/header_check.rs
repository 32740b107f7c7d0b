//! Arguments that clients repeat in headers, held against them at our edge.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use anyport_protocol::{
    Error, Raw,
    json::{Elements, Members},
    param_header::Plan,
};
use anyport_service::{Context, Request, param_headers};
use bytestring::ByteString;

/// The parameter headers of the server's listed tools.
#[derive(Clone, Default)]
pub(super) struct HeaderCheck(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// Hardly any server has such tools: then nothing is looked for.
    any: AtomicBool,
    plans: RwLock<HashMap<ByteString, Arc<Plan>>>,
}

/// The annotation in a property's schema.
const KEYWORD: &str = "x-mcp-header";
/// Tools that are noted.
const MAX_TOOLS: usize = 10_000;

impl HeaderCheck {
    /// Takes a result of `tools/list`.
    pub(super) fn learn(&self, page: &Raw) {
        let any = self.0.any.load(Ordering::Relaxed);
        if !any && !page.as_str().contains(KEYWORD) {
            return;
        }
        let Some(tools) = page.member("tools").filter(Raw::is_array) else { return };
        let mut plans = self.0.plans.write().unwrap_or_else(PoisonError::into_inner);
        for tool in Elements::of(tools.as_str()) {
            let Some(name) = Members::find(tool, "name").and_then(|name| tools.slice(name).as_string())
            else {
                continue;
            };
            let schema = Members::find(tool, "inputSchema").filter(|schema| schema.contains(KEYWORD));
            let plan = schema
                .and_then(|schema| serde_json::from_str(schema).ok())
                // An invalid annotation is ignored: no client repeats it.
                .and_then(|schema| Plan::compile(&schema).ok())
                .filter(|plan| !plan.headers().is_empty());
            match plan {
                Some(plan) if plans.len() < MAX_TOOLS || plans.contains_key(&name) => {
                    plans.insert(name, Arc::new(plan));
                }
                Some(_) => {}
                None => drop(plans.remove(&name)),
            }
        }
        self.0.any.store(!plans.is_empty(), Ordering::Relaxed);
    }

    /// Compares the headers of a call with its arguments.
    ///
    /// 2026-07-28, streamable-http §Server Validation: a server "MUST reject requests" whose headers "do not match the
    /// corresponding values in the request body". The bridge derives the headers for the server again, so the server
    /// would not see a difference.
    ///
    /// # Errors
    /// -32020.
    pub(super) fn check(&self, request: &Request, context: &Context) -> Result<(), Error> {
        if !self.0.any.load(Ordering::Relaxed) {
            return Ok(());
        }
        // Older revisions, and transports without headers, have none.
        let Some(given) = context.param_headers().filter(|_| context.revision().has_request_headers()) else {
            return Ok(());
        };
        let Some(name) = request.name() else { return Ok(()) };
        let plan = self.0.plans.read().unwrap_or_else(PoisonError::into_inner).get(&name).cloned();
        let Some(plan) = plan else { return Ok(()) };
        let arguments = Members::find(request.params.as_str(), "arguments").unwrap_or("{}");
        param_headers::check(&plan, given, arguments)
    }
}
