//! The clients, each with the same few methods. What a method returns is what the wire says, as JSON.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

mod anyport;
mod rmcp;

pub(crate) use anyport::Anyport;
pub(crate) use rmcp::Rmcp;

/// What the checks need of a client.
pub(crate) trait Client {
    /// The checks that it can be put to.
    const CAN: &[&str];

    /// The revision that was agreed on.
    fn revision(&self) -> String;
    fn heard(&self) -> &Heard;
    async fn tools(&self) -> anyhow::Result<Value>;
    async fn call(&self, name: &str, arguments: Value) -> anyhow::Result<Value>;
    async fn resources(&self) -> anyhow::Result<Value>;
    async fn templates(&self) -> anyhow::Result<Value>;
    async fn read(&self, uri: &str) -> anyhow::Result<Value>;
    async fn prompts(&self) -> anyhow::Result<Value>;
    async fn prompt(&self, name: &str, arguments: Value) -> anyhow::Result<Value>;
    /// The values that may stand for `argument` of what `reference` names, beginning with `value`.
    async fn complete(&self, reference: Value, argument: &str, value: &str) -> anyhow::Result<Value>;
    async fn close(self) -> anyhow::Result<()>;
}

/// What reached the client beside its answers.
#[derive(Default)]
pub(crate) struct Heard {
    questions: Mutex<Vec<String>>,
    prompts: Mutex<Vec<String>>,
    progress: Mutex<Vec<Value>>,
    logs: Mutex<Vec<Value>>,
}

impl Heard {
    /// Notes a question to the user, and answers it.
    pub(crate) fn question(&self, message: &str) -> Value {
        open(&self.questions).push(message.to_owned());
        match message {
            "Where shall it go?" => json!({"city": "Oslo", "nights": 3}),
            _ => json!({"name": "Ada"}),
        }
    }

    /// Notes a prompt to the model, and answers it.
    pub(crate) fn prompt(&self, text: &str) -> &'static str {
        open(&self.prompts).push(text.to_owned());
        "bird"
    }

    pub(crate) fn step(&self, progress: f64, total: Option<f64>, message: Option<&str>) {
        open(&self.progress).push(json!([progress, total, message]));
    }

    pub(crate) fn log(&self, level: &Value, data: &Value) {
        open(&self.logs).push(json!([level, data]));
    }

    /// Takes what the user was asked.
    pub(crate) fn questions(&self) -> Value {
        json!(std::mem::take(&mut *open(&self.questions)))
    }

    /// Takes what the model was asked.
    pub(crate) fn prompts(&self) -> Value {
        json!(std::mem::take(&mut *open(&self.prompts)))
    }

    /// Takes the progress that was told.
    pub(crate) fn progress(&self) -> Value {
        json!(std::mem::take(&mut *open(&self.progress)))
    }

    /// Takes the log messages.
    pub(crate) fn logs(&self) -> Value {
        json!(std::mem::take(&mut *open(&self.logs)))
    }
}

fn open<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
