//! The metadata of a protected resource (RFC 9728): where it is, and what of it is believed.

use serde::Deserialize;
use url::Url;

use crate::shown::shown;

/// What a server says of itself as a protected resource.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ResourceMetadata {
    /// The resource, as it is sent to the authorization server: byte for byte.
    pub resource: String,
    /// The issuers that give tokens for it; at least one.
    #[serde(default)]
    pub authorization_servers: Vec<String>,
    /// The scopes of basic use.
    pub scopes_supported: Option<Vec<String>>,
    /// Whether it takes only tokens that are bound to a key (DPoP).
    #[serde(default)]
    pub dpop_bound_access_tokens_required: bool,
}

/// Why metadata of a resource is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResourceMetadataError {
    /// It is no JSON object with `resource`.
    #[error("it is no metadata of a protected resource: {0}")]
    Malformed(String),
    /// It is about another server.
    #[error("it is about the resource {0:?}, which the server is not in")]
    OtherResource(String),
    /// Nobody gives tokens for it.
    #[error("it names no authorization_servers")]
    NoServer,
}

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// Where the metadata of the server at `server` may be, in order, if the server does not say where.
///
/// 2026-07-28, authorization-server-discovery §Protected Resource Metadata Discovery Requirements: "MCP clients **MUST** support
/// both discovery mechanisms and use the resource metadata URL from the parsed `WWW-Authenticate` headers when present;
/// otherwise, they **MUST** fall back to constructing and requesting the well-known URIs in the order listed above": at the path
/// of the server's MCP endpoint, then at the root.
pub fn resource_metadata_places(server: &Url) -> Vec<Url> {
    let root = at(server, WELL_KNOWN);
    match server.path().trim_end_matches('/') {
        "" => vec![root],
        path => vec![at(server, &format!("{WELL_KNOWN}{path}")), root],
    }
}

/// `path` at the origin of `server`.
pub(crate) fn at(server: &Url, path: &str) -> Url {
    let mut url = server.clone();
    url.set_path(path);
    url.set_query(None);
    url.set_fragment(None);
    url
}

impl ResourceMetadata {
    /// Reads metadata of the server at `server`. If the user has given the issuer, it need not name one.
    ///
    /// # Errors
    /// [`ResourceMetadataError`]: nothing of it may then be used.
    pub fn parse(
        document: &[u8],
        server: &Url,
        issuer_is_given: bool,
    ) -> Result<Self, ResourceMetadataError> {
        let metadata: Self = serde_json::from_slice(document)
            .map_err(|error| ResourceMetadataError::Malformed(error.to_string()))?;
        if !is_within(server, &metadata.resource) {
            let resource = shown(&metadata.resource);
            return Err(ResourceMetadataError::OtherResource(resource));
        }
        // 2026-07-28, authorization-server-discovery §Authorization Server Location: "The Protected Resource Metadata document
        // returned by the MCP server **MUST** include the `authorization_servers` field containing at least one authorization
        // server."
        if metadata.authorization_servers.is_empty() && !issuer_is_given {
            return Err(ResourceMetadataError::NoServer);
        }
        Ok(metadata)
    }
}

/// Whether `resource` is the URL of the server, or a prefix of whole path segments on its origin.
///
/// RFC 9728 §3.3 wants the very URL; many servers name their origin for all that is below it, which is as safe: only they can be
/// there.
fn is_within(server: &Url, resource: &str) -> bool {
    let Ok(resource) = Url::parse(resource) else { return false };
    let (whole, path) = (resource.path().trim_end_matches('/'), server.path().trim_end_matches('/'));
    let is_plain = resource.fragment().is_none()
        && resource.username().is_empty()
        && resource.password().is_none()
        && resource.query().is_none_or(|query| server.query() == Some(query));
    is_plain
        && resource.origin() == server.origin()
        && path.strip_prefix(whole).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The canonical URI of the server, for one that has no metadata.
///
/// 2026-07-28, authorization §Canonical Server URI: "implementations **SHOULD** consistently use the form without the trailing
/// slash for better interoperability", and none has a fragment.
pub fn canonical_resource(server: &Url) -> String {
    let mut url = server.clone();
    url.set_fragment(None);
    let text = String::from(url);
    match text.split_once('?') {
        Some(_) => text,
        None => text.trim_end_matches('/').to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn the_path_comes_before_the_root() {
        let places = |server: &str| {
            resource_metadata_places(&url(server)).into_iter().map(String::from).collect::<Vec<_>>()
        };
        assert_eq!(
            places("https://example.com/public/mcp?key=1#x"),
            [
                "https://example.com/.well-known/oauth-protected-resource/public/mcp",
                "https://example.com/.well-known/oauth-protected-resource"
            ]
        );
        assert_eq!(
            places("https://example.com/"),
            ["https://example.com/.well-known/oauth-protected-resource"]
        );
    }

    #[test]
    fn only_a_resource_that_the_server_is_in_is_believed() {
        let server = url("https://a.example/team/mcp");
        for (resource, is_believed) in [
            ("https://a.example/team/mcp", true),
            ("https://a.example/team/mcp/", true),
            ("https://a.example/team", true),
            ("https://a.example", true),
            ("https://A.example:443/", true),
            ("https://a.example/te", false),
            ("https://a.example/team/mcp/x", false),
            ("https://a.example/other", false),
            ("https://b.example/team/mcp", false),
            ("http://a.example/team/mcp", false),
            ("https://a.example:8443/team/mcp", false),
            ("https://me@a.example/team/mcp", false),
            ("https://a.example/team/mcp#x", false),
            ("https://a.example/team/mcp?tenant=1", false),
            ("a.example", false),
        ] {
            let document =
                serde_json::json!({"resource": resource, "authorization_servers": ["https://b.example"]});
            let read = ResourceMetadata::parse(document.to_string().as_bytes(), &server, false);
            assert_eq!(read.is_ok(), is_believed, "{resource}: {read:?}");
            if let Ok(read) = read {
                assert_eq!(read.resource, resource, "it is sent as it was written");
            }
        }
    }

    #[test]
    fn a_document_without_a_server_is_refused() {
        let server = url("https://a.example/mcp");
        let of = |document: &str| ResourceMetadata::parse(document.as_bytes(), &server, false).unwrap_err();
        assert!(matches!(of("<html>"), ResourceMetadataError::Malformed(_)));
        assert!(matches!(of("{}"), ResourceMetadataError::Malformed(_)));
        assert_eq!(of(r#"{"resource": "https://a.example/mcp"}"#), ResourceMetadataError::NoServer);
    }

    #[test]
    fn the_canonical_uri_has_no_slash_at_its_end() {
        for (server, canonical) in [
            ("https://mcp.example.com/", "https://mcp.example.com"),
            ("https://MCP.example.com/mcp/", "https://mcp.example.com/mcp"),
            ("https://mcp.example.com:8443/mcp#x", "https://mcp.example.com:8443/mcp"),
        ] {
            assert_eq!(canonical_resource(&url(server)), canonical);
        }
    }
}
