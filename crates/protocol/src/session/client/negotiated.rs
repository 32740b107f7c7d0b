use super::{RequestEnvelope, ServerIdentity, envelope};
use crate::{
    Error, Method, Raw, Revision,
    failure::Failure,
    json::Splice,
    jsonrpc::{ConnectionRefusal, RpcResult, code},
    meta::key,
    method::{Kind, Sender},
    revision::{self, Part, Unrepresentable},
};

/// What a server and we agreed on: how requests to it are written, and its messages read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NegotiatedSession {
    revision: Revision,
    discovered: Raw,
    /// Whether the server declared any extension: then its results may have types that the core does not know.
    extended: bool,
    /// Who an older server is, for results that do not say it.
    identity: Option<ServerIdentity>,
}

/// How long what an old server said of itself is good, in milliseconds. It cannot change while its session lives.
const TTL_MS: &str = "60000";

impl NegotiatedSession {
    /// With a server of the stateless `revision` that answered `server/discover` with `discovered`.
    ///
    /// # Errors
    /// [`Failure::InvalidPeer`] if the answer cannot be lifted.
    pub fn modern(revision: Revision, discovered: Raw) -> Result<Self, Failure> {
        let discovered =
            revision::lift(Part::Result(Method::Discover), revision, discovered).map_err(|refused| {
                Failure::InvalidPeer(format!("the server's answer to server/discover: {refused}"))
            })?;
        let extended = declares_extensions(&discovered);
        Ok(Self { revision, discovered, extended, identity: None })
    }

    /// With a server that answered `initialize`. What it said becomes a `DiscoverResult`: `serverInfo` goes into `_meta`,
    /// its capabilities are lifted, unknown members stay.
    ///
    /// # Errors
    /// [`Failure::InvalidPeer`] when the server chose an unknown revision, or one that has no `initialize`, or left out
    /// what every server must say.
    pub fn legacy(initialize_result: &Raw) -> Result<Self, Failure> {
        let chosen = initialize_result.member("protocolVersion");
        let Some(chosen) = chosen.and_then(|version| version.as_string()) else {
            return Err(Failure::InvalidPeer(
                "the server's answer to initialize has no protocolVersion".into(),
            ));
        };
        let revision = chosen.parse::<Revision>().ok().filter(|revision| revision.has_sessions());
        let Some(revision) = revision else {
            return Err(Failure::InvalidPeer(format!(
                "the server chose protocol version {chosen:.64?} in initialize, which is none that has it"
            )));
        };
        let discovered = lift_initialize(revision, initialize_result).map_err(|refused| {
            Failure::InvalidPeer(format!("the server's answer to initialize: {refused}"))
        })?;
        let extended = declares_extensions(&discovered);
        let identity = ServerIdentity::of(&discovered);
        Ok(Self { revision, discovered, extended, identity })
    }

    /// The negotiated revision.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// What the server offers: a `DiscoverResult` of the newest vocabulary, whatever the server speaks.
    pub fn discovered(&self) -> &Raw {
        &self.discovered
    }

    /// Whether the server declared `capability` in any form.
    pub fn offers(&self, capability: &str) -> bool {
        self.discovered.member("capabilities").is_some_and(|all| all.member(capability).is_some())
    }

    /// The params of a request, written for the server: lowered to its revision, and what belongs to one hop replaced by
    /// what `hop` says. All else stays byte for byte.
    ///
    /// # Errors
    /// When the server's revision has no such method, or no words for the params; see [`NegotiatedSession::refused`].
    pub fn params(&self, method: &str, params: &Raw, hop: &RequestEnvelope) -> Result<Raw, Unrepresentable> {
        Ok(hop.clone().lowered(self.revision).write(self.revision, &self.lowered(method, params)?))
    }

    /// The params of a request in the words of the server's revision.
    pub(super) fn lowered(&self, method: &str, params: &Raw) -> Result<Raw, Unrepresentable> {
        match Method::named(method) {
            Some(method) => revision::lower(Part::Params(method), self.revision, params.clone()),
            None => Ok(params.clone()),
        }
    }

    /// The error for the caller of a request that [`NegotiatedSession::params`] refused.
    pub fn refused(&self, method: &str, refused: &Unrepresentable) -> Error {
        envelope::cannot_say(method, refused)
    }

    /// The outcome of a request for a caller of the newest vocabulary. `params` are those that the caller wrote; `to` is the
    /// revision that it speaks. The result of an older server gets that server's identity if the caller's revision has it in results. Lists
    /// get it always, so that a cached list is the same for all callers.
    ///
    /// An old server's error -32042 stays as it is: the code that asks the user in the server's stead needs it, and must not
    /// pass it on. A caller of an older revision knows an old server's codes; give it the error as it came.
    ///
    /// # Errors
    /// [`Failure::InvalidPeer`] when the result breaks the protocol.
    pub fn outcome(
        &self,
        method: Option<Method>,
        params: &Raw,
        to: Revision,
        outcome: RpcResult,
    ) -> Result<RpcResult, Failure> {
        let named = to.has_identity_in_results() || method.is_some_and(Method::is_cacheable);
        let identity = self.identity.as_ref().filter(|_| named);
        // A result is an object in every revision: schema `Result`.
        if outcome.as_ref().is_ok_and(|result| !result.is_object()) {
            return Err(Failure::InvalidPeer("the server's result is no object".into()));
        }
        match (self.revision.has_result_types(), outcome) {
            (true, Ok(result)) => {
                let result = self.modern_result(method, result)?;
                self.lift_result(method, result, None).map(Ok)
            }
            (true, Err(error)) => Ok(Err(modern_error(method, params, error))),
            (false, Ok(result)) if method.is_none() => Ok(Ok(signed(identity, complete(result)))),
            (false, Ok(result)) => {
                self.lift_result(method, result, identity.map(ServerIdentity::meta)).map(Ok)
            }
            // Servers of 2024-11-05 could complete but not say so, and some do not.
            (false, Err(error))
                if !self.revision.declares_completions()
                    && method == Some(Method::Complete)
                    && error.code == code::METHOD_NOT_FOUND =>
            {
                Ok(Ok(signed(identity, Raw::trusted(NO_VALUES.into()))))
            }
            (false, Err(error)) if error.code == code::URL_ELICITATION_REQUIRED => Ok(Err(error)),
            (false, Err(error)) => Ok(Err(revision::lift_error(self.revision, method, Some(params), error))),
        }
    }

    fn lift_result(&self, method: Option<Method>, result: Raw, meta: Option<&Raw>) -> Result<Raw, Failure> {
        let Some(method) = method else { return Ok(result) };
        revision::lift_result(method, self.revision, result, meta)
            .map_err(|refused| Failure::InvalidPeer(refused.to_string()))
    }

    /// 2026-07-28, basic §ResultType: a client that receives a type which it does not recognise must treat the response
    /// as an error. A type that an extension adds is passed on.
    fn modern_result(&self, method: Option<Method>, result: Raw) -> Result<Raw, Failure> {
        let kind = result.member("resultType");
        match kind.as_ref().map(Raw::as_str) {
            Some("\"complete\"") => Ok(result),
            // 2026-07-28, basic §ResultType: "clients **MUST** treat an absent `resultType` as `"complete"`", but our
            // own results "**MUST**" have it, and some clients refuse results without it.
            None => {
                Ok(Splice::retain(&result, |_| true).with("resultType", &Raw::string("complete")).finish())
            }
            // 2026-07-28, patterns/mrtr §Supported Requests: "Servers MUST NOT send `InputRequiredResult` responses on
            // any other client requests."
            Some("\"input_required\"") if method.is_none_or(Method::may_ask) => Ok(result),
            Some("\"input_required\"") => {
                let name = method.map_or("", Method::as_str);
                Err(Failure::InvalidPeer(format!("the server answered {name} with input_required")))
            }
            Some(_) if self.extended => Ok(result),
            Some(other) => {
                Err(Failure::InvalidPeer(format!("the server's result is of an unknown type: {other:.64}")))
            }
        }
    }

    /// The params of an old server's question, in the newest vocabulary.
    ///
    /// What belongs to the server's hop is left out: its progress token, a wish for a task (never declared), and
    /// `elicitationId`, which a session with an old client replaces by its own.
    ///
    /// # Errors
    /// -32602, for the server, when the question does not exist in its revision or cannot be carried.
    pub fn question(&self, method: Method, params: Raw) -> Result<Raw, Error> {
        if !method.exists(Kind::Request, Sender::Server, self.revision) {
            return Err(Error::method_not_found(method.as_str()));
        }
        let params = revision::lift(Part::ServerRequest(method), self.revision, params)
            .map_err(|refused| Error::invalid_params(refused.to_string()))?;
        let hop = |name: &str| matches!(name, "task" | "elicitationId");
        let token = params.member("_meta").filter(|meta| meta.member(key::PROGRESS_TOKEN).is_some());
        if token.is_none() && !params.members().any(|member| hop(&member.key())) {
            return Ok(params);
        }
        let mut kept = Splice::retain(&params, |name| !hop(name) && (token.is_none() || name != "_meta"));
        if let Some(meta) = token {
            let meta = Splice::retain(&meta, |name| name != key::PROGRESS_TOKEN).finish();
            if meta.as_str() != "{}" {
                kept = kept.with("_meta", &meta);
            }
        }
        Ok(kept.finish())
    }

    /// The answer to an old server's question, in its revision. Errors go back as they are.
    pub fn answer(&self, method: Method, answer: RpcResult) -> RpcResult {
        let answer = answer?;
        revision::lower(Part::Answer(method), self.revision, answer)
            .map_err(|refused| Error::internal(format!("the answer cannot be said here: {refused}")))
    }

    /// The params of a notification, in the newest vocabulary. `None` when the server's revision has no such notification,
    /// or none from servers.
    pub fn notification(&self, method: Method, params: Raw) -> Option<Raw> {
        if !method.exists(Kind::Notification, Sender::Server, self.revision) {
            return None;
        }
        revision::lift(Part::Notification(method), self.revision, params).ok()
    }
}

fn declares_extensions(discovered: &Raw) -> bool {
    let extensions = discovered.member("capabilities").and_then(|all| all.member("extensions"));
    extensions.is_some_and(|extensions| extensions.members().next().is_some())
}

fn signed(identity: Option<&ServerIdentity>, result: Raw) -> Raw {
    match identity {
        Some(identity) => identity.sign(result),
        None => result,
    }
}

/// Completion where there is none.
const NO_VALUES: &str = r#"{"resultType":"complete","completion":{"values":[]}}"#;

/// The result of an unknown method, from an old server: its results are complete.
fn complete(result: Raw) -> Raw {
    if !result.is_object() || result.member("resultType").is_some() {
        return result;
    }
    Splice::retain(&result, |_| true).with("resultType", &Raw::string("complete")).finish()
}

/// 2024-11-05 had `completion/complete` but no capability for it, which newer clients look for before they ask. What can be
/// completed are arguments of prompts and of resource templates.
fn completions(from: Revision, capabilities: Raw) -> Raw {
    let has = |name| capabilities.member(name).is_some();
    if from.declares_completions() || has("completions") || !(has("prompts") || has("resources")) {
        return capabilities;
    }
    Splice::retain(&capabilities, |_| true).with("completions", &Raw::EMPTY_OBJECT).finish()
}

/// Makes a `DiscoverResult` of an `InitializeResult`.
fn lift_initialize(from: Revision, result: &Raw) -> Result<Raw, Unrepresentable> {
    let capabilities = result.member("capabilities").filter(Raw::is_object).unwrap_or(Raw::EMPTY_OBJECT);
    let capabilities = completions(from, revision::lift(Part::ServerCapabilities, from, capabilities)?);
    let meta = result.member("_meta").filter(Raw::is_object).unwrap_or(Raw::EMPTY_OBJECT);
    let reserved = [key::SERVER_INFO, key::PROTOCOL_VERSION, key::SUBSCRIPTION_ID];
    let mut meta = Splice::retain(&meta, |name| !reserved.contains(&name));
    if let Some(info) = result.member("serverInfo").filter(Raw::is_object) {
        meta = meta.with(key::SERVER_INFO, &info);
    }
    let moved = [
        "protocolVersion",
        "capabilities",
        "serverInfo",
        "_meta",
        "resultType",
        "supportedVersions",
        "ttlMs",
        "cacheScope",
    ];
    let versions = Raw::trusted(format!("[\"{from}\"]").into_bytes());
    Ok(Splice::retain(result, |name| !moved.contains(&name))
        .with("resultType", &Raw::string("complete"))
        .with("supportedVersions", &versions)
        .with("capabilities", &capabilities)
        .with("ttlMs", &Raw::trusted(TTL_MS.into()))
        .with("cacheScope", &Raw::string("private"))
        .with("_meta", &meta.finish())
        .finish())
}

/// A modern server's error for its caller. What is about our own hop, the caller could do nothing about; and what no
/// modern server may send, we may not send either.
///
/// 2026-07-28, basic §Error Codes: "Implementations **MUST NOT** emit any code from this sub-range", -32020 to -32099, "that is
/// not defined by this specification", nor -32002 and -32042.
///
/// `upstreamCode` tells a person; a program decides by `refusal`, which no server can write.
fn modern_error(method: Option<Method>, params: &Raw, error: Error) -> Error {
    let refusal = match error.code {
        code::HEADER_MISMATCH => ConnectionRefusal::HeaderMismatch,
        code::UNSUPPORTED_PROTOCOL_VERSION => ConnectionRefusal::UnsupportedRevision,
        code::MISSING_CLIENT_CAPABILITY => return error,
        code::RESOURCE_NOT_FOUND | -32099..=-32020 => {
            return revision::lift_error(Revision::NEWEST_LEGACY, method, Some(params), error);
        }
        _ => return error,
    };
    let old = Raw::trusted(error.code.to_string().into_bytes());
    let data = match &error.data {
        Some(data) if data.is_object() => Splice::retain(data, |name| name != "upstreamCode"),
        Some(data) => Splice::new().with("data", data),
        None => Splice::new(),
    };
    Error { code: code::INTERNAL_ERROR, refusal: Some(refusal), ..error }
        .with_data(data.with("upstreamCode", &old).finish())
}
