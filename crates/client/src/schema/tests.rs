use serde_json::json;

use super::*;

#[test]
fn nothing_is_fetched() {
    for reference in ["https://example.com/schema.json", "file:///etc/passwd", "other.json"] {
        let told = compile(&json!({"properties": {"a": {"$ref": reference}}}), false).unwrap_err();
        assert!(told.contains(reference), "{told}");
    }
    let with_id = json!({"$id": "https://example.com/root", "$ref": "https://example.com/other"});
    assert!(compile(&with_id, false).is_err());
    assert!(compile(&json!({"$schema": "https://example.com/own"}), false).is_err());
}

#[test]
fn faults_name_their_place_and_are_short() {
    let schema = json!({"properties": {"a": {"items": {"type": "string"}}}});
    let validator = compile(&schema, false).unwrap();
    assert_eq!(fault(&validator, &json!({"a": ["x"]})), None);
    let told = fault(&validator, &json!({"a": ["x", 5]})).unwrap();
    assert_eq!(told, "a.1: 5 is not of type \"string\"");
    let long = json!({"a": [vec!["y".repeat(5_000)]]});
    assert!(fault(&validator, &long).unwrap().len() < 300);
}

/// A schema whose parts `d0`, `d1`, ... each follow from the next one by `each`.
fn chain(parts: usize, each: impl Fn(&Value) -> Value, last: Value) -> Value {
    let next = |part: usize| json!({"$ref": format!("#/$defs/d{}", part + 1)});
    let mut defs: Map<String, Value> =
        (0..parts).map(|part| (format!("d{part}"), each(&next(part)))).collect();
    defs.insert(format!("d{parts}"), last);
    json!({"type": "object", "$ref": "#/$defs/d0", "$defs": defs})
}

fn nested(depth: usize) -> Value {
    (0..depth).fold(json!({}), |value, _| json!({"a": value}))
}

/// Invariant: A server holds no thread of its client, and no part of its stack, by the schemas of its tools.
#[tokio::test]
async fn schemas_that_take_for_ever_check_nothing() {
    let twice = |keyword: &str| chain(40, |next| json!({keyword: [next, next]}), json!({"required": ["a"]}));
    let again = json!({"properties": {"a": {"$ref": "#"}}});
    let cases = [
        (twice("allOf"), nested(1), "MAX_APPLIED"),
        (twice("anyOf"), nested(1), "MAX_APPLIED"),
        (twice("oneOf"), nested(1), "MAX_APPLIED"),
        // Compiling alone would take hours.
        (
            chain(
                30,
                |next| json!({"unevaluatedProperties": false, "allOf": [next, next]}),
                json!({"required": ["a"]}),
            ),
            nested(1),
            "MAX_APPLIED",
        ),
        // The stack would overflow, which ends the process.
        (chain(4_000, Value::clone, json!({"type": "string"})), nested(1), "MAX_CHECK_DEPTH"),
        (
            chain(
                90,
                |next| json!({"allOf": [{"allOf": [{"allOf": [{"properties": {"a": next}}]}]}]}),
                json!({"type": "string"}),
            ),
            nested(90),
            "MAX_CHECK_DEPTH",
        ),
        (json!({"allOf": [again, again], "required": ["b"]}), nested(90), "MAX_CHECK_STEPS"),
        (json!({"anyOf": [again, again], "not": {"$ref": "#/anyOf/0"}}), nested(90), "MAX_CHECK_STEPS"),
        (json!({"$ref": "#"}), nested(1), "lead back"),
        (json!({"allOf": [{"$ref": "#/%61llOf/0"}]}), nested(1), "lead back"),
    ];
    for (schema, value, why) in cases {
        let shown = format!("{schema:.200}");
        let verdict = Arc::new(Schema::new(schema.clone())).check(&value).await;
        assert!(matches!(&verdict, Verdict::TooSlow(told) if told.contains(why)), "{verdict:?}: {shown}");
        // So does a form, on the thread of whoever asks.
        let fault = check_form(&schema, &value).unwrap_err();
        assert!(fault.contains(why), "{fault}: {shown}");
        let (Value::Object(schema), Value::Object(arguments)) = (schema, value) else { unreachable!() };
        let fault = check_arguments(&schema, &arguments).await.unwrap_err();
        assert!(matches!(&fault, ArgumentsError::Unchecked(told) if told.contains(why)), "{fault}");
    }
}

/// Invariant: A server holds no thread of its client, and no part of its stack, by the schemas of its tools.
#[tokio::test]
async fn a_check_that_may_take_long_leaves_the_runtime_to_others() {
    let patterns: Vec<_> =
        (0..3).map(|part| json!({"pattern": format!("^([a-z]{{1,90}}x){{1,9}}{part}")})).collect();
    let schema = Arc::new(Schema::new(json!({"properties": {"a": {"allOf": patterns}}})));
    let value = json!({"a": "ab".repeat(20_000)});
    let (mut turns, check) = (0, schema.check(&value));
    tokio::pin!(check);
    let verdict = loop {
        tokio::select! {
            biased;
            verdict = &mut check => break verdict,
            () = tokio::time::sleep(Duration::from_millis(1)) => turns += 1,
        }
    };
    assert!(turns > 0, "the only thread of the runtime went on");
    assert!(matches!(verdict, Verdict::Misfit(_) | Verdict::TooSlow(_)), "{verdict:?}");
    if matches!(verdict, Verdict::TooSlow(_)) {
        assert_eq!(schema.check(&value).await, verdict, "no second thread is held");
    }
}

/// Invariant: A server holds no thread of its client, and no part of its stack, by the schemas of its tools.
#[tokio::test]
async fn patterns_that_match_for_ever_keep_no_place() {
    let value = json!({"a": "ab".repeat(250_000), "b": {("ab".repeat(250_000)): 1}});
    // It matches in linear time, which is that of the text times that of the pattern.
    let hostile = |part: usize| format!("([ab]{{0,100}}){{0,10}}{part}$");
    for part in 0..6 {
        for schema in [
            json!({"properties": {"a": {"pattern": hostile(part)}}}),
            json!({"properties": {"b": {"patternProperties": {(hostile(part)): true}}}}),
            json!({"properties": {"b": {"propertyNames": {"pattern": hostile(part)}}}}),
        ] {
            let verdict = Arc::new(Schema::new(schema)).check(&value).await;
            assert!(
                matches!(&verdict, Verdict::TooSlow(why) if why.contains("MAX_CHECK_STEPS")),
                "{verdict:?}"
            );
        }
    }
    let usual =
        json!({"properties": {"a": {"pattern": "^([a-z]+ ?)*$"}, "b": {"propertyNames": {"pattern": "b"}}}});
    assert_eq!(Arc::new(Schema::new(usual)).check(&value).await, Verdict::Fits);
}

#[tokio::test]
async fn schemas_that_people_write_are_checked_as_before() {
    let tree = json!({"type": "object", "properties": {"name": {"type": "string", "pattern": "^[a-z]+$"},
        "children": {"type": "array", "items": {"$ref": "#"}}}, "required": ["name"]});
    let tree = Arc::new(Schema::new(tree));
    let leaf = json!({"name": "leaf"});
    let fits = (0..20).fold(leaf.clone(), |child, _| json!({"name": "node", "children": [child, leaf]}));
    assert_eq!(tree.check(&fits).await, Verdict::Fits);
    let faulty = json!({"name": "node", "children": [{"name": "Leaf"}]});
    let fault = r#"children.0.name: "Leaf" does not match "^[a-z]+$""#;
    assert_eq!(tree.check(&faulty).await, Verdict::Misfit(fault.into()));

    let rows = json!({"properties": {"rows": {"items": {"$ref": "#/$defs/row"}}},
        "$defs": {"row": {"properties": {"id": {"type": "integer"}, "name": {"$ref": "#text"}}},
            "text": {"$anchor": "text", "type": "string"}}});
    let rows = Arc::new(Schema::new(rows));
    let row = |id: Value| json!({"id": id, "name": "a"});
    let many: Vec<_> = (0..20_000).map(|id| row(id.into())).collect();
    assert_eq!(rows.check(&json!({"rows": many})).await, Verdict::Fits);
    let verdict = rows.check(&json!({"rows": [row("1".into())]})).await;
    assert_eq!(verdict, Verdict::Misfit("rows.0.id: \"1\" is not of type \"integer\"".into()));
}

/// Invariant: A server holds no thread of its client, and no part of its stack, by the schemas of its tools.
#[tokio::test]
async fn the_stack_has_room_for_the_deepest_check() {
    // Of the depth of a check, each part takes four, and the beginning two.
    let deep = |parts| {
        let each = |next: &Value| {
            json!({"anyOf": [{"allOf": [{"if": {"properties": {"a": next}}, "else": false}]}],
            "unevaluatedProperties": true})
        };
        chain(parts, each, json!({"required": ["b"]}))
    };
    let parts = (work::MAX_CHECK_DEPTH - 2) / 5;
    let verdict = Arc::new(Schema::new(deep(parts))).check(&nested(parts)).await;
    assert!(matches!(&verdict, Verdict::Misfit(_)), "{verdict:?}");
    let refs = chain(work::MAX_CHECK_DEPTH - 2, Value::clone, json!({"required": ["b"]}));
    let verdict = Arc::new(Schema::new(refs)).check(&nested(1)).await;
    assert_eq!(verdict, Verdict::Misfit(r#""b" is a required property"#.into()));
}
