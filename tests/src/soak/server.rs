//! The server behind the bridges: every answer carries the word of its caller.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyport::{
    BuildError, Context, Revision, Server, Tool,
    ask::{Elicited, Form},
    protocol::LogLevel,
    stdio,
    types::ToolAnnotations,
    with_legacy_clients,
};
use anyport_transport::http::{Config, Listener};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use crate::cross_transport::Fault;

#[derive(Deserialize, JsonSchema)]
struct Word {
    /// The word of the caller
    word: String,
    /// How much of what the tool does
    #[serde(default)]
    amount: u32,
}

#[derive(Deserialize, Serialize, JsonSchema)]
struct Reply {
    word: String,
}

/// A tool that changes nothing: a call of it is repeated where it is lost.
fn reading() -> ToolAnnotations {
    ToolAnnotations { read_only_hint: Some(true), ..ToolAnnotations::default() }
}

/// What a caller can do here. Each tool answers with the caller's word, on its last line.
///
/// # Errors
/// When it does not hold together.
fn server() -> Result<Server, BuildError> {
    Server::builder("soak", "1")
        .tool(Tool::new("echo").annotations(reading()).run(async |Word { word, .. }: Word, _: Context| word))
        .tool(Tool::new("slow").description("Takes `amount` milliseconds.").run(
            async |Word { word, amount }: Word, _: Context| {
                sleep(Duration::from_millis(amount.into())).await;
                word
            },
        ))
        .tool(Tool::new("large").description("Answers with `amount` KiB.").run(
            async |Word { word, amount }: Word, _: Context| {
                let mut text = "-".repeat(1024 * amount as usize);
                text.push('\n');
                text + &word
            },
        ))
        .tool(Tool::new("flood").description("Logs and tells progress `amount` times.").run(
            async |Word { word, amount }: Word, context: Context| {
                for step in 0..amount {
                    context.log(LogLevel::Info, None, word.as_str()).await;
                    context.progress(f64::from(step), f64::from(amount), word.as_str()).await;
                }
                word
            },
        ))
        .tool(Tool::new("ask").description("Asks the caller for the word.").run(
            async |Word { word, .. }: Word, context: Context| {
                let question = Form::<Reply>::new(format!("Say {word}"));
                match context.ask("word", question).await {
                    Elicited::Accepted(Reply { word }) => word,
                    _ => "declined".to_owned(),
                }
            },
        ))
        .build()
}

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
            stdio::serve(service, stdio::Config::default().supported(revisions), std::future::pending())
                .await?
        }
    }
    Ok(())
}
