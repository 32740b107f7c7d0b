//! The servers and documents of a file, as members of the federation.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use anyport::layer::{Layer as _, TimeoutLayer};
use anyport_config::gateway::{
    GatewaySettings, Isolation, KnowledgeConfig, LargeResult, Pin, Start, ToolConfig, UpstreamConfig,
};
use anyport_gateway::{
    Bridge, CallerBridge, CallerBridges, CallerLimits,
    federation::{ItemOverride, Member, Naming, OnLargeResult, PinMode, Pins, ResultLimit},
};
use anyport_knowledge::{Folders, Knowledge, Options, folder::FolderError};
use anyport_protocol::Revision;
use anyport_server::Server;
use anyport_service::{ClientHeaders, Context, Principal, Service};
use anyport_upstream::IsolationPolicy;
#[cfg(unix)]
use anyport_upstream::UpstreamHealth;
use http::HeaderName;
use indexmap::IndexMap;
#[cfg(unix)]
use jiff::Timestamp;
#[cfg(unix)]
use serde_json::Value;
#[cfg(unix)]
use tokio::sync::watch;
use tokio::task::JoinSet;

#[cfg(unix)]
use super::direct::DirectConnections;
use super::{file::GatewayFile, own_address::is_own};
use crate::{
    program::{self, Missing},
    serve::Arguments,
    state_dir,
    target::{self, SecretValue},
    traffic::ObservedService,
    upstream_factory::{UpstreamFactory, UpstreamOptions},
    upstream_limits::{BulkheadOptions, CallDeadlines, open_timeout},
    user_error::UserError,
};

/// The members of a federation, in the order of the file, and what is stopped with them.
pub(super) struct Members {
    upstreams: IndexMap<String, UpstreamMember>,
    documents: IndexMap<String, DocumentsMember>,
    /// The pinned definitions by upstream. Those of an upstream that is gone stay, since it may come back.
    pins: IndexMap<String, Pins>,
}

/// A server behind the gateway.
#[derive(Clone)]
struct UpstreamMember {
    config: UpstreamConfig,
    /// What becomes of changed definitions; `None` if these are not compared.
    pin: Option<PinMode>,
    result_limit: Option<ResultLimit>,
    /// How it is reached, with its secrets.
    server: target::Server,
    bridge: Bridge,
    /// The bridges of callers that bring keys of their own.
    of_callers: Option<CallerBridges>,
    service: Arc<dyn Service>,
    #[cfg(unix)]
    direct: Arc<DirectConnections>,
}

/// Documents behind the gateway.
#[derive(Clone)]
struct DocumentsMember {
    config: KnowledgeConfig,
    result_limit: Option<ResultLimit>,
    knowledge: Knowledge,
    server: Server,
    service: Arc<dyn Service>,
    #[cfg(unix)]
    direct: Arc<DirectConnections>,
}

/// How often a server is connected that goes away before its handshake is over; then its callers receive the error.
const HANDSHAKES: u32 = 3;

impl Members {
    /// The members that `file` describes. What is reached as it was in `old` is taken from there. Nothing is connected.
    ///
    /// # Errors
    /// What is wrong with one of them, and what to do.
    pub(super) fn new(
        file: &GatewayFile,
        old: Option<&Self>,
        arguments: &Arguments,
        factory: &Arc<UpstreamFactory>,
    ) -> Result<Self> {
        let pins = old.map(|old| old.pins.clone()).unwrap_or_default();
        let mut members = Self { upstreams: IndexMap::new(), documents: IndexMap::new(), pins };
        for (name, config) in file.config.upstreams.iter().filter(|(_, config)| !config.disabled) {
            let listen = &arguments.listen;
            if config.url.as_deref().is_some_and(|url| is_own(url, listen.host, listen.port)) {
                tracing::warn!("the upstream {name} is left out: its URL is that of this gateway");
                continue;
            }
            let revision = target::check_upstream(name, config, file)?;
            let server = target::of_upstream(config, file);
            let server = server.map_err(|reason| file.wrong_upstream(name, &[], &reason))?;
            let known = old.and_then(|old| old.upstreams.get(name));
            let member = match known
                .filter(|known| known.server == server && known.config.connects_like(config))
            {
                Some(known) => UpstreamMember {
                    config: config.clone(),
                    pin: pin_mode(file, config),
                    result_limit: result_limit(&file.config.gateway, Some(config)),
                    ..known.clone()
                },
                None => UpstreamMember::new(file, (name, config), (server, revision), arguments, factory)?,
            };
            if let Some(mode) = member.pin {
                let new = || factory.pins(&file.pinned_as(), name, mode);
                members.pins.entry(name.clone()).or_insert_with(new);
            }
            members.upstreams.insert(name.clone(), member);
        }
        for (name, config) in &file.config.knowledge {
            let known = old.and_then(|old| old.documents.get(name));
            let member = match known.filter(|known| known.config.docs == config.docs) {
                Some(known) => DocumentsMember {
                    config: config.clone(),
                    result_limit: result_limit(&file.config.gateway, None),
                    ..known.clone()
                },
                None => DocumentsMember::new(file, (name, config), arguments, factory)?,
            };
            members.documents.insert(name.clone(), member);
        }
        Ok(members)
    }

    /// Each as a member of a federation.
    pub(super) fn all(&self) -> impl Iterator<Item = Member> {
        let upstreams = self.upstreams.iter().map(|(name, upstream)| {
            let title = upstream.config.title.as_deref().unwrap_or(name);
            let bridge = upstream.bridge.clone();
            let member = Member::new(name, upstream.service.clone())
                .naming(naming(&upstream.config))
                .title(title)
                .connections(bridge.upstream().server_info())
                .resting(move || bridge.is_resting());
            let member = limited(member, upstream.result_limit);
            let member = member.lists_per_header(brought_headers(&upstream.config));
            match self.pins.get(name).filter(|_| upstream.pin.is_some()) {
                Some(pins) => member.pins(pins.clone()),
                None => member,
            }
        });
        let documents = self.documents.iter().map(|(name, documents)| {
            let naming = Naming::default();
            let naming = match &documents.config.prefix {
                Some(prefix) => naming.prefix(prefix),
                None => naming,
            };
            limited(Member::new(name, documents.service.clone()).naming(naming), documents.result_limit)
        });
        upstreams.chain(documents)
    }

    /// Starts the documents, and connects the servers that are to be connected now. What has started already stays as it is.
    pub(super) async fn start(&self) -> Result<()> {
        for (name, upstream) in &self.upstreams {
            if let Some((pins, mode)) = self.pins.get(name).zip(upstream.pin) {
                pins.set_mode(mode);
            }
        }
        for documents in self.documents.values() {
            documents.server.start().await.context("the documents cannot be served")?;
        }
        for member in self.upstreams.values().filter(|member| member.config.start == Start::Eager) {
            let upstream = member.bridge.upstream().clone();
            tokio::spawn(async move {
                let context = Context::new(Principal::anonymous(), Revision::NEWEST);
                if upstream.is_connected(&context) {
                    return;
                }
                if let Err(failure) = upstream.connected(&context).await {
                    let error = failure.to_error();
                    tracing::warn!(upstream = upstream.name(), "not connected: {}", error.message);
                }
            });
        }
        Ok(())
    }

    /// What is different from `old`, in words.
    pub(super) fn changes(&self, old: &Self) -> String {
        let names =
            |of: &Self| -> Vec<String> { of.upstreams.keys().chain(of.documents.keys()).cloned().collect() };
        let (now, before) = (names(self), names(old));
        let added = now.iter().filter(|name| !before.contains(name)).cloned().collect::<Vec<_>>();
        let removed = before.iter().filter(|name| !now.contains(name)).cloned().collect::<Vec<_>>();
        let restarted = now.iter().filter(|name| before.contains(name) && !self.shares(old, name));
        let restarted: Vec<_> = restarted.cloned().collect();
        let said = [("added", added), ("removed", removed), ("replaced", restarted)];
        let said = said.into_iter().filter(|(_, names)| !names.is_empty());
        let said: Vec<_> = said.map(|(what, names)| format!("{what} {}", names.join(", "))).collect();
        if said.is_empty() { "no server was added, removed or replaced".to_owned() } else { said.join("; ") }
    }

    /// Whether the member `name` is the same server in both.
    fn shares(&self, other: &Self, name: &str) -> bool {
        let service = |of: &Self| {
            let upstream = of.upstreams.get(name).map(|member| member.service.clone());
            upstream.or_else(|| of.documents.get(name).map(|member| member.service.clone()))
        };
        match (service(self), service(other)) {
            (Some(one), Some(two)) => Arc::ptr_eq(&one, &two),
            _ => false,
        }
    }

    /// Whether `name` is a folder of documents.
    pub(super) fn has_documents(&self, name: &str) -> bool {
        self.documents.contains_key(name)
    }

    /// All but the server `name`; `None` if it is not there.
    pub(super) fn except(&self, name: &str) -> Option<Self> {
        let (mut upstreams, documents) = (self.upstreams.clone(), self.documents.clone());
        upstreams.shift_remove(name)?;
        Some(Self { upstreams, documents, pins: self.pins.clone() })
    }

    /// Says in `value` how the server `name` is reached, and what it speaks.
    #[cfg(unix)]
    pub(super) fn describe(&self, name: &str, value: &mut Value) {
        let Some(member) = self.upstreams.get(name) else {
            value["transport"] = "documents".into();
            return;
        };
        if member.bridge.is_resting() && value["state"] == "up" {
            value["state"] = "idle".into();
        }
        value["transport"] = member.server.transport().into();
        value["pin"] = match member.pin {
            None => "off",
            Some(PinMode::Report) => "report",
            Some(PinMode::Strict) => "strict",
        }
        .into();
        value["server"] = member.server.to_string().into();
        let known = member.bridge.upstream().server_info().borrow().clone();
        let info = [Revision::NEWEST, Revision::NEWEST_LEGACY]
            .map(|revision| known.for_callers_of(revision).cloned());
        value["retry_at"] = Value::Null;
        // Callers with keys of their own may reach it although others do not.
        let is_reached = member.of_callers.as_ref().is_some_and(CallerBridges::is_connected);
        match member.bridge.upstream().health() {
            _ if is_reached => value["state"] = "up".into(),
            UpstreamHealth::Down { since, why, retry_at } => {
                value["state"] = "down".into();
                value["since"] = since.to_string().into();
                value["last_error"] = why.into();
                value["retry_at"] = retry_at.to_string().into();
            }
            // It was connected again, and nothing was requested since.
            UpstreamHealth::Connected { since } if value["state"] == "down" => {
                let down = value["since"].as_str().and_then(|down| down.parse::<Timestamp>().ok());
                if down.is_some_and(|down| down < since) {
                    value["state"] = "up".into();
                    value["since"] = since.to_string().into();
                }
            }
            _ => {}
        }
        value["revision"] = info.into_iter().flatten().next().map(|info| info.revision.as_str()).into();
    }

    /// What `successor` does not have.
    pub(super) fn without(&self, successor: &Self) -> Self {
        let upstreams = self.upstreams.iter().filter(|(name, _)| !self.shares(successor, name));
        let documents = self.documents.iter().filter(|(name, _)| !self.shares(successor, name));
        Self {
            upstreams: upstreams.map(|(name, member)| (name.clone(), member.clone())).collect(),
            documents: documents.map(|(name, member)| (name.clone(), member.clone())).collect(),
            pins: IndexMap::new(),
        }
    }

    /// The names of the headers that clients bring for the servers.
    pub(super) fn forwarded_headers(&self) -> Vec<HeaderName> {
        let names = self.upstreams.values().flat_map(|member| brought_headers(&member.config));
        // They were checked when the file was read.
        names.filter_map(|name| name.parse().ok()).collect()
    }

    /// The names of the servers.
    pub(super) fn upstream_names(&self) -> Vec<&str> {
        self.upstreams.keys().map(String::as_str).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.upstreams.is_empty() && self.documents.is_empty()
    }

    /// When a connection to the server `name` alone must end; `None` if there is no such server.
    #[cfg(unix)]
    pub(super) fn connect(&self, name: &str) -> Option<watch::Receiver<bool>> {
        let upstream = self.upstreams.get(name).map(|member| &member.direct);
        let direct = upstream.or_else(|| self.documents.get(name).map(|member| &member.direct));
        direct.map(|direct| direct.connect())
    }

    #[cfg(unix)]
    fn all_direct(&self) -> impl Iterator<Item = &DirectConnections> {
        let upstreams = self.upstreams.values().map(|member| &*member.direct);
        upstreams.chain(self.documents.values().map(|member| &*member.direct))
    }

    /// Ends the connections to single servers once their calls in flight have ended.
    pub(super) fn retire(&self) {
        #[cfg(unix)]
        self.all_direct().for_each(DirectConnections::retire);
    }

    /// Whether no connection leads to one of the servers alone.
    pub(super) fn are_unconnected(&self) -> bool {
        #[cfg(unix)]
        return self.all_direct().all(|direct| direct.count() == 0);
        #[cfg(not(unix))]
        return true;
    }

    /// Takes no more calls; those under way go on.
    pub(super) fn close(&self) {
        for member in self.upstreams.values() {
            member.bridge.upstream().close();
            member.of_callers.iter().for_each(CallerBridges::close);
        }
        self.documents.values().for_each(|member| member.server.close());
    }

    /// Ends everything that was started.
    pub(super) async fn shut_down(&self) {
        let mut ending = JoinSet::new();
        for member in self.upstreams.values() {
            let of_callers = member.of_callers.iter().flat_map(CallerBridges::upstreams);
            for upstream in of_callers.chain([member.bridge.upstream().clone()]) {
                ending.spawn(async move { upstream.shut_down().await });
            }
        }
        for member in self.documents.values() {
            member.stop().await;
        }
        ending.join_all().await;
    }
}

impl DocumentsMember {
    async fn stop(&self) {
        self.server.stop().await;
        self.knowledge.close();
    }
}

impl UpstreamMember {
    fn new(
        file: &GatewayFile,
        (name, config): (&str, &UpstreamConfig),
        (server, revision): (target::Server, Option<Revision>),
        arguments: &Arguments,
        factory: &Arc<UpstreamFactory>,
    ) -> Result<Self> {
        // The clients receive the error as well. The program may be installed meanwhile.
        if let target::Server::Command { program, environment, cwd, .. } = &server
            && let Err(Missing { problem, help }) = program::find(program, environment, cwd.as_deref())
        {
            tracing::warn!("the upstream {name} cannot be started: {problem}; {help}");
        }
        let deadlines = CallDeadlines::of(config, silent(arguments));
        // 2026-07-28, security best practices §Token Passthrough: "Token passthrough is explicitly forbidden in the authorization
        // specification". A token by which clients authenticate to us was issued for us, and goes no further.
        if arguments.listen.is_authenticated() && brought_headers(config).contains(&AUTHORIZATION.to_owned())
        {
            let reason = "`forward_headers` passes on Authorization, in which clients send the token of this gateway (--auth-token): let \
                          them send the key of the server in a header of another name";
            return Err(file.wrong_upstream(name, &["forward_headers"], reason));
        }
        let settings = UpstreamSettings {
            revision,
            open_timeout: open_timeout(config),
            deadlines,
            connections: config.connections.map(|number| number.max(1) as usize),
            isolation: match config.isolation {
                Isolation::Automatic => IsolationPolicy::Automatic,
                Isolation::Shared => IsolationPolicy::Shared,
                Isolation::Caller => IsolationPolicy::Caller,
            },
            idle_stop: config.idle_stop.map(|seconds| Duration::from_secs(seconds.into())),
        };
        let bridge = factory.bridge(settings.options(name, &server, false)?);
        let pin = pin_mode(file, config);
        if pin == Some(PinMode::Strict) && !factory.has_store() {
            tracing::warn!(
                "the upstream {name} has `pin = \"strict\"`, and there is no folder for the program's state: its definitions are trusted anew at each start"
            );
        }
        // A call that hangs is ended. The time in the queue does not count.
        let timed: Arc<dyn Service> = Arc::new(factory.timeout(&bridge, deadlines).layer(bridge.clone()));
        let of_callers = settings.of_callers((name, config), &server, &timed, factory);
        // A server that hangs takes its own places only.
        let bulkhead = factory.bulkhead(name, BulkheadOptions::of(config));
        let service: Arc<dyn Service> = match &of_callers {
            Some(bridges) => Arc::new(bulkhead.layer(bridges.clone())),
            None => Arc::new(bulkhead.layer(timed)),
        };
        let result_limit = result_limit(&file.config.gateway, Some(config));
        Ok(Self {
            config: config.clone(),
            pin,
            result_limit,
            server,
            service: Arc::new(ObservedService::new(service, name, factory.traffic.clone())),
            of_callers,
            #[cfg(unix)]
            direct: Arc::default(),
            bridge,
        })
    }
}

/// How an upstream is connected, whoever calls it.
#[derive(Clone, Copy)]
struct UpstreamSettings {
    revision: Option<Revision>,
    open_timeout: Duration,
    deadlines: CallDeadlines,
    connections: Option<usize>,
    isolation: IsolationPolicy,
    idle_stop: Option<Duration>,
}

impl UpstreamSettings {
    fn options<'a>(
        self,
        name: &'a str,
        server: &'a target::Server,
        is_of_caller: bool,
    ) -> Result<UpstreamOptions<'a>> {
        let Self { revision, open_timeout, deadlines, connections, isolation, idle_stop } = self;
        Ok(UpstreamOptions {
            name,
            target: server.destination()?,
            server,
            revision,
            open_timeout,
            deadlines,
            connections,
            isolation,
            is_logged: true,
            handshakes: HANDSHAKES,
            idle_stop,
            is_of_caller,
        })
    }

    /// The bridges of callers that bring keys of their own for the server `name`; `None` if they bring none. `without` answers
    /// callers without a key.
    fn of_callers(
        self,
        (name, config): (&str, &UpstreamConfig),
        server: &target::Server,
        without: &Arc<dyn Service>,
        factory: &Arc<UpstreamFactory>,
    ) -> Option<CallerBridges> {
        let brought = brought_headers(config);
        if brought.is_empty() {
            return None;
        }
        let limits = CallerLimits {
            bridges: factory.limits.federation.max_client_keys,
            // A call may be parked there for so long.
            idle: factory.limits.upstream.idle.max(factory.limits.park.park_ttl),
        };
        let (own, server, factory) = (name.to_owned(), server.clone(), factory.clone());
        let forwarded = config.forward_headers.clone();
        let make = move |headers: &ClientHeaders| {
            let mut server = server.clone();
            if let target::Server::Http { headers: sent, .. }
            | target::Server::WebSocket { headers: sent, .. } = &mut server
            {
                for (name, under) in &forwarded {
                    if let Some(value) = headers.get(&name.to_ascii_lowercase()) {
                        sent.push((under.clone(), SecretValue::new(value.to_owned())));
                    }
                }
            }
            let bridge =
                factory.bridge(self.options(&own, &server, true).map_err(|error| error.to_string())?);
            let service = factory.timeout(&bridge, self.deadlines).layer(bridge.clone());
            Ok(CallerBridge { upstream: bridge.upstream().clone(), service: Arc::new(service) })
        };
        Some(CallerBridges::new(name, brought, limits, without.clone(), make))
    }
}

/// The names of the headers that clients bring for an upstream, in lower case.
fn brought_headers(config: &UpstreamConfig) -> Vec<String> {
    config.forward_headers.keys().map(|name| name.to_ascii_lowercase()).collect()
}

/// The header in which clients authenticate.
const AUTHORIZATION: &str = "authorization";

/// The limit of the results of tools of an upstream, or of documents.
fn result_limit(gateway: &GatewaySettings, upstream: Option<&UpstreamConfig>) -> Option<ResultLimit> {
    let max_tokens = upstream.and_then(|upstream| upstream.max_result_tokens).or(gateway.max_result_tokens)?;
    let otherwise = upstream.and_then(|upstream| upstream.on_large_result).unwrap_or(gateway.on_large_result);
    let otherwise = match otherwise {
        LargeResult::Refuse => OnLargeResult::Refuse,
        LargeResult::Truncate => OnLargeResult::Truncate,
        LargeResult::Spill => OnLargeResult::Spill,
    };
    (max_tokens > 0).then_some(ResultLimit { max_tokens: max_tokens as usize, otherwise })
}

/// A member with a limit of its results.
fn limited(member: Member, limit: Option<ResultLimit>) -> Member {
    match limit {
        Some(limit) => member.result_limit(limit),
        None => member,
    }
}

/// What becomes of changed definitions of an upstream.
fn pin_mode(file: &GatewayFile, config: &UpstreamConfig) -> Option<PinMode> {
    match config.pin.unwrap_or(file.config.gateway.pin) {
        Pin::Off => None,
        Pin::Report => Some(PinMode::Report),
        Pin::Strict => Some(PinMode::Strict),
    }
}

/// The time that a call may take without progress, unless its upstream says something else.
fn silent(arguments: &Arguments) -> Duration {
    arguments.given_timeout().unwrap_or(target::CALL_TIMEOUT)
}

/// How the tools and prompts of an upstream are named.
fn naming(config: &UpstreamConfig) -> Naming {
    let mut naming = Naming::default();
    if let Some(prefix) = &config.prefix {
        naming = naming.prefix(prefix);
    }
    naming = config.include.iter().fold(naming, Naming::include);
    naming = config.exclude.iter().fold(naming, Naming::exclude);
    config.tools.iter().fold(naming, |naming, (own, tool)| naming.tool(own, changed(tool)))
}

/// What is different about a tool.
fn changed(tool: &ToolConfig) -> ItemOverride {
    let mut change = ItemOverride::default();
    if let Some(name) = &tool.name {
        change = change.name(name);
    }
    if let Some(title) = &tool.title {
        change = change.title(title);
    }
    if let Some(description) = &tool.description {
        change = change.description(description);
    }
    change = tool.aliases.iter().fold(change, ItemOverride::alias);
    change = tool.arguments.iter().fold(change, |change, (name, value)| change.argument(name, value.clone()));
    if tool.hidden { change.hidden() } else { change }
}

impl DocumentsMember {
    fn new(
        file: &GatewayFile,
        (name, config): (&str, &KnowledgeConfig),
        arguments: &Arguments,
        factory: &UpstreamFactory,
    ) -> Result<Self> {
        let mut folders = config.docs.iter().map(|folder| file.surroundings.cwd.join(folder));
        let Some(first) = folders.next() else {
            let problem = format!("the documents {name} in {} have no `docs`", file.path.display());
            return Err(UserError::usage(problem, "name a folder of documents"));
        };
        let loading = factory.limits.of_documents(Folders::new(first));
        let loading = folders.fold(loading, |loading, folder| loading.and(folder));
        let state = state_dir::folder(arguments.listen.state_dir.clone());
        let index = state.map(|folder| folder.join("index"));
        let opened = Knowledge::open(loading, factory.limits.of_knowledge(index));
        let knowledge = opened.map_err(|error| {
            let help = format!("{}: `docs` of [knowledge.{name}]", FolderError::help(&error));
            UserError::failed(error.to_string(), help)
        })?;
        let options = Options::default().max_answer_chars(factory.limits.documents.max_answer_chars);
        let server = anyport_knowledge::builder_with(&knowledge, name, factory.supported(), None, options);
        let server = factory.limits.of_server(server).build().context("the documents cannot be served")?;
        let timeout = TimeoutLayer::new(silent(arguments), &factory.metrics);
        let result_limit = result_limit(&file.config.gateway, None);
        Ok(Self {
            config: config.clone(),
            result_limit,
            knowledge,
            service: Arc::new(ObservedService::new(
                timeout.layer(server.clone()),
                name,
                factory.traffic.clone(),
            )),
            #[cfg(unix)]
            direct: Arc::default(),
            server,
        })
    }
}
