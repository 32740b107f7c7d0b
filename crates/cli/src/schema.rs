//! References within a tool's schema; none is ever fetched.

use serde_json::{Map, Value};

/// How often a schema may point to another before it is not followed further: a schema may point to itself.
const MAX_HOPS: usize = 32;

/// The schema that `schema` points to by `$ref` within `root`, over any number of references; itself where it does not, or
/// where nothing is there.
pub(crate) fn followed<'a>(
    root: &'a Map<String, Value>,
    schema: &'a Map<String, Value>,
) -> &'a Map<String, Value> {
    let mut schema = schema;
    for _ in 0..MAX_HOPS {
        let pointer = schema.get("$ref").and_then(Value::as_str).and_then(|to| to.strip_prefix('#'));
        match pointer.and_then(|pointer| at(root, pointer)) {
            Some(next) => schema = next,
            None => break,
        }
    }
    schema
}

/// What a JSON pointer (RFC 6901) names in `root`.
fn at<'a>(root: &'a Map<String, Value>, pointer: &str) -> Option<&'a Map<String, Value>> {
    if pointer.is_empty() {
        return Some(root);
    }
    let mut parts = pointer.strip_prefix('/')?.split('/');
    let first = root.get(parts.next()?)?;
    let rest: Vec<&str> = parts.collect();
    match rest.is_empty() {
        true => first.as_object(),
        false => first.pointer(&format!("/{}", rest.join("/")))?.as_object(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn references_are_followed_within_the_schema() {
        let root = json!({"a": {"$ref": "#/$defs/B"}, "$defs": {"B": {"$ref": "#/$defs/C"}, "C": {"type": "null"}},
            "self": {"$ref": "#/self"}, "out": {"$ref": "https://example.com"}, "root": {"$ref": "#"}});
        let root = root.as_object().unwrap();
        let from = |name: &str| followed(root, root[name].as_object().unwrap());
        assert_eq!(from("a")["type"], "null");
        assert_eq!(from("self")["$ref"], "#/self");
        assert_eq!(from("out")["$ref"], "https://example.com");
        assert!(from("root").contains_key("$defs"));
    }
}
