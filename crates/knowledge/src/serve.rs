//! Documents as an MCP server: the tools, and every document as a resource.

use std::sync::Arc;

use anyport_protocol::{
    Revision,
    types::{ResourceContents, ToolAnnotations},
};
use anyport_server::{
    BuildError, Builder, Completion, Context, Json, MAX_COMPLETIONS, Partial, Resource, Server, Template,
    Tool, Values,
};
use anyport_service::seal::Key;

use crate::{
    Document, Knowledge, Library, Unreadable,
    answers::{DocumentQuery, ListQuery, StandardQuery},
    section, uri,
};

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
    let mut builder = Server::builder(name, env!("CARGO_PKG_VERSION"))
        .title("Knowledge")
        .instructions(INSTRUCTIONS)
        .supported_versions(supported);
    if let Some(key) = key {
        builder = builder.state_key(key);
    }
    let builder = tools(builder, knowledge);
    resources(builder, knowledge)
}

const INSTRUCTIONS: &str = "Documents in Markdown, coding standards among them. Use get_stdlib for the standard of a \
    language and a domain, list_docs to see what there is, and get_doc for a document or a section of it. \
    Every document is a resource too, at docs:///PATH.";

fn tools(builder: Builder, knowledge: &Knowledge) -> Builder {
    let (standards, listed, documents) = (knowledge.clone(), knowledge.clone(), knowledge.clone());
    builder
        .tool(
            Tool::new("get_stdlib")
                .title("Get a coding standard")
                .description("Retrieve the coding standards document for a language and a domain.")
                .annotations(reading())
                .run(move |query: StandardQuery, _: Context| {
                    let library = standards.library();
                    async move { library.standard(&query).await.map(Json) }
                }),
        )
        .tool(
            Tool::new("list_docs")
                .title("List documents")
                .description("List the documents with title, description, tags, language and domain.")
                .annotations(reading())
                .run(move |query: ListQuery, _: Context| {
                    let listing = listed.library().list(&query);
                    async move { Json(listing) }
                }),
        )
        .tool(
            Tool::new("get_doc")
                .title("Get a document")
                .description("Retrieve a document by its path, or one section of it.")
                .annotations(reading())
                .run(move |query: DocumentQuery, _: Context| {
                    let library = documents.library();
                    async move { library.document(&query).await.map(Json) }
                }),
        )
}

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

fn resources(builder: Builder, knowledge: &Knowledge) -> Builder {
    let library = knowledge.library();
    let builder =
        library.iter().fold(builder, |builder, document| builder.resource(resource(knowledge, document)));
    let (read, completed) = (knowledge.clone(), knowledge.clone());
    builder.template(
        Template::new(uri::TEMPLATE)
            .name("document")
            .title("Document")
            .description("A document by its path; a fragment names a section.")
            .mime_type(MARKDOWN)
            .complete("path", move |partial: Partial, _: Context| {
                let completion = complete(&completed.library(), &partial.value);
                async move { completion }
            })
            .read(move |values: Values, _: Context| {
                let knowledge = read.clone();
                async move { section(&knowledge, values.get("path").unwrap_or_default()).await }
            }),
    )
}

const MARKDOWN: &str = "text/markdown";

fn resource(knowledge: &Knowledge, document: &Document) -> Resource {
    let (knowledge, path) = (knowledge.clone(), document.path.clone());
    Resource::new(document.uri())
        .name(document.path.as_str())
        .title(&document.title)
        .description(&document.description)
        .mime_type(MARKDOWN)
        .size(document.text.bytes())
        .read(move |_: Context| {
            let document = knowledge.library().get(path.as_str()).cloned();
            async move {
                match document {
                    Some(document) => document.read().await.map(|text| Some(text.to_string())),
                    None => Ok(None),
                }
            }
        })
}

/// What the template adds to the documents themselves: their sections.
async fn section(knowledge: &Knowledge, path: &str) -> Result<Option<ResourceContents>, Unreadable> {
    let (path, fragment) =
        path.split_once('#').map_or((path, None), |(path, fragment)| (path, Some(fragment)));
    let Some(document) = knowledge.library().get(path).cloned() else { return Ok(None) };
    let text = document.read().await?;
    let (text, uri) = match fragment {
        Some(fragment) => {
            let Some(text) = section::section(&text, fragment) else { return Ok(None) };
            (text, format!("{}#{fragment}", document.uri()))
        }
        None => (&*text, document.uri()),
    };
    Ok(Some(ResourceContents::text(uri, text).with_mime_type(MARKDOWN)))
}

fn complete(library: &Library, typed: &str) -> Completion {
    let typed = typed.to_lowercase();
    let fits = |document: &&Arc<Document>| document.path.as_str().to_lowercase().contains(&typed);
    let all: Vec<&Arc<Document>> = library.iter().filter(fits).collect();
    let (total, has_more) = (Some(all.len() as u64), all.len() > MAX_COMPLETIONS);
    let values =
        all.into_iter().take(MAX_COMPLETIONS).map(|document| document.path.as_str().to_owned()).collect();
    Completion { values, total, has_more }
}

#[cfg(test)]
mod tests {
    use anyport_protocol::{Method, Raw};
    use anyport_service::{Outcome, Principal, Request, Service};
    use serde_json::{Value, json};

    use super::*;
    use crate::{DocumentPath, FileTimes};

    fn call(method: Method, params: Value) -> Value {
        let document = |(path, text): (&str, &str)| {
            Document::parse(DocumentPath::new(path).unwrap(), text, FileTimes::default()).0
        };
        let documents = [
            ("python/testing.md", "---\ntitle: Testing\n---\n# Tests\n\nAll.\n\n## Speed\n\nFast.\n"),
            ("a b.md", "# Spaces\n"),
        ];
        let knowledge = Knowledge::of(Library::new(documents.map(document)));
        let server = server(&knowledge, "docs", &[Revision::NEWEST], None).unwrap();
        let context = anyport_service::Context::new(Principal::local(), Revision::NEWEST);
        match server.call(Request::new(method, Raw::from(params)), context).into_ready().unwrap() {
            Outcome::Result(result) => result.decode().unwrap(),
            Outcome::Error(error) => {
                json!({"code": error.code, "data": error.data.map(|data| data.to_string())})
            }
            outcome => panic!("{outcome:?}"),
        }
    }

    #[test]
    fn tools_answer_with_structure_and_text() {
        let arguments =
            json!({"name": "get_stdlib", "arguments": {"language": "python", "domain": "testing"}});
        let result = call(Method::ToolsCall, arguments);
        assert_eq!(result["structuredContent"]["title"], "Testing");
        let text: Value = serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
        assert_eq!(text, result["structuredContent"]);
        let result = call(Method::ToolsCall, json!({"name": "list_docs"}));
        assert_eq!(result["structuredContent"]["count"], 2);
    }

    #[test]
    fn every_document_is_a_resource_and_so_are_its_sections() {
        let listed = call(Method::ResourcesList, json!({}));
        assert_eq!(listed["resources"][1]["uri"], "docs:///a%20b.md");
        for resource in listed["resources"].as_array().unwrap() {
            let read = call(Method::ResourcesRead, json!({"uri": resource["uri"]}));
            assert_eq!(read["contents"][0]["mimeType"], "text/markdown");
            assert_eq!(read["contents"][0]["uri"], resource["uri"]);
        }
        let read = call(Method::ResourcesRead, json!({"uri": "docs:///python/testing.md#speed"}));
        assert_eq!(read["contents"][0]["text"], "## Speed\n\nFast.\n");
        for missing in [
            "docs:///nope.md",
            "docs:///python/testing.md#nope",
            "docs:///../secret",
            "docs:///%2e%2e/secret",
        ] {
            assert_eq!(call(Method::ResourcesRead, json!({"uri": missing}))["code"], -32602, "{missing}");
        }
    }

    #[test]
    fn paths_are_completed() {
        let params = json!({"ref": {"type": "ref/resource", "uri": "docs:///{+path}"}, "argument": {"name": "path", "value": "PYT"}});
        assert_eq!(call(Method::Complete, params)["completion"]["values"], json!(["python/testing.md"]));
    }
}
