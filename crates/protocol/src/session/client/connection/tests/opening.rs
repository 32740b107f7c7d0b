use super::*;

#[test]
fn a_silent_server_is_taken_for_a_legacy_one_and_given_up_in_time() {
    let mut hand = ByHand::new(ConnectionConfig::default());
    hand.input(Input::Opened);
    assert!(hand.did()[0].contains(r#""method":"server/discover""#));
    assert_eq!(hand.connection.poll_timeout(), Some(Duration::from_secs(10)));
    hand.time_out();
    assert!(hand.did()[0].contains(r#""id":2,"method":"initialize""#));
    hand.time_out();
    assert_eq!(hand.did(), ["Refused(TimedOut)", "Close(Closed)"]);
    assert!(hand.connection.is_closed() && hand.connection.poll_timeout().is_none());
}

#[test]
fn a_server_that_ends_at_the_probe_is_opened_anew_with_initialize() {
    let mut hand = ByHand::new(ConnectionConfig::default());
    hand.input(Input::Opened);
    hand.did();
    hand.input(Input::Closed(CloseReason::lost("it exited")));
    assert_eq!(hand.did(), ["Reopen"]);
    hand.input(Input::Opened);
    assert!(hand.did()[0].contains(r#""id":2,"method":"initialize""#), "ids are never used twice");
    hand.hear(r#"{"jsonrpc":"2.0","id":2,"result":{"protocolVersion":"2024-11-05","capabilities":{}}}"#);
    let did = hand.did();
    assert!(did[0].contains("notifications/initialized") && did[1].starts_with("Negotiated"), "{did:?}");
    hand.input(Input::Closed(CloseReason::lost("it exited again")));
    assert_eq!(hand.did(), [r#"Close(Lost("it exited again"))"#]);
}

#[test]
fn a_connection_that_is_not_open_takes_no_call_and_refuses_what_is_asked() {
    let mut hand = ByHand::new(ConnectionConfig::default());
    let refused = hand.connection.call(hand.now, facts("a", Method::ToolsCall), &mut Actions::new());
    assert!(matches!(refused, Err(Failure::NotSent(_))));
    hand.input(Input::Opened);
    hand.did();
    hand.hear(r#"{"jsonrpc":"2.0","id":"r","method":"roots/list"}"#);
    assert!(hand.did()[0].contains(r#""id":"r","error":{"code":-32600,"message":"wait for initialized""#));
}

#[test]
fn a_session_that_the_server_does_not_confirm_is_none() {
    let config = ConnectionConfig {
        channel: Channel::PerCall,
        revision: Some(Revision::V2025_11_25),
        ..ConnectionConfig::default()
    };
    let mut hand = ByHand::new(config);
    hand.input(Input::Opened);
    hand.hear_on(
        Origin::Call(id(1)),
        r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{}}}"#,
    );
    let did = hand.did();
    assert_eq!(did[1..], [r#"{"method":"notifications/initialized"}"#, "OpenSharedStream { generation: 0 }"]);
    let failure = Failure::NotSent(CloseReason::lost("HTTP status 500"));
    hand.input(Input::SessionReady { generation: 0, result: Err(failure) });
    assert!(hand.did()[0].contains("Refused(Failed(\"notifications/initialized\""));
}

#[test]
fn an_answer_to_the_probe_that_comes_late_still_means_a_modern_server() {
    let mut hand = ByHand::new(ConnectionConfig::default());
    hand.input(Input::Opened);
    hand.time_out();
    hand.did();
    hand.hear(r#"{"jsonrpc":"2.0","id":1,"result":{"supportedVersions":["2026-07-28"],"capabilities":{}}}"#);
    assert!(hand.did()[0].starts_with("Negotiated"));
    hand.hear(r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32601,"message":"no"}}"#);
    assert!(hand.did().is_empty());
    hand.assert_unused();
}

#[test]
fn a_probe_that_cannot_be_sent_refuses_the_server() {
    let mut hand = ByHand::new(ConnectionConfig { channel: Channel::PerCall, ..ConnectionConfig::default() });
    hand.input(Input::Opened);
    hand.did();
    let failure = Failure::NotSent(CloseReason::lost("no route"));
    hand.input(Input::CallFailed { call: id(1), failure });
    assert!(hand.did()[0].contains("no route"));
}
