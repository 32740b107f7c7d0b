//! The conversation so far, and the meaning of a line in it.

use std::collections::{HashMap, VecDeque};

use anyport_protocol::{Revision, meta::key};
use serde_json::{Value, json};

use super::lines::{Side, What};

/// A dialogue as far as it went.
#[derive(Debug)]
pub(super) struct Talk {
    me: Side,
    revision: Revision,
    captured: HashMap<String, Value>,
    /// The ids of the client's requests that are not answered, and of the server's.
    of_client: VecDeque<Value>,
    of_server: VecDeque<Value>,
    last_id: u64,
}

impl Talk {
    pub(super) fn new(me: Side, revision: Revision) -> Self {
        let (of_client, of_server) = (VecDeque::new(), VecDeque::new());
        Self { me, revision, captured: HashMap::new(), of_client, of_server, last_id: 0 }
    }

    fn open(&mut self, of: Side) -> &mut VecDeque<Value> {
        if of == Side::Client { &mut self.of_client } else { &mut self.of_server }
    }

    /// The message that we send for a line.
    pub(super) fn write(&mut self, what: &What) -> Result<Value, String> {
        let message = match what {
            What::Whole(message) => self.fill(message)?,
            What::Named(method, params) => {
                let mut message = json!({"jsonrpc": "2.0"});
                if !method.starts_with("notifications/") {
                    self.last_id += 1;
                    message["id"] = self.last_id.into();
                }
                message["method"] = method.as_str().into();
                if let Some(params) = params {
                    message["params"] = self.fill(params)?;
                }
                if method == "initialize" {
                    let version = message["params"]["protocolVersion"].as_str();
                    self.revision = version.and_then(|version| version.parse().ok()).unwrap_or(self.revision);
                }
                if self.me == Side::Client && self.revision.is_stateless() && message.get("id").is_some() {
                    // 2026-07-28, basic §`_meta`: what every request says.
                    let meta = &mut message["params"]["_meta"];
                    if meta.is_null() {
                        *meta = json!({key::PROTOCOL_VERSION: self.revision.as_str(), key::CLIENT_CAPABILITIES: {}});
                    }
                }
                message
            }
            What::Result(result) => {
                json!({"jsonrpc": "2.0", "id": self.answered()?, "result": self.fill(result)?})
            }
            What::Error(error) => {
                json!({"jsonrpc": "2.0", "id": self.answered()?, "error": self.fill(error)?})
            }
        };
        self.note(self.me, &message);
        Ok(message)
    }

    /// The oldest open request of the other side.
    fn answered(&mut self) -> Result<Value, String> {
        let other = self.me.other();
        self.open(other)
            .front()
            .cloned()
            .ok_or_else(|| "no request is open that this could answer".to_owned())
    }

    /// Where `message` of the other side is not what a line says.
    pub(super) fn read(&mut self, what: &What, message: &Value) -> Result<(), String> {
        match what {
            What::Whole(expected) => self.fits("", expected, message)?,
            What::Named(method, params) => {
                if message["method"] != method.as_str() {
                    return Err(differs("/method", &method.as_str().into(), &message["method"]));
                }
                if message.get("id").is_some() == method.starts_with("notifications/") {
                    return Err("/id: a request has one, and a notification has none".to_owned());
                }
                let expected = params.clone().unwrap_or_else(|| json!({}));
                let mut params = message.get("params").cloned().unwrap_or_else(|| json!({}));
                if let (None, Some(members)) = (expected.get("_meta"), params.as_object_mut()) {
                    members.shift_remove("_meta");
                }
                self.fits("/params", &expected, &params)?;
            }
            What::Result(expected) | What::Error(expected) => {
                let me = self.me;
                let id = self.open(me).front().cloned();
                if id.as_ref() != message.get("id") || message.get("method").is_some() {
                    return Err(format!("/id: expected an answer to {}", id.unwrap_or_default()));
                }
                let member = if matches!(what, What::Result(_)) { "result" } else { "error" };
                let Some(said) = message.get(member) else { return Err(format!("/{member}: is not there")) };
                self.fits(&format!("/{member}"), expected, said)?;
            }
        }
        self.note(self.me.other(), message);
        Ok(())
    }

    /// Keeps which requests are open.
    fn note(&mut self, by: Side, message: &Value) {
        let Some(id) = message.get("id") else { return };
        if message.get("method").is_some() {
            self.open(by).push_back(id.clone());
        } else {
            self.open(by.other()).retain(|open| open != id);
        }
    }

    /// `value` with what was captured in place of its `$names`.
    fn fill(&self, value: &Value) -> Result<Value, String> {
        Ok(match value {
            Value::String(text) if is_name(text) => {
                self.captured.get(text).cloned().ok_or_else(|| format!("{text} stands for nothing yet"))?
            }
            Value::Object(members) => {
                let filled = members.iter().map(|(name, value)| Ok((name.clone(), self.fill(value)?)));
                Value::Object(filled.collect::<Result<_, String>>()?)
            }
            Value::Array(elements) => elements.iter().map(|one| self.fill(one)).collect::<Result<_, _>>()?,
            other => other.clone(),
        })
    }

    fn fits(&mut self, path: &str, expected: &Value, said: &Value) -> Result<(), String> {
        match (expected, said) {
            (Value::String(any), _) if any == "*" => Ok(()),
            (Value::String(name), _) if is_name(name) => {
                match self.captured.entry(name.clone()).or_insert_with(|| said.clone()) {
                    captured if captured == said => Ok(()),
                    captured => Err(differs(path, captured, said)),
                }
            }
            (Value::Object(expected), Value::Object(members)) => {
                let is_open = expected.contains_key(MORE);
                if let Some(more) = members.keys().find(|name| !is_open && !expected.contains_key(*name)) {
                    return Err(format!("{path}/{more}: is there, and was not expected"));
                }
                for (name, value) in expected.iter().filter(|(name, _)| *name != MORE) {
                    let path = format!("{path}/{name}");
                    let said = members.get(name).ok_or_else(|| format!("{path}: is not there"))?;
                    self.fits(&path, value, said)?;
                }
                Ok(())
            }
            (Value::Array(expected), Value::Array(elements)) if expected.len() == elements.len() => {
                let mut pairs = expected.iter().zip(elements).enumerate();
                pairs.try_for_each(|(index, (expected, said))| {
                    self.fits(&format!("{path}/{index}"), expected, said)
                })
            }
            _ if expected == said => Ok(()),
            _ => Err(differs(path, expected, said)),
        }
    }
}

impl Side {
    fn other(self) -> Self {
        if self == Self::Client { Self::Server } else { Self::Client }
    }
}

/// The member that stands for whatever else there is.
const MORE: &str = "...";

fn is_name(text: &str) -> bool {
    let rest = text.strip_prefix('$');
    rest.is_some_and(|name| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

fn differs(path: &str, expected: &Value, said: &Value) -> String {
    format!("{path}: expected {expected}, got {said}")
}
