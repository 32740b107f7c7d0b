//! `x-mcp-header`: parameters of tools that clients mirror into `Mcp-Param-*` headers.

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::{
    json::Members,
    schema::{self, WalkError},
};

/// The annotation in a property's schema.
const KEYWORD: &str = "x-mcp-header";

/// Which arguments of a tool are mirrored into which headers; compiled from its input schema.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan(Vec<Header>);

/// One argument that is mirrored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    name: String,
    path: Vec<String>,
}

/// Why an annotation was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum HeaderProblem {
    /// It is no name of a header.
    #[error("x-mcp-header {0} is no name of a header: use letters, digits and !#$%&'*+-.^_`|~")]
    Name(Value),
    /// Another property has it too.
    #[error("x-mcp-header {0:?} is used twice; header names differ by more than case")]
    Twice(String),
    /// The property cannot be mirrored.
    #[error("x-mcp-header {0:?} stands on a property that is no string, integer or boolean (nor `number`)")]
    Type(String),
    /// The property cannot be found from the root.
    #[error("x-mcp-header {0:?} stands where not only `properties` lead")]
    Place(String),
    /// The schema is not looked into.
    #[error(transparent)]
    Schema(#[from] WalkError),
}

impl Plan {
    /// Reads the annotations of an input schema.
    ///
    /// 2026-07-28, streamable-http §Schema Extension: the name "MUST match HTTP field-name token syntax", "MUST be
    /// case-insensitively unique", "MUST only be applied to parameters with primitive types (integer, string,
    /// boolean)" and "to properties that are statically reachable from the schema root".
    ///
    /// # Errors
    /// The first annotation that breaks these rules.
    pub fn compile(schema: &Value) -> Result<Self, HeaderProblem> {
        let mut found = Vec::new();
        schema::walk(schema, &mut |subschema, path| {
            if let Some(name) = subschema.get(KEYWORD) {
                let path = path.map(|path| path.iter().map(|&key| key.to_owned()).collect::<Vec<_>>());
                found.push((name, path, subschema));
            }
        })?;
        let mut seen = HashSet::new();
        let mut headers = Vec::with_capacity(found.len());
        for (value, path, subschema) in found {
            let name = value.as_str().filter(|name| is_token(name));
            let name = name.ok_or_else(|| HeaderProblem::Name(value.clone()))?.to_owned();
            let Some(path) = path.filter(|path| !path.is_empty()) else {
                return Err(HeaderProblem::Place(name));
            };
            if !is_mirrored_type(subschema) {
                return Err(HeaderProblem::Type(name));
            }
            if !seen.insert(name.to_ascii_lowercase()) {
                return Err(HeaderProblem::Twice(name));
            }
            headers.push(Header { name, path });
        }
        Ok(Self(headers))
    }

    /// The arguments that are mirrored.
    pub fn headers(&self) -> &[Header] {
        &self.0
    }
}

impl Header {
    /// The name after `Mcp-Param-`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The chain of `properties` keys from the root.
    pub fn path(&self) -> &[String] {
        &self.path
    }

    /// The argument's JSON text, unless it is absent or null: then the header is left out.
    pub fn value<'a>(&self, arguments: &'a str) -> Option<&'a str> {
        let value = self.path.iter().try_fold(arguments, |object, key| Members::find(object, key))?;
        (value != "null").then_some(value)
    }
}

fn is_token(name: &str) -> bool {
    let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_tchar)
}

/// Optional parameters may be `null` too: then the header is absent.
fn is_mirrored_type(schema: &Map<String, Value>) -> bool {
    let primitive = |name: &Value| matches!(name.as_str(), Some("string" | "integer" | "boolean"));
    match schema.get("type") {
        Some(Value::Array(types)) => {
            types.iter().filter(|name| primitive(name)).count() == 1
                && types.iter().all(|name| primitive(name) || name.as_str() == Some("null"))
        }
        Some(name) => primitive(name),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bad_annotations_are_refused_when_compiled() {
        let refused = |property: Value| {
            let schema = json!({"type": "object", "properties": {"a": property, "b":
                {"type": "string", "x-mcp-header": "Taken"}}});
            Plan::compile(&schema).map(|_| ()).map_err(|problem| problem.to_string())
        };
        assert_eq!(refused(json!({"type": "string", "x-mcp-header": "Fine-1"})), Ok(()));
        for name in [json!(""), json!("with space"), json!("a:b"), json!("é"), json!("a\r\n"), json!(5)] {
            let problem = refused(json!({"type": "string", "x-mcp-header": name})).unwrap_err();
            assert!(problem.contains("no name of a header"), "{problem}");
        }
        for kind in
            [json!("number"), json!("object"), json!("array"), json!("null"), json!(["string", "integer"])]
        {
            let problem = refused(json!({"type": kind, "x-mcp-header": "A"})).unwrap_err();
            assert!(problem.contains("no string, integer or boolean"), "{problem}");
        }
        assert!(refused(json!({"x-mcp-header": "A"})).is_err());
        assert!(refused(json!({"type": "string", "x-mcp-header": "tAKEN"})).unwrap_err().contains("twice"));
        for place in [
            json!({"type": "array", "items": {"type": "string", "x-mcp-header": "A"}}),
            json!({"anyOf": [{"type": "string", "x-mcp-header": "A"}]}),
            json!({"if": {"properties": {"c": {"type": "string", "x-mcp-header": "A"}}}}),
        ] {
            assert!(refused(place).unwrap_err().contains("properties"));
        }
        // A property of that name, and data that looks like an annotation, are not annotations.
        assert_eq!(refused(json!({"properties": {"x-mcp-header": {"type": "number"}}})), Ok(()));
        assert_eq!(refused(json!({"default": {"x-mcp-header": ""}})), Ok(()));
    }
}
