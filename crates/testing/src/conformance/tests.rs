use std::time::Duration;

use anyport_protocol::{Raw, Revision};
use anyport_server::{Context as ServerContext, NoArguments, Server, Tool};
use anyport_service::{Context, Reply, Request, Service};
use serde_json::json;

use super::{Breach, Conformance, assert_conforms};
use crate::Link;

fn server() -> Server {
    let sleep = Tool::new("sleep").run(async |_: NoArguments, _: ServerContext| {
        tokio::time::sleep(Duration::from_secs(600)).await;
        "slept"
    });
    Server::builder("sleepy", "1.0.0").add(sleep).build().unwrap()
}

#[tokio::test]
async fn a_server_of_ours_conforms() {
    assert_conforms(server()).await;
}

#[tokio::test]
async fn a_slow_tool_is_cancelled() {
    let check = Conformance::new().cancelling("sleep", json!({}));
    let breaches = check.breaches(async || Ok(Link::stdio(server()))).await;
    super::assert_none(&breaches);
}

/// Says the same to everything.
#[derive(Clone)]
struct Wrong(serde_json::Value);

impl Service for Wrong {
    fn call(&self, request: Request, _: Context) -> Reply {
        if &*request.method == "server/discover" {
            return Reply::ready(Ok(Raw::from(json!({
                "resultType": "complete", "supportedVersions": ["2026-07-28"], "ttlMs": 0, "cacheScope": "private",
                "capabilities": {"tools": {}, "resources": {}, "prompts": {}},
                "serverInfo": {"name": "wrong", "version": "1"},
            }))));
        }
        Reply::ready(Ok(Raw::from(self.0.clone())))
    }
}

async fn broken(service: Wrong) -> Vec<Breach> {
    let check = Conformance::new().revisions(&[Revision::V2026_07_28]);
    check.breaches(async || Ok(Link::stdio(service.clone()))).await
}

#[tokio::test]
async fn what_is_wrong_is_told_with_its_page_and_section() {
    let tools = json!([
        {"name": "two words", "inputSchema": {"type": "object"}},
        {"name": "a", "inputSchema": {"type": "object", "properties": {"x": {"type": "wrong"}}}},
        {"name": "a", "inputSchema": {"type": "object", "$ref": "https://example.com/schema.json"}},
    ]);
    let breaches = broken(Wrong(json!({
        "resultType": "complete", "ttlMs": 0, "cacheScope": "private", "nextCursor": "again", "tools": tools,
        "resources": [], "resourceTemplates": [], "prompts": [],
    })))
    .await;
    let told: Vec<String> = breaches.iter().map(ToString::to_string).collect();
    for part in [
        "server/tools §Tool Names: Tool names SHOULD be between",
        "the name \"two words\"",
        "the name \"a\" stands there twice",
        "the inputSchema of \"a\"",
        "server/utilities/pagination §Response Format",
        "the cursor \"again\" comes twice",
        "no/such/method {} is answered with the result",
        "server/resources §Error Handling",
        "server/prompts §Error Handling",
        "schema §",
    ] {
        assert!(told.iter().any(|told| told.contains(part)), "{part} is not in\n{}", told.join("\n"));
    }
    // Two on each of two pages.
    assert_eq!(told.iter().filter(|told| told.contains("the inputSchema of")).count(), 4, "{told:#?}");
    assert!(
        breaches.iter().any(Breach::is_of_a_must) && breaches.iter().any(|breach| !breach.is_of_a_must())
    );
}
