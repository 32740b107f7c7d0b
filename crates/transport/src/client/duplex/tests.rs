//! What a server may do to a channel, and how long it is waited for.
//!
//! Invariant: A client answers no request of a server of 2026-07-28.

use std::{sync::Arc, time::Duration};

use anyport_protocol::{Limits, Method, Raw, Revision, meta::LogLevel, session::client::NegotiatedSession};
use anyport_service::{Context, Event, Outcome, Principal, Reply, Request, Service};
use bytes::Bytes;

use super::{Hub, Outbox};
use crate::{
    client::{ConnectError, ConnectOptions, Dial, Said, Target, carrier::Transport as _, connect},
    dialogue::Frame,
};

fn raw(text: &str) -> Raw {
    Raw::parse(text.to_owned().into(), &Limits::default()).unwrap()
}

fn hub(opening: ConnectOptions) -> (Arc<Hub>, Outbox) {
    let (hub, outbox) = Hub::new(Arc::new(opening));
    let result = r#"{"protocolVersion":"2025-11-25","capabilities":{"logging":{},"tools":{}}}"#;
    hub.agree(Arc::new(NegotiatedSession::legacy(&raw(result)).unwrap()));
    (hub, outbox)
}

fn call(hub: &Arc<Hub>) -> Reply {
    let request = Request::new(Method::ToolsCall, raw(r#"{"name":"t"}"#));
    hub.call(request, Context::new(Principal::local(), Revision::NEWEST))
}

fn hear(hub: &Arc<Hub>, text: &str) {
    hub.receive(Frame::Message(Bytes::copy_from_slice(text.as_bytes())));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_asks_and_does_not_read_is_given_up() {
    let (hub, mut outbox) = hub(ConnectOptions { send_queue: 10_000, ..ConnectOptions::default() });
    let mut reply = call(&hub);
    let sent = async |outbox: &mut Outbox| {
        let mut sent = 0;
        while let Some(message) = outbox.waiting() {
            sent += message.len();
        }
        sent
    };
    // One that reads may ask for ever.
    for _ in 0..10_000 {
        hear(&hub, r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#);
        assert!(sent(&mut outbox).await > 0);
    }
    assert!(!hub.was_closed());
    for _ in 0..10_000 {
        hear(&hub, r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#);
    }
    assert!(sent(&mut outbox).await < 11_000);
    let Event::Outcome(Outcome::Error(error)) = reply.next().await else { panic!() };
    assert!(error.message.contains("does not read the answers") && error.message.contains("send_queue"));
    // Whoever holds the channel is told to close it, and the reason stays.
    hub.closing().await;
    hub.end(crate::client::End::Closed);
    let end = hub.ended().borrow().clone().unwrap();
    assert!(end.to_string().contains("send_queue"), "{end}");
}

#[tokio::test(start_paused = true)]
async fn a_large_request_that_is_on_its_way_gives_nobody_up() {
    let (hub, _outbox) = hub(ConnectOptions { send_queue: 100, ..ConnectOptions::default() });
    let params = raw(&format!(r#"{{"name":"t","arguments":{{"a":"{}"}}}}"#, "x".repeat(10_000)));
    let request = Request::new(Method::ToolsCall, params);
    let _reply = hub.call(request, Context::new(Principal::local(), Revision::NEWEST));
    hear(&hub, r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#);
    assert!(!hub.was_closed());
}

#[tokio::test(start_paused = true)]
async fn what_nobody_knows_is_bounded_by_its_bytes_too() {
    let (hub, _outbox) = hub(ConnectOptions::default());
    let mut reply = call(&hub);
    let text = "x".repeat(100_000);
    for _ in 0..100 {
        let params = format!(r#"{{"text":"{text}"}}"#);
        hear(&hub, &format!(r#"{{"jsonrpc":"2.0","method":"notifications/theirs","params":{params}}}"#));
    }
    hear(&hub, r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#);
    let mut heard = 0;
    while let Event::Unknown { .. } = reply.next().await {
        heard += 1;
    }
    assert_eq!(heard, 2, "256 KiB");
}

#[tokio::test(start_paused = true)]
async fn what_is_said_outside_any_call_is_kept_only_if_it_is_no_flood() {
    let (hub, _outbox) = hub(ConnectOptions::default());
    let mut spoken = hub.spoken();
    for text in ["x".repeat(300 << 10), "short".into()] {
        let params = format!(r#"{{"level":"error","data":"{text}"}}"#);
        hear(&hub, &format!(r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{params}}}"#));
    }
    let Some(Said::Notification(said)) = spoken.next().await else { panic!() };
    assert!(said.params.as_str().contains("short"));
}

#[tokio::test(start_paused = true)]
async fn times_that_the_clock_cannot_tell_are_waited_for_ever() {
    let opening = ConnectOptions {
        open_timeout: Duration::MAX,
        probe_timeout: Duration::MAX,
        log_hold: Duration::MAX,
        roots_hold: Duration::MAX,
        ..ConnectOptions::default()
    };
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
        let opening = ConnectOptions { revision, ..opening.clone() };
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
    let (hub, _outbox) = hub(ConnectOptions::default());
    let mut replies = [call(&hub), call(&hub), call(&hub)];
    let part = |text: &'static str| Bytes::from_static(text.as_bytes());
    // What is no answer ends no call.
    hub.receive(Frame::TooLong(part(r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"#)));
    hub.receive(Frame::TooLongEnd(part(r#"},"jsonrpc":"2.0","id":1}"#)));
    hub.receive(Frame::TooLong(part(r#"{"jsonrpc":"2.0","id":2,"result":{"content":[{"#)));
    hub.receive(Frame::TooLongEnd(part(r#"{"id":9}]}}"#)));
    hub.receive(Frame::TooLong(part(r#"{"result":{"content":[{"#)));
    hub.receive(Frame::TooLongEnd(part(r#""}]},"jsonrpc":"2.0","id":3}"#)));
    hear(&hub, r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#);
    let mut told = Vec::new();
    for reply in &mut replies {
        told.push(match reply.next().await {
            Event::Outcome(Outcome::Error(error)) => error.message.to_string(),
            event => format!("{event:?}").chars().take(16).collect(),
        });
    }
    let too_long = |said: &String| said.contains("limits.bytes");
    assert_eq!(told.iter().map(too_long).collect::<Vec<_>>(), [false, true, true], "{told:?}");
    assert!(told[0].starts_with("Outcome"), "{told:?}");
}
