use anyport_protocol::{Error, Method, Raw, json::canonical, jsonrpc::Reason};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};

use crate::{Sealer, Unsealed};

/// A `requestState`: what a call remembers from round to round, bound to its owner and its request.
///
/// 2026-07-28, patterns/mrtr §Server Requirements: servers SHOULD include "the authenticated principal", "a short expiry"
/// and "an identifier for the originating request, e.g. the method name and a digest of its salient parameters", and verify
/// each on receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestState<P> {
    /// The principal of the caller that got the state.
    pub owner: String,
    /// The request that the state belongs to.
    pub request: RequestIdentity,
    /// The time of day until which the state is valid, in milliseconds since 1970.
    pub expires: u64,
    /// What the call remembers.
    pub payload: P,
}

/// The identity of the request that a [`RequestState`] belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestIdentity {
    /// The server that answers the request: one key may seal for several.
    pub server: String,
    /// The method.
    pub method: String,
    /// The name of the tool or prompt, or the URI of the resource.
    pub name: String,
    /// The digest of the arguments; empty if the state holds for any arguments.
    pub arguments: String,
}

/// Why a state is refused. The text completes "the requestState ...".
///
/// 2026-07-28, patterns/mrtr §Server Requirements: servers "MUST reject state that fails verification".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateRefused {
    /// It was altered, made up, or sealed for another purpose.
    #[error("is not one that we gave out")]
    Tampered,
    /// It was sealed under a key that is not known any more, or not here.
    #[error("is of a time before our key was changed")]
    OtherKey,
    /// Another principal got it.
    #[error("was given to another caller")]
    OtherOwner,
    /// It belongs to another request of the same principal.
    #[error("was given for another request")]
    OtherRequest,
    /// It is no longer valid.
    #[error("has expired")]
    Expired,
}

impl StateRefused {
    /// The reason in the data of the error.
    pub fn reason(self) -> Reason {
        match self {
            Self::Tampered => Reason::Tampered,
            Self::OtherKey => Reason::Lost,
            Self::OtherOwner => Reason::Foreign,
            Self::OtherRequest => Reason::Mismatch,
            Self::Expired => Reason::Expired,
        }
    }
}

impl RequestIdentity {
    /// The identity of a request to `server`, without a digest of arguments.
    pub fn new(server: impl Into<String>, method: Method, name: impl Into<String>) -> Self {
        Self {
            server: server.into(),
            method: method.as_str().to_owned(),
            name: name.into(),
            arguments: String::new(),
        }
    }

    /// Adds the digest of the arguments; absent ones are `{}`.
    #[must_use]
    pub fn with_arguments(mut self, arguments: Option<&str>) -> Self {
        self.arguments = hex(&digest(arguments.unwrap_or("{}")));
        self
    }
}

impl<P: Serialize> RequestState<P> {
    /// Seals the state for `purpose`.
    ///
    /// # Errors
    /// -32603 if the operating system has no randomness to give.
    pub fn seal(&self, sealer: &Sealer, purpose: &str) -> Result<String, Error> {
        let text = Raw::of(self).map_err(|error| Error::internal(format!("the state: {error}")))?;
        let sealed = sealer.seal(purpose, text.as_str().as_bytes());
        sealed.map_err(|error| Error::internal(error.to_string()))
    }
}

impl<P: DeserializeOwned> RequestState<P> {
    /// Opens a state that `owner` brought back with `request`, and verifies that it belongs to both. Its expiry is left to
    /// the caller: see [`RequestState::expires`].
    ///
    /// # Errors
    /// The first check that fails.
    pub fn open(
        sealer: &Sealer,
        purpose: &str,
        token: &str,
        owner: &str,
        request: &RequestIdentity,
    ) -> Result<Self, StateRefused> {
        let state = Self::open_unverified(sealer, purpose, token)?;
        if state.owner != owner {
            return Err(StateRefused::OtherOwner);
        }
        if state.request != *request {
            return Err(StateRefused::OtherRequest);
        }
        Ok(state)
    }

    /// Opens a state without a look at its owner and request, for code that only passes it on.
    ///
    /// # Errors
    /// [`StateRefused::Tampered`] or [`StateRefused::OtherKey`].
    pub fn open_unverified(sealer: &Sealer, purpose: &str, token: &str) -> Result<Self, StateRefused> {
        let text = sealer.open(purpose, token).map_err(|unsealed| match unsealed {
            Unsealed::Tampered => StateRefused::Tampered,
            Unsealed::OtherKey => StateRefused::OtherKey,
        })?;
        serde_json::from_slice(&text).map_err(|_| StateRefused::Tampered)
    }
}

/// SHA-256 over the canonical text of `json`.
pub fn digest(json: &str) -> [u8; 32] {
    let text = serde_json::from_str(json).map_or_else(|_| json.into(), |value| canonical(&value));
    Sha256::digest(&text).into()
}

/// `bytes` in hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Key;

    fn request() -> RequestIdentity {
        RequestIdentity::new("server", Method::ToolsCall, "tool").with_arguments(Some(r#"{"a":1,"b":2}"#))
    }

    /// Invariant: Altered, foreign, expired and misplaced state is refused, each with its own reason.
    #[test]
    fn a_state_opens_for_its_owner_and_request_only() {
        let sealer = Sealer::new(&Key::random().unwrap());
        let state =
            RequestState { owner: "ann".to_owned(), request: request(), expires: 7, payload: "p".to_owned() };
        let token = state.seal(&sealer, "x").unwrap();
        let open = |owner, request: &RequestIdentity| {
            RequestState::<String>::open(&sealer, "x", &token, owner, request)
        };
        let spelled_otherwise = RequestIdentity::new("server", Method::ToolsCall, "tool");
        let spelled_otherwise = spelled_otherwise.with_arguments(Some(r#"{ "b": 2.0, "a": 1 }"#));
        assert_eq!(open("ann", &spelled_otherwise), Ok(state));
        assert_eq!(open("bob", &request()), Err(StateRefused::OtherOwner));
        for other in [
            RequestIdentity { server: "other".into(), ..request() },
            RequestIdentity { method: "prompts/get".into(), ..request() },
            RequestIdentity { name: "other".into(), ..request() },
            request().with_arguments(None),
        ] {
            assert_eq!(open("ann", &other), Err(StateRefused::OtherRequest), "{other:?}");
        }
        let misplaced = RequestState::<String>::open(&sealer, "y", &token, "ann", &request());
        assert_eq!(misplaced, Err(StateRefused::Tampered));
        let other_key = Sealer::new(&Key::random().unwrap());
        let lost = RequestState::<String>::open_unverified(&other_key, "x", &token);
        assert_eq!(lost, Err(StateRefused::OtherKey));
    }
}
