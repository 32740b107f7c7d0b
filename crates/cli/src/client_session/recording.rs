//! A session as lines of JSON: `{"at_ms": 12, "sent": {...}}` or `{"at_ms": 15, "received": {...}}`.
//!
//! Messages stand in it as they were on the wire, in whatever revision was spoken. Headers and the environment are not
//! in it, nor is their content where a server repeats it; what else is said in messages is, so the file can be read by its
//! owner only.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    sync::Arc,
    time::Instant,
};

use anyhow::Result;
use anyport_protocol::{Error, Method, Raw, Revision, jsonrpc::code, session::client::NegotiatedSession};
use anyport_service::sync::Lock;
use anyport_transport::client::MessageObserver;
use serde_json::{Value, json};

use super::output::escaped;
use crate::{logging, target::redact_json, user_error::UserError};

/// Writes what is sent and received.
#[derive(Debug)]
pub(crate) struct Recorder {
    /// `None`: standard error.
    file: Option<Lock<File>>,
    started: Instant,
}

impl Recorder {
    /// Records to a new file at `path`, in place of one that is there; to standard error if `path` is `-`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn create(path: &Path) -> Result<Arc<Self>> {
        if path == Path::new("-") {
            return Ok(Arc::new(Self { file: None, started: Instant::now() }));
        }
        let mut options = File::options();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(|error| {
            let problem = format!("cannot record to {}: {error}", path.display());
            UserError::failed(problem, "name a file in a folder that exists and that you may write to")
        })?;
        // The mode is that of a new file; one that was there may be everybody's to read. What is no file, such as /dev/stderr,
        // is left as it is.
        #[cfg(unix)]
        if file.metadata().is_ok_and(|found| found.is_file()) {
            let owners = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            file.set_permissions(owners).map_err(|error| {
                let problem = format!("cannot keep {} from others: {error}", path.display());
                UserError::failed(problem, "name a file of your own, or one that does not exist")
            })?;
        }
        Ok(Arc::new(Self { file: Some(Lock::new(file)), started: Instant::now() }))
    }

    fn write(&self, what: &str, message: &[u8]) {
        let at = self.started.elapsed().as_millis();
        // Malformed text is recorded as text: it may be the very reason for the recording.
        let mut message = serde_json::from_slice(message)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(message).into_owned()));
        redact_json(&mut message);
        let line = json!({ "at_ms": u64::try_from(at).unwrap_or(u64::MAX), what: message });
        let Some(file) = &self.file else {
            // The terminal that reads it obeys no sign of a server.
            logging::notice(escaped(&line.to_string()));
            return;
        };
        let mut file = file.lock();
        if let Err(error) = writeln!(file, "{line}") {
            tracing::warn!(%error, "a message was not recorded");
        }
    }
}

impl MessageObserver for Recorder {
    fn sent(&self, message: &[u8]) {
        self.write("sent", message);
    }

    fn received(&self, message: &[u8]) {
        self.write("received", message);
    }
}

/// A result, or an error.
type Answer = Result<Value, Value>;

/// A request of a recording, and what the server answered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Exchange {
    pub(crate) method: String,
    pub(crate) params: Value,
    pub(crate) answer: Answer,
}

/// The requests of the recording at `path` that were answered, in the order in which they were sent.
///
/// # Errors
/// When it cannot be read, or is none.
pub(crate) fn read(path: &Path) -> Result<Vec<Exchange>> {
    let wrong = |problem: String| UserError::usage(problem, "make a recording with --record FILE");
    let file = File::open(path).map_err(|error| wrong(format!("cannot read {}: {error}", path.display())))?;
    let mut open: HashMap<String, usize> = HashMap::new();
    let mut agreement = None;
    let mut asked: Vec<(String, Value, Option<Answer>)> = Vec::new();
    for (number, line) in BufReader::new(file).lines().enumerate() {
        let fault = |what: &str| wrong(format!("line {} of {} {what}", number + 1, path.display()));
        let line = line.map_err(|error| fault(&format!("cannot be read: {error}")))?;
        let entry: Value = serde_json::from_str(&line).map_err(|_| fault("is no JSON"))?;
        if let Some(sent) = entry.get("sent") {
            if let (Some(method), Some(id)) = (sent["method"].as_str(), sent.get("id")) {
                open.insert(id.to_string(), asked.len());
                asked.push((
                    method.to_owned(),
                    sent.get("params").cloned().unwrap_or_else(|| json!({})),
                    None,
                ));
            }
        } else if let Some(received) = entry.get("received") {
            if received.get("method").is_some() {
                continue;
            }
            let at = received.get("id").and_then(|id| open.remove(&id.to_string()));
            let answer = match (received.get("result"), received.get("error")) {
                (Some(result), _) => Ok(result.clone()),
                (None, Some(error)) => Err(error.clone()),
                (None, None) => continue,
            };
            if let Some(at) = at {
                let (method, params, of) = &mut asked[at];
                match &answer {
                    Ok(result) if method == "initialize" => {
                        agreement = NegotiatedSession::legacy(&Raw::from(result.clone())).ok();
                    }
                    Ok(_) if method == "server/discover" => agreement = None,
                    _ => {}
                }
                *of = Some(match &agreement {
                    Some(agreement) => lifted(agreement, method, params, answer),
                    None => answer,
                });
            }
        } else {
            return Err(fault("is no line of a recording"));
        }
    }
    let answered = |(method, params, answer)| Some(Exchange { method, params, answer: answer? });
    Ok(asked.into_iter().filter_map(answered).collect())
}

/// An older server's answer as a client sees it: in the newest vocabulary, whichever was spoken when it was recorded.
fn lifted(agreement: &NegotiatedSession, method: &str, params: &Value, answer: Answer) -> Answer {
    let Some(method) = Method::named(method).filter(|method| *method != Method::Initialize) else {
        return answer;
    };
    let outcome = match &answer {
        Ok(result) => Ok(Raw::from(result.clone())),
        Err(error) => {
            let message = error["message"].as_str().unwrap_or_default().to_owned();
            let data = error.get("data").cloned().unwrap_or_default();
            Err(Error::new(error["code"].as_i64().unwrap_or_default(), message).with_data(Raw::from(data)))
        }
    };
    match agreement.outcome(Some(method), &Raw::from(params.clone()), Revision::NEWEST, outcome) {
        Ok(Ok(result)) => result.decode().or(answer),
        Ok(Err(error)) => Err(json!({"code": error.code, "message": error.message})),
        Err(failure) => Err(json!({"code": code::INTERNAL_ERROR, "message": failure.to_string()})),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recorded_is_read_as_requests_with_their_answers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("session");
        // One that was there, and that others may read.
        std::fs::write(&path, "before").unwrap();
        #[cfg(unix)]
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        let recorder = Recorder::create(&path).unwrap();
        let sent = |text: &str| recorder.sent(text.as_bytes());
        let received = |text: &str| recorder.received(text.as_bytes());
        sent(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#);
        sent(r#"{"jsonrpc":"2.0","id":"1","method":"tools/call","params":{"name":"a"}}"#);
        received("not JSON at all");
        received(r#"{"jsonrpc":"2.0","method":"notifications/message","params":{}}"#);
        received(r#"{"jsonrpc":"2.0","id":"1","error":{"code":-1,"message":"no"}}"#);
        received(r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}"#);
        sent(r#"{"jsonrpc":"2.0","id":9,"method":"prompts/list"}"#);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let list =
            Exchange { method: "tools/list".into(), params: json!({}), answer: Ok(json!({"tools": []})) };
        let call = Exchange {
            method: "tools/call".into(),
            params: json!({"name": "a"}),
            answer: Err(json!({"code": -1, "message": "no"})),
        };
        assert_eq!(read(&path).unwrap(), [list, call]);
    }

    #[test]
    fn answers_of_an_older_server_are_read_as_a_client_sees_them() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let lines = [
            json!({"sent": {"id": 1, "method": "initialize", "params": {}}}),
            json!({"received": {"id": 1, "result": {"protocolVersion": "2025-11-25", "capabilities": {}}}}),
            json!({"sent": {"id": 2, "method": "tools/list", "params": {}}}),
            json!({"received": {"id": 2, "result": {"tools": [{"name": "t", "inputSchema": {"type": "object"},
                "execution": {"taskSupport": "forbidden"}}]}}}),
            json!({"sent": {"id": 3, "method": "resources/read", "params": {"uri": "a:b"}}}),
            json!({"received": {"id": 3, "error": {"code": -32002, "message": "gone"}}}),
        ];
        std::fs::write(file.path(), lines.map(|line| format!("{line}\n")).concat()).unwrap();
        let read = read(file.path()).unwrap();
        let tools = read[1].answer.as_ref().unwrap();
        assert_eq!(tools["tools"][0], json!({"name": "t", "inputSchema": {"type": "object"}}));
        // 2026-07-28 has another code for it.
        assert_eq!(read[2].answer.as_ref().unwrap_err()["code"], -32602);
    }

    #[test]
    fn what_is_no_recording_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let said = |text: &str| {
            std::fs::write(file.path(), text).unwrap();
            read(file.path()).unwrap_err().to_string()
        };
        assert!(said("{}\n").ends_with("is no line of a recording"));
        assert!(said("x\n").contains("line 1 of"));
    }
}
