//! Arguments that make no sense.
//!
//! Invariant: Nothing outside the served folder can be read, also while a file is replaced by a link.

use anyport::Revision;
use anyport_testing::TestServer;
use serde_json::{Value, json};

use super::{STANDARD, ask, knowledge, serve};

#[tokio::test]
async fn what_does_not_fit_is_named_with_what_would() {
    let server = serve(&knowledge(&[("python/testing.md", STANDARD)]).await).await;
    let huge = "x".repeat(200_000);
    let cases: &[(&str, Value, &[&str])] = &[
        (
            "get_stdlib",
            json!({"language": "pyhton", "domain": "testing"}),
            &["language", "pyhton", "did you mean \"python\"?"],
        ),
        (
            "get_stdlib",
            json!({"language": "Python", "domain": "testing"}),
            &["language", "did you mean \"python\"?"],
        ),
        ("get_stdlib", json!({"language": "python"}), &["missing: domain"]),
        ("get_stdlib", json!({"language": 5, "domain": "testing"}), &["language", "5"]),
        ("get_stdlib", json!({"language": "python", "domain": "testing", "lines": 5}), &["lines", "unknown"]),
        (
            "get_stdlib",
            json!({"language": "python", "domain": "testing", "max_chars": 0}),
            &["max_chars", "100"],
        ),
        (
            "get_stdlib",
            json!({"language": "python", "domain": "testing", "max_chars": "many"}),
            &["max_chars"],
        ),
        ("get_stdlib", json!({"language": huge, "domain": "testing"}), &["language", "python"]),
        ("search_docs", json!({}), &["missing: query"]),
        ("search_docs", json!({"query": ["a"]}), &["query"]),
        ("search_docs", json!({"query": huge}), &["query", "10000"]),
        ("search_docs", json!({"query": "a", "limit": 51}), &["limit", "50"]),
        ("search_docs", json!({"query": "a", "tags": "pytest"}), &["tags"]),
        ("search_docs", json!({"query": "a", "language": "cobol"}), &["language"]),
        ("list_docs", json!({"limit": 0}), &["limit", "1"]),
        ("list_docs", json!({"cursor": "next"}), &["cursor", "from the start"]),
        ("get_doc", json!({"path": ""}), &["path"]),
        ("get_doc", json!({"path": huge}), &["path", "4096"]),
        ("health_check", json!({"deep": true}), &["deep"]),
    ];
    for revision in [Revision::NEWEST, Revision::V2024_11_05] {
        let mut client = server.client().wire(revision).await.unwrap();
        for (tool, arguments, told) in cases {
            let answer = client.call(tool, arguments).await.unwrap();
            assert!(answer.is_error(), "{tool} {arguments:.80}: {answer:?}");
            let words = match &answer.outcome {
                Ok(_) => answer.text(),
                Err(refusal) => refusal.message.clone(),
            };
            assert!(words.len() < 1_000, "{}", words.len());
            for word in *told {
                assert!(words.contains(word), "{tool}: no {word:?} in {words:?}");
            }
        }
    }
}

#[tokio::test]
async fn nothing_leads_out_of_the_documents_and_nothing_is_repeated_at_length() {
    let server = serve(&knowledge(&[("python/testing.md", STANDARD)]).await).await;
    let mut client = server.client().await.unwrap();
    let deep = "../".repeat(1_000);
    for path in [
        "../secret.md",
        "/etc/passwd",
        "python/../python/testing.md",
        "python\\testing.md",
        "a\0.md",
        "docs:///%2e%2e/a",
        "file:///etc/passwd",
        &deep,
        "python//testing.md",
        "PYTHON/testing.md",
        "docs:///%ff",
        "#",
        "docs:///",
        "C:/a.md",
        "\u{202e}dm.a",
    ] {
        let answer = ask(&mut client, "get_doc", json!({ "path": path })).await;
        assert_eq!(answer["found"], false, "{path:?}");
        assert!(answer["message"].as_str().unwrap().len() < 700, "{answer}");
    }
    for section in ["", "#", "\0", "../..", &"x".repeat(1_000)] {
        let answer =
            ask(&mut client, "get_doc", json!({"path": "python/testing.md", "section": section})).await;
        assert_eq!(answer["found"], false, "{section:?}");
        assert!(answer["message"].as_str().unwrap().contains("Names"), "{answer}");
    }
    for query in ["AND OR NOT", "\"", "title:(", "\0", "*?~^", "🦀", &"a ".repeat(5_000)] {
        ask(&mut client, "search_docs", json!({ "query": query })).await;
    }
    // null where something may be left out is as good as leaving it out: some clients send all arguments.
    let nulls = json!({"query": "test", "language": null, "domain": null, "tags": null, "limit": null});
    assert_eq!(ask(&mut client, "search_docs", nulls).await["total"], 1);
}
