use std::fmt::Write as _;

use anyport_protocol::{Error, Method, Raw, json::canonical, jsonrpc::Reason};
use bytestring::ByteString;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use anyport_seal::{Sealer, Unsealed};
use anyport_service::{Principal, Request};

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
    /// StateSealer with `sealer`, as the process `node`, for calls of the server `upstream`. Where several processes share a
    /// key, each has a `node` of its own: a parked call is in one of them only.
    pub fn new(sealer: Sealer, node: impl Into<String>, upstream: impl Into<String>) -> Self {
        Self { sealer, node: node.into(), upstream: upstream.into() }
    }

    /// Returns the node that holds the call of this `requestState`, or `None` if the state does not open. A program
    /// with several nodes sends the retry there.
    pub fn node_of(&self, state: &str) -> Option<String> {
        let text = self.sealer.open(PURPOSE, state).ok()?;
        serde_json::from_slice::<Sealed>(&text).ok().map(|sealed| sealed.node)
    }

    /// Whether a state of `node` leads to this process.
    pub(super) fn is_here(&self, node: &str) -> bool {
        self.node == node
    }
}

/// The request that a state belongs to.
///
/// 2026-07-28, patterns/mrtr §Server Requirements: servers SHOULD include "the authenticated principal", "a short expiry"
/// and "an identifier for the originating request, e.g. the method name and a digest of its salient parameters".
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

#[derive(Serialize, Deserialize)]
struct Sealed {
    way: Resume,
    node: String,
    principal: String,
    upstream: String,
    method: String,
    name: String,
    arguments: String,
    expires: u64,
}

const PURPOSE: &str = "parked call";

/// StateOwner a server's own state was given to, and for which call of its.
#[derive(Debug)]
pub(crate) struct StateOwner {
    principal: String,
    method: Method,
    name: ByteString,
}

/// A server's state, for the caller that it was given to.
#[derive(Serialize, Deserialize)]
struct Wrapped {
    state: String,
    principal: String,
    upstream: String,
    method: String,
    name: String,
}

const WRAPPED: &str = "state of a server";

impl StateOwner {
    /// The one who makes `request`.
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

    /// The digest of the arguments' canonical text; absent ones are `{}`.
    fn digest(&self) -> String {
        let digest = digest(self.arguments.as_ref());
        digest.iter().fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

/// SHA-256 over the canonical text of `json`; absent is `{}`.
pub(super) fn digest(json: Option<&Raw>) -> [u8; 32] {
    let text = json.map_or("{}", Raw::as_str);
    let text = serde_json::from_str(text).map_or_else(|_| text.into(), |value| canonical(&value));
    Sha256::digest(&text).into()
}

impl StateSealer {
    /// StateSealer a way for the request that `binding` names, good until `expires`.
    pub(super) fn seal(&self, way: Resume, binding: &Binding, expires: u64) -> Result<String, Error> {
        let sealed = Sealed {
            way,
            node: self.node.clone(),
            principal: binding.principal.to_string(),
            upstream: self.upstream.clone(),
            method: binding.method.as_str().into(),
            name: binding.name.to_string(),
            arguments: binding.digest(),
            expires,
        };
        let text = Raw::of(&sealed).map_err(|error| Error::internal(format!("the state: {error}")))?;
        let sealed = self.sealer.seal(PURPOSE, text.as_str().as_bytes());
        sealed.map_err(|error| Error::internal(error.to_string()))
    }

    /// Opens what a client brought back, and verifies that it belongs to the request that `binding` names.
    ///
    /// # Errors
    /// -32602 with the reason. 2026-07-28, patterns/mrtr: servers "MUST reject state that fails verification".
    pub(super) fn open(&self, token: &str, binding: &Binding) -> Result<Opened, Error> {
        let name = &binding.name;
        let text = self.sealer.open(PURPOSE, token).map_err(|unsealed| match unsealed {
            Unsealed::Tampered => tampered(name),
            Unsealed::OtherKey => refused("is of a time before our key was changed", Reason::Lost, name),
        })?;
        let sealed: Sealed = serde_json::from_slice(&text).map_err(|_| tampered(name))?;
        if sealed.principal != binding.principal.to_string() {
            return Err(refused("was given to another caller", Reason::Foreign, name));
        }
        let same = sealed.upstream == self.upstream
            && sealed.method == binding.method.as_str()
            && sealed.name == **name
            && sealed.arguments == binding.digest();
        if !same {
            return Err(refused("was given for another request", Reason::Mismatch, name));
        }
        let Sealed { way, node, expires, .. } = sealed;
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
        let wrapped = Wrapped {
            state: state.into(),
            principal: owner.principal.clone(),
            upstream: self.upstream.clone(),
            method: owner.method.as_str().into(),
            name: owner.name.to_string(),
        };
        let text = Raw::of(&wrapped).map_err(|error| Error::internal(format!("the state: {error}")))?;
        let sealed = self.sealer.seal(WRAPPED, text.as_str().as_bytes());
        sealed.map_err(|error| Error::internal(error.to_string()))
    }

    /// The server's own state in what a caller brought back, which must be who it was given to.
    ///
    /// # Errors
    /// -32602 with the reason.
    pub(crate) fn unwrap(&self, token: &str, owner: &StateOwner) -> Result<String, Error> {
        let name = &owner.name;
        let text = self.sealer.open(WRAPPED, token).map_err(|unsealed| match unsealed {
            Unsealed::Tampered => tampered(name),
            Unsealed::OtherKey => refused("is of a time before our key was changed", Reason::Lost, name),
        })?;
        let wrapped: Wrapped = serde_json::from_slice(&text).map_err(|_| tampered(name))?;
        if wrapped.principal != owner.principal {
            return Err(refused("was given to another caller", Reason::Foreign, name));
        }
        let same = wrapped.upstream == self.upstream
            && wrapped.method == owner.method.as_str()
            && wrapped.name == **name;
        if !same {
            return Err(refused("was given for another request", Reason::Mismatch, name));
        }
        Ok(wrapped.state)
    }
}

/// -32602 `tampered`.
pub(super) fn tampered(name: &str) -> Error {
    refused("is not one that we gave out", Reason::Tampered, name)
}

fn refused(what: &str, reason: Reason, name: &str) -> Error {
    let message = format!("the requestState {what}; call {name:.128} again without requestState");
    Error::invalid_params(message).with_reason(reason)
}
