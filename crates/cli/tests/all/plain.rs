//! The same question to the program in every way there is: the REST interface, MCP over HTTP and on standard streams, in
//! every revision. The answer is the same, to the byte of what the tool says.

use std::time::Instant;

use crate::support::{PATIENCE, Program, http::Server, initialize, legacy, modern};
use serde_json::{Value, json};

const LEGACY: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

/// Tools with arguments; the REST interface answers all of them.
fn questions() -> Vec<(&'static str, Value)> {
    vec![
        ("get_stdlib", json!({"language": "python", "domain": "testing"})),
        ("get_stdlib", json!({"language": "python", "domain": "nothing at all"})),
        ("get_stdlib", json!({"language": "python"})),
        ("get_stdlib", json!({"language": 5, "domain": "testing", "colour": "red"})),
        ("list_docs", json!({})),
        ("get_doc", json!({"path": "python/testing.md"})),
        ("get_doc", json!({"path": "python/testin.md"})),
        ("get_doc", json!({"path": "../../Cargo.toml"})),
        ("get_dog", json!({})),
    ]
}

/// What was said, in parts that every way has in its own place.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    /// What the tool answered, as JSON; nothing when it failed.
    result: Option<String>,
    /// In which words it failed.
    failure: Option<String>,
    faults: Value,
}

/// An answer of the REST interface.
fn plainly(answer: &Value) -> Said {
    let error = &answer["error"];
    Said {
        result: answer.get("result").map(Value::to_string),
        failure: error["message"].as_str().map(str::to_owned),
        faults: error["data"]["faults"].clone(),
    }
}

/// An answer of MCP.
fn by_mcp(answer: &Value) -> Said {
    let (error, result) = (&answer["error"], &answer["result"]);
    if error.is_object() {
        let failure = Some(error["message"].as_str().unwrap().to_owned());
        return Said { result: None, failure, faults: error["data"]["faults"].clone() };
    }
    let text = result["content"][0]["text"].as_str().unwrap().to_owned();
    if result["isError"] == true {
        let faults = result["_meta"]["dev.anyport/faults"].clone();
        return Said { result: None, failure: Some(text), faults };
    }
    // Revisions without structured content have it as text.
    let structured = result.get("structuredContent").map_or_else(|| text.clone(), Value::to_string);
    Said { result: Some(structured), failure: None, faults: Value::Null }
}

fn ask_plainly(server: &Server, name: &str, arguments: &Value) -> Value {
    let call = json!({"method": name, "params": arguments, "id": name}).to_string();
    let answer = server.ask("POST", "/mcp/call", &[("Content-Type", "application/json")], &call);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// A client of an older revision over HTTP.
fn session(server: &Server, version: &str) -> impl Fn(&Value) -> Value {
    let opened = server.post(&initialize(0, version), &[]);
    let id = opened.header("mcp-session-id").unwrap().to_owned();
    let (server, version) = (server.clone(), version.to_owned());
    move |message| {
        let mut headers = vec![("Mcp-Session-Id", id.as_str())];
        if version.as_str() >= "2025-06-18" {
            headers.push(("MCP-Protocol-Version", &version));
        }
        server.post(message, &headers).json()
    }
}

/// Reads the folder and its index, whose questions are about documents.
fn until_it_is_read(ask: impl Fn() -> Value) {
    let deadline = Instant::now() + PATIENCE;
    while ask()["result"]["found"] != true {
        assert!(Instant::now() < deadline, "the documents are not read");
        std::thread::yield_now();
    }
}

#[test]
fn a_question_is_answered_alike_however_it_is_asked() {
    let (mut both, server) = Program::http(&["--transport", "http,stdio"]);
    let (standard, arguments) = questions().remove(0);
    until_it_is_read(|| ask_plainly(&server, standard, &arguments));
    let expected: Vec<Said> =
        questions().iter().map(|(name, arguments)| plainly(&ask_plainly(&server, name, arguments))).collect();
    assert!(expected.iter().filter(|said| said.result.is_some()).count() >= 3, "{expected:#?}");
    assert!(expected.iter().filter(|said| said.faults.is_array()).count() >= 2, "{expected:#?}");
    for (id, ((name, arguments), expected)) in questions().into_iter().zip(&expected).enumerate() {
        let params = json!({"name": name, "arguments": arguments});
        let question = modern(id + 1, "tools/call", params);
        assert_eq!(by_mcp(&server.post(&question, &[]).json()), *expected, "over HTTP: {name} {arguments}");
        assert_eq!(by_mcp(&both.call(&question)), *expected, "on stdio: {name} {arguments}");
    }
    for version in LEGACY {
        let over_http = session(&server, version);
        let mut on_stdio = Program::stdio(&[]);
        on_stdio.call(&initialize(0, version));
        on_stdio.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        let params = json!({"name": standard, "arguments": arguments});
        let deadline = Instant::now() + PATIENCE;
        let question = legacy("read", "tools/call", params);
        while by_mcp(&on_stdio.call(&question)) != expected[0] {
            assert!(Instant::now() < deadline, "the documents are not read");
        }
        for (id, ((name, arguments), expected)) in questions().into_iter().zip(&expected).enumerate() {
            let question = legacy(id + 1, "tools/call", json!({"name": name, "arguments": arguments}));
            assert_eq!(by_mcp(&over_http(&question)), *expected, "{version} over HTTP: {name} {arguments}");
            assert_eq!(
                by_mcp(&on_stdio.call(&question)),
                *expected,
                "{version} on stdio: {name} {arguments}"
            );
        }
    }
}

#[test]
fn the_program_lists_its_tools_plainly() {
    let (_program, server) = Program::http(&[]);
    let list = server.get("/mcp/tools", &[]).json();
    let listed = server.post(&modern(1, "tools/list", json!({})), &[]).json();
    let names = |tools: &Value| -> Vec<String> {
        tools.as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&list["tools"]), names(&listed["result"]["tools"]));
    let standard =
        list["tools"].as_array().unwrap().iter().find(|tool| tool["name"] == "get_stdlib").unwrap();
    assert_eq!(standard["parameters"], standard["inputSchema"]);
    assert_eq!(standard["parameters"]["required"], json!(["language", "domain"]));
}

#[test]
fn health_is_words_for_those_who_want_words() {
    let (_program, server) = Program::http(&[]);
    let answer = server.get("/health", &[("Accept", "text/plain")]);
    assert_eq!((answer.status, &*answer.body), (200, "OK"));
    let head = server.ask("HEAD", "/health", &[], "");
    assert_eq!((head.status, &*head.body), (200, ""));
}
