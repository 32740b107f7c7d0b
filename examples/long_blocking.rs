//! Long work: a function that blocks its thread, and background work that outlives its call.
//!
//! ```sh
//! cargo run -p anyport-examples --bin long_blocking
//! ```

use std::time::Duration;

use anyport::{Context, ServeError, Server, ToolError, serve, tool};
use tokio::time::sleep;

/// Counts primes.
// A plain function with a long computation. It runs on a thread of a bounded pool, so that other calls continue. Beyond
// the timeout the model receives an error.
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
            // A thread cannot be stopped from outside. This is an error if the call was cancelled or timed out: the
            // result would be discarded, and `?` ends the function.
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
    // The call does not wait for this work, and cancelling the call does not stop it. `Server::stop` waits for it.
    context.spawn_background(async {
        sleep(Duration::from_millis(50)).await;
        eprintln!("packed");
    })?;
    Ok("ordered")
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), ServeError> {
    // Calls of blocking functions beyond the second wait. Tools without a timeout of their own have this one.
    let builder =
        Server::builder("long_blocking", "1.0.0").max_blocking(2).default_timeout(Duration::from_secs(5));
    serve(builder.add(primes).add(order).build()?).stdio().await
}
