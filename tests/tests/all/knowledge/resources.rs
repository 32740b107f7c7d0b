//! Documents as resources.

use anyport::Revision;
use anyport_knowledge::{Folders, Knowledge, Library, Settings};
use anyport_testing::TestServer;
use serde_json::json;

use super::{document, serve};

#[tokio::test]
async fn five_thousand_documents_are_listed_once_each_and_can_be_read() {
    let path = |index: usize| format!("{index:04}.md");
    let knowledge = Knowledge::of(Library::new((0..5_000).map(|index| document(&path(index), "# Text"))));
    let server = serve(&knowledge).await;
    for revision in [Revision::NEWEST, Revision::V2024_11_05] {
        let mut client = server.client().wire(revision).await.unwrap();
        let listed = client.resources().await.unwrap();
        let uris: Vec<String> = listed.into_iter().map(|resource| resource.uri).collect();
        assert_eq!(uris, (0..5_000).map(|index| format!("docs:///{}", path(index))).collect::<Vec<_>>());
        assert_eq!(client.read(&uris[4_999]).await.unwrap().text(), "# Text");
    }
    let mut client = server.client().await.unwrap();
    let mut seen = Vec::new();
    let mut query = json!({"limit": 1000});
    loop {
        let page = super::ask(&mut client, "list_docs", query).await;
        assert_eq!(page["total"], 5_000);
        seen.extend(page["documents"].as_array().unwrap().iter().map(|document| document["path"].clone()));
        match page.get("next_cursor") {
            Some(cursor) => query = json!({"limit": 1000, "cursor": cursor}),
            None => break,
        }
    }
    assert_eq!(seen, (0..5_000).map(|index| json!(path(index))).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_was_deleted_after_it_was_listed_is_gone_and_no_failure_of_the_server() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.md"), "# A").unwrap();
    // Texts are read when they are asked for, so that the file is missed before the folder is looked at again.
    let settings = Settings::default().max_held_bytes(0);
    let knowledge = Knowledge::open(Folders::new(folder.path()), settings).unwrap();
    knowledge.settled().await;
    let server = serve(&knowledge).await;
    let mut client = server.client().await.unwrap();
    assert_eq!(client.resources().await.unwrap()[0].uri, "docs:///a.md");
    let mut changes = knowledge.changes();
    std::fs::remove_file(folder.path().join("a.md")).unwrap();
    let read = client.read("docs:///a.md").await.unwrap();
    assert_eq!(read.code(), Some(-32602), "{read:?}");
    assert_eq!(super::ask(&mut client, "get_doc", json!({"path": "a.md"})).await["found"], false);
    changes.recv().await.unwrap();
    let read = client.read("docs:///a.md").await.unwrap();
    assert_eq!(read.code(), Some(-32602), "{read:?}");
    assert!(client.resources().await.unwrap().is_empty());
    assert_eq!(super::ask(&mut client, "get_doc", json!({"path": "a.md"})).await["found"], false);
}
