use std::{
    collections::{HashMap, VecDeque},
    num::NonZeroU64,
    sync::Arc,
};

use serde_json::{Value, json};

use super::{
    hub::{Call, End, Event, Message, Missed, Traffic, Watch},
    redact::redact,
};
use crate::gateway::socket::TapRequest;

/// Watches the traffic of a gateway for one command, and chooses what it wants.
///
/// Whether a call is wanted shows when it has reached a server, or only when it ends; until then its messages wait.
pub(crate) struct TapFilter {
    request: TapRequest,
    watch: Watch,
    calls: HashMap<NonZeroU64, State>,
    /// The calls that are known, the oldest first.
    order: VecDeque<NonZeroU64>,
}

/// What is known of a call.
enum State {
    /// Its messages wait.
    Waiting(Vec<Value>),
    Wanted,
    Unwanted,
}

/// The most calls that are known at once. The oldest are forgotten.
const MOST_CALLS: usize = 1024;
/// The most messages of a call that wait.
const MOST_WAITING: usize = 64;

impl TapFilter {
    /// Watches `traffic` from now on.
    pub(crate) fn new(request: TapRequest, traffic: &Traffic) -> Self {
        let watch = traffic.watch(request.wire);
        Self { request, watch, calls: HashMap::new(), order: VecDeque::new() }
    }

    /// The next events that are wanted, each as an object; `None` when there are no more. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<Vec<Value>> {
        Some(match self.watch.next().await? {
            Ok(event) => match &*event {
                Event::Begun(call) => self.begun(call),
                Event::Ended(call, end) => self.ended(call, end),
                Event::Message(message) if self.request.wire => self.message(message),
                // Others watch messages.
                Event::Message(_) => Vec::new(),
            },
            Err(Missed(missed)) => vec![json!({"type": "missed", "missed": missed})],
        })
    }

    fn begun(&mut self, call: &Call) -> Vec<Value> {
        match self.fits(call) {
            // Whether it fails is not known yet.
            true if self.request.errors => Vec::new(),
            true => self.decide(call.number, State::Wanted),
            // One request of a client may lead to several servers.
            false if matches!(self.calls.get(&call.number), Some(State::Wanted)) => Vec::new(),
            false => self.decide(call.number, State::Unwanted),
        }
    }

    fn ended(&mut self, call: &Call, end: &End) -> Vec<Value> {
        if !self.fits(call) {
            return Vec::new();
        }
        let has_failed = !["ok", "input_required"].contains(&end.outcome);
        if self.request.errors && !has_failed {
            return self.decide(call.number, State::Unwanted);
        }
        let mut wanted = self.decide(call.number, State::Wanted);
        wanted.push(shown_call(call, end));
        wanted
    }

    fn message(&mut self, message: &Message) -> Vec<Value> {
        let Some(number) = message.call else {
            let is_of_server = |(name, _): &(Arc<str>, u64)| self.names(name);
            let is_any = self.request.method.is_none() && self.request.tool.is_none() && !self.request.errors;
            let is_wanted = is_any && message.server.as_ref().is_none_or(is_of_server);
            return if is_wanted { vec![shown_message(message)] } else { Vec::new() };
        };
        if !self.calls.contains_key(&number) {
            let state = self.first(message);
            self.know(number, state);
        }
        match self.calls.get_mut(&number) {
            Some(State::Wanted) => vec![shown_message(message)],
            Some(State::Waiting(messages)) if messages.len() < MOST_WAITING => {
                messages.push(shown_message(message));
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// What the first message of a call says about it. Requests that the gateway answers itself reach no server.
    fn first(&self, message: &Message) -> State {
        let TapRequest { names, method, tool, errors, .. } = &self.request;
        if !names.is_empty() || tool.is_some() || *errors {
            return State::Waiting(Vec::new());
        }
        let is_of = |method: &String| {
            let text = message.text.as_deref().unwrap_or_default();
            serde_json::from_slice::<Value>(text).is_ok_and(|message| message["method"] == **method)
        };
        match method.as_ref().is_none_or(is_of) {
            true => State::Wanted,
            // A message that is too large to be read shows at the server.
            false if message.text.is_none() => State::Waiting(Vec::new()),
            false => State::Unwanted,
        }
    }

    /// Decides about a call; the messages that have waited, if it is wanted.
    fn decide(&mut self, number: NonZeroU64, state: State) -> Vec<Value> {
        let is_wanted = matches!(state, State::Wanted);
        match self.know(number, state) {
            Some(State::Waiting(messages)) if is_wanted => messages,
            _ => Vec::new(),
        }
    }

    fn know(&mut self, number: NonZeroU64, state: State) -> Option<State> {
        let known = self.calls.insert(number, state);
        if known.is_none() {
            self.order.push_back(number);
            if self.order.len() > MOST_CALLS
                && let Some(oldest) = self.order.pop_front()
            {
                self.calls.remove(&oldest);
            }
        }
        known
    }

    fn fits(&self, call: &Call) -> bool {
        let TapRequest { method, tool, .. } = &self.request;
        self.names(&call.upstream)
            && method.as_ref().is_none_or(|method| *method == call.method)
            && tool.as_ref().is_none_or(|tool| call.name.as_ref() == Some(tool))
    }

    fn names(&self, upstream: &str) -> bool {
        self.request.names.is_empty() || self.request.names.iter().any(|name| name == upstream)
    }
}

fn shown_call(call: &Call, end: &End) -> Value {
    let Call { number, at, client, principal, revision, upstream, method, name, bytes_in } = call;
    let End { outcome, error, ms, bytes_out } = end;
    let ms = (ms * 1e3).round() / 1e3;
    let mut value = json!({
        "type": "call", "call": number, "at": at.to_string(), "client": client, "principal": principal,
        "revision": revision, "server": &**upstream, "method": method, "name": name, "outcome": outcome, "error": error,
        "ms": ms, "bytes_in": bytes_in, "bytes_out": bytes_out,
    });
    redact(&mut value);
    value
}

fn shown_message(message: &Message) -> Value {
    let Message { call, at, server, is_sent, bytes, text } = message;
    let (server, connection) = match server {
        Some((server, connection)) => (Some(&**server), Some(connection)),
        None => (None, None),
    };
    let mut value = json!({
        "type": "message", "call": call, "at": at.to_string(), "end": if server.is_some() { "server" } else { "client" },
        "server": server, "connection": connection, "direction": if *is_sent { "sent" } else { "received" },
        "bytes": bytes,
    });
    let text = text.as_ref().map(|text| {
        // What is no JSON may be the very reason to look.
        serde_json::from_slice(text)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(text).into_owned()))
    });
    value["message"] = text.unwrap_or_default();
    redact(&mut value);
    value
}
