//! Some of everything, over standard streams or HTTP: the server that other people's clients are tried on.
//!
//! `tour` talks over standard streams, `tour --http 3020` over HTTP, HTTP+SSE and WebSockets on that port of this machine.
//! What it answers is always the same, so that whoever writes a client can compare.

use std::{env, error::Error, future::pending, time::Duration};

use anyport::{
    Context, Prompt, Resource, Server, Template, Tool, http, live,
    protocol::{meta::LogLevel, types::ContentBlock},
    server::{Argument, Elicited, Form, Json, NoArguments, Partial, Values},
    stdio,
};
use anyport_transport::websocket;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

#[derive(Deserialize, JsonSchema)]
struct Greet {
    /// Who is greeted
    name: String,
}

async fn greet(Greet { name }: Greet, _: Context) -> String {
    format!("Hello, {name}!")
}

#[derive(Deserialize, JsonSchema)]
struct Measure {
    /// The text to look at
    text: String,
}

/// What `measure` answers.
#[derive(Serialize, JsonSchema)]
struct Measured {
    words: usize,
    /// The longest word; absent when there is none
    #[serde(skip_serializing_if = "Option::is_none")]
    longest: Option<String>,
}

async fn measure(Measure { text }: Measure, _: Context) -> Json<Measured> {
    let longest = text.split_whitespace().max_by_key(|word| word.chars().count());
    Json(Measured { words: text.split_whitespace().count(), longest: longest.map(str::to_owned) })
}

/// A picture of one red pixel.
const PIXEL: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0\x90wS\xde\0\0\0\x0cIDATx\xdac\xf8\xcf\xc0\0\0\x03\x01\x01\0\xf7\x03AC\0\0\0\0IEND\xaeB`\x82";

async fn picture(_: NoArguments, _: Context) -> ContentBlock {
    ContentBlock::image(PIXEL, "image/png")
}

#[derive(Deserialize, JsonSchema)]
struct Count {
    /// Where it ends
    #[schemars(range(min = 1, max = 100))]
    to: u32,
}

async fn count(Count { to }: Count, context: Context) -> String {
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

async fn book(_: NoArguments, context: Context) -> String {
    match context.ask("trip", Form::<Trip>::new("Where shall it go?")).await {
        Elicited::Accepted(Trip { city, nights }) => format!("Booked: {nights} nights in {city}"),
        Elicited::Declined | Elicited::Cancelled => "Nothing is booked.".to_owned(),
    }
}

async fn fail(_: NoArguments, _: Context) -> Result<String, &'static str> {
    Err("this tool fails, and says so")
}

const CHAPTERS: [(&str, &str); 3] =
    [("arrival", "We came by sea."), ("market", "They sell figs."), ("mountain", "The path is steep.")];

/// What begins with what was typed.
fn beginning(names: &[&str], typed: &Partial) -> Vec<String> {
    let names = names.iter().filter(|name| name.starts_with(&typed.value));
    names.map(|name| (*name).to_owned()).collect()
}

fn server() -> Result<Server, Box<dyn Error>> {
    let about = Resource::new("tour:///about").name("about").mime_type("text/markdown");
    let pixel = Resource::new("tour:///pixel").name("pixel").mime_type("image/png");
    let chapter = Template::new("tour:///chapters/{name}")
        .name("chapter")
        .mime_type("text/plain")
        .complete("name", async |typed: Partial, _: Context| {
            beginning(&CHAPTERS.map(|(name, _)| name), &typed)
        })
        .read(async |values: Values, _: Context| {
            let name = values.get("name")?;
            CHAPTERS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
        });
    let language = Argument::new("language").description("The language").required();
    let explain = Prompt::new("explain")
        .description("Explains a language.")
        .argument(
            language
                .complete(async |typed: Partial, _: Context| beginning(&["python", "rust", "ruby"], &typed)),
        )
        .get(async |values: Values, _: Context| {
            format!("Explain {} in one sentence.", values.get("language").unwrap_or_default())
        });
    let server = Server::builder("tour", "1.0.0")
        .add(Tool::new("greet").description("Says hello.").run(greet))
        .add(Tool::new("measure").description("Counts words.").run(measure))
        .add(Tool::new("picture").description("Shows a picture.").run(picture))
        .add(Tool::new("count").description("Counts, and tells how far it is.").run(count))
        .add(Tool::new("book").description("Books a trip, with the user's help.").run(book))
        .add(Tool::new("fail").description("Always fails.").run(fail))
        .add(about.read(async |_: Context| "# A tour\n\nSome of everything."))
        .add(pixel.read(async |_: Context| PIXEL.to_vec()))
        .add(chapter)
        .add(explain);
    Ok(server.build()?)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => stdio::serve(live(server()?), stdio::Config::default(), pending()).await?,
        ["--http", port] => {
            let address = ([127, 0, 0, 1], port.parse()?).into();
            let config = http::Config {
                sse: true,
                websocket: Some(websocket::Config::default()),
                ..Default::default()
            };
            let listener = http::Listener::bind(address, config, false).await?;
            eprintln!("listening on http://{}/mcp", listener.address()?);
            listener.serve(live(server()?), pending()).await?;
        }
        _ => return Err("usage: tour [--http PORT]".into()),
    }
    Ok(())
}
