//! Asks a server of NATS how often it writes to its disk, at its monitoring address.

use std::time::Duration;

use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// What a server says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServerReport {
    pub(super) version: String,
    pub(super) sync: Sync,
}

/// How often a server writes to its disk what it has acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sync {
    /// Before each acknowledgement.
    Always,
    /// So often.
    Every(Duration),
    /// It does not say.
    Unknown,
}

/// `/varz`, as far as it matters.
#[derive(Deserialize)]
struct Variables {
    version: String,
    jetstream: Option<JetStream>,
}

#[derive(Deserialize)]
struct JetStream {
    config: Option<Config>,
}

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    sync_always: bool,
    /// In nanoseconds.
    sync_interval: Option<u64>,
}

/// How long the server may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// The largest answer in bytes.
const LARGEST: u64 = 1 << 20;

/// Asks the server at `url`, `http://HOST:PORT`.
///
/// # Errors
/// Why it is not known.
pub(super) async fn ask(url: &str) -> Result<ServerReport, String> {
    let answered = timeout(PATIENCE, get(url)).await;
    let answer = answered.map_err(|_| format!("it has not answered within {} s", PATIENCE.as_secs()))??;
    report(&answer).ok_or_else(|| "its answer is not that of a server of NATS".to_owned())
}

async fn get(url: &str) -> Result<Vec<u8>, String> {
    let authority = url.strip_prefix("http://").unwrap_or(url);
    let authority = authority.split('/').next().unwrap_or_default();
    let mut stream = TcpStream::connect(authority).await.map_err(|error| error.to_string())?;
    // Of HTTP/1.0, so that the answer ends with the connection.
    let request = format!("GET /varz HTTP/1.0\r\nHost: {authority}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(|error| error.to_string())?;
    let mut answer = Vec::new();
    let read = stream.take(LARGEST).read_to_end(&mut answer).await;
    read.map_err(|error| error.to_string()).map(|_| answer)
}

fn report(answer: &[u8]) -> Option<ServerReport> {
    let start = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    if !answer.starts_with(b"HTTP/1") || !answer.split(|byte| *byte == b' ').nth(1)?.starts_with(b"200") {
        return None;
    }
    let Variables { version, jetstream } = serde_json::from_slice(answer.get(start + 4..)?).ok()?;
    let sync = match jetstream.and_then(|jetstream| jetstream.config) {
        Some(Config { sync_always: true, .. }) => Sync::Always,
        Some(Config { sync_interval: Some(nanoseconds), .. }) => {
            Sync::Every(Duration::from_nanos(nanoseconds))
        }
        _ => Sync::Unknown,
    };
    Some(ServerReport { version, sync })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_of_each_release_is_read() {
        let of = |body: &str| report(format!("HTTP/1.0 200 OK\r\nServer: x\r\n\r\n{body}").as_bytes());
        let synced = |body: &str| of(body).map(|report| report.sync);
        let always = r#"{"version":"2.15.1","jetstream":{"config":{"sync_interval":120000000000,"sync_always":true}}}"#;
        assert_eq!(of(always), Some(ServerReport { version: "2.15.1".into(), sync: Sync::Always }));
        let every = r#"{"version":"2.15.1","jetstream":{"config":{"sync_interval":120000000000}}}"#;
        assert_eq!(synced(every), Some(Sync::Every(Duration::from_secs(120))));
        let old = r#"{"version":"2.9.10","jetstream":{"config":{"max_memory":1}}}"#;
        assert_eq!(synced(old), Some(Sync::Unknown));
        assert_eq!(synced(r#"{"version":"2.9.10"}"#), Some(Sync::Unknown));
        for wrong in ["", "{}", "<html>"] {
            assert_eq!(of(wrong), None);
        }
        assert_eq!(report(b"HTTP/1.0 404 Not Found\r\n\r\n{\"version\":\"1\"}"), None);
    }
}
