//! What can be chosen from.
//!
//! Invariant: Subscribers of a document, a section or a list receive its changes.

use anyport_knowledge::{DocumentTool, Options};
use anyport_testing::TestServer;
use serde_json::json;

use super::{ask, knowledge, schema, serve, serve_with};

#[tokio::test]
async fn what_can_be_asked_for_stands_in_the_schema() {
    let options = Options::default().languages(vec!["kotlin".into()]).domains(vec!["style".into()]);
    let server = serve_with(&knowledge(&[("zig/io.md", "# Zig")]).await, options).await;
    let mut client = server.client().await.unwrap();
    let stdlib = schema(&mut client, "get_stdlib").await;
    assert_eq!(
        stdlib["properties"]["language"]["enum"],
        json!(["python", "go", "javascript", "typescript", "rust", "kotlin", "zig"])
    );
    assert_eq!(
        stdlib["properties"]["domain"]["enum"],
        json!(["architecture", "testing", "security", "performance", "patterns", "style", "io"])
    );
    for tool in ["search_docs", "list_docs"] {
        let choices = schema(&mut client, tool).await["properties"]["language"]["enum"].clone();
        assert!(choices.as_array().unwrap().contains(&json!("zig")), "{tool}: {choices}");
    }
}

#[tokio::test]
async fn of_forty_languages_none_is_listed_and_close_ones_are_named() {
    let paths: Vec<String> = (0..40).map(|index| format!("language{index:02}/testing.md")).collect();
    let documents: Vec<(&str, &str)> = paths
        .iter()
        .map(|path| (path.as_str(), "# Text"))
        .chain([("python/testing.md", "# Python")])
        .collect();
    let server = serve(&knowledge(&documents).await).await;
    let mut client = server.client().await.unwrap();
    let language = schema(&mut client, "get_stdlib").await["properties"]["language"].clone();
    assert!(language.get("enum").is_none(), "{language}");
    let found = ask(&mut client, "get_stdlib", json!({"language": "Python", "domain": "testing"})).await;
    assert_eq!(found["title"], "Python", "whatever the case");
    let missing = ask(&mut client, "get_stdlib", json!({"language": "pyhton", "domain": "testing"})).await;
    assert_eq!(missing["found"], false);
    assert!(missing["message"].as_str().unwrap().contains("python/testing.md"), "{missing}");
    // The domains are few.
    let unknown =
        client.call("get_stdlib", json!({"language": "python", "domain": "tseting"})).await.unwrap();
    assert!(unknown.is_error() && unknown.text().ends_with("did you mean \"testing\"?"), "{unknown:?}");
}

#[tokio::test]
async fn tools_can_be_chosen() {
    let tools = vec![DocumentTool::GetDoc, DocumentTool::SearchDocs];
    let documents = knowledge(&[("python/testing.md", "# Python")]).await;
    let server = serve_with(&documents, Options::default().tools(tools)).await;
    let mut client = server.client().await.unwrap();
    let names: Vec<String> = client.tools().await.unwrap().into_iter().map(|tool| tool.name).collect();
    assert_eq!(names, ["search_docs", "get_doc"]);
    assert!(client.call("list_docs", json!({})).await.unwrap().is_error());
}

#[tokio::test]
async fn filters_that_no_document_fits_are_not_offered() {
    let server = serve(&knowledge(&[("notes.md", "# Notes\n\nOf this and that.")]).await).await;
    let mut client = server.client().await.unwrap();
    for tool in ["search_docs", "list_docs"] {
        let arguments = schema(&mut client, tool).await["properties"].clone();
        assert!(
            arguments.get("language").is_none() && arguments.get("domain").is_none(),
            "{tool}: {arguments}"
        );
    }
    assert_eq!(ask(&mut client, "search_docs", json!({"query": "notes"})).await["total"], 1);
    let unknown =
        client.call("search_docs", json!({"query": "notes", "domain": "and-errors"})).await.unwrap();
    assert!(unknown.is_error(), "{unknown:?}");
}
