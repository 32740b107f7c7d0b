use std::collections::BTreeMap;

use anyport_protocol::Revision;
use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};

use super::{
    gateway::Upstream,
    tap::Tap,
    visit::{PATIENCE, Visit},
};
use crate::{cross_transport::Fault, plain::Plain};

impl Visit {
    /// Makes the calls in the newest revision over one connection of HTTP/2, several at a time.
    pub(super) async fn call_over_http2(&mut self, tap: &Tap) -> Result<(), Fault> {
        let stream = TcpStream::connect(tap.address()).await?;
        let (client, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let mut left = self.calls;
        while left > 0 {
            let mut answers = BTreeMap::new();
            for id in 0..left.min(4) {
                let canary = self.canary();
                let upstream = self.random.choice(Upstream::ALL).ok_or("no upstream")?;
                let request = self.request(tap, upstream, id, &canary)?;
                self.counted("echo");
                answers.insert(canary, tokio::spawn(ask(client.clone(), request)));
                left -= 1;
            }
            for (canary, answer) in answers {
                let answer =
                    timeout(PATIENCE, answer).await.map_err(|_| format!("the answer to {canary}"))???;
                self.expect_text("echo", &answer["result"]["content"][0]["text"], &canary);
            }
        }
        drop(client);
        connection.abort();
        Ok(())
    }

    /// A call of `echo`, as it is written over HTTP.
    fn request(
        &self,
        tap: &Tap,
        upstream: Upstream,
        id: u64,
        canary: &str,
    ) -> Result<Request<Full<Bytes>>, http::Error> {
        let name = format!("{}_echo", upstream.name);
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": Revision::NEWEST.as_str(),
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let params = json!({"name": name, "arguments": {"word": canary}, "_meta": meta});
        let body = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}).to_string();
        Request::post(format!("http://{}/mcp", tap.address()))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json, text/event-stream")
            .header("mcp-protocol-version", Revision::NEWEST.as_str())
            .header("mcp-method", "tools/call")
            .header("mcp-name", name)
            .body(Full::from(body))
    }

    /// Makes the calls over the REST interface, several in one request.
    pub(super) async fn call_over_rest(&mut self, tap: &Tap) -> Result<(), Fault> {
        let plain = Plain::at(tap.address()).bearer(&self.token);
        let mut left = self.calls;
        while left > 0 {
            let mut calls = Vec::new();
            for id in 0..left.min(self.random.u64(1..4)) {
                let canary = self.canary();
                let upstream = self.random.choice(Upstream::ALL).ok_or("no upstream")?;
                let name = format!("{}_echo", upstream.name);
                self.counted("echo");
                calls.push((canary.clone(), json!({"method": name, "params": {"word": canary}, "id": id})));
            }
            left -= calls.len() as u64;
            let body: Value = calls.iter().map(|(_, call)| call.clone()).collect();
            let answers = plain.post(&body.to_string()).await?.json();
            for (place, (canary, _)) in calls.iter().enumerate() {
                self.expect_text("echo", &answers[place]["result"], canary);
            }
        }
        Ok(())
    }
}

/// The message that answers `request`, whether it comes by itself or in an event stream.
async fn ask(mut client: SendRequest<Full<Bytes>>, request: Request<Full<Bytes>>) -> Result<Value, Fault> {
    let response = client.send_request(request).await?;
    let body = response.into_body().collect().await?.to_bytes();
    let text = String::from_utf8_lossy(&body);
    let event = text.lines().filter_map(|line| line.strip_prefix("data: ")).next_back();
    Ok(serde_json::from_str(event.unwrap_or(&text))?)
}
