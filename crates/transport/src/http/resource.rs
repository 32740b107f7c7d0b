//! What an endpoint says of itself as a protected resource (RFC 9728): its metadata, and the challenges that lead there.

use anyport_service::Authorization;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header, header::HeaderValue, request::Parts};
use serde_json::json;

use super::{
    body::{Body, Response},
    challenge::Challenge,
    config::{Authentication, Config},
    credential::{CredentialVerifier, DpopSupport, PublicPath, Scheme},
    protected_resource::ProtectedResource,
    public_url::PublicUrl,
    response,
};

/// The path below which metadata stands (RFC 9728 §3).
pub(super) const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// An endpoint as a protected resource.
#[derive(Debug)]
pub(super) struct Resource {
    /// The identifier (RFC 8707); empty if the public URL is not known.
    pub(super) identifier: String,
    /// What stands before the paths of this server for clients, if anything does and the verifier needs it.
    pub(super) public_path: Option<PublicPath>,
    /// The scopes that every request needs.
    pub(super) required: Vec<String>,
    /// The metadata, if an authorization server is named.
    metadata: Option<Metadata>,
    dpop: Dpop,
}

/// Tokens that are bound to keys, as challenges and metadata tell of them.
#[derive(Debug, Default)]
struct Dpop {
    support: DpopSupport,
    /// The algorithms of proofs, with spaces between them.
    algorithms: String,
}

impl Dpop {
    fn of(verifier: &dyn CredentialVerifier) -> Self {
        Self { support: verifier.dpop_support(), algorithms: verifier.dpop_algorithms().join(" ") }
    }

    /// Whether clients are told.
    fn is_offered(&self) -> bool {
        self.support >= DpopSupport::Offered
    }
}

#[derive(Debug)]
struct Metadata {
    url: String,
    /// Behind [`WELL_KNOWN`]: as clients see the path, and as it is here if a proxy removes a part.
    paths: [String; 2],
    document: Bytes,
}

impl Resource {
    /// The endpoint at `config.path`, whose requests need `further` scopes as well.
    pub(super) fn of(config: &Config, further: &[String]) -> Self {
        let path = config.path.trim_end_matches('/');
        let identifier = config.public_url.as_ref().map(|url| format!("{url}{path}"));
        let mut required = config.resource.required_scopes.clone();
        required.extend_from_slice(further);
        let verifier = match &config.authentication {
            Authentication::Verified(verifier) => Some(verifier),
            _ => None,
        };
        let dpop = verifier.map(|verifier| Dpop::of(&**verifier)).unwrap_or_default();
        let mut servers = config.resource.authorization_servers.clone();
        if servers.is_empty() {
            servers = verifier.map(|verifier| verifier.authorization_servers()).unwrap_or_default();
        }
        let metadata = config.public_url.as_ref().zip(identifier.as_deref()).filter(|_| !servers.is_empty());
        let metadata =
            metadata.map(|(url, identifier)| Metadata::of(config, (url, identifier), &servers, &dpop));
        let public_path = config.public_url.as_ref().map(PublicUrl::path).filter(|path| !path.is_empty());
        // Proofs of possession alone name the URL of a request as its client sees it.
        let public_path = public_path.filter(|_| dpop.support != DpopSupport::Refused);
        let public_path = public_path.map(|path| PublicPath(path.into()));
        Self { identifier: identifier.unwrap_or_default(), public_path, required, metadata, dpop }
    }

    /// Whether metadata of this endpoint stands at `path`.
    pub(super) fn has_metadata_at(&self, path: &str) -> bool {
        let Some((metadata, below)) = self.metadata.as_ref().zip(path.strip_prefix(WELL_KNOWN)) else {
            return false;
        };
        metadata.paths.iter().any(|path| path == below)
    }

    /// Whether the endpoint has metadata.
    pub(super) fn has_metadata(&self) -> bool {
        self.metadata.is_some()
    }

    /// The paths at which its metadata stands, beside the one at the root.
    #[cfg(feature = "axum")]
    pub(super) fn metadata_paths(&self) -> impl Iterator<Item = String> {
        let paths = self.metadata.iter().flat_map(|metadata| &metadata.paths);
        paths.map(|path| format!("{WELL_KNOWN}{path}"))
    }

    /// Answers a request for the metadata. Any page may read it: it is public, and the same for everyone.
    pub(super) fn metadata(&self, parts: &Parts) -> Response {
        let Some(metadata) = &self.metadata else { return response::empty(StatusCode::NOT_FOUND) };
        let mut response = match parts.method {
            Method::GET => response::json(StatusCode::OK, metadata.document.clone()),
            Method::HEAD => {
                let mut response = response::json(StatusCode::OK, Bytes::new());
                response.headers_mut().insert(header::CONTENT_LENGTH, metadata.document.len().into());
                *response.body_mut() = Body::empty();
                response
            }
            Method::OPTIONS => response::empty(StatusCode::NO_CONTENT),
            _ => response::method_not_allowed("GET, HEAD, OPTIONS"),
        };
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        if parts.method == Method::OPTIONS {
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD"));
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*"));
        } else {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=300"));
        }
        response
    }

    /// The challenges of a request that is refused: one for each scheme that clients may use. The error stands in that of the
    /// scheme that was presented, or in the only one.
    pub(super) fn challenges(&self, refusal: &Refusal<'_>) -> Vec<HeaderValue> {
        let scopes = self.scopes(refusal).join(" ");
        let schemes: &[Scheme] = match self.dpop.support {
            DpopSupport::Refused => &[Scheme::Bearer],
            // Who presents a bound token knows of them.
            DpopSupport::Accepted if refusal.scheme == Scheme::Dpop => &[Scheme::Dpop],
            DpopSupport::Accepted => &[Scheme::Bearer],
            DpopSupport::Offered => &[Scheme::Bearer, Scheme::Dpop],
            DpopSupport::Required => &[Scheme::Dpop],
        };
        let challenges = schemes.iter().map(|scheme| {
            let mut challenge = Challenge::new(scheme.name());
            let has_error = schemes.len() == 1 || refusal.scheme == *scheme;
            if let Some((error, description)) = refusal.error.filter(|_| has_error) {
                challenge = challenge.with_error(error, description);
            }
            let url = self.metadata.as_ref().map_or("", |metadata| &metadata.url);
            let challenge = challenge.with("scope", &scopes).with("resource_metadata", url);
            match scheme {
                Scheme::Bearer => challenge,
                // RFC 9449 §7.1: `algs` is "a space-delimited list of supported JWS algorithms".
                Scheme::Dpop => challenge.with("algs", &self.dpop.algorithms),
            }
        });
        challenges.filter_map(Challenge::into_header).collect()
    }

    /// Every scope of the operation, and for older revisions those that the caller has: their clients ask for those of the
    /// challenge alone (2025-11-25, authorization §Runtime Insufficient Scope Errors).
    fn scopes<'a>(&'a self, refusal: &Refusal<'a>) -> Vec<&'a str> {
        let mut scopes: Vec<&str> = Vec::new();
        let needed = self.required.iter().chain(refusal.scopes).map(String::as_str);
        let granted = refusal.granted.and_then(Authorization::scopes).into_iter().flatten();
        for scope in needed.chain(granted) {
            if scope != OFFLINE_ACCESS && !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        scopes
    }

    /// Adds the challenges to the headers of a response.
    pub(super) fn challenge(&self, headers: &mut HeaderMap, refusal: &Refusal<'_>) {
        for challenge in self.challenges(refusal) {
            headers.append(header::WWW_AUTHENTICATE, challenge);
        }
    }
}

/// Why a request is challenged.
#[derive(Debug, Default)]
pub(super) struct Refusal<'a> {
    /// The scheme of the credential that was presented, or should have been.
    pub(super) scheme: Scheme,
    /// The code of the error and its description; none for a request without a credential.
    pub(super) error: Option<(&'static str, &'a str)>,
    /// The scopes that the operation needs beside those of the endpoint.
    pub(super) scopes: &'a [String],
    /// The caller whose scopes are named as well.
    pub(super) granted: Option<&'a Authorization>,
}

/// 2026-07-28, authorization §Refresh Tokens: MCP servers "SHOULD NOT include `offline_access` in `WWW-Authenticate` scope or
/// Protected Resource Metadata `scopes_supported`, as refresh tokens are not a resource requirement."
const OFFLINE_ACCESS: &str = "offline_access";

impl Metadata {
    fn of(
        config: &Config,
        (url, identifier): (&PublicUrl, &str),
        authorization_servers: &[String],
        dpop: &Dpop,
    ) -> Self {
        let ProtectedResource { scopes_supported, name, .. } = &config.resource;
        let path = config.path.trim_end_matches('/');
        let mut document = json!({
            "resource": identifier,
            "authorization_servers": authorization_servers,
            "bearer_methods_supported": ["header"],
        });
        let scopes: Vec<&String> = scopes_supported.iter().filter(|scope| *scope != OFFLINE_ACCESS).collect();
        if !scopes.is_empty() {
            document["scopes_supported"] = json!(scopes);
        }
        if let Some(name) = name {
            document["resource_name"] = json!(name);
        }
        if dpop.is_offered() {
            let algorithms: Vec<&str> = dpop.algorithms.split_whitespace().collect();
            document["dpop_signing_alg_values_supported"] = json!(algorithms);
        }
        if dpop.support == DpopSupport::Required {
            document["dpop_bound_access_tokens_required"] = json!(true);
        }
        // RFC 9728 §3.1: the well-known part stands "between the host component and the path".
        let public = format!("{}{path}", url.path());
        Self {
            url: format!("{}{WELL_KNOWN}{public}", url.origin()),
            paths: [public, path.to_owned()],
            document: document.to_string().into(),
        }
    }
}
