use super::*;

#[test]
fn a_call_is_sent_answered_and_leaves_nothing() {
    for (channel, origin) in channels(2) {
        let mut hand = ByHand::open(Revision::V2026_07_28, channel);
        let call = hand.sent(facts("a", Method::ToolsCall));
        assert_eq!(call, id(2));
        hand.hear_on(origin, r#"{"jsonrpc":"2.0","id":2,"result":{"content":[]}}"#);
        assert_eq!(
            (hand.did(), hand.events(call)),
            (vec!["wake 2".into()], vec![r#"result {"content":[]}"#.into()])
        );
        hand.assert_unused();
        assert!(hand.connection.poll_timeout().is_none());
    }
}

#[test]
fn progress_that_does_not_increase_is_left_out_on_every_channel() {
    for (channel, origin) in channels(2) {
        let mut hand = ByHand::open(Revision::V2025_11_25, channel);
        let call = hand.sent(facts("a", Method::ToolsCall));
        for progress in ["1", "1", "0.5", "2", "\"x\""] {
            hand.hear_on(origin, &format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":2,"progress":{progress}}}}}"#
            ));
        }
        assert_eq!(
            hand.events(call),
            [
                r#"notifications/progress {"progressToken":2,"progress":1}"#,
                r#"notifications/progress {"progressToken":2,"progress":2}"#
            ]
        );
        assert_eq!(hand.did(), ["wake 2", "wake 2"]);
    }
}

#[test]
fn progress_on_the_stream_of_a_call_reaches_no_other_call() {
    for revision in [Revision::V2025_11_25, Revision::V2026_07_28] {
        let mut hand = ByHand::open(revision, Channel::PerCall);
        let one = hand.sent(facts("one", Method::ToolsCall));
        let two = hand.sent(facts("two", Method::ToolsCall));
        hand.hear_on(
            Origin::Call(one),
            &format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{two},"progress":1}}}}"#
            ),
        );
        assert!(hand.events(one).is_empty() && hand.events(two).is_empty(), "{revision}");
        hand.hear_on(
            Origin::Call(one),
            r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"x","progress":1}}"#,
        );
        assert_eq!(hand.events(one).len(), 1, "{revision}");
    }
}

#[test]
fn progress_goes_to_the_call_of_its_token_and_only_if_it_wants_progress() {
    let mut hand = ByHand::open(Revision::V2026_07_28, Channel::Shared);
    let quiet = hand.sent(CallFacts { progress: false, ..facts("a", Method::ToolsCall) });
    let other = hand.sent(facts("a", Method::ToolsCall));
    for token in ["2", "3", "4", "\"3\"", "null"] {
        hand.hear(&format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"progress":1}}}}"#
        ));
    }
    assert!(hand.events(quiet).is_empty());
    assert_eq!(hand.events(other), [r#"notifications/progress {"progressToken":3,"progress":1}"#]);
}

const LOG: &str = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}"#;

#[test]
fn a_log_message_is_the_only_calls_that_wants_some() {
    let wants = |caller| CallFacts { log_level: Some(LogLevel::Info), ..facts(caller, Method::ToolsCall) };
    let log = [r#"notifications/message {"level":"info","data":1}"#];
    for (channel, own) in channels(3) {
        let mut hand = ByHand::open(Revision::V2026_07_28, channel);
        let other = hand.sent(facts("a", Method::ToolsCall));
        let call = hand.sent(wants("a"));
        let subscription = hand.sent(CallFacts { method: Some(Method::Listen), ..wants("a") });
        hand.hear_on(own, LOG);
        hand.hear_on(own, &LOG.replace("info", "debug"));
        assert_eq!(hand.events(call), log, "{channel:?}");
        // Nor does the shared stream make it another's.
        hand.hear(LOG);
        assert_eq!(hand.events(call), log, "{channel:?}");
        hand.did();
        let second = hand.sent(wants("b"));
        hand.hear(LOG);
        assert!(matches!(hand.actions[..], [Action::Unsolicited(UnsolicitedMessage::Notification(..))]));
        for call in [other, call, subscription, second] {
            assert!(hand.events(call).is_empty());
        }
    }
}

#[test]
fn a_legacy_server_that_was_told_no_level_decides_what_it_logs_to_callers_that_chose_none() {
    let mut hand = ByHand::open(Revision::V2025_11_25, Channel::Shared);
    let default = CallFacts {
        log_level: Some(LogLevel::Info),
        log_level_is_default: true,
        ..facts("a", Method::ToolsCall)
    };
    let call = hand.sent(default);
    assert!(hand.did().is_empty(), "it is not told a level that nobody chose");
    hand.hear(&LOG.replace("info", "debug"));
    assert_eq!(hand.events(call).len(), 1);
}

#[test]
fn the_level_is_raised_before_the_call_that_wants_it_and_lowered_later() {
    for (channel, origin) in channels(3) {
        let mut hand = ByHand::open(Revision::V2025_11_25, channel);
        let wants = CallFacts { log_level: Some(LogLevel::Debug), ..facts("a", Method::ToolsCall) };
        let call = hand.call(wants.clone());
        assert_eq!(hand.did(), [r#"{"id":3,"method":"logging/setLevel","params":{"level":"debug"}}"#]);
        let second = hand.call(wants);
        assert!(hand.did().is_empty() && hand.next(call).is_none() && hand.next(second).is_none());
        hand.hear_on(origin, r#"{"jsonrpc":"2.0","id":3,"error":{"code":-32601,"message":"no"}}"#);
        assert_eq!(hand.did(), ["wake 2", "wake 4"]);
        assert_eq!((hand.events(call), hand.events(second)), (vec!["send".into()], vec!["send".into()]));
        hand.result(call);
        hand.time_out();
        hand.did();
        // The second is still in flight.
        hand.result(second);
        assert_eq!((hand.events(call).len(), hand.events(second).len()), (1, 1));
        hand.time_out();
        let did = hand.did();
        assert!(
            did.last().unwrap().ends_with(r#""method":"logging/setLevel","params":{"level":"warning"}}"#)
        );
    }
}

#[test]
fn an_unknown_notification_is_the_only_calls_unless_a_session_has_a_stream_for_what_is_none() {
    let unknown = r#"{"jsonrpc":"2.0","method":"x/told","params":{"a":1}}"#;
    for (channel, own) in channels(2) {
        let mut hand = ByHand::open(Revision::V2025_11_25, channel);
        let call = hand.sent(facts("a", Method::ToolsCall));
        hand.hear_on(own, unknown);
        assert_eq!(hand.events(call), [r#"x/told {"a":1}"#]);
        hand.hear(unknown);
        let expected = usize::from(channel == Channel::Shared);
        assert_eq!(hand.events(call).len(), expected, "{channel:?}");
        hand.did();
        hand.sent(facts("a", Method::ToolsCall));
        hand.hear(unknown);
        assert!(matches!(
            hand.actions[..],
            [Action::Unsolicited(UnsolicitedMessage::UnknownNotification(..))]
        ));
    }
}

#[test]
fn changes_belong_to_a_subscription_or_to_no_call() {
    let changed = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{}}"#;
    let tagged = changed.replace("{}", r#"{"_meta":{"io.modelcontextprotocol/subscriptionId":"2"}}"#);
    let mut hand = ByHand::open(Revision::V2026_07_28, Channel::Shared);
    let subscription = hand.sent(facts("a", Method::Listen));
    hand.hear(&tagged);
    assert_eq!(hand.events(subscription).len(), 1);
    let mut hand = ByHand::open(Revision::V2026_07_28, Channel::PerCall);
    let subscription = hand.sent(facts("a", Method::Listen));
    hand.hear_on(Origin::Call(subscription), changed);
    assert_eq!(hand.events(subscription).len(), 1);
    for (channel, own) in channels(2) {
        let mut hand = ByHand::open(Revision::V2025_11_25, channel);
        let call = hand.sent(facts("a", Method::ToolsCall));
        hand.hear_on(own, changed);
        assert!(hand.events(call).is_empty());
        assert!(matches!(hand.actions[..], [Action::Unsolicited(_)]), "{channel:?}");
        hand.did();
        hand.hear_on(own, &changed.replace("tools/list_changed", "subscriptions/acknowledged"));
        assert!(hand.did().is_empty(), "2025-11-25 does not have it");
    }
}

#[test]
fn an_abandoned_call_is_cancelled_as_its_channel_has_it() {
    let cancelled = r#"{"method":"notifications/cancelled","params":{"requestId":2}}"#;
    let cases: [(Channel, Revision, &[&str]); 4] = [
        (Channel::Shared, Revision::V2026_07_28, &[cancelled]),
        (Channel::Shared, Revision::V2025_11_25, &[cancelled]),
        (Channel::PerCall, Revision::V2026_07_28, &["CloseStream(CallId(2))"]),
        (Channel::PerCall, Revision::V2025_11_25, &[cancelled, "CloseStream(CallId(2))"]),
    ];
    for (channel, revision, expected) in cases {
        let mut hand = ByHand::open(revision, channel);
        let call = hand.sent(facts("a", Method::ToolsCall));
        hand.abandon(call);
        assert_eq!(hand.did(), expected);
        hand.result(call);
        assert!(hand.did().is_empty() && hand.next(call).is_none(), "a late answer goes nowhere");
        // What was not sent, or is answered, is not cancelled.
        let unsent = hand.call(facts("a", Method::ToolsCall));
        hand.abandon(unsent);
        let answered = hand.sent(facts("a", Method::ToolsCall));
        hand.result(answered);
        hand.did();
        hand.abandon(answered);
        assert!(hand.did().is_empty());
        hand.assert_unused();
    }
}

#[test]
fn a_caller_that_does_not_read_costs_a_bounded_number_of_messages_and_bytes() {
    let mut hand = ByHand::open(Revision::V2026_07_28, Channel::Shared);
    let call = hand.sent(facts("a", Method::ToolsCall));
    let progress = |step: usize, message: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":2,"progress":{step},"message":"{message}"}}}}"#
        )
    };
    for step in 1..1000 {
        hand.hear(&progress(step, ""));
    }
    let events = hand.events(call);
    assert!(events.len() == 256 && events[255].contains(r#""progress":999"#), "the newest is kept");
    let large = "x".repeat(100_000);
    for step in 1000..1100 {
        hand.hear(&progress(step, &large));
    }
    assert!(hand.connection.buffered_bytes() < 256 << 10);
    let events = hand.events(call);
    assert!(events.len() == 2 && events[1].contains(r#""progress":1099"#));
    // One that is larger than all that may wait waits alone.
    hand.hear(&progress(2000, &"x".repeat(1 << 20)));
    hand.hear(&progress(2001, ""));
    assert_eq!(hand.events(call).len(), 1);
    assert_eq!(hand.connection.buffered_bytes(), 0);
}

#[test]
fn calls_in_flight_are_limited() {
    let config = ConnectionConfig {
        revision: Some(Revision::V2026_07_28),
        max_open_requests: 2,
        ..ConnectionConfig::default()
    };
    let mut hand = ByHand::configured(config);
    let first = hand.sent(facts("a", Method::ToolsCall));
    hand.sent(facts("a", Method::ToolsCall));
    let refused = hand.connection.call(hand.now, facts("a", Method::ToolsCall), &mut Actions::new());
    assert!(matches!(refused, Err(Failure::Overloaded { limit: "max_open_requests", .. })));
    hand.abandon(first);
    hand.sent(facts("a", Method::ToolsCall));
}

#[test]
fn what_is_no_message_ends_the_call_that_waits_for_it() {
    for (channel, own) in channels(2) {
        let mut hand = ByHand::open(Revision::V2025_11_25, channel);
        let call = hand.sent(facts("a", Method::ToolsCall));
        hand.hear_on(own, r#"{"jsonrpc":"2.0","id":2,"result":{"x":NaN}}"#);
        assert!(
            hand.events(call)[0].starts_with("InvalidPeer(\"the server's message is no JSON-RPC"),
            "{channel:?}"
        );
        let call = hand.sent(facts("a", Method::ToolsCall));
        hand.did();
        hand.hear_on(own, "Listening on stdio");
        hand.hear_on(own, r#"{"jsonrpc":"2.0","id":"q","method":5}"#);
        let did = hand.did();
        assert!(
            did[1].starts_with("Count") && did[2].contains(r#""id":"q","error":{"code":-32600"#)
                || did[0].starts_with("Count"),
            "{did:?}"
        );
        assert!(hand.next(call).is_none(), "it came on another stream, or is nobody's answer");
        hand.hear_on(Origin::Call(call), "nonsense");
        assert_eq!(hand.events(call).len(), 1, "on the call's own stream it may be the answer");
    }
}

#[test]
fn an_error_without_an_id_and_a_response_that_is_too_large_are_the_only_calls() {
    let unnamed = r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"what?"}}"#;
    for (channel, own) in channels(2) {
        let mut hand = ByHand::open(Revision::V2025_11_25, channel);
        let call = hand.sent(facts("a", Method::ToolsCall));
        hand.hear_on(own, unnamed);
        assert_eq!(hand.events(call), ["error what?"]);
        let (one, two) = (hand.sent(facts("a", Method::ToolsCall)), hand.sent(facts("a", Method::ToolsCall)));
        hand.did();
        hand.hear(unnamed);
        hand.input(Input::Oversized { origin: Origin::Shared, response_to: None });
        assert_eq!(hand.did(), [r#"Count("an error that names no request")"#]);
        hand.input(Input::Oversized { origin: Origin::Shared, response_to: Some(one) });
        assert!(hand.events(one)[0].contains("limits.bytes"));
        hand.input(Input::Oversized { origin: Origin::Call(two), response_to: None });
        assert!(hand.events(two)[0].contains("limits.bytes"));
    }
}

#[test]
fn on_the_stream_of_a_call_no_other_call_is_answered() {
    let mut hand = ByHand::open(Revision::V2025_11_25, Channel::PerCall);
    let (one, two) = (hand.sent(facts("a", Method::ToolsCall)), hand.sent(facts("b", Method::ToolsCall)));
    hand.hear_on(Origin::Call(one), &format!(r#"{{"jsonrpc":"2.0","id":{two},"result":{{}}}}"#));
    hand.hear_on(Origin::Call(one), &format!(r#"{{"jsonrpc":"2.0","id":"{one}","result":{{}}}}"#));
    assert!(hand.next(one).is_none() && hand.next(two).is_none());
    hand.input(Input::CallFailed { call: one, failure: Failure::Disconnected(CloseReason::lost("cut")) });
    assert!(hand.events(one)[0].starts_with("Disconnected"));
}

#[test]
fn when_the_connection_is_over_each_call_is_told_whether_it_was_sent() {
    let mut hand = ByHand::open(Revision::V2025_11_25, Channel::Shared);
    let sent = hand.sent(facts("a", Method::ToolsCall));
    let unsent = hand.call(facts("a", Method::ToolsCall));
    hand.hear(r#"{"jsonrpc":"2.0","id":"q","method":"roots/list"}"#);
    hand.did();
    hand.input(Input::Closed(CloseReason::lost("the pipe broke")));
    let did = hand.did();
    assert_eq!(
        did,
        ["Withdrawn(ServerRequestId(1))", "wake 2", "wake 3", r#"Close(Lost("the pipe broke"))"#]
    );
    assert_eq!(hand.events(sent), [r#"Disconnected(Lost("the pipe broke"))"#]);
    assert_eq!(hand.events(unsent), [r#"NotSent(Lost("the pipe broke"))"#]);
    hand.connection.close(&mut hand.actions);
    hand.hear(r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#);
    assert!(hand.did().is_empty());
    let late = hand.connection.call(hand.now, facts("a", Method::ToolsCall), &mut Actions::new());
    assert!(matches!(late, Err(Failure::NotSent(CloseReason::Lost(_)))));
    hand.assert_unused();
}
