use anyport_protocol::{Error, Method, Raw};
use anyport_seal::{RequestIdentity, RequestState, Sealer, StateRefused};
use anyport_service::{Principal, Request};
use bytestring::ByteString;
use serde::{Deserialize, Serialize};

/// Seals the states of parked calls, and finds the call of a state.
///
/// The key should survive restarts: a state under a lost key is reported as lost, but so is a forged one with an
/// unknown key id.
#[derive(Clone, Debug)]
pub struct StateSealer {
    sealer: Sealer,
    node: String,
    upstream: String,
}

impl StateSealer {
    /// A sealer of states with `sealer`, as the process `node`, for calls of the server `upstream`. Where several processes share a
    /// key, each has a `node` of its own: a parked call is in one of them only.
    pub fn new(sealer: Sealer, node: impl Into<String>, upstream: impl Into<String>) -> Self {
        Self { sealer, node: node.into(), upstream: upstream.into() }
    }

    /// Returns the node that holds the call of this `requestState`, or `None` if the state does not open. A program
    /// with several nodes sends the retry there.
    pub fn node_of(&self, state: &str) -> Option<String> {
        let opened = RequestState::<Payload>::open_unverified(&self.sealer, PURPOSE, state);
        opened.ok().map(|state| state.payload.node)
    }

    /// The name of the server.
    pub(super) fn upstream(&self) -> &str {
        &self.upstream
    }

    /// Whether a state of `node` leads to this process.
    pub(super) fn is_here(&self, node: &str) -> bool {
        self.node == node
    }
}

/// The caller and the request that a state belongs to.
#[derive(Clone, Debug)]
pub(super) struct Binding {
    pub(super) principal: Principal,
    pub(super) method: Method,
    /// The tool's or prompt's name, the resource's URI.
    pub(super) name: ByteString,
    arguments: Option<Raw>,
}

/// Where a state leads.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Resume {
    /// To a call that is parked.
    #[serde(rename = "c")]
    Parked { call: u128, round: u32 },
    /// To a call that is made afresh, once URLs have been visited.
    #[serde(rename = "u")]
    Urls { round: u32, questions: Raw, elicitations: Vec<(String, String)> },
}

/// A state that was verified.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) way: Resume,
    pub(super) node: String,
    /// Milliseconds since 1970.
    pub(super) expires: u64,
}

/// What the state of a parked call holds.
#[derive(Serialize, Deserialize)]
struct Payload {
    way: Resume,
    node: String,
}

const PURPOSE: &str = "parked call";

/// The caller and the request that a server's own state belongs to.
#[derive(Debug)]
pub(crate) struct StateOwner {
    principal: String,
    method: Method,
    name: ByteString,
}

const WRAPPED: &str = "state of a server";

impl StateOwner {
    /// The caller that makes `request`, and the request.
    pub(crate) fn of(principal: &Principal, method: Method, request: &Request) -> Self {
        Self { principal: principal.to_string(), method, name: request.name().unwrap_or_default() }
    }
}

impl Binding {
    /// The request of `principal`.
    pub(super) fn of(principal: &Principal, method: Method, request: &Request) -> Self {
        Self {
            principal: principal.clone(),
            method,
            name: request.name().unwrap_or_default(),
            arguments: request.params.member("arguments"),
        }
    }

    fn identity(&self, server: &str) -> RequestIdentity {
        let request = RequestIdentity::new(server, self.method, &*self.name);
        request.with_arguments(self.arguments.as_ref().map(Raw::as_str))
    }
}

impl StateSealer {
    /// Seals a way for the request that `binding` names, good until `expires`.
    pub(super) fn seal(&self, way: Resume, binding: &Binding, expires: u64) -> Result<String, Error> {
        let state = RequestState {
            owner: binding.principal.to_string(),
            request: binding.identity(&self.upstream),
            expires,
            payload: Payload { way, node: self.node.clone() },
        };
        state.seal(&self.sealer, PURPOSE)
    }

    /// Opens what a client brought back, and verifies that it belongs to the request that `binding` names.
    ///
    /// # Errors
    /// -32602 with the reason.
    pub(super) fn open(&self, token: &str, binding: &Binding) -> Result<Opened, Error> {
        let (owner, request) = (binding.principal.to_string(), binding.identity(&self.upstream));
        let state = RequestState::open(&self.sealer, PURPOSE, token, &owner, &request);
        let RequestState { payload: Payload { way, node }, expires, .. } =
            state.map_err(|why| refused(why, &binding.name))?;
        Ok(Opened { way, node, expires })
    }
}

/// States that are a server's own.
impl StateSealer {
    /// Binds `state` to the caller that it is given to.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub(crate) fn wrap(&self, state: &str, owner: &StateOwner) -> Result<String, Error> {
        let state = RequestState {
            owner: owner.principal.clone(),
            request: RequestIdentity::new(&self.upstream, owner.method, &*owner.name),
            // The server itself decides how long its state is valid.
            expires: u64::MAX,
            payload: state,
        };
        state.seal(&self.sealer, WRAPPED)
    }

    /// The server's own state in what a caller brought back, which must be the caller that got it.
    ///
    /// # Errors
    /// -32602 with the reason.
    pub(crate) fn unwrap(&self, token: &str, owner: &StateOwner) -> Result<String, Error> {
        let request = RequestIdentity::new(&self.upstream, owner.method, &*owner.name);
        let state = RequestState::open(&self.sealer, WRAPPED, token, &owner.principal, &request);
        state.map(|state| state.payload).map_err(|why| refused(why, &owner.name))
    }
}

/// -32602 `tampered`.
pub(super) fn tampered(name: &str) -> Error {
    refused(StateRefused::Tampered, name)
}

fn refused(why: StateRefused, name: &str) -> Error {
    let message = format!("the requestState {why}; call {name:.128} again without requestState");
    Error::invalid_params(message).with_reason(why.reason())
}
