//! Clients over a transport: the same calls, whatever the server speaks.
//!
//! Invariant: A client's API behaves the same for every revision of its server, and a hostile response is an
//! error that names its location.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use anyport_adapters::{LegacyClientAdapter, LegacyClientLimits};
use anyport_client::{Change, Client, ElicitAnswer, Error, IntoEndpoint};
use anyport_protocol::{
    Raw, Revision,
    types::{ElicitRequest, RequestedSchema, StringSchema},
};
use anyport_server::{Context, List, NoArguments, Resource, Server, Tool};
use anyport_service::Service;
use anyport_transport::client::{ConnectError, ConnectOptions, Dial, Target, child::Command, connect};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    time::timeout,
};

const REVISIONS: [Revision; 5] = Revision::ALL;

fn server() -> Server {
    Server::builder("far", "1")
        .instructions("Far away.")
        .tool(Tool::new("greet").run(async |_: NoArguments, context: Context| {
            let name = StringSchema { default: Some("Ada".into()), ..Default::default() };
            let form = ElicitRequest::form("Who?", RequestedSchema::default().require("name", name));
            let answer = context.ask("who", form).await.content.unwrap_or_default();
            format!("Hello, {}!", answer["name"].as_str().unwrap_or_default())
        }))
        .tool(Tool::new("count").run(async |_: NoArguments, context: Context| {
            for step in 1..=3 {
                context.progress(f64::from(step), 3.0, None).await;
            }
            "counted"
        }))
        .resource(Resource::new("note:1").read(async |_: Context| "a note"))
        .resource(Resource::new("note:2").read(async |_: Context| "another"))
        .dynamic([List::Tools])
        .build()
        .unwrap()
}

fn live(server: &Server) -> Arc<dyn Service> {
    Arc::new(LegacyClientAdapter::new(server.clone(), LegacyClientLimits::default()))
}

#[tokio::test]
async fn the_same_calls_work_in_every_revision() {
    for revision in REVISIONS {
        let steps = Arc::new(Mutex::new(0));
        let hear = steps.clone();
        let client = Client::connect(live(&server()))
            .revision(revision)
            .on_elicit(async |_| ElicitAnswer::accept(json!({})))
            .await
            .unwrap();
        assert_eq!(client.connection().unwrap().revision(), revision);
        assert_eq!(client.server_info().unwrap().name, "far", "{revision:?}");
        assert_eq!(client.instructions(), Some("Far away."));
        let names: Vec<String> = client.tools().await.unwrap().into_iter().map(|tool| tool.name).collect();
        assert_eq!(names, ["greet", "count"]);
        let counted = client.call("count", ()).progress(move |_| *hear.lock().unwrap() += 1).await.unwrap();
        assert_eq!((&*counted.text(), *steps.lock().unwrap()), ("counted", 3), "{revision:?}");
        assert_eq!(client.read("note:1").await.unwrap().contents.len(), 1);
        assert_eq!(client.read("note:9").await.unwrap_err().code(), Some(-32602), "{revision:?}");
        // Before 2025-06-18 nobody could ask a user.
        if revision >= Revision::V2025_06_18 {
            assert_eq!(client.call("greet", ()).await.unwrap().text(), "Hello, Ada!", "{revision:?}");
        }
    }
}

#[tokio::test]
async fn changes_are_heard_in_every_revision() {
    for revision in REVISIONS {
        let server = server();
        let client = Client::connect(live(&server)).revision(revision).await.unwrap();
        let mut changes = client.listen().tools().resource("note:1").open().await.unwrap();
        assert_eq!(changes.agreed().resource_subscriptions.as_deref(), Some(&["note:1".to_owned()][..]));
        server.events().resource_updated("note:2");
        server.events().resource_updated("note:1");
        server.add(Tool::new("new").run_raw(|_: Raw, _: Context| async { "new" })).unwrap();
        let mut seen = Vec::new();
        for _ in 0..2 {
            seen.push(timeout(Duration::from_secs(5), changes.next()).await.unwrap().unwrap().unwrap());
        }
        assert!(
            seen.contains(&Change::Tools) && seen.contains(&Change::Resource("note:1".into())),
            "{revision:?} {seen:?}"
        );
        assert_eq!(client.tools().await.unwrap().len(), 3, "{revision:?}: what was kept is forgotten");
    }
}

#[tokio::test]
async fn a_connection_that_was_lost_is_made_anew() {
    let client = Client::connect(live(&server())).await.unwrap();
    client.connection().unwrap().close().await;
    assert_eq!(client.call("count", ()).await.unwrap().text(), "counted");
}

#[tokio::test]
async fn what_cannot_be_connected_to_says_what_to_do() {
    let missing = Client::connect(Command::new("no-such-program-anywhere")).await.unwrap_err();
    assert!(matches!(missing, Error::Connect(ConnectError::NoProgram { .. })), "{missing}");
    let target = std::path::Path::new("/nowhere/at/all.sock").into_endpoint().unwrap();
    assert!(matches!(Client::connect(target).await, Err(Error::Connect(ConnectError::Unreachable { .. }))));
}

/// A server of 2025-11-25 that asks for roots as soon as it is initialized, and answers its tool by what it then heard.
async fn asks_at_once(stream: tokio::io::DuplexStream) {
    let (read, mut write) = tokio::io::split(stream);
    let mut lines = BufReader::new(read).lines();
    let mut heard = json!(null);
    let mut held = None;
    while let Some(line) = lines.next_line().await.unwrap() {
        let message: Value = serde_json::from_str(&line).unwrap();
        let id = message["id"].clone();
        let mut answer = match message["method"].as_str() {
            Some("initialize") => json!({"id": id, "result": {"protocolVersion": "2025-11-25",
                "capabilities": {"tools": {}}, "serverInfo": {"name": "eager", "version": "1"}}}),
            Some("notifications/initialized") => json!({"id": "r", "method": "roots/list"}),
            Some("tools/list") if heard.is_null() => {
                held = Some(id);
                continue;
            }
            Some("tools/list") => json!({"id": id, "result": {"tools": []}}),
            Some("tools/call") => {
                json!({"id": id, "result": {"content": [{"type": "text", "text": heard.to_string()}]}})
            }
            // The answer about roots: only now is the list told, so whoever waits for it has answered without a call.
            None => {
                heard = message["result"]["roots"].clone();
                if held.is_none() {
                    continue;
                }
                json!({"id": held.take(), "result": {"tools": []}})
            }
            Some(_) => continue,
        };
        answer["jsonrpc"] = "2.0".into();
        write.write_all(format!("{answer}\n").as_bytes()).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn roots_are_told_while_no_call_that_may_ask_is_open() {
    let target = Target::Stream(Dial::new(|| async {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        tokio::spawn(asks_at_once(theirs));
        Ok(ours)
    }));
    let capabilities = Raw::from(json!({"roots": {}}));
    let opening = ConnectOptions::default().revision(Revision::V2025_11_25).capabilities(capabilities);
    let connected = async || Client::connected(connect(&target, &opening).await.unwrap());
    let connecting = async || Client::connect(target.clone()).revision(Revision::V2025_11_25);
    for client in [connected().await, connecting().await] {
        let client = client.roots(["file:///home/ada"]).await.unwrap();
        assert!(client.tools().await.unwrap().is_empty());
        assert_eq!(client.call("where", ()).await.unwrap().text(), r#"[{"uri":"file:///home/ada"}]"#);
    }
}
