use std::{
    io::{self, Read, Write},
    sync::mpsc as blocking,
};

use anyport_protocol::{Method, Raw};
use anyport_service::{Context, Event, Notification, Outcome, Reply, Request, emit};
use serde_json::{Value, json};

use super::*;

/// Answers with its params, waits for ever, or notifies first, as its method says.
struct Fake;

impl Service for Fake {
    fn call(&self, request: Request, _: Context) -> Reply {
        match &*request.method {
            "test/wait" => Reply::pending_forever(),
            "test/notify" => emit::reply(|emitter| async move {
                let params = Raw::from(json!({"progressToken": 1, "progress": 1}));
                emitter.emit(Event::Notification(Notification { method: Method::Progress, params })).await;
                tokio::task::yield_now().await;
                Outcome::Result(request.params.into_raw())
            }),
            "server/discover" => Reply::ready(Outcome::Result(
                json!({"resultType": "complete", "capabilities": {"tools": {}}}).into(),
            )),
            _ => Reply::ready(Outcome::Result(json!({"resultType": "complete", "content": []}).into())),
        }
    }
}

trait PendingForever {
    fn pending_forever() -> Reply;
}

impl PendingForever for Reply {
    fn pending_forever() -> Reply {
        Reply::future(std::future::pending())
    }
}

/// The reading end of a pipe in memory.
struct Pipe(blocking::Receiver<Vec<u8>>, Vec<u8>);

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.1.is_empty() {
            match self.0.recv() {
                Ok(bytes) => self.1 = bytes,
                Err(_) => return Ok(0),
            }
        }
        let count = self.1.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.1[..count]);
        self.1.drain(..count);
        Ok(count)
    }
}

struct Sink(mpsc::UnboundedSender<Vec<u8>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Sends all of `input`, ends it, and returns the lines that came out.
async fn dialogue(input: &str, config: Config) -> Vec<Value> {
    let (send, receive) = blocking::channel();
    send.send(input.as_bytes().to_vec()).unwrap();
    drop(send);
    let (sink, mut written) = mpsc::unbounded_channel();
    serve_on(Fake, config, std::future::pending(), Pipe(receive, Vec::new()), Sink(sink)).await.unwrap();
    let mut bytes = Vec::new();
    while let Some(part) = written.recv().await {
        bytes.extend(part);
    }
    String::from_utf8(bytes).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;

fn modern(id: u32, method: &str) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\",\"params\":{{{META}}}}}\n")
}

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":"i","method":"initialize","params":{"protocolVersion":"VERSION","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}"#;

#[tokio::test]
async fn both_eras_are_served_in_one_process() {
    let input = [
        modern(1, "tools/list"),
        INITIALIZE.replace("VERSION", "2025-06-18") + "\n",
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#.to_owned() + "\n",
        r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"x"}}"#.to_owned() + "\n",
        modern(3, "tools/call"),
    ];
    let answers = dialogue(&input.concat(), Config::default()).await;
    let ids: Vec<&Value> = answers.iter().map(|answer| &answer["id"]).collect();
    assert_eq!(ids, [&json!(1), &json!("i"), &json!(2), &json!(3)]);
    assert_eq!(answers[1]["result"]["protocolVersion"], "2025-06-18");
    // What only the newest revision says is not said to the older client.
    assert_eq!(answers[2]["result"], json!({"content": []}));
    assert_eq!(answers[3]["result"]["resultType"], "complete");
}

#[tokio::test]
async fn faults_are_answered_and_the_connection_goes_on() {
    let limits = Limits::default().bytes(300);
    let input = format!(
        "{{\n\n   \r\n{}\n[]\n{}\r\n{}",
        "x".repeat(400),
        r#"{"jsonrpc":"2.0","id":1,"method":"unknown"}"#,
        modern(2, "tools/list").trim_end()
    );
    let answers = dialogue(&input, Config::default().limits(limits)).await;
    let codes: Vec<&Value> = answers.iter().map(|answer| &answer["error"]["code"]).collect();
    assert_eq!(codes, [&json!(-32700), &json!(-32600), &json!(-32600), &json!(-32601), &Value::Null]);
    assert!(answers[0].get("id").is_none());
    assert_eq!(answers[4]["id"], 2);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_request_is_not_answered_and_its_id_is_free_again() {
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}"#;
    let input =
        [modern(7, "test/wait"), modern(7, "tools/list"), format!("{cancel}\n"), modern(8, "tools/list")];
    let answers = dialogue(&input.concat(), Config::default()).await;
    assert_eq!(answers.len(), 2);
    // The id was in use when it came a second time.
    assert_eq!((&answers[0]["id"], &answers[0]["error"]["code"]), (&json!(7), &json!(-32600)));
    assert_eq!(answers[1]["id"], 8);
}

#[tokio::test]
async fn notifications_come_before_their_answer() {
    let answers = dialogue(&modern(1, "test/notify"), Config::default()).await;
    assert_eq!(answers[0]["method"], "notifications/progress");
    assert_eq!(answers[1]["id"], 1);
}

#[tokio::test]
async fn batches_exist_in_one_revision_only() {
    let batch = r#"[{"jsonrpc":"2.0","id":1,"method":"ping"},7,{"jsonrpc":"2.0","id":2,"method":"test/notify"},{"jsonrpc":"2.0","method":"notifications/initialized"}]"#;
    for (version, array) in
        [("2024-11-05", false), ("2025-03-26", true), ("2025-06-18", false), ("2025-11-25", false)]
    {
        let input = format!("{}\n{batch}\n", INITIALIZE.replace("VERSION", version));
        let answers = dialogue(&input, Config::default()).await;
        let last = answers.last().unwrap();
        if array {
            let mut ids: Vec<String> =
                last.as_array().unwrap().iter().map(|answer| answer["id"].to_string()).collect();
            ids.sort();
            assert_eq!(ids, ["1", "2", "null"], "{version}");
        } else {
            assert_eq!(last["error"]["code"], -32600, "{version}");
            assert_eq!(last.get("id").is_some(), version < "2025-11-25", "{version}");
        }
    }
    let answers = dialogue(&format!("{batch}\n"), Config::default()).await;
    assert_eq!(answers[0]["error"]["code"], -32600);
}

#[tokio::test]
async fn a_modern_server_names_its_versions_to_an_old_client() {
    let config = Config::default().supported([Revision::NEWEST]);
    let answers = dialogue(&format!("{}\n", INITIALIZE.replace("VERSION", "2025-06-18")), config).await;
    assert!(answers[0]["error"]["message"].as_str().unwrap().contains("2026-07-28"));
}

#[tokio::test]
async fn a_legacy_server_lets_a_client_that_probes_fall_back() {
    let supported = [Revision::V2025_11_25, Revision::V2025_06_18];
    let input = modern(1, "server/discover") + &INITIALIZE.replace("VERSION", "2025-06-18") + "\n";
    let answers = dialogue(&input, Config::default().supported(supported)).await;
    // No code that only modern servers know: -32020 to -32022 forbid the fallback.
    assert_eq!(answers[0]["error"]["code"], -32601);
    assert_eq!(answers[1]["result"]["protocolVersion"], "2025-06-18");
}

#[tokio::test]
async fn unknown_methods_are_answered_before_initialize() {
    let input = r#"{"jsonrpc":"2.0","id":"server-discover-probe-1","method":"server/discover"}"#;
    let answers = dialogue(input, Config::default()).await;
    assert_eq!(answers[0]["error"]["code"], -32601);
}
