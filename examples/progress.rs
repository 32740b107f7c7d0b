//! A long call that reports progress and logs.
//!
//! ```sh
//! cargo run -p anyport-examples --bin progress
//! ```
//!
//! Both reach only callers that request them: progress needs a token in the call, log messages a severity. A handler
//! need not check this.

use std::time::Duration;

use anyport::{Context, ServeError, Server, protocol::LogLevel, serve, tool};
use tokio::time::sleep;

/// Counts down.
#[tool]
async fn countdown(
    context: Context,
    /// Where it begins
    #[arg(range = 1..=100)]
    from: u32,
) -> &'static str {
    context.log(LogLevel::Info, "countdown", "the tanks are full").await;
    for number in (1..=from).rev() {
        // The values must increase, so this counts the finished steps. A value that does not increase is not sent.
        let done = from - number + 1;
        context.progress(f64::from(done), f64::from(from), format!("{number}...").as_str()).await;
        // If the client cancels the call, this function is dropped at one of its `await`s. Clean-up belongs in a
        // `Drop`.
        sleep(Duration::from_millis(10)).await;
    }
    // Any data can be logged, not only text.
    context.log(LogLevel::Debug, "countdown", serde_json::json!({"from": from})).await;
    "Lift-off!"
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), ServeError> {
    serve(Server::builder("progress", "1.0.0").add(countdown).build()?).stdio().await
}
