use super::*;

fn lost(call: CallId, generation: u32) -> Input {
    Input::SessionLost { call, generation, why: "HTTP status 404".into() }
}

/// A connection over Streamable HTTP with a session, a log level and a subscription.
fn session() -> ByHand {
    let mut hand = ByHand::open(Revision::V2025_11_25, Channel::PerCall);
    let uri = Some("file:///a".into());
    let call = hand.sent(CallFacts { subscription: uri, ..facts("a", Method::Subscribe) });
    hand.result(call);
    assert_eq!(hand.events(call), ["result {}"]);
    let call = hand.call(CallFacts { log_level: Some(LogLevel::Info), ..facts("a", Method::ToolsCall) });
    hand.result(id(call.get() + 1));
    assert_eq!(hand.events(call), ["send"]);
    hand.result(call);
    assert_eq!(hand.events(call), ["result {}"]);
    hand.did();
    hand
}

fn initialized(hand: &mut ByHand, request: u64, revision: &str) {
    hand.hear_on(
        Origin::Call(id(request)),
        &format!(r#"{{"jsonrpc":"2.0","id":{request},"result":{{"protocolVersion":"{revision}","capabilities":{{"logging":{{}},"tools":{{}}}}}}}}"#),
    );
}

#[test]
fn a_lost_session_is_renewed_once_for_all_calls_and_they_are_sent_again() {
    let mut hand = session();
    let (one, two) = (hand.sent(facts("a", Method::ToolsCall)), hand.sent(facts("b", Method::ToolsCall)));
    hand.input(lost(one, 0));
    hand.input(lost(two, 0));
    let did = hand.did();
    assert!(did.len() == 1 && did[0].contains(r#""id":7,"method":"initialize""#), "{did:?}");
    let waits = hand.call(facts("c", Method::ToolsCall));
    assert!(hand.next(waits).is_none(), "it is not sent into the old session");
    initialized(&mut hand, 7, "2025-11-25");
    assert_eq!(
        hand.did(),
        [r#"{"method":"notifications/initialized"}"#, "OpenSharedStream { generation: 1 }"]
    );
    hand.input(Input::SessionReady { generation: 1, result: Ok(()) });
    assert_eq!(
        hand.did(),
        [
            r#"{"id":9,"method":"logging/setLevel","params":{"level":"info"}}"#,
            r#"{"id":10,"method":"resources/subscribe","params":{"uri":"file:///a"}}"#
        ]
    );
    hand.input(Input::CallFailed { call: id(9), failure: Failure::NotSent(CloseReason::lost("x")) });
    assert!(hand.did().is_empty());
    hand.result(id(10));
    assert_eq!(hand.did(), ["Unsolicited(Missed)", "wake 5", "wake 6", "wake 8"]);
    for call in [one, two, waits] {
        assert_eq!(hand.events(call), ["send"]);
    }
    // One that hears only now that the old session was lost is sent again at once.
    let late = hand.sent(facts("d", Method::ToolsCall));
    hand.input(lost(late, 0));
    assert_eq!((hand.did(), hand.events(late)), (vec!["wake 11".into()], vec!["send".into()]));
}

#[test]
fn a_call_that_is_refused_in_the_new_session_too_fails_for_good() {
    let mut hand = session();
    let call = hand.sent(facts("a", Method::ToolsCall));
    hand.input(lost(call, 0));
    initialized(&mut hand, 6, "2025-11-25");
    hand.input(Input::SessionReady { generation: 1, result: Ok(()) });
    hand.result(id(7));
    hand.result(id(8));
    assert_eq!(hand.events(call), ["send"]);
    hand.input(lost(call, 1));
    let why = "the server does not know the session that it has just opened: HTTP status 404";
    assert_eq!(hand.events(call), [format!("InvalidPeer({why:?})")]);
}

#[test]
fn whoever_finds_the_session_lost_may_go_away_and_it_is_renewed_all_the_same() {
    let mut hand = session();
    let call = hand.sent(facts("a", Method::ToolsCall));
    hand.input(lost(call, 0));
    hand.did();
    hand.abandon(call);
    assert!(hand.did().is_empty(), "a call that was refused is not cancelled");
    initialized(&mut hand, 6, "2025-11-25");
    assert_eq!(hand.did().len(), 2);
}

#[test]
fn a_session_that_cannot_be_renewed_ends_the_connection_and_the_calls_that_wait_were_not_sent() {
    type Fail = fn(&mut ByHand);
    let fail: [(Fail, &str); 7] = [
        (|hand| initialized(hand, 6, "2026-07-28"), "protocol version"),
        (
            |hand| {
                hand.hear_on(
                    Origin::Call(id(6)),
                    r#"{"jsonrpc":"2.0","id":6,"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}}}}"#,
                )
            },
            "something else of itself",
        ),
        (|hand| initialized(hand, 6, "2025-03-26"), "now chooses 2025-03-26"),
        (
            |hand| {
                hand.hear_on(
                    Origin::Call(id(6)),
                    r#"{"jsonrpc":"2.0","id":6,"error":{"code":-1,"message":"full"}}"#,
                )
            },
            "full",
        ),
        (
            |hand| {
                hand.input(Input::CallFailed {
                    call: id(6),
                    failure: Failure::NotSent(CloseReason::lost("no route")),
                })
            },
            "no route",
        ),
        (
            |hand| {
                initialized(hand, 6, "2025-11-25");
                let result = Err(Failure::NotSent(CloseReason::lost("not taken")));
                hand.input(Input::SessionReady { generation: 1, result });
            },
            "not taken",
        ),
        (
            |hand| {
                // The log level is lowered before.
                hand.time_out();
                hand.time_out();
            },
            "in time",
        ),
    ];
    for (fail, words) in fail {
        let mut hand = session();
        let call = hand.sent(facts("a", Method::ToolsCall));
        hand.now = Duration::from_secs(1);
        hand.input(lost(call, 0));
        fail(&mut hand);
        let events = hand.events(call);
        assert!(events.len() == 1 && events[0].contains(words), "{events:?}");
        assert!(events[0].starts_with("NotSent"), "{events:?}");
        // Whoever connects anew finds out what the server speaks now.
        assert!(hand.connection.is_closed());
        let is_there = ["protocol version", "something else", "now chooses", "full"];
        let is_there = is_there.iter().any(|there| words.starts_with(there));
        let closed = format!("Close({}(", if is_there { "Replaced" } else { "Lost" });
        let did = hand.did();
        assert!(did.iter().any(|did| did.starts_with(&closed)), "{words}: {did:?}");
    }
}

/// The server has let somebody subscribe who has not read that yet.
#[test]
fn a_subscription_is_restored_as_soon_as_it_was_granted() {
    let mut hand = ByHand::open(Revision::V2025_11_25, Channel::PerCall);
    let uri = Some("file:///a".into());
    let subscribe = hand.sent(CallFacts { subscription: uri, ..facts("a", Method::Subscribe) });
    let call = hand.sent(facts("a", Method::ToolsCall));
    hand.result(subscribe);
    hand.input(lost(call, 0));
    initialized(&mut hand, 4, "2025-11-25");
    hand.did();
    hand.input(Input::SessionReady { generation: 1, result: Ok(()) });
    assert!(hand.did()[0].contains(r#""method":"resources/subscribe","params":{"uri":"file:///a"}"#));
}

#[test]
fn a_subscription_that_the_new_session_is_refused_is_told_and_is_not_restored_again() {
    let refuse: [fn(&mut ByHand); 2] = [
        |hand| {
            let refusal = r#"{"jsonrpc":"2.0","id":8,"error":{"code":-32602,"message":"no"}}"#;
            hand.hear_on(Origin::Call(id(8)), refusal);
        },
        |hand| {
            let failure = Failure::OutcomeUnknown(CloseReason::lost("cut"));
            hand.input(Input::CallFailed { call: id(8), failure });
        },
    ];
    for refuse in refuse {
        let mut hand = session();
        let call = hand.sent(facts("a", Method::ToolsCall));
        hand.input(lost(call, 0));
        initialized(&mut hand, 6, "2025-11-25");
        hand.input(Input::SessionReady { generation: 1, result: Ok(()) });
        hand.result(id(7));
        hand.did();
        refuse(&mut hand);
        assert_eq!(
            hand.did(),
            [r#"Unsolicited(Unsubscribed(["file:///a"]))"#, "Unsolicited(Missed)", "wake 5"]
        );
        // The session after that one is not subscribed, either.
        hand.events(call);
        let next = hand.sent(facts("a", Method::ToolsCall));
        hand.input(lost(next, 1));
        initialized(&mut hand, 10, "2025-11-25");
        hand.input(Input::SessionReady { generation: 2, result: Ok(()) });
        assert!(!hand.did().iter().any(|did| did.contains("resources/subscribe")));
    }
}

#[test]
fn a_lost_shared_stream_renews_the_session_of_those_who_wait_for_what_it_carries() {
    let mut hand = session();
    hand.input(Input::SharedStreamLost { generation: 0 });
    let did = hand.did();
    assert!(did.len() == 1 && did[0].contains(r#""method":"initialize""#), "{did:?}");
    hand.input(Input::SharedStreamLost { generation: 0 });
    assert!(hand.did().is_empty(), "it is renewed once");
    initialized(&mut hand, 5, "2025-11-25");
    hand.did();
    hand.input(Input::SharedStreamLost { generation: 0 });
    hand.input(Input::SessionReady { generation: 1, result: Ok(()) });
    assert!(hand.did().last().is_some_and(|last| last.contains("file:///a")));
    hand.result(id(6));
    hand.result(id(7));
    assert_eq!(hand.did(), ["Unsolicited(Missed)"]);
    // Where nothing is awaited, the next call finds out.
    let mut hand = ByHand::open(Revision::V2025_11_25, Channel::PerCall);
    hand.did();
    hand.input(Input::SharedStreamLost { generation: 0 });
    assert!(hand.did().is_empty());
}

#[test]
fn a_call_that_waits_for_its_log_level_when_the_session_is_lost_waits_for_the_new_one() {
    let mut hand = ByHand::open(Revision::V2025_11_25, Channel::PerCall);
    let waits = hand.call(CallFacts { log_level: Some(LogLevel::Info), ..facts("a", Method::ToolsCall) });
    let call = hand.sent(facts("a", Method::ToolsCall));
    hand.input(lost(call, 0));
    hand.input(Input::CallFailed { call: id(3), failure: Failure::NotSent(CloseReason::lost("404")) });
    assert!(hand.next(waits).is_none());
    initialized(&mut hand, 5, "2025-11-25");
    hand.input(Input::SessionReady { generation: 1, result: Ok(()) });
    hand.result(id(6));
    assert_eq!((hand.events(waits), hand.events(call)), (vec!["send".into()], vec!["send".into()]));
}

#[test]
fn over_http_with_sse_all_calls_share_the_one_stream() {
    let config = ConnectionConfig {
        channel: Channel::PerCall,
        revision: Some(Revision::V2024_11_05),
        ..ConnectionConfig::default()
    };
    let mut hand = ByHand::new(config);
    hand.input(Input::Opened);
    hand.input(Input::SharesOneStream);
    hand.hear(r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2024-11-05","capabilities":{}}}"#);
    assert!(hand.did()[2].starts_with("Negotiated"));
    let call = hand.sent(facts("a", Method::ToolsCall));
    hand.abandon(call);
    assert_eq!(hand.did(), [r#"{"method":"notifications/cancelled","params":{"requestId":2}}"#]);
}

#[test]
fn malformed_intent_is_read_outside_of_the_machine() {
    let text = br#"{"jsonrpc":"2.0","id":3,"result":NaN}"#;
    let malformed = read(bytes::Bytes::from_static(text), &Limits::default()).unwrap_err();
    let message = MalformedMessage::of(malformed, Some(text));
    assert_eq!(message.intent, Intent::Response(Id::from(3)));
}
