//! Calls that wait for their caller, through `anyport bridge` over HTTP to a process: what a caller is told who comes back
//! too late, is somebody else, or finds that the server or the bridge is another one.
//!
//! Invariant: A late retry, a retry of another caller, and a retry at another server or bridge each get their
//! own reason.

#![cfg(unix)]

use std::{fs, path::Path, process::Command};

use crate::support::{Program, anyport, folder, http, modern, until};
use serde_json::{Value, json};

/// A server of 2025-11-25 with a tool that asks. It notes its process, and what it hears.
const SERVER: &str = r#"
echo $$ > pid
answer() { printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$1" "$2"; }
while read -r line; do
  printf '%s\n' "$line" >> heard
  id=${line#*\"id\":}; id=${id%%[,\}]*}
  case "$line" in
    *server/discover*) printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no"}}\n' "$id" ;;
    *'"initialize"'*) answer "$id" '{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"sh","version":"1"}}' ;;
    *'"id":"question"'*'"result"'*) answer "$asked" '{"content":[{"type":"text","text":"thanks"}]}' ;;
    *'"name":"ask"'*) asked=$id; printf '{"jsonrpc":"2.0","id":"question","method":"elicitation/create","params":{"message":"?","requestedSchema":{"type":"object","properties":{}}}}\n' ;;
  esac
done
"#;

/// The program over HTTP in front of such a server.
struct Bridged {
    program: Program,
    server: http::Server,
    headers: Vec<(&'static str, &'static str)>,
}

impl Bridged {
    /// `arguments`: what the program is told beside its server; `headers`: what its caller sends with each request.
    fn start(home: &Path, arguments: &[&str], headers: &[(&'static str, &'static str)]) -> Self {
        let mut command = anyport(home);
        command.args(["bridge", "--port", "0"]).args(arguments).args(["--", "sh", "-c", SERVER]);
        command.env("TOKEN", "the-secret-of-somebody");
        let mut program = Program::start(command);
        let server = program.server();
        Self { program, server, headers: headers.to_vec() }
    }

    /// Calls the tool that asks, with `more` in its params.
    fn call(&self, more: &Value) -> http::Answer {
        let mut params = json!({"name": "ask", "arguments": {}});
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let mut request = modern(1, "tools/call", params);
        request["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({"elicitation": {}});
        self.server.post(&request, &self.headers)
    }

    /// Is asked, and returns what a retry with the answer has.
    fn asked(&self) -> Value {
        let answer = self.call(&json!({})).json();
        assert_eq!(answer["result"]["resultType"], "input_required", "{answer}");
        let requests = answer["result"]["inputRequests"].as_object().unwrap();
        let answers: serde_json::Map<_, _> =
            requests.keys().map(|key| (key.clone(), json!({"action": "accept", "content": {}}))).collect();
        json!({"inputResponses": answers, "requestState": answer["result"]["requestState"]})
    }

    /// What a retry is refused with.
    fn refused(&self, retry: &Value) -> Value {
        let answer = self.call(retry);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["error"].clone()
    }

    /// Comes back, and is answered by the server.
    fn is_answered(&self, retry: &Value) {
        let answer = self.call(retry).json();
        assert_eq!(answer["result"]["content"][0]["text"], "thanks", "{answer}");
    }
}

/// What the server in `home` has heard, once `fits` is true of it.
fn heard(home: &Path, fits: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let heard = || {
        let text = fs::read_to_string(home.join("heard")).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect::<Vec<Value>>()
    };
    let found = until(|| Value::from(heard()), |found| fits(found.as_array().unwrap()));
    found.as_array().unwrap().clone()
}

#[test]
fn a_state_that_has_expired_is_told_and_the_server_is_told_first() {
    let home = folder(&[]);
    let bridged = Bridged::start(home.path(), &["--limit", "park_ttl=1"], &[]);
    let retry = bridged.asked();
    let called = |found: &[Value]| {
        found.iter().find(|message| message["method"] == "tools/call").map(|call| call["id"].clone())
    };
    let ended = |found: &[Value]| found.iter().any(|message| message["id"] == "question");
    let found = heard(home.path(), ended);
    let [.., cancelled, refused] = &*found else { panic!("{found:?}") };
    assert_eq!(cancelled["method"], "notifications/cancelled", "{found:?}");
    assert_eq!(Some(cancelled["params"]["requestId"].clone()), called(&found), "{found:?}");
    assert_eq!(refused["error"]["code"], -32603, "{found:?}");
    let told = json!({
        "code": -32602,
        "message": "the call waited too long for its answers (park_ttl); call ask again without requestState",
        "data": {"reason": "expired"},
    });
    assert_eq!(bridged.refused(&retry), told);
    // And so it can.
    let retry = bridged.asked();
    bridged.is_answered(&retry);
}

#[test]
fn a_state_of_somebody_else_is_told_and_stays_good_for_whom_it_is() {
    let home = folder(&[]);
    // Two of the program with one key: a token makes a caller of its own of whoever has it.
    let anyone = Bridged::start(home.path(), &[], &[]);
    let somebody = Bridged::start(
        home.path(),
        &["--auth-token", "env:TOKEN"],
        &[("Authorization", "Bearer the-secret-of-somebody")],
    );
    let told = json!({
        "code": -32602,
        "message": "the requestState was given to another caller; call ask again without requestState",
        "data": {"reason": "foreign"},
    });
    let retry = anyone.asked();
    assert_eq!(somebody.refused(&retry), told);
    anyone.is_answered(&retry);
    let retry = somebody.asked();
    assert_eq!(anyone.refused(&retry), told);
    // Without the token nobody comes so far, whatever state is brought.
    let unnamed = Bridged { headers: Vec::new(), ..somebody };
    assert_eq!(unnamed.call(&retry).status, 401);
    let somebody = Bridged { headers: vec![("Authorization", "Bearer the-secret-of-somebody")], ..unnamed };
    somebody.is_answered(&retry);
}

#[test]
fn a_server_that_was_killed_is_told_to_who_comes_back() {
    let home = folder(&[]);
    let bridged = Bridged::start(home.path(), &[], &[]);
    let retry = bridged.asked();
    let pid = fs::read_to_string(home.path().join("pid")).unwrap();
    assert!(Command::new("kill").args(["-KILL", pid.trim()]).status().unwrap().success());
    // It is started anew for whoever calls; by then it is known what became of the first.
    until(|| bridged.call(&json!({})).json(), |answer| answer["result"]["resultType"] == "input_required");
    let told = json!({
        "code": -32603,
        "message": "the server went away before it answered; call ask again without requestState",
        "data": {"reason": "upstream_lost"},
    });
    assert_eq!(bridged.refused(&retry), told);
    assert_eq!(bridged.refused(&retry), told, "nor does it become another call's");
    // The connection that was lost may still wait for its next attempt.
    until(|| bridged.call(&json!({})).json(), |answer| answer["result"]["resultType"] == "input_required");
    let retry = bridged.asked();
    bridged.is_answered(&retry);
}

#[test]
fn a_bridge_that_was_started_anew_says_that_it_knows_the_call_no_more() {
    let home = folder(&[]);
    let mut bridged = Bridged::start(home.path(), &[], &[]);
    let retry = bridged.asked();
    bridged.program.kill();
    let bridged = Bridged::start(home.path(), &[], &[]);
    let told = bridged.refused(&retry);
    assert_eq!((&told["code"], &told["data"]), (&json!(-32602), &json!({"reason": "lost"})), "{told}");
    assert!(told["message"].as_str().unwrap().ends_with("call ask again without requestState"), "{told}");
    // It was sealed with the key that the program keeps, so what was altered is still told apart.
    let mut altered = retry.clone();
    altered["requestState"] = format!("{}x", retry["requestState"].as_str().unwrap()).into();
    assert_eq!(bridged.refused(&altered)["data"]["reason"], "tampered");
    let retry = bridged.asked();
    bridged.is_answered(&retry);
}
