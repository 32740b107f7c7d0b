//! One server, and every way for clients to reach it, at the same time.
//!
//! ```sh
//! cargo run -p anyport-examples --bin transports                        # http://127.0.0.1:3020/mcp, and a socket
//! cargo run -p anyport-examples --bin transports -- 3021 /tmp/mcp.sock  # another port and socket
//! ```
//!
//! What the server answers is the same everywhere, in every revision. The program ends when the client on standard input and
//! output closes its side (in a terminal, Ctrl-D), or at SIGINT or SIGTERM; running calls come to their end.

use std::{env, error::Error};

use anyport::{Context, Server, serve, tool};

/// Says who is calling.
#[tool(read_only)]
fn who_am_i(context: Context) -> String {
    // Over standard streams and the Unix socket, a caller is the owner of this machine's account. Over HTTP it is anonymous
    // unless it authenticates.
    context.principal().to_string()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let port: u16 = arguments.next().map_or(Ok(3020), |port| port.parse())?;
    let socket = arguments.next().map_or(env::temp_dir().join("anyport-transports.sock"), Into::into);

    let server = Server::builder("transports", "1.0.0").add(who_am_i).build()?;
    serve(server)
        .stdio()
        // Streamable HTTP at /mcp, and WebSockets at /ws; `.http(..)` is the former alone. On loopback anyone on this machine may
        // call. Elsewhere this refuses, unless callers authenticate (see `anyport::http::Config`).
        .websocket(([127, 0, 0, 1], port))
        .unix(socket)
        // Standard output belongs to the protocol, so people are told on standard error.
        .on_listening(|place| eprintln!("{place}"))
        .await?;
    Ok(())
}
