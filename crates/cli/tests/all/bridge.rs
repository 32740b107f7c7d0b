//! `anyport bridge`: the real program between a server and clients that are not of its era.

use anyport_adapters::{LegacyClientAdapter, LegacyClientLimits};
use anyport_protocol::{
    Revision,
    types::{CreateMessageRequest, SamplingMessage},
};
use anyport_server::{Context, Elicited, Form, NoArguments, Server, Tool};
use anyport_testing::{Link, Question, Remote, Wire};
use anyport_transport::http::Config;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::{PATIENCE, Program, anyport, folder, legacy, modern};

#[derive(Deserialize, JsonSchema)]
struct Person {
    name: String,
}

/// A server that asks its user twice and its client's model once, and tells how far it is.
fn asks() -> Server {
    let greet = Tool::new("greet").run(async |_: NoArguments, context: Context| {
        let first = context.ask("first", Form::<Person>::new("Your first name?")).await;
        let Elicited::Accepted(first) = first else { return "As you wish.".to_owned() };
        let last = context.ask("last", Form::<Person>::new("Your last name?")).await;
        let Elicited::Accepted(last) = last else { return "As you wish.".to_owned() };
        format!("Hello, {} {}!", first.name, last.name)
    });
    let sample = Tool::new("sample").run(async |_: NoArguments, context: Context| {
        let wanted = SamplingMessage::user("a word");
        context.ask("word", CreateMessageRequest::new(vec![wanted], 10)).await.content.text().to_owned()
    });
    let work = Tool::new("work").run(async |_: NoArguments, context: Context| {
        for done in 1..=3 {
            context.progress(f64::from(done), Some(3.0), None).await;
        }
        "done"
    });
    Server::builder("asks", "1").instructions("Ask.").add(greet).add(sample).add(work).build().unwrap()
}

/// Answers every question as a user, or a model, that says yes.
fn yes(question: &Question) -> Value {
    match question.method.as_str() {
        "elicitation/create" => {
            let first = question.params["message"] == "Your first name?";
            json!({"action": "accept", "content": {"name": if first { "Ada" } else { "Lovelace" }}})
        }
        _ => json!({"role": "assistant", "content": {"type": "text", "text": "yes"}, "model": "m"}),
    }
}

fn bridge(target: &str) -> (Program, tempfile::TempDir, std::net::SocketAddr) {
    let home = folder(&[]);
    let mut command = anyport(home.path());
    command.args(["bridge", target, "--port", "0"]);
    let mut program = Program::start(command);
    let address = program.server().authority.parse().unwrap();
    (program, home, address)
}

/// The pairs of eras, as revisions of client and server.
fn pairs() -> [(Revision, Revision); 4] {
    let (old, new) = (Revision::V2025_11_25, Revision::NEWEST);
    [(old, old), (old, new), (new, old), (new, new)]
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_and_progress_cross_every_pair_of_eras() {
    for (client, server) in pairs() {
        let service = LegacyClientAdapter::new(asks(), LegacyClientLimits::default());
        let config = Config::default().supported([server]);
        let link = Link::http(service, config).await.unwrap();
        let target = format!("http://{}/mcp", link.address().unwrap());
        let (program, _home, address) = bridge(&target);

        let mut wire = Wire::over(Remote::new(address).http("/mcp"))
            .patience(PATIENCE)
            .declaring(json!({"elicitation": {}, "sampling": {}}));
        wire.answer_with(|question| Ok(yes(question)));
        wire.open(client).await.unwrap();
        let pair = format!("{client} to {server}");

        let answer = wire.call("tools/call", json!({"name": "greet", "arguments": {}})).await.unwrap();
        assert_eq!(answer.text(), "Hello, Ada Lovelace!", "{pair}: {answer:?}");
        assert_eq!(answer.questions.len(), 2, "{pair}");
        let answer = wire.call("tools/call", json!({"name": "sample", "arguments": {}})).await.unwrap();
        assert_eq!(answer.text(), "yes", "{pair}: {answer:?}");
        let token = json!({"progressToken": "t"});
        let params = json!({"name": "work", "arguments": {}, "_meta": token});
        let answer = wire.call("tools/call", params).await.unwrap();
        assert_eq!(answer.text(), "done", "{pair}: {answer:?}");
        let told: Vec<_> = answer.notifications.iter().map(|told| &told["params"]["progress"]).collect();
        assert_eq!(told, [1.0, 2.0, 3.0], "{pair}");
        assert!(answer.notifications.iter().all(|told| told["params"]["progressToken"] == "t"), "{pair}");
        drop(program);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_a_client_refuses_ends_as_it_would_without_the_bridge() {
    for (client, server) in pairs() {
        let service = LegacyClientAdapter::new(asks(), LegacyClientLimits::default());
        let config = Config::default().supported([server]);
        let link = Link::http(service, config).await.unwrap();
        let (_program, _home, address) = bridge(&format!("http://{}/mcp", link.address().unwrap()));
        let mut wire = Wire::over(Remote::new(address).http("/mcp"))
            .patience(PATIENCE)
            .declaring(json!({"elicitation": {}}));
        wire.answer_with(|_| Ok(json!({"action": "decline"})));
        wire.open(client).await.unwrap();
        let answer = wire.call("tools/call", json!({"name": "greet", "arguments": {}})).await.unwrap();
        assert_eq!(answer.text(), "As you wish.", "{client} to {server}: {answer:?}");
    }
}

#[test]
fn a_program_on_standard_streams_serves_clients_of_both_eras() {
    for era in ["legacy", "modern"] {
        let home = folder(&[("docs/a.md", "# A page\n\nWords.\n")]);
        let mut command = anyport(home.path());
        command.args(["bridge", "--stdio", "--", env!("CARGO_BIN_EXE_anyport")]);
        command.args(["serve", "--stdio", "--docs", "docs", "--era", era]);
        let mut program = Program::start(command);
        let listed = program.call(&modern(1, "tools/list", json!({})));
        assert!(listed["result"]["tools"].as_array().unwrap().len() > 3, "{era}: {listed}");
        let read = json!({"uri": "docs:///a.md"});
        let answer = crate::support::until(
            || program.call(&modern(2, "resources/read", read.clone())),
            |answer| answer.get("result").is_some(),
        );
        assert_eq!(answer["result"]["contents"][0]["text"], "# A page\n\nWords.\n", "{era}");
        program.close_input();
        assert!(program.wait().success());
    }
}

#[test]
fn a_server_that_cannot_be_reached_is_told_and_the_program_goes_on() {
    let home = folder(&[]);
    let mut command = anyport(home.path());
    command.args(["bridge", "--stdio", "--", "/nowhere/to/be/found"]);
    let mut program = Program::start(command);
    let answer = program.call(&modern(1, "tools/list", json!({})));
    assert_eq!(answer["error"]["data"]["reason"], "upstream_down", "{answer}");
    assert!(answer["error"]["message"].as_str().unwrap().contains("/nowhere/to/be/found"), "{answer}");
    program.send(&legacy(2, "ping", json!({})));
    assert_eq!(program.receive()["id"], 2);
    program.close_input();
    assert!(program.wait().success());
    // Whoever started it sees it without a client.
    let said = program.stderr();
    assert!(said.contains("there is no file /nowhere/to/be/found; correct the path"), "{said}");
}

/// A legacy server: its tool `wait` ends when `end` is called, and `ask` asks.
const ASKS_FOR_THE_SECOND: &str = r#"
answer() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$1" "$2"; }
while read -r line; do
  id=${line#*\"id\":}; id=${id%%[,\}]*}
  case "$line" in
    *server/discover*) printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no"}}\n' "$id" ;;
    *'"initialize"'*) answer "$id" '{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"sh","version":"1"}}' ;;
    *'"id":"question"'*decline*) answer "$asked" '{"content":[{"type":"text","text":"as you wish"}]}' ;;
    *'"id":"question"'*) answer "$asked" '{"content":[{"type":"text","text":"not asked"}]}' ;;
    *'"name":"wait"'*) waits=$id ;;
    *'"name":"ask"'*) asked=$id
      printf '{"jsonrpc":"2.0","id":"question","method":"elicitation/create","params":{"message":"?","requestedSchema":{"type":"object","properties":{}}}}\n' ;;
    *'"name":"end"'*) answer "$waits" '{"content":[]}'; answer "$id" '{"content":[]}' ;;
  esac
done
"#;

/// Nothing says that the question is for the second call. It is taken for one of the first, and outlives that.
#[test]
fn a_question_of_the_second_of_two_calls_is_answered_though_the_first_is_over() {
    let home = folder(&[]);
    let mut command = anyport(home.path());
    command.args(["bridge", "--stdio", "--", "sh", "-c", ASKS_FOR_THE_SECOND]);
    let mut program = Program::start(command);
    let client = json!({"name": "c", "version": "1"});
    let params =
        json!({"protocolVersion": "2025-11-25", "capabilities": {"elicitation": {}}, "clientInfo": client});
    program.call(&legacy(1, "initialize", params));
    program.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    for (id, name) in [(2, "wait"), (3, "ask")] {
        program.send(&legacy(id, "tools/call", json!({"name": name, "arguments": {}})));
    }
    let first = program.receive();
    assert_eq!(first["method"], "elicitation/create", "{first}");
    program.send(&legacy(4, "tools/call", json!({"name": "end", "arguments": {}})));
    let mut told: Vec<Value> = (0..4).map(|_| program.receive()).collect();
    let mut take = |fits: &dyn Fn(&Value) -> bool| {
        let place = told.iter().position(fits).unwrap_or_else(|| panic!("{told:?}"));
        told.swap_remove(place)
    };
    let withdrawn = take(&|message| message["method"] == "notifications/cancelled");
    assert_eq!(withdrawn["params"]["requestId"], first["id"]);
    let again = take(&|message| message["method"] == "elicitation/create");
    assert_eq!(again["params"], first["params"]);
    take(&|message| message["id"] == 2 && message.get("result").is_some());
    take(&|message| message["id"] == 4);
    program.send(&json!({"jsonrpc": "2.0", "id": again["id"], "result": {"action": "decline"}}));
    let thanks = program.receive();
    assert_eq!(thanks["id"], 3, "{thanks}");
    assert_eq!(thanks["result"]["content"][0]["text"], "as you wish", "{thanks}");
    program.close_input();
    assert!(program.wait().success());
}
