//! `Mcp-Param-*`: arguments that are repeated in headers.

use anyport::http::{Config, ConnectInfo, Endpoint};
use anyport_service::{Context, Reply, Request, Service};
use anyport_tests::bridged::{Bridged, Peer, Way, legacy};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};

use super::{M, errors::placed, good, next, quiet};

/// A modern call of the tool `go`, with these headers beside those that every call has.
async fn call(endpoint: &Endpoint, arguments: Value, headers: &[(&str, &str)]) -> (u16, Value) {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": M.as_str(),
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let params = json!({"name": "go", "arguments": arguments, "_meta": meta});
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
    let mut request = http::Request::post("/mcp")
        .header("host", "localhost")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", M.as_str())
        .header("mcp-method", "tools/call")
        .header("mcp-name", "go");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::from(message.to_string()))).unwrap();
    let response = endpoint.handle(request, ConnectInfo::default()).await;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

/// Lists the tools, so that their annotations are known.
async fn listed(bridged: &mut Bridged) -> Peer {
    let mut client = bridged.client(M, json!({})).await;
    let listing = client.begin("tools/list", json!({})).unwrap();
    let mut peer = bridged.server().await;
    peer.hears("tools/list").await.answers(placed());
    good(client.end(listing).await.unwrap());
    peer
}

/// What a policy would be that sets an argument, whoever calls.
struct Fixed(anyport_gateway::Bridge);

impl Service for Fixed {
    fn call(&self, mut request: Request, context: Context) -> Reply {
        let mut params: Value = request.params.raw().decode().unwrap();
        if params["name"] == "go" {
            params["arguments"]["place"] = "Bern".into();
            request.params = anyport::protocol::Raw::from(params).into();
            // The headers were about the arguments as they came.
            return self.0.call(request, context.without_param_headers());
        }
        self.0.call(request, context)
    }
}

#[tokio::test(start_paused = true)]
async fn param_headers_after_fixed_arguments() {
    let mut bridged = quiet(Way::Http, M);
    let mut peer = listed(&mut bridged).await;
    let endpoint = Endpoint::new(Fixed(bridged.bridge().clone()), Config::default());
    for headers in [&[][..], &[("mcp-param-place", "Basel")], &[("mcp-param-other", "1")]] {
        let arguments = json!({"place": "Basel"});
        let calling = call(&endpoint, arguments, headers);
        let serving = async {
            let heard = peer.hears("tools/call").await;
            assert_eq!(heard.message["params"]["arguments"]["place"], "Bern");
            assert_eq!(heard.header("mcp-param-place"), "Bern", "from the final arguments");
            assert_eq!(heard.headers.get_all("mcp-param-place").iter().count(), 1);
            heard.answers(r#"{"resultType":"complete","content":[]}"#);
        };
        let ((status, answer), ()) = tokio::join!(calling, serving);
        assert_eq!(status, 200, "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn param_checked_not_sent() {
    for server in legacy().chain([M]) {
        for way in [Way::Lines, Way::Http] {
            let pair = format!("{server} {way:?}");
            let mut bridged = quiet(way, server);
            let mut peer = listed(&mut bridged).await;
            // 2026-07-28, streamable-http §Server Validation.
            for (arguments, headers) in [
                (json!({"place": "Bern"}), &[("mcp-param-place", "Basel")][..]),
                (json!({"place": "Bern"}), &[]),
                (json!({}), &[("mcp-param-place", "Bern")]),
                (json!({"place": "Bern"}), &[("mcp-param-place", "Bern"), ("mcp-param-place", "Bern")]),
            ] {
                let (status, refused) = call(bridged.endpoint(), arguments, headers).await;
                assert_eq!((status, &refused["error"]["code"]), (400, &json!(-32020)), "{pair}: {refused}");
            }
            peer.hears_nothing().await;

            let headers = [("mcp-param-place", "Bern"), ("mcp-param-other", "1")];
            let calling = call(bridged.endpoint(), json!({"place": "Bern"}), &headers);
            let serving = async {
                let heard = peer.hears("tools/call").await;
                let (place, other) = match server == M && way == Way::Http {
                    // What nobody here knows is for a modern server to judge.
                    true => ("Bern", "1"),
                    false => ("", ""),
                };
                assert_eq!(
                    (heard.header("mcp-param-place"), heard.header("mcp-param-other")),
                    (place, other),
                    "{pair}"
                );
                heard.answers(r#"{"resultType":"complete","content":[]}"#);
            };
            let ((status, answer), ()) = tokio::join!(calling, serving);
            assert_eq!(status, 200, "{pair}: {answer}");
        }
    }
}

/// 2026-07-28, streamable-http §Server Behavior for Custom Headers: "Any server that processes the message body MUST
/// validate that encoded header values [...] match the corresponding values in the request body."
#[tokio::test(start_paused = true)]
async fn a_header_that_contradicts_its_argument_is_refused_although_nobody_has_listed_the_tools() {
    for server in legacy().chain([M]) {
        for way in [Way::Lines, Way::Http] {
            let pair = format!("{server} {way:?}");
            let mut bridged = quiet(way, server);
            let client = bridged.client(M, json!({})).await;
            let basel = [("mcp-param-place", "Basel")];
            let endpoint = Endpoint::new(bridged.bridge().clone(), Config::default());
            let calling = call(&endpoint, json!({"place": "Bern"}), &basel);
            let serving = async {
                let mut peer = bridged.server().await;
                let heard = next(&mut peer, "tools/list").await;
                assert_eq!(heard.header("mcp-param-place"), "", "{pair}: it is one of the call");
                heard.answers(placed());
                peer
            };
            let ((status, refused), mut peer) = tokio::join!(calling, serving);
            assert_eq!((status, &refused["error"]["code"]), (400, &json!(-32020)), "{pair}: {refused}");
            let words = refused["error"]["message"].as_str().unwrap();
            assert!(words.contains("Mcp-Param-Place differs from the argument (place)"), "{pair}: {words}");
            peer.hears_nothing().await;

            // The list is known from now on, and one that fits goes on as it came.
            let calling = call(bridged.endpoint(), json!({"place": "Basel"}), &basel);
            let serving = async {
                let heard = peer.hears("tools/call").await;
                let has_headers = server == M && way == Way::Http;
                let sent = if has_headers { "Basel" } else { "" };
                assert_eq!(heard.header("mcp-param-place"), sent, "{pair}");
                heard.answers(r#"{"resultType":"complete","content":[]}"#);
            };
            let ((status, answer), ()) = tokio::join!(calling, serving);
            assert_eq!(status, 200, "{pair}: {answer}");
            drop(client);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_with_headers_is_not_sent_if_its_tool_cannot_be_listed() {
    let mut bridged = quiet(Way::Lines, M);
    let client = bridged.client(M, json!({})).await;
    let headers = [("mcp-param-place", "Basel")];
    let endpoint = Endpoint::new(bridged.bridge().clone(), Config::default());
    let calling = call(&endpoint, json!({"place": "Bern"}), &headers);
    let serving = async {
        let mut peer = bridged.server().await;
        next(&mut peer, "tools/list").await.fails(-32603, "not now", Value::Null);
        peer
    };
    let ((_, refused), mut peer) = tokio::join!(calling, serving);
    assert_eq!(refused["error"]["message"], "not now");
    peer.hears_nothing().await;
    // A server without lists has no tool whose headers it could know.
    let calling = call(bridged.endpoint(), json!({"place": "Bern"}), &headers);
    let serving = async {
        next(&mut peer, "tools/list").await.fails(-32601, "no such method", Value::Null);
        next(&mut peer, "tools/call").await.answers(r#"{"resultType":"complete","content":[]}"#);
    };
    let ((status, answer), ()) = tokio::join!(calling, serving);
    assert_eq!(status, 200, "{answer}");
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn param_headers_from_arguments() {
    for client_revision in legacy() {
        let mut bridged = quiet(Way::Http, M);
        let mut client = bridged.client(client_revision, json!({})).await;
        let mut peer = bridged.server().await;
        let listing = client.begin("tools/list", json!({})).unwrap();
        next(&mut peer, "tools/list").await.answers(placed());
        good(client.end(listing).await.unwrap());
        for (arguments, header) in [
            (json!({"place": "Bern"}), Some("Bern")),
            (json!({"place": " Bern"}), Some("=?base64?IEJlcm4=?=")),
            (json!({"place": null, "n": 1}), None),
            (json!({}), None),
        ] {
            let call = client.begin("tools/call", json!({"name": "go", "arguments": arguments})).unwrap();
            let heard = next(&mut peer, "tools/call").await;
            let got = heard.headers.get("mcp-param-place").map(|value| value.to_str().unwrap());
            assert_eq!(got, header, "{client_revision}: {arguments}");
            assert_eq!((heard.header("mcp-method"), heard.header("mcp-name")), ("tools/call", "go"));
            assert_eq!(heard.header("mcp-protocol-version"), M.as_str());
            heard.answers(r#"{"resultType":"complete","content":[]}"#);
            good(client.end(call).await.unwrap());
        }
    }
}
