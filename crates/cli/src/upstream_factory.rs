//! How a bridge and a gateway make the upstreams of their servers: connections, the key of sealed states, and the cached lists.

use std::{
    future::{Future, ready},
    path::PathBuf,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result};
use anyport::{
    layer::{CatchPanicLayer, LoadShedLayer, RunningCalls, ServiceBuilder, TimeoutLayer, optional},
    stack,
};
use anyport_audit::{AuditLog, CallLogLayer, RecordLayer};
use anyport_auth::{
    CallerLogins, ClientIssuers, ClientOptions, Credential, DEFAULT_ACCOUNT, LoginServer, Secret, SignIn,
    SignInOptions, Vault,
};
use anyport_config::gateway::{AuditConfig, UpstreamConfig};
use anyport_gateway::{
    Bridge, CatalogRecord,
    federation::{PinMode, PinRecords, Pins},
};
use anyport_layers::BulkheadLayer;
use anyport_metrics::Metrics;
use anyport_protocol::Revision;
use anyport_seal::{Key, Sealer};
use anyport_service::{Overload, Service};
use anyport_store::Store;
use anyport_telemetry::{ServerSpanLayer, Settings, Telemetry};
use anyport_transport::{
    BufferedBytes,
    client::{
        self,
        http::{Endpoint, HttpPool},
    },
    http::CallerTokens,
};
use anyport_upstream::{
    ColdStarts, ConnectError, Connected, Connector, IsolationPolicy, OpenRequest, Upstream,
};

use crate::{
    audit::{self, AuditSettings},
    guard,
    listen::{self, Limits},
    logging,
    server_id::{entry_id, server_id},
    server_log::{LoggedConnector, ServerLogs},
    sign_in, state_dir,
    store::{OpenStore, StateKeys},
    target::{HiddenWhileUsed, LoginSettings, Server, Surroundings},
    telemetry::{self, MeasuredConnector},
    traffic::Traffic,
    upstream_limits::{BulkheadOptions, CallDeadlines, Places},
    user_error::UserError,
};

/// Makes the upstreams of one program. They share limits, metrics, buffers, the key, the store and the guard process.
#[derive(Clone)]
pub(crate) struct UpstreamFactory {
    pub(crate) limits: Limits,
    pub(crate) metrics: Metrics,
    pub(crate) buffers: BufferedBytes,
    /// The pool of the calls to servers over HTTP.
    http_pool: HttpPool,
    /// The logs of the servers for which [`UpstreamOptions::is_logged`] says so.
    pub(crate) logs: ServerLogs,
    /// The calls and messages of these servers and of clients.
    pub(crate) traffic: Traffic,
    /// The tokens of callers, for upstreams that exchange them.
    pub(crate) caller_tokens: CallerTokens,
    /// The audit log, if there is one.
    pub(crate) audit: Option<AuditLog>,
    /// Writes a line for each call, if the level of the log says so.
    pub(crate) call_log: CallLogLayer,
    /// Spans and metrics of calls, if there is a collector.
    pub(crate) telemetry: Option<Telemetry>,
    /// The logins of callers at upstreams; `None` if there is no URL for their pages.
    pub(crate) caller_logins: Option<CallerLogins>,
    /// Whether new calls are refused.
    pub(crate) overload: Overload,
    /// The calls that run, at all endpoints.
    running: RunningCalls,
    supported: Arc<[Revision]>,
    keys: StateKeys,
    /// The key of the audit log.
    audit_key: Key,
    /// Where the last known lists are stored. `None`: they are in memory alone, since there is no folder for the program's state, or no key in it.
    store: Option<Arc<dyn Store>>,
    /// The same, with what is known of it.
    open_store: Option<OpenStore>,
    /// The folder for the program's state, if there is a store.
    state: Option<PathBuf>,
    guard: Arc<guard::Guard>,
    cold_starts: ColdStarts,
}

/// What sees the calls that come in.
#[derive(Clone)]
pub(crate) struct Observers {
    /// The audit log, if there is one.
    pub(crate) audit: Option<AuditLog>,
    /// Writes a line for each call, if the level of the log says so.
    pub(crate) call_log: CallLogLayer,
    /// Spans and metrics of calls, if there is a collector.
    pub(crate) telemetry: Option<Telemetry>,
    /// The numbers of the program.
    pub(crate) metrics: Metrics,
    /// Whether new calls are refused.
    pub(crate) overload: Overload,
    /// The calls that run, at all endpoints.
    pub(crate) running: RunningCalls,
}

/// One server, and how it is connected.
pub(crate) struct UpstreamOptions<'a> {
    /// Its name in errors and logs.
    pub(crate) name: &'a str,
    /// How to reach it.
    pub(crate) server: &'a Server,
    /// Where the transport finds it.
    pub(crate) target: client::Target,
    /// The only revision to speak with it.
    pub(crate) revision: Option<Revision>,
    /// The time that connecting may take.
    pub(crate) open_timeout: Duration,
    /// The deadlines of its calls.
    pub(crate) deadlines: CallDeadlines,
    /// The number of its connections.
    pub(crate) connections: Option<usize>,
    pub(crate) isolation: IsolationPolicy,
    /// Whether what it writes and logs is kept, for `anyport logs`.
    pub(crate) is_logged: bool,
    /// How often a server is connected that goes away before its handshake is over.
    pub(crate) handshakes: u32,
    /// The time without use after which its connections are closed.
    pub(crate) idle_stop: Option<Duration>,
    /// The id of its entry in a file, under which its lists are found while it cannot be reached for want of a secret.
    pub(crate) entry: Option<String>,
    /// What clients are told to do where only a login at it helps.
    pub(crate) login_help: Option<Arc<str>>,
    /// Whether it is reached with the key of one caller: nothing of it is stored, and it is connected for its calls alone.
    pub(crate) is_of_caller: bool,
}

impl UpstreamFactory {
    /// Prepares for servers whose clients are served as `arguments` say.
    ///
    /// # Errors
    /// When the system has no randomness for a key.
    pub(crate) fn new(arguments: &listen::Arguments, limits: Limits) -> Result<Self> {
        let metrics = Metrics::new();
        logging::count_in(&metrics);
        let kept = arguments.keys()?;
        let folder = state_dir::folder(arguments.state_dir.clone()).filter(|_| kept.is_some());
        let open_store = arguments.open_store(&metrics)?;
        let store = open_store.as_ref().map(|open| open.store.clone());
        let limits = Limits { rates: limits.rates.clone().shared_in(open_store.as_ref()), ..limits };
        let keys = match kept {
            Some(keys) => keys,
            None => StateKeys::only(Key::random().context("no key for the state of open questions")?),
        };
        let audit_key = arguments.audit_key()?.unwrap_or_else(|| keys.first.clone());
        let buffers = BufferedBytes::new(limits.buffers, &metrics);
        let http_pool = HttpPool::new(limits.http_pool, &metrics);
        let supported = arguments.era.revisions().into();
        let cold_starts = ColdStarts::new(limits.bridge.max_cold_starts, &metrics);
        let logs = ServerLogs::new(limits.bridge.server_log, &metrics);
        let traffic = Traffic::new(limits.bridge.tap_events, limits.bridge.tap_message, &metrics);
        let (guard, state) = (Arc::default(), folder);
        let caller_tokens = CallerTokens::new(limits.http.max_caller_tokens, &metrics);
        let caller_logins = arguments.base_url().zip(store.clone()).map(|(url, store)| {
            CallerLogins::new(&url, store, keys.sealer.clone(), limits.caller_login, &metrics)
        });
        Ok(Self {
            limits,
            metrics,
            buffers,
            http_pool,
            logs,
            traffic,
            caller_tokens,
            audit: None,
            call_log: audit::call_log(&AuditConfig::default()),
            telemetry: None,
            caller_logins,
            overload: Overload::default(),
            running: RunningCalls::default(),
            supported,
            keys,
            audit_key,
            store,
            open_store,
            state,
            guard,
            cold_starts,
        })
    }

    /// The same, with other limits for what is made from now on.
    pub(crate) fn with_limits(&self, limits: Limits) -> Self {
        Self { limits, ..self.clone() }
    }

    /// Begins the audit log, if `settings` want one.
    ///
    /// # Errors
    /// If it cannot be written, and calls must not go on without it.
    pub(crate) async fn start_audit(&mut self, settings: Option<AuditSettings>) -> Result<()> {
        let Some(settings) = settings else { return Ok(()) };
        let (limits, metrics) = (self.limits.audit, &self.metrics);
        self.audit =
            Some(audit::start(settings, self.store.clone(), &self.audit_key, limits, metrics).await?);
        Ok(())
    }

    /// Begins to send spans and metrics, if `settings` name a collector.
    ///
    /// # Errors
    /// When the URL of the collector is not valid, or a header cannot be sent.
    pub(crate) fn start_telemetry(&mut self, settings: Settings) -> Result<()> {
        self.telemetry = telemetry::start(settings, self.limits.telemetry, &self.metrics)?;
        Ok(())
    }

    /// What sees the calls that come in.
    pub(crate) fn observers(&self) -> Observers {
        Observers {
            audit: self.audit.clone(),
            call_log: self.call_log.clone(),
            telemetry: self.telemetry.clone(),
            metrics: self.metrics.clone(),
            overload: self.overload.clone(),
            running: self.running.clone(),
        }
    }

    /// The revisions that clients may speak.
    pub(crate) fn supported(&self) -> &Arc<[Revision]> {
        &self.supported
    }

    /// Seals what travels through clients.
    pub(crate) fn sealer(&self) -> Sealer {
        self.keys.sealer.clone()
    }

    /// The pins of the upstream `name` of the file `file`.
    pub(crate) fn pins(&self, file: &str, name: &str, mode: PinMode) -> Pins {
        Pins::new(name, mode, (self.store.clone().map(PinRecords::new), file), &self.metrics)
    }

    /// The store of what outlives the program, if it has one.
    pub(crate) fn open_store(&self) -> Option<&OpenStore> {
        self.open_store.as_ref()
    }

    /// Waits for the store as long as the limits say.
    ///
    /// # Errors
    /// When it can be reached and not be used.
    pub(crate) async fn reach_store(&self) -> Result<()> {
        match &self.open_store {
            Some(open) => open.reached(self.limits.store.wait).await,
            None => Ok(()),
        }
    }

    /// Whether what is stored outlives the program.
    pub(crate) fn has_store(&self) -> bool {
        self.store.is_some()
    }

    /// The login to the server at `endpoint`, as its file says. Places of secrets are seen from `surroundings`.
    ///
    /// # Errors
    /// When there is no place for logins, or the URL of the server is none for a token.
    pub(crate) fn sign_in(
        &self,
        endpoint: &Endpoint,
        login: &LoginSettings,
        surroundings: &Surroundings,
    ) -> Result<SignIn> {
        let vault = match login.options.grant.has_user() {
            true => self.vault()?,
            // Its tokens end with the program; the authorization server that its secret goes to is kept.
            false => Vault::in_memory()?.client_issuers(self.store.clone().map(ClientIssuers::new)),
        };
        let account = login.account.as_deref().unwrap_or(DEFAULT_ACCOUNT);
        let options = SignInOptions { limits: self.limits.sign_in, ..login.options.clone() };
        let sign_in = sign_in::of_server(endpoint, account, vault, options, surroundings);
        let sign_in = sign_in.map_err(|error| sign_in::failed(endpoint.url(), &error))?;
        Ok(sign_in.metrics(&self.metrics))
    }

    /// Lets callers sign in at the server `name` at `endpoint`, which people call `title`, by `options`.
    ///
    /// # Errors
    /// When there is no place for logins, or no URL for their pages.
    pub(crate) fn logins_of_callers(
        &self,
        (name, title): (&str, &str),
        endpoint: &Endpoint,
        options: SignInOptions,
        surroundings: &Surroundings,
    ) -> Result<CallerLogins> {
        let vault = self.vault()?;
        let logins = self.caller_logins.clone().ok_or_else(|| {
            let help = "set public_url of [gateway]";
            UserError::usage("callers sign in by pages of this gateway, whose URL is not known", help)
        })?;
        let limits = self.limits.sign_in;
        let client =
            ClientOptions { redirect_uri: Some(logins.redirect_uri(name)), ..options.client.clone() };
        let options = SignInOptions { client, limits, ..options };
        let (endpoint, surroundings, metrics) =
            (endpoint.clone(), surroundings.clone(), self.metrics.clone());
        logins.add(LoginServer {
            name: name.to_owned(),
            title: title.to_owned(),
            sign_in: Arc::new(move |account| {
                let vault = vault.clone();
                let sign_in = sign_in::of_server(&endpoint, account, vault, options.clone(), &surroundings)?;
                let hidden = HiddenWhileUsed::default();
                let hide =
                    move |credential: &Credential| hidden.hide(credential.secrets().map(Secret::expose));
                Ok(sign_in.observed(hide).metrics(&metrics))
            }),
        });
        Ok(logins)
    }

    /// Where logins of users are kept.
    fn vault(&self) -> Result<Vault> {
        let (Some(state), Some(store)) = (&self.state, &self.store) else {
            let help = "name one with --state-dir DIR: logins are kept there";
            return Err(UserError::usage("there is no folder for the program's state", help));
        };
        sign_in::vault_in(state, store.clone())
    }

    /// Puts a server behind a bridge of its own. Nothing is connected before somebody calls.
    pub(crate) fn bridge(&self, options: UpstreamOptions<'_>) -> Bridge {
        let UpstreamOptions {
            name,
            server,
            target,
            revision,
            open_timeout,
            deadlines,
            connections,
            isolation,
            is_logged,
            handshakes,
            idle_stop,
            entry,
            login_help,
            is_of_caller,
        } = options;
        // What a client does not read is not read from the server either.
        let opening = client::ConnectOptions::default()
            .revision(revision)
            .open_timeout(open_timeout)
            .buffers(self.buffers.clone())
            .http_pool(self.http_pool.clone());
        let limits = &self.limits;
        let is_program = matches!(server, Server::Command { .. });
        let connections = limits.connections_to(is_program, connections);
        let first_byte = limits.first_byte(deadlines);
        let of_upstream = limits.upstream.connections(connections).first_byte_timeout(first_byte);
        let longest = limits.longest(deadlines);
        let reached = MeasuredConnector::new((), self.telemetry.clone(), name, &target);
        let log = is_logged.then(|| (self.logs.of(name), self.traffic.clone()));
        let connector = LoggedConnector::new(name, self.guard.guarded(target), opening, log)
            .handshakes(handshakes)
            .login_help(login_help);
        let builder = match server {
            Server::Command { .. } => {
                Upstream::builder(name, reached.map(|()| self.cold_starts.bounded(connector)))
            }
            _ => Upstream::builder(name, reached.map(|()| connector)),
        };
        let upstream = builder
            // A server that is away is connected again by itself, so that what is said of it is true.
            .limits(of_upstream.background_probes(!is_of_caller))
            .dialogues(limits.legacy_clients)
            .park(self.sealer(), limits.park.call_timeout_max(longest))
            .metrics(&self.metrics)
            .isolation(isolation)
            .build();
        let store = self.store.clone().filter(|_| !is_of_caller);
        let catalog = store.map(|store| {
            let record = CatalogRecord::new(store, server_id(server, &self.keys.first));
            entry.into_iter().fold(record, CatalogRecord::known_as)
        });
        let bridge = Bridge::new(upstream, self.supported.clone(), catalog);
        match idle_stop {
            Some(after) => bridge.idle_stop(after),
            None => bridge,
        }
    }

    /// The id of the entry `name` of the file `file`: see [`UpstreamOptions::entry`].
    pub(crate) fn entry_id(&self, file: &str, name: &str, config: &UpstreamConfig) -> String {
        entry_id(file, name, config, &self.keys.first)
    }

    /// A bridge in the place of a server that cannot be connected, whose calls fail with `why`. It has the last known lists of
    /// `entry`.
    pub(crate) fn unusable_bridge(&self, name: &str, why: &str, entry: String) -> Bridge {
        let upstream = Upstream::builder(name, Unusable(why.to_owned()))
            .limits(self.limits.upstream)
            .dialogues(self.limits.legacy_clients)
            .metrics(&self.metrics)
            .build();
        let catalog = self.store.clone().map(|store| CatalogRecord::of_entry(store, entry));
        Bridge::new(upstream, self.supported.clone(), catalog)
    }

    /// The deadlines of calls through `bridge`. Its server learns of calls of which nothing came in time.
    pub(crate) fn timeout(&self, bridge: &Bridge, deadlines: CallDeadlines) -> TimeoutLayer {
        let upstream = bridge.upstream().clone();
        TimeoutLayer::new(deadlines.silent, &self.metrics)
            .max(self.limits.longest(deadlines))
            .upstream(upstream.name())
            .on_silence(move |context, began| upstream.note_silence(context, began))
    }

    /// The places and the queue of the server called `name`.
    pub(crate) fn bulkhead(&self, name: &str, options: BulkheadOptions) -> BulkheadLayer {
        let Places { calls, queued, wait } = self.limits.places(options);
        BulkheadLayer::new(name, calls, &self.metrics).queue(queued, wait)
    }
}

/// A server that cannot be connected, for a reason.
struct Unusable(String);

impl Connector for Unusable {
    fn connect(
        &self,
        _: OpenRequest,
    ) -> Pin<Box<dyn Future<Output = Result<Connected, ConnectError>> + Send>> {
        Box::pin(ready(Err(ConnectError::never(self.0.clone()))))
    }
}

/// The layers around what stands before the servers, from the outside in. The servers have deadlines of their own.
pub(crate) fn layered<S: Service>(
    service: S,
    observers: &Observers,
    limits: &Limits,
) -> impl Service + use<S> {
    let Observers { audit, call_log, telemetry, metrics, overload, running } = observers;
    ServiceBuilder::new()
        // Outermost, so that its spans cover all of a call, and the audit log has its trace.
        .layer(optional(telemetry.clone().map(ServerSpanLayer::new)))
        // Outside whatever refuses calls, so that refusals are logged and recorded.
        .layer(call_log.clone())
        .layer(optional(audit.clone().map(RecordLayer::new)))
        .layer(stack::edge_with(
            &limits.edge,
            running.clone(),
            Some(LoadShedLayer::new(overload.clone(), metrics)),
            Some(limits.rates.layer(limits.quota, metrics)),
            metrics,
        ))
        // A fault of ours fails one call, not the process.
        .layer(CatchPanicLayer)
        .service(service)
}
