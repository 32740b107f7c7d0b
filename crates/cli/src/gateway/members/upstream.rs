//! A server behind a gateway.

use std::sync::Arc;

use anyport::layer::Layer as _;
use anyport_adapters::LegacyClientLayer;
use anyport_audit::UpstreamLayer;
use anyport_auth::{ExchangeOptions, SignIn, TokenExchange};
use anyport_config::gateway::{AuthConfig, GatewayConfig, UpstreamAuth, UpstreamConfig};
use anyport_gateway::{
    Bridge, CallerBridges, CallerPart,
    federation::{Member, PinMode, Pins},
};
use anyport_protocol::Revision;
use anyport_service::{Context, Principal, Service};
use anyport_transport::client;
use jiff::Timestamp;
use tokio::task::JoinSet;

use super::{
    caller_access::{CallerAccess, PerUser},
    connection::{UpstreamSettings, brought_headers},
    exchange::CallerExchange,
    offer::{MemberLimits, naming, pin_mode},
    per_user::Offer,
};
#[cfg(unix)]
use crate::gateway::direct::DirectConnections;
use crate::{
    gateway::file::GatewayFile,
    listen::Limits,
    login_help::LoginHelp,
    program::{self, Missing},
    serve::Arguments,
    target::{self, UpstreamFault, login_command},
    traffic::ObservedService,
    upstream_factory::UpstreamFactory,
    upstream_limits::{BulkheadOptions, CallDeadlines},
};

/// A server behind the gateway.
#[derive(Clone)]
pub(super) struct UpstreamMember {
    pub(super) config: UpstreamConfig,
    /// What becomes of changed definitions; `None` if these are not compared.
    pub(super) pin: Option<PinMode>,
    limits: MemberLimits,
    /// How it is reached, with its secrets; or why it is not.
    pub(super) server: Result<target::Server, Unusable>,
    /// How callers get tokens of their own for it, if they do.
    pub(super) access: Option<CallerAccess>,
    /// The login by which it is reached.
    pub(super) sign_in: Option<SignIn>,
    pub(super) bridge: Bridge,
    /// The bridges of callers that bring keys of their own.
    pub(super) of_callers: Option<CallerBridges>,
    pub(super) service: Arc<dyn Service>,
    #[cfg(unix)]
    pub(super) direct: Arc<DirectConnections>,
}

/// Why nothing of an upstream can be used but its last known lists.
#[derive(Clone)]
pub(super) struct Unusable {
    pub(super) fault: UpstreamFault,
    pub(super) since: Timestamp,
}

/// What clients are told to do where only a login at the server helps; `None` if it has a credential of another kind.
fn login_help(
    (name, config): (&str, &UpstreamConfig),
    server: &target::Server,
    file: &GatewayFile,
    arguments: &Arguments,
) -> Option<LoginHelp> {
    let target::Server::Http { headers, .. } = server else { return None };
    let has_token = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(AUTHORIZATION));
    let is_signed_in = match config.auth {
        Some(UpstreamAuth::Oauth) => true,
        None if !has_token && !file.config.is_of_client => false,
        _ => return None,
    };
    // What the file of this program says is nothing for callers from elsewhere.
    if arguments.listen.is_shared() {
        return Some(LoginHelp::for_others(name));
    }
    let command = login_command(&file.path, name);
    Some(match is_signed_in {
        true => LoginHelp::new(&format!("sign in: {command}; then call again")),
        false => LoginHelp::new(&format!(
            "give it a token with `bearer`, or `auth = \"oauth\"` and sign in: {command}"
        )),
    })
}

/// The header in which clients authenticate.
const AUTHORIZATION: &str = "authorization";

impl UpstreamMember {
    /// Puts a server behind a bridge. Nothing is connected.
    ///
    /// # Errors
    /// Why it cannot be reached, and what to do.
    pub(super) fn new(
        file: &GatewayFile,
        (name, config): (&str, &UpstreamConfig),
        (server, revision): (target::Server, Option<Revision>),
        arguments: &Arguments,
        factory: &Arc<UpstreamFactory>,
    ) -> Result<Self, UpstreamFault> {
        // The clients receive the error as well. The program may be installed meanwhile.
        if let target::Server::Command { program, environment, cwd, .. } = &server
            && let Err(Missing { problem, help }) = program::find(program, environment, cwd.as_deref())
        {
            tracing::warn!("the upstream {name} cannot be started: {problem}; {help}");
        }
        let deadlines = CallDeadlines::of(config, arguments.silent_timeout());
        // 2026-07-28, security best practices §Token Passthrough: "Token passthrough is explicitly forbidden in the authorization
        // specification". A token by which clients authenticate to us was issued for us, and goes no further.
        if arguments.listen.is_authenticated() && brought_headers(config).contains(&AUTHORIZATION.to_owned())
        {
            let reason = "`forward_headers` passes on Authorization, in which clients send the token of this gateway (--auth-token): let \
                          them send the key of the server in a header of another name";
            return Err(UpstreamFault::new(["forward_headers"], reason));
        }
        let settings = UpstreamSettings::of(config, revision, deadlines);
        let entry = factory.entry_id(&file.pinned_as(), name, config);
        let options = settings.options(name, &server, Some(entry));
        let mut options = options.map_err(|error| error.to_string())?;
        let sign_in = sign_in(name, &server, &options.target, file, factory)?;
        if let Some(sign_in) = &sign_in {
            options.target = client::Target::Http(sign_in.endpoint());
        }
        let access = access((name, config), &options.target, file, arguments, factory)?;
        let login_help = login_help((name, config), &server, file, arguments);
        options.login_help = login_help.as_ref().map(LoginHelp::text);
        let bridge = factory.bridge(options);
        let pin = pin_mode(&file.config.gateway, config);
        if pin == Some(PinMode::Strict) && !factory.has_store() {
            tracing::warn!(
                "the upstream {name} has `pin = \"strict\"`, and there is no folder for the program's state: its definitions are trusted anew at each start"
            );
        }
        // A call that hangs is ended. The time in the queue does not count.
        let timed: Arc<dyn Service> = Arc::new(factory.timeout(&bridge, deadlines).layer(bridge.clone()));
        let timed = LoginHelp::around(login_help, timed);
        // A server that hangs takes its own places only. A caller that is to sign in first waits without one.
        let bulkhead = factory.bulkhead(name, BulkheadOptions::of(config));
        let limited: Arc<dyn Service> = Arc::new(bulkhead.layer(timed));
        let of_callers =
            settings.of_callers((name, config), (&server, access.as_ref()), (&limited, &bulkhead), factory);
        let service: Arc<dyn Service> = match &of_callers {
            Some(bridges) => Arc::new(bridges.clone()),
            None => limited,
        };
        Ok(Self {
            access,
            config: config.clone(),
            pin,
            limits: MemberLimits::of(&file.config, Some(config), &factory.limits),
            server: Ok(server),
            sign_in,
            service: Arc::new(UpstreamLayer::new(name).layer(ObservedService::new(
                service,
                name,
                factory.traffic.clone(),
            ))),
            of_callers,
            #[cfg(unix)]
            direct: Arc::default(),
            bridge,
        })
    }

    /// An upstream of which nothing can be used but its last known lists: its calls fail with `fault`.
    pub(super) fn unusable(
        file: &GatewayFile,
        (name, config): (&str, &UpstreamConfig),
        fault: UpstreamFault,
        arguments: &Arguments,
        factory: &UpstreamFactory,
    ) -> Self {
        let unusable = Unusable { fault, since: Timestamp::now() };
        let why = unusable.why(name);
        tracing::warn!("the upstream {name} cannot be used: {why}");
        factory.logs.of(name).event(format!("cannot be used: {why}"));
        let entry = factory.entry_id(&file.pinned_as(), name, config);
        // What the file and the environment of this program say is nothing for callers from elsewhere.
        let said = if arguments.listen.is_shared() { Unusable::said_to_others(name) } else { why };
        let bridge = factory.unusable_bridge(name, &said, entry);
        Self {
            access: None,
            config: config.clone(),
            pin: pin_mode(&file.config.gateway, config),
            limits: MemberLimits::of(&file.config, Some(config), &factory.limits),
            server: Err(unusable),
            sign_in: None,
            service: Arc::new(ObservedService::new(bridge.clone(), name, factory.traffic.clone())),
            of_callers: None,
            #[cfg(unix)]
            direct: Arc::default(),
            bridge,
        }
    }

    /// Whether it is reached in this way, or not reached for this reason, and its connections can serve `config`.
    pub(super) fn is_reached(
        &self,
        server: Result<&target::Server, &UpstreamFault>,
        config: &UpstreamConfig,
    ) -> bool {
        let is_same = match (&self.server, server) {
            (Ok(known), Ok(server)) => known == server,
            (Err(unusable), Err(fault)) => unusable.fault == *fault,
            _ => false,
        };
        is_same && self.config.connects_like(config)
    }

    /// It as it is configured now, with the connections that it has.
    pub(super) fn configured(&self, config: &UpstreamConfig, file: &GatewayConfig, limits: &Limits) -> Self {
        Self {
            config: config.clone(),
            pin: pin_mode(&file.gateway, config),
            limits: MemberLimits::of(file, Some(config), limits),
            ..self.clone()
        }
    }

    /// It as a member of a federation. Its definitions are compared with `pins` if that is wanted.
    pub(super) fn member(&self, name: &str, pins: Option<&Pins>) -> Member {
        let title = self.config.title.as_deref().unwrap_or(name);
        let bridge = self.bridge.clone();
        let member = Member::new(name, self.service.clone())
            .naming(naming(&self.config))
            .title(title)
            .connections(bridge.upstream().server_info())
            .stopped_while(move || bridge.is_stopped());
        let member = self.limits.limit(member).lists_per_header(brought_headers(&self.config));
        let member = match self.access.as_ref().map(CallerAccess::identity) {
            Some(CallerPart::Scopes) => member.lists_per_scopes(),
            Some(CallerPart::Principal) => member.lists_per_principal(),
            _ => member,
        };
        let member = match self.access.as_ref().and_then(CallerAccess::per_user) {
            Some(PerUser { offer, .. }) => {
                let offer = offer.clone();
                member.own_pages(move |page| offer.is_own(page))
            }
            None => member,
        };
        match pins.filter(|_| self.pin.is_some()) {
            Some(pins) => member.pins(pins.clone()),
            None => member,
        }
    }

    /// Connects it in the background, if that is possible.
    pub(super) fn connect(&self) {
        // Without a caller there is no token.
        if self.server.is_err() || self.access.is_some() {
            return;
        }
        let upstream = self.bridge.upstream().clone();
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

    /// Takes no more calls; those under way go on.
    pub(super) fn close(&self) {
        self.bridge.upstream().close();
        self.of_callers.iter().for_each(CallerBridges::close);
    }

    /// Ends its connections in `ending`.
    pub(super) fn shut_down(&self, ending: &mut JoinSet<()>) {
        let of_callers = self.of_callers.iter().flat_map(CallerBridges::upstreams);
        for upstream in of_callers.chain([self.bridge.upstream().clone()]) {
            ending.spawn(async move { upstream.shut_down().await });
        }
    }
}

/// The login by which the upstream `name` is reached, if it is reached by one.
fn sign_in(
    name: &str,
    server: &target::Server,
    target: &client::Target,
    file: &GatewayFile,
    factory: &UpstreamFactory,
) -> Result<Option<SignIn>, String> {
    let (target::Server::Http { login: Some(login), .. }, client::Target::Http(endpoint)) = (server, target)
    else {
        return Ok(None);
    };
    for warning in login.options.warnings() {
        tracing::warn!("the upstream {name} departs from the protocol: {warning}");
    }
    factory.sign_in(endpoint, login, file.surroundings()).map(Some).map_err(|error| error.to_string())
}

/// How callers get tokens of their own for the upstream `name`, if they do.
fn access(
    (name, config): (&str, &UpstreamConfig),
    target: &client::Target,
    file: &GatewayFile,
    arguments: &Arguments,
    factory: &UpstreamFactory,
) -> Result<Option<CallerAccess>, UpstreamFault> {
    let client::Target::Http(endpoint) = target else { return Ok(None) };
    let (auth, surroundings) = (arguments.listen.auth(), file.surroundings());
    if let Some(options) = target::of_callers(config, auth.as_ref(), surroundings)? {
        for warning in options.warnings() {
            tracing::warn!("the upstream {name} departs from the protocol: {warning}");
        }
        let title = config.title.as_deref().unwrap_or(name);
        let logins = factory.logins_of_callers((name, title), endpoint, options, surroundings);
        let logins = logins.map_err(|error| error.to_string())?;
        let dialogues = LegacyClientLayer::new(factory.limits.legacy_clients, &factory.metrics);
        let (name, offer) = (name.to_owned(), Offer::new(title));
        return Ok(Some(CallerAccess::PerUser(PerUser { name, logins, offer, dialogues })));
    }
    let Some(options) = target::exchange(config, auth.as_ref(), surroundings)? else { return Ok(None) };
    let gives_tokens = auth.as_ref().is_some_and(AuthConfig::has_authorization_server);
    let options = ExchangeOptions { limits: factory.limits.sign_in, ..options };
    let exchange = TokenExchange::new(endpoint, options, &factory.metrics);
    let exchange = exchange.map_err(|error| error.to_string())?;
    let exchange = CallerExchange::new(name, exchange, factory.caller_tokens.clone(), gives_tokens);
    Ok(Some(CallerAccess::Exchange(exchange)))
}

impl Unusable {
    /// Why the upstream `name` cannot be used, and what to do.
    pub(super) fn why(&self, name: &str) -> String {
        format!("{}; then: anyport restart {name}", self.fault)
    }

    /// What callers learn who may not be the user of this program.
    fn said_to_others(name: &str) -> String {
        format!("it cannot be used; who runs this gateway learns why by: anyport status {name}")
    }
}
