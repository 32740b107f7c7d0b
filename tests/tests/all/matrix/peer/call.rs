use std::{sync::Mutex, time::Duration};

use anyport::Revision;
use serde_json::{Map, Value, json};
use tokio::sync::Notify;

use super::{Peer, answers, connection::Connection, error};

/// One request, and how its answer is found.
pub(crate) struct Call {
    peer: Peer,
    connection: Connection,
    method: String,
    params: Value,
    declared: Value,
    level: Option<String>,
    /// The answers that a modern client brought, by their keys.
    answers: Map<String, Value>,
    /// What this round of a modern call asks.
    asked: Mutex<Map<String, Value>>,
    asking: Notify,
}

impl Call {
    pub(super) fn new(
        peer: Peer,
        connection: Connection,
        method: String,
        params: Value,
        declared: Value,
        level: Option<String>,
    ) -> Self {
        let (asked, asking) = (Mutex::default(), Notify::new());
        Self { peer, connection, method, params, declared, level, answers: Map::new(), asked, asking }
    }

    pub(super) async fn outcome(mut self) -> Result<Value, Value> {
        if !self.revision().is_stateless() {
            return answers::answer(&self).await;
        }
        if let Some(state) = self.params["requestState"].as_str() {
            let known = self.peer.answers(state);
            self.answers = known.ok_or_else(|| error(-32602, "no such state"))?;
        }
        self.answers.extend(self.params["inputResponses"].as_object().cloned().unwrap_or_default());
        let asked = tokio::select! {
            // All that is asked at once is asked in one round.
            biased;
            outcome = answers::answer(&self) => return outcome.map(complete),
            () = self.asking.notified() => std::mem::take(&mut *self.asked.lock().unwrap()),
        };
        let state = self.peer.state(self.answers.clone());
        Ok(json!({"resultType": "input_required", "inputRequests": asked, "requestState": state}))
    }

    pub(crate) fn revision(&self) -> Revision {
        self.connection.revision(&self.peer)
    }

    /// Whether the server has tools that can ask in one era alone.
    pub(super) fn is_of_both_eras(&self) -> bool {
        self.peer.speaks_both_eras()
    }

    pub(crate) fn method(&self) -> &str {
        &self.method
    }

    pub(crate) fn params(&self) -> &Value {
        &self.params
    }

    /// Whether log messages of severity `level` are wanted.
    pub(crate) fn logs(&self, level: &str) -> bool {
        let rank = |level: &str| {
            ["debug", "info", "notice", "warning", "error"].iter().position(|known| *known == level)
        };
        self.level.as_ref().is_some_and(|least| rank(level) >= rank(least))
    }

    /// Whether the client declared the capability at this JSON pointer.
    pub(crate) fn declared(&self, pointer: &str) -> bool {
        let all = &self.declared;
        // 2025-11-25, elicitation §Capabilities: an empty object is the same as declaring support for forms only.
        let form = pointer == "/elicitation/form"
            && (all["elicitation"] == json!({})
                || self.revision() < Revision::V2025_11_25 && !all["elicitation"].is_null());
        form || all.pointer(pointer).is_some()
    }

    /// Fails as this revision does when the client did not declare what is needed.
    ///
    /// # Errors
    /// -32021 of a modern server; an older one has no code for it.
    pub(crate) fn needs(&self, pointer: &str) -> Result<(), Value> {
        if self.declared(pointer) {
            return Ok(());
        }
        if !self.revision().is_stateless() {
            return Err(error(UNDECLARED, "this client did not declare what is needed"));
        }
        let required = pointer.split('/').skip(1).collect::<Vec<_>>();
        let required = required.iter().rev().fold(json!({}), |inner, name| json!({ *name: inner }));
        Err(
            json!({"code": -32021, "message": "the client cannot be asked", "data": {"requiredCapabilities": required}}),
        )
    }

    /// Says something on the way.
    pub(crate) fn tell(&self, method: &str, params: Value) {
        self.connection.say(json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }

    /// Asks in the way of the revision.
    ///
    /// # Errors
    /// What the client of an older server answers with.
    pub(crate) async fn ask(&self, key: &str, method: &str, params: Value) -> Result<Value, Value> {
        if !self.revision().is_stateless() {
            return self.connection.ask(method, params).await;
        }
        if let Some(answer) = self.answers.get(key) {
            return Ok(answer.clone());
        }
        let mut question = json!({ "method": method });
        if !params.is_null() {
            question["params"] = params;
        }
        self.asked.lock().unwrap().insert(key.to_owned(), question);
        self.asking.notify_one();
        std::future::pending().await
    }

    /// Asks as older servers can, and takes the question back.
    pub(crate) async fn ask_and_withdraw(&self, method: &str, params: Value, after: Duration) {
        self.connection.ask_and_withdraw(method, params, after).await;
    }

    /// How often this tool has been called, this time included.
    pub(crate) fn times(&self) -> usize {
        let same = |message: &&Value| {
            message["method"] == self.method.as_str() && message["params"]["name"] == self.params["name"]
        };
        self.peer.0.heard.borrow().iter().filter(same).count()
    }
}

/// What an older server of this test answers with when it cannot ask: its own code, so that it is known again.
pub(crate) const UNDECLARED: i64 = -32000;

/// 2026-07-28, basic §ResultType.
fn complete(mut result: Value) -> Value {
    result["resultType"] = "complete".into();
    result
}
