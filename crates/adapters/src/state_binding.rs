use std::sync::Arc;

use anyport_protocol::{Raw, json::Splice};

use super::legacy_server::{StateOwner, StateSealer};
use anyport_service::{Context, InputMode, Outcome, Reply, Request, Service};

/// Binds the states of a service that asks by `input_required` to the callers that they are given to.
///
/// A server behind a bridge sees the bridge alone, so it cannot tell callers apart: without this binding, a caller that
/// learns another's state could answer in its stead. 2026-07-28, patterns/mrtr §Server Requirements: "servers SHOULD
/// include the following inside the integrity-protected `requestState` payload and verify each on receipt: the
/// authenticated principal, rejecting state presented by a different principal". The server decides how long a state is
/// valid.
///
/// Unidentifiable callers (anonymous ones, the process that started us) pass unchanged: their states remain the
/// server's, byte for byte. So do inline callers, which see no state.
#[derive(Debug)]
pub struct StateBinding<S> {
    inner: S,
    seals: Arc<StateSealer>,
}

impl<S: Service> StateBinding<S> {
    /// Wraps `inner`.
    pub fn new(inner: S, seals: StateSealer) -> Self {
        Self { inner, seals: Arc::new(seals) }
    }
}

impl<S: Service> Service for StateBinding<S> {
    fn call(&self, request: Request, context: Context) -> Reply {
        let method = request.known().filter(|method| method.may_ask());
        let (Some(method), true, InputMode::InputRequired) =
            (method, context.principal().is_authenticated(), context.input_mode())
        else {
            return self.inner.call(request, context);
        };
        // Few calls have a state, or are given one: whose it is is spelled out for those alone.
        let (principal, asked) = (context.principal().clone(), request.clone());
        let owner = move || StateOwner::of(&principal, method, &asked);
        let request = match request.params.member("requestState") {
            None => request,
            Some(state) => match self.seals.unwrap(&state.as_string().unwrap_or_default(), &owner()) {
                Ok(state) => with_state(request, &state),
                Err(error) => return Reply::error(error),
            },
        };
        let seals = self.seals.clone();
        self.inner.call(request, context).map(move |outcome| bound(&seals, owner, outcome))
    }
}

/// The outcome with its state bound, if it has one.
fn bound(seals: &StateSealer, owner: impl FnOnce() -> StateOwner, outcome: Outcome) -> Outcome {
    let Outcome::InputRequired(required) = outcome else { return outcome };
    let Some(state) = required.member("requestState").and_then(|state| state.as_string()) else {
        return Outcome::InputRequired(required);
    };
    match seals.wrap(&state, &owner()) {
        Ok(state) => Outcome::InputRequired(replaced(&required, &state)),
        Err(error) => Outcome::Error(error),
    }
}

fn with_state(request: Request, state: &str) -> Request {
    let params = replaced(request.params.raw(), state);
    Request { method: request.method, params: params.into() }
}

/// `object` with another state.
fn replaced(object: &Raw, state: &str) -> Raw {
    Splice::retain(object, |key| key != "requestState").with("requestState", &Raw::string(state)).finish()
}
