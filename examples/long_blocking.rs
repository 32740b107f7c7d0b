//! Work that takes long: a function that blocks its thread, and work that outlives its call.
//!
//! ```sh
//! cargo run -p anyport-examples --bin long_blocking
//! ```

use std::time::Duration;

use anyport::{Context, ServeError, Server, ToolError, serve, tool};
use tokio::time::sleep;

/// Counts primes.
// A plain function that computes for long. It has a thread of its own, out of a pool with a limit, so that it holds nobody
// else up. The model is told when it takes longer than the timeout.
#[tool(blocking, timeout = "60s")]
fn primes(
    context: Context,
    /// Primes below this are counted
    #[arg(range = 2..=1_000_000)]
    below: u32,
) -> Result<String, ToolError> {
    let mut composite = vec![false; below as usize];
    let mut primes = 0;
    for number in 2..below as usize {
        if number % 1000 == 0 {
            // No thread can be stopped from outside. This is an error when the call was cancelled or timed out: then nobody
            // sees the result, and `?` ends this too.
            context.block_on(context.progress(number as f64, f64::from(below), None))?;
        }
        if !composite[number] {
            primes += 1;
            composite.iter_mut().skip(2 * number).step_by(number).for_each(|multiple| *multiple = true);
        }
    }
    Ok(format!("{primes} primes below {below}"))
}

/// Orders something.
#[tool]
async fn order(context: Context) -> Result<&'static str, ToolError> {
    // The call does not wait for it, and when the call is cancelled this goes on. A server that stops waits for it.
    context.spawn_background(async {
        sleep(Duration::from_millis(50)).await;
        eprintln!("packed");
    })?;
    Ok("ordered")
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), ServeError> {
    // Calls of blocking functions beyond the second wait. Whatever has no timeout of its own has that one.
    let builder =
        Server::builder("long_blocking", "1.0.0").max_blocking(2).default_timeout(Duration::from_secs(5));
    serve(builder.add(primes).add(order).build()?).stdio().await
}
