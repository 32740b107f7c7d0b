//! The schemas of the specification, to hold answers against.

use anyport_protocol::Revision;
use jsonschema::Validator;
use serde_json::{Value, json};

/// The validator of one definition of a revision's schema.
pub(crate) fn validator(revision: Revision, definition: &str) -> Validator {
    let path = format!("{}/../protocol/tests/data/spec/{revision}/schema.json", env!("CARGO_MANIFEST_DIR"));
    let root: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let key = if root.get("$defs").is_some() { "$defs" } else { "definitions" };
    assert!(root[key].get(definition).is_some(), "{revision} has no {definition}");
    let wrapper = json!({
        "$schema": root["$schema"],
        "$ref": format!("#/{key}/{definition}"),
        key: root[key],
    });
    jsonschema::validator_for(&wrapper).unwrap()
}
