//! From a server that wants a token to the authorization server that gives one.

use anyport_transport::client::http::{SideAnswer, without_secrets};
use http::{HeaderName, HeaderValue};
use serde_json::Value;
use url::Url;

use crate::{
    challenge::Challenges,
    error::Error,
    fetch::{Fetcher, successful},
    resource_metadata::{ResourceMetadata, at, canonical_resource, resource_metadata_places},
    server_metadata::{ServerMetadata, ServerMetadataError, server_metadata_places},
};

/// Where the tokens of a server come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovered {
    /// The value of the parameter `resource`.
    pub resource: String,
    /// The scopes of basic use, if the server says so.
    pub scopes_supported: Option<Vec<String>>,
    /// The authorization server.
    pub server: ServerMetadata,
}

/// Finds the authorization server of the server at `server`, whose refusal had `challenges`.
///
/// # Errors
/// Why no authorization server is found, or why the one that is found may not be used.
pub async fn discover(
    server: &Url,
    challenges: &Challenges,
    issuer: Option<&str>,
    fetcher: &Fetcher,
) -> Result<Discovered, Error> {
    let Some(resource) = resource_metadata(server, challenges, fetcher).await? else {
        return Ok(Discovered {
            resource: canonical_resource(server),
            scopes_supported: None,
            server: match issuer {
                Some(issuer) => server_metadata(issuer, fetcher).await?,
                None => of_2025_03_26(server, fetcher).await?,
            },
        });
    };
    let named = resource.authorization_servers.first().map_or("", String::as_str);
    let server = server_metadata(issuer.unwrap_or(named), fetcher).await?;
    Ok(Discovered { resource: resource.resource, scopes_supported: resource.scopes_supported, server })
}

/// The metadata of the resource; `None` if it has none.
async fn resource_metadata(
    server: &Url,
    challenges: &Challenges,
    fetcher: &Fetcher,
) -> Result<Option<ResourceMetadata>, Error> {
    let parse = |url: &str, body: &[u8]| {
        let wrong = |why| Error::Resource { url: without_secrets(url), why };
        ResourceMetadata::parse(body, server).map_err(wrong)
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

/// The metadata of an authorization server.
async fn server_metadata(issuer: &str, fetcher: &Fetcher) -> Result<ServerMetadata, Error> {
    let unsafe_url = |why| Error::Url { what: "the issuer", url: issuer.chars().take(200).collect(), why };
    let places = server_metadata_places(issuer).map_err(unsafe_url)?;
    for place in &places {
        let answer = fetcher.get(place.as_str(), []).await?;
        if let Some(body) = document(place, &answer)? {
            return ServerMetadata::parse(body, issuer).map_err(|why| of_server(place, why));
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
async fn of_2025_03_26(server: &Url, fetcher: &Fetcher) -> Result<ServerMetadata, Error> {
    let place = at(server, "/.well-known/oauth-authorization-server");
    let version = (HeaderName::from_static("mcp-protocol-version"), HeaderValue::from_static("2025-03-26"));
    let answer = fetcher.get(place.as_str(), [version]).await?;
    let Some(body) = document(&place, &answer)? else { return Ok(ServerMetadata::without_document(server)) };
    let origin = server.origin().ascii_serialization();
    ServerMetadata::parse(body, &origin).map_err(|why| of_server(&place, why))
}

fn of_server(place: &Url, why: ServerMetadataError) -> Error {
    Error::Server { url: without_secrets(place.as_str()), why }
}

/// The document of an answer, if it is one: servers of web pages answer any path with a page.
///
/// # Errors
/// When it is too long to be looked at: what it says must not be replaced by what is found elsewhere.
pub(crate) fn document<'a>(url: &Url, answer: &'a SideAnswer) -> Result<Option<&'a [u8]>, Error> {
    if answer.status != 200 {
        return Ok(None);
    }
    let body = successful(url.as_str(), answer)?;
    Ok(serde_json::from_slice::<Value>(body).is_ok_and(|value| value.is_object()).then_some(body))
}
