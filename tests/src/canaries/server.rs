//! The servers behind the gateway: every answer carries the canary that it was called with.

use std::{
    net::SocketAddr,
    process,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyport::{
    BuildError, CompletionRequest, Context, Prompt, Revision, Server, Template, Tool,
    ask::{Elicited, Form},
    protocol::LogLevel,
    server::{Argument, Values},
    stdio,
    types::{CreateMessageRequest, SamplingMessage, ToolAnnotations},
    with_legacy_clients,
};
use anyport_transport::http::{Config, Listener};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use crate::cross_transport::Fault;

#[derive(Deserialize, JsonSchema)]
struct Word {
    /// The canary of the call
    word: String,
    /// Something that no record may have
    #[serde(default)]
    password: String,
}

#[derive(Deserialize, JsonSchema)]
struct Key {
    /// What is looked up
    key: String,
}

#[derive(Deserialize, Serialize, JsonSchema)]
struct Reply {
    word: String,
}

/// The URI of the resource that has this canary.
pub(super) fn note(canary: &str) -> String {
    format!("note://{canary}")
}

/// # Errors
/// When it does not hold together.
fn server() -> Result<Server, BuildError> {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let reading = ToolAnnotations { read_only_hint: Some(true), ..ToolAnnotations::default() };
    // What is answered once is answered to one principal alone.
    let look_up = async |Key { key }: Key, _: Context| {
        format!("{key} of {}-{}", process::id(), RUNS.fetch_add(1, Ordering::Relaxed))
    };
    let builder = Server::builder("canaries", "1")
        .tool(Tool::new("echo").run(async |Word { word, .. }: Word, _: Context| word))
        .tool(Tool::new("look_up").annotations(reading).run(look_up))
        .tool(Tool::new("slow").run(async |Word { word, .. }: Word, _: Context| {
            sleep(Duration::from_millis(20)).await;
            word
        }))
        .tool(Tool::new("report").run(report))
        .tool(
            Tool::new("confide")
                .run(async |Word { word, password }: Word, _: Context| format!("{word} has {password}")),
        )
        .tool(Tool::new("change").run(async |Word { word, .. }: Word, context: Context| {
            context.events().resource_updated(&note(&word));
            word
        }));
    let builder = builder.tool(Tool::new("ask").run(ask)).tool(Tool::new("sample").run(sample));
    let read =
        async |values: Values, _: Context| values.get("name").map(|name| format!("the note of {name}"));
    builder
        .template(Template::new("note://{name}").name("note").mime_type("text/plain").read(read))
        .prompt(
            Prompt::new("greet")
                .argument(Argument::new("name").required().complete(
                    async |partial: CompletionRequest, _: Context| {
                        vec![format!("{} completed", partial.value)]
                    },
                ))
                .get(async |values: Values, _: Context| {
                    format!("Greet {}", values.get("name").unwrap_or_default())
                }),
        )
        .build()
}

async fn report(Word { word, .. }: Word, context: Context) -> String {
    for step in 1..=3 {
        context.log(LogLevel::Info, None, word.as_str()).await;
        context.progress(f64::from(step), 3.0, word.as_str()).await;
    }
    word
}

async fn ask(Word { word, .. }: Word, context: Context) -> String {
    match context.ask("word", Form::<Reply>::new(format!("Say {word}"))).await {
        Elicited::Accepted(Reply { word }) => word,
        _ => DECLINED.to_owned(),
    }
}

async fn sample(Word { word, .. }: Word, context: Context) -> String {
    let request = CreateMessageRequest::new(vec![SamplingMessage::user(format!("Say {word}"))], 100);
    let said = context.ask("word", request).await;
    serde_json::to_string(&said).unwrap_or_default()
}

/// What `ask` answers without a word.
pub(super) const DECLINED: &str = "declined";

/// Serves `revisions` at `address`, or on standard streams, until the process is killed.
///
/// # Errors
/// When the address is taken.
pub async fn serve(revisions: Arc<[Revision]>, address: Option<SocketAddr>) -> Result<(), Fault> {
    let service = with_legacy_clients(server()?);
    match address {
        Some(address) => {
            let config = Config::default().supported(revisions);
            Listener::bind(address, config, false).await?.serve(service, std::future::pending()).await?;
        }
        None => {
            let config = stdio::Config::default().supported(revisions);
            stdio::serve(service, config, std::future::pending()).await?;
        }
    }
    Ok(())
}
