//! What runs once before the first call and once after the last, and work that outlives its call.

use std::{error::Error, future::pending};

use anyport::{
    Context, Server, Tool, live,
    server::{DetachError, NoArguments},
    stdio,
};

async fn order(_: NoArguments, context: Context) -> Result<&'static str, DetachError> {
    // The call does not wait for it, and when it is cancelled this goes on. `stop` waits for it.
    context.detach(async {
        tokio::task::yield_now().await;
        eprintln!("packed");
    })?;
    Ok("ordered")
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = Server::builder("start_and_stop", "1.0.0")
        .on_start(async |_| {
            eprintln!("open");
            Ok::<_, std::io::Error>(())
        })
        .on_stop(async |_| eprintln!("closed"))
        .tool(Tool::new("order").description("Orders something.").run(order))
        .build()?;
    // Who serves starts and stops: transports do not know of it.
    server.start().await?;
    stdio::serve(live(server.clone()), stdio::Config::default(), pending()).await?;
    server.stop().await;
    Ok(())
}
