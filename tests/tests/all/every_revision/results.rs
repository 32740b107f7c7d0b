//! What becomes of errors and of structured results.
//!
//! Invariant: A structured result fits the listed schema, in every revision.

use anyport::Revision::*;
use anyport_tests::matrix::{Cell, everywhere};
use serde_json::{Value, json};

const ERROR: &str = "dev.anyport/error";
const FAULTS: &str = "dev.anyport/faults";

#[tokio::test]
async fn a_named_error_is_words_for_the_model_and_a_reason_for_programs() {
    everywhere(async |cell| {
        for (name, arguments, words, reason) in [
            ("find", json!({"id": 7}), "not found: note 7", json!({"reason": "not_found"})),
            (
                "hurry",
                json!({}),
                "rate limited: try again in 30 s",
                json!({"reason": "rate_limited", "retryAfterMs": 30_000}),
            ),
            (
                "travel",
                json!({}),
                "invalid arguments: day: expected a day to come, got 2020-01-01",
                json!({"reason": "validation"}),
            ),
            ("port", json!({"port": "x", "of": 5}), "invalid digit found in string", Value::Null),
        ] {
            let failed = cell.tool(name, arguments).await?;
            assert_eq!(failed.text(), words);
            let result = failed.outcome?;
            assert_eq!((&result["isError"], &result["_meta"][ERROR]), (&json!(true), &reason), "{name}");
        }
        let travel = cell.tool("travel", json!({})).await?.outcome?;
        let fault = json!({"field": "day", "expected": "a day to come", "got": "2020-01-01"});
        assert_eq!(travel["_meta"][FAULTS], json!([fault]));
        let inside = cell.tool("inside", json!({})).await?.outcome.unwrap_err();
        assert_eq!((inside.code, &*inside.message), (-32603, "internal error"));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_named_error_of_a_resource_or_a_prompt_is_a_protocol_error() {
    everywhere(async |cell| {
        let gone =
            cell.wire.call("resources/read", json!({"uri": "test:///gone"})).await?.outcome.unwrap_err();
        assert_eq!(gone.code, if cell.revision.is_stateless() { -32602 } else { -32002 });
        assert_eq!(gone.message, "resource not found: test:///gone: note 7");
        assert_eq!(gone.data, json!({"uri": "test:///gone"}));
        let private = json!({"uri": "test:///private"});
        let private = cell.wire.call("resources/read", private).await?.outcome.unwrap_err();
        assert_eq!((private.code, &*private.message), (-32603, "permission denied: ask its owner"));
        assert_eq!(private.data, json!({"reason": "forbidden"}));
        let prompt = cell.wire.call("prompts/get", json!({"name": "gone"})).await?.outcome.unwrap_err();
        assert_eq!((prompt.code, &*prompt.message), (-32602, "not found: note 7"));
        assert_eq!(prompt.data, json!({"reason": "not_found"}));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn wrong_arguments_are_told_field_by_field() {
    everywhere(async |cell| {
        let wrong = cell.tool("greet", json!({"nome": "Ada", "times": 9})).await?;
        let words = "invalid arguments for greet: missing: name (string: Who is greeted); \
                     times: expected at most 3, got 9; nome: unknown field, did you mean name?";
        let faults = json!([
            {"field": "name", "expected": "string: Who is greeted"},
            {"field": "times", "expected": "at most 3", "got": "9"},
            {"field": "nome", "expected": "the field name", "got": "an unknown field"},
        ]);
        let sorted = |faults: &Value| {
            let mut faults = faults.as_array().unwrap().clone();
            faults.sort_by_key(|fault| fault["field"].to_string());
            faults
        };
        let (said, told) = if cell.revision >= V2025_11_25 {
            (wrong.text(), wrong.outcome?["_meta"][FAULTS].clone())
        } else {
            let refusal = wrong.outcome.unwrap_err();
            assert_eq!((refusal.code, &refusal.data["reason"]), (-32602, &json!("validation")));
            (refusal.message, refusal.data["faults"].clone())
        };
        assert_eq!(said, words);
        assert_eq!(sorted(&told), sorted(&faults));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_lenient_tool_takes_what_a_model_put_into_text() {
    everywhere(async |cell| {
        assert_eq!(cell.tool("port", json!({"port": 80, "of": " 5 "})).await?.text(), "80 of 5");
        let wrong = cell.tool("port", json!({"port": 80, "of": "five"})).await?;
        let said =
            if cell.revision >= V2025_11_25 { wrong.text() } else { wrong.outcome.unwrap_err().message };
        assert_eq!(said, "invalid arguments for port: of: expected integer of at least 0, got \"five\"");
        Ok(())
    })
    .await;
}

/// Calls a tool, and holds its structure against the schema that is listed.
async fn structure(
    cell: &mut Cell,
    name: &str,
    arguments: Value,
) -> Result<(String, Value), anyport_testing::Lost> {
    let listed = tool(cell, name).await?;
    let answer = cell.tool(name, arguments).await?;
    let text = answer.text();
    let result = answer.outcome?;
    let structured = result.get("structuredContent");
    match listed.get("outputSchema") {
        Some(schema) => {
            let validator = jsonschema::validator_for(schema).unwrap();
            assert!(validator.is_valid(structured.unwrap()), "{result}");
            assert!(cell.revision.is_stateless() || schema["type"] == "object", "{schema}");
        }
        None => assert!(!cell.revision.is_stateless(), "{name}"),
    }
    assert!(cell.revision.is_stateless() || structured.is_none_or(Value::is_object), "{result}");
    Ok((text, structured.cloned().unwrap_or_default()))
}

async fn tool(cell: &mut Cell, name: &str) -> Result<Value, anyport_testing::Lost> {
    let mut params = json!({});
    loop {
        let page = cell.wire.call("tools/list", params).await?.outcome?;
        if let Some(tool) = page["tools"].as_array().unwrap().iter().find(|tool| tool["name"] == name) {
            return Ok(tool.clone());
        }
        params = json!({"cursor": page["nextCursor"].as_str().unwrap()});
    }
}

#[tokio::test]
async fn a_structured_result_is_what_the_listed_schema_says_whatever_its_shape() {
    everywhere(async |cell| {
        // Only the newest revision has structure that is no object; before, its text says it.
        let modern = |value: Value| if cell.revision.is_stateless() { value } else { Value::Null };
        let (five, nothing) = (modern(json!(5)), modern(json!("Nothing")));
        let circle = json!({"Circle": {"radius": 1.5}});
        let said = |text: &str, value: Value| (text.to_owned(), value);
        assert_eq!(structure(cell, "number", json!({})).await?, said("5", five));
        let sum = json!({"value": 5});
        assert_eq!(
            structure(cell, "maybe", json!({"some": true})).await?,
            said("{\"value\":5}", sum.clone())
        );
        assert_eq!(structure(cell, "maybe", json!({"some": false})).await?, said("null", Value::Null));
        assert_eq!(structure(cell, "shape", json!({"some": false})).await?, said("\"Nothing\"", nothing));
        assert_eq!(
            structure(cell, "shape", json!({"some": true})).await?,
            said("{\"Circle\":{\"radius\":1.5}}", circle)
        );
        assert_eq!(structure(cell, "picture", json!({})).await?, said("{\"value\":5}", sum));
        let picture = cell.tool("picture", json!({})).await?.outcome?;
        assert_eq!(
            picture["content"][1],
            json!({"type": "image", "data": "aW1hZ2U=", "mimeType": "image/png",
                   "annotations": {"audience": ["user"], "priority": 0.5}})
        );
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_tool_says_where_it_belongs_and_what_it_needs() {
    everywhere(async |cell| {
        let listed = tool(cell, "described").await?;
        assert_eq!(
            listed["_meta"],
            json!({
                "dev.anyport/category": "mathematics",
                "dev.anyport/version": "1.0",
                "dev.anyport/examples": [{"a": 1, "b": 2}, {"a": 2, "b": 2}],
                "dev.anyport/requirements": ["patience"],
            })
        );
        let read: anyport::types::Tool = serde_json::from_value(listed).unwrap();
        assert_eq!(
            (read.category(), read.version(), read.examples().len()),
            (Some("mathematics"), Some("1.0"), 2)
        );
        assert_eq!(read.requirements().collect::<Vec<_>>(), ["patience"]);
        Ok(())
    })
    .await;
}
