//! Lifecycle hooks: one before the first call, and one after the last.
//!
//! ```sh
//! cargo run -p anyport-examples --bin start_and_stop
//! ```
//!
//! They run once per program, however many clients and transports it has. `serve` runs them, also at SIGINT and
//! SIGTERM. A program that serves in another way calls `server.start()` and `server.stop()`.

use anyport::{ServeError, Server, serve, tool};

/// Orders something.
#[tool]
fn order() -> &'static str {
    eprintln!("ordered");
    "ordered"
}

/// An error here ends the program before it serves a client.
async fn open(_: Server) -> Result<(), std::io::Error> {
    eprintln!("open");
    Ok(())
}

async fn close(_: Server) {
    eprintln!("closed");
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), ServeError> {
    let builder = Server::builder("start_and_stop", "1.0.0").on_start(open).on_stop(close);
    serve(builder.add(order).build()?).stdio().await
}
