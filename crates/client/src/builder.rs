use std::{
    future::{Future, IntoFuture},
    pin::Pin,
    sync::{Arc, OnceLock, atomic::AtomicU64},
    time::Duration,
};

use anyport_adapters::{LegacyClientAdapter, LegacyClientLimits};
use anyport_protocol::{
    Raw,
    meta::LogLevel,
    types::{
        CreateMessageRequestParams, CreateMessageResult, ElicitAction, Implementation,
        LoggingMessageNotificationParams, Root,
    },
};
use anyport_service::{Principal, Service};
#[cfg(feature = "connect")]
use anyport_transport::client::{ConnectOptions, Connection, Target};
use anyport_upstream::ToolCatalog;
#[cfg(feature = "connect")]
use anyport_upstream::{IsolationPolicy, RevisionCache, Upstream, UpstreamLimits};
use serde_json::Value;

#[cfg(feature = "connect")]
use crate::connect::{ClientConnector, answer_unsolicited};
use crate::{
    Cache, Client, ElicitAnswer, Error, Form, Handler, Page, Refused,
    cache::ClientCache,
    core::Core,
    handler::{Functions, erased},
    schema::OutputSchemas,
};

/// A client that is about to be: who it is, and what it can be asked.
#[must_use = "a client is made by awaiting this, or by `open`"]
pub struct Builder {
    source: Source,
    functions: Functions,
    info: Implementation,
    principal: Principal,
    timeout: Duration,
    timeout_max: Duration,
    max_pages: usize,
    shim: LegacyClientLimits,
    cache: Cache,
    discovered: Option<Raw>,
    #[cfg(feature = "connect")]
    revisions: RevisionCache,
}

/// What a client calls.
enum Source {
    Service(Arc<dyn Service>),
    #[cfg(feature = "connect")]
    Target(Box<(Result<Target, crate::InvalidEndpoint>, ConnectOptions)>),
    #[cfg(feature = "connect")]
    Connection(Connection),
}

impl Client {
    /// A client of any service. Say what it can be asked, then [`Builder::open`] it.
    pub fn over(service: impl Service) -> Builder {
        Builder::new(Arc::new(service))
    }

    /// A client of the server at `target`, which is connected to when the builder is awaited.
    ///
    /// What the server speaks is found out, unless [`Builder::revision`] demands a revision, and remembered. A connection
    /// that is lost is made anew by the next call; what is safe to be sent again, is. One that was lost soon after it was
    /// made, or cannot be made, is given time: 100 ms, doubled each time, up to 30 s; the call waits for that.
    #[cfg(feature = "connect")]
    pub fn connect(target: impl crate::IntoEndpoint) -> Builder {
        Builder::connecting(target.into_endpoint())
    }

    /// A client of a server that is connected to already, and of nobody else. The connection is not made anew when it is
    /// lost; say what the client can be asked as the connection was opened with.
    #[cfg(feature = "connect")]
    pub fn connected(connection: anyport_transport::client::Connection) -> Builder {
        Builder::connected(connection)
    }
}

impl Builder {
    pub(crate) fn new(service: Arc<dyn Service>) -> Self {
        Self::of(Source::Service(service))
    }

    #[cfg(feature = "connect")]
    pub(crate) fn connecting(target: Result<Target, crate::InvalidEndpoint>) -> Self {
        Self::of(Source::Target(Box::new((target, ConnectOptions::default()))))
    }

    #[cfg(feature = "connect")]
    pub(crate) fn connected(connection: Connection) -> Self {
        Self::of(Source::Connection(connection))
    }

    fn of(source: Source) -> Self {
        Self {
            source,
            functions: Functions::default(),
            info: Implementation::new("anyport", env!("CARGO_PKG_VERSION")),
            principal: Principal::local(),
            timeout: Duration::from_secs(60),
            timeout_max: Duration::from_secs(600),
            max_pages: 10_000,
            shim: LegacyClientLimits::default(),
            cache: Cache::default(),
            discovered: None,
            #[cfg(feature = "connect")]
            revisions: RevisionCache::default(),
        }
    }

    /// Says who the client is: its name and version, for the server's logs.
    pub fn info(mut self, name: impl Into<String>, version: impl Into<String>) -> Self {
        self.info = Implementation::new(name, version);
        self
    }

    /// Calls as `principal`. Unless set, as the local one. It separates what is kept, and what a server in the same
    /// process sees; a server elsewhere knows its caller by the connection.
    pub fn principal(mut self, principal: Principal) -> Self {
        self.principal = principal;
        self
    }

    /// How long a call waits for an answer or progress. Default 60 s. See [`Call::timeout`](crate::Call::timeout).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long a call may take in all. Default 10 minutes.
    pub fn timeout_max(mut self, timeout: Duration) -> Self {
        self.timeout_max = timeout;
        self
    }

    /// The most pages of one list. Default 10,000.
    pub fn max_pages(mut self, pages: usize) -> Self {
        self.max_pages = pages;
        self
    }

    /// What bounds the questions of one call.
    pub fn questions(mut self, limits: LegacyClientLimits) -> Self {
        self.shim = limits;
        self
    }

    /// Keeps answers in `cache`, which other clients of the same server may share.
    pub fn cache(mut self, cache: Cache) -> Self {
        self.cache = cache;
        self
    }

    /// Demands a revision of the server, where it is connected to.
    #[cfg(feature = "connect")]
    pub fn revision(self, revision: anyport_protocol::Revision) -> Self {
        self.opening(|opening| opening.revision = Some(revision))
    }

    /// Remembers in `cache`, which other clients may share, which legacy servers need no second probe.
    #[cfg(feature = "connect")]
    pub fn revision_cache(mut self, cache: RevisionCache) -> Self {
        self.revisions = cache;
        self
    }

    /// Sets how the connection begins. Capabilities and client are the builder's own.
    #[cfg(feature = "connect")]
    pub fn opening(mut self, set: impl FnOnce(&mut ConnectOptions)) -> Self {
        if let Source::Target(target) = &mut self.source {
            set(&mut target.1);
        }
        self
    }

    /// Lets `answer` fill in the forms that the server asks for. Fields that it leaves out have their defaults, and what
    /// it answers is held against the form.
    ///
    /// ```
    /// # use anyport_client::{Client, ElicitAnswer};
    /// # use serde_json::json;
    /// # fn client(server: anyport_server::Server) -> anyport_client::Builder {
    /// Client::over(server).on_elicit(async |form| {
    ///     println!("{} asks: {}", form.server(), form.message());
    ///     ElicitAnswer::accept(json!({"name": "Ada"}))
    /// })
    /// # }
    /// ```
    pub fn on_elicit<F, R>(mut self, answer: F) -> Self
    where
        F: Fn(Form) -> R + Send + Sync + 'static,
        R: Future<Output = ElicitAnswer> + Send + 'static,
    {
        self.functions.elicit = Some(erased(answer));
        self
    }

    /// Lets `decide` ask the user whether to visit a page.
    pub fn on_url_elicitation<F, R>(mut self, decide: F) -> Self
    where
        F: Fn(Page) -> R + Send + Sync + 'static,
        R: Future<Output = ElicitAction> + Send + 'static,
    {
        self.functions.visit = Some(erased(decide));
        self
    }

    /// Lets `sample` ask a model. Refusing ends the call that asked.
    pub fn on_sampling<F, R>(mut self, sample: F) -> Self
    where
        F: Fn(CreateMessageRequestParams) -> R + Send + Sync + 'static,
        R: Future<Output = Result<CreateMessageResult, Refused>> + Send + 'static,
    {
        self.functions.sample = Some(erased(sample));
        self
    }

    /// The same, and the model can be offered tools.
    pub fn on_sampling_with_tools<F, R>(mut self, sample: F) -> Self
    where
        F: Fn(CreateMessageRequestParams) -> R + Send + Sync + 'static,
        R: Future<Output = Result<CreateMessageResult, Refused>> + Send + 'static,
    {
        self.functions.sample_tools = true;
        self.on_sampling(sample)
    }

    /// Tells servers that ask which folders they may work in: `file:` URIs.
    pub fn roots<U: Into<String>>(self, uris: impl IntoIterator<Item = U>) -> Self {
        let roots: Vec<Root> = uris.into_iter().map(Root::new).collect();
        self.on_roots(move || std::future::ready(Ok(roots.clone())))
    }

    /// The same, asked anew each time. Refusing ends the call that asked.
    pub fn on_roots<F, R>(mut self, roots: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<Vec<Root>, Refused>> + Send + 'static,
    {
        self.functions.roots = Some(erased(move |()| roots()));
        self
    }

    /// Gives log messages of calls to `hear`, from `level` on. It must not block.
    pub fn on_log(
        mut self,
        level: LogLevel,
        hear: impl Fn(LoggingMessageNotificationParams) + Send + Sync + 'static,
    ) -> Self {
        self.functions.log = Some((level, Arc::new(hear)));
        self
    }

    /// Lets `handler` answer what it says it answers.
    pub fn handler(mut self, handler: impl Handler) -> Self {
        self.functions.take(handler);
        self
    }

    /// What the service says to `server/discover`, where that was asked already: then it is not asked again.
    pub fn discovered(mut self, result: Raw) -> Self {
        self.discovered = Some(result);
        self
    }

    /// Asks the server who it is and what it offers; then the client is there.
    ///
    /// # Errors
    /// As of any call.
    #[cfg_attr(
        not(feature = "connect"),
        allow(
            clippy::infallible_destructuring_match,
            reason = "there is more than one source with the feature"
        )
    )]
    pub async fn open(self) -> Result<Client, Error> {
        let written = |value: &Value| Raw::from(value.clone());
        let json = |fault: serde_json::Error| Error::Arguments {
            method: "server/discover".into(),
            fault: fault.to_string(),
        };
        let capabilities = serde_json::to_value(self.functions.capabilities()).map_err(json)?;
        let info = serde_json::to_value(&self.info).map_err(json)?;
        let (capabilities, info) = (written(&capabilities), written(&info));
        let cache = Arc::new(ClientCache::new(self.cache, &self.principal));
        let functions = Arc::new(self.functions);
        #[cfg(feature = "connect")]
        let mut connector = None;
        #[cfg_attr(
            not(feature = "connect"),
            allow(unused_mut, reason = "only an upstream has a catalog of its own")
        )]
        let mut tools = ToolCatalog::default();
        let service = match self.source {
            Source::Service(service) => legacy_clients(service, self.shim),
            #[cfg(feature = "connect")]
            Source::Target(target) => {
                let (target, options) = *target;
                let (capabilities, client_info) = (capabilities.clone(), info.clone());
                let options = options.capabilities(capabilities).client_info(client_info);
                let opened =
                    ClientConnector::open(target?, options, cache.clone(), functions.clone(), self.revisions)
                        .await?;
                let upstream = Upstream::builder("the server", opened.clone())
                    .limits(UpstreamLimits::single())
                    .isolation(IsolationPolicy::Shared)
                    .dialogues(self.shim)
                    .build();
                opened.listen(upstream.events());
                connector = Some(opened);
                tools = upstream.tools().clone();
                Arc::new(upstream)
            }
            #[cfg(feature = "connect")]
            Source::Connection(connection) => {
                answer_unsolicited(&functions, &connection);
                legacy_clients(Arc::new(connection), self.shim)
            }
        };
        let mut core = Core {
            service,
            functions,
            capabilities,
            info,
            cache,
            #[cfg(feature = "connect")]
            connector,
            principal: self.principal,
            timeout: self.timeout,
            timeout_max: self.timeout_max,
            max_pages: self.max_pages,
            tokens: AtomicU64::new(1),
            tools,
            outputs: OutputSchemas::default(),
            server: String::new(),
            discovered: OnceLock::new(),
        };
        // Whoever opened a connection has asked a moment ago.
        #[cfg(feature = "connect")]
        let known =
            self.discovered.or_else(|| Some(core.connector.as_ref()?.connection().discovered().clone()));
        #[cfg(not(feature = "connect"))]
        let known = self.discovered;
        match known {
            Some(result) => core.learn(&result)?,
            None => core.discover().await?,
        }
        Ok(Client::of(core))
    }
}

/// Serves a client, which is asked inline, from a service that may ask by `input_required`.
fn legacy_clients(service: Arc<dyn Service>, limits: LegacyClientLimits) -> Arc<dyn Service> {
    Arc::new(LegacyClientAdapter::new(service, limits))
}

/// Awaiting a builder opens its client.
impl IntoFuture for Builder {
    type Output = Result<Client, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("info", &self.info)
            .field("principal", &self.principal)
            .finish_non_exhaustive()
    }
}
