//! Files that change while they are served.
//!
//! Invariant: Subscribers of a document, a section or a list receive its changes.

use std::{collections::BTreeSet, fs, path::Path};

use anyport::Revision;
use anyport_knowledge::{Folders, Knowledge, Settings};
use anyport_testing::{Client, TestServer};
use serde_json::json;

use super::{ask, schema, serve};

async fn open(folder: &Path) -> Knowledge {
    let knowledge = Knowledge::open(Folders::new(folder), Settings::default()).unwrap();
    knowledge.settled().await;
    knowledge
}

/// Writes a file in one step, as editors do: with two, a slow machine sees an empty file between them.
fn write(file: &Path, text: &str) {
    let aside = file.with_extension("aside");
    fs::write(&aside, text).unwrap();
    fs::rename(aside, file).unwrap();
}

/// What is told until all of `wanted` is.
async fn told(client: &mut Client, wanted: &[&str]) -> BTreeSet<String> {
    let mut told = BTreeSet::new();
    while !wanted.iter().all(|wanted| told.contains(*wanted)) {
        let change = client.change().await.unwrap();
        let method = change["method"].as_str().unwrap();
        let uri = change["params"]["uri"].as_str();
        told.insert(uri.map_or_else(|| method.to_owned(), |uri| format!("{method} {uri}")));
    }
    told
}

const UPDATED: &str = "notifications/resources/updated docs:///go/testing.md";
const SECTION: &str = "notifications/resources/updated docs:///go/testing.md#speed";
const LISTED: &str = "notifications/resources/list_changed";
const TOOLS: &str = "notifications/tools/list_changed";

#[tokio::test]
async fn who_subscribed_is_told_of_a_document_and_of_its_section() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("go/testing.md");
    fs::create_dir(folder.path().join("go")).unwrap();
    fs::write(&file, "# Go\n\n## Speed\n\nslow\n").unwrap();
    let server = serve(&open(folder.path()).await).await;
    for (round, revision) in [Revision::NEWEST, Revision::V2024_11_05].into_iter().enumerate() {
        let mut client = server.client().wire(revision).await.unwrap();
        client.listen(&["docs:///go/testing.md", "docs:///go/testing.md#speed"]).await.unwrap();
        write(&file, &format!("# Go\n\n## Speed\n\nfast {round}\n"));
        let told = told(&mut client, &[UPDATED, SECTION]).await;
        assert!(!told.contains(LISTED), "title and description are what they were: {told:?}");
        let read = client.read("docs:///go/testing.md#speed").await.unwrap().text();
        assert_eq!(read, format!("## Speed\n\nfast {round}\n"));
    }
}

#[tokio::test]
async fn lists_are_told_of_when_documents_come_go_or_are_called_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.md"), "# A\n").unwrap();
    let server = serve(&open(folder.path()).await).await;
    let mut client = server.client().await.unwrap();
    client.listen(&[]).await.unwrap();
    write(&folder.path().join("b.md"), "# B\n");
    told(&mut client, &[LISTED]).await;
    assert_eq!(client.resources().await.unwrap().len(), 2);
    write(&folder.path().join("b.md"), "# Other\n");
    told(&mut client, &[LISTED]).await;
    assert_eq!(client.resources().await.unwrap()[1].title.as_deref(), Some("Other"));
    fs::remove_file(folder.path().join("a.md")).unwrap();
    told(&mut client, &[LISTED]).await;
    assert_eq!(client.resources().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_new_language_can_be_chosen_and_clients_are_told() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("zig")).unwrap();
    let knowledge = open(folder.path()).await;
    let server = serve(&knowledge).await;
    let mut client = server.client().await.unwrap();
    client.listen(&[]).await.unwrap();
    let asked = json!({"language": "zig", "domain": "testing"});
    assert!(client.call("get_stdlib", &asked).await.unwrap().is_error(), "it is none of the choices");
    write(&folder.path().join("zig/testing.md"), "# Zig\n");
    told(&mut client, &[TOOLS, LISTED]).await;
    assert_eq!(ask(&mut client, "get_stdlib", asked.clone()).await["title"], "Zig");
    fs::remove_file(folder.path().join("zig/testing.md")).unwrap();
    told(&mut client, &[TOOLS]).await;
    let choices = schema(&mut client, "get_stdlib").await["properties"]["language"]["enum"].clone();
    assert!(!choices.as_array().unwrap().contains(&json!("zig")), "{choices}");
    // After it has stopped, nobody is told any more, and nothing is left that would.
    server.stop().await;
    let mut changes = knowledge.changes();
    write(&folder.path().join("zig/testing.md"), "# Zig\n");
    changes.recv().await.unwrap();
    let mut client = server.client().await.unwrap();
    assert!(client.call("get_stdlib", &asked).await.unwrap().is_error());
}
