//! MCP inside an existing web application: beside its pages, with its state, and stopped with it.
//!
//! ```sh
//! cargo run -p anyport-examples --bin axum_embedding    # http://127.0.0.1:3020, and MCP at /mcp; another port may follow
//! ```
//!
//! The application keeps its routes, its state and its middleware. MCP keeps its checks: principals, hosts, origins,
//! message sizes. `anyport::http::axum` describes what changes if others can reach the application.

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyport::{
    Context, Principal, Server,
    http::{Authentication, Config, Endpoint, axum::router},
    tool,
};
use axum::{
    Router,
    extract::{Request, State},
    http::header::COOKIE,
    middleware::{Next, from_fn},
    response::Response,
    routing::get,
};
use tokio::net::TcpListener;

/// The state of the application. Pages and tools share it.
type Visits = Arc<AtomicU64>;

async fn page(State(visits): State<Visits>) -> String {
    format!("You are visitor number {}.\n", visits.fetch_add(1, Ordering::Relaxed) + 1)
}

/// The login of the application, here just a cookie: pages and tools have the same users.
async fn login(mut request: Request, next: Next) -> Response {
    let cookie = request.headers().get(COOKIE).and_then(|cookie| cookie.to_str().ok());
    let user = cookie.and_then(|cookie| cookie.strip_prefix("user="));
    let principal = user.map_or_else(Principal::anonymous, Principal::named);
    request.extensions_mut().insert(principal);
    next.run(request).await
}

/// Says who is logged in.
#[tool]
fn who_am_i(context: Context) -> String {
    context.principal().name().unwrap_or("nobody").to_owned()
}

/// How many visitors the page has had.
// There are two kinds of `State` here: that of axum and that of Anyport.
#[tool]
fn visitors(visits: anyport::State<Visits>) -> String {
    visits.load(Ordering::Relaxed).to_string()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let visits = Visits::default();
    let server = Server::builder("visitors", "1.0.0").state(visits.clone()).add(visitors).add(who_am_i);
    let server = server.build()?;
    // The callers are those that the application has logged in: the principal that `login` puts into the request.
    // `Authentication::by` takes an async function instead.
    let config = Config::default().authentication(Authentication::Application);
    let mcp = Endpoint::new(server.clone(), config);

    // `.nest("/tools", router(&mcp))` would put it at /tools/mcp.
    let app =
        Router::new().route("/", get(page)).merge(router(&mcp)).layer(from_fn(login)).with_state(visits);

    let port = std::env::args().nth(1).map_or(Ok(3020), |port| port.parse())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    eprintln!("http://{}", listener.local_addr()?);
    let stop = async move {
        // Without signals there is no reason to stop.
        let _ = tokio::signal::ctrl_c().await;
        // First the streams without an end of their own, then the sessions. Running calls may finish.
        server.close();
        mcp.close().await;
    };
    axum::serve(listener, app).with_graceful_shutdown(stop).await?;
    Ok(())
}
