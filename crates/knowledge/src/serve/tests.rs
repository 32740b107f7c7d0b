use anyport_protocol::{Method, Raw};
use anyport_service::{Outcome, Principal, Request, Service};
use serde_json::{Value, json};

use super::*;
use crate::{Document, DocumentPath, FileTimes, Library};

async fn call(method: Method, params: Value) -> Value {
    let document = |(path, text): (&str, &str)| {
        Document::parse(DocumentPath::new(path).unwrap(), text, FileTimes::default()).0
    };
    let documents = [
        ("python/testing.md", "---\ntitle: Testing\n---\n# Tests\n\nAll.\n\n## Größe\n\nFast.\n"),
        ("a b#c.md", "# Spaces\n"),
    ];
    let knowledge = Knowledge::of(Library::new(documents.map(document)));
    knowledge.settled().await;
    let server = server(&knowledge, "docs", &[Revision::NEWEST], None).unwrap();
    let context = anyport_service::Context::new(Principal::local(), Revision::NEWEST);
    match server.call(Request::new(method, Raw::from(params)), context).outcome().await {
        Outcome::Result(result) => result.decode().unwrap(),
        Outcome::Error(error) => {
            json!({"code": error.code, "data": error.data.map(|data| data.to_string())})
        }
        outcome => panic!("{outcome:?}"),
    }
}

#[tokio::test]
async fn tools_answer_with_structure_and_with_text() {
    let arguments = json!({"name": "get_stdlib", "arguments": {"language": "python", "domain": "testing"}});
    let result = call(Method::ToolsCall, arguments).await;
    assert_eq!(result["structuredContent"]["title"], "Testing");
    let text = result["content"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("**Testing** · python/testing · ") && text.ends_with("Fast.\n"), "{text}");
    let result = call(Method::ToolsCall, json!({"name": "list_docs"})).await;
    assert_eq!(result["structuredContent"]["total"], 2);
    let search = json!({"name": "search_docs", "arguments": {"query": "fast"}});
    let result = call(Method::ToolsCall, search).await;
    assert_eq!(result["structuredContent"]["hits"][0]["path"], "python/testing.md");
    let result = call(Method::ToolsCall, json!({"name": "health_check"})).await;
    assert_eq!(result["structuredContent"]["progress"]["indexed"], 2);
}

#[tokio::test]
async fn every_document_is_a_resource_and_so_are_its_sections() {
    let listed = call(Method::ResourcesList, json!({})).await;
    assert_eq!(listed["resources"][1]["uri"], "docs:///a%20b%23c.md");
    assert_eq!(listed["resources"][0]["name"], "python/testing.md");
    assert_eq!(listed["resources"][0]["mimeType"], "text/markdown");
    for resource in listed["resources"].as_array().unwrap() {
        let read = call(Method::ResourcesRead, json!({"uri": resource["uri"]})).await;
        assert_eq!(read["contents"][0]["mimeType"], "text/markdown");
        assert_eq!(read["contents"][0]["uri"], resource["uri"]);
        assert_eq!(read["contents"][0]["text"].as_str().unwrap().len() as u64, resource["size"]);
    }
    for uri in ["docs:///python/testing.md#gr%C3%B6%C3%9Fe", "docs:///python/testing.md#Gr%C3%B6%C3%9Fe"] {
        let read = call(Method::ResourcesRead, json!({ "uri": uri })).await;
        assert_eq!(read["contents"][0]["text"], "## Größe\n\nFast.\n");
        assert_eq!(read["contents"][0]["uri"], uri);
    }
    for missing in [
        "docs:///nope.md",
        "docs:///python/testing.md#nope",
        "docs:///python/testing.md#",
        "docs:///a%20b#c.md",
        "docs:///../secret",
        "docs:///%2e%2e/secret",
        "docs:////etc/passwd",
    ] {
        assert_eq!(call(Method::ResourcesRead, json!({"uri": missing})).await["code"], -32602, "{missing}");
    }
}

#[tokio::test]
async fn paths_are_completed() {
    let params = json!({"ref": {"type": "ref/resource", "uri": "docs:///{+path}"}, "argument": {"name": "path", "value": "PYT"}});
    assert_eq!(call(Method::Complete, params).await["completion"]["values"], json!(["python/testing.md"]));
}

#[test]
fn tools_are_chosen_by_their_names() {
    let chosen: Vec<DocumentTool> = ["search_docs", " get_doc"].map(|name| name.parse().unwrap()).to_vec();
    assert_eq!(chosen, [DocumentTool::SearchDocs, DocumentTool::GetDoc]);
    let unknown = "search".parse::<DocumentTool>().unwrap_err().to_string();
    assert_eq!(
        unknown,
        "there is no such tool; the tools are get_stdlib, search_docs, list_docs, get_doc, health_check"
    );
    assert_eq!(
        instructions(&chosen),
        "Documents in Markdown. Use search_docs to find where something is said, and get_doc for a document or a section of \
         it. A long document is answered with its outline: ask for one section then. Every document is a resource too, at \
         docs:///PATH, and each section at docs:///PATH#SECTION."
    );
}
