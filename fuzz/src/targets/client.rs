//! The state machine of a connection to a server, at the mercy of that server.

use std::time::Duration;

use anyport_protocol::{
    Method, Revision,
    capability::ClientProfile,
    json::Limits,
    jsonrpc::{Incoming, read},
    session::client::{
        Actions, CallEvent, CallFacts, CallId, Channel, ClientConnection, ConnectionConfig, Input,
        MalformedMessage, Origin,
    },
};
use bytes::Bytes;

/// The first byte says how the connection is opened. Each line is a step: what the server says, or, where it begins with
/// `!`, what happens on our side. Every call ends exactly once.
pub(super) fn client(input: &[u8]) {
    let Some((how, steps)) = input.split_first() else { return };
    let mut played = Played::new(*how);
    for step in steps.split(|byte| *byte == b'\n') {
        match step {
            [b'!', what, ..] => played.act(*what),
            text => played.hear(text),
        }
        played.read_events();
    }
    played.input(Input::Closed(anyport_protocol::failure::CloseReason::Lost("cut".into())));
    played.read_events();
    assert!(played.calls.is_empty(), "calls without an outcome: {:?}", played.calls);
}

struct Played {
    connection: ClientConnection<u8>,
    channel: Channel,
    now: Duration,
    actions: Actions,
    /// Calls without an outcome.
    calls: Vec<CallId>,
}

impl Played {
    fn new(how: u8) -> Self {
        let channel = if how & 1 == 0 { Channel::Shared } else { Channel::PerCall };
        let revision = Revision::ALL.get(usize::from(how >> 1) % 8).copied();
        let config = ConnectionConfig { channel, revision, ..ConnectionConfig::default() };
        let connection = ClientConnection::new(config);
        let (now, actions) = (Duration::ZERO, Actions::new());
        let mut played = Self { connection, channel, now, actions, calls: Vec::new() };
        played.input(Input::Opened);
        played
    }

    fn input(&mut self, input: Input) {
        self.connection.handle(self.now, input, &mut self.actions);
        self.actions.clear();
    }

    fn hear(&mut self, text: &[u8]) {
        let origin = match (self.channel, self.calls.last()) {
            (Channel::PerCall, Some(call)) => Origin::Call(*call),
            _ => Origin::Shared,
        };
        let text = Bytes::copy_from_slice(text);
        match read(text.clone(), &Limits::default()) {
            Ok(Incoming::One(message)) => self.input(Input::received(origin, message)),
            Ok(Incoming::Batch(messages)) => {
                messages
                    .into_iter()
                    .flatten()
                    .for_each(|message| self.input(Input::received(origin, message)));
            }
            Err(malformed) => {
                self.input(Input::Malformed {
                    origin,
                    message: MalformedMessage::of(malformed, Some(&text)),
                });
            }
        }
    }

    fn act(&mut self, what: u8) {
        match what {
            b'c' | b'd' | b'l' => {
                let (method, caller) = match what {
                    b'c' => (Method::ToolsCall, 1),
                    b'd' => (Method::ToolsCall, 2),
                    _ => (Method::ToolsList, 1),
                };
                if let Ok(call) = self.connection.call(self.now, facts(method, caller), &mut self.actions) {
                    self.calls.push(call);
                }
            }
            b'a' => {
                if let Some(call) = self.calls.pop() {
                    self.connection.abandon(self.now, call, &mut self.actions);
                }
            }
            b's' => self.input(Input::SessionReady { generation: 0, result: Ok(()) }),
            b'x' => self.input(Input::SharedStreamLost { generation: 0 }),
            b't' => {
                if let Some(due) = self.connection.poll_timeout() {
                    self.now = self.now.max(due);
                    self.input(Input::Timeout);
                }
            }
            _ => {}
        }
        self.actions.clear();
    }

    /// Takes what waits for the readers of calls; a call is over with its outcome.
    fn read_events(&mut self) {
        let Self { connection, calls, .. } = self;
        calls.retain(|call| {
            loop {
                match connection.next_event(*call) {
                    None => break true,
                    Some(CallEvent::Finished { .. }) => break false,
                    Some(_) => {}
                }
            }
        });
    }
}

fn facts(method: Method, caller: u8) -> CallFacts<u8> {
    let all = br#"{"elicitation":{"form":{},"url":{}},"sampling":{},"roots":{}}"#;
    let profile = ClientProfile::of(&anyport_protocol::Raw::trusted(all.to_vec()));
    CallFacts {
        method: Some(method),
        caller,
        unidentifiable: false,
        profile,
        log_level: None,
        log_level_is_default: false,
        progress: true,
        subscription: None,
    }
}
