//! The knowledge server as its clients meet it, in every revision.

mod answers;
mod changes;
mod choices;
mod held_out;
mod nonsense;
mod prompt;
mod quality;
mod readmes;
mod resources;

use anyport::{Revision, Server};
use anyport_knowledge::{Document, DocumentPath, FileTimes, Knowledge, Library, Options, builder_with};
use anyport_testing::Client;
use serde_json::{Value, json};

/// A document at `path` that says `text`.
fn document(path: &str, text: &str) -> Document {
    Document::parse(DocumentPath::new(path).unwrap(), text, FileTimes::default()).0
}

/// Documents that can be searched already.
async fn knowledge(documents: &[(&str, &str)]) -> Knowledge {
    let documents = documents.iter().map(|(path, text)| document(path, text));
    let knowledge = Knowledge::of(Library::new(documents));
    knowledge.settled().await;
    knowledge
}

/// A server of them that was started, as programs do.
async fn serve(knowledge: &Knowledge) -> Server {
    serve_with(knowledge, Options::default()).await
}

async fn serve_with(knowledge: &Knowledge, options: Options) -> Server {
    let server = builder_with(knowledge, "docs", &Revision::ALL, None, options).build().unwrap();
    server.start().await.unwrap();
    server
}

/// What `tool` answers, as a structure.
async fn ask(client: &mut Client, tool: &str, arguments: Value) -> Value {
    let answer = client.call(tool, arguments).await.unwrap();
    assert!(!answer.is_error(), "{answer:?}");
    answer.outcome.unwrap()["structuredContent"].take()
}

/// The schema of the arguments of `tool`.
async fn schema(client: &mut Client, tool: &str) -> Value {
    let tools = client.tools().await.unwrap();
    let tool = tools.into_iter().find(|listed| listed.name == tool).unwrap();
    json!(tool.input_schema)
}

const STANDARD: &str = "---\ntitle: How we test\ntags: [pytest]\nupdatedAt: '2026-03-14'\n---\n# How we test\n\nNo test sleeps.\n\n\
    ## Names\n\nA test is called after what it proves.\n";
