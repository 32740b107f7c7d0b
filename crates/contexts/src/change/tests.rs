use proptest::prelude::*;
use serde_json::json;

use super::*;

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(object) = value else { panic!("{value}") };
    object
}

fn patched(before: Value, change: Value) -> Value {
    let mut conversation = Conversation { variables: object(before), ..Conversation::default() };
    patch(&mut conversation, &object(json!({ "variables": change }))).unwrap();
    Value::Object(conversation.variables)
}

/// RFC 7396, appendix A, as far as both are objects.
#[test]
fn a_patch_merges_as_the_standard_says() {
    for (before, change, after) in [
        (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
        (json!({"a": "b"}), json!({"a": null}), json!({})),
        (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
        (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
        (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
        (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
        (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
        (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
    ] {
        assert_eq!(patched(before.clone(), change.clone()), after, "{before} {change}");
    }
}

#[test]
fn what_is_no_part_of_a_patch_changes_nothing() {
    for (change, field) in [
        (json!({"variables": {"a": 1}, "session_id": "x"}), "patch.session_id"),
        (json!({"history": []}), "patch.history"),
        (json!({"variables": 5}), "patch.variables"),
        (json!({"capabilities": [1]}), "patch.capabilities"),
        (json!({"owner": "me"}), "patch.owner"),
    ] {
        let refused = patch(&mut Conversation::default(), &object(change)).unwrap_err();
        assert!(matches!(&refused, Refused::Invalid { field: named, .. } if named == field), "{refused}");
    }
    let mut conversation = Conversation { capabilities: vec!["a".into()], ..Conversation::default() };
    patch(&mut conversation, &object(json!({"capabilities": null, "preferences": {"x": 1}}))).unwrap();
    assert!(conversation.capabilities.is_empty() && conversation.preferences["x"] == 1);
}

#[test]
fn a_grant_is_given_changed_and_taken() {
    let mut conversation = Conversation { owner: "name:ada".into(), ..Conversation::default() };
    assert_eq!(conversation.may("name:ada"), Some(May::Share));
    assert_eq!(conversation.may("name:bob"), None);
    share(&mut conversation, "name:bob", Some(May::Read)).unwrap();
    share(&mut conversation, "name:bob", Some(May::Write)).unwrap();
    assert_eq!((conversation.may("name:bob"), conversation.grants.len()), (Some(May::Write), 1));
    share(&mut conversation, "name:bob", None).unwrap();
    assert_eq!(conversation.may("name:bob"), None);
    assert!(share(&mut conversation, "name:ada", Some(May::Read)).is_err());
}

proptest! {
    /// Invariant: A conversation keeps its limits whatever is appended, what falls off is counted, and no entry is lost from the middle.
    #[test]
    fn the_oldest_entries_make_room(sizes in prop::collection::vec(0_usize..300, 1..60), bytes in 900_usize..3_000) {
        let limits = ContextLimits { bytes, history: 20, entry: 400, ..ContextLimits::default() };
        let mut conversation = Conversation::default();
        for (number, size) in sizes.iter().enumerate() {
            let entry = object(json!({"number": number, "text": "x".repeat(*size)}));
            append(&mut conversation, vec![entry], &limits).unwrap();
            prop_assert_eq!(finish(&mut conversation, &number.to_string(), "t".into(), &limits), Ok(()));
            prop_assert!(conversation.bytes() <= bytes && conversation.history.len() <= 20);
            prop_assert!(conversation.updates.len() <= UPDATES);
            prop_assert_eq!(conversation.history_start as usize + conversation.history.len(), number + 1);
            let first = conversation.history_start as usize;
            for (place, entry) in conversation.history.iter().enumerate() {
                prop_assert_eq!(&entry["number"], first + place);
            }
        }
        prop_assert_eq!(conversation.version as usize, sizes.len());
    }
}

#[test]
fn what_has_no_room_is_refused() {
    let limits = ContextLimits { bytes: 500, entry: 50, ..ContextLimits::default() };
    let mut conversation = Conversation::default();
    let large = object(json!({"text": "x".repeat(60)}));
    let refused = append(&mut conversation, vec![Map::new(), large.clone()], &limits).unwrap_err();
    assert!(refused.to_string().starts_with("entries[1] has 71 bytes"), "{refused}");
    assert!(append(&mut conversation, Vec::new(), &limits).is_err() && conversation.history.is_empty());
    conversation.variables = object(json!({"text": "x".repeat(600)}));
    let refused = finish(&mut conversation, "1", "t".into(), &limits).unwrap_err();
    assert!(matches!(refused, Refused::TooLarge { limit: 500, .. }), "{refused}");
}
