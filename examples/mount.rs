//! Mounted servers: servers inside a server.
//!
//! ```sh
//! cargo run -p anyport-examples --bin mount
//! ```
//!
//! Each is written and tested separately. Mounted, its tools and prompts get a prefix, its resources keep their URIs,
//! and its later additions appear in the outer server too. Starting and stopping the outer server starts and stops the
//! mounted ones.

use anyport::{BuildError, Context, ServeError, Server, resource, serve, server::Mount, tool};

/// Today's weather.
#[tool]
fn today() -> &'static str {
    "Sunny."
}

#[resource("weather:///map")]
fn map() -> &'static str {
    "o o o"
}

fn weather() -> Result<Server, BuildError> {
    Server::builder("weather", "1.0.0")
        .title("Weather")
        .instructions("Ask for today before tomorrow.")
        .add(today)
        .add(map)
        .build()
}

/// What the time was.
#[tool]
fn then() -> &'static str {
    "noon, a while ago"
}

/// What time it is.
#[tool]
fn now(context: Context) -> Result<&'static str, BuildError> {
    // Its own server, not the host.
    context.server().replace(then)?;
    Ok("noon")
}

fn clock() -> Result<Server, BuildError> {
    Server::builder("clock", "1.0.0").add(now).build()
}

/// Rings the bell.
#[tool]
fn ring() -> &'static str {
    "Ring!"
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), ServeError> {
    let desk = Server::builder("mount", "1.0.0")
        .add(ring)
        .mount("weather", weather()?)
        .mount("clock", Mount::of(clock()?).separator("-"))
        .build()?;
    serve(desk).stdio().await
}
