use super::{RequestStep, SessionState};
use crate::{
    Error, Limits, Raw, Revision,
    jsonrpc::{Incoming, Message, Reason, Request, read},
    meta::{LogLevel, Meta},
    session::modern,
};

fn raw(text: &str) -> Raw {
    Raw::parse(text.to_owned().into(), &Limits::default()).unwrap()
}

fn request(method: &str, params: &str) -> Request {
    let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
    match read(text.into(), &Limits::default()) {
        Ok(Incoming::One(Message::Request(request))) => request,
        other => panic!("{other:?}"),
    }
}

fn admit(method: &str, params: &str) -> Result<Revision, Error> {
    let request = request(method, params);
    modern::admit(
        &request.method,
        &Meta::of(request.params.as_ref().map(crate::jsonrpc::Params::raw)),
        &Revision::ALL,
    )
}

const META: &str =
    r#""io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/protocolVersion""#;

#[test]
fn a_modern_request_needs_its_version_and_capabilities() {
    assert_eq!(
        admit("tools/list", &format!(r#"{{"_meta":{{{META}:"2026-07-28"}}}}"#)),
        Ok(Revision::V2026_07_28)
    );
    assert_eq!(admit("tools/list", "{}").unwrap_err().code, -32602);
    let only = r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}"#;
    assert_eq!(admit("tools/list", only).unwrap_err().code, -32602);
    assert_eq!(admit("tools/list", &format!(r#"{{"_meta":{{{META}:7}}}}"#)).unwrap_err().code, -32602);
}

#[test]
fn a_modern_request_with_another_version_is_told_which_are_spoken() {
    for version in ["v999.0.0", "2025-11-25"] {
        let error = admit("tools/list", &format!(r#"{{"_meta":{{{META}:"{version}"}}}}"#)).unwrap_err();
        assert_eq!(error.code, -32022);
        let data = error.data.unwrap();
        assert_eq!(data.member("requested").unwrap(), Raw::string(version));
        assert!(data.member("supported").unwrap().as_str().contains("2026-07-28"));
    }
}

#[test]
fn methods_of_other_eras_are_unknown_to_a_modern_request() {
    for method in
        ["initialize", "ping", "logging/setLevel", "resources/subscribe", "elicitation/create", "tasks/list"]
    {
        let params = format!(r#"{{"_meta":{{{META}:"2026-07-28"}}}}"#);
        assert_eq!(admit(method, &params).unwrap_err().code, -32601, "{method}");
    }
}

const DISCOVERED: &str = r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"instructions":"Be kind.",
    "capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true,"listChanged":true},"logging":{}},
    "_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"}},"ttlMs":0,"cacheScope":"private"}"#;

fn opened(version: &str) -> (SessionState, Raw) {
    let mut session = SessionState::new(&Revision::ALL);
    let params = raw(&format!(
        r#"{{"protocolVersion":"{version}","capabilities":{{"roots":{{}}}},"clientInfo":{{"name":"c","version":"1"}}}}"#
    ));
    assert_eq!(session.request(&"initialize".into(), Some(&params)), RequestStep::Discover);
    let result = session.open(Ok(raw(DISCOVERED))).unwrap();
    (session, result)
}

#[test]
fn initialize_agrees_on_the_asked_version_or_the_newest_legacy_one() {
    for (asked, agreed) in [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
        ("1900-01-01", "2025-11-25"),
    ] {
        let (session, result) = opened(asked);
        assert_eq!(session.revision().as_str(), agreed);
        assert_eq!(result.member("protocolVersion").unwrap(), Raw::string(agreed));
        assert_eq!(result.member("serverInfo").unwrap().as_str(), r#"{"name":"s","version":"1"}"#);
        assert_eq!(result.member("instructions").unwrap().as_str(), "\"Be kind.\"");
        assert!(result.member("resultType").is_none() && result.member("_meta").is_none());
    }
}

/// Invariant: No side is asked for what the negotiated revision does not have.
#[test]
fn nobody_is_asked_for_what_the_agreed_revision_does_not_have() {
    let declared = r#"{"elicitation":{"form":{},"url":{}},"sampling":{"tools":{}},"roots":{}}"#;
    for (asked, supported, capabilities) in [
        ("2025-11-25", Revision::V2025_11_25, declared),
        ("2025-11-25", Revision::V2025_06_18, r#"{"elicitation":{},"sampling":{"context":{}},"roots":{}}"#),
        ("2025-11-25", Revision::V2024_11_05, r#"{"sampling":{"context":{}},"roots":{}}"#),
        ("2024-11-05", Revision::V2024_11_05, r#"{"sampling":{"context":{}},"roots":{}}"#),
    ] {
        let mut session = SessionState::new(&[supported]);
        let params = format!(r#"{{"protocolVersion":"{asked}","capabilities":{declared}}}"#);
        assert_eq!(session.request(&"initialize".into(), Some(&raw(&params))), RequestStep::Discover);
        assert_eq!(session.capabilities().as_str(), capabilities, "{asked} to {supported}");
    }
}

#[test]
fn everything_before_initialize_is_answered_at_once() {
    let code = |method: &str| match SessionState::new(&Revision::ALL).request(&method.into(), None) {
        RequestStep::Answer(Err(error)) => error.code,
        step => panic!("{step:?}"),
    };
    assert_eq!(code("tools/list"), -32600);
    assert_eq!(code("server/discover"), -32601);
    assert_eq!(code("unknown/method"), -32601);
    assert_eq!(
        SessionState::new(&Revision::ALL).request(&"ping".into(), None),
        RequestStep::Answer(Ok(Raw::EMPTY_OBJECT))
    );
    assert_eq!(code("initialize"), -32602);
}

#[test]
fn a_second_initialize_is_refused_and_the_session_goes_on() {
    let (mut session, _) = opened("2025-11-25");
    let params = raw(r#"{"protocolVersion":"2024-11-05","capabilities":{}}"#);
    assert!(matches!(session.request(&"initialize".into(), Some(&params)), RequestStep::Answer(Err(_))));
    assert_eq!(session.revision(), Revision::V2025_11_25);
    assert!(session.initialized() && !session.initialized() && session.is_ready());
}

#[test]
fn a_method_of_a_newer_revision_is_unknown_in_a_session() {
    let (mut session, _) = opened("2025-11-25");
    for method in ["server/discover", "subscriptions/listen"] {
        let RequestStep::Answer(Err(error)) = session.request(&method.into(), None) else { panic!() };
        assert_eq!(error.code, -32601);
    }
    assert!(matches!(session.request(&"unknown/method".into(), None), RequestStep::Call(..)));
}

#[test]
fn set_level_becomes_log_level() {
    let (mut session, _) = opened("2025-06-18");
    assert_eq!(session.log_level(), None);
    let set = |session: &mut SessionState, params: &str| {
        session.request(&"logging/setLevel".into(), Some(&raw(params)))
    };
    assert_eq!(set(&mut session, r#"{"level":"error"}"#), RequestStep::Answer(Ok(Raw::EMPTY_OBJECT)));
    assert_eq!(session.log_level(), Some(LogLevel::Error));
    assert!(
        matches!(set(&mut session, r#"{"level":"loud"}"#), RequestStep::Answer(Err(error)) if error.code == -32602)
    );
}

#[test]
fn a_subscription_becomes_part_of_the_one_listen() {
    let (mut session, _) = opened("2025-06-18");
    let params = raw(r#"{"uri":"a:b"}"#);
    let RequestStep::Listen(change) = session.request(&"resources/subscribe".into(), Some(&params)) else {
        panic!()
    };
    let wanted = change.apply(session.subscriptions());
    assert_eq!(
        session.filter(&wanted).params().as_str(),
        r#"{"notifications":{"toolsListChanged":true,"resourcesListChanged":true,"resourceSubscriptions":["a:b"]}}"#
    );
    session.subscribe(wanted);
    let again = session.request(&"resources/subscribe".into(), Some(&params));
    assert_eq!(again, RequestStep::Answer(Ok(Raw::EMPTY_OBJECT)));
    let RequestStep::Listen(change) = session.request(&"resources/unsubscribe".into(), Some(&params)) else {
        panic!()
    };
    assert!(change.apply(session.subscriptions()).is_empty());
}

#[test]
fn ids_never_reused() {
    let (mut session, _) = opened("2025-11-25");
    let ids: Vec<String> = (0..3)
        .map(|_| session.lower_request(crate::Method::ListRoots, Raw::EMPTY_OBJECT).unwrap().0.to_string())
        .collect();
    assert_eq!(ids, ["1", "2", "3"]);
    let (mut old, _) = opened("2025-03-26");
    assert!(old.lower_request(crate::Method::Elicit, Raw::EMPTY_OBJECT).is_err());
}

#[test]
fn what_nobody_knows_of_a_server_passes_in_initialize() {
    let mut session = SessionState::new(&Revision::ALL);
    let params = raw(r#"{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{}}"#);
    session.request(&"initialize".into(), Some(&params));
    let discovered = raw(
        r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"x":1.50,"capabilities":{"tools":{}},"instructions":"i","ttlMs":1,"cacheScope":"public","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"},"own":[]}}"#,
    );
    assert_eq!(
        session.open(Ok(discovered)).unwrap().as_str(),
        r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"1"},"x":1.50,"instructions":"i","_meta":{"own":[]}}"#
    );
}

#[test]
fn context_is_asked_of_those_only_who_declared_it() {
    let asked = |version: &str, sampling: &str, which: &str| {
        let mut session = SessionState::new(&Revision::ALL);
        let params = format!(
            r#"{{"protocolVersion":"{version}","capabilities":{{"sampling":{sampling}}},"clientInfo":{{}}}}"#
        );
        session.request(&"initialize".into(), Some(&raw(&params)));
        let params = raw(&format!(r#"{{"messages":[],"includeContext":"{which}","maxTokens":1}}"#));
        session.lower_request(crate::Method::CreateMessage, params).unwrap().1.to_string()
    };
    let without = r#"{"messages":[],"maxTokens":1}"#;
    assert_eq!(asked("2025-11-25", "{}", "allServers"), without);
    assert!(asked("2025-11-25", "{}", "none").contains("none"));
    assert!(asked("2025-11-25", r#"{"context":{}}"#, "allServers").contains("allServers"));
    // 2025-06-18 had no capability for it.
    assert!(asked("2025-06-18", "{}", "thisServer").contains("thisServer"));
}

#[test]
fn a_session_that_is_subscribed_to_enough_is_told_so_and_may_end_some() {
    let (mut session, _) = opened("2025-11-25");
    let subscribe = |session: &mut SessionState, method: &str, number: usize| {
        let params = raw(&format!(r#"{{"uri":"test://{number}"}}"#));
        match session.request(&method.into(), Some(&params)) {
            RequestStep::Listen(change) => {
                session.subscribe(change.apply(session.subscriptions()));
                Ok(Raw::EMPTY_OBJECT)
            }
            RequestStep::Answer(outcome) => outcome,
            step => panic!("{step:?}"),
        }
    };
    for number in 0..1_000 {
        subscribe(&mut session, "resources/subscribe", number).unwrap();
    }
    let error = subscribe(&mut session, "resources/subscribe", 1_000).unwrap_err();
    assert_eq!(error.reason, Some(Reason::Overloaded));
    subscribe(&mut session, "resources/unsubscribe", 5).unwrap();
    subscribe(&mut session, "resources/subscribe", 1_000).unwrap();
}
