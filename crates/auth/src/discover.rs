//! From a server that wants a token to the authorization server that gives one.

use anyport_transport::client::http::{SideAnswer, without_secrets};
use http::{HeaderName, HeaderValue};
use serde_json::Value;
use url::Url;

use crate::{
    challenge::{BoundTokens, Challenges},
    dpop,
    error::Error,
    fetch::{Fetcher, successful},
    resource_metadata::{ResourceMetadata, at, canonical_resource, resource_metadata_places},
    server_metadata::{ServerMetadata, ServerMetadataError, server_metadata_places},
    shown::shown,
};

/// Where the tokens of a server come from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Discovered {
    /// The value of the parameter `resource`.
    pub resource: String,
    /// The URL of the resource metadata; `None` if the server publishes none.
    pub resource_metadata: Option<String>,
    /// The scopes of basic use, if the server says so.
    pub scopes_supported: Option<Vec<String>>,
    /// Whether the server takes tokens that are bound to a key.
    pub bound_tokens: BoundTokens,
    /// The authorization server.
    pub server: ServerMetadata,
    /// The URL of its metadata; `None` if it publishes none, as 2025-03-26 allows.
    pub server_metadata: Option<String>,
    /// Whether the authorization server is the one of the options, not the one that the server names.
    pub issuer_is_given: bool,
}

/// Finds the authorization server of the server at `server`, whose refusal had `challenges`. With `issuer`, that one is used.
///
/// # Errors
/// Why no authorization server is found, or why the one that is found may not be used.
pub async fn discover(
    server: &Url,
    challenges: &Challenges,
    issuer: Option<&str>,
    fetcher: &Fetcher,
) -> Result<Discovered, Error> {
    let walk = Walk::new(server, challenges, issuer, fetcher).await;
    let resource = walk.resource?;
    // Without an answer about the resource nothing else was asked.
    let (place, metadata) = walk.server.unwrap_or_else(|| Err(Error::NeedsLogin(server.to_string())))?;
    let issuer_is_given = issuer.is_some();
    Ok(match resource {
        None => Discovered {
            resource: canonical_resource(server),
            resource_metadata: None,
            scopes_supported: None,
            bound_tokens: challenges.bound_tokens(),
            server: metadata,
            server_metadata: place,
            issuer_is_given,
        },
        Some((at, resource)) => Discovered {
            resource: resource.resource,
            resource_metadata: Some(at),
            scopes_supported: resource.scopes_supported,
            bound_tokens: match resource.dpop_bound_access_tokens_required {
                true => BoundTokens::Required,
                false => challenges.bound_tokens(),
            },
            server: metadata,
            server_metadata: place,
            issuer_is_given,
        },
    })
}

/// The way from a server to its authorization server, step by step, as far as it leads.
#[derive(Debug)]
#[non_exhaustive]
pub struct Walk {
    /// The resource metadata and its URL; `None` if the server publishes none.
    pub resource: Result<Option<(String, ResourceMetadata)>, Error>,
    /// The metadata of the authorization server and its URL. The URL is `None` if the authorization server publishes none, as
    /// 2025-03-26 allows. `None` as a whole if the first step has failed.
    pub server: Option<Result<(Option<String>, ServerMetadata), Error>>,
}

impl Walk {
    pub(crate) async fn new(
        server: &Url,
        challenges: &Challenges,
        issuer: Option<&str>,
        fetcher: &Fetcher,
    ) -> Self {
        let resource = resource_metadata(server, challenges, issuer.is_some(), fetcher).await;
        let next = match (&resource, issuer) {
            (Err(_), _) => None,
            (Ok(_), Some(issuer)) => Some(server_metadata(issuer, fetcher).await),
            (Ok(Some((_, resource))), None) => {
                let named = resource.authorization_servers.first().map_or("", String::as_str);
                Some(server_metadata(named, fetcher).await)
            }
            (Ok(None), None) => Some(of_2025_03_26(server, fetcher).await),
        };
        Self { resource, server: next }
    }
}

impl Discovered {
    /// An authorization server that is asked for what is no token of a server: an identity provider.
    pub(crate) async fn provider(issuer: &str, fetcher: &Fetcher) -> Result<Self, Error> {
        let (server_metadata, server) = server_metadata(issuer, fetcher).await?;
        Ok(Self {
            resource: server.issuer.clone(),
            resource_metadata: None,
            scopes_supported: None,
            bound_tokens: BoundTokens::No,
            server,
            server_metadata,
            issuer_is_given: true,
        })
    }

    /// Whether tokens are bound to a key: where the server demands it, and where it offers it and the authorization server can.
    ///
    /// # Errors
    /// When the server demands it, and the authorization server has only other algorithms.
    pub fn binds_tokens(&self) -> Result<bool, Error> {
        let offered = self.server.dpop_signing_alg_values_supported.as_deref();
        let is_possible = offered.map(|all| all.iter().any(|name| name == dpop::ALGORITHM));
        match (self.bound_tokens, is_possible) {
            (BoundTokens::No, _) | (BoundTokens::Offered, None | Some(false)) => Ok(false),
            (_, Some(true)) | (BoundTokens::Required, None) => Ok(true),
            (BoundTokens::Required, Some(false)) => Err(Error::NoProof(self.server.issuer.clone())),
        }
    }
}

/// The metadata of the resource, and where it is; `None` if it has none. If the issuer is given, it need not name one.
async fn resource_metadata(
    server: &Url,
    challenges: &Challenges,
    issuer_is_given: bool,
    fetcher: &Fetcher,
) -> Result<Option<(String, ResourceMetadata)>, Error> {
    let parse = |url: &str, body: &[u8]| {
        let wrong = |why| Error::Resource { url: without_secrets(url), why };
        let metadata = ResourceMetadata::parse(body, server, issuer_is_given).map_err(wrong)?;
        Ok((without_secrets(url), metadata))
    };
    if let Some(named) = challenges.resource_metadata() {
        let answer = fetcher.get(named, []).await?;
        let body = successful(named, &answer)?;
        return parse(named, body).map(Some);
    }
    for place in resource_metadata_places(server) {
        let answer = fetcher.get(place.as_str(), []).await?;
        if let Some(body) = document(&place, &answer)? {
            return parse(place.as_str(), body).map(Some);
        }
    }
    Ok(None)
}

/// The metadata of an authorization server, and where it is.
pub(crate) async fn server_metadata(
    issuer: &str,
    fetcher: &Fetcher,
) -> Result<(Option<String>, ServerMetadata), Error> {
    let unsafe_url = |why| Error::Url { what: "the issuer", url: shown(issuer), why };
    let places = server_metadata_places(issuer).map_err(unsafe_url)?;
    for place in &places {
        let answer = fetcher.get(place.as_str(), []).await?;
        if let Some(body) = document(place, &answer)? {
            let metadata = ServerMetadata::parse(body, issuer).map_err(|why| of_server(place, why))?;
            return Ok((Some(without_secrets(place.as_str())), metadata));
        }
    }
    let tried: Vec<&str> = places.iter().map(Url::as_str).collect();
    Err(Error::NoMetadata { issuer: issuer.to_owned(), tried: tried.join(", ") })
}

/// The authorization server as 2025-03-26 has it: at the origin of the server.
///
/// 2025-03-26, authorization §Authorization Base URL: "The authorization base URL **MUST** be determined from the MCP server URL by
/// discarding any existing `path` component." §Server Metadata Discovery Headers: "MCP clients _SHOULD_ include the header
/// `MCP-Protocol-Version: <protocol-version>` during Server Metadata Discovery".
async fn of_2025_03_26(server: &Url, fetcher: &Fetcher) -> Result<(Option<String>, ServerMetadata), Error> {
    let place = at(server, "/.well-known/oauth-authorization-server");
    let version = (HeaderName::from_static("mcp-protocol-version"), HeaderValue::from_static("2025-03-26"));
    let answer = fetcher.get(place.as_str(), [version]).await?;
    let Some(body) = document(&place, &answer)? else {
        return Ok((None, ServerMetadata::without_document(server)));
    };
    let origin = server.origin().ascii_serialization();
    let metadata = ServerMetadata::parse(body, &origin).map_err(|why| of_server(&place, why))?;
    Ok((Some(without_secrets(place.as_str())), metadata))
}

fn of_server(place: &Url, why: ServerMetadataError) -> Error {
    Error::Server { url: without_secrets(place.as_str()), why }
}

/// The document of an answer, if it is one: servers of web pages answer any path with a page.
///
/// # Errors
/// When it is too long to be looked at, or the server is out of order: what it says must not be replaced by what is found elsewhere.
pub(crate) fn document<'a>(url: &Url, answer: &'a SideAnswer) -> Result<Option<&'a [u8]>, Error> {
    // What fails now may be there later. 501 is said of what a server never has.
    let is_temporary = answer.status == 429 || (answer.status >= 500 && answer.status != 501);
    if answer.status != 200 && !is_temporary {
        return Ok(None);
    }
    let body = successful(url.as_str(), answer)?;
    Ok(serde_json::from_slice::<Value>(body).is_ok_and(|value| value.is_object()).then_some(body))
}
