//! Sessions that open with `initialize` (2024-11-05 to 2025-11-25).

use std::collections::BTreeSet;

use bytestring::ByteString;

use crate::{
    Error, Id, Method, Raw, Revision,
    capability::ClientProfile,
    json::{Elements, Members, Splice},
    jsonrpc::{Reason, RpcResult, code},
    meta::{LogLevel, key},
    method::{Kind, Sender},
    revision::{self, Part, Unrepresentable},
};

/// What was agreed in one session, and where it stands.
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
    /// Nothing was said yet.
    Fresh,
    /// `initialize` came; its answer is being made.
    Opening,
    /// `initialize` was answered.
    Open,
    /// The client said `initialized`: we may send requests and notifications of our own.
    Ready,
}

/// The most resources that one session is subscribed to.
const SUBSCRIPTIONS: usize = 1_000;

/// What stands in a `DiscoverResult`, and is said otherwise or not at all in answer to `initialize`.
const BELONG_TO_A_HOP: [&str; 8] = [
    "resultType",
    "supportedVersions",
    "capabilities",
    "ttlMs",
    "cacheScope",
    "_meta",
    "protocolVersion",
    "serverInfo",
];

/// The same of its `_meta`.
const HOP_META: [&str; 3] = [key::SERVER_INFO, key::PROTOCOL_VERSION, key::SUBSCRIPTION_ID];

/// What to do with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestStep {
    /// Answer it with this.
    Answer(RpcResult),
    /// Ask the service what it offers (`server/discover`), then [`SessionState::open`] makes the answer.
    Discover,
    /// Call the service with this method and these params, in the newest vocabulary.
    Call(ByteString, Raw),
    /// The session's subscriptions would become these: listen to them, then answer `{}` and [`SessionState::subscribe`].
    Listen(BTreeSet<ByteString>),
}

impl SessionState {
    /// A session that nobody has opened. `supported` are the revisions that may be agreed on; modern ones among
    /// them are passed over.
    pub fn new(supported: &[Revision]) -> Self {
        Self {
            stage: Stage::Fresh,
            supported: supported.iter().copied().filter(|revision| !revision.is_modern()).collect(),
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

    /// The revision agreed on; the newest legacy one until then.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// What the client declared, in the newest vocabulary.
    pub fn capabilities(&self) -> &Raw {
        &self.capabilities
    }

    /// What the client declared that it can be asked, and whether it announces when its roots change: since 2026-07-28 none
    /// does, so the capabilities in the newest vocabulary do not say that.
    pub fn profile(&self) -> ClientProfile {
        self.profile
    }

    /// Who the client says it is.
    pub fn client_info(&self) -> Option<&Raw> {
        self.client_info.as_ref()
    }

    /// From which severity on the client wants log messages; `None` while it has not said so.
    ///
    /// 2025-11-25, logging: without `logging/setLevel` "the server MAY decide which messages to send".
    pub fn log_level(&self) -> Option<LogLevel> {
        self.log_level
    }

    /// Whether `initialize` was answered.
    pub fn is_open(&self) -> bool {
        self.stage >= Stage::Open
    }

    /// Whether the client is ready for requests and notifications of ours.
    pub fn is_ready(&self) -> bool {
        self.stage == Stage::Ready
    }

    /// The client said `initialized`. Returns whether that was the first time.
    pub fn initialized(&mut self) -> bool {
        let first = self.stage == Stage::Open;
        if first {
            self.stage = Stage::Ready;
        }
        first
    }

    /// What to do with a request.
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
            // Tasks of 2025-11-25 are not offered, so nobody may ask for them.
            Some(Method::TasksGet | Method::TasksResult | Method::TasksList | Method::TasksCancel) => {
                RequestStep::Answer(Err(Error::method_not_found(name)))
            }
            Some(method) => self.lift(method, name, params),
            // The service knows whether an extension has it.
            None => RequestStep::Call(name.clone(), params.cloned().unwrap_or(Raw::EMPTY_OBJECT)),
        }
    }

    /// Before `initialize`. Clients probe, so whatever it is, it is answered at once.
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
        // 2025-11-25, lifecycle §Operation: both parties MUST "Respect the negotiated protocol version". A client that asked
        // for a newer one has declared what this one does not have, and nobody may be asked for that.
        let said = revision::lower(Part::ClientCapabilities, revision, capabilities);
        let lifted = said.and_then(|said| revision::lift(Part::ClientCapabilities, revision, said));
        self.capabilities = lifted.map_err(refused_params)?;
        self.profile = ClientProfile { roots_list_changed, ..ClientProfile::of(&self.capabilities) };
        self.client_info = member("clientInfo").filter(|info| info.is_object());
        self.revision = revision;
        self.stage = Stage::Opening;
        Ok(())
    }

    /// Makes the answer to `initialize` from a `DiscoverResult`.
    ///
    /// # Errors
    /// The service's error; the session is as if `initialize` had not come.
    pub fn open(&mut self, discovered: RpcResult) -> RpcResult {
        let result = discovered.and_then(|discovered| self.initialize_result(&discovered));
        self.stage = if result.is_ok() { Stage::Open } else { Stage::Fresh };
        result
    }

    fn initialize_result(&mut self, discovered: &Raw) -> RpcResult {
        let capabilities = discovered.member("capabilities").unwrap_or(Raw::EMPTY_OBJECT);
        let capabilities =
            revision::lower(Part::ServerCapabilities, self.revision, capabilities).map_err(refused_result)?;
        let info = discovered.member("_meta").and_then(|meta| meta.member(key::SERVER_INFO));
        let unnamed = || Raw::from(serde_json::json!({"name": "unknown", "version": "unknown"}));
        let mut result = Splice::new()
            .with("protocolVersion", &Raw::string(self.revision.as_str()))
            .with("capabilities", &capabilities)
            .with("serverInfo", &info.unwrap_or_else(unnamed));
        // What nobody here knows passes: a server behind a bridge may say more of itself.
        let said = discovered.members().filter(|member| !BELONG_TO_A_HOP.iter().any(|name| member.is(name)));
        for member in said {
            result = result.with(&member.key(), &discovered.slice(member.value));
        }
        let meta = discovered.member("_meta").filter(Raw::is_object).unwrap_or(Raw::EMPTY_OBJECT);
        let meta = Splice::retain(&meta, |name| !HOP_META.contains(&name)).finish();
        if meta.as_str() != "{}" {
            result = result.with("_meta", &meta);
        }
        self.server_capabilities = capabilities;
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
        // Whoever tells of changes has a limit, too, and would leave out some other one.
        if subscriptions.len() > SUBSCRIPTIONS.max(self.subscriptions.len()) {
            let message = format!("the session has {SUBSCRIPTIONS} subscriptions; end one of them first");
            return RequestStep::Answer(Err(Error::internal(message).with_reason(Reason::Overloaded)));
        }
        RequestStep::Listen(subscriptions)
    }

    /// The session is subscribed to these from now on.
    pub fn subscribe(&mut self, subscriptions: BTreeSet<ByteString>) {
        self.subscriptions = subscriptions;
    }

    /// The params of the `subscriptions/listen` that stands for this session: every kind of change that the
    /// server announces (a legacy session gets them unasked), and `subscriptions`.
    pub fn filter(&self, subscriptions: &BTreeSet<ByteString>) -> Raw {
        let mut filter = serde_json::Map::new();
        for (capability, member) in [
            ("tools", "toolsListChanged"),
            ("prompts", "promptsListChanged"),
            ("resources", "resourcesListChanged"),
        ] {
            if self.offers(capability, "listChanged") {
                filter.insert(member.into(), true.into());
            }
        }
        if !subscriptions.is_empty() {
            let uris: Vec<&str> = subscriptions.iter().map(|uri| &**uri).collect();
            filter.insert("resourceSubscriptions".into(), uris.into());
        }
        serde_json::json!({ "notifications": filter }).into()
    }

    /// What the session is subscribed to.
    pub fn subscriptions(&self) -> &BTreeSet<ByteString> {
        &self.subscriptions
    }

    fn lift(&self, method: Method, name: &ByteString, params: Option<&Raw>) -> RequestStep {
        let params = params.cloned().unwrap_or(Raw::EMPTY_OBJECT);
        match revision::lift(Part::Params(method), self.revision, params) {
            Ok(params) => RequestStep::Call(name.clone(), params),
            Err(refused) => RequestStep::Answer(Err(refused_params(refused))),
        }
    }

    /// Lowers the outcome of a call.
    pub fn lower(&self, method: Option<Method>, outcome: RpcResult) -> RpcResult {
        let outcome = outcome.or_else(|error| match method {
            Some(Method::ToolsCall) if self.revision < Revision::V2025_11_25 => told_urls(error),
            _ => Err(error),
        });
        let result = outcome.and_then(|result| match method {
            Some(method) => {
                revision::lower(Part::Result(method), self.revision, result).map_err(refused_result)
            }
            None => Ok(result),
        });
        result.map_err(|error| revision::lower_error(self.revision, method, error))
    }

    /// Lowers a notification. `None` when this revision has no such notification.
    pub fn notify(&self, method: Method, params: Raw) -> Option<Raw> {
        let exists = method.exists(Kind::Notification, Sender::Server, self.revision);
        exists.then(|| revision::lower(Part::Notification(method), self.revision, params).ok()).flatten()
    }

    /// Lowers a question and gives it an id that was never used before in this session.
    ///
    /// # Errors
    /// When this revision cannot say the question.
    pub fn ask(&mut self, method: Method, params: Raw) -> Result<(Id, Raw), Error> {
        if !method.exists(Kind::Request, Sender::Server, self.revision) {
            return Err(Error::internal(format!("{} has no {}", self.revision, method.as_str())));
        }
        let params = self.in_context(method, params);
        let params =
            revision::lower(Part::ServerRequest(method), self.revision, params).map_err(refused_result)?;
        self.last_id += 1;
        Ok((Id::from(self.last_id), params))
    }

    /// 2025-11-25, sampling §Capabilities: `thisServer` and `allServers` need `sampling.context`. The client may ignore what
    /// stands there, so it is left out where the client declared no context. (Who speaks an older revision takes it.)
    fn in_context(&self, method: Method, params: Raw) -> Raw {
        let wants = method == Method::CreateMessage
            && Members::find(params.as_str(), "includeContext").is_some_and(|which| which != "\"none\"");
        if !wants || ClientProfile::of(&self.capabilities).sampling_context {
            return params;
        }
        Splice::retain(&params, |name| name != "includeContext").finish()
    }

    /// Lifts the answer to a question, which is given as it was before it was lowered.
    pub fn answered(&self, method: Method, question: &Raw, answer: RpcResult) -> RpcResult {
        answer.and_then(|answer| {
            revision::lift_answer(self.revision, method, question, answer).map_err(refused_params)
        })
    }
}

/// -32042 exists since 2025-11-25. To the model of an older client it is told in words what the user has to visit.
fn told_urls(error: Error) -> RpcResult {
    let elicitations = error.data.as_ref().and_then(|data| data.member("elicitations"));
    let elicitations =
        elicitations.filter(|all| error.code == code::URL_ELICITATION_REQUIRED && all.is_array());
    let Some(elicitations) = elicitations else { return Err(error) };
    let mut text = error.message.to_string();
    for elicitation in Elements::of(elicitations.as_str()) {
        let member =
            |name| Members::find(elicitation, name).and_then(|value| elicitations.slice(value).as_string());
        for part in [member("message"), member("url")].into_iter().flatten() {
            text.push('\n');
            text.push_str(&part);
        }
    }
    Ok(serde_json::json!({"content": [{"type": "text", "text": text}], "isError": true}).into())
}

fn refused_params(refused: Unrepresentable) -> Error {
    Error::invalid_params(refused.to_string())
}

fn refused_result(refused: Unrepresentable) -> Error {
    Error::internal(refused.to_string())
}
