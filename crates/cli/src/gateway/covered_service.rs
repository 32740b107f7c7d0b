//! A server whose answers do not repeat the secrets of the gateway: for commands that write down what is said.

use std::{
    sync::Arc,
    task::{Context as Task, Poll, ready},
};

use anyport_protocol::Raw;
use anyport_service::{Context, Event, Outcome, Relay, Reply, Request, Service};
use serde_json::Value;

use crate::target::{redact_json, redacted};

/// The server, with its secrets covered where it repeats them. A command that reaches it by itself knows them, and covers them in its
/// recording; one that comes through the gateway does not, and is not told.
pub(super) struct CoveredService(pub(super) Arc<dyn Service>);

impl Service for CoveredService {
    fn call(&self, request: Request, context: Context) -> Reply {
        self.0.call(request, context).relay(Covered)
    }
}

struct Covered;

impl Relay for Covered {
    fn outcome(&mut self, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Result(result) => Outcome::Result(covered(result)),
            Outcome::InputRequired(result) => Outcome::InputRequired(covered(result)),
            Outcome::Error(mut error) => {
                error.message = redacted(&error.message).into_owned().into();
                error.data = error.data.map(covered);
                Outcome::Error(error)
            }
            failed @ Outcome::Failed(_) => failed,
        }
    }

    fn poll(&mut self, reply: &mut Reply, task: &mut Task<'_>) -> Poll<Event> {
        Poll::Ready(match ready!(reply.poll_event(task)) {
            Event::Outcome(outcome) => Event::Outcome(self.outcome(outcome)),
            Event::Notification(mut notification) => {
                notification.params = covered(notification.params);
                Event::Notification(notification)
            }
            Event::Unknown { method, params } => Event::Unknown { method, params: covered(params) },
            Event::ServerRequest(mut request) => {
                request.params = covered(request.params);
                Event::ServerRequest(request)
            }
            event @ Event::Disconnect { .. } => event,
        })
    }
}

/// `text` as it is, unless it has a secret.
fn covered(text: Raw) -> Raw {
    let Ok(value) = text.decode::<Value>() else { return text };
    let mut without = value.clone();
    redact_json(&mut without);
    if without == value { text } else { without.into() }
}
