//! The documents that published clients have, and documents that are not used.

use anyport_metrics::Metrics;
use serde_json::{Value, json};

use super::*;

fn documents() -> Documents {
    let endpoint = Endpoint::new("https://mcp.example.com/mcp").unwrap();
    let limits = AuthorizationServerLimits::default();
    Documents::new(endpoint, DocumentSettings::default(), limits, Refusals::new(&Metrics::new()))
}

fn read(id: &str, document: &Value) -> Result<Client, DocumentError> {
    documents().read(id, 200, Some(document.to_string().as_bytes()))
}

/// The client of a document, where it sends its users to, and where a stranger would have them sent.
struct Published {
    id: &'static str,
    document: Value,
    redirect_uris: &'static [&'static str],
    other: &'static str,
}

fn published() -> [Published; 5] {
    [
        Published {
            id: "https://claude.ai/oauth/mcp-oauth-client-metadata",
            document: json!({
                "client_name": "Claude",
                "redirect_uris":
                    ["https://claude.ai/api/mcp/auth_callback", "https://claude.com/api/mcp/auth_callback"],
                "token_endpoint_auth_method": "none",
            }),
            redirect_uris: &[
                "https://claude.ai/api/mcp/auth_callback",
                "https://claude.com/api/mcp/auth_callback",
            ],
            other: "https://claude.ai/api/mcp/auth_callback/",
        },
        // The port is that of the day, and nothing says that the program is a native one.
        Published {
            id: "https://claude.ai/oauth/claude-code-client-metadata",
            document: json!({
                "client_name": "Claude Code",
                "redirect_uris": ["http://localhost/callback", "http://127.0.0.1/callback"],
                "token_endpoint_auth_method": "none",
            }),
            redirect_uris: &["http://localhost:3118/callback", "http://127.0.0.1:52163/callback"],
            other: "http://[::1]:3118/callback",
        },
        // It prefers a key, and needs none.
        Published {
            id: "https://chatgpt.com/oauth/1a2b3c/client.json",
            document: json!({
                "client_name": "ChatGPT",
                "redirect_uris": ["https://chatgpt.com/connector/oauth/1a2b3c"],
                "token_endpoint_auth_method": "private_key_jwt",
                "token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
                "jwks_uri": "https://chatgpt.com/oauth/jwks.json",
            }),
            redirect_uris: &["https://chatgpt.com/connector/oauth/1a2b3c"],
            other: "https://chatgpt.com/connector/oauth/other",
        },
        Published {
            id: "https://vscode.dev/oauth/client-metadata.json",
            document: json!({
                "client_name": "Visual Studio Code",
                "redirect_uris":
                    ["http://127.0.0.1:33418/", "http://127.0.0.1/", "https://vscode.dev/redirect"],
                "token_endpoint_auth_method": "none",
                "application_type": "native",
            }),
            redirect_uris: &[
                "http://127.0.0.1:33418/",
                "http://127.0.0.1:51234/",
                "https://vscode.dev/redirect",
            ],
            other: "http://localhost:33418/",
        },
        Published {
            id: "https://opencode.ai/oauth/opencode/client.json",
            document: json!({
                "client_name": "opencode",
                "redirect_uris": ["http://127.0.0.1/callback", "http://localhost/callback"],
                "application_type": "native",
                "token_endpoint_auth_method": "none",
                "token_endpoint_auth_methods_supported": ["none"],
            }),
            redirect_uris: &["http://127.0.0.1:19876/callback"],
            other: "http://127.0.0.1:19876/mcp/oauth/callback",
        },
    ]
}

/// Invariant: The authorization server takes the metadata documents of published clients.
#[test]
fn documents_of_published_clients_are_used() {
    for Published { id, mut document, redirect_uris, other } in published() {
        document["client_id"] = id.into();
        document["grant_types"] = json!(["authorization_code", "refresh_token"]);
        document["response_types"] = json!(["code"]);
        // Never fetched.
        document["logo_uri"] = "https://logo.example/logo.png".into();
        let client = read(id, &document).unwrap();
        assert_eq!((&*client.id, client.name.as_deref()), (id, document["client_name"].as_str()));
        assert!(client.is_proven_by(None), "{id}");
        for uri in redirect_uris {
            assert!(client.has_redirect_uri(uri), "{id} {uri}");
        }
        assert!(!client.has_redirect_uri(other), "{id} {other}");
    }
}

#[test]
fn a_document_that_is_not_of_its_client_or_wants_a_secret_is_not_used() {
    let id = "https://client.example/client.json";
    let with = |name: &str, value: Value| {
        let mut document = json!({ "client_id": id, "redirect_uris": ["https://client.example/callback"] });
        document[name] = value;
        read(id, &document)
    };
    assert!(with("client_name", json!("Robot")).is_ok());
    for (name, value) in [
        ("client_id", json!("https://client.example/client.json/")),
        ("client_id", json!(null)),
        ("client_secret", json!("shared")),
        ("token_endpoint_auth_method", json!("private_key_jwt")),
        ("token_endpoint_auth_method", json!("client_secret_post")),
        ("redirect_uris", json!([])),
        ("redirect_uris", json!(["http://client.example/callback"])),
    ] {
        let found = with(name, value.clone());
        assert!(matches!(found, Err(DocumentError::Unusable(_))), "{name}: {value}");
    }
}
