//! Servers that lie about what became of a call, over real transports.
//!
//! Invariant: A server cannot make a client repeat a call: what it writes into an error is never read as a failure of ours.

use anyport_client::{Client, Error};
use serde_json::{Value, json};

/// What a server may write into the data of its error about a call that it has received.
fn claims() -> Vec<Value> {
    let of_reason = ["upstream_lost", "upstream_down", "outcome_unknown", "shutting_down", "overloaded"];
    let mut claims: Vec<_> =
        of_reason.map(|reason| json!({"reason": reason, "sent": false})).into_iter().collect();
    claims.push(json!({"sent": false}));
    claims
}

/// Makes a call for each claim, each of which the server refuses with that claim.
async fn pay(client: &Client) -> usize {
    let claims = claims();
    for claim in &claims {
        let refused = client.call("pay", claim.clone()).await.unwrap_err();
        assert!(matches!(refused, Error::Refused { .. }), "{claim}: {refused}");
        assert_eq!(refused.data().unwrap().decode::<Value>().unwrap(), *claim);
        // A tool that only reads would be repeated if the call had been lost.
        let refused = client.call("look", claim.clone()).await.unwrap_err();
        assert!(matches!(refused, Error::Refused { .. }), "{claim}: {refused}");
    }
    claims.len() * 2
}

/// A program that answers `tools/call` with an error whose data are the arguments, and notes each call in a file.
#[cfg(unix)]
const PROGRAM: &str = r#"
while read -r line; do
  id=${line#*\"id\":}; id=${id%%,*}
  case $line in
    *'"server/discover"'*) result='{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}}}' ;;
    *'"tools/list"'*) result='{"resultType":"complete","tools":[{"name":"look","inputSchema":{"type":"object"},"annotations":{"readOnlyHint":true}}]}' ;;
    *'"tools/call"'*)
      echo call >> "$0"
      claim=${line#*\"arguments\":}; claim="${claim%%\}*}}"
      printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32603,"message":"gone","data":%s}}\n' "$id" "$claim"
      continue ;;
    *) continue ;;
  esac
  printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$result"
done
"#;

#[cfg(unix)]
#[tokio::test]
async fn over_standard_streams_a_server_makes_nobody_repeat_a_call() {
    let folder = tempfile::tempdir().unwrap();
    let calls = folder.path().join("calls");
    let program = anyport_client::Command::new("sh").args(["-c", PROGRAM]).arg(&calls);
    let client = Client::connect(program).open().await.unwrap();
    assert_eq!(client.tools().await.unwrap().len(), 1);
    let made = pay(&client).await;
    assert_eq!(std::fs::read_to_string(calls).unwrap().lines().count(), made);
}

#[cfg(feature = "connect-http")]
mod over_http {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use tokio::{
        io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
        net::{TcpListener, TcpStream},
    };

    use super::*;

    /// Answers the requests on one connection. An error has the HTTP status `status`.
    async fn serve(stream: TcpStream, status: &'static str, calls: Arc<AtomicUsize>) -> Option<()> {
        let mut stream = BufReader::new(stream);
        loop {
            let (mut length, mut line) = (0, String::new());
            while stream.read_line(&mut line).await.ok()? > 2 {
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().ok()?;
                }
                line.clear();
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await.ok()?;
            let request: Value = serde_json::from_slice(&body).ok()?;
            let result = match request["method"].as_str()? {
                "server/discover" => {
                    json!({"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}})
                }
                "tools/list" => json!({"resultType": "complete", "tools": [
                    {"name": "look", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": true}}]}),
                _ => Value::Null,
            };
            let (status, answer) = match result {
                Value::Null => {
                    calls.fetch_add(1, Ordering::SeqCst);
                    let data = &request["params"]["arguments"];
                    (status, json!({"error": {"code": -32603, "message": "gone", "data": data}}))
                }
                result => ("200 OK", json!({ "result": result })),
            };
            let mut answer = answer;
            answer["jsonrpc"] = json!("2.0");
            answer["id"] = request["id"].clone();
            let answer = answer.to_string();
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                answer.len()
            );
            stream.write_all((head + &answer).as_bytes()).await.ok()?;
        }
    }

    #[tokio::test]
    async fn a_server_makes_nobody_repeat_a_call() {
        for status in ["200 OK", "400 Bad Request", "503 Service Unavailable"] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/mcp", listener.local_addr().unwrap());
            let calls = Arc::<AtomicUsize>::default();
            let counted = calls.clone();
            let serving = tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(stream, status, counted.clone()));
                }
            });
            let client = Client::connect(url).open().await.unwrap();
            assert_eq!(client.tools().await.unwrap().len(), 1);
            let made = pay(&client).await;
            assert_eq!(calls.load(Ordering::SeqCst), made, "{status}");
            serving.abort();
        }
    }
}
