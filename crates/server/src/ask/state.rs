//! `requestState`: what a call has learnt in earlier rounds, sealed, on its way through the client.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt,
    sync::{Arc, Once},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyport_metrics::Counter;
use anyport_protocol::{Error, Method, Raw, jsonrpc::Reason};
use anyport_seal::{RequestIdentity, RequestState, Sealer, StateRefused};
use anyport_service::Principal;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{key::QuestionDigest, replay::Replays};
use crate::{mount_context::MountContext, params::Params};

/// The default of [`crate::Builder::state_ttl`]: for how long a `requestState` is valid, ten minutes.
pub const DEFAULT_STATE_TTL: Duration = Duration::from_secs(600);
/// The default of [`crate::Builder::state_bytes`]: the maximum size of a `requestState`, 64 KiB.
pub const DEFAULT_STATE_BYTES: usize = 64 << 10;

/// The clock by which states expire: the time of day, since expiry must hold across restarts and replicas.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    /// A clock that reads `now`; for tests.
    pub fn new(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// Milliseconds since 1970.
    fn millis(&self) -> u64 {
        let since = (self.0)().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new(SystemTime::now)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// Results by key.
pub(crate) type Memory = BTreeMap<String, Raw>;

/// The stored results of earlier rounds of a call.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// The questions by key: those that were answered well, and those of the last round.
    pub(crate) questions: BTreeMap<String, KnownQuestion>,
    /// Results of [`crate::Context::once`].
    pub(crate) once: Memory,
    /// How many rounds there were.
    pub(crate) round: u32,
}

/// A question of an earlier round. An answer belongs to it and to no other.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct KnownQuestion {
    pub(crate) digest: QuestionDigest,
    /// `None` if it was asked in the last round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) answer: Option<Raw>,
}

/// A state that was verified, with the proof that it may be used.
pub(crate) struct VerifiedState {
    pub(crate) state: State,
    /// Until when it is good, in milliseconds since 1970.
    pub(crate) expires: u64,
    /// Names this very state among all.
    pub(crate) id: [u8; 32],
}

/// The caller and the request that a state belongs to.
///
/// One key may seal for many servers: those that are mounted without keys of their own, and those that were given the
/// same. So the request is named by the server that answers it, and as it is called where the key is.
pub(crate) struct Binding<'a> {
    pub(crate) scope: &'a StateScope,
    pub(crate) principal: &'a Principal,
    pub(crate) method: Method,
    /// The tool's or prompt's name, the resource's URI.
    pub(crate) name: &'a str,
    /// The JSON of the arguments, if there are any.
    pub(crate) arguments: Option<&'a str>,
}

/// What the state of a call holds.
#[derive(Serialize, Deserialize)]
struct Payload {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    questions: BTreeMap<String, KnownQuestion>,
    #[serde(default, skip_serializing_if = "Memory::is_empty")]
    once: Memory,
    round: u32,
}

/// Seals states and opens them again.
pub(crate) struct StateStore {
    pub(crate) sealer: Sealer,
    /// Set if the key was generated: used for the one warning about it.
    pub(crate) warning: Option<Once>,
    pub(crate) ttl: Duration,
    pub(crate) bytes: usize,
    pub(crate) clock: Clock,
    pub(crate) replays: Replays,
    /// Counts the states that are longer than `bytes`.
    pub(crate) too_long: Counter,
    /// Counts the calls that are refused because `replays` is full.
    pub(crate) too_many_replays: Counter,
}

/// The stores that may seal the states of a server's calls: its own, then those of the servers in which it is mounted.
pub(crate) struct StateScope {
    /// The server's own name.
    pub(crate) server: Arc<str>,
    pub(crate) store: Arc<StateStore>,
    pub(crate) mount: MountContext,
    /// The scope of the server in which it is mounted.
    pub(crate) host: Option<Arc<StateScope>>,
}

const PURPOSE: &str = "state";

impl StateStore {
    /// Whether what it seals outlives the process.
    pub(crate) fn is_lasting(&self) -> bool {
        self.warning.is_none()
    }

    /// The sealer. Its first use logs a warning if the key was generated; not before, since the server may be mounted in
    /// one that was given a key.
    pub(crate) fn sealer(&self) -> &Sealer {
        if let Some(warning) = &self.warning {
            warning.call_once(|| {
                tracing::warn!(
                    "no state key was given: calls that wait for answers, and cursors, will not outlive this process"
                );
            });
        }
        &self.sealer
    }

    /// Seals `state` and the questions `open` in this round, for the request that `binding` names.
    pub(crate) fn seal(
        &self,
        state: &State,
        open: impl Iterator<Item = (String, QuestionDigest)>,
        binding: &Binding<'_>,
    ) -> Result<String, Error> {
        let answered = state.questions.iter().filter(|(_, known)| known.answer.is_some());
        let mut questions: BTreeMap<_, _> =
            answered.map(|(key, known)| (key.clone(), known.clone())).collect();
        questions.extend(open.map(|(key, digest)| (key, KnownQuestion { digest, answer: None })));
        let owner = binding.scope.state_owner();
        let ttl = u64::try_from(self.ttl.as_millis()).unwrap_or(u64::MAX);
        let state = RequestState {
            owner: binding.principal.to_string(),
            request: binding.identity(owner),
            expires: self.clock.millis().saturating_add(ttl),
            payload: Payload { questions, once: state.once.clone(), round: state.round.saturating_add(1) },
        };
        let sealed = state.seal(owner.store.sealer(), PURPOSE)?;
        if sealed.len() > self.bytes {
            self.too_long.increment();
            let message = format!("what the call must remember is over {} bytes (state_bytes)", self.bytes);
            return Err(Error::internal(message));
        }
        Ok(sealed)
    }

    /// Opens what a client brought back, and verifies that it belongs to the request that `binding` names.
    ///
    /// # Errors
    /// -32602 with the reason. 2026-07-28, patterns/mrtr: servers "MUST treat `requestState` as an
    /// attacker-controlled input" and "MUST reject state that fails verification".
    pub(crate) fn open(&self, token: &str, binding: &Binding<'_>) -> Result<VerifiedState, Error> {
        if token.len() > self.bytes {
            return Err(refused(StateRefused::Tampered));
        }
        let principal = binding.principal.to_string();
        let mut opened = Err(StateRefused::OtherKey);
        for scope in binding.scope.state_owners() {
            let request = binding.identity(scope);
            opened = RequestState::open(&scope.store.sealer, PURPOSE, token, &principal, &request);
            if !matches!(opened, Err(StateRefused::OtherKey)) {
                break;
            }
        }
        let RequestState { expires, payload, .. } = opened.map_err(refused)?;
        if expires <= self.clock.millis() {
            return Err(refused(StateRefused::Expired));
        }
        let Payload { questions, once, round } = payload;
        let id = Sha256::digest(token.as_bytes()).into();
        Ok(VerifiedState { state: State { questions, once, round }, expires, id })
    }

    /// Milliseconds since 1970.
    pub(crate) fn now(&self) -> u64 {
        self.clock.millis()
    }
}

impl StateScope {
    /// The scope with the key that seals states and cursors: the server's own if it has a configured key, else that of
    /// the server in which it is mounted.
    pub(crate) fn state_owner(&self) -> &Self {
        match &self.host {
            Some(host) if !self.store.is_lasting() => host.state_owner(),
            _ => self,
        }
    }

    /// The sealer of states and cursors.
    pub(crate) fn sealer(&self) -> &Sealer {
        self.state_owner().store.sealer()
    }

    /// Every scope with a key that may have sealed a retry's state: the server's own, then outwards.
    fn state_owners(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |scope| scope.host.as_deref())
    }

    /// The name of `name` for callers of `owner`, which is one of those scopes.
    fn name_at<'a>(&self, owner: &Self, name: &'a str) -> Cow<'a, str> {
        self.mount.name_within(&owner.mount, name)
    }
}

impl<'a> Binding<'a> {
    /// The request of `principal` to the server of `scope` that `params` are those of.
    pub(crate) fn of(
        scope: &'a StateScope,
        principal: &'a Principal,
        method: Method,
        params: &'a Params<'_>,
    ) -> Self {
        Self { scope, principal, method, name: &params.name, arguments: params.arguments }
    }

    /// The identity of the request for `owner`, whose key seals.
    fn identity(&self, owner: &StateScope) -> RequestIdentity {
        let name = self.scope.name_at(owner, self.name);
        RequestIdentity::new(&*self.scope.server, self.method, name).with_arguments(self.arguments)
    }
}

fn refused(why: StateRefused) -> Error {
    let reason = match why {
        // The key was changed or lost: to the client that is a state past its time.
        StateRefused::OtherKey => Reason::Expired,
        why => why.reason(),
    };
    Error::invalid_params(format!("the requestState {why}; make the call anew without it"))
        .with_reason(reason)
}
