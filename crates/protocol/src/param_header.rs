//! `Mcp-Param-*`: headers that repeat arguments of a tool, as the `x-mcp-header` annotations in its input schema say.

use std::{borrow::Cow, collections::HashSet};

use serde_json::{Map, Value};

use crate::{
    Error, Raw,
    json::{Members, string},
    meta::{decode_header, encode_header, header_text},
    schema::{self, WalkError},
};

/// The annotation in a property's schema.
pub const KEYWORD: &str = "x-mcp-header";

/// The largest integer that every JSON reader reads exactly: 2^53 - 1.
const MAX_SAFE: f64 = 9_007_199_254_740_991.0;

/// The `Mcp-Param-*` headers of a call. A transport carries them; the owner of the tool's schema compares them with the
/// arguments (2026-07-28, streamable-http §Server Behavior for Custom Headers).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParamHeaders(Vec<(String, Vec<u8>)>);

impl ParamHeaders {
    /// Adds a header: `name` without `Mcp-Param-`, in lower case.
    pub fn push(&mut self, name: String, value: Vec<u8>) {
        self.0.push((name, value));
    }

    /// The values of the header called `name`, whatever its case.
    pub fn get(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Whether there is no header.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All headers, name and value, as they were added.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// All headers, in an order that does not depend on how they came.
    pub fn sorted(&self) -> Vec<(&str, &[u8])> {
        let mut all: Vec<_> = self.iter().collect();
        all.sort_unstable();
        all
    }
}

/// The parameters of a tool that have a header, compiled from the tool's input schema.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan(Vec<Header>);

/// One parameter that has a header.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Header {
    /// The name after `Mcp-Param-`.
    name: String,
    /// The chain of `properties` keys from the root.
    path: Vec<String>,
}

/// The reason why the annotations of a schema are invalid.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum HeaderProblem {
    /// The schema cannot be read.
    #[error("the schema cannot be read: {0}")]
    Unreadable(String),
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
            if !has_header_type(subschema) {
                return Err(HeaderProblem::Type(name));
            }
            if !seen.insert(name.to_ascii_lowercase()) {
                return Err(HeaderProblem::Twice(name));
            }
            headers.push(Header { name, path });
        }
        Ok(Self(headers))
    }

    /// Reads the annotations of a tool as a server lists it: a JSON object with an `inputSchema`.
    ///
    /// # Errors
    /// As for [`Plan::compile`].
    pub fn of_tool(tool: &str) -> Result<Self, HeaderProblem> {
        // Hardly any tool is annotated: the schemas of the others are not parsed.
        match Members::find(tool, "inputSchema").filter(|schema| schema.contains(KEYWORD)) {
            Some(schema) => {
                let schema = serde_json::from_str(schema);
                Self::compile(&schema.map_err(|error| HeaderProblem::Unreadable(error.to_string()))?)
            }
            None => Ok(Self::default()),
        }
    }

    /// The parameters that have a header: its name after `Mcp-Param-`, and the chain of `properties` keys from the root.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|header| (&*header.name, &*header.path))
    }

    /// Whether no parameter has a header.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Derives the headers of a call from its arguments.
    ///
    /// 2026-07-28, streamable-http §Client Behavior: "Append a `Mcp-Param-{Name}: {Value}` header to the request".
    pub fn derive(&self, arguments: &Raw) -> ParamHeaders {
        let mut headers = ParamHeaders::default();
        for header in &self.0 {
            // A list or an object has no form as a header; the server refuses the argument itself.
            let value = header.value(arguments.as_str()).filter(|value| !value.starts_with(['{', '[']));
            if let Some(value) = value {
                let value = arguments.slice(value);
                let text = integer(&value).map_or_else(|| header_text(&value), Cow::Owned);
                headers
                    .push(header.name.to_ascii_lowercase(), encode_header(&text).into_owned().into_bytes());
            }
        }
        headers
    }

    /// Compares the headers of a call with its arguments.
    ///
    /// # Errors
    /// -32020 (2026-07-28, streamable-http §Server Behavior for Custom Headers: servers "MUST validate that encoded
    /// header values, after decoding if Base64-encoded, match the corresponding values in the request body").
    pub fn check(&self, headers: &ParamHeaders, arguments: &str) -> Result<(), Error> {
        self.0.iter().try_for_each(|header| header.check(headers, arguments))
    }
}

impl Header {
    /// The argument's JSON text. §Schema Extension: "If no value is present at that path in the call arguments, the header
    /// is omitted"; so it is for `null`.
    fn value<'a>(&self, arguments: &'a str) -> Option<&'a str> {
        let value = self.path.iter().try_fold(arguments, |object, key| Members::find(object, key))?;
        (value != "null").then_some(value)
    }

    fn check(&self, headers: &ParamHeaders, arguments: &str) -> Result<(), Error> {
        let mut values = headers.get(&self.name);
        let (header, value) = match (values.next(), self.value(arguments)) {
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
        if is_same(&header, value) { Ok(()) } else { Err(self.mismatch("differs from the argument")) }
    }

    fn mismatch(&self, what: &str) -> Error {
        let path = self.path.join(".");
        Error::header_mismatch(format!("header Mcp-Param-{} {what} ({path:.128})", self.name))
    }
}

/// The decimal digits of an integer that is written as `42.0` or `1e3`; §Value Encoding demands the decimal form.
fn integer(value: &Raw) -> Option<String> {
    let text = value.as_str();
    let number = number(text).filter(|_| text.contains(['.', 'e', 'E']))?;
    (number.fract() == 0.0 && number.abs() <= MAX_SAFE).then(|| format!("{number:.0}"))
}

/// Whether the decoded text of a header and the JSON text of an argument have the same value.
fn is_same(header: &str, value: &str) -> bool {
    if let Some(inside) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        return string::unescape(inside) == header;
    }
    match (number(header), number(value)) {
        // Integers are compared as numbers: a client may write 42 for 42.0.
        (Some(header), Some(value)) => header == value && value.fract() == 0.0 && value.abs() <= MAX_SAFE,
        _ => header == value,
    }
}

/// The number that `text` is in JSON's notation.
fn number(text: &str) -> Option<f64> {
    serde_json::from_str::<serde_json::Number>(text).ok()?.as_f64()
}

fn is_token(name: &str) -> bool {
    let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_tchar)
}

/// Optional parameters may be `null` too: then the header is absent.
fn has_header_type(schema: &Map<String, Value>) -> bool {
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
    fn headers_are_derived_from_the_arguments_that_have_a_value() {
        let derived = |arguments: Value| {
            let headers = plan().derive(&arguments.into());
            let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
            headers.iter().map(|(name, value)| format!("{name}: {}", text(value))).collect::<Vec<_>>()
        };
        assert_eq!(
            derived(json!({"region": "世界", "limit": 42.0, "deep": {"flag": true}})),
            ["region: =?base64?5LiW55WM?=", "limit: 42", "flag: true"]
        );
        assert_eq!(derived(json!({"region": "1e3", "limit": -7})), ["region: 1e3", "limit: -7"]);
        assert_eq!(derived(json!({"region": ["x"], "limit": null, "deep": 5})), [""; 0]);
    }

    #[test]
    fn derived_headers_pass_the_check() {
        for arguments in [
            json!({"region": " a ", "limit": 1e3}),
            json!({"region": "=?base64?eA==?=", "limit": 9_007_199_254_740_991_i64}),
            json!({"region": "", "deep": {"flag": false}}),
        ] {
            let arguments = Raw::from(arguments);
            let checked = plan().check(&plan().derive(&arguments), arguments.as_str());
            assert_eq!(checked.map_err(|error| error.message), Ok(()), "{arguments}");
        }
    }

    #[test]
    fn a_listed_tool_is_read_only_if_it_is_annotated() {
        assert_eq!(Plan::of_tool(r#"{"name":"t"}"#), Ok(Plan::default()));
        assert_eq!(Plan::of_tool(r#"{"inputSchema":5,"description":"x-mcp-header"}"#), Ok(Plan::default()));
        let tool = r#"{"inputSchema":{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}}"#;
        assert!(!Plan::of_tool(tool).unwrap().is_empty());
        assert!(Plan::of_tool(&tool.replace("string", "number")).is_err());
    }
}
