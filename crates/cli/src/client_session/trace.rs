//! What is sent and received, a line each, for `-vv`.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use anyport_service::sync::Lock;
use anyport_transport::client::{HttpExchange, MessageObserver};
use serde_json::Value;

use crate::{logging, render::safe};

/// Writes a line to standard error for each request, notification and response, with its time.
#[derive(Debug)]
pub(super) struct Trace {
    started: Instant,
    open: Lock<Open>,
}

/// The requests without a response, by who sent them: each side counts its own ids.
#[derive(Debug, Default)]
struct Open {
    ours: HashMap<String, (String, Instant)>,
    theirs: HashMap<String, (String, Instant)>,
}

impl Trace {
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), open: Lock::default() }
    }

    fn write(&self, text: &str) {
        let at = self.started.elapsed().as_secs_f64();
        logging::notice(safe::line(&format!("{at:8.3} s  {text}")));
    }
}

impl MessageObserver for Trace {
    fn sent(&self, message: &[u8]) {
        let mut open = self.open.lock();
        let Open { ours, theirs } = &mut *open;
        self.write(&format!("-> {}", described(message, ours, theirs, Instant::now())));
    }

    fn received(&self, message: &[u8]) {
        let mut open = self.open.lock();
        let Open { ours, theirs } = &mut *open;
        self.write(&format!("<- {}", described(message, theirs, ours, Instant::now())));
    }

    fn http(&self, exchange: &HttpExchange<'_>) {
        let HttpExchange { method, url, status, elapsed } = *exchange;
        let status = status.map_or_else(|| "no response".to_owned(), |status| status.to_string());
        self.write(&format!("HTTP {method} {url}: {status}, {}", millis(elapsed)));
    }
}

/// A message in a few words. A request is noted in `open`, and a response ends one of `answered`.
fn described(
    message: &[u8],
    open: &mut HashMap<String, (String, Instant)>,
    answered: &mut HashMap<String, (String, Instant)>,
    now: Instant,
) -> String {
    let Ok(Value::Object(message)) = serde_json::from_slice(message) else {
        return format!("{} bytes that are no message", message.len());
    };
    let id = message.get("id").filter(|id| !id.is_null()).map(Value::to_string);
    match (message.get("method").and_then(Value::as_str), id) {
        (Some(method), Some(id)) => {
            let what = match message.get("params").and_then(|params| params.get("name")?.as_str()) {
                Some(name) => format!("{method} {name}"),
                None => method.to_owned(),
            };
            open.insert(id.clone(), (what.clone(), now));
            format!("{what} (id {id})")
        }
        (Some(method), None) => method.to_owned(),
        (None, id) => {
            let id = id.unwrap_or_else(|| "null".into());
            let (what, took) = match answered.remove(&id) {
                Some((what, sent)) => (what, format!(", {}", millis(now.duration_since(sent)))),
                None => ("a response to no request".into(), String::new()),
            };
            let error = message.get("error");
            let status = match error.map(|error| (error.get("code"), error.get("message"))) {
                None => "result".to_owned(),
                Some((code, text)) => {
                    let code = code.map(Value::to_string).unwrap_or_default();
                    format!("error {code} {}", text.and_then(Value::as_str).unwrap_or_default())
                }
            };
            format!("{what} (id {id}): {}{took}", status.trim_end())
        }
    }
}

fn millis(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_is_a_line_and_a_response_says_how_long_it_took() {
        let (mut ours, mut theirs) = (HashMap::new(), HashMap::new());
        let start = Instant::now();
        let later = start + Duration::from_millis(12);
        let call = br#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"add"}}"#;
        assert_eq!(described(call, &mut ours, &mut theirs, start), "tools/call add (id 7)");
        let ask = br#"{"jsonrpc":"2.0","id":7,"method":"roots/list"}"#;
        assert_eq!(described(ask, &mut theirs, &mut ours, start), "roots/list (id 7)");
        let result = br#"{"jsonrpc":"2.0","id":7,"result":{}}"#;
        assert_eq!(described(result, &mut theirs, &mut ours, later), "tools/call add (id 7): result, 12 ms");
        let error = br#"{"jsonrpc":"2.0","id":7,"error":{"code":-32601,"message":"no"}}"#;
        assert_eq!(
            described(error, &mut ours, &mut theirs, later),
            "roots/list (id 7): error -32601 no, 12 ms"
        );
        let stray = described(result, &mut theirs, &mut ours, later);
        assert_eq!(stray, "a response to no request (id 7): result");
        let notification = br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        assert_eq!(described(notification, &mut ours, &mut theirs, start), "notifications/initialized");
        assert_eq!(described(b"hello", &mut ours, &mut theirs, start), "5 bytes that are no message");
    }
}
