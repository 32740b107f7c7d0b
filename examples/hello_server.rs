//! The smallest useful server: one function, and a program that serves it.
//!
//! ```sh
//! cargo run -p anyport-examples --bin hello_server
//! ```
//!
//! A client starts the program and uses its standard input and output; the README shows the configuration. `transports`
//! shows other ways. Clients of every revision of the protocol can call it.

use anyport::{ServeError, Server, serve, tool};

/// Says hello.
#[tool]
fn hello(
    /// Who is greeted
    name: String,
) -> String {
    format!("Hello, {name}!")
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), ServeError> {
    serve(Server::builder("hello", "1.0.0").add(hello).build()?).stdio().await
}
