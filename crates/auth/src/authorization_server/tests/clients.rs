//! What clients say of themselves: registrations and metadata documents.

use serde_json::json;

use super::support::{Browser, Rig, WEB_CLIENT, authorize_url, settings};
use crate::Verifier;

#[tokio::test]
async fn equal_public_clients_share_one_id_up_to_the_port_of_the_device() {
    let rig = Rig::new().await;
    let one = rig.client(&["http://127.0.0.1:1/cb", WEB_CLIENT]).await;
    assert_eq!(rig.client(&[WEB_CLIENT, "http://127.0.0.1:65000/cb"]).await, one);
    assert_ne!(rig.client(&["http://localhost:1/cb", WEB_CLIENT]).await, one);
    assert_ne!(rig.client(&["http://127.0.0.1:1/other", WEB_CLIENT]).await, one);
}

#[tokio::test]
async fn unusable_redirect_uris_are_dropped_while_a_usable_one_remains() {
    let rig = Rig::new().await;
    let uris = ["cursor://anysphere.cursor-mcp/oauth/callback", "http://evil.example/cb", WEB_CLIENT];
    let registered = rig.register(&json!({ "redirect_uris": uris })).await;
    assert_eq!(
        (registered.status().as_u16(), &registered.json()["redirect_uris"]),
        (201, &json!([WEB_CLIENT]))
    );
    let refused = rig.register(&json!({ "redirect_uris": &uris[..2] })).await;
    assert_eq!(refused.error(), (400, "invalid_redirect_uri".into()));
    let rig = Rig::with(settings().redirect_schemes(["cursor".to_owned()])).await;
    let registered = rig.register(&json!({ "redirect_uris": uris })).await;
    assert_eq!(registered.json()["redirect_uris"], json!([uris[0], WEB_CLIENT]));
    let client = registered.json()["client_id"].as_str().unwrap().to_owned();
    let page = Browser::default()
        .get(&rig, &authorize_url(&client, uris[0], &Verifier::random().unwrap(), ""))
        .await;
    assert!(page.text().contains("cursor: (a program on this device)"), "{page:?}");
}

#[tokio::test]
async fn a_registration_that_asks_for_what_is_not_given_is_refused() {
    let rig = Rig::new().await;
    for (metadata, code) in [
        (json!({}), "invalid_redirect_uri"),
        (json!([]), "invalid_client_metadata"),
        (json!({ "redirect_uris": "https://a.example" }), "invalid_client_metadata"),
        (
            json!({ "redirect_uris": [WEB_CLIENT], "grant_types": ["client_credentials"] }),
            "invalid_client_metadata",
        ),
        (json!({ "redirect_uris": [WEB_CLIENT], "response_types": ["token"] }), "invalid_client_metadata"),
        (
            json!({ "redirect_uris": [WEB_CLIENT], "token_endpoint_auth_method": "private_key_jwt" }),
            "invalid_client_metadata",
        ),
    ] {
        assert_eq!(rig.register(&metadata).await.error(), (400, code.into()), "{metadata}");
    }
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""] {
        let request = http::Request::post("/register").header("host", "mcp.example.com");
        let request = request.header("content-type", content_type);
        let metadata = json!({ "redirect_uris": [WEB_CLIENT] }).to_string();
        let answer = rig.send(request.body(http_body_util::Full::new(metadata.into())).unwrap()).await;
        assert_eq!(answer.error(), (415, "invalid_client_metadata".into()), "{content_type}");
    }
    let closed = Rig::with(settings().registers(false)).await;
    assert_eq!(closed.register(&json!({ "redirect_uris": [WEB_CLIENT] })).await.status(), 404);
}

#[tokio::test]
async fn a_metadata_document_is_never_fetched_from_this_machine_or_a_private_network() {
    let rig = Rig::new().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    for id in [
        format!("https://127.0.0.1:{port}/client.json"),
        format!("https://localhost:{port}/client.json"),
        format!("https://[::1]:{port}/client.json"),
        format!("http://127.0.0.1:{port}/client.json"),
        "https://169.254.169.254/latest/meta-data".to_owned(),
        "https://10.0.0.1/client.json".to_owned(),
        "https://u@client.example/client.json".to_owned(),
        "https://client.example/a/../client.json".to_owned(),
        "https://client.example/client.json#x".to_owned(),
        "https://client.example/".to_owned(),
        "https://client.example".to_owned(),
    ] {
        let page = Browser::default()
            .get(&rig, &authorize_url(&id, WEB_CLIENT, &Verifier::random().unwrap(), ""))
            .await;
        assert_eq!((page.status().as_u16(), page.header("location")), (400, ""), "{id}");
    }
    let connected = tokio::time::timeout(std::time::Duration::from_millis(20), listener.accept()).await;
    assert!(connected.is_err(), "something was sent to {port}");
}
