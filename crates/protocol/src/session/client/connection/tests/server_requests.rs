use super::*;

const ASK: &str = r#"{"jsonrpc":"2.0","id":"q","method":"elicitation/create","params":{"message":"m"}}"#;
const ROOTS: &str = r#"{"jsonrpc":"2.0","id":7,"method":"roots/list"}"#;

fn asked(hand: &mut ByHand, call: CallId) -> ServerRequestId {
    match hand.next(call) {
        Some(CallEvent::Request(request, ..)) => request,
        other => panic!("{other:?}"),
    }
}

fn unsolicited(hand: &mut ByHand) -> ServerRequestId {
    let actions = std::mem::take(&mut hand.actions);
    match actions.into_iter().next() {
        Some(Action::Unsolicited(UnsolicitedMessage::Request(request, ..))) => request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_caller_of_a_call_is_asked_and_its_answer_goes_back_once() {
    for (channel, own) in channels(2) {
        let mut hand = ByHand::open(Revision::V2025_11_25, channel);
        let call = hand.sent(facts("a", Method::ToolsCall));
        hand.hear_on(own, ASK);
        let shared = channel == Channel::Shared;
        assert_eq!(hand.did().len(), 1 + usize::from(shared), "only on a shared stream is it attributed");
        let request = asked(&mut hand, call);
        let answer = || Ok(raw(r#"{"action":"cancel"}"#));
        hand.connection.answer(request, answer(), &mut hand.actions);
        hand.connection.answer(request, answer(), &mut hand.actions);
        assert_eq!(hand.did(), [r#"{"id":"q","result":{"action":"cancel"}}"#]);
        hand.result(call);
        assert_eq!(hand.events(call).len(), 1);
        hand.assert_unused();
    }
}

#[test]
fn ping_is_answered_and_what_is_no_request_to_clients_refused() {
    for (channel, _) in channels(2) {
        let mut hand = ByHand::open(Revision::V2025_11_25, channel);
        hand.hear(r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#);
        hand.hear(r#"{"jsonrpc":"2.0","id":1,"method":"tasks/list"}"#);
        let did = hand.did();
        assert_eq!(did[0], r#"{"id":"p","result":{}}"#);
        assert!(did[1].contains("-32601"));
        let mut hand = ByHand::open(Revision::V2025_03_26, channel);
        hand.sent(facts("a", Method::ToolsCall));
        hand.hear(ASK);
        assert!(hand.did()[0].contains("-32601"), "2025-03-26 has no elicitation");
    }
}

#[test]
fn a_modern_server_is_never_answered() {
    for (channel, own) in channels(2) {
        let mut hand = ByHand::open(Revision::V2026_07_28, channel);
        hand.sent(facts("a", Method::ToolsCall));
        for text in [ASK, ROOTS, r#"{"jsonrpc":"2.0","id":1,"method":"x","params":null}"#] {
            hand.hear_on(own, text);
        }
        assert!(hand.did().iter().all(|did| did.starts_with("Count")));
    }
}

#[test]
fn two_callers_are_never_mixed_up() {
    let mut hand = ByHand::open(Revision::V2025_11_25, Channel::Shared);
    let one = hand.sent(facts("one", Method::ToolsCall));
    let two = hand.sent(facts("two", Method::ToolsCall));
    hand.hear(ASK);
    let did = hand.did();
    assert_eq!(did[0], format!("{:?}", Action::Attributed(Attribution::Ambiguous)));
    assert!(did[1].contains("calls of several callers are open"));
    hand.abandon(two);
    hand.did();
    // The server may have not heard of the cancellation, or may ignore it.
    hand.now += Duration::from_secs(600);
    hand.hear(ASK);
    assert_eq!(hand.did()[0], "Attributed(Ambiguous)");
    assert!(hand.next(one).is_none());
    // Its answer says that it is done.
    hand.result(two);
    hand.now += Duration::from_secs(60);
    hand.hear(ASK);
    assert_eq!(hand.did(), ["Attributed(Ambiguous)".to_owned(), format!("wake {one}")]);
    asked(&mut hand, one);
}

#[test]
fn the_second_caller_of_a_connection_is_asked_and_then_has_one_of_its_own() {
    for channel in [Channel::Shared, Channel::PerCall] {
        let mut hand = ByHand::open(Revision::V2025_11_25, channel);
        let one = hand.sent(facts("one", Method::ToolsCall));
        hand.result(one);
        hand.events(one);
        let two = hand.sent(facts("two", Method::ToolsCall));
        hand.did();
        hand.hear(ASK);
        assert_eq!(hand.did(), ["Attributed(Ambiguous)".to_owned(), format!("wake {two}")]);
    }
}

#[test]
fn whoever_is_alone_on_a_connection_is_asked_whatever_was_cancelled() {
    let mut hand = ByHand::open(Revision::V2025_11_25, Channel::Shared);
    for _ in 0..3 {
        let call = hand.sent(facts("one", Method::ToolsCall));
        hand.abandon(call);
        let call = hand.sent(facts("one", Method::ToolsCall));
        hand.result(call);
        // A list of another caller runs nothing that could ask.
        let list = hand.sent(facts("two", Method::ToolsList));
        hand.abandon(list);
    }
    let call = hand.sent(facts("one", Method::ToolsCall));
    hand.did();
    hand.hear(ASK);
    assert_eq!(hand.did(), ["Attributed(Single)".to_owned(), format!("wake {call}")]);
}

#[test]
fn anonymous_callers_are_asked_one_after_the_other_also_after_a_call_was_cancelled() {
    let mut hand = ByHand::open(Revision::V2025_11_25, Channel::Shared);
    let anonymous = || CallFacts { unidentifiable: true, ..facts("", Method::ToolsCall) };
    let first = hand.sent(anonymous());
    hand.result(first);
    hand.events(first);
    let second = hand.sent(anonymous());
    hand.did();
    hand.hear(ASK);
    assert_eq!(hand.did(), ["Attributed(Single)".to_owned(), format!("wake {second}")]);
    hand.abandon(second);
    let third = hand.sent(anonymous());
    hand.did();
    hand.hear(ASK);
    assert_eq!(hand.did(), ["Attributed(Single)".to_owned(), format!("wake {third}")]);
    // Another caller is never asked in their place.
    hand.abandon(third);
    let other = hand.sent(facts("a", Method::ToolsCall));
    hand.did();
    hand.hear(ASK);
    assert_eq!(hand.did()[0], "Attributed(Ambiguous)");
    assert!(hand.next(other).is_none());
}

#[test]
fn more_cancelled_calls_than_are_remembered_leave_nobody_certain() {
    let mut hand = ByHand::open(Revision::V2025_11_25, Channel::Shared);
    for _ in 0..1025 {
        let call = hand.sent(facts("one", Method::ToolsCall));
        hand.abandon(call);
    }
    let call = hand.sent(facts("two", Method::ToolsCall));
    for cancelled in 2..1027 {
        hand.result(id(cancelled));
    }
    hand.now += Duration::from_secs(600);
    hand.did();
    hand.hear(ASK);
    assert_eq!(hand.did()[0], "Attributed(Ambiguous)");
    assert!(hand.next(call).is_none());
}

#[test]
fn a_log_message_that_may_be_another_callers_is_counted_and_reaches_nobody() {
    const LOG: &str =
        r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"error","data":1}}"#;
    for revision in [Revision::V2025_11_25, Revision::V2026_07_28] {
        let mut hand = ByHand::open(revision, Channel::Shared);
        let logging = |caller| CallFacts {
            log_level: Some(LogLevel::Info),
            log_level_is_default: true,
            ..facts(caller, Method::ToolsCall)
        };
        let one = hand.sent(logging("one"));
        hand.abandon(one);
        let again = hand.sent(logging("one"));
        hand.hear(LOG);
        assert_eq!(hand.events(again).len(), 1, "alone it is its own");
        hand.result(again);
        let two = hand.sent(logging("two"));
        hand.did();
        hand.hear(LOG);
        assert!(hand.did()[0].starts_with("Count"), "{revision}");
        assert!(hand.next(two).is_none(), "{revision}");
    }
    // A legacy server logs for a call that wants no log messages as well; a modern one does not.
    for revision in [Revision::V2025_11_25, Revision::V2026_07_28] {
        let mut hand = ByHand::open(revision, Channel::Shared);
        hand.sent(facts("one", Method::ToolsCall));
        let two = hand.sent(CallFacts {
            log_level: Some(LogLevel::Info),
            log_level_is_default: true,
            ..facts("two", Method::ToolsCall)
        });
        hand.hear(LOG);
        assert_eq!(hand.events(two).len(), usize::from(revision.is_stateless()));
    }
}

/// Invariant: A notification that may be about another caller's cancelled call reaches no caller.
#[test]
fn an_unknown_notification_that_may_be_about_a_cancelled_call_reaches_no_other_caller() {
    const UNKNOWN: &str = r#"{"jsonrpc":"2.0","method":"x/told","params":{"of":"one"}}"#;
    for revision in [Revision::V2025_11_25, Revision::V2026_07_28] {
        let mut hand = ByHand::open(revision, Channel::Shared);
        let one = hand.sent(facts("one", Method::ToolsCall));
        hand.abandon(one);
        let again = hand.sent(facts("one", Method::ToolsCall));
        hand.hear(UNKNOWN);
        assert_eq!(hand.events(again).len(), 1, "{revision}: alone it is its own");
        hand.result(again);
        hand.events(again);
        let two = hand.sent(facts("two", Method::ToolsCall));
        hand.did();
        hand.hear(UNKNOWN);
        let did = hand.did();
        assert!(did.len() == 1 && did[0].starts_with("Count"), "{revision}: {did:?}");
        assert!(hand.next(two).is_none(), "{revision}");
        // The answer says that the cancelled call is done.
        hand.result(one);
        hand.hear(UNKNOWN);
        assert_eq!(hand.events(two).len(), 1, "{revision}");
    }
}

/// Invariant: Nothing tells anonymous callers apart, so a log message of one never reaches another.
#[test]
fn log_messages_of_anonymous_calls_side_by_side_reach_neither() {
    const LOG: &str =
        r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"error","data":1}}"#;
    let anonymous = |log_level| CallFacts {
        unidentifiable: true,
        log_level,
        log_level_is_default: true,
        ..facts("", Method::ToolsCall)
    };
    for other in [None, Some(LogLevel::Info)] {
        let mut hand = ByHand::open(Revision::V2025_11_25, Channel::Shared);
        let first = hand.sent(anonymous(Some(LogLevel::Info)));
        hand.hear(LOG);
        assert_eq!(hand.events(first).len(), 1, "alone it is its own");
        let second = hand.sent(anonymous(other));
        for _ in 0..2 {
            hand.hear(LOG);
        }
        assert!(hand.next(first).is_none() && hand.next(second).is_none(), "{other:?}");
        hand.result(second);
        hand.events(second);
        hand.hear(LOG);
        assert_eq!(hand.events(first).len(), 1, "alone again");
    }
}

#[test]
fn a_request_on_the_stream_of_a_call_is_that_calls_whoever_else_calls() {
    let mut hand = ByHand::open(Revision::V2025_11_25, Channel::PerCall);
    let one = hand.sent(facts("one", Method::ToolsCall));
    let two = hand.sent(facts("two", Method::ToolsCall));
    let list = hand.sent(facts("two", Method::ToolsList));
    hand.hear_on(Origin::Call(two), ASK);
    assert_eq!(hand.did(), ["wake 3"]);
    assert_eq!((hand.events(one).len(), hand.events(two).len()), (0, 1));
    hand.hear_on(Origin::Call(list), ROOTS);
    assert!(hand.did()[0].contains("the client cannot be asked during tools/list"));
}

#[test]
fn what_the_caller_has_not_declared_is_refused_and_its_call_knows_why() {
    for (channel, own) in channels(2) {
        let mut hand = ByHand::open(Revision::V2025_11_25, channel);
        let none = ClientProfile::default();
        let call = hand.sent(CallFacts { profile: none, ..facts("a", Method::ToolsCall) });
        hand.hear_on(own, ASK);
        assert!(
            hand.did()
                .last()
                .unwrap()
                .contains(r#""code":-32601,"message":"the client cannot be asked elicitation/create"#)
        );
        hand.hear_on(own, r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32603,"message":"it cannot ask"}}"#);
        let Some(CallEvent::Finished { undeclared, .. }) = hand.next(call) else { panic!() };
        assert_eq!(undeclared, Some(InputCapability::ElicitationForm));
        // A mode that was not declared, beside one that was.
        let call = hand.sent(facts("a", Method::ToolsCall));
        hand.did();
        let url = ASK.replace(r#""message":"m""#, r#""mode":"url""#);
        let own = if channel == Channel::PerCall { Origin::Call(call) } else { own };
        hand.hear_on(own, &url);
        assert!(hand.did().last().unwrap().contains("-32602"));
    }
}

#[test]
fn a_request_may_be_withdrawn_and_ends_with_its_call_after_the_cancellation() {
    for (channel, own) in channels(2) {
        let mut hand = ByHand::open(Revision::V2025_11_25, channel);
        let call = hand.sent(facts("a", Method::ToolsCall));
        hand.hear_on(own, ASK);
        hand.did();
        hand.hear(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"q"}}"#);
        assert_eq!(hand.did(), ["Withdrawn(ServerRequestId(1))"]);
        assert!(hand.next(call).is_none(), "it was not taken, and is not given any more");
        hand.hear_on(own, &ASK.replace("\"q\"", "\"r\""));
        asked(&mut hand, call);
        hand.did();
        hand.abandon(call);
        let did = hand.did();
        let refused = did.last().unwrap();
        assert!(did[0].contains("notifications/cancelled"), "{did:?}");
        assert!(refused.contains(r#""id":"r""#) && refused.contains("is over"), "{did:?}");
        hand.assert_unused();
    }
}

#[test]
fn an_answer_of_the_server_ends_what_it_asked_about_the_call() {
    for (channel, own) in channels(2) {
        let mut hand = ByHand::open(Revision::V2025_11_25, channel);
        let call = hand.sent(facts("a", Method::ToolsCall));
        hand.hear_on(own, ASK);
        hand.did();
        hand.result(call);
        let did = hand.did();
        assert_eq!((did[0].as_str(), did[2].as_str()), ("Withdrawn(ServerRequestId(1))", "wake 2"));
        assert!(did[1].contains(r#""id":"q","error""#));
        assert_eq!(hand.events(call), ["result {}"]);
        hand.assert_unused();
    }
}

/// Invariant: A question on a shared stream stays open until no call is left that it may belong to.
#[test]
fn a_question_outlives_a_call_while_another_of_its_caller_may_be_meant() {
    for (channel, _) in channels(2) {
        for is_answered in [true, false] {
            let mut hand = ByHand::open(Revision::V2025_11_25, channel);
            let first = hand.sent(facts("a", Method::ToolsCall));
            let second = hand.sent(facts("a", Method::ToolsCall));
            let third = hand.sent(facts("a", Method::PromptsGet));
            hand.hear(ASK);
            hand.hear(&ASK.replace("\"q\"", "\"r\""));
            let later = hand.sent(facts("a", Method::ToolsCall));
            let was_given = asked(&mut hand, first);
            asked(&mut hand, second);
            hand.did();
            match is_answered {
                true => hand.result(first),
                false => hand.abandon(first),
            }
            let did = hand.did();
            assert!(did.contains(&format!("wake {third}")), "the one that is asked nothing yet: {did:?}");
            assert!(!did.iter().any(|did| did.contains("is over")), "{did:?}");
            let given = asked(&mut hand, third);
            hand.connection.answer(was_given, Err(Error::internal("late")), &mut hand.actions);
            assert!(hand.did().is_empty() && hand.connection.is_awaited(given));
            hand.result(third);
            assert!(!hand.did().iter().any(|did| did.contains("error")), "the second call is left");
            let given = [asked(&mut hand, second)];
            hand.connection.answer(given[0], Ok(raw(r#"{"action":"cancel"}"#)), &mut hand.actions);
            assert_eq!(hand.did(), [r#"{"id":"q","result":{"action":"cancel"}}"#]);
            hand.result(second);
            let did = hand.did();
            assert!(
                did.iter().any(|did| did.contains(r#""id":"r","error""#)),
                "the other one came before: {did:?}"
            );
            assert!(hand.next(later).is_none(), "it began after both questions");
        }
    }
}

#[test]
fn a_question_goes_to_no_call_that_cannot_be_meant() {
    let is_refused = |hand: &mut ByHand, first: CallId| {
        hand.did();
        hand.result(first);
        hand.did().iter().any(|did| did.contains("is over"))
    };
    // On the stream of a call it is that call's.
    let mut hand = ByHand::open(Revision::V2025_11_25, Channel::PerCall);
    let first = hand.sent(facts("a", Method::ToolsCall));
    hand.sent(facts("a", Method::ToolsCall));
    hand.hear_on(Origin::Call(first), ASK);
    assert!(is_refused(&mut hand, first));
    // Of a cancelled call it is not asked for one that waits for an answer already.
    let mut hand = ByHand::open(Revision::V2025_11_25, Channel::Shared);
    let first = hand.sent(facts("a", Method::ToolsCall));
    hand.hear(ASK);
    let second = hand.sent(facts("a", Method::ToolsCall));
    hand.hear(&ASK.replace("\"q\"", "\"r\""));
    hand.did();
    hand.abandon(second);
    assert!(hand.did().iter().any(|did| did.contains("is over")));
    asked(&mut hand, first);
    // A list may not ask, a call that waits for its log level is not known to the server, and a profile is what it is.
    let mut hand = ByHand::open(Revision::V2025_11_25, Channel::Shared);
    let first = hand.sent(facts("a", Method::ToolsCall));
    hand.sent(facts("a", Method::ToolsList));
    let waits = CallFacts { log_level: Some(LogLevel::Debug), ..facts("a", Method::ToolsCall) };
    hand.call(waits);
    hand.sent(CallFacts { profile: ClientProfile::of(&raw("{}")), ..facts("a", Method::ToolsCall) });
    hand.hear(ASK);
    assert!(is_refused(&mut hand, first));
}

#[test]
fn open_requests_are_limited_on_every_stream_and_the_refusal_says_overloaded() {
    for (channel, own) in channels(2) {
        let config = ConnectionConfig {
            channel,
            revision: Some(Revision::V2025_11_25),
            max_open_questions: 2,
            ..ConnectionConfig::default()
        };
        let mut hand = ByHand::configured(config);
        hand.sent(facts("a", Method::ToolsCall));
        for number in 0..5 {
            hand.hear_on(own, &ASK.replace("\"q\"", &number.to_string()));
        }
        let refused: Vec<_> = hand.did().into_iter().filter(|did| did.contains("error")).collect();
        assert_eq!(refused.len(), 3);
        assert!(
            refused.iter().all(|did| did.contains(r#"{"reason":"overloaded"}"#)),
            "{channel:?}: {refused:?}"
        );
        hand.hear_on(own, &ASK.replace("\"q\"", "1"));
        assert!(hand.did()[0].contains("id 1 belongs to a request that still runs"));
        assert_eq!(hand.connection.open_server_requests(), 2);
    }
}

#[test]
fn a_server_that_waits_for_a_person_is_told_every_15_seconds_that_its_request_is_open() {
    for (channel, own) in channels(2) {
        let mut hand = ByHand::open(Revision::V2025_11_25, channel);
        let call = hand.sent(facts("a", Method::ToolsCall));
        hand.hear_on(own, &ASK.replace(r#""message""#, r#""_meta":{"progressToken":"t"},"message""#));
        let request = asked(&mut hand, call);
        hand.did();
        for told in 1..=2 {
            hand.time_out();
            assert_eq!(hand.now, Duration::from_secs(15 * told));
            let expected = format!(
                r#"{{"method":"notifications/progress","params":{{"progressToken":"t","progress":{told}}}}}"#
            );
            assert_eq!(hand.did(), [expected]);
        }
        hand.connection.answer(request, Err(Error::internal("no")), &mut hand.actions);
        assert!(hand.connection.poll_timeout().is_none());
    }
}

#[test]
fn roots_are_held_for_the_next_call_that_may_be_asked_or_refused() {
    for (channel, _) in channels(2) {
        let mut hand = ByHand::open(Revision::V2025_11_25, channel);
        hand.hear(ROOTS);
        let request = unsolicited(&mut hand);
        hand.connection.decline(hand.now, request, &mut hand.actions);
        assert!(hand.did().is_empty());
        hand.time_out();
        assert_eq!(hand.now, Duration::from_secs(45));
        assert!(hand.did()[0].contains(r#""id":7,"error":{"code":-32603,"message":"no call is open"#));
        hand.hear(ROOTS);
        let request = unsolicited(&mut hand);
        hand.connection.decline(hand.now, request, &mut hand.actions);
        let list = hand.sent(facts("a", Method::ToolsList));
        let call = hand.sent(facts("a", Method::ToolsCall));
        assert!(hand.next(list).is_none());
        let given = asked(&mut hand, call);
        assert_ne!(given, request, "who was offered it before cannot answer any more");
        hand.connection.answer(request, Err(Error::internal("late")), &mut hand.actions);
        assert!(hand.did().is_empty() && hand.connection.is_awaited(given));
        let request = given;
        hand.connection.answer(request, Ok(raw(r#"{"roots":[]}"#)), &mut hand.actions);
        assert_eq!(hand.did(), [r#"{"id":7,"result":{"roots":[]}}"#]);
    }
}

/// A quick server's call is over before its caller can answer, and the server asks for roots once.
#[test]
fn roots_that_a_call_does_not_live_to_see_answered_go_to_the_next_call_which_waits_for_the_answer() {
    for answered in [true, false] {
        let mut hand = ByHand::open(Revision::V2025_11_25, Channel::Shared);
        let first = hand.sent(facts("a", Method::ToolsCall));
        hand.hear(ROOTS);
        let request = asked(&mut hand, first);
        hand.did();
        hand.now = Duration::from_secs(5);
        hand.result(first);
        assert_eq!(hand.did(), ["Withdrawn(ServerRequestId(1))".to_owned(), format!("wake {first}")]);
        hand.events(first);
        hand.connection.answer(request, Err(Error::internal("late")), &mut hand.actions);
        assert!(hand.did().is_empty());

        // A list is none of its business.
        hand.sent(facts("a", Method::ToolsList));
        let second = hand.call(facts("a", Method::ToolsCall));
        let request = asked(&mut hand, second);
        assert!(hand.next(second).is_none(), "it is not sent yet");
        if answered {
            hand.connection.answer(request, Ok(raw(r#"{"roots":[]}"#)), &mut hand.actions);
            let did = hand.did();
            assert!(
                did.contains(&format!("wake {second}"))
                    && did.contains(&r#"{"id":7,"result":{"roots":[]}}"#.into())
            );
        } else {
            hand.time_out();
            assert_eq!(hand.now, Duration::from_secs(45), "for the rest of its time");
            assert!(hand.did().last().unwrap().contains(r#""id":7,"error":{"code":-32603"#));
            assert!(!hand.connection.is_awaited(request));
        }
        assert_eq!(hand.events(second), ["send"]);
    }
}

#[test]
fn roots_of_a_call_that_is_over_go_to_another_that_runs_and_those_on_its_own_stream_to_nobody() {
    let mut hand = ByHand::open(Revision::V2025_11_25, Channel::Shared);
    let first = hand.sent(facts("a", Method::ToolsCall));
    let second = hand.sent(facts("a", Method::ToolsCall));
    hand.hear(ROOTS);
    asked(&mut hand, first);
    hand.abandon(first);
    asked(&mut hand, second);
    let mut hand = ByHand::open(Revision::V2025_11_25, Channel::PerCall);
    let first = hand.sent(facts("a", Method::ToolsCall));
    hand.hear_on(Origin::Call(first), ROOTS);
    hand.did();
    hand.result(first);
    assert!(hand.did()[1].contains("the call that this belonged to is over"));
}

#[test]
fn roots_that_are_declined_while_a_call_runs_go_to_its_caller() {
    for (channel, _) in channels(2) {
        let mut hand = ByHand::open(Revision::V2025_11_25, channel);
        hand.hear(ROOTS);
        let request = unsolicited(&mut hand);
        let call = hand.sent(facts("a", Method::ToolsCall));
        assert!(hand.next(call).is_none(), "another may yet take it");
        hand.connection.decline(hand.now, request, &mut hand.actions);
        assert_eq!(hand.did(), [format!("wake {call}")]);
        let given = asked(&mut hand, call);
        hand.connection.answer(given, Ok(raw(r#"{"roots":[]}"#)), &mut hand.actions);
        assert_eq!(hand.did(), [r#"{"id":7,"result":{"roots":[]}}"#]);
    }
}

#[test]
fn what_belongs_to_no_call_is_answered_or_refused_with_the_reason() {
    let mut hand = ByHand::open(Revision::V2025_11_25, Channel::Shared);
    hand.hear(ASK);
    let request = unsolicited(&mut hand);
    hand.connection.answer(request, Ok(raw(r#"{"action":"cancel"}"#)), &mut hand.actions);
    assert_eq!(hand.did(), [r#"{"id":"q","result":{"action":"cancel"}}"#]);
    hand.hear(ASK);
    let request = unsolicited(&mut hand);
    hand.connection.decline(hand.now, request, &mut hand.actions);
    assert!(hand.did()[0].contains("no call is open"));
    hand.sent(facts("a", Method::ToolsList));
    hand.hear(ASK);
    let request = unsolicited(&mut hand);
    hand.connection.decline(hand.now, request, &mut hand.actions);
    assert!(hand.did()[0].contains("the client cannot be asked during tools/list"));
}
