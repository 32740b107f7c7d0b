//! Arguments of the wrong type that a model put into text.

use std::collections::{BTreeSet, HashMap, HashSet, hash_map::Entry};

use anyport_protocol::{
    Limits, Raw,
    json::{Elements, Members, Splice},
};
use serde_json::Value;

use crate::schema::Schema;

/// How often values are checked again: text may contain an object with text as its values.
const MAX_ROUNDS: usize = 4;
/// How many numbers are looked up as they were written: each takes time in proportion to all arguments.
const MAX_LOOKUPS: usize = 64;
/// The largest integer that every JSON reader reads exactly: 2^53 - 1.
const MAX_SAFE: f64 = 9_007_199_254_740_991.0;

/// The arguments that are coerced to the type that the schema wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Coercion {
    All,
    Fields(Vec<String>),
}

impl Coercion {
    /// Changes what does not fit `schema` where the change makes it fit, and gives the arguments so changed.
    ///
    /// The faults lead the way, so that arguments which fit cost nothing, and a value is left alone where the schema
    /// takes it as it came: a string stays one wherever a string is allowed.
    pub(crate) fn coerce(&self, schema: &Schema, arguments: &Raw, value: &mut Value) -> Option<Raw> {
        let mut tried = HashSet::new();
        let mut changed: HashMap<String, Value> = HashMap::new();
        let mut lookups = 0;
        for _ in 0..MAX_ROUNDS {
            let mut progress = false;
            for place in schema.ill_typed(value) {
                if !self.covers(&place) {
                    continue;
                }
                let Some(target) = value.pointer_mut(&place) else { continue };
                if !tried.insert(place.clone()) {
                    // It fits no better than before.
                    if let Some(original) = changed.remove(&place) {
                        *target = original;
                        progress = true;
                    }
                    continue;
                }
                let written = || {
                    lookups += 1;
                    (lookups <= MAX_LOOKUPS).then(|| text_at(arguments.as_str(), &place)).flatten()
                };
                if let Some(other) = other(target, written)
                    && let Entry::Vacant(slot) = changed.entry(place)
                {
                    slot.insert(std::mem::replace(target, other));
                    progress = true;
                }
            }
            if !progress {
                break;
            }
        }
        let fields: BTreeSet<String> = changed.keys().filter_map(|place| field(place)).collect();
        if fields.is_empty() {
            return None;
        }
        // Unchanged parts stay byte for byte.
        let kept = Splice::retain(arguments, |key| !fields.contains(key));
        let written = fields.iter().filter_map(|field| Some((field, Raw::from(value.get(field)?.clone()))));
        Some(written.fold(kept, |splice, (field, value)| splice.with(field, &value)).finish())
    }

    fn covers(&self, place: &str) -> bool {
        match (self, field(place)) {
            (_, None) => false,
            (Self::All, _) => true,
            (Self::Fields(fields), Some(field)) => fields.contains(&field),
        }
    }
}

/// The same value as another type: what a text holds as JSON, or a number or boolean as text. What was `written` is
/// asked for only where the value does not tell it.
fn other<'a>(value: &Value, written: impl FnOnce() -> Option<&'a str>) -> Option<Value> {
    match value {
        Value::String(inside) => {
            // It has not been scanned as part of the message: to that, it was only text.
            let raw = Raw::parse(inside.clone().into(), &Limits::default()).ok()?;
            match raw.decode().ok()? {
                Value::String(_) => None,
                Value::Number(number) => Some(match number.as_f64() {
                    Some(float) if !number.is_i64() && !number.is_u64() && is_whole(float) => {
                        Value::from(float as i64)
                    }
                    _ => Value::Number(number),
                }),
                other => Some(other),
            }
        }
        Value::Bool(flag) => Some(flag.to_string().into()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string().into()),
        // As it was written: an identity of thirty digits, or 1.50, must not be rounded.
        Value::Number(_) => written().map(Into::into),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn is_whole(number: f64) -> bool {
    number.fract() == 0.0 && number.abs() <= MAX_SAFE
}

/// The top field on the way to `place`, a JSON pointer.
fn field(place: &str) -> Option<String> {
    segments(place).next()
}

/// The text at `place` in the arguments, if there is any.
fn text_at<'a>(arguments: &'a str, place: &str) -> Option<&'a str> {
    segments(place).try_fold(arguments, |text, segment| {
        if text.starts_with('{') {
            return Members::find(text, &segment);
        }
        text.starts_with('[').then(|| Elements::of(text).nth(segment.parse().ok()?)).flatten()
    })
}

/// RFC 6901 §4.
fn segments(place: &str) -> impl Iterator<Item = String> {
    place.split('/').skip(1).map(|segment| segment.replace("~1", "/").replace("~0", "~"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Schema {
        Schema::compile(&json!({
            "type": "object",
            "properties": {
                "n": {"type": "integer", "maximum": 10},
                "x": {"type": "number"},
                "on": {"type": "boolean"},
                "list": {"type": "array", "items": {"type": "integer"}},
                "object": {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": false},
                "text": {"type": "string"},
                "maybe": {"type": ["integer", "null"]},
                "either": {"type": ["integer", "string"]},
                "nested": {"anyOf": [{"$ref": "#/properties/object"}, {"type": "null"}]},
                "choice": {"enum": [1, 2]},
                "a/b": {"type": "integer"}
            },
            "required": ["n"]
        }))
        .unwrap()
    }

    /// The coerced arguments, and whether they fit.
    fn coerced(coerce: &Coercion, arguments: &Value) -> (Value, bool) {
        let (schema, raw) = (schema(), Raw::from(arguments.clone()));
        let mut value = arguments.clone();
        let written = coerce.coerce(&schema, &raw, &mut value);
        assert_eq!(written.map_or(arguments.clone(), |raw| raw.decode().unwrap()), value);
        let fits = schema.check(&value).is_ok();
        (value, fits)
    }

    #[track_caller]
    fn becomes(field: &str, from: Value, to: Value) {
        let (value, fits) = coerced(&Coercion::All, &json!({"n": 1, field: from}));
        assert!(fits && value[field] == to, "{value}");
    }

    #[track_caller]
    fn stays(field: &str, value: Value) {
        let arguments = json!({"n": 1, field: value});
        assert_eq!(coerced(&Coercion::All, &arguments).0, arguments);
    }

    #[test]
    fn text_becomes_what_it_holds_where_that_is_wanted() {
        becomes("n", json!(" 5 "), json!(5));
        becomes("n", json!("5.0"), json!(5));
        becomes("x", json!("-1e3"), json!(-1000));
        becomes("x", json!("0.5"), json!(0.5));
        becomes("on", json!("true"), json!(true));
        becomes("list", json!("[1, 2]"), json!([1, 2]));
        becomes("object", json!(r#"{"a": 1}"#), json!({"a": 1}));
        becomes("maybe", json!("null"), json!(null));
        becomes("choice", json!("2"), json!(2));
        becomes("nested", json!(r#"{"a": 1}"#), json!({"a": 1}));
        becomes("a/b", json!("7"), json!(7));
    }

    #[test]
    fn it_works_inside_of_objects_and_arrays_too() {
        becomes("list", json!(["1", 2]), json!([1, 2]));
        becomes("object", json!({"a": "1"}), json!({"a": 1}));
        becomes("nested", json!({"a": "1"}), json!({"a": 1}));
        becomes("list", json!(r#"["1", "2"]"#), json!([1, 2]));
    }

    #[test]
    fn numbers_and_booleans_become_text_as_they_were_written() {
        becomes("text", json!(5), json!("5"));
        becomes("text", json!(true), json!("true"));
        let raw =
            Raw::parse(r#"{"n":1,"text":123456789012345678901234.50}"#.into(), &Limits::default()).unwrap();
        let mut value = raw.decode().unwrap();
        Coercion::All.coerce(&schema(), &raw, &mut value).unwrap();
        assert_eq!(value["text"], "123456789012345678901234.50");
    }

    #[test]
    fn what_fits_or_cannot_be_made_fit_stays() {
        stays("text", json!("5"));
        stays("either", json!("5"));
        for (field, value) in [
            ("on", json!("yes")),
            ("on", json!("1")),
            ("on", json!(1)),
            ("n", json!("5.5")),
            ("n", json!("five")),
            ("n", json!("")),
            ("n", json!("[1]")),
            ("n", json!(null)),
            ("choice", json!("3")),
            ("text", json!([1])),
            ("list", json!("[1")),
            ("list", json!(r#"["a"]"#)),
        ] {
            let arguments = json!({"n": 1, field: value});
            let (after, fits) = coerced(&Coercion::All, &arguments);
            assert!(!fits, "{arguments}");
            if field != "list" {
                assert_eq!(after, arguments);
            }
        }
    }

    #[test]
    fn a_value_of_the_right_type_that_breaks_another_rule_is_judged_by_that() {
        let (value, fits) = coerced(&Coercion::All, &json!({"n": "50"}));
        assert_eq!((value, fits), (json!({"n": 50}), false));
    }

    #[test]
    fn only_the_named_fields_are_changed() {
        let only = Coercion::Fields(vec!["n".to_owned()]);
        let (value, fits) = coerced(&only, &json!({"n": "5", "x": "5"}));
        assert_eq!((value, fits), (json!({"n": 5, "x": "5"}), false));
    }

    #[test]
    fn what_is_not_changed_keeps_its_bytes() {
        let raw = r#"{ "x" : 1.50e0, "n":"1", "other":[ 12345678901234567890123 ] }"#;
        let raw = Raw::parse(raw.into(), &Limits::default()).unwrap();
        let mut value = raw.decode().unwrap();
        let coerced = Coercion::All.coerce(&schema(), &raw, &mut value).unwrap();
        assert_eq!(coerced.as_str(), r#"{"x" : 1.50e0,"other":[ 12345678901234567890123 ],"n":1}"#);
    }

    #[test]
    fn many_values_take_no_longer_than_few_each() {
        let schema = json!({"type": "object", "properties": {"l": {"items": {"type": "string"}}}});
        let schema = Schema::compile(&schema).unwrap();
        let coerced = |item: &Value| {
            let raw = Raw::from(json!({"l": vec![item; 2 * MAX_LOOKUPS]}));
            let mut value = raw.decode().unwrap();
            let _ = Coercion::All.coerce(&schema, &raw, &mut value);
            value["l"].as_array().unwrap().iter().filter(|item| item.is_string()).count()
        };
        assert_eq!(coerced(&json!(5)), 2 * MAX_LOOKUPS, "nothing is looked up");
        assert_eq!(coerced(&json!(0.5)), MAX_LOOKUPS, "others are told as faults");
    }

    #[test]
    fn text_that_hides_a_bomb_stays_text() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        stays("object", deep.into());
    }
}
