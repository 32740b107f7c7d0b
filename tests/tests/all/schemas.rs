//! Schemas that every client and every model's interface takes, of every kind of value.

use std::collections::BTreeSet;

use anyport_testing::TestServer as _;
use anyport_tests::kinds::{RECURSIVE, server};
use serde_json::Value;

/// The formats of JSON Schema 2020-12 (validation §7.3).
const FORMATS: &[&str] = &[
    "date-time",
    "date",
    "time",
    "duration",
    "email",
    "idn-email",
    "hostname",
    "idn-hostname",
    "ipv4",
    "ipv6",
    "uri",
    "uri-reference",
    "iri",
    "iri-reference",
    "uuid",
    "uri-template",
    "json-pointer",
    "relative-json-pointer",
    "regex",
];

/// Each schema of the server's tools, with a name for it.
async fn schemas() -> Vec<(String, Value)> {
    let mut client = server().unwrap().client().await.unwrap();
    let mut schemas = Vec::new();
    for tool in client.tools().await.unwrap() {
        let tool = serde_json::to_value(tool).unwrap();
        let name = tool["name"].as_str().unwrap();
        for which in ["inputSchema", "outputSchema"] {
            assert!(tool[which].is_object(), "{name} has no {which}");
            schemas.push((format!("{name} {which}"), tool[which].clone()));
        }
    }
    assert!(schemas.len() >= 20, "{}", schemas.len());
    schemas
}

/// Calls `look` with each schema in `schema`, and with where it stands; not with values.
fn walk<'a>(schema: &'a Value, place: &str, look: &mut impl FnMut(&'a Value, &str)) {
    look(schema, place);
    let Some(members) = schema.as_object() else { return };
    for (keyword, value) in members {
        let place = format!("{place}/{keyword}");
        match keyword.as_str() {
            "properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas" => {
                for (name, schema) in value.as_object().unwrap() {
                    walk(schema, &format!("{place}/{name}"), look);
                }
            }
            "allOf" | "anyOf" | "oneOf" | "prefixItems" => {
                for (index, schema) in value.as_array().unwrap().iter().enumerate() {
                    walk(schema, &format!("{place}/{index}"), look);
                }
            }
            "items"
            | "additionalProperties"
            | "unevaluatedProperties"
            | "propertyNames"
            | "contains"
            | "not"
            | "if"
            | "then"
            | "else" => walk(value, &place, look),
            _ => {}
        }
    }
}

#[tokio::test]
async fn no_format_is_used_that_json_schema_does_not_know() {
    let mut used = BTreeSet::new();
    for (name, schema) in schemas().await {
        walk(&schema, &name, &mut |schema, place| {
            if let Some(format) = schema.get("format") {
                let format = format.as_str().unwrap();
                assert!(FORMATS.contains(&format), "{place}: {format}");
                used.insert(format.to_owned());
            }
        });
    }
    // What a type says of itself stays.
    let expected = ["date-time", "ipv4", "ipv6", "uri", "uuid"].map(str::to_owned);
    assert_eq!(used, BTreeSet::from(expected));
}

#[tokio::test]
async fn each_value_has_one_type() {
    for (name, schema) in schemas().await {
        walk(&schema, &name, &mut |schema, place| {
            assert!(!schema["type"].is_array(), "{place}: {schema}");
        });
    }
}

#[tokio::test]
async fn optional_values_are_absent_instead_of_null() {
    for (name, schema) in schemas().await {
        walk(&schema, &name, &mut |schema, place| {
            let Some(properties) = schema["properties"].as_object() else { return };
            let required = |name: &str| {
                schema["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name))
            };
            for (name, property) in properties.iter().filter(|(name, _)| !required(name)) {
                let is_null = |schema: &Value| schema["type"] == "null";
                let alternatives = property["anyOf"].as_array().map(Vec::as_slice).unwrap_or_default();
                // Any JSON has null among its types.
                let is_any = alternatives.len() == 6;
                assert!(is_any || !alternatives.iter().any(is_null), "{place}/properties/{name}: {property}");
                assert_ne!(
                    property["default"],
                    Value::Null.to_string(),
                    "{place}/properties/{name}: {property}"
                );
            }
        });
    }
}

/// No property, item or definition is described by `true`, which interfaces of models take for no schema.
#[tokio::test]
async fn each_value_is_described_by_an_object() {
    for (name, schema) in schemas().await {
        walk(&schema, &name, &mut |schema, place| {
            let says_what_else = ["/additionalProperties", "/items", "/unevaluatedProperties"];
            let is_switch = schema.is_boolean() && says_what_else.iter().any(|end| place.ends_with(end));
            assert!(schema.is_object() || is_switch, "{place}: {schema}");
        });
    }
}

#[tokio::test]
async fn references_are_local_and_lead_back_only_in_types_that_contain_themselves() {
    let mut recursive = BTreeSet::new();
    for (name, schema) in schemas().await {
        walk(&schema, &name, &mut |inner, place| {
            if let Some(reference) = inner["$ref"].as_str() {
                let pointer = reference.strip_prefix('#').unwrap_or_else(|| panic!("{place}: {reference}"));
                assert!(schema.pointer(pointer).is_some(), "{place}: {reference} leads nowhere");
            }
        });
        if leads_back(&schema, &schema, &mut Vec::new()) {
            recursive.insert(name.split(' ').next().unwrap().to_owned());
        }
    }
    assert_eq!(recursive, ["generic", RECURSIVE].map(str::to_owned).into());
}

/// Whether a reference in `schema` leads to itself, over the references in `path`.
fn leads_back<'a>(root: &'a Value, schema: &'a Value, path: &mut Vec<&'a str>) -> bool {
    let mut references = Vec::new();
    walk(schema, "", &mut |schema, place| {
        // Definitions count where they are referred to.
        if let Some(reference) = schema["$ref"].as_str().filter(|_| !place.contains("/$defs/")) {
            references.push(reference);
        }
    });
    references.into_iter().any(|reference| {
        if path.contains(&reference) {
            return true;
        }
        path.push(reference);
        let target = root.pointer(&reference[1..]).unwrap();
        let found = target == root || leads_back(root, target, path);
        path.pop();
        found
    })
}

/// The schemas say what the readers take: for each, an instance of it.
#[tokio::test]
async fn schemas_compile_under_their_dialect() {
    for (name, schema) in schemas().await {
        let compiled = jsonschema::options().with_draft(jsonschema::Draft::Draft202012).build(&schema);
        assert!(compiled.is_ok(), "{name}: {:?}", compiled.err());
    }
}
