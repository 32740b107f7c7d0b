use super::*;
use crate::{Error, Limits, Method, Raw, Revision, jsonrpc::code, meta::LogLevel};

fn raw(text: &str) -> Raw {
    Raw::parse(text.to_owned().into(), &Limits::default()).unwrap()
}

fn hop() -> RequestEnvelope {
    RequestEnvelope {
        progress_token: None,
        capabilities: raw(r#"{"roots":{}}"#),
        client_info: raw(r#"{"name":"c","version":"1"}"#),
        log_level: None,
    }
}

/// A caller to whom no result says whose it is.
const OLD: Revision = Revision::V2025_11_25;

fn modern() -> NegotiatedSession {
    NegotiatedSession::modern(Revision::V2026_07_28, raw(r#"{"capabilities":{"tools":{}}}"#)).unwrap()
}

fn legacy(revision: Revision) -> NegotiatedSession {
    let result = format!(
        r#"{{"protocolVersion":"{revision}","capabilities":{{"tools":{{}},"logging":{{}}}},"serverInfo":{{"name":"s","version":"2"}},"x":1.50}}"#
    );
    NegotiatedSession::legacy(&raw(&result)).unwrap()
}

const HOP_OF_A_CALLER: &str = r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"sampling":{}},"io.modelcontextprotocol/clientInfo":{"name":"caller"},"io.modelcontextprotocol/logLevel":"debug","progressToken":"theirs","traceparent":"00-1","x/y": 1.0},"name":"t","arguments":{"n": 1.20e1}}"#;

#[test]
fn a_modern_server_is_told_of_this_hop_and_all_else_stays_byte_for_byte() {
    let hop = RequestEnvelope { progress_token: Some(raw("7")), log_level: Some(LogLevel::Warning), ..hop() };
    let params = modern().params("tools/call", &raw(HOP_OF_A_CALLER), &hop).unwrap();
    assert_eq!(
        params.as_str(),
        r#"{"_meta":{"traceparent":"00-1","x/y": 1.0,"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"},"io.modelcontextprotocol/clientCapabilities":{"roots":{}},"io.modelcontextprotocol/logLevel":"warning","progressToken":7},"name":"t","arguments":{"n": 1.20e1}}"#
    );
    let unknown = modern().params("x/y", &Raw::EMPTY_OBJECT, &super::tests::hop()).unwrap();
    assert!(
        unknown.as_str().starts_with(r#"{"_meta":{"io.modelcontextprotocol/protocolVersion""#),
        "{unknown}"
    );
}

#[test]
fn rounds_go_on_to_a_modern_server_and_never_to_an_old_one() {
    let retry = raw(r#"{"name":"t","inputResponses":{"q":{}},"requestState":"s"}"#);
    let to_modern = modern().params("tools/call", &retry, &hop()).unwrap();
    assert!(to_modern.as_str().ends_with(r#","name":"t","inputResponses":{"q":{}},"requestState":"s"}"#));
    for revision in &Revision::ALL[..4] {
        let lowered = legacy(*revision).params("tools/call", &retry, &hop()).unwrap();
        assert_eq!(lowered.as_str(), r#"{"name":"t"}"#);
    }
}

#[test]
fn an_old_server_hears_nothing_of_modern_hops() {
    for revision in &Revision::ALL[..4] {
        let agreement = legacy(*revision);
        let params = agreement.params("tools/call", &raw(HOP_OF_A_CALLER), &hop()).unwrap();
        assert_eq!(
            params.as_str(),
            r#"{"_meta":{"traceparent":"00-1","x/y": 1.0},"name":"t","arguments":{"n": 1.20e1}}"#
        );
        let hop = RequestEnvelope { progress_token: Some(raw("7")), ..hop() };
        let params = agreement.params("tools/list", &Raw::EMPTY_OBJECT, &hop).unwrap();
        assert_eq!(params.as_str(), r#"{"_meta":{"progressToken":7}}"#);
        let own = raw(r#"{"_meta":{"progressToken":1},"cursor":"c"}"#);
        let params = agreement.params("x/unknown", &own, &super::tests::hop()).unwrap();
        assert_eq!(params.as_str(), r#"{"cursor":"c"}"#);
        for method in ["server/discover", "subscriptions/listen"] {
            let refused = agreement.params(method, &own, &hop).unwrap_err();
            assert_eq!(agreement.refused(method, &refused).code, code::METHOD_NOT_FOUND);
        }
    }
}

#[test]
fn what_an_old_server_says_of_itself_is_lifted() {
    let agreement = legacy(Revision::V2025_06_18);
    assert_eq!(agreement.revision(), Revision::V2025_06_18);
    assert_eq!(
        agreement.discovered().as_str(),
        r#"{"x":1.50,"resultType":"complete","supportedVersions":["2025-06-18"],"capabilities":{"tools":{},"logging":{}},"ttlMs":60000,"cacheScope":"private","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"2"}}}"#
    );
    assert!(agreement.offers("logging") && !agreement.offers("prompts"));
}

#[test]
fn an_answer_to_initialize_that_cannot_be_is_refused() {
    for result in [
        "{}",
        r#"{"protocolVersion":"2026-07-28","capabilities":{}}"#,
        r#"{"protocolVersion":"1999-01-01","capabilities":{}}"#,
        r#"{"protocolVersion":7}"#,
    ] {
        let error = NegotiatedSession::legacy(&raw(result)).unwrap_err();
        assert!(matches!(error, crate::failure::Failure::InvalidPeer(_)), "{result}");
    }
}

#[test]
fn results_are_complete_or_of_a_type_that_somebody_declared() {
    let lists = Some(Method::ToolsList);
    let outcome = |agreement: &NegotiatedSession, method, text| {
        agreement.outcome(method, &Raw::EMPTY_OBJECT, OLD, Ok(raw(text))).map(Result::unwrap)
    };
    let asks = r#"{"resultType":"input_required","requestState":"s"}"#;
    assert_eq!(outcome(&modern(), Some(Method::ToolsCall), asks).unwrap().as_str(), asks);
    for (method, text) in [(lists, asks), (lists, r#"{"resultType":"task"}"#), (lists, "[]")] {
        assert!(matches!(outcome(&modern(), method, text), Err(crate::failure::Failure::InvalidPeer(_))));
    }
    assert_eq!(
        outcome(&modern(), lists, r#"{"x":1.50,"tools":[]}"#).unwrap().as_str(),
        r#"{"x":1.50,"tools":[],"resultType":"complete"}"#,
        "a server may forget it, a caller of ours must be told"
    );
    let extended = NegotiatedSession::modern(
        Revision::V2026_07_28,
        raw(r#"{"capabilities":{"extensions":{"a/b":{}}}}"#),
    )
    .unwrap();
    assert!(outcome(&extended, Some(Method::ToolsCall), r#"{"resultType":"task"}"#).is_ok());
    assert_eq!(
        outcome(&legacy(Revision::V2024_11_05), lists, r#"{"tools":[]}"#).unwrap().as_str(),
        r#"{"tools":[],"resultType":"complete","ttlMs":0,"cacheScope":"private","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"2"}}}"#,
        "the same for all, so that it can be kept"
    );
}

#[test]
fn to_a_modern_caller_each_result_says_which_older_server_it_is_of() {
    const OF: &str = r#""io.modelcontextprotocol/serverInfo":{"name":"s","version":"2"}"#;
    for revision in &Revision::ALL[..4] {
        let agreement = legacy(*revision);
        let told = |method, to, text| {
            agreement.outcome(method, &Raw::EMPTY_OBJECT, to, Ok(raw(text))).unwrap().unwrap().to_string()
        };
        let call = Some(Method::ToolsCall);
        let own =
            r#"{"content":[1.50],"_meta":{"a": 1e2,"io.modelcontextprotocol/serverInfo":{"name":"forged"}}}"#;
        assert_eq!(
            told(call, Revision::V2026_07_28, own),
            format!(r#"{{"content":[1.50],"_meta":{{"a":1e2,{OF}}},"resultType":"complete"}}"#)
        );
        let bare = r#"{"content":[]}"#;
        assert_eq!(
            told(call, Revision::V2026_07_28, bare),
            format!(r#"{{"content":[],"resultType":"complete","_meta":{{{OF}}}}}"#)
        );
        assert_eq!(told(call, OLD, bare), r#"{"content":[],"resultType":"complete"}"#);
        assert_eq!(
            told(None, Revision::V2026_07_28, r#"{"x":1}"#),
            format!(r#"{{"x":1,"resultType":"complete","_meta":{{{OF}}}}}"#)
        );
    }
    // One that never said who it is stays unnamed.
    let unnamed =
        NegotiatedSession::legacy(&raw(r#"{"protocolVersion":"2025-11-25","capabilities":{}}"#)).unwrap();
    let told =
        unnamed.outcome(Some(Method::ToolsCall), &Raw::EMPTY_OBJECT, Revision::V2026_07_28, Ok(raw("{}")));
    assert_eq!(told.unwrap().unwrap().as_str(), r#"{"resultType":"complete"}"#);
}

#[test]
fn codes_mean_what_they_mean_to_the_caller() {
    let params = raw(r#"{"uri":"x:y"}"#);
    let carried = |agreement: &NegotiatedSession, code| {
        let error = Error::new(code, "words");
        let outcome =
            agreement.outcome(Some(Method::ResourcesRead), &params, Revision::V2026_07_28, Err(error));
        outcome.unwrap().unwrap_err()
    };
    let old = legacy(Revision::V2025_11_25);
    assert_eq!(carried(&old, -32002).code, -32602);
    assert_eq!(carried(&old, -32600).code, -32603);
    assert_eq!(carried(&old, -32042).code, -32042);
    assert_eq!(carried(&modern(), -32020).code, -32603);
    assert_eq!(carried(&modern(), -32022).data.unwrap().as_str(), r#"{"upstreamCode":-32022}"#);
    assert_eq!(carried(&modern(), -32021).code, -32021);
    // Only a modern connection says why, and only of what came over it.
    assert!(carried(&modern(), -32020).refusal.is_some() && carried(&modern(), -32603).refusal.is_none());
    assert!(carried(&old, -32020).refusal.is_none() && carried(&old, -32022).refusal.is_none());
}

#[test]
fn questions_come_without_what_belongs_to_the_servers_hop() {
    let old = legacy(Revision::V2025_11_25);
    let asked = raw(
        r#"{"message":"m","requestedSchema":{},"task":{"ttl":1},"elicitationId":"e","_meta":{"progressToken":1,"k":2}}"#,
    );
    assert_eq!(
        old.question(Method::Elicit, asked).unwrap().as_str(),
        r#"{"message":"m","requestedSchema":{},"_meta":{"k":2}}"#
    );
    assert_eq!(old.question(Method::ListRoots, Raw::EMPTY_OBJECT).unwrap(), Raw::EMPTY_OBJECT);
    let older = legacy(Revision::V2025_03_26);
    assert_eq!(older.question(Method::Elicit, Raw::EMPTY_OBJECT).unwrap_err().code, -32601);
    assert_eq!(modern().question(Method::Elicit, Raw::EMPTY_OBJECT).unwrap_err().code, -32601);
}

#[test]
fn an_answer_that_an_old_server_cannot_hear_is_an_error_to_it() {
    let audio = raw(
        r#"{"role":"assistant","model":"m","content":{"type":"audio","data":"","mimeType":"audio/wav"}}"#,
    );
    let answer = |revision| legacy(revision).answer(Method::CreateMessage, Ok(audio.clone()));
    assert!(answer(Revision::V2025_03_26).is_ok());
    assert!(answer(Revision::V2024_11_05).unwrap_err().message.contains("audio"));
    let refused = Error::new(-1, "User rejected");
    let back = legacy(Revision::V2024_11_05).answer(Method::ListRoots, Err(refused.clone()));
    assert_eq!(back, Err(refused));
}

#[test]
fn notifications_exist_only_in_their_revisions() {
    let done =
        |agreement: NegotiatedSession| agreement.notification(Method::ElicitationComplete, Raw::EMPTY_OBJECT);
    assert!(done(legacy(Revision::V2025_11_25)).is_some());
    assert!(done(legacy(Revision::V2025_06_18)).is_none() && done(modern()).is_none());
    assert!(modern().notification(Method::Initialized, Raw::EMPTY_OBJECT).is_none());
}

#[test]
fn initialize_says_what_the_revision_can_say() {
    let capabilities = raw(r#"{"elicitation":{"form":{},"url":{}},"roots":{"listChanged":true}}"#);
    let info = raw(r#"{"name":"c","version":"1"}"#);
    let newest = initialize_params(Revision::V2025_11_25, &capabilities, &info);
    assert_eq!(
        newest.as_str(),
        r#"{"protocolVersion":"2025-11-25","capabilities":{"elicitation":{"form":{},"url":{}},"roots":{"listChanged":true}},"clientInfo":{"name":"c","version":"1"}}"#
    );
    let oldest = initialize_params(Revision::V2024_11_05, &capabilities, &info);
    assert!(oldest.as_str().starts_with(r#"{"protocolVersion":"2024-11-05","capabilities":{"#));
}

#[test]
fn results_of_unknown_methods_are_complete() {
    let outcome = |agreement: &NegotiatedSession, text| {
        agreement.outcome(None, &Raw::EMPTY_OBJECT, OLD, Ok(raw(text))).unwrap().unwrap().to_string()
    };
    let old = legacy(Revision::V2025_11_25);
    assert_eq!(outcome(&old, r#"{"x":1.50}"#), r#"{"x":1.50,"resultType":"complete"}"#);
    assert_eq!(outcome(&old, r#"{"resultType":"own"}"#), r#"{"resultType":"own"}"#);
}

#[test]
fn what_the_first_revision_could_not_declare_is_declared_for_it() {
    let opened = |version: &str, capabilities: &str| {
        let text = format!(r#"{{"protocolVersion":"{version}","capabilities":{capabilities}}}"#);
        NegotiatedSession::legacy(&raw(&text)).unwrap()
    };
    assert!(opened("2024-11-05", r#"{"prompts":{}}"#).offers("completions"));
    assert!(opened("2024-11-05", r#"{"resources":{}}"#).offers("completions"));
    assert!(!opened("2024-11-05", r#"{"tools":{}}"#).offers("completions"));
    // Since then a server says it, or has none.
    assert!(!opened("2025-03-26", r#"{"prompts":{}}"#).offers("completions"));
    let unknown = |version| {
        let agreement = opened(version, r#"{"prompts":{}}"#);
        let error = Error::method_not_found("completion/complete");
        agreement.outcome(Some(Method::Complete), &Raw::EMPTY_OBJECT, OLD, Err(error)).unwrap()
    };
    let none = r#"{"resultType":"complete","completion":{"values":[]}}"#;
    assert_eq!(unknown("2024-11-05").unwrap().as_str(), none);
    assert_eq!(unknown("2025-03-26").unwrap_err().code, code::METHOD_NOT_FOUND);
}
