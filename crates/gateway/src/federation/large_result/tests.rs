use anyport_metrics::Metrics;
use anyport_service::{Context, Outcome, Principal, SessionId};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::federation::FederationLimits;

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

fn spilled(limits: FederationLimits) -> Arc<SpilledResults> {
    Arc::new(SpilledResults::new(limits, &Metrics::new()))
}

fn owner(name: &str) -> Owner {
    Owner::of(&Context::new(Principal::named(name.to_owned()), anyport_protocol::Revision::NEWEST))
}

/// What the caller receives for `result`, of a tool with the definition `tool`.
fn replaced(limit: ResultLimit, result: &Value, tool: &Value) -> Option<Value> {
    let (result, tool) = (Raw::from(result.clone()), Raw::from(tool.clone()));
    let called = Called { result: &result, upstream: "files", tool: "read", listed: Some(&tool) };
    let spilled = spilled(FederationLimits::default());
    limit.replacement(&called, &spilled, || owner("ann")).map(|replaced| replaced.decode().unwrap())
}

fn limit(max_tokens: usize, otherwise: OnLargeResult) -> ResultLimit {
    ResultLimit { max_tokens, otherwise }
}

const ALL: [OnLargeResult; 3] = [OnLargeResult::Refuse, OnLargeResult::Truncate, OnLargeResult::Spill];

#[test]
fn what_fits_stays_as_it_is() {
    // Content and structured content say the same, and metadata is for the client.
    let both = json!({"content": [text(&"a".repeat(600))], "structuredContent": {"a": "a".repeat(600)}, "_meta": {"m": "m".repeat(900)}});
    for otherwise in ALL {
        assert_eq!(replaced(limit(200, otherwise), &both, &json!({})), None);
        assert!(replaced(limit(100, otherwise), &both, &json!({})).is_some());
    }
}

#[test]
fn a_refusal_is_an_error_of_the_tool_that_says_what_to_do() {
    let big = json!({"resultType": "complete", "content": [text(&"a".repeat(40_000))], "_meta": {"x": 1}});
    let refused = replaced(limit(1_000, OnLargeResult::Refuse), &big, &json!({})).unwrap();
    assert_eq!(
        (&refused["isError"], &refused["_meta"], &refused["resultType"]),
        (&json!(true), &json!({"x": 1}), &json!("complete"))
    );
    let said = refused["content"][0]["text"].as_str().unwrap();
    for part in
        ["read of files", "about 10007 tokens", "1000 may be passed on", "max_result_tokens", "Ask for less"]
    {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
}

#[test]
fn text_is_cut_and_what_cannot_be_cut_is_left_out() {
    let picture = json!({"type": "image", "data": "A".repeat(8_000), "mimeType": "image/png"});
    let small = json!({"type": "image", "data": "AAAA", "mimeType": "image/png"});
    let long = json!({"type": "text", "text": "ä\n".repeat(4_000), "annotations": {"priority": 1}});
    let big = json!({"content": [picture, small, long, text("after")], "structuredContent": {"ok": true}});
    let cut = replaced(limit(500, OnLargeResult::Truncate), &big, &json!({"outputSchema": {}})).unwrap();
    let content = cut["content"].as_array().unwrap();
    assert_eq!((content.len(), &content[0], &content[1]["annotations"]), (3, &small, &long["annotations"]));
    let kept = content[1]["text"].as_str().unwrap();
    assert!(kept.len() > 400 && long["text"].as_str().unwrap().starts_with(kept), "{kept}");
    let note = content[2]["text"].as_str().unwrap();
    assert!(note.contains("2 blocks are left out") && note.contains("to 500 (max_result_tokens)"), "{note}");
    assert_eq!((&cut["structuredContent"], cut.get("isError")), (&json!({"ok": true}), None));
}

/// Invariant: A structured result is whole, or an error.
#[test]
fn a_structured_result_is_never_cut() {
    let big = json!({"content": [text("short")], "structuredContent": {"rows": vec![7; 4_000]}});
    let (with, without) = (json!({"outputSchema": {"type": "object"}}), json!({"name": "read"}));
    for otherwise in ALL {
        let refused = replaced(limit(500, otherwise), &big, &with).unwrap();
        assert_eq!((&refused["isError"], refused.get("structuredContent")), (&json!(true), None));
        let has_link = refused["content"][1]["type"] == "resource_link";
        assert_eq!(has_link, otherwise == OnLargeResult::Spill);
    }
    let cut = replaced(limit(500, OnLargeResult::Truncate), &big, &without).unwrap();
    assert_eq!((cut.get("isError"), cut.get("structuredContent")), (None, None));
    assert_eq!(cut["content"][0], text("short"), "without a schema nobody expects it");
    let failed =
        json!({"isError": true, "content": [text("no")], "structuredContent": {"rows": vec![7; 4_000]}});
    let cut = replaced(limit(500, OnLargeResult::Truncate), &failed, &with).unwrap();
    assert_eq!((&cut["isError"], &cut["content"][0]), (&json!(true), &text("no")));
}

#[test]
fn spilled_results_are_bounded_and_belong_to_their_caller() {
    let metrics = Metrics::new();
    let limits = FederationLimits::default().spilled_results(2).spilled_bytes(1_000);
    let spilled = SpilledResults::new(limits, &metrics);
    let result = |length: usize| Raw::from(json!({"content": [text(&"a".repeat(length))]}));
    let read = |uri: &str, owner: &Owner| spilled.read(uri, owner, &Raw::EMPTY_OBJECT);
    let is_there = |uri: &str| matches!(read(uri, &owner("ann")), Outcome::Result(_));
    let add = |length| spilled.add(&result(length), owner("ann"));
    let first = add(10).unwrap();
    assert!(is_there(&first) && is_spilled(&first));
    assert!(matches!(read(&first, &owner("bob")), Outcome::Error(_)));
    let session = SessionId::next();
    let anonymous = Context::new(Principal::anonymous(), anyport_protocol::Revision::NEWEST_LEGACY);
    let of = |session| Owner::of(&anonymous.clone().with_session(session));
    let own = spilled.add(&result(10), of(session)).unwrap();
    assert!(matches!(read(&own, &of(session)), Outcome::Result(_)));
    assert!(matches!(read(&own, &of(SessionId::next())), Outcome::Error(_)));
    let (second, third) = (add(10).unwrap(), add(10).unwrap());
    assert!(!is_there(&first) && is_there(&second) && is_there(&third), "two may be there");
    let large = add(800).unwrap();
    assert!(is_there(&large) && is_there(&third));
    let larger = add(900).unwrap();
    assert!(is_there(&larger) && !is_there(&large), "together they are too large");
    assert_eq!(add(2_000), None);
    let refusals = metrics.render();
    for line in [
        "anyport_limit_refusals_total{limit=\"spilled_results\"}",
        "anyport_limit_refusals_total{limit=\"spilled_bytes\"}",
    ] {
        assert!(refusals.contains(line), "{refusals}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_spilled_result_is_read_for_a_while() {
    let spilled = spilled(FederationLimits::default().spill_ttl(std::time::Duration::from_secs(60)));
    let uri = spilled.add(&Raw::from(json!({"content": []})), owner("ann")).unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(59)).await;
    let Outcome::Result(read) = spilled.read(&uri, &owner("ann"), &Raw::EMPTY_OBJECT) else { panic!() };
    assert_eq!(read.decode::<Value>().unwrap()["ttlMs"], 1_000);
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert!(matches!(spilled.read(&uri, &owner("ann"), &Raw::EMPTY_OBJECT), Outcome::Error(_)));
}

proptest! {
    #[test]
    fn a_cut_result_is_json_within_the_limit(
        texts in prop::collection::vec("(\\PC|[\n\"\\\\\u{1}]){0,400}", 1..6),
        most in 60usize..400,
    ) {
        let big = json!({"content": texts.iter().map(|one| text(one)).collect::<Vec<_>>()});
        if let Some(cut) = replaced(limit(most, OnLargeResult::Truncate), &big, &json!({})) {
            prop_assert!(estimated_tokens(&cut["content"].to_string()) <= most + 4, "{}", cut);
        }
    }
}
