//! The server that is measured, for the benchmark (`cargo xtask bench`) and for the test that counts allocations.
//!
//! Its first two tools are those of the servers it is compared with; the others stand beside them to show that a call
//! costs the same however many there are.

pub mod audited;
pub mod tokens;

use std::{io, net::SocketAddr, sync::Arc};

use anyport::{
    BuildError, Context, Json, Server, Service, Tool,
    http::{Config, Listener},
    server::NoArguments,
    tool,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which way the tools are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// As plain functions, by the macro.
    Functions,
    /// With the builder.
    Builder,
}

#[derive(Deserialize, JsonSchema)]
struct Echo {
    /// What to say
    text: String,
}

#[derive(Deserialize, JsonSchema)]
struct Add {
    a: f64,
    b: f64,
}

#[derive(Serialize, JsonSchema)]
struct Sum {
    sum: f64,
}

/// Says the text again
#[tool]
async fn echo(
    /** What to say */
    text: String,
) -> String {
    text
}

/// Adds two numbers
#[tool]
async fn add(a: f64, b: f64) -> Sum {
    Sum { sum: a + b }
}

/// A server with `tools` tools, as a program would serve it: `echo`, then `add`, then others that are as large as
/// they, which have names by number and so are the builder's.
///
/// # Errors
/// When the server cannot be built, which would be a fault of this function.
pub fn server(tools: usize, written: Written) -> Result<impl Service, BuildError> {
    server_with(tools, written, None)
}

/// The same with one more tool.
///
/// # Errors
/// When the server cannot be built, which would be a fault of this function.
pub fn server_with(tools: usize, written: Written, more: Option<Tool>) -> Result<impl Service, BuildError> {
    let first = match written {
        Written::Functions => [echo(), add()],
        Written::Builder => [
            Tool::new("echo")
                .description("Says the text again")
                .run(async |Echo { text }: Echo, _: Context| text),
            Tool::new("add")
                .description("Adds two numbers")
                .run(async |Add { a, b }: Add, _: Context| Json(Sum { sum: a + b })),
        ],
    };
    let others = (2..).map(|number| {
        Tool::new(format!("echo-{number}"))
            .description(format!("Says the text again, as number {number}"))
            .run(async |Echo { text }: Echo, _: Context| text)
    });
    let mut builder = Server::builder("anyport-bench", env!("CARGO_PKG_VERSION"));
    for tool in first.into_iter().chain(others).take(tools).chain(more) {
        builder = builder.tool(tool);
    }
    Ok(anyport::with_legacy_clients(builder.build()?))
}

/// A tool whose answer has so many bytes of text.
pub fn large(bytes: usize) -> Tool {
    let text: Arc<str> = "0123456789abcdef".repeat(bytes.div_ceil(16)).into();
    Tool::new("large")
        .description("Says much")
        .run(move |_: NoArguments, _: Context| std::future::ready(text.to_string()))
}

/// A listener for every revision, and the REST interface, on `port` of this machine; port 0 is one that is free.
///
/// # Errors
/// When the port cannot be had.
pub async fn listen(port: u16) -> io::Result<Listener> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let config = Config::default().rest(true);
    Listener::bind(address, config, false).await.map_err(io::Error::other)
}
