//! The server's authorization metadata: the metadata of a protected resource (RFC 9728).

use anyport_transport::client::http::{Endpoint, FetchedDocument};
use serde_json::Value;
use url::Url;

use crate::client_session::network::as_http;

/// The finding.
#[derive(Debug, PartialEq)]
pub(super) enum Found {
    /// Metadata that a client can use.
    Good {
        /// Where it lies.
        url: String,
        /// The authorization servers.
        servers: Vec<String>,
    },
    /// Metadata that no client may use.
    Wrong {
        /// Where it lies, or should.
        url: String,
        /// Its fault.
        why: String,
    },
    /// Only what 2025-03-26 knew: the metadata of an authorization server at the same origin.
    Old {
        /// Where it lies.
        url: String,
    },
    /// Nothing.
    None,
}

/// Looks for the metadata of the server at `url`; `named` is where the server says that it lies.
///
/// 2026-07-28, authorization-server-discovery §Protected Resource Metadata Discovery: "MCP clients **MUST** support both
/// discovery mechanisms and use the resource metadata URL from the parsed `WWW-Authenticate` headers when present;
/// otherwise, they **MUST** fall back to constructing and requesting the well-known URIs in the order listed above."
pub(super) async fn find(url: &str, named: Option<&str>) -> Found {
    let Ok(server) = Url::parse(&as_http(url)) else { return Found::None };
    if let Some(named) = named {
        let wrong = |why: String| Found::Wrong { url: named.to_owned(), why };
        let Ok(at) = server.join(named) else {
            return wrong("the server names this, which is no URL".into());
        };
        return match fetch(&server, &at).await {
            Ok(fetched) if fetched.status == 200 => judge(&server, &at, &fetched),
            Ok(fetched) => wrong(format!("HTTP status {}, though the server names it", fetched.status)),
            Err(why) => wrong(why),
        };
    }
    let path = server.path().trim_end_matches('/');
    let places = [format!("/.well-known/oauth-protected-resource{path}"), ROOT.to_owned()];
    let places = if path.is_empty() { &places[1..] } else { &places[..] };
    for place in places {
        let at = beside(&server, place);
        if let Ok(fetched) = fetch(&server, &at).await
            && is_document(&fetched)
        {
            return judge(&server, &at, &fetched);
        }
    }
    let old = beside(&server, "/.well-known/oauth-authorization-server");
    match fetch(&server, &old).await {
        Ok(fetched) if is_document(&fetched) => Found::Old { url: old.into() },
        _ => Found::None,
    }
}

const ROOT: &str = "/.well-known/oauth-protected-resource";

fn beside(server: &Url, path: &str) -> Url {
    let mut url = server.clone();
    url.set_path(path);
    url.set_query(None);
    url.set_fragment(None);
    url
}

/// Fetches what everybody may read: nothing that was given for the server is sent.
async fn fetch(server: &Url, at: &Url) -> Result<FetchedDocument, String> {
    let endpoint = Endpoint::new(at.as_str()).map_err(|fault| fault.to_string())?;
    // Where else a server sends us is its choice, not the user's: it does not lead into private networks.
    let endpoint = if at.origin() == server.origin() { endpoint } else { endpoint.public_only() };
    endpoint.fetch().await.map_err(|fault| fault.to_string())
}

/// Servers of web pages answer any path with a page.
fn is_document(fetched: &FetchedDocument) -> bool {
    fetched.status == 200
        && serde_json::from_slice::<Value>(&fetched.body).is_ok_and(|value| value.is_object())
}

fn judge(server: &Url, at: &Url, fetched: &FetchedDocument) -> Found {
    let url = at.to_string();
    let wrong = |why: String| Found::Wrong { url: url.clone(), why };
    let Ok(metadata) = serde_json::from_slice::<Value>(&fetched.body) else {
        return wrong("this is no JSON".into());
    };
    // RFC 9728 §3.3: "The `resource` value returned MUST be identical to the protected resource's resource identifier
    // value ... If these values are not identical, the data contained in the response MUST NOT be used."
    match metadata["resource"].as_str().map(Url::parse) {
        Some(Ok(resource)) if is_about(&resource, server) => {}
        Some(_) => {
            let about = metadata["resource"].as_str().unwrap_or_default();
            return wrong(format!(
                "it is about the resource {about:.200}, not {}",
                beside(server, server.path())
            ));
        }
        None => return wrong("it does not say which resource it is about".into()),
    }
    // 2026-07-28, authorization-server-discovery §Authorization Server Location: "the `authorization_servers` field
    // containing at least one authorization server".
    let servers = metadata["authorization_servers"].as_array().into_iter().flatten();
    let servers: Vec<String> = servers.filter_map(Value::as_str).map(str::to_owned).collect();
    match servers.is_empty() {
        true => wrong("it names no authorization_servers".into()),
        false => Found::Good { url, servers },
    }
}

/// Whether a resource is the server, or all of a part of its origin that the server is in.
fn is_about(resource: &Url, server: &Url) -> bool {
    let (whole, path) = (resource.path().trim_end_matches('/'), server.path().trim_end_matches('/'));
    resource.origin() == server.origin()
        && path.strip_prefix(whole).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(body: &str) -> Found {
        let server = Url::parse("https://a.example/mcp").unwrap();
        let fetched = FetchedDocument { status: 200, content_type: None, body: body.to_owned().into() };
        judge(&server, &server, &fetched)
    }

    #[test]
    fn metadata_is_used_only_when_it_is_about_the_server_and_names_who_gives_tokens() {
        let why = |body: &str| match judged(body) {
            Found::Wrong { why, .. } => why,
            other => panic!("{other:?}"),
        };
        assert!(why("<html>").contains("no JSON"));
        assert!(why("{}").contains("does not say which resource"));
        let other =
            r#"{"resource": "https://b.example/mcp", "authorization_servers": ["https://c.example"]}"#;
        assert!(why(other).contains("https://b.example/mcp, not https://a.example/mcp"));
        assert!(
            why(r#"{"resource": "https://a.example/mc", "authorization_servers": ["x"]}"#).contains("about")
        );
        assert!(why(r#"{"resource": "https://a.example/mcp"}"#).contains("authorization_servers"));
        for resource in ["https://a.example/mcp", "https://a.example/mcp/", "https://a.example"] {
            let good =
                format!(r#"{{"resource": "{resource}", "authorization_servers": ["https://c.example"]}}"#);
            let servers = vec!["https://c.example".to_owned()];
            assert_eq!(judged(&good), Found::Good { url: "https://a.example/mcp".into(), servers });
        }
    }
}
