//! Registrations and authorization requests as published clients send them: what they say of themselves, where they send their
//! users to, and what they add or leave out.

use serde_json::{Value, json};

use super::support::{Browser, Rig, authorize_url, settings};
use crate::Verifier;

/// A client, and its way through.
struct Published {
    name: &'static str,
    /// What it registers.
    registration: Value,
    /// The redirect URIs of it that are kept.
    kept: &'static [&'static str],
    /// Where it has its users sent, one after the other.
    asks: &'static [&'static str],
    /// What it adds to an authorization request.
    adds: &'static str,
    /// Whether it sends a `state`.
    has_state: bool,
}

impl Default for Published {
    fn default() -> Self {
        let (name, registration) = ("", Value::Null);
        Self { name, registration, kept: &[], asks: &[], adds: "&scope=a", has_state: true }
    }
}

const CURSOR: [&str; 3] = [
    "cursor://anysphere.cursor-mcp/oauth/callback",
    "https://www.cursor.com/agents/mcp/oauth/callback",
    "http://localhost:8787/callback",
];

/// Where metadata lists `offline_access`, many ask for it, as OpenID Connect wants it.
const OFFLINE: &str = "&scope=a+offline_access&prompt=consent";

fn grants() -> Value {
    json!(["authorization_code", "refresh_token"])
}

/// Programs at addresses of their own.
fn hosted() -> [Published; 2] {
    [
        Published {
            name: "Claude",
            registration: json!({
                "client_name": "Claude",
                "redirect_uris": ["https://claude.ai/api/mcp/auth_callback"],
                "grant_types": grants(),
                "response_types": ["code"],
                "token_endpoint_auth_method": "none",
                "scope": "a",
            }),
            kept: &["https://claude.ai/api/mcp/auth_callback"],
            asks: &["https://claude.ai/api/mcp/auth_callback"],
            ..Published::default()
        },
        Published {
            name: "ChatGPT",
            registration: json!({
                "client_name": "ChatGPT",
                "redirect_uris": ["https://chatgpt.com/connector_platform_oauth_redirect"],
                "grant_types": grants(),
                "token_endpoint_auth_method": "none",
            }),
            kept: &["https://chatgpt.com/connector_platform_oauth_redirect"],
            asks: &["https://chatgpt.com/connector_platform_oauth_redirect"],
            adds: OFFLINE,
            ..Published::default()
        },
    ]
}

/// Editors and assistants on the user's device.
fn installed() -> [Published; 5] {
    [
        Published {
            name: "Claude Code",
            registration: json!({
                "client_name": "Claude Code (notes)",
                "application_type": "native",
                "redirect_uris": ["http://localhost:3118/callback"],
                "grant_types": grants(),
                "response_types": ["code"],
                "token_endpoint_auth_method": "none",
            }),
            kept: &["http://localhost:3118/callback"],
            asks: &["http://localhost:3118/callback", "http://localhost:52163/callback"],
            ..Published::default()
        },
        // A grant that is not offered, and a second way to the device for servers that know the port alone.
        Published {
            name: "VS Code",
            registration: json!({
                "client_name": "Visual Studio Code",
                "client_uri": "https://code.visualstudio.com",
                "application_type": "native",
                "grant_types":
                    ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
                "response_types": ["code"],
                "redirect_uris": [
                    "https://insiders.vscode.dev/redirect",
                    "https://vscode.dev/redirect",
                    "http://127.0.0.1/",
                    "http://127.0.0.1:33418/",
                ],
                "token_endpoint_auth_method": "none",
            }),
            kept: &[
                "https://insiders.vscode.dev/redirect",
                "https://vscode.dev/redirect",
                "http://127.0.0.1/",
                "http://127.0.0.1:33418/",
            ],
            asks: &["http://127.0.0.1:33418/", "http://127.0.0.1:50123/", "https://vscode.dev/redirect"],
            ..Published::default()
        },
        // It sends three redirect URIs, of which a server takes what it can.
        Published {
            name: "Cursor",
            registration: json!({
                "client_name": "Cursor",
                "redirect_uris": CURSOR,
                "grant_types": grants(),
                "response_types": ["code"],
                "token_endpoint_auth_method": "none",
                "application_type": "web",
            }),
            kept: &["https://www.cursor.com/agents/mcp/oauth/callback", "http://localhost:8787/callback"],
            asks: &["https://www.cursor.com/agents/mcp/oauth/callback", "http://localhost:8787/callback"],
            ..Published::default()
        },
        Published {
            name: "Codex",
            registration: json!({
                "client_name": "Codex",
                "application_type": "native",
                "redirect_uris": ["http://127.0.0.1:37819/callback/5f2a"],
                "grant_types": grants(),
                "response_types": ["code"],
                "token_endpoint_auth_method": "none",
            }),
            kept: &["http://127.0.0.1:37819/callback/5f2a"],
            asks: &["http://127.0.0.1:37819/callback/5f2a"],
            ..Published::default()
        },
        // No type of application.
        Published {
            name: "OpenCode",
            registration: json!({
                "client_name": "OpenCode",
                "client_uri": "https://opencode.ai",
                "redirect_uris": ["http://127.0.0.1:19876/mcp/oauth/callback"],
                "grant_types": grants(),
                "response_types": ["code"],
                "token_endpoint_auth_method": "none",
            }),
            kept: &["http://127.0.0.1:19876/mcp/oauth/callback"],
            asks: &["http://127.0.0.1:19876/mcp/oauth/callback"],
            ..Published::default()
        },
    ]
}

/// Libraries and tools: the last four as they were seen on the wire, with their ports.
fn tools() -> [Published; 5] {
    [
        Published {
            name: "Inspector",
            registration: json!({
                "client_name": "MCP Inspector",
                "client_uri": "https://github.com/modelcontextprotocol/inspector",
                "redirect_uris": ["http://localhost:6274/oauth/callback", "http://localhost:6274/oauth/callback/debug"],
                "grant_types": grants(),
                "response_types": ["code"],
                "token_endpoint_auth_method": "none",
                "scope": "a",
            }),
            kept: &["http://localhost:6274/oauth/callback", "http://localhost:6274/oauth/callback/debug"],
            asks: &["http://localhost:6274/oauth/callback", "http://localhost:6274/oauth/callback/debug"],
            ..Published::default()
        },
        Published {
            name: "mcp-remote",
            registration: json!({
                "redirect_uris": ["http://localhost:20377/oauth/callback"],
                "token_endpoint_auth_method": "none",
                "grant_types": grants(),
                "response_types": ["code"],
                "client_name": "MCP CLI Proxy",
                "client_uri": "https://github.com/modelcontextprotocol/mcp-cli",
                "software_id": "2e6dc280-f3c3-4e01-99a7-8181dbd1d23d",
                "software_version": "0.15.1",
                "application_type": "native",
            }),
            kept: &["http://localhost:20377/oauth/callback"],
            asks: &["http://localhost:20377/oauth/callback"],
            adds: OFFLINE,
            ..Published::default()
        },
        Published {
            name: "mcporter",
            registration: json!({
                "client_name": "mcporter (notes)",
                "redirect_uris": ["http://127.0.0.1:33089/callback"],
                "grant_types": grants(),
                "response_types": ["code"],
                "token_endpoint_auth_method": "none",
            }),
            kept: &["http://127.0.0.1:33089/callback"],
            asks: &["http://127.0.0.1:33089/callback"],
            ..Published::default()
        },
        // It names no way to prove itself, and expects that the answer does.
        Published {
            name: "Python SDK",
            registration: json!({
                "response_types": ["code"],
                "client_name": "Python SDK",
                "redirect_uris": ["http://127.0.0.1:9/callback"],
                "grant_types": grants(),
                "application_type": "native",
                "scope": "a offline_access",
            }),
            kept: &["http://127.0.0.1:9/callback"],
            asks: &["http://127.0.0.1:9/callback"],
            adds: OFFLINE,
            ..Published::default()
        },
        Published {
            name: "TypeScript SDK",
            registration: json!({
                "client_name": "TypeScript SDK",
                "redirect_uris": ["http://127.0.0.1:44113/callback"],
                "grant_types": grants(),
                "response_types": ["code"],
                "token_endpoint_auth_method": "none",
                "application_type": "native",
                "scope": "a offline_access",
            }),
            kept: &["http://127.0.0.1:44113/callback"],
            asks: &["http://127.0.0.1:44113/callback"],
            adds: OFFLINE,
            has_state: false,
        },
    ]
}

/// Invariant: Published clients register at the authorization server, and their users are sent back to the very URI that was asked.
#[tokio::test]
async fn published_clients_register_and_sign_in() {
    // The browser of one user: he signs in once, and consents each time.
    let (rig, mut browser) = (Rig::new().await, Browser::default());
    for client in hosted().into_iter().chain(installed()).chain(tools()) {
        let Published { name, registration, kept, asks, adds, has_state } = client;
        let registered = rig.register(&registration).await;
        assert_eq!(registered.status(), 201, "{name}: {registered:?}");
        let registered = registered.json();
        assert_eq!(registered["redirect_uris"], json!(kept), "{name}");
        assert_eq!(registered["token_endpoint_auth_method"], "none", "{name}");
        assert_eq!(registered["grant_types"], grants(), "{name}");
        let id = registered["client_id"].as_str().unwrap();
        for asked in asks {
            let verifier = Verifier::random().unwrap();
            let url = authorize_url(id, asked, &verifier, adds);
            let url = if has_state { url } else { url.replace("&state=a+state", "") };
            let answer = browser.sign_in(&rig, &url).await;
            let location = answer.header("location");
            let (to, _) = location.split_once('?').unwrap_or_else(|| panic!("{name}: {answer:?}"));
            assert_eq!(to, *asked, "{name}");
            assert_eq!(answer.parameter("state").is_some(), has_state, "{name}");
            let code = answer.parameter("code").unwrap();
            let tokens = rig.redeem(id, asked, &code, &verifier).await.tokens();
            rig.call(&tokens.access).await.unwrap();
            rig.refresh(id, &tokens.refresh).await.tokens();
        }
        // Nobody else is sent a code: the user sees a page.
        for other in ["https://evil.example/callback", "http://127.0.0.1:9/other"] {
            let url = authorize_url(id, other, &Verifier::random().unwrap(), adds);
            let page = Browser::default().get(&rig, &url).await;
            assert_eq!((page.status().as_u16(), page.header("location")), (400, ""), "{name}: {other}");
        }
    }
}

#[tokio::test]
async fn cursor_keeps_its_scheme_where_that_is_allowed() {
    let rig = Rig::with(settings().redirect_schemes(["cursor".to_owned()])).await;
    let [_, _, Published { registration, .. }, ..] = installed();
    let registered = rig.register(&registration).await;
    assert_eq!(registered.json()["redirect_uris"], json!(CURSOR));
    let id = registered.json()["client_id"].as_str().unwrap().to_owned();
    let url = authorize_url(&id, CURSOR[0], &Verifier::random().unwrap(), "");
    let answer = Browser::default().sign_in(&rig, &url).await;
    assert!(answer.header("location").starts_with("cursor://anysphere.cursor-mcp/oauth/callback?"));
}
