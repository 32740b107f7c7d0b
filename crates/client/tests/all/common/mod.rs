//! Services that answer as a test tells them to, whatever the protocol says of it.

use std::sync::{Arc, Mutex};

use anyport_protocol::{Error, Raw};
use anyport_service::{Context, Outcome, Reply, Request, Service};
use serde_json::{Value, json};

/// What was requested: the method, the params and the context.
pub(crate) type Asked = Arc<Mutex<Vec<(String, Value, Context)>>>;

/// A service that is a function of how often it was called, the method and the params.
pub(crate) struct Scripted<F> {
    answer: F,
    asked: Asked,
}

impl<F> Scripted<F>
where
    F: Fn(usize, &str, &Value) -> Reply + Send + Sync + 'static,
{
    pub(crate) fn new(answer: F) -> (Self, Asked) {
        let asked = Asked::default();
        (Self { answer, asked: asked.clone() }, asked)
    }
}

impl<F> Service for Scripted<F>
where
    F: Fn(usize, &str, &Value) -> Reply + Send + Sync + 'static,
{
    fn call(&self, request: Request, context: Context) -> Reply {
        if &*request.method == "server/discover" {
            return result(json!({"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}},
                "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "scripted", "version": "1"}}}));
        }
        let params: Value = request.params.into_raw().decode().unwrap();
        let mut asked = self.asked.lock().unwrap();
        asked.push((request.method.to_string(), params.clone(), context));
        let count = asked.len();
        drop(asked);
        (self.answer)(count, &request.method, &params)
    }
}

pub(crate) fn result(value: Value) -> Reply {
    Reply::ready(Outcome::of_result(Raw::from(value)))
}

pub(crate) fn error(code: i64, reason: &str) -> Reply {
    Reply::error(Error::new(code, "no").with_data(json!({ "reason": reason }).into()))
}

pub(crate) fn count(asked: &Asked) -> usize {
    asked.lock().unwrap().len()
}
