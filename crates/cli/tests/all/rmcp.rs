//! Another implementation's client, rmcp, on our documents: both transports, both eras.
//!
//! Invariant: Clients of other projects work with our servers, over every transport and era that they
//! support.

use std::process::Stdio;

use crate::support::{Program, anyport, documents, folder};
use rmcp::{
    RoleClient, ServiceExt as _,
    model::{
        CallToolRequestParams, JsonObject, ProtocolVersion, ReadResourceRequestParams, ResourceContents,
        SubscriptionFilter,
    },
    service::{ClientLifecycleMode, ClientServiceExt as _, RunningService},
    transport::{StreamableHttpClientTransport, TokioChildProcess},
};
use serde_json::{Value, json};

/// The documents, in the order of their paths.
const PATHS: [&str; 3] = ["guides/release checklist.md", "python/testing.md", "rust/errors.md"];

type Client = RunningService<RoleClient, ()>;

fn modern() -> ClientLifecycleMode {
    ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] }
}

async fn call(client: &Client, tool: &'static str, arguments: Value) -> Value {
    let arguments: JsonObject = serde_json::from_value(arguments).unwrap();
    let result = client.call_tool(CallToolRequestParams::new(tool).with_arguments(arguments)).await.unwrap();
    assert_ne!(result.is_error, Some(true), "{result:?}");
    result.structured_content.unwrap()
}

/// Everything that a client of documents does.
async fn use_documents(client: Client, revision: ProtocolVersion) {
    assert_eq!(client.peer_info().unwrap().protocol_version, revision);
    let tools = client.list_all_tools().await.unwrap();
    let names: Vec<_> = tools.iter().map(|tool| tool.name.as_ref()).collect();
    assert_eq!(names, ["get_stdlib", "search_docs", "list_docs", "get_doc", "health_check"]);

    let standard = call(&client, "get_stdlib", json!({"language": "python", "domain": "testing"})).await;
    assert_eq!(standard["found"], true);
    assert_eq!(standard["title"], "Python Testing Standards");
    assert!(standard["content"].as_str().unwrap().contains("named for the behaviour"), "{standard}");
    let none = call(&client, "get_stdlib", json!({"language": "python", "domain": "security"})).await;
    assert_eq!(none["found"], false);
    let listing = call(&client, "list_docs", json!({})).await;
    let paths: Vec<_> =
        listing["documents"].as_array().unwrap().iter().map(|document| &document["path"]).collect();
    assert_eq!(paths, PATHS);

    let resources = client.list_all_resources().await.unwrap();
    assert_eq!(resources.len(), PATHS.len());
    for resource in resources {
        let read = client.read_resource(ReadResourceRequestParams::new(resource.uri.clone())).await.unwrap();
        let [ResourceContents::TextResourceContents { uri, text, .. }] = &*read.contents else {
            panic!("{read:?}");
        };
        assert_eq!((uri, text.is_empty()), (&resource.uri, false));
    }
    let missing = client.read_resource(ReadResourceRequestParams::new("docs:///missing.md")).await;
    assert!(missing.unwrap_err().to_string().contains("missing.md"));
    let templates = client.list_all_resource_templates().await.unwrap();
    assert_eq!(templates[0].uri_template, "docs:///{+path}");
    client.cancel().await.unwrap();
}

/// A client that starts the program, which goes with the client.
fn child(home: &std::path::Path) -> TokioChildProcess {
    let mut command = anyport(home);
    command.args(["serve", "--stdio", "--docs"]).arg(documents());
    let command = tokio::process::Command::from(command);
    TokioChildProcess::builder(command).stderr(Stdio::null()).spawn().unwrap().0
}

#[tokio::test]
async fn stdio_legacy() {
    let home = folder(&[]);
    let client = ().serve(child(home.path())).await.unwrap();
    use_documents(client, ProtocolVersion::V_2025_11_25).await;
}

#[tokio::test]
async fn stdio_modern() {
    let home = folder(&[]);
    let client = ().serve_with_lifecycle(child(home.path()), modern()).await.unwrap();
    use_documents(client, ProtocolVersion::V_2026_07_28).await;
}

#[tokio::test]
async fn http_legacy() {
    let (_program, server) = Program::http(&[]);
    let client = ().serve(StreamableHttpClientTransport::from_uri(server.url())).await.unwrap();
    use_documents(client, ProtocolVersion::V_2025_11_25).await;
}

#[tokio::test]
async fn http_modern() {
    let (_program, server) = Program::http(&[]);
    let transport = StreamableHttpClientTransport::from_uri(server.url());
    let client = ().serve_with_lifecycle(transport, modern()).await.unwrap();
    use_documents(client, ProtocolVersion::V_2026_07_28).await;
}

#[tokio::test]
async fn a_client_that_takes_either_era_finds_the_newest() {
    let (_program, server) = Program::http(&[]);
    let either = ClientLifecycleMode::Auto {
        preferred_versions: vec![ProtocolVersion::V_2026_07_28],
        legacy_version: None,
    };
    let transport = StreamableHttpClientTransport::from_uri(server.url());
    let client = ().serve_with_lifecycle(transport, either).await.unwrap();
    use_documents(client, ProtocolVersion::V_2026_07_28).await;
}

#[tokio::test]
async fn a_client_that_takes_either_era_falls_back_where_only_the_older_is_spoken() {
    let (_program, server) = Program::http(&["--era", "legacy"]);
    let either = ClientLifecycleMode::Auto {
        preferred_versions: vec![ProtocolVersion::V_2026_07_28],
        legacy_version: None,
    };
    let transport = StreamableHttpClientTransport::from_uri(server.url());
    let client = ().serve_with_lifecycle(transport, either).await.unwrap();
    use_documents(client, ProtocolVersion::V_2025_11_25).await;
}

#[tokio::test]
async fn a_client_listens_and_stops_listening() {
    let home = folder(&[]);
    let (_program, server) = Program::http(&[]);
    let http = StreamableHttpClientTransport::from_uri(server.url());
    for client in [
        ().serve_with_lifecycle(child(home.path()), modern()).await.unwrap(),
        ().serve_with_lifecycle(http, modern()).await.unwrap(),
    ] {
        let filter: SubscriptionFilter =
            serde_json::from_value(json!({"resourceSubscriptions": ["docs:///rust/errors.md"]})).unwrap();
        let mut subscription = client.listen(filter).await.unwrap();
        subscription.cancel().await.unwrap();
        use_documents(client, ProtocolVersion::V_2026_07_28).await;
    }
}
