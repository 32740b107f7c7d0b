//! Strategies for JSON and for messages, good and bad.

use proptest::{
    collection::{btree_map, vec},
    prelude::*,
    sample::select,
};
use serde_json::{Map, Value, json};

use crate::Fault;

/// Any text, such with characters that JSON and event streams treat specially among it.
pub fn text() -> impl Strategy<Value = String> {
    let special = select(vec![
        "", " ", "\"", "\\", "\n", "\r\n", "\u{0}", "\u{2028}", "\u{feff}", "é", "🦀", "/", "data: ",
    ]);
    prop_oneof![".{0,12}", vec(special, 0..4).prop_map(|parts| parts.concat())]
}

/// Any number that JSON and `serde_json` both keep exactly: integers of 64 bits, and doubles.
pub fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_filter_map("JSON has no infinity", |number| {
            Some(Value::Number(serde_json::Number::from_f64(number)?))
        }),
    ]
}

/// Any JSON, a few levels deep.
pub fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number(),
        text().prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![vec(inner.clone(), 0..5).prop_map(Value::from), members(inner).prop_map(Value::from)]
    })
}

/// Any JSON object.
pub fn object() -> impl Strategy<Value = Map<String, Value>> {
    members(json())
}

fn members(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Map<String, Value>> {
    btree_map(text(), value, 0..5).prop_map(|members| members.into_iter().collect())
}

/// Any request id.
pub fn id() -> impl Strategy<Value = Value> {
    prop_oneof![any::<i64>().prop_map(Value::from), text().prop_map(Value::from)]
}

/// Any request: methods that exist and such that do not, with params that fit and such that do not.
pub fn request() -> impl Strategy<Value = Value> {
    (id(), method(), params()).prop_map(|(id, method, params)| match params {
        Some(params) => json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}),
        None => json!({"jsonrpc": "2.0", "id": id, "method": method}),
    })
}

/// Anything that could be taken for a message: a request, a notification, a response, or one of them with a member
/// replaced or removed.
pub fn message() -> impl Strategy<Value = Value> {
    let notification = (method(), object())
        .prop_map(|(method, params)| json!({"jsonrpc": "2.0", "method": method, "params": params}));
    let result =
        (id(), json()).prop_map(|(id, result)| json!({"jsonrpc": "2.0", "id": id, "result": result}));
    let error = (id(), any::<i32>(), text()).prop_map(|(id, code, message)| {
        json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}})
    });
    let good = prop_oneof![4 => request(), 1 => notification, 1 => result, 1 => error].boxed();
    let member = select(vec!["jsonrpc", "id", "method", "params", "result", "error", "unknown"]);
    let replaced = (good.clone(), member.clone(), json()).prop_map(|(mut message, member, value)| {
        message[member] = value;
        message
    });
    let removed = (good.clone(), member).prop_map(|(mut message, member)| {
        if let Some(members) = message.as_object_mut() {
            members.shift_remove(member);
        }
        message
    });
    prop_oneof![4 => good, 2 => replaced, 1 => removed, 1 => json()]
}

/// The text of a request that is almost valid, and what is wrong with it: that, and nothing else.
pub fn almost() -> impl Strategy<Value = (String, Fault)> {
    (request(), select(Fault::ALL.to_vec()))
        .prop_filter_map("any request can have any fault", |(request, fault)| {
            Some((fault.put_into(&request)?, fault))
        })
}

fn method() -> impl Strategy<Value = String> {
    let known: Vec<String> =
        anyport_protocol::method::TABLE.iter().map(|entry| entry.name.to_owned()).collect();
    prop_oneof![4 => select(known), 1 => text()]
}

fn params() -> impl Strategy<Value = Option<Map<String, Value>>> {
    let member = select(vec![
        "name",
        "arguments",
        "uri",
        "cursor",
        "_meta",
        "ref",
        "argument",
        "level",
        "notifications",
        "requestId",
        "inputResponses",
        "requestState",
        "protocolVersion",
        "capabilities",
    ]);
    let params = btree_map(member.prop_map(str::to_owned), json(), 0..5);
    proptest::option::of(params.prop_map(|members| members.into_iter().collect()))
}

#[cfg(test)]
mod tests {
    use anyport_protocol::{Limits, Message, jsonrpc};
    use proptest::{strategy::ValueTree as _, test_runner::TestRunner};

    use super::*;

    #[test]
    fn what_is_almost_valid_is_no_request_that_could_be_served() {
        let mut runner = TestRunner::deterministic();
        for _ in 0..500 {
            let (text, fault) = almost().new_tree(&mut runner).unwrap().current();
            match jsonrpc::read(text.clone().into(), &Limits::default()) {
                Err(_) => {}
                Ok(jsonrpc::Incoming::One(Message::Request(_))) => {
                    assert_eq!(fault, Fault::MethodInCapitals, "{text}");
                }
                Ok(other) => panic!("{fault:?}: {text}: {other:?}"),
            }
        }
    }

    #[test]
    fn requests_are_requests_and_messages_are_all_sorts() {
        let read = |value: &Value| jsonrpc::read(value.to_string().into(), &Limits::default());
        let mut runner = TestRunner::deterministic();
        let (mut good, mut bad) = (0, 0);
        for _ in 0..500 {
            let request = request().new_tree(&mut runner).unwrap().current();
            assert!(
                matches!(read(&request), Ok(jsonrpc::Incoming::One(Message::Request(_)))),
                "{request} is no request"
            );
            match read(&message().new_tree(&mut runner).unwrap().current()) {
                Ok(_) => good += 1,
                Err(_) => bad += 1,
            }
        }
        assert!(good > 100 && bad > 50, "{good} good, {bad} bad");
    }
}
