//! The page about the first ten minutes, done as it says: by the real program and a client that others wrote.
//!
//! Invariant: The first ten minutes work as the book says.

#![cfg(unix)]

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
};

use crate::support::{Program, anyport, folder, http::Server, until};
use rmcp::{
    RoleClient, ServiceExt as _,
    model::{CallToolRequestParams, JsonObject},
    service::RunningService,
    transport::{StreamableHttpClientTransport, TokioChildProcess},
};
use serde_json::{Value, json};

/// The blocks of `language` under a heading of the page.
fn blocks(heading: &str, language: &str) -> Vec<String> {
    let page = include_str!("../../../../docs/first-ten-minutes.md");
    let (_, section) = page.split_once(&format!("\n## {heading}\n")).unwrap();
    let mut blocks = Vec::new();
    let mut open: Option<(&str, String)> = None;
    for line in section.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(language)) => open = Some((language, String::new())),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some((_, block)), None) => *block += &format!("{line}\n"),
            // The next section; one within a block is a document's.
            (None, None) if line.starts_with("## ") => break,
            (None, None) => {}
        }
    }
    blocks.into_iter().filter(|(has, _)| *has == language).map(|(_, block)| block).collect()
}

/// The words of a command, as a shell reads them.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for letter in line.trim_end().chars() {
        match letter {
            '\'' | '"' if quote == Some(letter) => quote = None,
            '\'' | '"' if quote.is_none() => quote = Some(letter),
            ' ' if quote.is_none() => words.push(String::new()),
            _ => words.last_mut().unwrap().push(letter),
        }
    }
    words
}

/// Does what a line with `curl` does, and returns what was asked for and the result.
fn curl(server: &Server, line: &str) -> (Value, Value) {
    let words = words(line);
    let [curl, url, "-H", header, "-d", body] = &words.iter().map(String::as_str).collect::<Vec<_>>()[..]
    else {
        panic!("{line}");
    };
    assert_eq!(*curl, "curl");
    let path = url.strip_prefix("http://127.0.0.1:3020").unwrap();
    let header = header.split_once(": ").unwrap();
    let answer = server.ask("POST", path, &[header], body);
    assert_eq!(answer.status, 200, "{answer:?}");
    let mut answer = answer.json();
    assert!(answer["error"].is_null(), "{answer}");
    (serde_json::from_str(body).unwrap(), answer["result"].take())
}

/// The same question, asked by a client.
async fn ask(client: &RunningService<RoleClient, ()>, question: &Value) -> Value {
    let tool = question["method"].as_str().unwrap().to_owned();
    let arguments: JsonObject = serde_json::from_value(question["params"].clone()).unwrap();
    let result = client.call_tool(CallToolRequestParams::new(tool).with_arguments(arguments)).await.unwrap();
    result.structured_content.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_ten_minutes_go_as_the_page_says() {
    // A standard, where the page says.
    let home = folder(&[]);
    let file = home.path().join("standards/python/testing.md");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let [standard] = &blocks("Write a standard down", "text")[..] else { panic!() };
    fs::write(&file, standard).unwrap();

    // Served as the page says, but for the port.
    let [serve] = &blocks("Serve the folder", "console")[..] else { panic!() };
    let mut command = anyport(home.path());
    command.args(&words(serve)[1..]).args(["--port", "0"]);
    let mut program = Program::start(command);
    let (banner, json) = program.banner();
    assert!(banner.contains("serves 1 document from standards"), "{banner}");
    let url = json["mcpServers"]["anyport"]["url"].as_str().unwrap();
    let server = Server::at(url);
    let [shown] = &blocks("Serve the folder", "json")[..] else { panic!() };
    assert_eq!(
        json,
        serde_json::from_str::<Value>(&shown.replace("127.0.0.1:3020", &server.authority)).unwrap()
    );

    // A client with what the banner shows, and the questions, by it and by hand.
    let client = ().serve(StreamableHttpClientTransport::from_uri(url)).await.unwrap();
    let [standard, search] = &blocks("Ask", "console")[..] else { panic!() };
    let (question, answer) = curl(&server, standard);
    assert_eq!(answer["found"], true, "{answer}");
    assert_eq!(answer["title"], "How we test Python");
    assert!(answer["content"].as_str().unwrap().contains("Every bug gets a test"), "{answer}");
    assert_eq!(ask(&client, &question).await, answer);
    let (question, answer) = curl(&server, search);
    let hit = &answer["hits"][0];
    assert_eq!((&hit["path"], &hit["heading"]), (&json!("python/testing.md"), &json!("Speed")), "{answer}");
    assert_eq!(ask(&client, &question).await, answer);
    let slip = json!({"method": "search_docs", "params": {"query": "fixtrues"}});
    let answer = ask(&client, &slip).await;
    assert_eq!(answer["approximate"], true, "{answer}");
    assert_eq!(answer["hits"][0]["heading"], "Fixtures", "{answer}");

    // The file changes, and so do the answers.
    let [section] = &blocks("Change the file, and ask again", "text")[..] else { panic!() };
    let mut open = OpenOptions::new().append(true).open(&file).unwrap();
    write!(open, "\n{section}").unwrap();
    drop(open);
    let [again] = &blocks("Change the file, and ask again", "console")[..] else { panic!() };
    let answer = until(|| curl(&server, again).1, |answer| answer["found"] == true);
    assert_eq!(answer["content"], *section);
    let search = json!({"query": "a second login ends the first"});
    let question = format!(
        "curl http://127.0.0.1:3020/mcp/call -H \"Content-Type: application/json\" -d '{}'",
        json!({"method": "search_docs", "params": search})
    );
    until(|| curl(&server, &question).1, |answer| answer["hits"][0]["heading"] == "Names");

    // So it is with files that come and go.
    fs::write(home.path().join("standards/python/security.md"), "# Secrets\n").unwrap();
    let of = |domain| {
        json!({"method": "get_stdlib", "params": {"language": "python", "domain": domain}}).to_string()
    };
    let ask_for = |domain| {
        curl(
            &server,
            &format!(
                "curl http://127.0.0.1:3020/mcp/call -H \"Content-Type: application/json\" -d '{}'",
                of(domain)
            ),
        )
        .1
    };
    until(|| ask_for("security"), |answer| answer["found"] == true);
    fs::remove_file(&file).unwrap();
    until(|| ask_for("testing"), |answer| answer["found"] == false);
    client.cancel().await.unwrap();
}

#[tokio::test]
async fn a_client_that_starts_servers_gets_the_same_standard() {
    let home = folder(&[("standards/python/testing.md", "# Tests\n\nFail first.\n")]);
    // What a person does who wants the JSON: starts it by hand, reads, and ends it.
    let mut command = anyport(home.path());
    command.args(["serve", "--stdio", "--docs", "standards"]);
    let (_, json) = Program::start(command).banner();
    let entry = &json["mcpServers"]["anyport"];
    let mut command = anyport(home.path());
    assert_eq!(entry["command"], command.get_program().to_str().unwrap());
    let arguments: Vec<String> = serde_json::from_value(entry["args"].clone()).unwrap();
    command.args(arguments).current_dir("/");
    let client =
        ().serve(TokioChildProcess::new(tokio::process::Command::from(command)).unwrap()).await.unwrap();
    let question = json!({"method": "get_stdlib", "params": {"language": "python", "domain": "testing"}});
    assert_eq!(ask(&client, &question).await["content"], "# Tests\n\nFail first.\n");
    client.cancel().await.unwrap();
}
