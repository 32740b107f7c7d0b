//! A client in the same process.

use std::time::Duration;

use anyport_protocol::Limits;
use anyport_service::Principal;
use anyport_transport::memory::{Client, Closed, Config, serve};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::common::{client::meta, fake::Fake, within};

fn start(config: Config) -> (Fake, Client, JoinHandle<()>) {
    let fake = Fake::default();
    let (client, serving) = serve(fake.clone(), config, std::future::pending());
    (fake, client, tokio::spawn(serving))
}

fn call(id: u32, tool: &str, arguments: Value) -> String {
    let params = json!({"name": tool, "arguments": arguments, "_meta": meta()});
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}).to_string()
}

async fn hear(client: &mut Client) -> Value {
    serde_json::from_slice(&within(client.receive()).await.unwrap()).unwrap()
}

#[tokio::test]
async fn both_eras_are_spoken() {
    let (_, mut client, serving) = start(Config::default());
    client.send(call(1, "echo", json!({"text": "modern"}))).await.unwrap();
    assert_eq!(hear(&mut client).await["result"]["resultType"], "complete");
    let params = json!({"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}});
    let initialize = json!({"jsonrpc": "2.0", "id": 2, "method": "initialize", "params": params});
    client.send(initialize.to_string()).await.unwrap();
    assert_eq!(hear(&mut client).await["result"]["protocolVersion"], "2024-11-05");
    drop(client);
    within(serving).await.unwrap();
}

#[tokio::test]
async fn the_principal_is_chosen() {
    let (_, mut client, _serving) = start(Config::default().principal(Principal::named("ada")));
    client.send(call(1, "who", json!({}))).await.unwrap();
    assert_eq!(hear(&mut client).await["result"]["content"][0]["text"], "name:ada ");
}

#[tokio::test]
async fn who_ended_its_side_still_hears_its_answers() {
    let (fake, client, serving) = start(Config::default());
    let (sender, mut receiver) = client.split();
    sender.send(call(1, "wait", json!({}))).await.unwrap();
    fake.until(|counts| counts.running == 1).await;
    drop(sender);
    fake.release(1);
    assert!(within(receiver.receive()).await.is_some());
    assert_eq!(within(receiver.receive()).await, None);
    within(serving).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_does_not_listen_is_waited_for_and_no_more_is_made() {
    let (fake, client, _serving) = start(Config::default().queue(4));
    client.send(call(1, "say", json!({"count": 1000}))).await.unwrap();
    // As far as it will ever come.
    tokio::time::sleep(Duration::from_secs(60)).await;
    let said = fake.counts().said;
    assert!((4..50).contains(&said), "{said}");
}

/// A client that reads nothing must not keep the program from ending.
///
/// Invariant: A client that reads nothing does not keep a program from ending.
#[tokio::test(start_paused = true)]
async fn a_stop_waits_no_longer_than_the_drain_time_for_who_does_not_listen() {
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let config = Config::default().queue(1).drain(Duration::from_secs(5));
    let (client, serving) = serve(Fake::default(), config, async { drop(stopped.await) });
    let serving = tokio::spawn(serving);
    let (sender, _receiver) = client.split();
    let mut sent = 0;
    while tokio::time::timeout(Duration::from_secs(1), sender.send(call(sent, "echo", json!({}))))
        .await
        .is_ok()
    {
        sent += 1;
    }
    drop(stop);
    let begun = tokio::time::Instant::now();
    within(serving).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn too_large_a_message_is_refused_and_the_rest_is_served() {
    let limits = Limits::default().bytes(1000);
    let (_, mut client, _serving) = start(Config::default().limits(limits));
    client.send("x".repeat(1001)).await.unwrap();
    let refused = hear(&mut client).await;
    assert!(refused["error"]["message"].as_str().unwrap().contains("max_message_bytes"), "{refused}");
    client.send(call(1, "echo", json!({"text": "x"}))).await.unwrap();
    assert_eq!(hear(&mut client).await["id"], 1);
}

#[tokio::test]
async fn open_requests_are_counted() {
    let (fake, mut client, _serving) = start(Config::default().max_open_requests(1));
    client.send(call(1, "wait", json!({}))).await.unwrap();
    client.send(call(2, "wait", json!({}))).await.unwrap();
    let refused = hear(&mut client).await;
    assert!(refused["error"]["message"].as_str().unwrap().contains("max_open_requests"), "{refused}");
    fake.release(1);
    assert_eq!(hear(&mut client).await["id"], 1);
}

#[tokio::test]
async fn after_the_end_sending_fails() {
    let fake = Fake::default();
    let (client, serving) = serve(fake, Config::default(), std::future::ready(()));
    within(serving).await;
    assert_eq!(client.send("{}").await, Err(Closed));
}
