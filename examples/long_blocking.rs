//! A function that computes for long and is not asynchronous.
//!
//! It has a thread of its own, out of a pool with a limit, so that it holds nobody else up. A thread cannot be stopped from
//! outside: the function looks now and then whether anybody still waits for it.

use std::{error::Error, future::pending, time::Duration};

use anyport::{Context, Server, Tool, live, server::BlockOnError, stdio};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
struct Sieve {
    /// Primes below this are counted
    #[schemars(range(min = 2, max = 1_000_000))]
    below: usize,
}

fn count(Sieve { below }: Sieve, context: Context) -> Result<String, BlockOnError> {
    let mut composite = vec![false; below];
    let mut primes = 0;
    for number in 2..below {
        if number % 1000 == 0 {
            // An error when the call was cancelled or timed out: then nobody sees the result, and this ends too.
            let (done, all) = (f64::from(number as u32), f64::from(below as u32));
            context.block_on(context.progress(done, all, None))?;
        }
        if !composite[number] {
            primes += 1;
            composite.iter_mut().skip(2 * number).step_by(number).for_each(|multiple| *multiple = true);
        }
    }
    Ok(format!("{primes} primes below {below}"))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let primes = Tool::new("primes")
        .description("Counts primes.")
        // The model is told when it takes longer than this.
        .timeout(Duration::from_secs(60))
        .run_blocking(count);
    // Calls beyond the second wait.
    let server = Server::builder("long_blocking", "1.0.0").max_blocking(2).tool(primes).build()?;
    stdio::serve(live(server), stdio::Config::default(), pending()).await?;
    Ok(())
}
