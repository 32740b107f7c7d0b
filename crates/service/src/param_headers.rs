//! `Mcp-Param-*`: headers that mirror arguments, held against them.

use anyport_protocol::{
    Error,
    json::string,
    meta::decode_header,
    param_header::{Header, Plan},
};

use crate::ParamHeaders;

/// The largest integer that every JSON reader reads exactly: 2^53 - 1.
const MAX_SAFE: f64 = 9_007_199_254_740_991.0;

/// Compares the headers of a call with its arguments.
///
/// # Errors
/// -32020 (2026-07-28, streamable-http §Server Behavior for Custom Headers: servers "MUST validate that encoded
/// header values, after decoding if Base64-encoded, match the corresponding values in the request body").
pub fn check(plan: &Plan, headers: &ParamHeaders, arguments: &str) -> Result<(), Error> {
    plan.headers().iter().try_for_each(|header| check_one(header, headers, arguments))
}

fn check_one(this: &Header, headers: &ParamHeaders, arguments: &str) -> Result<(), Error> {
    let mut values = headers.get(this.name());
    let value = this.value(arguments);
    let (header, value) = match (values.next(), value) {
        (None, None) => return Ok(()),
        (None, Some(_)) => return Err(mismatch(this, "is missing, while the argument has a value")),
        (Some(_), None) => return Err(mismatch(this, "has a value, while the argument is absent or null")),
        (Some(_), Some(_)) if values.next().is_some() => return Err(mismatch(this, "is there twice")),
        (Some(header), Some(value)) => (header, value),
    };
    let header = std::str::from_utf8(header).ok().filter(|text| {
        // §Value Encoding: "visible ASCII characters (0x21-0x7E), space (0x20), and horizontal tab (0x09)".
        text.bytes().all(|byte| matches!(byte, 0x20..=0x7e | b'\t'))
    });
    let header = header.ok_or_else(|| mismatch(this, "has characters that a header must not have"))?;
    let header = decode_header(header).ok_or_else(|| mismatch(this, "is no valid Base64 of UTF-8"))?;
    if says(&header, value) {
        return Ok(());
    }
    Err(mismatch(this, "differs from the argument"))
}

fn mismatch(header: &Header, what: &str) -> Error {
    let path = header.path().join(".");
    Error::header_mismatch(format!("header Mcp-Param-{} {what} ({path:.128})", header.name()))
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
        super::check(&plan(), &headers, arguments).map_err(|error| error.code)
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
}
