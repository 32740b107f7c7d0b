use std::{collections::HashMap, fmt, sync::Arc};

use anyport_protocol::{Error, Method, Raw};
use anyport_service::{Context, Reply, Request, Service};

use crate::{
    Builder, Events,
    ask::Vault,
    complete,
    life::Life,
    list::{Pages, Writing},
    listen, prompt, resource,
    state::States,
    tool,
    write::Identity,
};

/// An MCP server: a [`Service`] of tools, resources and prompts. Cheap to clone; every clone is the same server.
///
/// It speaks the newest revision. What stands around it speaks older ones: transports translate messages, and
/// [`anyport_service::bridge::Shim`] asks callers that are asked live.
#[derive(Clone)]
pub struct Server(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) identity: Identity,
    pub(crate) tools: HashMap<String, tool::Entry>,
    pub(crate) resources: HashMap<String, resource::ResourceEntry>,
    pub(crate) templates: Vec<resource::TemplateEntry>,
    pub(crate) prompts: HashMap<String, prompt::Entry>,
    pub(crate) lists: Lists,
    pub(crate) discovery: Raw,
    pub(crate) offers: Offers,
    pub(crate) limits: Limits,
    pub(crate) vault: Vault,
    pub(crate) events: Events,
    pub(crate) states: States,
    pub(crate) life: Life,
}

/// The four lists.
pub(crate) struct Lists {
    pub(crate) tools: Pages,
    pub(crate) resources: Pages,
    pub(crate) templates: Pages,
    pub(crate) prompts: Pages,
}

/// What the server declares that it can do.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Offers {
    pub(crate) tools: bool,
    pub(crate) resources: bool,
    pub(crate) prompts: bool,
    pub(crate) completions: bool,
}

/// What bounds a server beside its state and pages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) max_subscriptions: usize,
    pub(crate) max_listeners: usize,
}

impl Server {
    /// Begins the server `name` in the version `version`.
    pub fn builder(name: impl Into<String>, version: impl Into<String>) -> Builder {
        Builder::new(name, version)
    }

    /// Where to tell of changes in what the server offers.
    pub fn events(&self) -> &Events {
        &self.0.events
    }

    /// Ends all listen streams, each with its result, and refuses new ones. Calls go on.
    pub fn close(&self) {
        self.0.events.close();
    }

    pub(crate) fn life(&self) -> &Life {
        &self.0.life
    }

    pub(crate) fn of(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    fn answer(&self, request: Request, context: Context) -> Result<Reply, Error> {
        let Inner { lists, offers, .. } = &*self.0;
        let list =
            |pages: &Pages| pages.page(&request.params, &self.0.writing()).map(|page| Reply::ready(Ok(page)));
        match request.known() {
            Some(Method::ToolsCall) if offers.tools => tool::call(&self.0, request.params, context),
            Some(Method::ToolsList) if offers.tools => list(&lists.tools),
            Some(Method::ResourcesRead) if offers.resources => {
                resource::read(&self.0, request.params, context)
            }
            Some(Method::ResourcesList) if offers.resources => list(&lists.resources),
            Some(Method::TemplatesList) if offers.resources => list(&lists.templates),
            Some(Method::PromptsGet) if offers.prompts => prompt::get(&self.0, request.params, context),
            Some(Method::PromptsList) if offers.prompts => list(&lists.prompts),
            Some(Method::Complete) if offers.completions => {
                complete::complete(&self.0, request.params, context)
            }
            Some(Method::Listen) => listen::listen(&self.0, &request.params),
            Some(Method::Discover) => Ok(Reply::ready(Ok(self.0.discovery.clone()))),
            _ => Err(Error::method_not_found(&request.method)),
        }
    }
}

impl Service for Server {
    fn call(&self, request: Request, context: Context) -> Reply {
        if self.0.life.middleware.is_empty() {
            return self.answer(request, context).unwrap_or_else(Reply::error);
        }
        Inward { server: self.clone(), passed: 0 }.call(request, context)
    }
}

/// A server within the middleware that a call has not passed yet.
struct Inward {
    server: Server,
    passed: usize,
}

impl Service for Inward {
    fn call(&self, request: Request, context: Context) -> Reply {
        let Some(function) = self.server.0.life.middleware.get(self.passed) else {
            return self.server.answer(request, context).unwrap_or_else(Reply::error);
        };
        let inner = Self { server: self.server.clone(), passed: self.passed + 1 };
        function.call(Arc::new(inner), request, context)
    }
}

impl Inner {
    /// The template that is written like `text`.
    pub(crate) fn template(&self, text: &str) -> Option<&resource::TemplateEntry> {
        self.templates.iter().find(|entry| entry.text == text)
    }

    fn writing(&self) -> Writing<'_> {
        Writing { sealer: &self.vault.sealer, identity: &self.identity }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("tools", &self.0.tools.len())
            .field("resources", &self.0.resources.len())
            .field("templates", &self.0.templates.len())
            .field("prompts", &self.0.prompts.len())
            .finish_non_exhaustive()
    }
}
