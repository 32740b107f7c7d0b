//! Envelopes written around text that is already JSON.

use super::{Error, Id};
use crate::json::{Raw, string};

/// Appends a response that carries `result`.
pub fn write_result(out: &mut Vec<u8>, id: &Id, result: &Raw) {
    write_around(out, id, result.as_str(), "}");
}

/// Appends a response up to its result. Whoever writes the result behind it, without a copy, adds the final brace.
pub fn write_result_head(out: &mut Vec<u8>, id: &Id) {
    write_around(out, id, "", "");
}

fn write_around(out: &mut Vec<u8>, id: &Id, result: &str, end: &str) {
    const ID: &str = r#"{"jsonrpc":"2.0","id":"#;
    const RESULT: &str = r#","result":"#;
    let parts = [ID, id.as_raw().as_str(), RESULT, result, end];
    // To the byte: a `Vec` without room to spare becomes `Bytes` as it is.
    out.reserve_exact(parts.iter().map(|part| part.len()).sum());
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
}

/// Appends a response that carries `error`.
///
/// An id that could not be read is left out, or `null` where `null_id` says that the peer's revision wants it:
/// up to 2025-06-18 the member is required (JSON-RPC 2.0 §5), from 2025-11-25 on it is optional and never null.
pub fn write_error(out: &mut Vec<u8>, id: Option<&Id>, error: &Error, null_id: bool) {
    out.extend_from_slice(br#"{"jsonrpc":"2.0""#);
    let id = id.map(|id| id.as_raw().as_str()).or(null_id.then_some("null"));
    if let Some(id) = id {
        out.extend_from_slice(br#","id":"#);
        out.extend_from_slice(id.as_bytes());
    }
    out.extend_from_slice(br#","error":{"code":"#);
    out.extend_from_slice(error.code.to_string().as_bytes());
    out.extend_from_slice(br#","message":"#);
    string::write(out, &error.message);
    if let Some(data) = &error.data {
        out.extend_from_slice(br#","data":"#);
        out.extend_from_slice(data.as_str().as_bytes());
    }
    out.extend_from_slice(b"}}");
}

/// Appends a notification.
pub fn write_notification(out: &mut Vec<u8>, method: &str, params: Option<&Raw>) {
    out.extend_from_slice(br#"{"jsonrpc":"2.0""#);
    write_call(out, method, params);
}

/// Appends a request.
pub fn write_request(out: &mut Vec<u8>, id: &Id, method: &str, params: Option<&Raw>) {
    let params_len = params.map_or(0, |params| params.as_str().len());
    // Enough unless the method is one that must be escaped; then the buffer grows.
    out.reserve_exact(ENVELOPE + id.as_raw().as_str().len() + method.len() + params_len);
    out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    out.extend_from_slice(id.as_raw().as_str().as_bytes());
    write_call(out, method, params);
}

/// The text around id, method and params of a request that has all three.
const ENVELOPE: usize = r#"{"jsonrpc":"2.0","id":,"method":"","params":}"#.len();

fn write_call(out: &mut Vec<u8>, method: &str, params: Option<&Raw>) {
    out.extend_from_slice(br#","method":"#);
    string::write(out, method);
    if let Some(params) = params {
        out.extend_from_slice(br#","params":"#);
        out.extend_from_slice(params.as_str().as_bytes());
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jsonrpc::Reason;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn envelopes_are_written_as_json_rpc_says() {
        let (id, params) = (Id::from(7), Raw::EMPTY_OBJECT);
        assert_eq!(text(|out| write_result(out, &id, &params)), r#"{"jsonrpc":"2.0","id":7,"result":{}}"#);
        assert_eq!(
            text(|out| write_request(out, &id, "a/b", Some(&params))),
            r#"{"jsonrpc":"2.0","id":7,"method":"a/b","params":{}}"#
        );
        assert_eq!(text(|out| write_notification(out, "n", None)), r#"{"jsonrpc":"2.0","method":"n"}"#);
        let error = Error::internal("a \"b\"").with_reason(Reason::Timeout);
        assert_eq!(
            text(|out| write_error(out, Some(&id), &error, false)),
            r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32603,"message":"a \"b\"","data":{"reason":"timeout"}}}"#
        );
        let error = Error::new(-32700, "x");
        assert_eq!(
            text(|out| write_error(out, None, &error, true)),
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"x"}}"#
        );
        assert_eq!(
            text(|out| write_error(out, None, &error, false)),
            r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"x"}}"#
        );
    }
}
