//! A listener as a resource server of OAuth: what is refused on every route, in every revision, and how.
//!
//! Invariant: Every route refuses a request without a valid credential with the same status, code and challenge, in every
//! revision.

mod attacks;
mod bound_tokens;
mod metadata;
mod scopes;
mod streams;
mod verifier;

use anyport_transport::{
    http::{Authentication, Config, FurtherEndpoint, ProtectedResource, Route},
    websocket,
};

use self::verifier::Scripted;
use crate::common::fake::Fake;

/// A listener with every route there is.
fn config(verifier: &Scripted) -> Config {
    let custom = |_| async { http::Response::new("mine".into()) };
    let resource = ProtectedResource::default()
        .authorization_servers(vec!["https://login.example".to_owned()])
        .scopes_supported(vec!["read".to_owned(), "offline_access".to_owned()])
        .name("A \"server\"".to_owned());
    Config::default()
        .sse(true)
        .rest(true)
        .websocket(websocket::Config::default())
        .public_url("https://mcp.example/base/".parse::<anyport_transport::http::PublicUrl>().unwrap())
        .resource(resource)
        .routes(vec![Route::new(http::Method::GET, "/mine", custom)])
        .further_endpoints([
            FurtherEndpoint::new("/s/files/mcp", Fake::default()).require(["files"]),
            FurtherEndpoint::new("/s/open/mcp", Fake::default()),
        ])
        .authentication(Authentication::verified_by(verifier.clone()))
}

/// The metadata of the endpoint at `path`, as challenges name it.
fn metadata_of(path: &str) -> String {
    format!("resource_metadata=\"https://mcp.example/.well-known/oauth-protected-resource/base{path}\"")
}
