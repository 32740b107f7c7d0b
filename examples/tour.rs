//! A bit of everything, over standard streams or HTTP: the server for tests of clients.
//!
//! ```sh
//! cargo run -p anyport-examples --bin tour                # for a client that starts it
//! cargo run -p anyport-examples --bin tour -- --http 3020 # /mcp, HTTP+SSE at /sse and WebSockets at /ws, on this machine
//! ```
//!
//! Its answers are always the same, so that tests of clients can compare them.

use std::{env, error::Error, time::Duration};

use anyport::{
    Completion, CompletionRequest, Context, Server,
    ask::{Elicited, Form},
    http, prompt,
    protocol::LogLevel,
    resource, serve, tool,
    types::{ContentBlock, CreateMessageRequest, SamplingMessage},
    websocket,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

/// Says hello.
#[tool]
fn greet(
    /// Who is greeted
    name: String,
) -> String {
    format!("Hello, {name}!")
}

/// What `measure` answers.
#[derive(Serialize, JsonSchema)]
struct Measured {
    words: usize,
    /// The longest word; absent when there is none
    #[serde(skip_serializing_if = "Option::is_none")]
    longest: Option<String>,
}

/// Counts words.
#[tool]
fn measure(
    /// The text to look at
    text: String,
) -> Measured {
    let longest = text.split_whitespace().max_by_key(|word| word.chars().count());
    Measured { words: text.split_whitespace().count(), longest: longest.map(str::to_owned) }
}

/// A picture of one red pixel.
const PIXEL: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0\x90wS\xde\0\0\0\x0cIDATx\xdac\xf8\xcf\xc0\0\0\x03\x01\x01\0\xf7\x03AC\0\0\0\0IEND\xaeB`\x82";

/// Shows a picture.
#[tool]
fn picture() -> ContentBlock {
    ContentBlock::image(PIXEL, "image/png")
}

/// Counts, and tells how far it is.
#[tool]
async fn count(
    context: Context,
    /// Where it ends
    #[arg(range = 1..=100)]
    to: u32,
) -> String {
    context.log(LogLevel::Info, "tour", "here we go").await;
    for number in 1..=to {
        context.progress(f64::from(number), f64::from(to), format!("{number} of {to}").as_str()).await;
        sleep(Duration::from_millis(10)).await;
    }
    format!("counted to {to}")
}

#[derive(Deserialize, JsonSchema)]
struct Trip {
    /// Where to
    city: String,
    /// How many nights
    #[schemars(range(min = 1, max = 30))]
    nights: u32,
}

/// Books a trip, with the user's help.
#[tool]
async fn book(context: Context) -> String {
    match context.ask("trip", Form::new("Where shall it go?")).await {
        Elicited::Accepted(Trip { city, nights }) => format!("Booked: {nights} nights in {city}"),
        Elicited::Declined | Elicited::Cancelled => "Nothing is booked.".to_owned(),
    }
}

/// Has the client's model find a rhyme.
#[tool]
async fn rhyme(
    context: Context,
    /// What it is to rhyme with
    word: String,
) -> String {
    let wanted = SamplingMessage::user(format!("What rhymes with {word}?"));
    let said = context.ask("rhyme", CreateMessageRequest::new(vec![wanted], 20)).await;
    format!("{word} rhymes with {}", said.content.text())
}

/// Always fails.
#[tool]
fn fail() -> Result<String, &'static str> {
    Err("this tool fails, and says so")
}

#[resource("tour:///about", mime_type = "text/markdown")]
fn about() -> &'static str {
    "# A tour\n\nSome of everything."
}

#[resource("tour:///pixel", mime_type = "image/png")]
fn pixel() -> Vec<u8> {
    PIXEL.to_vec()
}

const CHAPTERS: [(&str, &str); 3] =
    [("arrival", "We came by sea."), ("market", "They sell figs."), ("mountain", "The path is steep.")];

#[resource("tour:///chapters/{name}", mime_type = "text/plain")]
fn chapter(#[arg(complete = chapters)] name: String) -> Option<&'static str> {
    CHAPTERS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

async fn chapters(typed: CompletionRequest, _: Context) -> Completion {
    Completion::starting_with(&typed.value, CHAPTERS.map(|(name, _)| name))
}

/// Explains a language.
#[prompt]
fn explain(
    /// The language
    #[arg(complete = languages)]
    language: String,
) -> String {
    format!("Explain {language} in one sentence.")
}

async fn languages(typed: CompletionRequest, _: Context) -> Completion {
    Completion::starting_with(&typed.value, ["python", "rust", "ruby"])
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let builder = Server::builder("tour", "1.0.0");
    let builder = builder.add(greet).add(measure).add(picture).add(count).add(book).add(rhyme).add(fail);
    let serving = serve(builder.add(about).add(pixel).add(chapter).add(explain).build()?);
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => serving.stdio().await?,
        ["--http", port] => {
            let websocket = Some(websocket::Config::default());
            let config = http::Config::default().sse(true).websocket(websocket);
            let serving = serving.http_with(([127, 0, 0, 1], port.parse()?), config);
            serving.on_listening(|place| eprintln!("listening on {place}")).await?;
        }
        _ => return Err("usage: tour [--http PORT]".into()),
    }
    Ok(())
}
