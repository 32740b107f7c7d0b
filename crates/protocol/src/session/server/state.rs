use std::collections::BTreeSet;

use bytestring::ByteString;

use super::{
    SubscriptionChange, Translation,
    translation::{invalid_params, invalid_result},
};
use crate::{
    Error, Id, Method, Raw, Revision,
    capability::ClientProfile,
    json::{Members, Splice},
    jsonrpc::{Reason, RpcResult},
    meta::{LogLevel, key},
    method::{Kind, Sender},
    revision::{self, Part},
    subscription::SubscriptionFilter,
};

/// What one session has negotiated: revision, capabilities, log level and subscriptions.
///
/// Such a session opens with `initialize` (2024-11-05 to 2025-11-25).
#[derive(Debug)]
pub struct SessionState {
    stage: Stage,
    supported: Vec<Revision>,
    revision: Revision,
    capabilities: Raw,
    profile: ClientProfile,
    client_info: Option<Raw>,
    log_level: Option<LogLevel>,
    subscriptions: BTreeSet<ByteString>,
    server_capabilities: Raw,
    last_id: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// The client has sent no `initialize`.
    Fresh,
    /// `initialize` has come and is not answered.
    Opening,
    /// `initialize` was answered.
    Open,
    /// The client has sent `notifications/initialized`: the server may send requests and notifications of its own.
    Ready,
}

/// The most resources that one session is subscribed to.
const MAX_SUBSCRIPTIONS: usize = 1_000;

/// The members of a `DiscoverResult` that an `InitializeResult` has in another form or not at all.
const HOP_MEMBERS: [&str; 8] = [
    "resultType",
    "supportedVersions",
    "capabilities",
    "ttlMs",
    "cacheScope",
    "_meta",
    "protocolVersion",
    "serverInfo",
];

/// The same members of its `_meta`.
const HOP_META: [&str; 3] = [key::SERVER_INFO, key::PROTOCOL_VERSION, key::SUBSCRIPTION_ID];

/// What a driver does with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestStep {
    /// Answer it with this.
    Answer(RpcResult),
    /// Call `server/discover` of the service; [`SessionState::open`] makes the answer from its result.
    Discover,
    /// Call the service with this method and these params, in the newest vocabulary.
    Call(ByteString, Raw),
    /// Change the session's subscriptions: listen to what they become, then answer `{}` and
    /// [`SessionState::subscribe`].
    Listen(SubscriptionChange),
}

impl SessionState {
    /// A session that is not open. `supported` are the revisions that may be negotiated; those without sessions are
    /// ignored, since `initialize` does not negotiate them.
    pub fn new(supported: &[Revision]) -> Self {
        Self {
            stage: Stage::Fresh,
            supported: supported.iter().copied().filter(|revision| revision.has_sessions()).collect(),
            revision: Revision::NEWEST_LEGACY,
            capabilities: Raw::EMPTY_OBJECT,
            profile: ClientProfile::default(),
            client_info: None,
            log_level: None,
            subscriptions: BTreeSet::new(),
            server_capabilities: Raw::EMPTY_OBJECT,
            last_id: 0,
        }
    }

    /// The negotiated revision, or the newest legacy one before `initialize`.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The translation between the newest vocabulary and the client's.
    pub fn translation(&self) -> Translation {
        Translation::to(self.revision)
    }

    /// The capabilities that the client declared, in the newest vocabulary.
    pub fn capabilities(&self) -> &Raw {
        &self.capabilities
    }

    /// The capabilities that the client declared, parsed. Whether it notifies of changes of its roots stands here alone: the
    /// newest vocabulary has no capability for that.
    pub fn profile(&self) -> ClientProfile {
        self.profile
    }

    /// The client's `clientInfo`.
    pub fn client_info(&self) -> Option<&Raw> {
        self.client_info.as_ref()
    }

    /// The lowest severity of log messages that the client wants; `None` before `logging/setLevel`.
    ///
    /// 2025-11-25, logging: without `logging/setLevel` "the server MAY decide which messages to send".
    pub fn log_level(&self) -> Option<LogLevel> {
        self.log_level
    }

    /// Whether `initialize` was answered.
    pub fn is_open(&self) -> bool {
        self.stage >= Stage::Open
    }

    /// Whether the client has sent `notifications/initialized`, after which the server may send requests and
    /// notifications of its own.
    pub fn is_ready(&self) -> bool {
        self.stage == Stage::Ready
    }

    /// Takes `notifications/initialized`. Returns whether it is the first one after `initialize` was answered.
    pub fn initialized(&mut self) -> bool {
        let first = self.stage == Stage::Open;
        if first {
            self.stage = Stage::Ready;
        }
        first
    }

    /// Decides what to do with a request.
    pub fn request(&mut self, name: &ByteString, params: Option<&Raw>) -> RequestStep {
        let method = Method::named(name);
        if self.stage == Stage::Fresh {
            return self.first(method, name, params);
        }
        if method.is_some_and(|method| !method.exists(Kind::Request, Sender::Client, self.revision)) {
            return RequestStep::Answer(Err(Error::method_not_found(name)));
        }
        match method {
            Some(Method::Initialize) => {
                RequestStep::Answer(Err(Error::invalid_request("the session is initialized already")))
            }
            Some(Method::Ping) => RequestStep::Answer(Ok(Raw::EMPTY_OBJECT)),
            _ if self.stage == Stage::Opening => {
                RequestStep::Answer(Err(Error::invalid_request("wait for the answer to initialize")))
            }
            Some(Method::SetLevel) => RequestStep::Answer(self.set_level(params)),
            Some(Method::Subscribe) => self.resubscribe(name, params, |all, uri| all.insert(uri)),
            Some(Method::Unsubscribe) => self.resubscribe(name, params, |all, uri| all.remove(&uri)),
            // The tasks of 2025-11-25 are not offered.
            Some(Method::TasksGet | Method::TasksResult | Method::TasksList | Method::TasksCancel) => {
                RequestStep::Answer(Err(Error::method_not_found(name)))
            }
            Some(method) => self.lift(method, name, params),
            // The service knows whether an extension has it.
            None => RequestStep::Call(name.clone(), params.cloned().unwrap_or(Raw::EMPTY_OBJECT)),
        }
    }

    /// Decides what to do with a request before `initialize`. Clients probe, so every one is answered at once.
    fn first(&mut self, method: Option<Method>, name: &str, params: Option<&Raw>) -> RequestStep {
        match method {
            Some(Method::Initialize) => match self.initialize(params) {
                Ok(()) => RequestStep::Discover,
                Err(error) => RequestStep::Answer(Err(error)),
            },
            Some(Method::Ping) => RequestStep::Answer(Ok(Raw::EMPTY_OBJECT)),
            Some(method) if method.exists(Kind::Request, Sender::Client, Revision::NEWEST_LEGACY) => {
                RequestStep::Answer(Err(Error::invalid_request(format!(
                    "{name}: send initialize first, or _meta with \"{}\"",
                    key::PROTOCOL_VERSION
                ))))
            }
            _ => RequestStep::Answer(Err(Error::method_not_found(name))),
        }
    }

    /// 2025-11-25, lifecycle §Version Negotiation: "If the server supports the requested protocol version, it
    /// MUST respond with the same version. Otherwise, the server MUST respond with another protocol version it
    /// supports. This SHOULD be the latest version supported by the server."
    fn initialize(&mut self, params: Option<&Raw>) -> Result<(), Error> {
        let member = |name| params.and_then(|params| params.member(name));
        let Some(requested) = member("protocolVersion").and_then(|version| version.as_string()) else {
            return Err(Error::invalid_params("params.protocolVersion must be a string"));
        };
        let newest = self.supported.iter().copied().max();
        let known = requested.parse().ok().filter(|revision| self.supported.contains(revision));
        let Some(revision) = known.or(newest) else {
            return Err(Error::unsupported_version(&requested, &[Revision::NEWEST]));
        };
        let capabilities = member("capabilities").unwrap_or(Raw::EMPTY_OBJECT);
        if !capabilities.is_object() {
            return Err(Error::invalid_params("params.capabilities must be an object"));
        }
        let roots_list_changed = ClientProfile::of(&capabilities).roots_list_changed;
        // 2025-11-25, lifecycle §Operation: both parties MUST "Respect the negotiated protocol version". A client that requested
        // a newer one has declared capabilities that this one does not have, and gets no requests that need them.
        let said = revision::lower(Part::ClientCapabilities, revision, capabilities);
        let lifted = said.and_then(|said| revision::lift(Part::ClientCapabilities, revision, said));
        self.capabilities = lifted.map_err(invalid_params)?.compact();
        self.profile = ClientProfile { roots_list_changed, ..ClientProfile::of(&self.capabilities) };
        self.client_info = member("clientInfo").filter(|info| info.is_object()).map(|info| info.compact());
        self.revision = revision;
        self.stage = Stage::Opening;
        Ok(())
    }

    /// Makes the answer to `initialize` from a `DiscoverResult`.
    ///
    /// # Errors
    /// The service's error; the session is then as before `initialize`.
    pub fn open(&mut self, discovered: RpcResult) -> RpcResult {
        let result = discovered.and_then(|discovered| self.initialize_result(&discovered));
        self.stage = if result.is_ok() { Stage::Open } else { Stage::Fresh };
        result
    }

    fn initialize_result(&mut self, discovered: &Raw) -> RpcResult {
        let capabilities = discovered.member("capabilities").unwrap_or(Raw::EMPTY_OBJECT);
        let capabilities =
            revision::lower(Part::ServerCapabilities, self.revision, capabilities).map_err(invalid_result)?;
        let info = discovered.member("_meta").and_then(|meta| meta.member(key::SERVER_INFO));
        let unnamed = || Raw::from(serde_json::json!({"name": "unknown", "version": "unknown"}));
        let mut result = Splice::new()
            .with("protocolVersion", &Raw::string(self.revision.as_str()))
            .with("capabilities", &capabilities)
            .with("serverInfo", &info.unwrap_or_else(unnamed));
        // Unknown members pass: a server behind a bridge may have more of them.
        let said = discovered.members().filter(|member| !HOP_MEMBERS.iter().any(|name| member.is(name)));
        for member in said {
            result = result.with(&member.key(), &discovered.slice(member.value));
        }
        let meta = discovered.member("_meta").filter(Raw::is_object).unwrap_or(Raw::EMPTY_OBJECT);
        let meta = Splice::retain(&meta, |name| !HOP_META.contains(&name)).finish();
        if meta.as_str() != "{}" {
            result = result.with("_meta", &meta);
        }
        self.server_capabilities = capabilities.compact();
        Ok(result.finish())
    }

    fn offers(&self, capability: &str, member: &str) -> bool {
        let capability = Members::find(self.server_capabilities.as_str(), capability);
        capability.and_then(|text| Members::find(text, member)) == Some("true")
    }

    fn set_level(&mut self, params: Option<&Raw>) -> RpcResult {
        if Members::find(self.server_capabilities.as_str(), "logging").is_none() {
            return Err(Error::method_not_found(Method::SetLevel.as_str()));
        }
        let level = params.and_then(|params| params.member("level")).and_then(|level| level.as_string());
        let level = level.as_deref().and_then(|level| level.parse().ok());
        let unknown =
            || Error::invalid_params(format!("params.level must be one of {}", LogLevel::NAMES.join(", ")));
        self.log_level = Some(level.ok_or_else(unknown)?);
        Ok(Raw::EMPTY_OBJECT)
    }

    fn resubscribe(
        &self,
        name: &str,
        params: Option<&Raw>,
        change: fn(&mut BTreeSet<ByteString>, ByteString) -> bool,
    ) -> RequestStep {
        if !self.offers("resources", "subscribe") {
            return RequestStep::Answer(Err(Error::method_not_found(name)));
        }
        let Some(uri) = params.and_then(|params| params.member("uri")).and_then(|uri| uri.as_string()) else {
            return RequestStep::Answer(Err(Error::invalid_params("params.uri must be a string")));
        };
        let mut subscriptions = self.subscriptions.clone();
        if !change(&mut subscriptions, uri) {
            return RequestStep::Answer(Ok(Raw::EMPTY_OBJECT));
        }
        // The source of resource updates has a limit as well, and would silently leave out another subscription.
        if subscriptions.len() > MAX_SUBSCRIPTIONS.max(self.subscriptions.len()) {
            let message = format!(
                "the session has {MAX_SUBSCRIPTIONS} subscriptions (max_subscriptions); end one of them first"
            );
            return RequestStep::Answer(Err(Error::internal(message).with_reason(Reason::Overloaded)));
        }
        RequestStep::Listen(SubscriptionChange::between(&self.subscriptions, &subscriptions))
    }

    /// Sets the resources that the session is subscribed to.
    pub fn subscribe(&mut self, subscriptions: BTreeSet<ByteString>) {
        self.subscriptions = subscriptions;
    }

    /// The filter of the `subscriptions/listen` that stands for this session: every kind of change that the server
    /// announces, since a session gets them unsolicited, and `subscriptions`.
    pub fn filter(&self, subscriptions: &BTreeSet<ByteString>) -> SubscriptionFilter {
        let uris = subscriptions.iter().cloned().collect();
        SubscriptionFilter { uris, ..SubscriptionFilter::declared_by(&self.server_capabilities) }
    }

    /// The resources that the session is subscribed to.
    pub fn subscriptions(&self) -> &BTreeSet<ByteString> {
        &self.subscriptions
    }

    fn lift(&self, method: Method, name: &ByteString, params: Option<&Raw>) -> RequestStep {
        let params = params.cloned().unwrap_or(Raw::EMPTY_OBJECT);
        match revision::lift(Part::Params(method), self.revision, params) {
            Ok(params) => RequestStep::Call(name.clone(), params),
            Err(refused) => RequestStep::Answer(Err(invalid_params(refused))),
        }
    }

    /// Lowers the params of a request to the client, and gives it an id that this session has never used.
    ///
    /// # Errors
    /// The client's revision cannot express the request.
    pub fn lower_request(&mut self, method: Method, params: Raw) -> Result<(Id, Raw), Error> {
        let params = self.without_undeclared_context(method, params);
        let params = self.translation().lower_request(method, params)?;
        self.last_id += 1;
        Ok((Id::from(self.last_id), params))
    }

    /// Removes `includeContext` from a sampling request if the client has not declared `sampling.context`.
    ///
    /// 2025-11-25, sampling §Capabilities: `thisServer` and `allServers` need `sampling.context`. The client may ignore the
    /// member, so the request is still good without it. (Clients of older revisions take it.)
    fn without_undeclared_context(&self, method: Method, params: Raw) -> Raw {
        let wants = method == Method::CreateMessage
            && Members::find(params.as_str(), "includeContext").is_some_and(|which| which != "\"none\"");
        if !wants || self.profile.sampling_context {
            return params;
        }
        Splice::retain(&params, |name| name != "includeContext").finish()
    }
}
