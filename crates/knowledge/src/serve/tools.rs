//! The tools.

use std::sync::Arc;

use anyport_protocol::types::{ContentBlock, ToolAnnotations};
use anyport_server::{Context, IntoToolResult, InvalidParams, Json, NoArguments, Tool, ToolResult};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::{DocumentTool, offer::Offer};
use crate::answers::{DocumentQuery, ListQuery, Readable, SearchArguments, StandardQuery};

/// The tools that are offered, in the order in which they are listed.
pub(super) fn all(offer: &Arc<Offer>) -> Vec<Tool> {
    offered(offer, &DocumentTool::ALL)
}

/// Those of them that say what can be chosen.
pub(super) fn with_topics(offer: &Arc<Offer>) -> Vec<Tool> {
    offered(offer, &[DocumentTool::GetStdlib, DocumentTool::SearchDocs, DocumentTool::ListDocs])
}

fn offered(offer: &Arc<Offer>, of: &[DocumentTool]) -> Vec<Tool> {
    let offered = of.iter().filter(|tool| offer.options.tools.contains(tool));
    let make = |tool: &DocumentTool| match tool {
        DocumentTool::GetStdlib => get_stdlib(offer),
        DocumentTool::SearchDocs => search_docs(offer),
        DocumentTool::ListDocs => list_docs(offer),
        DocumentTool::GetDoc => get_doc(offer),
        DocumentTool::HealthCheck => health_check(offer),
    };
    offered.map(make).collect()
}

fn get_stdlib(offer: &Arc<Offer>) -> Tool {
    let schema = offer.topics().schema::<StandardQuery>();
    let offer = offer.clone();
    Tool::new(DocumentTool::GetStdlib.name())
        .title("Get a coding standard")
        .description(
            "Retrieve the coding standards document for a language and a domain, or one section of it. Of a long \
             document the outline is returned; ask for a section then.",
        )
        .annotations(reading())
        .category(DOCUMENTS)
        .example(json!({"language": "python", "domain": "testing"}))
        .input_schema(schema)
        .run(move |query: StandardQuery, _: Context| {
            let (library, max) = (offer.knowledge.library(), offer.options.max_answer_chars);
            async move { library.standard(&query, max).await.map(Told) }
        })
}

fn search_docs(offer: &Arc<Offer>) -> Tool {
    let topics = offer.topics();
    let schema = topics.schema::<SearchArguments>();
    let mut example = json!({"query": "how are errors handled"});
    if topics.has_languages() {
        example["language"] = json!("rust");
    }
    let offer = offer.clone();
    Tool::new(DocumentTool::SearchDocs.name())
        .title("Search the documents")
        .description(
            "Find where something is said: the documents that fit best, each with the section and the passage. get_doc \
             retrieves the section.",
        )
        .annotations(reading())
        .category(DOCUMENTS)
        .example(example)
        .input_schema(schema)
        // Some milliseconds of work, and files to read where texts are not in memory.
        .run_blocking(move |query: SearchArguments, _: Context| offer.knowledge.find(query).map(Told))
}

fn list_docs(offer: &Arc<Offer>) -> Tool {
    let topics = offer.topics();
    let schema = topics.schema::<ListQuery>();
    let example = match topics.has_languages() {
        true => json!({"language": "python", "limit": 20}),
        false => json!({"limit": 20}),
    };
    let offer = offer.clone();
    Tool::new(DocumentTool::ListDocs.name())
        .title("List documents")
        .description(
            "List the documents with title, description and tags, all or those about something. next_cursor leads to \
             the next page.",
        )
        .annotations(reading())
        .category(DOCUMENTS)
        .example(example)
        .input_schema(schema)
        .run(move |query: ListQuery, _: Context| {
            let listing = offer.knowledge.library().list(&query);
            let listing = listing.map_err(|error| InvalidParams::new("cursor", error.to_string()));
            async move { listing.map(Told) }
        })
}

fn get_doc(offer: &Arc<Offer>) -> Tool {
    let offer = offer.clone();
    Tool::new(DocumentTool::GetDoc.name())
        .title("Get a document")
        .description(
            "Retrieve a document by its path, or one section of it. Of a long document the outline is returned; ask for \
             a section then.",
        )
        .annotations(reading())
        .category(DOCUMENTS)
        .example(json!({"path": "python/testing.md", "section": "Fixtures"}))
        .run(move |query: DocumentQuery, _: Context| {
            let (library, max) = (offer.knowledge.library(), offer.options.max_answer_chars);
            async move { library.document(&query, max).await.map(Told) }
        })
}

fn health_check(offer: &Arc<Offer>) -> Tool {
    let offer = offer.clone();
    Tool::new(DocumentTool::HealthCheck.name())
        .title("Check the server's health")
        .description(
            "Tell how the server is: the machine's load, what it depends on, and how far the documents are read and \
             indexed.",
        )
        .annotations(reading())
        .uncached()
        .category(OPERATION)
        .run(move |_: NoArguments, _: Context| {
            let report = offer.health.report(&offer.knowledge);
            async move { Told(report) }
        })
}

/// The category of the tools that read documents.
const DOCUMENTS: &str = "documents";
/// The category of the tools about the server itself.
const OPERATION: &str = "operation";

/// Documents are read, never changed, and nothing else is reached.
fn reading() -> ToolAnnotations {
    ToolAnnotations {
        read_only_hint: Some(true),
        destructive_hint: Some(false),
        idempotent_hint: Some(true),
        open_world_hint: Some(false),
        ..ToolAnnotations::default()
    }
}

/// An answer as a structure, and as Markdown for who reads.
///
/// 2026-07-28, server/tools §Structured Content: "For backwards compatibility, a tool that returns structured content
/// SHOULD also return the serialized JSON in a TextContent block." Not here: the Markdown says all that the structure
/// says, so who reads only text misses nothing; documents in JSON are hard to read, and both would be twice as long.
struct Told<T>(T);

impl<T: Readable + Serialize + JsonSchema> IntoToolResult for Told<T> {
    fn into_tool_result(self) -> ToolResult {
        let links = self.0.links();
        let text = ContentBlock::text(self.0.markdown());
        let blocks: Vec<ContentBlock> =
            std::iter::once(text).chain(links.into_iter().map(ContentBlock::from)).collect();
        ToolResult::structured(&self.0).with_content(blocks)
    }

    fn output_schema() -> Option<Value> {
        <Json<T> as IntoToolResult>::output_schema()
    }
}
