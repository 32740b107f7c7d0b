use serde_json::json;

use super::*;

fn extent(schema: &Value) -> Result<Extent, TooMuchWork> {
    References::of(schema)?.extent()
}

fn steps(schema: &Value, value: &Value) -> usize {
    let references = References::of(schema).unwrap();
    (0..1_000).find(|most| references.steps(value, *most).is_ok()).unwrap()
}

#[test]
fn references_are_followed_wherever_they_lead() {
    let text = json!({"type": "string"});
    for (reference, defs) in [
        ("#/$defs/text", json!({"text": text})),
        ("#/%24defs/text", json!({"text": text})),
        ("#/$defs/a~1b", json!({"a/b": text})),
        ("#text", json!({"text": {"$anchor": "text", "type": "string"}})),
        ("#text", json!({"text": {"$dynamicAnchor": "text", "type": "string"}})),
        ("text.json", json!({"text": {"$id": "https://example.com/text.json", "type": "string"}})),
        ("text.json#/$defs/inner", json!({"text": {"$id": "text.json", "$defs": {"inner": text}}})),
    ] {
        let schema = json!({"$ref": reference, "$defs": defs});
        assert_eq!(extent(&schema), Ok(Extent { subschemas: 2, patterns: 0, applied: 2 }), "{reference}");
        assert_eq!(steps(&schema, &json!("a")), 2, "{reference}");
    }
}

#[test]
fn values_in_a_schema_are_no_parts_of_it() {
    let examples: Vec<_> = (0..100).map(|id| json!({"id": format!("id {id}")})).collect();
    let schema =
        json!({"examples": examples, "default": {"$id": "a"}, "properties": {"id": {"type": "string"}}});
    assert_eq!(extent(&schema), Ok(Extent { subschemas: 2, patterns: 0, applied: 1 }));
    let parts: Vec<_> = (0..100).map(|id| json!({"$id": format!("id {id}")})).collect();
    assert_eq!(extent(&json!({ "allOf": parts })), Err(TooMuchWork::Resources));
}

#[test]
fn steps_are_those_of_the_value() {
    let schema = json!({"items": {"anyOf": [true, {"properties": {"a": {"enum": ["x", "y"]}}}]}});
    assert_eq!(steps(&schema, &json!("no array")), 1);
    // Each item: its schema and both of the branches; a: its schema, two comparisons, and the value.
    assert_eq!(steps(&schema, &json!([1, {"a": "x"}])), 1 + 3 + 3 + 1 + 2 + 1);
    let unique = json!({"uniqueItems": true});
    assert_eq!(steps(&unique, &json!([[1, 2], "0123456789abcdef"])), 1 + 3 + 2);
    let names = json!({"patternProperties": {"^a": true, "^b": false}, "propertyNames": {"pattern": "."}});
    assert_eq!(steps(&names, &json!({"a": 1})), 1 + 2 + 2 + 1);
    assert_eq!(extent(&names).map(|extent| extent.patterns), Ok(3));
}
