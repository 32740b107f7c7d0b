//! Tools with structured results, and a schema that clients can rely on.
//!
//! ```sh
//! cargo run -p anyport-examples --bin structured_output
//! ```
//!
//! Any type that is `Serialize` and `JsonSchema` can be returned. Its schema is listed as the tool's `outputSchema`,
//! its value is the result's `structuredContent`, and the same is sent as text for clients without structured content.

use std::collections::BTreeMap;

use anyport::{ServeError, Server, serve, tool};
use schemars::JsonSchema;
use serde::Serialize;

#[derive(Serialize, JsonSchema)]
struct Statistics {
    words: usize,
    lines: usize,
    /// The longest word; absent when there is none
    #[serde(skip_serializing_if = "Option::is_none")]
    longest: Option<String>,
}

/// Counts words and lines.
#[tool(read_only)]
fn measure(
    /// The text to look at
    text: String,
) -> Statistics {
    let longest = text.split_whitespace().max_by_key(|word| word.chars().count());
    Statistics {
        words: text.split_whitespace().count(),
        lines: text.lines().count(),
        longest: longest.map(str::to_owned),
    }
}

#[derive(Serialize, JsonSchema)]
struct Word {
    word: String,
    count: usize,
}

/// Counts how often each word is there.
///
/// A list, which the newest revision allows. Older clients get it as text alone: their revisions know only objects.
#[tool(read_only)]
fn frequencies(
    /// The text to look at
    text: String,
) -> Vec<Word> {
    let mut counts = BTreeMap::new();
    for word in text.split_whitespace() {
        *counts.entry(word).or_default() += 1;
    }
    counts.into_iter().map(|(word, count)| Word { word: word.to_owned(), count }).collect()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), ServeError> {
    let server = Server::builder("structured_output", "1.0.0").add(measure).add(frequencies).build()?;
    serve(server).stdio().await
}
