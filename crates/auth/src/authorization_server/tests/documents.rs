//! Metadata documents of clients, from a host that may be hostile.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::AbortHandle,
};

use super::support::{Browser, Rig, WEB_CLIENT, authorize_url, limits, settings};
use crate::{Verifier, resource_server::tests::server::advance};

/// A host of documents on this machine.
struct Host {
    id: String,
    /// The head without its first line, and the body; `None`: it does not answer.
    answer: Arc<Mutex<Option<(String, String)>>>,
    requests: Arc<Mutex<Vec<String>>>,
    task: AbortHandle,
}

impl Host {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let id = format!("http://{}/client.json", listener.local_addr().unwrap());
        let (answer, requests) =
            (Arc::<Mutex<Option<(String, String)>>>::default(), Arc::<Mutex<Vec<String>>>::default());
        let (answers, seen) = (answer.clone(), requests.clone());
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = vec![0; 4096];
                let length = stream.read(&mut head).await.unwrap_or_default();
                seen.lock().unwrap().push(String::from_utf8_lossy(&head[..length]).into_owned());
                let Some((head, body)) = answers.lock().unwrap().clone() else {
                    // It stays open, and silent.
                    tokio::spawn(async move { stream.read(&mut [0; 1]).await });
                    continue;
                };
                let length = body.len();
                let answer =
                    format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self { id, answer, requests, task: task.abort_handle() }
    }

    fn document(&self) -> Value {
        json!({
            "client_id": self.id, "client_name": "Robot", "redirect_uris": [WEB_CLIENT, "http://localhost/callback"],
            "logo_uri": format!("{}.png", self.id), "token_endpoint_auth_method": "none",
        })
    }

    fn says(&self, head: &str, document: &Value) {
        *self.answer.lock().unwrap() = Some((head.to_owned(), document.to_string()));
    }

    fn requests(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    async fn ask(&self, rig: &Rig, redirect_uri: &str) -> super::support::Answer {
        Browser::default()
            .get(rig, &authorize_url(&self.id, redirect_uri, &Verifier::random().unwrap(), ""))
            .await
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.task.abort();
    }
}

const JSON: &str = "200 OK\r\ncontent-type: application/json";

#[tokio::test]
async fn a_client_is_known_by_its_metadata_document() {
    let (rig, host) = (Rig::with(settings().allow_private_documents()).await, Host::start().await);
    host.says(JSON, &host.document());
    let page = host.ask(&rig, "http://localhost:3118/callback").await;
    for shown in ["Robot", "not verified", "Published by", "127.0.0.1", "localhost", "program on this device"]
    {
        assert!(page.text().contains(shown), "{shown}: {page:?}");
    }
    let tokens = rig.tokens(&host.id, WEB_CLIENT).await;
    rig.call(&tokens.access).await.unwrap();
    assert_eq!(host.ask(&rig, "https://evil.example/cb").await.status(), 400);
    assert_eq!(host.requests(), 1, "it is remembered, and its logo is not fetched: {:?}", host.requests);
    // A host that is away ends no login.
    let id = host.id.clone();
    drop(host);
    let later = settings().allow_private_documents();
    let tokens = rig.again_with(later.clone()).refresh(&id, &tokens.refresh).await.tokens();
    // One that may not have such clients any more does.
    let elsewhere = rig.again_with(later.client_hosts(["client.example".to_owned()]));
    assert_eq!(elsewhere.refresh(&id, &tokens.refresh).await.error(), (401, "invalid_client".into()));
}

#[tokio::test]
async fn a_document_that_is_not_in_order_is_refused() {
    let (settings, host) = (settings().allow_private_documents(), Host::start().await);
    let with = |name: &str, value: Value| {
        let mut document = host.document();
        document[name] = value;
        document
    };
    for (head, document) in [
        (JSON, with("client_id", json!("https://other.example/client.json"))),
        (JSON, with("client_id", json!(format!("{}/", host.id)))),
        (JSON, with("client_secret", json!("everybody knows it"))),
        (JSON, with("token_endpoint_auth_method", json!("client_secret_basic"))),
        (JSON, with("redirect_uris", json!(["http://evil.example/cb", "javascript:alert(1)"]))),
        (JSON, with("redirect_uris", json!(vec![WEB_CLIENT; 9]))),
        (JSON, json!([])),
        ("404 Not Found", host.document()),
        ("302 Found\r\nlocation: http://127.0.0.1:1/other.json", host.document()),
    ] {
        host.says(head, &document);
        let rig = Rig::with(settings.clone()).await;
        assert_eq!(host.ask(&rig, WEB_CLIENT).await.status(), 400, "{head} {document}");
    }
    host.says(JSON, &host.document());
    let elsewhere = Rig::with(settings.client_hosts(["client.example".to_owned()])).await;
    let before = host.requests();
    assert_eq!(host.ask(&elsewhere, WEB_CLIENT).await.status(), 400);
    assert_eq!(host.requests(), before, "a host that is not allowed is not asked");
}

/// Limit: max_client_document, client_document_retry.
#[tokio::test]
async fn a_large_document_is_refused_and_not_fetched_again_for_a_minute() {
    let (rig, host) = (Rig::with(settings().allow_private_documents()).await, Host::start().await);
    let mut large = host.document();
    large["client_uri"] = "x".repeat(5 << 10).into();
    host.says(JSON, &large);
    for _ in 0..3 {
        assert_eq!(host.ask(&rig, WEB_CLIENT).await.status(), 400);
    }
    assert_eq!(host.requests(), 1);
    assert_eq!((rig.refusals("max_client_document"), rig.refusals("client_document_retry")), (1, 2));
}

/// Limit: client_document_timeout.
#[tokio::test]
async fn a_document_that_does_not_come_is_not_waited_for() {
    let short = limits().client_document_timeout(Duration::from_millis(20));
    let (rig, host) =
        (Rig::with(settings().allow_private_documents().limits(short)).await, Host::start().await);
    assert_eq!(host.ask(&rig, WEB_CLIENT).await.status(), 400);
    assert_eq!(rig.refusals("client_document_timeout"), 1);
}

/// Limit: max_client_fetches.
#[tokio::test]
async fn few_documents_are_fetched_at_once() {
    let few = limits().max_client_fetches(1).client_document_timeout(Duration::from_millis(200));
    let (rig, host) =
        (Rig::with(settings().allow_private_documents().limits(few)).await, Host::start().await);
    let other = Host::start().await;
    let (first, second) = tokio::join!(host.ask(&rig, WEB_CLIENT), other.ask(&rig, WEB_CLIENT));
    assert_eq!((first.status().as_u16(), second.status().as_u16()), (400, 503));
    assert_eq!((rig.refusals("max_client_fetches"), other.requests()), (1, 0));
}

/// Limit: client_document_min_age, client_document_max_age, max_client_documents.
#[tokio::test]
async fn a_document_is_remembered_within_bounds() {
    let bounds = limits()
        .client_document_min_age(Duration::from_secs(1))
        .client_document_max_age(Duration::from_secs(1))
        .max_client_documents(1);
    let rig = Rig::with(settings().allow_private_documents().limits(bounds)).await;
    let host = Host::start().await;
    host.says(&format!("{JSON}\r\ncache-control: public, max-age=86400"), &host.document());
    for requests in 1..4 {
        assert_eq!(host.ask(&rig, WEB_CLIENT).await.status(), 200);
        assert_eq!(host.requests(), requests);
        advance(Duration::from_secs(2)).await;
    }
    let long = limits().max_client_documents(1);
    let rig = Rig::with(settings().allow_private_documents().limits(long)).await;
    let other = Host::start().await;
    other.says(JSON, &other.document());
    for host in [&host, &other, &host] {
        assert_eq!(host.ask(&rig, WEB_CLIENT).await.status(), 200);
    }
    assert_eq!((host.requests(), other.requests()), (5, 1), "the oldest is forgotten");
}
