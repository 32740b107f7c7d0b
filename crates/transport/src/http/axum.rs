//! MCP within an application of axum: its routes, state and middleware stay as they are.
//!
//! ```no_run
//! # async fn app(service: impl anyport_service::Service) -> std::io::Result<()> {
//! use anyport_transport::http::{Config, Endpoint, axum::router};
//! use axum::{Router, routing::get};
//!
//! let mcp = Endpoint::new(service, Config::default());
//! let app = Router::new()
//!     .route("/", get(async || "a page of the application"))
//!     .merge(router(&mcp)); // at /mcp; `.nest("/tools", router(&mcp))` puts it at /tools/mcp
//!
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:3020").await?;
//! let stop = async move {
//!     // ... wait for a signal, and then let the sessions of MCP come to their end:
//!     mcp.close().await;
//! };
//! axum::serve(listener, app).with_graceful_shutdown(stop).await
//! # }
//! ```
//!
//! # What holds as ever, and what does not
//! Hosts, origins, tokens, message limits, sessions and streams are checked by the endpoint as on a listener of ours;
//! middleware of the application stands before that. What differs:
//! - *Hosts*: the names under which the application is reached have to stand in [`Config::allow_hosts`]; loopback
//!   names are allowed by themselves.
//! - *Origins*: a page of the application itself may call when it is on loopback: `Origin` and `Host` must name the same
//!   port. (The port is taken from a [`ConnectInfo`](super::ConnectInfo) in the request's extensions if there is one.) Every
//!   other origin has to stand in [`Config::allow_origins`]. Do not put a CORS layer around the MCP routes: the
//!   endpoint answers preflights itself, and names no origin that it does not let in.
//! - *Authentication* is [`Config::authentication`]; [`Authentication::Application`](super::Authentication::Application) takes
//!   the principals of the application's own login. Nobody refuses to serve anonymous callers beyond loopback here:
//!   choose tokens where others can reach the application.
//! - *Connections* are the application's. `axum::serve` sets no time for a request's head to arrive and no bound on
//!   connections; where clients are hostile, put a proxy in front, or use a listener of ours.
//! - *Bodies*: the endpoint bounds them itself (`max_message_bytes`); a limit of the application's that is smaller wins.
//! - *Timeouts* of the application that cut a whole response also cut event streams: leave the MCP routes out.

use std::collections::BTreeSet;

use axum::Router;

use super::{Config, Endpoint, resource::WELL_KNOWN, routes};

/// The routes of `endpoint`, to be merged into an application or nested under any path of it. An application that has
/// routes of its own under the same paths has to nest it.
///
/// It serves [`Config::path`], [`Config::routes`], the paths of HTTP+SSE if [`Config::sse`] says so, those of
/// [`Config::rest`], and those of WebSockets if they are configured; whatever else is asked for is the application's to answer. `S` is the state of the
/// application, which is not used.
pub fn router<S: Clone + Send + Sync + 'static>(endpoint: &Endpoint) -> Router<S> {
    let mut router = Router::new().without_v07_checks();
    let all = endpoint.state().all().flat_map(|endpoint| paths(&endpoint.config));
    for path in all.chain(metadata_paths(endpoint)).collect::<BTreeSet<_>>() {
        router = router.route_service(&path, endpoint.clone());
    }
    router
}

/// The metadata of `endpoint` as a protected resource (RFC 9728), to be merged into an application under whose paths [`router`] is
/// nested: it stands at the root of a host. [`Config::public_url`] then is the URL with that path.
pub fn metadata_router<S: Clone + Send + Sync + 'static>(endpoint: &Endpoint) -> Router<S> {
    let mut router = Router::new().without_v07_checks();
    for path in metadata_paths(endpoint) {
        router = router.route_service(&path, endpoint.clone());
    }
    router
}

/// The paths at which the metadata of the endpoint and of the further ones stands.
fn metadata_paths(endpoint: &Endpoint) -> BTreeSet<String> {
    let state = endpoint.state();
    let paths = state.all().flat_map(|endpoint| endpoint.resource.metadata_paths().collect::<Vec<_>>());
    let root = state.resource.has_metadata().then(|| WELL_KNOWN.to_owned());
    paths.chain(root).filter_map(registered).collect()
}

/// The paths of the endpoint in the syntax of axum, each once.
fn paths(config: &Config) -> Vec<String> {
    let mut paths: Vec<_> = routes::paths(config).filter_map(registered).collect();
    paths.sort();
    paths.dedup();
    paths
}

/// A path in the syntax of axum. One that does not begin with a slash is never asked for; axum would panic.
fn registered(path: String) -> Option<String> {
    path.starts_with('/').then(|| path.replace('{', "{{").replace('}', "}}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_stands_once_and_for_itself() {
        let route = |path: &str| {
            super::super::Route::new(http::Method::GET, path, |_| async { http::Response::default() })
        };
        let config = Config::default().path("/a{b}").sse(true).rest(true).routes(vec![
            route("/health"),
            route("/health"),
            route("/:x"),
            route("nowhere"),
            route(""),
        ]);
        let below = ["/a{{b}}", "/a{{b}}/call", "/a{{b}}/messages", "/a{{b}}/sse", "/a{{b}}/tools"];
        let expected =
            [&["/:x"], &below[..], &["/health", "/health/live", "/health/ready", "/messages", "/sse"]]
                .concat();
        assert_eq!(paths(&config), expected);
        struct Nothing;
        impl anyport_service::Service for Nothing {
            fn call(
                &self,
                _: anyport_service::Request,
                _: anyport_service::Context,
            ) -> anyport_service::Reply {
                anyport_service::Reply::error(anyport_protocol::Error::internal("nothing is here"))
            }
        }
        // It would panic if axum refused one of them.
        let _: Router = router(&Endpoint::new(Nothing, config));
    }
}
