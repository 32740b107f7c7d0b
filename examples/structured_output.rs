//! A tool whose answer is data, with a schema that clients can rely on.

use std::{error::Error, future::pending};

use anyport::{Context, Server, Tool, live, server::Json, stdio};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Deserialize, JsonSchema)]
struct Text {
    /// The text to look at
    text: String,
}

/// What the tool answers. Its schema is listed as the tool's `outputSchema`.
#[derive(Serialize, JsonSchema)]
struct Statistics {
    words: usize,
    lines: usize,
    /// The longest word; absent when there is none
    #[serde(skip_serializing_if = "Option::is_none")]
    longest: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Word {
    word: String,
    count: usize,
}

fn statistics(text: &str) -> Statistics {
    let longest = text.split_whitespace().max_by_key(|word| word.chars().count());
    Statistics {
        words: text.split_whitespace().count(),
        lines: text.lines().count(),
        longest: longest.map(str::to_owned),
    }
}

fn frequencies(text: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    for word in text.split_whitespace() {
        match words.iter_mut().find(|known| known.word == word) {
            Some(known) => known.count += 1,
            None => words.push(Word { word: word.to_owned(), count: 1 }),
        }
    }
    words
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // `Json` makes the value the answer's `structuredContent`, and says the same as text for clients that know nothing
    // of structured answers.
    let measure = Tool::new("measure")
        .description("Counts words and lines.")
        .run(async |Text { text }: Text, _: Context| Json(statistics(&text)));

    // The newest revision allows any JSON here, such as this list. Older clients get it as text alone: their revisions
    // allow nothing but objects.
    let frequencies = Tool::new("frequencies")
        .description("Counts how often each word is there.")
        .run(async |Text { text }: Text, _: Context| Json(frequencies(&text)));

    // An `Err` is an answer as well: the model reads it and can do better.
    let parse =
        Tool::new("parse").description("Reads a number.").run(async |Text { text }: Text, _: Context| {
            text.trim()
                .parse::<f64>()
                .map(|number| format!("{number:e}"))
                .map_err(|error| format!("{text:?}: {error}"))
        });

    let server =
        Server::builder("structured_output", "1.0.0").tool(measure).tool(frequencies).tool(parse).build()?;
    stdio::serve(live(server), stdio::Config::default(), pending()).await?;
    Ok(())
}
