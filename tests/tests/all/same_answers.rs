//! One script of calls, over every transport: what the server says is the same to the byte.
//!
//! `every_revision` asks each transport for what is expected; here the transports are held against each other, so that
//! also what nobody thought to expect is the same.

use std::{collections::BTreeMap, sync::Mutex};

use anyport::{Revision, http, with_legacy_clients};
use anyport_protocol::json::{Elements, Members};
use anyport_testing::Lost;
use anyport_tests::{
    everything::{Probe, server},
    matrix::{Cell, Transport, everywhere, sampled},
    plain::Plain,
    site::Site,
};
use serde_json::{Value, json};

/// What is said with each step, under the step's name.
type Said = Vec<(String, Vec<String>)>;

/// Invariant: Transports differ in no byte of a server's answers, except for random values.
#[tokio::test]
async fn every_transport_gives_the_same_answers_to_the_byte() {
    let said: Mutex<BTreeMap<Revision, Vec<(Transport, Said)>>> = Mutex::default();
    everywhere(async |cell| {
        let heard = script(cell).await?;
        said.lock().unwrap().entry(cell.revision).or_default().push((cell.transport, heard));
        Ok(())
    })
    .await;
    let said = said.into_inner().unwrap();
    assert_eq!(said.len(), Revision::ALL.len());
    let mut differences = Vec::new();
    for (revision, cells) in &said {
        let expected = Transport::ALL.iter().filter(|transport| transport.carries(*revision)).count();
        assert_eq!(cells.len(), expected, "{revision}");
        let ((first, reference), others) = cells.split_first().unwrap();
        assert!(
            reference.iter().map(|(_, texts)| texts.len()).sum::<usize>() > 100,
            "the script is too short"
        );
        for (transport, said) in others {
            assert_eq!(said.len(), reference.len());
            for ((step, one), (_, other)) in reference.iter().zip(said).filter(|(one, other)| one != other) {
                let (one, other) = (one.join("\n    "), other.join("\n    "));
                differences.push(format!(
                    "{revision}: {step}\n  {first:?}\n    {one}\n  {transport:?}\n    {other}"
                ));
            }
        }
    }
    assert!(differences.is_empty(), "\n{}", differences.join("\n"));
}

/// What a plain call is answered, under the call.
async fn plainly() -> Vec<(Value, String)> {
    let config = http::Config::default().rest(true);
    let site = Site::listen(with_legacy_clients(server(&Probe::default()).unwrap()), config).await.unwrap();
    let plain = Plain::of(&site);
    let mut answers = Vec::new();
    for (method, params) in calls() {
        if method == "tools/call" && params["name"].is_string() {
            let call = json!({"method": params["name"], "params": params["arguments"]});
            let answer = plain.post(&call.to_string()).await.unwrap();
            // What asks its client is answered otherwise by those who cannot be asked.
            if answer.json()["error"]["data"]["reason"] != "asks" {
                answers.push((params, answer.body));
            }
        }
    }
    answers
}

/// Invariant: A plain call gets the answer of an MCP call, and codes of its own.
#[tokio::test]
async fn a_plain_call_is_answered_as_one_in_any_revision_over_any_transport() {
    let plain = plainly().await;
    assert!(plain.len() > 20, "too few calls to compare");
    everywhere(async |cell| {
        for (params, plain) in &plain {
            let before = cell.wire.heard().len();
            let _ = cell.wire.call("tools/call", params.clone()).await?;
            let heard = cell.wire.heard()[before..].iter().rfind(|heard| heard.answers.is_some());
            let text = &heard.unwrap().text;
            match Members::find(plain, "result") {
                Some(result) => same_result(cell.revision, result, text),
                None => {
                    same_failure(&serde_json::from_str(plain).unwrap(), &serde_json::from_str(text).unwrap())
                }
            }
        }
        Ok(())
    })
    .await;
}

/// Holds the result of a plain call against a message of MCP, to the byte where both say the same.
fn same_result(revision: Revision, plain: &str, message: &str) {
    let result = Members::find(message, "result").unwrap_or_else(|| panic!("{message}"));
    let content = Members::find(result, "content").unwrap();
    let text = |block| serde_json::from_str::<String>(Members::find(block, "text")?).ok();
    let first = Elements::of(content).next();
    match Members::find(result, "structuredContent") {
        // Before 2026-07-28 it is an object, so others are written otherwise there.
        Some(structured) if revision.is_stateless() || plain.starts_with('{') => {
            assert_eq!(plain, structured)
        }
        None if plain.starts_with('"') => {
            let texts: Vec<_> = Elements::of(content).map(text).map(Option::unwrap).collect();
            assert_eq!(serde_json::from_str::<String>(plain).unwrap(), texts.join("\n"));
        }
        None if plain.starts_with("[{\"type\"") => {
            assert!(!revision.is_stateless() || plain == content, "{plain}\n{content}");
        }
        // What is structured stands in the text as well, and before 2025-06-18 there alone.
        _ => assert_eq!(Some(plain.to_owned()), first.and_then(text), "{message}"),
    }
}

/// Holds the error of a plain call against a message of MCP: the same words, and the same faults.
fn same_failure(plain: &Value, message: &Value) {
    let (error, result) = (&plain["error"], &message["result"]);
    if result.is_null() {
        assert_eq!(error["message"], message["error"]["message"], "{message}");
        assert_eq!(error["data"]["faults"], message["error"]["data"]["faults"], "{message}");
    } else {
        assert_eq!(result["isError"], true, "{plain}\n{message}");
        assert_eq!(error["message"], result["content"][0]["text"]);
        assert_eq!(error["data"]["faults"], result["_meta"]["dev.anyport/faults"]);
    }
}

/// Plays the script, and returns what was heard with each step of it.
async fn script(cell: &mut Cell) -> Result<Said, Lost> {
    let mut said = Said::new();
    cell.wire.answer_with(|question| match question.method.as_str() {
        "sampling/createMessage" => Ok(sampled("a word")),
        "roots/list" => Ok(json!({"roots": [{"uri": "file:///a"}]})),
        _ => Ok(json!({"action": "accept", "content": {"name": "Ada"}})),
    });
    // What came with the handshake is the first step.
    cell.wire.discover().await?;
    keep(cell, &mut said, "opening", 0);
    for (method, member) in [
        ("tools/list", "tools"),
        ("resources/list", "resources"),
        ("resources/templates/list", "resourceTemplates"),
        ("prompts/list", "prompts"),
    ] {
        let mut params = json!({});
        loop {
            let before = cell.wire.heard().len();
            let page = cell.wire.call(method, params).await?.outcome?;
            assert!(page[member].is_array());
            keep(cell, &mut said, method, before);
            match page.get("nextCursor") {
                Some(cursor) => params = json!({ "cursor": cursor }),
                None => break,
            }
        }
    }
    for (method, params) in calls() {
        let before = cell.wire.heard().len();
        // An error is an answer like any other.
        let _ = cell.wire.call(method, params.clone()).await?;
        keep(cell, &mut said, &format!("{method} {params}"), before);
    }
    for text in TEXTS {
        let before = cell.wire.heard().len();
        cell.wire.raw(text).await?;
        keep(cell, &mut said, text, before);
    }
    let before = cell.wire.heard().len();
    cell.wire.log_level("warning").await?;
    cell.tool("log", json!({})).await?;
    keep(cell, &mut said, "log messages from a warning on", before);
    let before = cell.wire.heard().len();
    cell.wire.listen(&["test:///text", "test:///notes/monday"]).await?;
    keep(cell, &mut said, "listening", before);
    // Streams of their own have no order between them, so what they say is told one by one.
    for what in ["tools", "prompts", "resources", "test:///text", "test:///notes/monday"] {
        let before = cell.wire.heard().len();
        cell.tool("change", json!({"what": [what]})).await?;
        cell.wire.change().await?;
        keep(cell, &mut said, &format!("a change of {what}"), before);
    }
    Ok(said)
}

/// Calls whose answers depend on nothing else.
fn calls() -> Vec<(&'static str, Value)> {
    let tool = |name: &str, arguments: Value| ("tools/call", json!({"name": name, "arguments": arguments}));
    let token = |name: &str, arguments: Value, token: Value| {
        ("tools/call", json!({"name": name, "arguments": arguments, "_meta": {"progressToken": token}}))
    };
    let read = |uri: &str| ("resources/read", json!({ "uri": uri }));
    let prompt =
        |name: &str, arguments: Value| ("prompts/get", json!({"name": name, "arguments": arguments}));
    let complete = |reference: Value, name: &str, value: &str| {
        ("completion/complete", json!({"ref": reference, "argument": {"name": name, "value": value}}))
    };
    let odd = json!({"": null, "ä\u{0}\u{2028}\"\\": [1, -0.5, 1e300, 9_007_199_254_740_993_u64], "a": {"b": [[]]}});
    vec![
        tool("greet", json!({"name": "Ada", "times": 2})),
        tool("greet", json!({"nome": "Ada", "times": 9})),
        tool("sum", json!({"a": 2, "b": 3})),
        tool("divisors", json!({"a": 12, "b": 6})),
        tool("content", json!({})),
        tool("echo", odd),
        tool("fail", json!({})),
        tool("refuse", json!({})),
        tool("unknown", json!({})),
        tool("find", json!({"id": 7})),
        tool("port", json!({"port": 80, "of": " 5 "})),
        tool("hurry", json!({})),
        tool("travel", json!({})),
        tool("inside", json!({})),
        tool("number", json!({})),
        tool("maybe", json!({"some": false})),
        tool("shape", json!({"some": true})),
        tool("picture", json!({})),
        tool("described", json!({"a": 1, "b": 2})),
        tool("hang", json!({})),
        tool("log", json!({})),
        tool("ask", json!({})),
        tool("sample", json!({})),
        tool("order", json!({})),
        tool("delegate", json!({"a": 2, "b": 3})),
        tool("thread", json!({})),
        token("progress", json!({"steps": 3}), json!("a token")),
        token("progress", json!({"steps": 1}), json!(7)),
        token("steps", json!({}), json!("steps")),
        ("tools/call", json!({})),
        read("test:///text"),
        read("test:///bytes"),
        read("test:///broken"),
        read("test:///gone"),
        read("test:///private"),
        read("test:///asking"),
        read("test:///notes/monday"),
        read("test:///notes/noon"),
        read("test:///books/Alma/1?tone=kind&tag=x"),
        read("test:///books/../1"),
        read("nowhere:///"),
        prompt("review", json!({"code": "x = 1"})),
        prompt("review", json!({})),
        prompt("letter", json!({"to": "Ida", "tone": "kind", "copies": "3"})),
        prompt("letter", json!({"to": "Ida", "tone": "loud"})),
        prompt("asking", json!({})),
        prompt("unknown", json!({})),
        complete(json!({"type": "ref/resource", "uri": "test:///notes/{name}"}), "name", "t"),
        complete(json!({"type": "ref/prompt", "name": "letter"}), "tone", "s"),
        complete(json!({"type": "ref/prompt", "name": "unknown"}), "tone", "s"),
        ("tools/list", json!({"cursor": "none of ours"})),
        ("ping", json!({})),
        ("tasks/list", json!({})),
        ("no/such/method", json!({"a": 1})),
    ]
}

/// What is no message, or none that can be read.
const TEXTS: [&str; 7] = [
    "{",
    "\"words\"",
    "[]",
    r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#,
    r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
    r#"{"jsonrpc":"1.0","id":"x","method":"ping"}"#,
    r#"{"jsonrpc":"2.0","id":"x","method":5}"#,
];

/// Keeps what was heard since `before`, as it was written, but for what is different in every run.
fn keep(cell: &Cell, said: &mut Said, step: &str, before: usize) {
    let mut texts: Vec<String> =
        cell.wire.heard()[before..].iter().map(|heard| stable(&heard.text)).collect();
    // A change and the answer to the call that made it come on streams of their own where there are several.
    if step.starts_with("a change") {
        texts.sort_unstable();
    }
    said.push((step.to_owned(), texts));
}

/// `text` with the values left out that are random: what is sealed, and identifiers of elicitations.
fn stable(text: &str) -> String {
    let mut text = text.to_owned();
    for member in ["requestState", "nextCursor", "elicitationId"] {
        let (name, mut from) = (format!("\"{member}\":\""), 0);
        while let Some(start) = text[from..].find(&name).map(|at| from + at + name.len()) {
            let end = start + text[start..].find('"').unwrap();
            text.replace_range(start..end, "-");
            from = start;
        }
    }
    text
}
