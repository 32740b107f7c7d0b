//! The machine as a whole, driven by hand: what a server does, and what is done about it.

use super::*;
use crate::{
    Error, Limits, Revision,
    capability::{ClientProfile, InputCapability},
    jsonrpc::{Incoming, read},
    meta::LogLevel,
    session::client::{Attribution, Intent, MalformedMessage, Origin, UnsolicitedMessage},
};

mod calls;
mod opening;
mod server_requests;
mod sessions;

/// A connection, the time, and what it wants done.
pub(super) struct ByHand {
    pub(super) connection: ClientConnection<&'static str>,
    pub(super) now: Duration,
    pub(super) actions: Actions,
}

pub(super) fn raw(text: &str) -> Raw {
    Raw::parse(text.to_owned().into(), &Limits::default()).unwrap()
}

pub(super) fn facts(caller: &'static str, method: Method) -> CallFacts<&'static str> {
    let all = ClientProfile::of(&raw(r#"{"elicitation":{},"sampling":{},"roots":{}}"#));
    CallFacts {
        method: Some(method),
        caller,
        unidentifiable: false,
        profile: all,
        log_level: None,
        log_level_is_default: false,
        progress: true,
        subscription: None,
    }
}

impl ByHand {
    pub(super) fn new(config: ConnectionConfig) -> Self {
        let connection = ClientConnection::new(config);
        Self { connection, now: Duration::ZERO, actions: Actions::new() }
    }

    /// A connection on which `revision` is agreed.
    pub(super) fn open(revision: Revision, channel: Channel) -> Self {
        Self::configured(ConnectionConfig {
            revision: Some(revision),
            channel,
            ..ConnectionConfig::default()
        })
    }

    pub(super) fn configured(config: ConnectionConfig) -> Self {
        let revision = config.revision.unwrap();
        let mut hand = Self::new(config);
        hand.input(Input::Opened);
        let capabilities = r#"{"logging":{},"tools":{}}"#;
        let result = match revision.is_stateless() {
            true => format!(r#"{{"supportedVersions":["{revision}"],"capabilities":{capabilities}}}"#),
            false => format!(r#"{{"protocolVersion":"{revision}","capabilities":{capabilities}}}"#),
        };
        let origin = match hand.connection.channel {
            Channel::Shared => Origin::Shared,
            Channel::PerCall => Origin::Call(id(1)),
        };
        hand.hear_on(origin, &format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#));
        if hand.connection.channel == Channel::PerCall && !revision.is_stateless() {
            hand.input(Input::SessionReady { generation: 0, result: Ok(()) });
        }
        assert!(matches!(hand.actions.last(), Some(Action::Negotiated(_))), "{:?}", hand.actions);
        hand.actions.clear();
        hand
    }

    pub(super) fn input(&mut self, input: Input) {
        self.connection.handle(self.now, input, &mut self.actions);
    }

    pub(super) fn hear(&mut self, text: &str) {
        self.hear_on(Origin::Shared, text);
    }

    pub(super) fn hear_on(&mut self, origin: Origin, text: &str) {
        let text = bytes::Bytes::copy_from_slice(text.as_bytes());
        match read(text.clone(), &Limits::default()) {
            Ok(Incoming::One(message)) => self.input(Input::received(origin, message)),
            Ok(Incoming::Batch(_)) => panic!("one message at a time"),
            Err(malformed) => {
                let message = MalformedMessage::of(malformed, Some(&text));
                self.input(Input::Malformed { origin, message });
            }
        }
    }

    pub(super) fn result(&mut self, call: CallId) {
        let origin = match self.connection.channel {
            Channel::Shared => Origin::Shared,
            Channel::PerCall => Origin::Call(call),
        };
        self.hear_on(origin, &format!(r#"{{"jsonrpc":"2.0","id":{call},"result":{{}}}}"#));
    }

    pub(super) fn call(&mut self, facts: CallFacts<&'static str>) -> CallId {
        self.connection.call(self.now, facts, &mut self.actions).unwrap()
    }

    /// Makes a call that is sent at once.
    pub(super) fn sent(&mut self, facts: CallFacts<&'static str>) -> CallId {
        let call = self.call(facts);
        assert!(matches!(self.next(call), Some(CallEvent::Send)));
        call
    }

    pub(super) fn next(&mut self, call: CallId) -> Option<CallEvent> {
        self.connection.next_event(call)
    }

    /// The events of a call that wait, in short.
    pub(super) fn events(&mut self, call: CallId) -> Vec<String> {
        std::iter::from_fn(|| self.next(call))
            .map(|event| match event {
                CallEvent::Send => "send".into(),
                CallEvent::Notification(method, params) => format!("{} {params}", method.as_str()),
                CallEvent::UnknownNotification(method, params) => format!("{method} {params}"),
                CallEvent::Request(_, method, _) => format!("asks {}", method.as_str()),
                CallEvent::Finished { outcome: Ok(Ok(result)), .. } => format!("result {result}"),
                CallEvent::Finished { outcome: Ok(Err(error)), .. } => format!("error {}", error.message),
                CallEvent::Finished { outcome: Err(failure), .. } => format!("{failure:?}"),
            })
            .collect()
    }

    pub(super) fn abandon(&mut self, call: CallId) {
        self.connection.abandon(self.now, call, &mut self.actions);
    }

    /// What the connection has sent since it was last looked at; other actions in short.
    pub(super) fn did(&mut self) -> Vec<String> {
        std::mem::take(&mut self.actions)
            .into_iter()
            .map(|action| match action {
                Action::Send(message) => {
                    String::from_utf8(message.write()).unwrap().replace(r#""jsonrpc":"2.0","#, "")
                }
                Action::Wake(call) => format!("wake {call}"),
                other => format!("{other:?}"),
            })
            .collect()
    }

    /// Lets the time come for which the connection waits.
    pub(super) fn time_out(&mut self) {
        self.now = self.connection.poll_timeout().expect("it waits for a time");
        self.input(Input::Timeout);
    }

    /// Nothing is left of what was in flight.
    pub(super) fn assert_unused(&self) {
        assert!(self.connection.is_unused(), "{:?}", self.connection);
        assert_eq!(self.connection.buffered_bytes(), 0);
    }
}

pub(super) fn id(number: u64) -> CallId {
    CallId::new(number).unwrap()
}

/// Both channels, and a stream on which messages of `call` may come there.
pub(super) fn channels(call: u64) -> [(Channel, Origin); 2] {
    [(Channel::Shared, Origin::Shared), (Channel::PerCall, Origin::Call(id(call)))]
}
