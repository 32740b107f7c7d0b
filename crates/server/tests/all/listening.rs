//! `subscriptions/listen`.

use crate::common::{call, error, modern, server_info, start, value};
use anyport_protocol::{Method, jsonrpc::Reason};
use anyport_server::{Context, NoArguments, Resource, Server, Tool};
use anyport_service::{Event, Outcome, Reply};
use serde_json::{Value, json};

fn server() -> Server {
    Server::builder("listened", "1")
        .tool(Tool::new("change").run(async |_: NoArguments, context: Context| {
            context.events().tools_changed();
            "changed"
        }))
        .resource(Resource::new("test://a").read(async |_: Context| ""))
        .max_subscriptions(2)
        .max_listeners(2)
        .build()
        .unwrap()
}

fn listen(server: &Server, filter: Value) -> Reply {
    start(server, Method::Listen, &json!({"notifications": filter}), modern())
}

async fn next(reply: &mut Reply) -> (Method, Value) {
    match reply.next().await {
        Event::Notification(notification) => (notification.method, value(&notification.params)),
        event => panic!("{event:?}"),
    }
}

#[tokio::test]
async fn the_acknowledgement_comes_first_and_names_what_is_honoured() {
    let server = server();
    let filter = json!({
        "toolsListChanged": true, "promptsListChanged": true, "resourcesListChanged": false, "unknown": 1,
        "resourceSubscriptions": ["test://a", "test://a", "test://b", "test://c"]
    });
    let mut reply = listen(&server, filter);
    server.events().tools_changed();
    let honoured = json!({"toolsListChanged": true, "resourceSubscriptions": ["test://a", "test://b"]});
    assert_eq!(next(&mut reply).await, (Method::Acknowledged, json!({"notifications": honoured})));
    assert_eq!(next(&mut reply).await, (Method::ToolsChanged, json!({})));
}

#[tokio::test]
async fn only_what_was_asked_for_is_told_and_each_thing_once() {
    let server = server();
    let mut reply = listen(&server, json!({"toolsListChanged": true, "resourceSubscriptions": ["test://a"]}));
    assert_eq!(next(&mut reply).await.0, Method::Acknowledged);
    let events = server.events();
    for _ in 0..1000 {
        events.resources_changed();
        events.prompts_changed();
        events.tools_changed();
        events.resource_updated("test://a");
        events.resource_updated("test://a/part");
        events.resource_updated("test://abc");
    }
    assert_eq!(next(&mut reply).await, (Method::ToolsChanged, json!({})));
    assert_eq!(next(&mut reply).await, (Method::ResourceUpdated, json!({"uri": "test://a"})));
    assert_eq!(next(&mut reply).await, (Method::ResourceUpdated, json!({"uri": "test://a/part"})));
    let mut waiting = Box::pin(reply.next());
    let polled =
        std::future::poll_fn(|task| std::task::Poll::Ready(waiting.as_mut().poll(task).is_pending())).await;
    assert!(polled, "there is nothing more");
}

#[tokio::test]
async fn who_subscribed_to_a_fragment_hears_of_the_whole_under_its_own_name() {
    let server = server();
    let mut reply = listen(&server, json!({"resourceSubscriptions": ["test://a#one", "test://a#two"]}));
    assert_eq!(next(&mut reply).await.0, Method::Acknowledged);
    let events = server.events();
    events.resource_updated("test://ab");
    events.resource_updated("test://a#three");
    events.resource_updated("test://a");
    events.resource_updated("test://a#two");
    assert_eq!(next(&mut reply).await, (Method::ResourceUpdated, json!({"uri": "test://a#one"})));
    assert_eq!(next(&mut reply).await, (Method::ResourceUpdated, json!({"uri": "test://a#two"})));
    let mut waiting = Box::pin(reply.next());
    let polled =
        std::future::poll_fn(|task| std::task::Poll::Ready(waiting.as_mut().poll(task).is_pending())).await;
    assert!(polled, "there is nothing more");
}

#[tokio::test]
async fn a_handler_can_tell_of_a_change() {
    let server = server();
    let mut reply = listen(&server, json!({"toolsListChanged": true}));
    assert_eq!(next(&mut reply).await.0, Method::Acknowledged);
    let told = tokio::spawn(async move { next(&mut reply).await });
    tokio::task::yield_now().await;
    call(&server, "change", json!({})).await;
    assert_eq!(told.await.unwrap(), (Method::ToolsChanged, json!({})));
}

#[tokio::test]
async fn closing_the_server_ends_every_stream_with_its_result() {
    let server = server();
    let mut reply = listen(&server, json!({"toolsListChanged": true}));
    assert_eq!(next(&mut reply).await.0, Method::Acknowledged);
    let last = tokio::spawn(reply.outcome());
    tokio::task::yield_now().await;
    server.close();
    let Outcome::Result(end) = last.await.unwrap() else { panic!() };
    let end = value(&end);
    assert_eq!((&end["resultType"], &server_info(&end)["name"]), (&json!("complete"), &json!("listened")));
    let refused = error(&server, Method::Listen, json!({"notifications": {}}), modern()).await;
    assert_eq!(refused.reason, Some(Reason::ShuttingDown));
}

#[tokio::test]
async fn bad_filters_and_too_many_streams_are_refused() {
    let server = server();
    for params in [
        json!({}),
        json!({"notifications": []}),
        json!({"notifications": {"toolsListChanged": "yes"}}),
        json!({"notifications": {"resourceSubscriptions": "test://a"}}),
        json!({"notifications": {"resourceSubscriptions": [5]}}),
    ] {
        assert_eq!(error(&server, Method::Listen, params, modern()).await.code, -32602);
    }
    let (first, _second) = (listen(&server, json!({})), listen(&server, json!({})));
    let over = error(&server, Method::Listen, json!({"notifications": {}}), modern()).await;
    assert_eq!(over.reason, Some(Reason::Overloaded));
    drop(first);
    assert_eq!(next(&mut listen(&server, json!({}))).await.0, Method::Acknowledged);
}
