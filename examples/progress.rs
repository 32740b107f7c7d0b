//! A long call that says how far it has come, and logs on its way.
//!
//! Both reach only callers that want them: progress those who sent a token with the call, log messages those who asked
//! for their severity. A handler need not care.

use std::{error::Error, future::pending, time::Duration};

use anyport::{Context, Server, Tool, live, protocol::meta::LogLevel, stdio};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::sleep;

#[derive(Deserialize, JsonSchema)]
struct Countdown {
    /// Where it begins
    #[schemars(range(min = 1, max = 100))]
    from: u32,
}

async fn count(Countdown { from }: Countdown, context: Context) -> &'static str {
    context.log(LogLevel::Info, "countdown", "the tanks are full").await;
    for number in (1..=from).rev() {
        // The values must increase, so this counts what is done. What does not increase is not sent.
        let done = from - number + 1;
        context.progress(f64::from(done), f64::from(from), format!("{number}...").as_str()).await;
        // When the client cancels the call, this function is dropped at one of its `await`s. What must be undone then
        // belongs into a `Drop`.
        sleep(Duration::from_millis(10)).await;
    }
    context.log(LogLevel::Debug, "countdown", serde_json::json!({"from": from})).await;
    "Lift-off!"
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let countdown = Tool::new("countdown").description("Counts down.").run(count);
    let server = Server::builder("progress", "1.0.0").tool(countdown).build()?;
    stdio::serve(live(server), stdio::Config::default(), pending()).await?;
    Ok(())
}
