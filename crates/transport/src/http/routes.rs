//! The paths of an HTTP endpoint, as one table: the listener looks paths up in it, the axum integration registers them.

use super::config::Config;

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Target<'a> {
    /// The MCP endpoint.
    Endpoint,
    /// The stream of HTTP+SSE; its messages are posted to `/messages` below `base`.
    SseStream { base: &'a str },
    /// The address to which the messages of HTTP+SSE are posted.
    SseMessages,
    /// A WebSocket.
    #[cfg(feature = "websocket")]
    WebSocket,
    /// The REST interface.
    Rest(RestPath),
    /// Routes of the program's own, each with a method.
    Custom,
}

/// A path of the [REST interface](super::rest).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RestPath {
    /// Tools are called here.
    Call,
    /// Tools are listed here.
    Tools,
    /// How the server is.
    Health(Probe),
    /// The numbers of the program.
    Metrics,
}

/// What is asked of a server's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Probe {
    /// How it is.
    All,
    /// Whether the process answers.
    Live,
    /// Whether requests may be sent to it.
    Ready,
}

/// One row of the table: `name` below `base`, which together are a path.
struct Row<'a> {
    base: &'a str,
    name: &'a str,
    target: Target<'a>,
}

impl<'a> Target<'a> {
    /// What `path` names. The MCP endpoint, which almost every request goes to, is found without the table.
    pub(super) fn of(path: &str, config: &'a Config) -> Option<Self> {
        if path == config.path {
            return Some(Self::Endpoint);
        }
        let row = rows(config).find(|row| path.strip_prefix(row.base) == Some(row.name));
        let has_path = || config.routes.iter().any(|route| route.has_path(path));
        row.map(|row| row.target).or_else(|| has_path().then_some(Self::Custom))
    }
}

/// Every path that names something, at least once.
#[cfg(feature = "axum")]
pub(super) fn paths(config: &Config) -> impl Iterator<Item = String> {
    let longer = config.routes.iter().filter(|route| route.has_segment);
    rows(config)
        .map(|row| format!("{}{}", row.base, row.name))
        .chain(longer.map(|route| format!("{}/{{segment}}", route.path)))
}

/// The table. The first row with a path counts.
fn rows(config: &Config) -> impl Iterator<Item = Row<'_>> {
    let row = |base, name, target| Row { base, name, target };
    let endpoint = config.path.trim_end_matches('/');
    let has_sse = config.serves_sse();
    // At the root and below the MCP endpoint; only once if that is the root.
    let bases = [Some(""), Some(endpoint).filter(|endpoint| !endpoint.is_empty())];
    let sse = bases.into_iter().flatten().filter(move |_| has_sse).flat_map(move |base| {
        [row(base, "/sse", Target::SseStream { base }), row(base, "/messages", Target::SseMessages)]
    });
    let rest = [
        row(endpoint, "/call", Target::Rest(RestPath::Call)),
        row(endpoint, "/tools", Target::Rest(RestPath::Tools)),
        row("", "/health", Target::Rest(RestPath::Health(Probe::All))),
        row("", "/health/live", Target::Rest(RestPath::Health(Probe::Live))),
        row("", "/health/ready", Target::Rest(RestPath::Health(Probe::Ready))),
    ];
    let metrics = config.operations.iter().map(move |_| row("", "/metrics", Target::Rest(RestPath::Metrics)));
    let rest = rest.into_iter().chain(metrics);
    let custom = config
        .routes
        .iter()
        .filter(|route| !route.has_segment)
        .map(move |route| row("", &route.path, Target::Custom));
    // A route of the program's own stands before the REST interface.
    let is_custom =
        |row: &Row<'_>| config.routes.iter().any(|route| route.path.strip_prefix(row.base) == Some(row.name));
    let rest = rest.filter(move |row| config.rest && !is_custom(row));
    std::iter::once(row("", &config.path, Target::Endpoint))
        .chain(sse)
        .chain(websockets(config))
        .chain(rest)
        .chain(custom)
}

#[cfg(feature = "websocket")]
fn websockets(config: &Config) -> impl Iterator<Item = Row<'_>> {
    let paths = config.websocket.iter().flat_map(|config| &config.paths);
    paths.map(|path| Row { base: "", name: path, target: Target::WebSocket })
}

#[cfg(not(feature = "websocket"))]
fn websockets(_: &Config) -> impl Iterator<Item = Row<'_>> {
    std::iter::empty()
}

#[cfg(test)]
mod tests {
    use super::{super::config::Route, *};

    #[test]
    fn a_route_can_have_one_segment_of_any_name() {
        let route = |path: &str| Route::new(http::Method::GET, path, |_| async { http::Response::default() });
        let config = Config::default().routes([route("/callback").with_segment(), route("/callback/end")]);
        for (path, is_served) in [
            ("/callback/far", true),
            ("/callback/end", true),
            ("/callback", false),
            ("/callback/", false),
            ("/callback/far/more", false),
            ("/callbacks/far", false),
        ] {
            assert_eq!(Target::of(path, &config), is_served.then_some(Target::Custom), "{path}");
        }
    }

    #[test]
    fn http_with_sse_stands_at_the_root_and_below_the_endpoint() {
        let config = |path: &str| Config::default().path(path).sse(true);
        for (endpoint, path, target) in [
            ("/mcp", "/sse", Some(Target::SseStream { base: "" })),
            ("/mcp", "/mcp/sse", Some(Target::SseStream { base: "/mcp" })),
            ("/mcp", "/messages", Some(Target::SseMessages)),
            ("/mcp", "/mcp/messages", Some(Target::SseMessages)),
            ("/a/b/", "/a/b/sse", Some(Target::SseStream { base: "/a/b" })),
            ("/", "/sse", Some(Target::SseStream { base: "" })),
            ("/", "/messages", Some(Target::SseMessages)),
            ("/mcp", "/mcp/sse/", None),
            ("/mcp", "/mcpsse", None),
            ("/mcp", "/other/sse", None),
            ("/mcp", "/", None),
        ] {
            assert_eq!(Target::of(path, &config(endpoint)), target, "{endpoint} {path}");
        }
        assert_eq!(Target::of("/sse", &Config::default()), None, "it is off by default");
    }

    #[test]
    fn the_plain_interface_stands_below_the_endpoint_and_behind_routes_of_ones_own() {
        let config = Config::default().rest(true);
        let rest = |path| Some(Target::Rest(path));
        assert_eq!(Target::of("/mcp/call", &config), rest(RestPath::Call));
        assert_eq!(Target::of("/mcp/tools", &config), rest(RestPath::Tools));
        assert_eq!(Target::of("/health", &config), rest(RestPath::Health(Probe::All)));
        assert_eq!(Target::of("/health/ready", &config), rest(RestPath::Health(Probe::Ready)));
        assert_eq!(Target::of("/metrics", &config), None, "nobody has any");
        assert_eq!(Target::of("/mcp", &config), Some(Target::Endpoint));
        for path in ["/call", "/mcp/health", "/mcp/call/", "/mcp//call", "/mcp/toolsx", "/"] {
            assert_eq!(Target::of(path, &config), None, "{path}");
        }
        assert_eq!(Target::of("/mcp/call", &Config::default()), None, "it is off by default");
        let at_root = config.clone().path("/");
        assert_eq!(Target::of("/call", &at_root), rest(RestPath::Call));
        let route = Route::new(http::Method::GET, "/health", |_| async { http::Response::default() });
        let own = config.routes(vec![route]);
        assert_eq!(Target::of("/health", &own), Some(Target::Custom));
        assert_eq!(Target::of("/mcp/call", &own), rest(RestPath::Call));
    }
}
