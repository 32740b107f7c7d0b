//! Tool search: three tools in place of a large catalog.
//!
//! A client sends the definitions of all tools to its model with every request. With [`ToolSearch`] before a service it sends
//! three: `search_tools` finds tools by words, `describe_tool` returns a definition, and `call_tool` calls a tool.
//!
//! # Layout
//! - [`ToolSearch`]: the service.
//! - `catalog`: the tools of the service, for a caller, with their index.
//! - `meta_tools`: the three tools, their arguments and results.
//! - [`ToolIndex`]: how tools are found. `words`: the words of a tool and a query; `synonyms`: other words for the same;
//!   `similar`: mistyped words.

mod catalog;
mod index;
mod meta_tools;
mod similar;
mod synonyms;
#[cfg(test)]
mod tests;
mod words;

use std::{
    sync::Arc,
    task::{Context as Task, Poll, ready},
};

use anyport_protocol::{Error, Method, Raw, json::Splice};
use anyport_service::{Context, Emitter, Event, Notification, Outcome, Relay, Reply, Request, Service, emit};

use self::{
    catalog::{Catalog, Catalogs},
    meta_tools::{MetaTool, SearchArguments},
};
pub use index::{ToolHit, ToolIndex};

/// Offers three tools in place of those of a service: `search_tools`, `describe_tool` and `call_tool`.
///
/// Everything but the list of tools, notifications of its changes and calls of the three passes unchanged, so a client that knows
/// a tool's name may call the tool directly. A tool of the service with the name of one of the three is called by `call_tool`.
/// Tools are searched in the list that the service has for the caller: nobody finds a tool that he cannot list.
#[derive(Debug)]
pub struct ToolSearch<S> {
    inner: Arc<S>,
    catalogs: Arc<Catalogs>,
}

impl<S> Clone for ToolSearch<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), catalogs: self.catalogs.clone() }
    }
}

impl<S: Service> ToolSearch<S> {
    /// Puts tool search before `inner`.
    pub fn new(inner: S) -> Self {
        Self { inner: Arc::new(inner), catalogs: Arc::default() }
    }

    /// Answers the list of tools with the three. The service is asked for its own, too: it may refuse the caller, and says
    /// who it is and how long a list holds.
    fn list(&self, request: Request, context: Context) -> Reply {
        let first = Splice::retain(request.params.raw(), |key| key != "cursor").finish();
        let request = Request { method: request.method, params: first.into() };
        self.inner.call(request, context).map(|outcome| match outcome {
            Outcome::Result(page) => {
                let list = Splice::retain(&page, |key| key != "tools" && key != "nextCursor");
                Outcome::Result(list.with("tools", &meta_tools::definitions()).finish())
            }
            outcome => outcome,
        })
    }

    /// Finds tools, or describes one.
    fn answer(&self, tool: MetaTool, arguments: Raw, context: Context) -> Reply {
        let this = self.clone();
        emit::reply(|emitter| async move {
            let catalog = match this.catalog(context, &emitter).await {
                Ok(catalog) => catalog,
                Err(outcome) => return outcome,
            };
            let result = match tool {
                MetaTool::Search => SearchArguments::read(&arguments)
                    .map(|arguments| meta_tools::search_result(&catalog.index, &arguments)),
                _ => meta_tools::tool_name(&arguments)
                    .and_then(|name| meta_tools::describe_result(&catalog.index, &name)),
            };
            Outcome::Result(meta_tools::tool_result(result, catalog.meta.as_ref()))
        })
    }

    async fn catalog(&self, context: Context, emitter: &Emitter) -> Result<Arc<Catalog>, Outcome> {
        let (pages, meta) = catalog::read(&self.inner, context, emitter).await?;
        self.catalogs.get(pages, meta).await
    }

    /// Calls the tool that the arguments name. Everything else in the params stays: the progress token, and of a retry the state
    /// and the answers.
    fn call_tool(&self, request: &Request, arguments: &Raw, context: Context) -> Reply {
        let name = match meta_tools::tool_name(arguments) {
            Ok(name) => name,
            Err(fault) => return Reply::ready(Outcome::Result(meta_tools::tool_result(Err(fault), None))),
        };
        let params = Splice::retain(request.params.raw(), |key| key != "name" && key != "arguments")
            .with("name", &Raw::string(&name));
        let own = arguments.member("arguments").unwrap_or(Raw::EMPTY_OBJECT);
        if !own.is_object() {
            let fault =
                "arguments must be an object, with the arguments of the tool as its members".to_owned();
            return Reply::ready(Outcome::Result(meta_tools::tool_result(Err(fault), None)));
        }
        let params = params.with("arguments", &own);
        self.inner.call(Request::new(Method::ToolsCall, params.finish()), context)
    }
}

impl<S: Service> Service for ToolSearch<S> {
    fn call(&self, request: Request, context: Context) -> Reply {
        match request.known() {
            Some(Method::ToolsList) => self.list(request, context),
            Some(Method::ToolsCall) => {
                let tool = request.name().and_then(|name| MetaTool::named(&name));
                let arguments = request.params.member("arguments").unwrap_or(Raw::EMPTY_OBJECT);
                match tool {
                    Some(_) if !arguments.is_object() => {
                        Reply::error(Error::invalid_params("\"arguments\" must be an object"))
                    }
                    Some(MetaTool::Call) => self.call_tool(&request, &arguments, context),
                    Some(tool) => self.answer(tool, arguments, context),
                    None => self.inner.call(request, context),
                }
            }
            Some(Method::Listen) => self.inner.call(request, context).relay(WithoutToolChanges),
            _ => self.inner.call(request, context),
        }
    }
}

/// Keeps from a listener that the tools of the service changed: the list that it has stays the three.
struct WithoutToolChanges;

impl Relay for WithoutToolChanges {
    fn poll(&mut self, reply: &mut Reply, task: &mut Task<'_>) -> Poll<Event> {
        loop {
            match ready!(reply.poll_event(task)) {
                Event::Outcome(outcome) => return Poll::Ready(Event::Outcome(self.outcome(outcome))),
                Event::Notification(Notification { method: Method::ToolsChanged, .. }) => {}
                event => return Poll::Ready(event),
            }
        }
    }
}
