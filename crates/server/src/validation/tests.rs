use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::*;
use crate::schema::{self, Schema};

#[derive(Debug, Deserialize, JsonSchema)]
#[allow(dead_code, reason = "only what is wrong with it is looked at")]
struct Trip {
    /// Where it goes
    city: String,
    /// How many come along
    #[schemars(range(min = 1, max = 9))]
    people: u8,
    class: Class,
    stops: Option<Vec<Stop>>,
    #[serde(default)]
    hotel: Option<Hotel>,
    api_key: Option<String>,
    when: Option<When>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Class {
    /// With a lounge
    First,
    Second,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "only what is wrong with it is looked at")]
struct Stop {
    city: String,
    nights: u32,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "only what is wrong with it is looked at")]
enum Hotel {
    Named(String),
    Wished { stars: u8, pool: bool },
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
struct When;

impl TryFrom<String> for When {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == "today" { Ok(Self) } else { Err("write `today`".to_owned()) }
    }
}

fn trip(change: Value) -> Value {
    let mut trip = json!({"city": "Rome", "people": 2, "class": "first"});
    for (key, value) in change.as_object().unwrap() {
        trip[key] = value.clone();
    }
    trip
}

#[track_caller]
fn check(arguments: &Value, expected: &str) {
    let schema = Schema::compile(&schema::arguments_schema::<Trip>()).unwrap();
    assert_eq!(words(&schema.check(arguments).unwrap_err()), expected);
}

fn in_schema(schema: Value, value: Value) -> Vec<Fault> {
    Schema::compile(&schema).unwrap().check(&value).unwrap_err()
}

#[test]
fn a_field_of_the_wrong_type_is_named_with_what_was_expected_and_found() {
    check(&trip(json!({"city": 5})), "city: expected string, got 5");
    check(&trip(json!({"people": "two"})), r#"people: expected integer from 1 to 9, got "two""#);
    check(&trip(json!({"people": 12})), "people: expected at most 9, got 12");
    check(
        &trip(json!({"stops": [{"city": "Pisa", "nights": 1}, {"city": "Nice", "nights": [1, 2]}]})),
        "stops[1].nights: expected integer of at least 0, got an array of 2",
    );
    check(&trip(json!({"stops": 5})), "stops: expected array of object with city, nights, got 5");
}

#[test]
fn what_is_missing_is_told_together_with_what_it_shall_be() {
    check(
        &json!({"people": 0}),
        "missing: city (string: Where it goes), class (one of \"second\", \"first\"); \
         people: expected at least 1, got 0",
    );
    check(&trip(json!({"stops": [{"city": "Pisa"}]})), "missing: stops[0].nights (integer of at least 0)");
}

#[test]
fn an_unknown_field_comes_with_the_one_that_was_meant() {
    check(&trip(json!({"peoples": 2})), "peoples: unknown field, did you mean people?");
    check(
        &trip(json!({"colour": "red"})),
        "colour: unknown field; there are city, people, class, stops, hotel, api_key, when",
    );
    check(
        &trip(json!({"stops": [{"city": "Pisa", "nights": 1, "x y": 1}]})),
        r#"stops[0]["x y"]: unknown field; there are city, nights"#,
    );
    let none = in_schema(json!({"type": "object", "additionalProperties": false}), json!({"a": 1}));
    assert_eq!(words(&none), "a: unknown field; there are none");
}

#[test]
fn choices_are_listed() {
    check(&trip(json!({"class": "third"})), r#"class: expected one of "second", "first", got "third""#);
    check(&trip(json!({"class": 1})), r#"class: expected one of "second", "first", got 1"#);
    let close = r#"class: expected one of "second", "first", got "Frist", did you mean "first"?"#;
    check(&trip(json!({"class": "Frist"})), close);
}

#[test]
fn of_several_forms_the_one_that_was_meant_is_explained() {
    check(&trip(json!({"hotel": {"stars": "4"}})), {
        "missing: hotel.pool (boolean); hotel.stars: expected integer from 0 to 255, got \"4\""
    });
    check(&trip(json!({"hotel": 5})), "hotel: expected string or object with stars, pool, got 5");
}

/// Invariant: Reported argument faults are bounded, and repeat no secrets.
#[test]
fn values_are_cut_and_secrets_are_not_repeated() {
    check(
        &trip(json!({"people": "x".repeat(10_000)})),
        &format!("people: expected integer from 1 to 9, got \"{}…\" (10000 characters)", "x".repeat(32)),
    );
    let key = trip(json!({"api_key": 123_456}));
    check(&key, "api_key: expected string, got a number");
    let hidden = json!({"properties": {"pin": {"maxLength": 4, "writeOnly": true}}});
    assert_eq!(
        words(&in_schema(hidden, json!({"pin": "123456"}))),
        "pin: expected at most 4 characters, got a string of 6 characters"
    );
}

/// Invariant: Reported argument faults are bounded, and repeat no secrets.
#[test]
fn faults_are_bounded() {
    let value = json!({ "\u{2028}".repeat(10_000): 5, "a": vec!["é".repeat(10_000); 1_000] });
    let schema = json!({
        "properties": {"a": {"items": {"type": "integer"}}}, "additionalProperties": false,
        "required": (0..1_000).map(|n| format!("field {n}")).collect::<Vec<_>>(),
    });
    let faults = in_schema(schema, value);
    assert_eq!(faults.len(), MAX_FAULTS + 1);
    let words = words(&faults);
    assert!(words.len() < 4_000 && words.contains("and more"), "{}: {words}", words.len());
}

#[test]
fn every_keyword_has_words() {
    for (schema, value, expected) in [
        (json!({"exclusiveMinimum": 1}), json!(1), "more than 1"),
        (json!({"exclusiveMaximum": 1}), json!(1), "less than 1"),
        (json!({"multipleOf": 5}), json!(3), "a multiple of 5"),
        (json!({"minLength": 2}), json!("a"), "at least 2 characters"),
        (json!({"minItems": 1}), json!([]), "at least 1 items"),
        (json!({"maxItems": 1}), json!([1, 2]), "at most 1 items"),
        (json!({"uniqueItems": true}), json!([1, 1]), "items that all differ"),
        (json!({"minProperties": 1}), json!({}), "at least 1 fields"),
        (json!({"maxProperties": 0}), json!({"a": 1}), "at most 0 fields"),
        (json!({"pattern": "^a"}), json!("b"), "a string that matches ^a"),
        (json!({"const": 5}), json!(6), "5"),
        (json!({"not": {"type": "string"}}), json!("a"), "anything but string"),
        (json!({"type": ["string", "null"]}), json!(1), "string or null"),
        (json!({"oneOf": [{"minimum": 1}, {"minimum": 2}]}), json!(5), "only one of several forms"),
        (json!(false), json!(5), "nothing"),
        (json!({"contains": {"type": "string"}}), json!([1]), "None of it are valid"),
    ] {
        let faults = in_schema(json!({"properties": {"v": schema}}), json!({"v": value}));
        assert!(faults[0].expected.contains(expected), "{expected} in {faults:?}");
        assert_eq!(faults[0].field, "v");
        assert!(faults[0].got.is_some());
    }
}

#[test]
fn what_only_the_type_refuses_is_named_too() {
    let check = |change: Value, expected: &str| {
        let arguments = trip(change).to_string();
        let error = serde_json::from_str::<Trip>(&arguments).unwrap_err();
        assert_eq!(words(&of_type::<Trip>(&arguments, &error)), expected);
    };
    check(json!({"people": 1e3}), "people: expected u8, got 1000.0");
    check(
        json!({"stops": [{"city": "Pisa", "nights": 5_000_000_000_u64}]}),
        "stops[0].nights: expected u32, got 5000000000",
    );
    check(json!({"when": "tomorrow"}), "when: write `today`");
}
