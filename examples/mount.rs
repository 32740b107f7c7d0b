//! Servers in a server.
//!
//! Each is written and tested by itself. Mounted, its tools and prompts get a prefix, its resources keep their URIs, and
//! what it adds later appears here too.

use std::{error::Error, future::pending};

use anyport::{
    Context, Resource, Server, Tool, live,
    server::{BuildError, Mount, NoArguments},
    stdio,
};

fn weather() -> Result<Server, BuildError> {
    Server::builder("weather", "1.0.0")
        .title("Weather")
        .instructions("Ask for today before tomorrow.")
        .tool(Tool::new("today").run(async |_: NoArguments, _: Context| "Sunny."))
        .resource(Resource::new("weather:///map").read(async |_: Context| "o o o"))
        .build()
}

fn clock() -> Result<Server, BuildError> {
    Server::builder("clock", "1.0.0")
        .tool(Tool::new("now").run(async |_: NoArguments, context: Context| {
            // Its own server, not the one that it is mounted in.
            context
                .server()
                .replace(Tool::new("then").run(async |_: NoArguments, _: Context| "noon, a while ago"))
                .map(|_| "noon")
        }))
        .build()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let desk = Server::builder("mount", "1.0.0")
        .tool(Tool::new("ring").run(async |_: NoArguments, _: Context| "Ring!"))
        .mount("weather", weather()?)
        .mount("clock", Mount::of(clock()?).separator("-"))
        .build()?;
    stdio::serve(live(desk), stdio::Config::default(), pending()).await?;
    Ok(())
}
