//! Many callers on several threads: no wake-up is lost, and nothing waits for another under the connection's lock.

use std::time::Duration;

use anyport_protocol::{
    Limits, Message, Method, Raw, Revision,
    jsonrpc::{Incoming, read},
    meta::Meta,
};
use anyport_service::{Context, Event, Outcome, Principal, Request};
use bytes::Bytes;

use super::{Duplex, Outbox, by_hand};
use crate::{
    client::{ConnectOptions, connection::Transport as _},
    dialogue::Frame,
};

const CALLERS: u64 = 200;
const CALLS: u64 = 20;

/// How long one call may take before a wake-up is taken for lost, on a machine that does much else.
const WATCHDOG: Duration = Duration::from_secs(60);

fn raw(text: String) -> Raw {
    Raw::parse(text.into(), &Limits::default()).unwrap()
}

fn hear(connection: &Duplex, text: String) {
    connection.receive(Frame::Message(Bytes::from(text)));
}

/// Answers every call with its own number, after progress and, for some, a request of its own.
async fn serve(connection: std::sync::Arc<Duplex>, mut outbox: Outbox) {
    let mut asked = 0_u64;
    while let Some(text) = outbox.next().await {
        let Ok(Incoming::One(Message::Request(request))) = read(text, &Limits::default()) else { continue };
        let id = request.id.clone();
        let number = request.params.unwrap().member("name").unwrap();
        asked += 1;
        let (connection, asks) = (connection.clone(), asked);
        // From several threads at once.
        tokio::spawn(async move {
            hear(
                &connection,
                format!(
                    r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{id},"progress":1}}}}"#
                ),
            );
            if asks.is_multiple_of(8) {
                hear(&connection, format!(r#"{{"jsonrpc":"2.0","id":"r{asks}","method":"roots/list"}}"#));
            }
            if asks.is_multiple_of(3) {
                tokio::task::yield_now().await;
            }
            hear(
                &connection,
                format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[],"number":{number}}}}}"#),
            );
        });
    }
}

async fn call(connection: &std::sync::Arc<Duplex>, number: u64) {
    let request = Request::new(Method::ToolsCall, raw(format!(r#"{{"name":"{number}"}}"#)));
    let meta = Meta { progress_token: Some(raw("1".into())), ..Meta::default() };
    let context = Context::new(Principal::local(), Revision::NEWEST).with_meta(meta).unwrap();
    let context = context.with_client(raw(r#"{"roots":{}}"#.into()), None);
    let mut reply = connection.call(request, context);
    loop {
        let event = tokio::time::timeout(WATCHDOG, reply.next()).await;
        match event.unwrap_or_else(|_| panic!("call {number} was never woken")) {
            Event::ServerRequest(request) => request.responder.answer(Ok(raw(r#"{"roots":[]}"#.into()))),
            Event::Outcome(Outcome::Result(result)) => {
                assert_eq!(result.member("number").unwrap().as_str(), format!("\"{number}\""));
                return;
            }
            Event::Outcome(outcome) => panic!("{outcome:?}"),
            // Some callers go away before they are answered.
            Event::Notification(_) if number.is_multiple_of(7) => return,
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_callers_on_four_threads_are_each_answered_and_nothing_is_left() {
    let options = ConnectOptions::default().max_open_questions(10_000);
    let (connection, outbox) = by_hand(Revision::V2025_11_25, options);
    let server = tokio::spawn(serve(connection.clone(), outbox));
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let connection = connection.clone();
            tokio::spawn(async move {
                for number in 0..CALLS {
                    call(&connection, caller * CALLS + number).await;
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    assert_eq!(connection.act(&[], |connection, _, _| connection.calls_in_flight()), 0);
    assert_eq!(connection.waiting_readers(), 0);
    connection.close();
    server.await.unwrap();
    assert_eq!(connection.act(&[], |connection, _, _| connection.open_server_requests()), 0);
}
