//! What a bridge does about the server behind it: one that fails, asks without saying whom, offers what only some clients know,
//! or tells of changes. The second half of the table of the translation rules, a module a row, a test for each behaviour; the
//! first half is `bridging`.
//!
//! Letters stand for revisions: A is 2024-11-05, B 2025-03-26, C 2025-06-18, D 2025-11-25; M is 2026-07-28.
//!
//! Invariant: The translation rules for servers that fail, ask without a call, or notify of changes hold in
//! every revision, byte for byte.

mod capabilities;
mod content;
mod envelope;
mod errors;
mod headers;
mod lists;
mod lost;
mod modern_faults;
mod replaced;
mod sampling;
mod subscriptions;
mod urls;
mod whose;

use anyport::Revision;
use anyport_testing::{Answer, Wire};
use anyport_tests::bridged::{Bridged, Heard, Peer, Setup, Way, answer, legacy};
use serde_json::{Value, json};

const A: Revision = Revision::V2024_11_05;
const B: Revision = Revision::V2025_03_26;
const C: Revision = Revision::V2025_06_18;
const D: Revision = Revision::V2025_11_25;
const M: Revision = Revision::V2026_07_28;

/// A bridge in front of a server that does not log, so that nothing is said of that.
fn quiet(way: Way, revision: Revision) -> Bridged {
    let mut setup = Setup::new(revision, way);
    setup.capabilities.as_object_mut().unwrap().remove("logging");
    setup.start()
}

/// The legacy revisions from `first` on.
fn since(first: Revision) -> impl Iterator<Item = Revision> {
    legacy().filter(move |revision| *revision >= first)
}

/// The params of a call of the tool `name`.
fn tool(name: &str) -> Value {
    json!({"name": name, "arguments": {}})
}

/// The params with which a call is taken up again that was answered with `asked`.
fn retry(params: &Value, asked: &Value, answers: Value) -> Value {
    let mut params = params.clone();
    params["inputResponses"] = answers;
    params["requestState"] = asked["requestState"].clone();
    params
}

/// The result of a call that went well.
#[track_caller]
fn good(answer: Answer) -> Value {
    answer.outcome.unwrap_or_else(|refusal| panic!("{refusal:?}"))
}

/// The error of a call that did not, as code and `data.reason`.
#[track_caller]
fn bad(answer: &Answer) -> (i64, &str) {
    match &answer.outcome {
        Ok(result) => panic!("no error, but {result}"),
        Err(refusal) => (refusal.code, refusal.data["reason"].as_str().unwrap_or_default()),
    }
}

/// What a legacy client is asked next, and must be `method`.
async fn asked(client: &mut Wire, method: &str) -> Value {
    let heard = client.hear().await.unwrap().message;
    assert_eq!(heard["method"], method, "the client hears another message: {heard}");
    assert!(heard.get("id").is_some(), "a question has an id: {heard}");
    heard
}

/// Answers what a legacy client was asked.
fn answers(client: &mut Wire, question: &Value, result: &Value) {
    client.tell(&answer(&question["id"], result)).unwrap();
}

/// The next request of this method; what a session listens to is acknowledged meanwhile.
async fn next(peer: &mut Peer, method: &str) -> Heard {
    loop {
        let heard = peer.hears_any().await;
        if heard.message["method"] == method {
            return heard;
        }
        assert_eq!(heard.message["method"], "subscriptions/listen", "{}", heard.text);
        // It stays open, as long as nobody says more.
        std::mem::forget(heard);
    }
}
