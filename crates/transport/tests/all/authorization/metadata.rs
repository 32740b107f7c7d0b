//! The metadata of a protected resource (RFC 9728).

use anyport_transport::http::{Authentication, Config, ProtectedResource, Token};
use serde_json::{Value, json};

use super::{config, verifier::Scripted};
use crate::common::{Server, client::Verb};

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

fn document(resource: &str) -> Value {
    json!({
        "resource": format!("https://mcp.example/base{resource}"),
        "authorization_servers": ["https://login.example"],
        "bearer_methods_supported": ["header"],
        "scopes_supported": ["read"],
        "resource_name": "A \"server\"",
        "dpop_signing_alg_values_supported": ["ES256", "EdDSA"],
    })
}

#[tokio::test]
async fn each_endpoint_has_metadata_and_the_first_one_at_the_root_as_well() {
    let server = Server::start(config(&Scripted::default())).await;
    for (path, resource) in [
        ("", "/mcp"),
        ("/mcp", "/mcp"),
        // As clients see the path that a proxy removes a part of.
        ("/base/mcp", "/mcp"),
        ("/s/files/mcp", "/s/files/mcp"),
        ("/base/s/files/mcp", "/s/files/mcp"),
    ] {
        // By whatever name the server is reached.
        for host in ["localhost", "127.0.0.1:1", "mcp.example"] {
            let verb = Verb::new("GET", &format!("{WELL_KNOWN}{path}")).set("Host", host);
            let response = server.ask(&verb).await;
            assert_eq!((response.status, response.json()), (200, document(resource)), "{path}");
            assert_eq!(response.header("content-type"), Some("application/json"));
        }
    }
    for path in ["/", "/mcp/", "/mcpx", "/s/none/mcp", "/sse", "x"] {
        let response = server.ask(&Verb::new("GET", &format!("{WELL_KNOWN}{path}"))).await;
        assert_eq!(response.status, 404, "{path}");
    }
}

#[tokio::test]
async fn any_page_may_read_metadata() {
    let server = Server::start(config(&Scripted::default())).await;
    let verb = |method| Verb::new(method, &format!("{WELL_KNOWN}/mcp")).add("Origin", "https://any.example");
    let get = server.ask(&verb("GET")).await;
    assert_eq!((get.status, get.header("access-control-allow-origin")), (200, Some("*")));
    let length = get.body.len().to_string();
    let mut connection = server.connect().await;
    let head = connection.begin(&verb("HEAD")).await;
    assert_eq!((head.status, head.header("content-length")), (200, Some(&*length)));
    let preflight = verb("OPTIONS").add("Access-Control-Request-Method", "GET");
    let preflight =
        server.ask(&preflight.add("Access-Control-Request-Headers", "mcp-protocol-version")).await;
    assert_eq!((preflight.status, preflight.header("access-control-allow-origin")), (204, Some("*")));
    assert_eq!(preflight.header("access-control-allow-headers"), Some("*"));
    let put = server.ask(&verb("PUT")).await;
    assert_eq!((put.status, put.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
    // A name that is not ours is refused here as well.
    assert_eq!(server.ask(&verb("GET").set("Host", "evil.example")).await.status, 421);
}

#[tokio::test]
async fn without_an_authorization_server_there_is_no_metadata() {
    let configs = [
        Config::default(),
        config(&Scripted::default()).resource(ProtectedResource::default()),
        config(&Scripted::default()).public_url(None),
        config(&Scripted::default())
            .resource(ProtectedResource::default())
            .authentication(Authentication::Tokens(vec![Token::new("ada", "sesame")])),
    ];
    for config in configs {
        let is_open = matches!(config.authentication, Authentication::Anonymous);
        let server = Server::start(config).await;
        for path in [WELL_KNOWN.to_owned(), format!("{WELL_KNOWN}/mcp")] {
            assert_eq!(server.ask(&Verb::new("GET", &path)).await.status, 404);
        }
        let refused = server.ask(&Verb::new("DELETE", "/mcp")).await;
        let challenge = refused.headers.iter().find(|(name, _)| name == "www-authenticate");
        let challenge = challenge.map(|(_, value)| value.as_str());
        assert_eq!(challenge, Some("Bearer").filter(|_| !is_open), "{refused:?}");
    }
}
