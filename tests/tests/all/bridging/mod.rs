//! What the bridge says between a server and a client of each revision, to the byte: the table of the translation rules, a
//! module a row, a test a behaviour.
//!
//! A is 2024-11-05, B 2025-03-26, C 2025-06-18, D 2025-11-25 and M 2026-07-28. What a server asks is elicitation in C and D,
//! sampling in A and B.

mod abandoned;
mod answers;
mod cancelling;
mod logs;
mod plain;
mod progress;
mod questions;
mod retries;
mod rounds;
mod state;
mod timeouts;
mod unknown;

use anyport::Revision;
use anyport_testing::{Answer, Wire};
use anyport_tests::bridged::{Bridged, Heard, Peer, Setup, Way, legacy, member, question, request};
use serde_json::{Value, json};

const A: Revision = Revision::V2024_11_05;
const B: Revision = Revision::V2025_03_26;
const C: Revision = Revision::V2025_06_18;
const D: Revision = Revision::V2025_11_25;
const M: Revision = Revision::V2026_07_28;

/// Legacy servers, in each way in which they are reached.
fn legacy_ways() -> impl Iterator<Item = (Revision, Way)> {
    legacy().flat_map(|revision| [(revision, Way::Lines), (revision, Way::Http)])
}

/// A server of `revision` whose lists and resources never change, so that nothing is said but what the test says.
fn quiet(revision: Revision, way: Way) -> Setup {
    let mut setup = Setup::new(revision, way);
    setup.capabilities = json!({"tools": {}, "prompts": {}, "resources": {}, "logging": {}});
    setup
}

/// A bridge in front of such a server.
fn bridge(way: Way, revision: Revision) -> Bridged {
    quiet(revision, way).start()
}

/// A call of the tool `ask`.
fn ask() -> Value {
    json!({"name": "ask", "arguments": {"a": 1, "b": {"c": 2, "d": 3}}})
}

/// The params of `call` once more, with these answers and the state of `required`.
fn again(call: &Value, required: &Value, answers: Value) -> Value {
    let mut params = call.clone();
    params["inputResponses"] = answers;
    params["requestState"] = required["requestState"].clone();
    params
}

/// A modern client whose call a legacy server has answered with questions.
struct Parked {
    bridged: Bridged,
    client: Wire,
    server: Peer,
    /// The call, as the server heard it.
    call: Heard,
    /// The ids of the questions, as the server asked them.
    asked: Vec<u64>,
    /// What the client was told.
    required: Value,
    /// A good answer to any of them.
    answer: Value,
}

impl Parked {
    /// One call of a tool, with one question.
    async fn one(revision: Revision, way: Way) -> Self {
        Self::with(quiet(revision, way), 1).await
    }

    async fn with(setup: Setup, questions: usize) -> Self {
        let what = question(setup.revision);
        let mut bridged = setup.start();
        let mut client = bridged.client(M, what.capabilities.clone()).await;
        let begun = client.begin("tools/call", ask()).unwrap();
        let mut server = bridged.server().await;
        let call = server.hears("tools/call").await;
        let asked = (0..questions).map(|_| call.asks(&server, what.method, &what.params)).collect();
        let required = client.end(begun).await.unwrap().outcome.unwrap();
        assert_eq!(required["resultType"], "input_required");
        Self { bridged, client, server, call, asked, required, answer: what.answer }
    }

    /// Comes back with these answers, and waits for what the call then leads to.
    async fn retry(&mut self, answers: Value) -> Answer {
        let params = again(&ask(), &self.required, answers);
        self.client.call("tools/call", params).await.unwrap()
    }

    fn begin(&mut self, answers: Value) -> anyport_testing::Call {
        self.client.begin("tools/call", again(&ask(), &self.required, answers)).unwrap()
    }
}

/// What a refusal says: its code and reason.
fn refusal(answer: &Answer) -> (i64, &str) {
    let refusal = answer.outcome.as_ref().unwrap_err();
    (refusal.code, refusal.data["reason"].as_str().unwrap_or_default())
}

const DONE: &str = r#"{"content":[{"type":"text","text":"done"}]}"#;
