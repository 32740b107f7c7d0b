//! `x-mcp-header`: parameters that clients mirror into `Mcp-Param-*` headers.

use std::collections::HashSet;

use anyport_protocol::{
    Error,
    json::{Members, string},
    meta::decode_header,
};
use anyport_service::ParamHeaders;
use serde_json::{Map, Value};

use crate::schema::{self, SchemaError};

/// The annotation in a property's schema.
const KEYWORD: &str = "x-mcp-header";

/// The largest integer that every JSON reader reads exactly: 2^53 - 1.
const MAX_SAFE: f64 = 9_007_199_254_740_991.0;

/// Which arguments of a tool are mirrored into which headers; compiled from its input schema.
#[derive(Debug, Default)]
pub(crate) struct Plan(Vec<Header>);

#[derive(Debug, PartialEq, Eq)]
struct Header {
    /// What stands behind `Mcp-Param-`.
    name: String,
    /// The chain of `properties` keys from the root.
    path: Vec<String>,
}

/// Why an annotation was refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HeaderProblem {
    #[error("x-mcp-header {0} is no name of a header: use letters, digits and !#$%&'*+-.^_`|~")]
    Name(Value),
    #[error("x-mcp-header {0:?} is used twice; header names differ by more than case")]
    Twice(String),
    #[error("x-mcp-header {0:?} stands on a property that is no string, integer or boolean (nor `number`)")]
    Type(String),
    #[error("x-mcp-header {0:?} stands where not only `properties` lead")]
    Place(String),
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

impl Plan {
    /// Reads the annotations of an input schema.
    ///
    /// 2026-07-28, streamable-http §Schema Extension: the name "MUST match HTTP field-name token syntax", "MUST be
    /// case-insensitively unique", "MUST only be applied to parameters with primitive types (integer, string,
    /// boolean)" and "to properties that are statically reachable from the schema root".
    pub(crate) fn compile(schema: &Value) -> Result<Self, HeaderProblem> {
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

    /// Compares the headers of a call with its arguments.
    ///
    /// # Errors
    /// -32020 (2026-07-28, streamable-http §Server Behavior for Custom Headers: servers "MUST validate that encoded
    /// header values, after decoding if Base64-encoded, match the corresponding values in the request body").
    pub(crate) fn check(&self, headers: &ParamHeaders, arguments: &str) -> Result<(), Error> {
        self.0.iter().try_for_each(|header| header.check(headers, arguments))
    }
}

impl Header {
    fn check(&self, headers: &ParamHeaders, arguments: &str) -> Result<(), Error> {
        let mut values = headers.get(&self.name);
        let value = self.value(arguments);
        let (header, value) = match (values.next(), value) {
            (None, None) => return Ok(()),
            (None, Some(_)) => return Err(self.mismatch("is missing, while the argument has a value")),
            (Some(_), None) => return Err(self.mismatch("has a value, while the argument is absent or null")),
            (Some(_), Some(_)) if values.next().is_some() => return Err(self.mismatch("is there twice")),
            (Some(header), Some(value)) => (header, value),
        };
        let header = std::str::from_utf8(header).ok().filter(|text| {
            // §Value Encoding: "visible ASCII characters (0x21-0x7E), space (0x20), and horizontal tab (0x09)".
            text.bytes().all(|byte| matches!(byte, 0x20..=0x7e | b'\t'))
        });
        let header = header.ok_or_else(|| self.mismatch("has characters that a header must not have"))?;
        let header = decode_header(header).ok_or_else(|| self.mismatch("is no valid Base64 of UTF-8"))?;
        if says(&header, value) {
            return Ok(());
        }
        Err(self.mismatch("differs from the argument"))
    }

    /// The argument's text, unless it is absent or null.
    fn value<'a>(&self, arguments: &'a str) -> Option<&'a str> {
        let value = self.path.iter().try_fold(arguments, |object, key| Members::find(object, key))?;
        (value != "null").then_some(value)
    }

    fn mismatch(&self, what: &str) -> Error {
        let path = self.path.join(".");
        Error::header_mismatch(format!("header Mcp-Param-{} {what} ({path:.128})", self.name))
    }
}

/// Whether a header's text says the same as an argument's JSON.
fn says(header: &str, value: &str) -> bool {
    if let Some(inside) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        return string::unescape(inside) == header;
    }
    match (number(header), number(value)) {
        // Integers are compared as numbers: a client may write 42 for 42.0.
        (Some(header), Some(value)) => header == value && value.fract() == 0.0 && value.abs() <= MAX_SAFE,
        _ => header == value,
    }
}

/// A number in JSON's own notation.
fn number(text: &str) -> Option<f64> {
    serde_json::from_str::<serde_json::Number>(text).ok()?.as_f64()
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

    fn plan() -> Plan {
        Plan::compile(&json!({"type": "object", "properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "limit": {"type": ["integer", "null"], "x-mcp-header": "Limit"},
            "deep": {"type": "object", "properties": {"flag": {"type": "boolean", "x-mcp-header": "Flag"}}}
        }}))
        .unwrap()
    }

    fn check(pairs: &[(&str, &[u8])], arguments: &str) -> Result<(), i64> {
        let mut headers = ParamHeaders::default();
        for (name, value) in pairs {
            headers.push((*name).into(), value.to_vec());
        }
        plan().check(&headers, arguments).map_err(|error| error.code)
    }

    #[test]
    fn headers_that_say_what_the_arguments_say_pass() {
        assert_eq!(check(&[], "{}"), Ok(()));
        assert_eq!(check(&[("region", b"us-west1")], r#"{"region":"us-west1","limit":null}"#), Ok(()));
        assert_eq!(check(&[("REGION", b"=?base64?5LiW?=")], r#"{"region":"\u4e16"}"#), Ok(()));
        assert_eq!(check(&[("limit", b"42")], r#"{"limit":42.0}"#), Ok(()));
        assert_eq!(check(&[("limit", b"42.0")], r#"{"limit":42}"#), Ok(()));
        assert_eq!(check(&[("flag", b"true")], r#"{"deep":{"flag":true}}"#), Ok(()));
        assert_eq!(check(&[("region", b"42")], r#"{"region":"42"}"#), Ok(()));
    }

    #[test]
    fn headers_that_differ_are_refused() {
        let refused = Err(-32020);
        assert_eq!(check(&[], r#"{"region":"x"}"#), refused, "missing");
        assert_eq!(check(&[("region", b"x")], "{}"), refused, "argument absent");
        assert_eq!(check(&[("limit", b"1")], r#"{"limit":null}"#), refused, "argument null");
        assert_eq!(check(&[("region", b"x"), ("Region", b"x")], r#"{"region":"x"}"#), refused, "repeated");
        assert_eq!(check(&[("region", b"X")], r#"{"region":"x"}"#), refused, "other case");
        assert_eq!(check(&[("region", b"=?base64?eA?=")], r#"{"region":"x"}"#), refused, "no padding");
        assert_eq!(check(&[("region", b"x\xff")], r#"{"region":"x"}"#), refused, "no ASCII");
        assert_eq!(check(&[("limit", b"43")], r#"{"limit":42}"#), refused);
        assert_eq!(
            check(&[("limit", b"9007199254740993")], r#"{"limit":9007199254740993}"#),
            refused,
            "unsafe"
        );
        assert_eq!(check(&[("flag", b"True")], r#"{"deep":{"flag":true}}"#), refused);
    }

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
        // A property of that name, and data that looks like an annotation, are none.
        assert_eq!(refused(json!({"properties": {"x-mcp-header": {"type": "number"}}})), Ok(()));
        assert_eq!(refused(json!({"default": {"x-mcp-header": ""}})), Ok(()));
    }
}
