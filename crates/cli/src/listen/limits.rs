//! The limits of a program that serves.

use std::{path::PathBuf, time::Duration};

use anyport::stack::EdgeLimits;
use anyport_adapters::{LegacyClientLimits, ParkLimits};
use anyport_audit::AuditLimits;
use anyport_auth::{
    CallerLoginLimits, SignInLimits, authorization_server::AuthorizationServerLimits,
    identity_provider::ProviderLimits, resource_server::VerifierLimits,
};
use anyport_config::gateway::LimitsConfig;
use anyport_contexts::ContextLimits;
use anyport_gateway::federation::FederationLimits;
use anyport_guards::GuardLimits;
use anyport_knowledge::{
    Folders, Settings,
    answers::DEFAULT_MAX_ANSWER_CHARS,
    folder::{MAX_DOCUMENT_BYTES, MAX_DOCUMENTS},
    live::MAX_HELD_BYTES,
};
use anyport_layers::{BulkheadLimits, CacheLimits, LoadShedLimits, Quota};
use anyport_policy::Budget;
use anyport_protocol::{limits, settings::LimitField};
use anyport_server::Builder;
use anyport_telemetry::TelemetryLimits;
use anyport_transport::{BufferLimits, client::http::HttpPoolLimits, http, unix, websocket};
use anyport_upstream::UpstreamLimits;

use super::rates::CallRates;
use crate::{health::HealthLimits, logging::LogLimits, store::StoreLimits};

/// The limits of a program that serves. Each is declared in the crate that enforces it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Limits {
    /// The limits of HTTP. Those of messages and open requests apply to every transport.
    pub(crate) http: http::Limits,
    pub(crate) buffers: BufferLimits,
    pub(crate) websocket: websocket::Config,
    pub(crate) edge: EdgeLimits,
    pub(crate) quota: Quota,
    /// How much memory may be used before new work is refused.
    pub(crate) load_shed: LoadShedLimits,
    /// How often calls may be made, beside the quota.
    pub(crate) rates: CallRates,
    pub(crate) legacy_clients: LegacyClientLimits,
    pub(crate) bridge: BridgeLimits,
    pub(crate) upstream: UpstreamLimits,
    /// The limits of the calls to servers over HTTP, of all together.
    pub(crate) http_pool: HttpPoolLimits,
    pub(crate) park: ParkLimits,
    pub(crate) federation: FederationLimits,
    pub(crate) bulkhead: BulkheadLimits,
    /// The cost of the conditions of a policy.
    pub(crate) policy: Budget,
    /// The limits of guards and masks.
    pub(crate) guards: GuardLimits,
    /// The limits of the audit log.
    pub(crate) audit: AuditLimits,
    /// The limits of telemetry.
    pub(crate) telemetry: TelemetryLimits,
    /// The limits of verifying what callers present.
    pub(crate) verifier: VerifierLimits,
    /// The limits of the authorization server of the clients.
    pub(crate) authorization_server: AuthorizationServerLimits,
    /// The limits of signing in at an identity provider.
    pub(crate) provider: ProviderLimits,
    pub(crate) cache: CacheLimits,
    pub(crate) log: LogLimits,
    /// The limits of looking how the program is.
    pub(crate) health: HealthLimits,
    /// The limits of waiting for the store.
    pub(crate) store: StoreLimits,
    /// The limits of conversations.
    pub(crate) contexts: ContextLimits,
    pub(crate) sign_in: SignInLimits,
    /// The limits of the logins of callers at upstreams.
    pub(crate) caller_login: CallerLoginLimits,
    pub(crate) documents: DocumentLimits,
    pub(crate) server: ServerLimits,
}

limits! {
    /// The limits of a bridge that depend on its server.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct BridgeLimits {
        /// The number of connections to the server.
        #[default("8 to a program that is started for each, else 64" = None)]
        #[limit(
            Count "connections", note = "8 to a program that is started for each, else 64",
            beyond = "further callers wait for one, or share one and cannot receive requests of a legacy server"
        )]
        pub(crate) connections: Option<usize>,
        /// The time that a call may take although it reports progress.
        #[default(1 hour)]
        #[limit(
            Seconds "call_timeout_max", note = " in all, of a call through the bridge; not less than `call_timeout`",
            beyond = "-32603 `timeout`, and the server receives a cancellation"
        )]
        pub(crate) call_timeout_max: Duration,
        /// The number of programs that start at once.
        #[default(8)]
        #[limit(
            Count "max_cold_starts", note = " programs that start; one counts for 10 s at most",
            beyond = "further ones start as places become free"
        )]
        pub(crate) max_cold_starts: usize,
        /// The size in bytes of the log of each server of a gateway.
        #[default(256 KiB)]
        #[limit(
            Bytes "server_log", note = " of the log of each server of a gateway, in memory",
            beyond = "the oldest entries are dropped; `anyport logs -f` says how many it missed"
        )]
        pub(crate) server_log: usize,
        /// The number of events that wait for a slow `anyport tap`.
        #[default(1_024)]
        #[limit(
            Count "tap_events", note = " that wait for each `anyport tap`",
            beyond = "the oldest are left out, and the command says how many"
        )]
        pub(crate) tap_events: usize,
        /// The size in bytes of the largest message that `anyport tap` shows.
        #[default(64 KiB)]
        #[limit(
            Bytes "tap_message", note = " of a message that `anyport tap` shows",
            beyond = "its size is shown in place of the message"
        )]
        pub(crate) tap_message: usize,
    }
}

limits! {
    /// The limits of documents.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct DocumentLimits {
        /// The number of documents.
        #[default("[`MAX_DOCUMENTS`]" = MAX_DOCUMENTS)]
        #[limit(
            Count "max_documents", note = " in all folders together",
            beyond = "the first are served; a warning says so"
        )]
        pub(crate) max_documents: usize,
        /// The size of a document in bytes.
        #[default("[`MAX_DOCUMENT_BYTES`]" = MAX_DOCUMENT_BYTES)]
        #[limit(Bytes "max_document_bytes", note = " a file", beyond = "the file is left out, with a warning")]
        pub(crate) max_document_bytes: u64,
        /// The size in bytes of the text that is held in memory.
        #[default("[`MAX_HELD_BYTES`]" = MAX_HELD_BYTES)]
        #[limit(
            Bytes "max_held_bytes", note = " of text in memory",
            beyond = "further texts are read from their files on request"
        )]
        pub(crate) max_held_bytes: u64,
        /// The number of characters of a document that an answer has.
        #[default("[`DEFAULT_MAX_ANSWER_CHARS`]" = DEFAULT_MAX_ANSWER_CHARS)]
        #[limit(
            Count "max_answer_chars", note = " characters",
            beyond = "`get_stdlib` and `get_doc` answer with an outline, unless the call gives another number (`max_chars`); the prompt `apply_standard` contains the beginning"
        )]
        pub(crate) max_answer_chars: usize,
    }
}

limits! {
    /// The limits of the server, if they are set; else its builder's defaults.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct ServerLimits {
        /// The number of listeners.
        #[default(None)]
        #[limit(
            Count "max_listeners", note = "10,000, as many as a transport has streams and sessions",
            beyond = "-32603 `overloaded`; a legacy session with a stream for notifications is one listener"
        )]
        pub(crate) max_listeners: Option<usize>,
        /// The number of subscriptions of a listener.
        #[default(None)]
        #[limit(
            Count "max_subscriptions", note = "1,000 a listener",
            beyond = "further ones are left out of the acknowledgement"
        )]
        pub(crate) max_subscriptions: Option<usize>,
        /// The size in bytes of all subscriptions.
        #[default(None)]
        #[limit(
            Bytes "max_subscription_bytes", note = "64 MiB of all listeners together",
            beyond = "-32603 `overloaded`"
        )]
        pub(crate) max_subscription_bytes: Option<usize>,
        /// The number of entries of a page.
        #[default(None)]
        #[limit(Count "page_size", note = "1,000 entries", beyond = "the list continues with a cursor")]
        pub(crate) page_size: Option<usize>,
    }
}

impl Limits {
    /// The same, with calls as often as a file says.
    #[must_use]
    pub(crate) fn rates(self, config: &LimitsConfig) -> Self {
        Self { rates: CallRates::of(config), ..self }
    }

    /// Calls `visit` with every limit and its section of `docs/limits.md`, in the order of the page. A limit that several
    /// parts have comes once for each of them; the first describes it.
    pub(crate) fn each(&mut self, mut visit: impl FnMut(&'static str, LimitField<'_>)) {
        let mut section = |name, fields: Vec<LimitField<'_>>| {
            fields.into_iter().for_each(|field| visit(name, field));
        };
        section("messages", self.http.message.limits_mut());
        section("messages", self.buffers.limits_mut());
        let of_http = self.http.limits_mut().into_iter();
        let (of_calls, of_http) = of_http.partition(|field| field.spec.name == "max_open_requests");
        section("http", of_http);
        section("sockets", self.websocket.limits_mut());
        section("calls", self.edge.limits_mut());
        section("calls", self.load_shed.limits_mut());
        section("calls", self.quota.limits_mut());
        section("calls", of_calls);
        section("calls", self.legacy_clients.limits_mut());
        let of_bridge = self.bridge.limits_mut().into_iter();
        let (of_calls, of_bridge) = of_bridge.partition(|field| field.spec.name == "call_timeout_max");
        section("calls", of_calls);
        section("connections", of_bridge);
        section("connections", self.upstream.limits_mut());
        section("connections", self.http_pool.limits_mut());
        section("parked calls", self.park.limits_mut());
        section("callers", self.verifier.limits_mut());
        section("authorization server", self.authorization_server.limits_mut());
        section("authorization server", self.provider.limits_mut());
        section("cache and logs", self.cache.limits_mut());
        section("cache and logs", self.log.limits_mut());
        section("health", self.health.limits_mut());
        section("store", self.store.limits_mut());
        section("contexts", self.contexts.limits_mut());
        section("logins", self.sign_in.limits_mut());
        section("logins", self.caller_login.limits_mut());
        section("documents", self.documents.limits_mut());
        section("server", self.server.limits_mut());
        section("federation", self.federation.limits_mut());
        section("federation", self.bulkhead.limits_mut());
        section("policy", self.policy.limits_mut());
        section("guards", self.guards.limits_mut());
        section("audit", self.audit.limits_mut());
        section("telemetry", self.telemetry.limits_mut());
    }

    /// The same, with what of `new` a running gateway can change: the limits of calls, of its servers and of its documents.
    pub(crate) fn changed_while_running(&self, new: &Self) -> Self {
        let BridgeLimits { connections, call_timeout_max, .. } = new.bridge;
        Self {
            edge: new.edge,
            quota: new.quota,
            rates: self.rates.changed(&new.rates),
            legacy_clients: new.legacy_clients,
            bridge: BridgeLimits { connections, call_timeout_max, ..self.bridge },
            upstream: new.upstream,
            park: new.park,
            bulkhead: new.bulkhead,
            sign_in: new.sign_in,
            policy: new.policy,
            guards: new.guards,
            documents: new.documents,
            server: new.server,
            ..self.clone()
        }
    }

    /// The values of the limits that the connections to servers depend on.
    pub(crate) fn of_upstreams(&self) -> Vec<Option<u64>> {
        let Self { legacy_clients, bridge, upstream, park, bulkhead, sign_in, .. } = self.clone();
        let mut values =
            Self { legacy_clients, bridge, upstream, park, bulkhead, sign_in, ..Self::default() }.values();
        // The places of one server are a part of all.
        values.push(u64::try_from(self.edge.max_concurrent_calls).ok());
        values
    }

    /// The values of the limits that documents depend on.
    pub(crate) fn of_all_documents(&self) -> Vec<Option<u64>> {
        Self { documents: self.documents, server: self.server, ..Self::default() }.values()
    }

    /// The names of the limits that have another value in `other`.
    pub(crate) fn differing(&self, other: &Self) -> Vec<&'static str> {
        let mut names = Vec::new();
        self.clone().each(|_, LimitField { spec, .. }| names.push(spec.name));
        let pairs = self.values().into_iter().zip(other.values());
        let differing = names.into_iter().zip(pairs).filter(|(_, (one, other))| one != other);
        let mut names: Vec<_> = differing.map(|(name, _)| name).collect();
        // Several parts may have a limit.
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The values of all limits, in their order.
    fn values(&self) -> Vec<Option<u64>> {
        let mut values = Vec::new();
        self.clone().each(|_, field| values.push(field.value.number()));
        values
    }

    /// The limits of a Unix socket: those that it shares with the other transports have the same values.
    pub(crate) fn unix(&self, max_connections: usize) -> unix::Limits {
        unix::Limits::default()
            .message(self.http.message)
            .max_connections(max_connections)
            .max_descriptors_percent(self.http.max_descriptors_percent)
            .max_open_requests(self.http.max_open_requests)
            .first_message(self.websocket.first_message)
            .connection_idle(self.websocket.connection_idle)
            .write_timeout(self.http.write_timeout)
            .drain(self.http.drain)
    }

    /// `folders` with their limits.
    pub(crate) fn of_documents(&self, folders: Folders) -> Folders {
        let DocumentLimits { max_documents, max_document_bytes, .. } = self.documents;
        folders.max_documents(max_documents).max_document_bytes(max_document_bytes)
    }

    /// The settings of documents, with the index below `index_dir`.
    pub(crate) fn of_knowledge(&self, index_dir: Option<PathBuf>) -> Settings {
        Settings::default().index_dir(index_dir).max_held_bytes(self.documents.max_held_bytes)
    }

    /// `server` with its limits.
    pub(crate) fn of_server(&self, mut server: Builder) -> Builder {
        let ServerLimits { max_listeners, max_subscriptions, max_subscription_bytes, page_size } =
            self.server;
        if let Some(limit) = max_listeners {
            server = server.max_listeners(limit);
        }
        if let Some(limit) = max_subscriptions {
            server = server.max_subscriptions(limit);
        }
        if let Some(limit) = max_subscription_bytes {
            server = server.max_subscription_bytes(limit);
        }
        match page_size {
            Some(size) => server.page_size(size),
            None => server,
        }
    }
}
