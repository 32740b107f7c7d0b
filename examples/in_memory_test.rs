//! Testing a server: in the same process, without a port, a program or a second of waiting.
//!
//! ```sh
//! cargo test -p anyport-examples --bin in_memory_test
//! ```
//!
//! The server is an ordinary one, and `main` serves it. The tests are at the end of the file.

use std::time::Duration;

use anyport::{BuildError, Context, ServeError, Server, ask::Form, serve, tool};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::sleep;

#[derive(Deserialize, JsonSchema)]
struct Sugar {
    /// How many spoons
    spoons: u8,
}

/// Makes tea.
#[tool]
async fn tea(
    context: Context,
    /// For how long it draws
    minutes: u64,
) -> String {
    let sugar = context.ask("sugar", Form::new("With sugar?")).await.accepted();
    let spoons = sugar.map_or(0, |Sugar { spoons }| spoons);
    for minute in 1..=minutes {
        sleep(Duration::from_secs(60)).await;
        context.progress(minute as f64, minutes as f64, None).await;
    }
    format!("Tea, {minutes} minutes, {spoons} spoons of sugar.")
}

/// What the tests call and `main` serves.
fn kitchen() -> Result<Server, BuildError> {
    Server::builder("kitchen", "1.0.0").add(tea).build()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), ServeError> {
    serve(kitchen()?).stdio().await
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use anyport::Revision;
    use anyport_testing::{Question, Refusal, TestServer};
    use serde_json::{Value, json};
    use tokio::time::Instant;

    use super::*;

    /// What a user answers.
    fn two_spoons(question: &Question) -> Result<Value, Refusal> {
        assert_eq!(question.params["message"], "With sugar?");
        Ok(json!({"action": "accept", "content": {"spoons": 2}}))
    }

    /// A function under `#[tool]` without a `Context` can be tested as a function: `tea::call(..)`. For everything else
    /// there is a client. The clock is paused: it jumps to the next timer when every task waits.
    #[tokio::test(start_paused = true)]
    async fn tea_takes_its_time() -> Result<(), Box<dyn Error>> {
        let mut client = kitchen()?.client().answering(two_spoons).await?;
        let begun = Instant::now();
        let answer = client.call("tea", json!({"minutes": 3})).await?;
        assert_eq!(answer.text(), "Tea, 3 minutes, 2 spoons of sugar.");
        assert_eq!(begun.elapsed(), Duration::from_secs(180));
        assert_eq!(answer.said("notifications/progress").len(), 3);
        Ok(())
    }

    /// The conversation is compared with a file, which `UPDATE_GOLDEN=1 cargo test ..` writes: schemas and texts do not
    /// change by mistake, and a reviewer sees in the diff what clients will see.
    #[tokio::test(start_paused = true)]
    async fn what_is_said_stays_as_it_is() -> Result<(), Box<dyn Error>> {
        let mut client = kitchen()?.client().answering(two_spoons).await?;
        client.tools().await?;
        client.call("tea", json!({"minutes": 1})).await?;
        client.call("tea", json!({"minutes": "some"})).await?;
        client.transcript().check(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/in_memory_test.golden"))?;
        Ok(())
    }

    /// `wire` sends the bytes of a client of a revision. Its transport uses threads, so the clock is not paused here.
    #[tokio::test]
    async fn clients_of_every_revision_get_tea() -> Result<(), Box<dyn Error>> {
        for revision in Revision::ALL {
            let mut client = kitchen()?.client().wire(revision).answering(two_spoons).await?;
            let answer = client.call("tea", json!({"minutes": 0})).await?;
            // Forms exist since 2025-06-18. For older clients, this tool says what it needs.
            let expected = match revision >= Revision::V2025_06_18 {
                true => "Tea, 0 minutes, 2 spoons of sugar.",
                false => r#"this needs a client that declares {"elicitation":{"form":{}}}"#,
            };
            assert_eq!(answer.text(), expected, "{revision}");
        }
        Ok(())
    }
}
