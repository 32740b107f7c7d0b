//! A revision after 2026-07-28, through both machines: what it takes is its row in the table of revisions and the file of its
//! conversions. This one, [`Revision::Unreleased`], adds `remaining` to the result of `completion/complete` and drops
//! `hasMore`; in the params it adds `known` and drops `context`.
//!
//! Invariant: A member that a revision adds arrives between two sides that have the revision, and a member that it drops is
//! not written; towards a side without the revision it is the other way round.

use std::time::Duration;

use crate::{
    Limits, Method, Raw, Revision,
    capability::ClientProfile,
    jsonrpc::{Incoming, Message, Request, RpcResult, read, write_error, write_result},
    session::{
        client::{
            Action, Actions, CallEvent, CallFacts, ClientConnection, ConnectionConfig, Input,
            NegotiatedSession, Origin, RequestEnvelope,
        },
        modern,
        server::{RequestStep, ServerSession, ServerSessionConfig, Translation},
    },
};

const NEW: Revision = Revision::Unreleased;
const OLD: Revision = Revision::V2026_07_28;
/// What a server supports that has not heard of [`NEW`].
const OLD_SERVER: &[Revision] = Revision::ALL.split_at(NEW as usize).0;

/// What a client that speaks the newest vocabulary wrote, and what a service of the newest vocabulary returned.
const PARAMS: &str = r#"{"ref":{"type":"ref/prompt","name":"p"},"argument":{"name":"a","value":"v"},"known":{"arguments":{"b":"w"}}}"#;
const RESULT: &str =
    r#"{"resultType":"complete","completion":{"values":["v1"],"total":9,"remaining":"some"}}"#;

fn raw(text: &str) -> Raw {
    Raw::parse(text.to_owned().into(), &Limits::default()).unwrap()
}

fn message(text: &[u8]) -> Message {
    match read(bytes::Bytes::copy_from_slice(text), &Limits::default()) {
        Ok(Incoming::One(message)) => message,
        other => panic!("{other:?}"),
    }
}

/// A server, its service, and what both have seen.
struct Server {
    session: ServerSession<(), ()>,
    supported: &'static [Revision],
    /// The params of `completion/complete` as the service got them.
    called_with: Option<String>,
    /// Every message on the wire, in order.
    wire: Vec<String>,
}

impl Server {
    fn new(supported: &'static [Revision]) -> Self {
        let config = ServerSessionConfig {
            supported: supported.into(),
            max_open_requests: 8,
            mint_elicitation_id: || Ok("e".into()),
        };
        Self { session: ServerSession::new(&config), supported, called_with: None, wire: Vec::new() }
    }

    /// The answer to a message of the client, if it gets one.
    fn receive(&mut self, text: &[u8]) -> Option<Message> {
        self.wire.push(String::from_utf8(text.to_vec()).unwrap());
        let request = match message(text) {
            Message::Request(request) => request,
            Message::Notification(notification) => {
                self.session.receive_notification(&notification);
                return None;
            }
            Message::Response(_) => return None,
        };
        let id = request.id.clone();
        let mut text = Vec::new();
        match self.answer(request) {
            Ok(result) => write_result(&mut text, &id, &result),
            Err(error) => write_error(&mut text, Some(&id), &error, false),
        }
        self.wire.push(String::from_utf8(text.clone()).unwrap());
        Some(message(&text))
    }

    fn answer(&mut self, request: Request) -> RpcResult {
        if !self.session.is_stateless(&request.meta) {
            return match self.session.receive_request(&request)? {
                RequestStep::Discover => {
                    let discovered = self.call(Method::Discover, &Raw::EMPTY_OBJECT);
                    self.session.open(discovered)
                }
                RequestStep::Call(method, params) => {
                    let method = Method::named(&method).unwrap();
                    let outcome = self.call(method, &params);
                    self.session.state().translation().lower_outcome(Some(method), outcome)
                }
                other => panic!("{other:?}"),
            };
        }
        let revision = modern::admit(&request.method, &request.meta, self.supported)?;
        let translation = Translation::to(revision);
        let (params, _) = translation.lift_request(&request.method, request.params.unwrap(), request.meta)?;
        let method = Method::named(&request.method).unwrap();
        let outcome = self.call(method, params.raw());
        translation.lower_outcome(Some(method), outcome)
    }

    /// The service, which knows the newest vocabulary alone.
    fn call(&mut self, method: Method, params: &Raw) -> RpcResult {
        if method == Method::Discover {
            let versions: Vec<_> = self.supported.iter().map(|revision| revision.as_str()).collect();
            let discovered = serde_json::json!({
                "resultType": "complete", "supportedVersions": versions, "capabilities": {"completions": {}},
                "ttlMs": 0, "cacheScope": "private",
            });
            return Ok(discovered.into());
        }
        let without_meta = crate::json::Splice::retain(params, |name| name != "_meta").finish();
        self.called_with = Some(without_meta.as_str().to_owned());
        Ok(raw(RESULT))
    }
}

/// What a call has led to.
struct Exchange {
    agreed: Revision,
    /// The request and the response of the call.
    request: String,
    response: String,
    /// The params that the service got, and the result that the caller got.
    called_with: String,
    result: String,
    /// How many messages negotiation took.
    negotiation: usize,
}

/// Opens a connection and calls `completion/complete`.
fn exchange(demanded: Option<Revision>, supported: &'static [Revision]) -> Exchange {
    let mut server = Server::new(supported);
    let config = ConnectionConfig { revision: demanded, ..ConnectionConfig::default() };
    let mut client = ClientConnection::<()>::new(config);
    let mut actions = Actions::new();
    client.handle(Duration::ZERO, Input::Opened, &mut actions);
    let mut session = None;
    while !actions.is_empty() {
        match actions.remove(0) {
            Action::Send(outgoing) => {
                if let Some(answer) = server.receive(&outgoing.write()) {
                    let input = Input::received(Origin::Shared, answer);
                    client.handle(Duration::ZERO, input, &mut actions);
                }
            }
            Action::Negotiated(negotiated) => session = Some(negotiated),
            other => panic!("{other:?}"),
        }
    }
    let session = session.unwrap();
    let negotiation = server.wire.len();
    let result = complete(&mut client, &session, &mut server);
    let [request, response] = &server.wire[negotiation..] else { panic!("{:?}", server.wire) };
    Exchange {
        agreed: session.revision(),
        request: request.clone(),
        response: response.clone(),
        called_with: server.called_with.unwrap(),
        result,
        negotiation,
    }
}

fn complete(client: &mut ClientConnection<()>, session: &NegotiatedSession, server: &mut Server) -> String {
    let facts = CallFacts {
        method: Some(Method::Complete),
        caller: (),
        unidentifiable: false,
        profile: ClientProfile::default(),
        log_level: None,
        log_level_is_default: false,
        progress: false,
        subscription: None,
    };
    let envelope = RequestEnvelope {
        progress_token: None,
        capabilities: Raw::EMPTY_OBJECT,
        client_info: raw(r#"{"name":"c","version":"1"}"#),
        log_level: None,
    };
    let mut actions = Actions::new();
    let call = client.call(Duration::ZERO, facts, &mut actions).unwrap();
    assert!(client.take_send(call));
    let method = Method::Complete.as_str();
    let prepared = session.prepare(method.into(), &raw(PARAMS), envelope, false).unwrap();
    let answer = server.receive(&prepared.write(call)).unwrap();
    client.handle(Duration::ZERO, Input::received(Origin::Shared, answer), &mut actions);
    let Some(CallEvent::Finished { outcome: Ok(outcome), .. }) = client.next_event(call) else { panic!() };
    let outcome = session.outcome(Some(Method::Complete), &raw(PARAMS), NEW, outcome);
    outcome.unwrap().unwrap().as_str().to_owned()
}

/// What the caller gets: what the service returned, through whatever revision.
fn is_the_whole_result(exchange: &Exchange) {
    assert!(exchange.result.contains(r#""remaining":"some""#), "{}", exchange.result);
    assert!(!exchange.result.contains("hasMore"), "{}", exchange.result);
    let known = r#""known":{"arguments":{"b":"w"}}"#;
    assert!(exchange.called_with.contains(known) && !exchange.called_with.contains("context"));
}

#[test]
fn two_sides_that_have_a_further_revision_write_what_it_adds_and_not_what_it_drops() {
    let exchange = exchange(None, &Revision::ALL);
    assert_eq!((exchange.agreed, exchange.negotiation), (NEW, 2));
    assert!(exchange.request.contains(r#""known":"#) && !exchange.request.contains(r#""context":"#));
    assert!(exchange.response.contains(r#""remaining":"some""#) && !exchange.response.contains("hasMore"));
    is_the_whole_result(&exchange);
    assert_eq!(exchange.result, RESULT);
}

#[test]
fn a_client_with_a_further_revision_agrees_on_the_older_one_with_a_server_without_it() {
    let exchange = exchange(None, OLD_SERVER);
    // The probe is refused with the versions that the server supports, and repeated in the newest of these.
    assert_eq!((exchange.agreed, exchange.negotiation), (OLD, 4));
    assert!(exchange.request.contains(r#""context":"#) && !exchange.request.contains(r#""known":"#));
    assert!(exchange.response.contains(r#""hasMore":true"#) && !exchange.response.contains("remaining"));
    is_the_whole_result(&exchange);
}

#[test]
fn a_client_without_a_further_revision_gets_the_words_of_its_own() {
    let exchange = exchange(Some(OLD), &Revision::ALL);
    assert_eq!((exchange.agreed, exchange.negotiation), (OLD, 2));
    assert!(exchange.request.contains(r#""io.modelcontextprotocol/protocolVersion":"2026-07-28""#));
    assert!(exchange.request.contains(r#""context":"#) && !exchange.request.contains(r#""known":"#));
    assert!(exchange.response.contains(r#""hasMore":true"#) && !exchange.response.contains("remaining"));
    is_the_whole_result(&exchange);
}

#[test]
fn a_further_revision_passes_every_older_one() {
    for revision in Revision::ALL.into_iter().filter(|revision| revision.has_sessions()) {
        let exchange = exchange(Some(revision), &Revision::ALL);
        assert_eq!(exchange.agreed, revision);
        assert!(exchange.response.contains(r#""hasMore":true"#) && !exchange.response.contains("remaining"));
        assert!(exchange.result.contains(r#""remaining":"some""#), "{}", exchange.result);
    }
}

#[test]
fn what_a_server_requests_inside_a_result_is_converted_like_a_request_of_its_own() {
    let asks = |name: &str| {
        format!(
            r#"{{"resultType":"input_required","inputRequests":{{"r":{{"method":"roots/list","params":{{"{name}":1}}}},"x":{{"method":"x/y","params":{{"context":1}}}}}}}}"#
        )
    };
    let lifted = crate::revision::lift_result(Method::ToolsCall, OLD, raw(&asks("context")), None).unwrap();
    assert_eq!(lifted.as_str(), asks("known"));
    let lowered = Translation::to(OLD).lower_outcome(Some(Method::ToolsCall), Ok(lifted)).unwrap();
    assert_eq!(lowered.as_str(), asks("context"));
}
