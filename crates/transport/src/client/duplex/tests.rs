//! What a server may do to a channel, and how long it is waited for.
//!
//! Invariant: A client answers no request of a server of 2026-07-28.

use std::{sync::Arc, time::Duration};

use anyport_protocol::{
    Limits, Method, Raw, Revision,
    failure::CloseReason,
    meta::LogLevel,
    session::client::{Channel as Sharing, Input},
};
use anyport_service::{Context, Event, Outcome, PeerEvent, Principal, Reply, Request, Service};
use bytes::Bytes;

use super::{Channel, Duplex, Opening, Outbox};
use crate::{
    client::tests::refused,
    client::{
        ConnectError, ConnectOptions, Dial, Target, connect, connection::Transport as _, multiplexer::Machine,
    },
    dialogue::Frame,
};

fn raw(text: &str) -> Raw {
    Raw::parse(text.to_owned().into(), &Limits::default()).unwrap()
}

/// A connection whose server is the test, once `revision` is agreed. The id 1 is taken by that.
pub(crate) fn by_hand(revision: Revision, options: ConnectOptions) -> (Arc<Duplex>, Outbox) {
    let options = options.revision(revision);
    let machine = Machine::new(&options, Sharing::Shared);
    let (opened, connection, mut outbox) = Channel::new(Opening { options: Arc::new(options), machine });
    connection.handle(Input::Opened);
    let capabilities = r#"{"logging":{},"tools":{}}"#;
    let result = match revision.is_stateless() {
        true => format!(r#"{{"supportedVersions":["{revision}"],"capabilities":{capabilities}}}"#),
        false => format!(r#"{{"protocolVersion":"{revision}","capabilities":{capabilities}}}"#),
    };
    hear(&connection, &format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#));
    assert!(connection.session().is_some());
    while outbox.waiting().is_some() {}
    // What opens a channel keeps it open.
    let _ = opened.keep();
    (connection, outbox)
}

fn channel(options: ConnectOptions) -> (Arc<Duplex>, Outbox) {
    by_hand(Revision::V2025_11_25, options)
}

fn call(connection: &Arc<Duplex>) -> Reply {
    let request = Request::new(Method::ToolsCall, raw(r#"{"name":"t"}"#));
    connection.call(request, Context::new(Principal::local(), Revision::NEWEST))
}

fn hear(connection: &Arc<Duplex>, text: &str) {
    connection.receive(Frame::Message(Bytes::copy_from_slice(text.as_bytes())));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_asks_and_does_not_read_is_given_up() {
    let (connection, mut outbox) = channel(ConnectOptions::default().send_queue(10_000));
    let mut reply = call(&connection);
    let sent = async |outbox: &mut Outbox| {
        let mut sent = 0;
        while let Some(message) = outbox.waiting() {
            sent += message.len();
        }
        sent
    };
    // One that reads may ask for ever.
    for _ in 0..10_000 {
        hear(&connection, r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#);
        assert!(sent(&mut outbox).await > 0);
    }
    assert!(!connection.was_closed());
    for _ in 0..10_000 {
        hear(&connection, r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#);
    }
    assert!(sent(&mut outbox).await < 11_000);
    let Event::Outcome(outcome) = reply.next().await else { panic!() };
    let error = refused(outcome);
    assert!(error.message.contains("does not read the answers") && error.message.contains("send_queue"));
    // Whoever holds the channel is told to close it, and the reason stays.
    connection.closing().await;
    connection.end(CloseReason::Closed);
    let end = connection.events.close_reason().unwrap();
    assert!(end.to_string().contains("send_queue"), "{end}");
}

#[tokio::test(start_paused = true)]
async fn a_large_request_that_is_on_its_way_gives_nobody_up() {
    let (connection, _outbox) = channel(ConnectOptions::default().send_queue(100));
    let params = raw(&format!(r#"{{"name":"t","arguments":{{"a":"{}"}}}}"#, "x".repeat(10_000)));
    let request = Request::new(Method::ToolsCall, params);
    let _reply = connection.call(request, Context::new(Principal::local(), Revision::NEWEST));
    hear(&connection, r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#);
    assert!(!connection.was_closed());
}

#[tokio::test(start_paused = true)]
async fn what_nobody_knows_is_bounded_by_its_bytes_too() {
    let (connection, _outbox) = channel(ConnectOptions::default());
    let mut reply = call(&connection);
    let text = "x".repeat(100_000);
    for _ in 0..100 {
        let params = format!(r#"{{"text":"{text}"}}"#);
        hear(
            &connection,
            &format!(r#"{{"jsonrpc":"2.0","method":"notifications/theirs","params":{params}}}"#),
        );
    }
    hear(&connection, r#"{"jsonrpc":"2.0","id":2,"result":{"content":[]}}"#);
    let mut heard = 0;
    while let Event::Unknown { .. } = reply.next().await {
        heard += 1;
    }
    assert_eq!(heard, 2, "256 KiB");
}

#[tokio::test(start_paused = true)]
async fn what_is_said_outside_any_call_is_kept_only_if_it_is_no_flood() {
    let (connection, _outbox) = channel(ConnectOptions::default());
    let mut events = connection.peer().subscribe();
    for text in ["x".repeat(300 << 10), "short".into()] {
        let params = format!(r#"{{"level":"error","data":"{text}"}}"#);
        hear(
            &connection,
            &format!(r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{params}}}"#),
        );
    }
    let Some(PeerEvent::Notification(_, params)) = events.next().await else { panic!() };
    assert!(params.as_str().contains("short"));
}

#[tokio::test(start_paused = true)]
async fn times_that_the_clock_cannot_tell_are_waited_for_ever() {
    let opening = ConnectOptions::default()
        .open_timeout(Duration::MAX)
        .probe_timeout(Duration::MAX)
        .log_hold(Duration::MAX)
        .roots_hold(Duration::MAX);
    struct Empty;
    impl Service for Empty {
        fn call(&self, request: Request, _: Context) -> Reply {
            Reply::ready(Ok(match request.known() {
                Some(Method::Discover) => {
                    raw(r#"{"supportedVersions":["2026-07-28"],"capabilities":{"logging":{}}}"#)
                }
                _ => Raw::EMPTY_OBJECT,
            }))
        }
    }
    for revision in [None, Some(Revision::V2025_11_25)] {
        let opening = opening.clone().revision(revision);
        let connection = connect(&Target::Service(Arc::new(Empty)), &opening).await.unwrap();
        let context =
            Context::new(Principal::local(), Revision::NEWEST).with_log_level(Some(LogLevel::Debug));
        let request = Request::new(Method::ToolsList, Raw::EMPTY_OBJECT);
        assert!(matches!(connection.call(request, context).outcome().await, Outcome::Result(_)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_never_made_is_waited_for_no_longer_than_may_be() {
    let never = Dial::new(std::future::pending::<std::io::Result<tokio::io::DuplexStream>>);
    let error = connect(&Target::Stream(never), &ConnectOptions::default()).await.unwrap_err();
    assert!(matches!(error, ConnectError::Silent(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn whose_answer_is_too_long_is_told_so_wherever_the_id_stands() {
    let (connection, _outbox) = channel(ConnectOptions::default());
    let mut replies = [call(&connection), call(&connection), call(&connection)];
    let part = |text: &'static str| Bytes::from_static(text.as_bytes());
    // What is no answer ends no call.
    connection
        .receive(Frame::TooLong(part(r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"#)));
    connection.receive(Frame::TooLongEnd(part(r#"},"jsonrpc":"2.0","id":2}"#)));
    connection.receive(Frame::TooLong(part(r#"{"jsonrpc":"2.0","id":3,"result":{"content":[{"#)));
    connection.receive(Frame::TooLongEnd(part(r#"{"id":9}]}}"#)));
    connection.receive(Frame::TooLong(part(r#"{"result":{"content":[{"#)));
    connection.receive(Frame::TooLongEnd(part(r#""}]},"jsonrpc":"2.0","id":4}"#)));
    hear(&connection, r#"{"jsonrpc":"2.0","id":2,"result":{"content":[]}}"#);
    let mut told = Vec::new();
    for reply in &mut replies {
        told.push(match reply.next().await {
            Event::Outcome(outcome @ (Outcome::Error(_) | Outcome::Failed(_))) => {
                refused(outcome).message.to_string()
            }
            event => format!("{event:?}").chars().take(16).collect(),
        });
    }
    let too_long = |said: &String| said.contains("limits.bytes");
    assert_eq!(told.iter().map(too_long).collect::<Vec<_>>(), [false, true, true], "{told:?}");
    assert!(told[0].starts_with("Outcome"), "{told:?}");
}
