//! A server of 2026-07-28 with one tool, which does harm in one way when it is called.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{Failure, process::sleep};

/// What is wrong with a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing: it answers.
    Nothing,
    /// Nobody listens where it should be.
    Dead,
    /// It reads calls, and answers none.
    Hanging,
    /// A call ends its connection, and for [`AWAY`] it ends every further one at once.
    Flapping,
    /// It answers a call with a log message each millisecond, without end.
    Flooding,
}

impl Fault {
    pub(super) const ALL: [Self; 5] =
        [Self::Nothing, Self::Dead, Self::Hanging, Self::Flapping, Self::Flooding];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Nothing => "healthy",
            Self::Dead => "dead",
            Self::Hanging => "hanging",
            Self::Flapping => "flapping",
            Self::Flooding => "flooding",
        }
    }
}

/// How long a server that flaps is away after each call.
const AWAY: Duration = Duration::from_millis(50);

/// The pause between two messages of a flood.
const PAUSE: Duration = Duration::from_millis(1);

/// Starts a server with this fault, which runs until the program ends, and returns its port.
///
/// # Errors
/// When the system has no port.
pub(super) fn start(fault: Fault) -> Result<u16, Failure> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let port = listener.local_addr()?.port();
    if fault != Fault::Dead {
        let server = Arc::new(Server { fault, began: Instant::now(), away_until: AtomicU64::new(0) });
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = server.clone();
                // A connection that breaks is its client's concern.
                thread::spawn(move || drop(server.serve(stream)));
            }
        });
    }
    Ok(port)
}

struct Server {
    fault: Fault,
    began: Instant,
    /// Until when connections are ended at once, in milliseconds after it began.
    away_until: AtomicU64,
}

impl Server {
    fn serve(&self, stream: TcpStream) -> Result<(), Failure> {
        stream.set_nodelay(true)?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut writer = stream;
        while let Some(request) = read(&mut reader)? {
            if self.began.elapsed().as_millis() < u128::from(self.away_until.load(Ordering::Relaxed)) {
                break;
            }
            match (request["method"].as_str().unwrap_or_default(), self.fault) {
                ("tools/call", Fault::Hanging) => {
                    // Until the client has given it up.
                    reader.read_to_end(&mut Vec::new())?;
                }
                ("tools/call", Fault::Flapping) => {
                    let until = self.began.elapsed() + AWAY;
                    self.away_until.store(u64::try_from(until.as_millis())?, Ordering::Relaxed);
                    break;
                }
                ("tools/call", Fault::Flooding) => flood(&mut writer)?,
                (method, _) => {
                    let mut answer = answer(method);
                    answer["jsonrpc"] = json!("2.0");
                    answer["id"] = request["id"].clone();
                    respond(&mut writer, &answer.to_string())?;
                }
            }
        }
        Ok(())
    }
}

/// Reads the body of a request; `None` at the end of the connection.
fn read(reader: &mut BufReader<TcpStream>) -> Result<Option<Value>, Failure> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        match line.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse()?
            }
            None if line.trim_end().is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(serde_json::from_slice(&body)?))
}

/// The answer to `method`, without its frame.
fn answer(method: &str) -> Value {
    let cache = |mut result: Value| {
        result["resultType"] = json!("complete");
        (result["ttlMs"], result["cacheScope"]) = (json!(3_600_000), json!("public"));
        json!({"result": result})
    };
    match method {
        "server/discover" => cache(json!({
            "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}, "logging": {}},
            "serverInfo": {"name": "bad", "version": "1"},
        })),
        "tools/list" => cache(json!({"tools": [{"name": "echo", "inputSchema": {"type": "object"}}]})),
        "tools/call" => {
            json!({"result": {"resultType": "complete", "content": [{"type": "text", "text": "here"}]}})
        }
        _ => json!({"error": {"code": -32601, "message": "Method not found"}}),
    }
}

fn respond(writer: &mut TcpStream, text: &str) -> Result<(), Failure> {
    let length = text.len();
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n");
    Ok(writer.write_all((head + text).as_bytes())?)
}

/// Sends log messages until the connection breaks.
fn flood(writer: &mut TcpStream) -> Result<(), Failure> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    writer.write_all(head.as_bytes())?;
    let params = json!({"level": "error", "logger": "flood", "data": "on and on and on"});
    let message = json!({"jsonrpc": "2.0", "method": "notifications/message", "params": params});
    let event = format!("event: message\ndata: {message}\n\n");
    let chunk = format!("{:x}\r\n{event}\r\n", event.len());
    loop {
        writer.write_all(chunk.as_bytes())?;
        sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a server with this fault sends within a moment for a call.
    fn called(fault: Fault) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", start(fault).unwrap())).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let body = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "echo"}})
            .to_string();
        let request = format!("POST /mcp HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(request.as_bytes()).unwrap();
        let (mut all, mut piece) = (Vec::new(), [0; 4096]);
        while let Ok(read) = stream.read(&mut piece) {
            all.extend_from_slice(&piece[..read]);
            if read == 0 {
                all.extend_from_slice(b"the end");
                break;
            }
            if all.len() > 4096 {
                break;
            }
        }
        String::from_utf8(all).unwrap()
    }

    #[test]
    fn each_is_bad_in_its_own_way() {
        assert!(TcpStream::connect(("127.0.0.1", start(Fault::Dead).unwrap())).is_err());
        assert!(called(Fault::Nothing).contains(r#""id":7"#));
        assert_eq!(called(Fault::Hanging), "");
        assert_eq!(called(Fault::Flapping), "the end");
        assert!(called(Fault::Flooding).matches("on and on").count() > 10);
    }
}
