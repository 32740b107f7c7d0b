//! What the tools answer.
//!
//! Invariant: The document tools give the same answers in every revision, in text and structure, and never
//! more of a document than requested.

use anyport::Revision;
use anyport_testing::TestServer;
use serde_json::{Value, json};

use super::{STANDARD, ask, knowledge, serve, serve_with};

/// A document of two long sections.
fn long() -> String {
    let text = "A sentence about it. ".repeat(50);
    format!("# Long\n\n## First half\n\n{text}\n\n## Second half\n\n{text}\n")
}

#[tokio::test]
async fn every_tool_says_what_it_is_for_what_it_takes_and_what_it_returns() {
    let server = serve(&knowledge(&[]).await).await;
    let mut client = server.client().await.unwrap();
    let tools = client.tools().await.unwrap();
    let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["get_stdlib", "search_docs", "list_docs", "get_doc", "health_check"]);
    for tool in &tools {
        assert!(tool.description.as_deref().is_some_and(|words| words.len() > 40), "{tool:?}");
        assert!(tool.output_schema.is_some() && tool.category().is_some(), "{tool:?}");
        assert_eq!(tool.annotations.as_ref().unwrap().read_only_hint, Some(true));
        let schema = json!(tool.input_schema);
        assert_eq!(schema["additionalProperties"], false, "{schema}");
        for (name, argument) in schema["properties"].as_object().into_iter().flatten() {
            assert!(argument["description"].is_string(), "{name} of {}", tool.name);
        }
    }
}

#[tokio::test]
async fn the_text_is_the_same_in_every_revision_and_says_what_the_structure_says() {
    let knowledge = knowledge(&[("python/testing.md", STANDARD), ("long.md", &long())]).await;
    let server = serve(&knowledge).await;
    let calls = [
        ("get_stdlib", json!({"language": "python", "domain": "testing"})),
        ("get_stdlib", json!({"language": "go", "domain": "testing"})),
        ("get_doc", json!({"path": "long.md", "max_chars": 1000})),
        ("search_docs", json!({"query": "what does a test prove"})),
        ("list_docs", json!({})),
    ];
    for (tool, arguments) in calls {
        let mut newest: Option<Value> = None;
        for revision in Revision::ALL {
            let mut client = server.client().wire(revision).await.unwrap();
            let answer = client.call(tool, arguments.clone()).await.unwrap();
            assert!(!answer.is_error(), "{answer:?}");
            let result = answer.outcome.unwrap();
            let text = result["content"][0]["text"].as_str().unwrap();
            assert!(!text.starts_with('{'), "for who reads: {text}");
            let newest = newest.get_or_insert_with(|| result.clone());
            assert_eq!(text, newest["content"][0]["text"], "{revision}");
            // Clients of revisions that do not know it pass over it.
            assert_eq!(result["structuredContent"], newest["structuredContent"], "{revision}");
        }
        let structure = newest.unwrap()["structuredContent"].take();
        assert!(structure.is_object(), "{tool}");
    }
}

#[tokio::test]
async fn a_long_document_is_an_outline_whose_links_lead_to_its_sections() {
    let knowledge = knowledge(&[("python/style.md", &long())]).await;
    let server = serve(&knowledge).await;
    for revision in Revision::ALL {
        let mut client = server.client().wire(revision).await.unwrap();
        let arguments = json!({"language": "python", "domain": "style", "max_chars": 1500});
        let answer = client.call("get_stdlib", arguments).await.unwrap();
        let result = answer.outcome.unwrap();
        let content = result["content"].as_array().unwrap();
        assert_eq!(content.len(), 3, "{result}");
        let uris = ["docs:///python/style.md#first-half", "docs:///python/style.md#second-half"];
        for (link, uri) in content[1..].iter().zip(uris) {
            match revision >= Revision::V2025_06_18 {
                true => assert_eq!((&link["type"], &link["uri"]), (&json!("resource_link"), &json!(uri))),
                false => assert!(link["text"].as_str().unwrap().contains(uri), "{link}"),
            }
            let section = client.read(uri).await.unwrap().text();
            assert!(section.starts_with("## ") && section.contains("A sentence about it."), "{section}");
        }
        if revision >= Revision::V2025_06_18 {
            let answer = &result["structuredContent"];
            assert_eq!((&answer["found"], &answer["truncated"]), (&json!(true), &json!(true)));
            assert!(
                answer["content"]
                    .as_str()
                    .unwrap()
                    .starts_with("- [First half](docs:///python/style.md#first-half)")
            );
            assert_eq!(answer["sections"][1]["section"], "second-half");
            let section = json!({"path": "python/style.md", "section": answer["sections"][1]["section"]});
            let section = ask(&mut client, "get_doc", section).await;
            assert!(section["content"].as_str().unwrap().starts_with("## Second half"), "{section}");
            assert!(section.get("truncated").is_none(), "{section}");
        }
    }
}

#[tokio::test]
async fn the_bound_of_an_answer_is_the_servers_unless_the_call_has_one() {
    let knowledge =
        knowledge(&[("long.md", &long()), ("plain.md", &"words and words\n\n".repeat(200))]).await;
    let server = serve_with(&knowledge, anyport_knowledge::Options::default().max_answer_chars(500)).await;
    let mut client = server.client().await.unwrap();
    let answer = ask(&mut client, "get_doc", json!({"path": "long.md"})).await;
    assert_eq!(answer["truncated"], true);
    let answer = ask(&mut client, "get_doc", json!({"path": "long.md", "max_chars": 10_000_000})).await;
    assert!(answer.get("truncated").is_none() && answer["content"] == long(), "{answer}");
    // What has no sections is cut, and says how to get the rest.
    let answer = ask(&mut client, "get_doc", json!({"path": "plain.md"})).await;
    let content = answer["content"].as_str().unwrap();
    assert!(content.len() <= 500 && content.ends_with("words and words"), "{answer}");
    let message = answer["message"].as_str().unwrap();
    assert!(message.contains("max_chars") && message.contains("docs:///plain.md"), "{message}");
}

#[tokio::test]
async fn a_search_leads_to_the_section() {
    let knowledge =
        knowledge(&[("python/testing.md", STANDARD), ("go/testing.md", "# Go\n\nOther words.\n")]).await;
    let server = serve(&knowledge).await;
    let mut client = server.client().await.unwrap();
    let found = ask(&mut client, "search_docs", json!({"query": "what does a test prove"})).await;
    assert_eq!(
        (&found["indexing"], &found["indexed"], &found["documents"]),
        (&json!(false), &json!(2), &json!(2))
    );
    let hit = &found["hits"][0];
    assert_eq!((&hit["path"], &hit["title"]), (&json!("python/testing.md"), &json!("How we test")));
    assert_eq!((&hit["heading"], &hit["uri"]), (&json!("Names"), &json!("docs:///python/testing.md#names")));
    assert_eq!(hit["snippet"], "A test is called after what it proves.");
    let section = json!({"path": hit["path"], "section": hit["heading"]});
    assert!(ask(&mut client, "get_doc", section).await["content"].as_str().unwrap().starts_with("## Names"));
    let mistyped = ask(&mut client, "search_docs", json!({"query": "provse"})).await;
    assert_eq!((&mistyped["approximate"], &mistyped["total"]), (&json!(true), &json!(1)));
    let filtered = json!({"query": "words", "language": "go", "domain": "testing", "tags": [], "limit": 1});
    assert_eq!(ask(&mut client, "search_docs", filtered).await["total"], 1);
    for nothing in [json!({"query": ""}), json!({"query": "test", "tags": ["none"]})] {
        let found = ask(&mut client, "search_docs", nothing).await;
        assert_eq!((&found["total"], &found["hits"]), (&json!(0), &json!([])));
    }
}

#[tokio::test]
async fn while_documents_are_indexed_a_search_says_how_many_are_in() {
    // How fast this machine indexes is not known: with more documents it takes long enough to be seen.
    for count in [4_000, 16_000, 64_000] {
        let documents = (0..count).map(|index| {
            super::document(&format!("{index}.md"), &format!("# Number {index}\n\ncommon words\n"))
        });
        let library = anyport_knowledge::Library::new(documents);
        let knowledge = anyport_knowledge::Knowledge::of(library);
        if says_how_many_are_in(&knowledge, count).await {
            return;
        }
    }
    panic!("64,000 documents were indexed before the first question was answered");
}

/// Whether a search came before all were indexed. If it did, it says what it has to.
async fn says_how_many_are_in(knowledge: &anyport_knowledge::Knowledge, count: usize) -> bool {
    let server = serve(knowledge).await;
    let mut client = server.client().await.unwrap();
    let answer = client.call("search_docs", json!({"query": "common"})).await.unwrap();
    let found: Value = answer.structured().unwrap();
    assert_eq!(found["documents"], count);
    if found["indexing"] == false {
        return false;
    }
    assert!(found["indexed"].as_u64().unwrap() < count as u64, "{found}");
    let text = answer.text();
    assert!(text.contains(&format!("of {count} documents are indexed so far")), "{text}");
    // All else is there.
    let last = json!({"path": format!("{}.md", count - 1)});
    assert_eq!(ask(&mut client, "get_doc", last).await["found"], true);
    knowledge.settled().await;
    let found = ask(&mut client, "search_docs", json!({"query": "common"})).await;
    assert_eq!((&found["indexing"], &found["total"]), (&json!(false), &json!(count)));
    true
}

#[tokio::test]
async fn without_any_documents_everything_answers() {
    let server = serve(&knowledge(&[]).await).await;
    let mut client = server.client().await.unwrap();
    let missing = ask(&mut client, "get_stdlib", json!({"language": "go", "domain": "testing"})).await;
    assert_eq!(missing, json!({"found": false, "message": "No stdlib document found for go/testing"}));
    assert_eq!(ask(&mut client, "get_doc", json!({"path": "a.md"})).await["found"], false);
    assert_eq!(ask(&mut client, "search_docs", json!({"query": "a"})).await["total"], 0);
    assert_eq!(ask(&mut client, "list_docs", json!({})).await, json!({"total": 0, "documents": []}));
    assert_eq!(ask(&mut client, "health_check", json!({})).await["progress"]["documents"], 0);
    assert!(client.resources().await.unwrap().is_empty());
    assert!(client.complete("docs:///{+path}", "path", "a").await.unwrap().is_empty());
    assert!(client.complete("apply_standard", "language", "").await.unwrap().is_empty());
}

#[tokio::test]
async fn health_is_told_anew_each_time() {
    let server = serve(&knowledge(&[("a.md", "text")]).await).await;
    let mut client = server.client().await.unwrap();
    let first = ask(&mut client, "health_check", json!({})).await;
    for member in ["status", "timestamp", "system", "application", "dependencies", "progress"] {
        assert!(!first[member].is_null(), "{member}: {first}");
    }
    assert!(["healthy", "degraded"].contains(&first["status"].as_str().unwrap()));
    assert_eq!(first["dependencies"], json!({"documents": "healthy", "index": "healthy"}));
    assert_eq!(server.cacheable("health_check", &anyport::Principal::local()), None);
    assert!(server.cacheable("get_stdlib", &anyport::Principal::local()).is_some());
}
