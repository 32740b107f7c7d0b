//! Documents as an MCP server.
//!
//! - [`options`]: what can be chosen.
//! - [`offer`]: what all parts of the server share.
//! - [`tools`]: what models call; [`schema`]: their arguments, with what there is to choose from.
//! - [`resources`]: every document and section by its URI; [`complete`]: what is being typed.
//! - [`prompt`]: a standard and the code that it is applied to.
//! - [`notifications`]: notifies clients of changed documents.

mod complete;
mod notifications;
mod offer;
mod options;
mod prompt;
mod resources;
mod schema;
mod tools;

use anyport_protocol::Revision;
use anyport_seal::Key;
use anyport_server::{BuildError, Builder, List, Server};

pub use options::{DocumentTool, MAX_CHOICES, Options, UnknownTool};

use crate::Knowledge;
use offer::Offer;

/// A server of the documents in `knowledge`, called `name`, that speaks `supported`. State that travels through
/// clients is sealed under `key`, or under one that lives as long as the server.
///
/// # Errors
/// When a document cannot be offered.
pub fn server(
    knowledge: &Knowledge,
    name: &str,
    supported: &[Revision],
    key: Option<Key>,
) -> Result<Server, BuildError> {
    builder(knowledge, name, supported, key).build()
}

/// The same before it is built, for who wants other limits.
pub fn builder(knowledge: &Knowledge, name: &str, supported: &[Revision], key: Option<Key>) -> Builder {
    builder_with(knowledge, name, supported, key, Options::default())
}

/// The same, with what can be chosen.
///
/// Clients receive change notifications from the start of the server ([`Server::start`]) to its stop.
pub fn builder_with(
    knowledge: &Knowledge,
    name: &str,
    supported: &[Revision],
    key: Option<Key>,
    options: Options,
) -> Builder {
    let offer = Offer::new(knowledge, options);
    let mut builder = Server::builder(name, env!("CARGO_PKG_VERSION"))
        .title("Knowledge")
        .instructions(instructions(&offer.options.tools))
        .supported_versions(supported)
        .dynamic([List::Tools, List::Resources]);
    if let Some(key) = key {
        builder = builder.state_key(key);
    }
    builder = tools::all(&offer).into_iter().fold(builder, Builder::tool);
    builder = builder.template(resources::template(knowledge));
    // What makes a standard readable makes it applicable.
    if offer.options.tools.contains(&DocumentTool::GetStdlib) {
        builder = builder.prompt(prompt::apply_standard(&offer));
    }
    notifications::while_it_runs(builder, offer)
}

/// What a model is to know of a server with these tools.
fn instructions(tools: &[DocumentTool]) -> String {
    let use_of = |tool| match tool {
        DocumentTool::GetStdlib => Some("get_stdlib for the standard of a language and a domain"),
        DocumentTool::SearchDocs => Some("search_docs to find where something is said"),
        DocumentTool::ListDocs => Some("list_docs to see what there is"),
        DocumentTool::GetDoc => Some("get_doc for a document or a section of it"),
        DocumentTool::HealthCheck => None,
    };
    let has = |tool| tools.contains(&tool);
    let offered = DocumentTool::ALL.into_iter().filter(|tool| has(*tool));
    let uses: Vec<&str> = offered.filter_map(use_of).collect();
    let mut text = String::from("Documents in Markdown");
    text.push_str(if has(DocumentTool::GetStdlib) { ", coding standards among them." } else { "." });
    match uses.as_slice() {
        [] => {}
        [only] => text.push_str(&format!(" Use {only}.")),
        [first @ .., last] => text.push_str(&format!(" Use {}, and {last}.", first.join(", "))),
    }
    if has(DocumentTool::GetStdlib) || has(DocumentTool::GetDoc) {
        text.push_str(" A long document is answered with its outline: ask for one section then.");
    }
    text + " Every document is a resource too, at docs:///PATH, and each section at docs:///PATH#SECTION."
}

#[cfg(test)]
mod tests;
