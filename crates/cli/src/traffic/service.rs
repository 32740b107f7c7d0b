use std::{sync::Arc, time::Instant};

use anyport_protocol::Raw;
use anyport_service::{Context, Outcome, Relay, Reply, Request, Service};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::hub::{Call, End, Event, Traffic};

/// A server whose calls can be watched.
pub(crate) struct ObservedService<S> {
    inner: S,
    upstream: Arc<str>,
    traffic: Traffic,
}

impl<S> ObservedService<S> {
    /// The server `upstream`, which is `inner`.
    pub(crate) fn new(inner: S, upstream: &str, traffic: Traffic) -> Self {
        Self { inner, upstream: upstream.into(), traffic }
    }
}

impl<S: Service> ObservedService<S> {
    #[cold]
    fn observed(&self, request: Request, context: Context) -> Reply {
        let number = context.observed_call().unwrap_or_else(|| self.traffic.next_call());
        let call = Call {
            number,
            at: Timestamp::now(),
            client: context.client_info().and_then(client),
            principal: context.principal().to_string(),
            revision: context.revision().as_str(),
            upstream: self.upstream.clone(),
            method: request.method.to_string(),
            name: request.name().map(|name| name.to_string()),
            bytes_in: request.params.raw().as_str().len(),
        };
        self.traffic.send(Event::Begun(call.clone()));
        let observed = Observed { call: Some(call), began: Instant::now(), traffic: self.traffic.clone() };
        self.inner.call(request, context.with_observed_call(number)).relay(observed)
    }
}

impl<S: Service> Service for ObservedService<S> {
    fn call(&self, request: Request, context: Context) -> Reply {
        match self.traffic.is_watched() {
            true => self.observed(request, context),
            false => self.inner.call(request, context),
        }
    }
}

/// The name and version of a client.
fn client(info: &Raw) -> Option<String> {
    let word = |key| info.member(key)?.decode::<String>().ok();
    let (name, version) = (word("name")?, word("version").unwrap_or_default());
    Some(format!("{name} {version}").trim_end().to_owned())
}

/// A call that has not ended yet. One that is dropped before was cancelled.
struct Observed {
    call: Option<Call>,
    began: Instant,
    traffic: Traffic,
}

impl Observed {
    fn end(&mut self, outcome: &'static str, error: Option<Value>, bytes_out: usize) {
        if let Some(call) = self.call.take() {
            let ms = self.began.elapsed().as_secs_f64() * 1e3;
            self.traffic.send(Event::Ended(call, End { outcome, error, ms, bytes_out }));
        }
    }
}

impl Relay for Observed {
    fn outcome(&mut self, outcome: Outcome) -> Outcome {
        match &outcome {
            Outcome::Result(result) if outcome.is_error() => {
                self.end("tool_error", None, result.as_str().len());
            }
            Outcome::Result(result) => self.end("ok", None, result.as_str().len()),
            Outcome::InputRequired(result) => self.end("input_required", None, result.as_str().len()),
            Outcome::Error(error) => {
                self.end("error", Some(json!({"code": error.code, "message": error.message})), 0);
            }
            Outcome::Failed(failure) => {
                let error = failure.to_error();
                self.end("failed", Some(json!({"code": error.code, "message": error.message})), 0);
            }
        }
        outcome
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        self.end("cancelled", None, 0);
    }
}
