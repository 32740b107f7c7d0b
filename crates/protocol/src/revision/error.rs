//! Errors between the eras: the codes that mean something else on the other side.

use super::Revision;
use crate::{Error, Method, Raw, json::Splice, jsonrpc::code};

/// Carries an error of a modern server, or of our own, to a client that speaks `to`.
///
/// A call of `method` that lacks a client capability is an invalid request there, a missing resource has its
/// own code, and -32042 exists in 2025-11-25 only. All else stays as it is.
pub fn lower_error(to: Revision, method: Option<Method>, error: Error) -> Error {
    let names_uri = |error: &Error| error.data.as_ref().is_some_and(|data| data.member("uri").is_some());
    let code = match error.code {
        _ if to.has_reserved_error_codes() => error.code,
        // Between two older revisions only one code means something else.
        code::URL_ELICITATION_REQUIRED if !to.has_url_elicitation() => code::INTERNAL_ERROR,
        code if error.is_older => code,
        code::MISSING_CLIENT_CAPABILITY => code::INVALID_REQUEST,
        // Without a URI it may as well mean params that are wrong.
        code::INVALID_PARAMS if method == Some(Method::ResourcesRead) && names_uri(&error) => {
            code::RESOURCE_NOT_FOUND
        }
        code => code,
    };
    Error { code, ..error }
}

/// Carries an error of a server that speaks `from` to a modern client that called `method` with `params`.
///
/// An error that goes on to a legacy client is not lifted: that client knows its codes. What -32042 asks for
/// has to be done before; the code itself never passes (2026-07-28, basic §Error Codes).
pub fn lift_error(from: Revision, method: Option<Method>, params: Option<&Raw>, error: Error) -> Error {
    if from.has_reserved_error_codes() {
        return error;
    }
    match error.code {
        code::RESOURCE_NOT_FOUND if method.is_some_and(about_resources) => missing_resource(params, error),
        code::PARSE_ERROR | code::INVALID_REQUEST | code::RESOURCE_NOT_FOUND => unnamed(error),
        // 2026-07-28, basic §Error Codes: -32020 to -32099 is reserved for the specification.
        -32099..=-32020 => unnamed(error),
        _ => error,
    }
}

fn about_resources(method: Method) -> bool {
    method.as_str().starts_with("resources/")
}

/// -32602 with `data.uri` as the client wrote it.
fn missing_resource(params: Option<&Raw>, error: Error) -> Error {
    let error = Error { code: code::INVALID_PARAMS, ..error };
    match params.and_then(|params| params.member("uri")) {
        Some(uri) => put(error, "uri", &uri),
        None => error,
    }
}

/// -32603 with the code that it had.
fn unnamed(error: Error) -> Error {
    let old = Raw::trusted(error.code.to_string().into_bytes());
    put(Error { code: code::INTERNAL_ERROR, ..error }, "upstreamCode", &old)
}

/// Sets a member of the data. Data that is no object becomes its member `data`.
fn put(error: Error, name: &str, value: &Raw) -> Error {
    let data = match &error.data {
        Some(data) if data.is_object() => Splice::retain(data, |key| key != name),
        Some(data) => Splice::new().with("data", data),
        None => Splice::new(),
    };
    error.with_data(data.with(name, value).finish())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{Limits, Method::*, Revision::*, json::canonical};

    fn raw(value: &Value) -> Raw {
        Raw::parse(value.to_string().into(), &Limits::default()).unwrap()
    }

    fn error(code: i64, data: Value) -> Error {
        Error::new(code, "words").with_data(raw(&data))
    }

    /// Compares code, words and data, whatever the order of its members.
    #[track_caller]
    fn same(actual: &Error, expected: &Error) {
        let data = |error: &Error| {
            error.data.as_ref().map(|data| canonical(&serde_json::from_str(data.as_str()).unwrap()))
        };
        assert_eq!((actual.code, &actual.message), (expected.code, &expected.message));
        assert_eq!(data(actual), data(expected), "{actual:?}");
    }

    #[test]
    fn missing_resource_down() {
        let missing = Error::resource_not_found("x:y");
        for revision in &Revision::ALL[..4] {
            let lowered = lower_error(*revision, Some(ResourcesRead), missing.clone());
            assert_eq!(lowered.code, code::RESOURCE_NOT_FOUND);
            assert_eq!(lowered.data, missing.data);
        }
        let unchanged = |to, method: Method, error: Error| {
            assert_eq!(lower_error(to, Some(method), error.clone()), error)
        };
        unchanged(V2026_07_28, ResourcesRead, missing.clone());
        unchanged(V2025_11_25, ToolsCall, missing);
        unchanged(V2025_11_25, ResourcesRead, Error::invalid_params("no uri"));
    }

    #[test]
    fn missing_is_32600() {
        let missing = Error::missing_capability(&raw(&json!({"sampling": {}})));
        let lowered = lower_error(V2025_11_25, Some(ToolsCall), missing.clone());
        same(&lowered, &Error { code: code::INVALID_REQUEST, ..missing });
        let url = error(code::URL_ELICITATION_REQUIRED, json!({"elicitations": []}));
        same(&lower_error(V2025_11_25, None, url.clone()), &url);
        let expected = Error { code: code::INTERNAL_ERROR, ..url.clone() };
        same(&lower_error(V2025_06_18, None, url), &expected);
    }

    #[test]
    fn missing_resource_up() {
        let params = raw(&json!({"uri": "x:client"}));
        let lift = |method, data| {
            lift_error(V2025_11_25, Some(method), Some(&params), error(code::RESOURCE_NOT_FOUND, data))
        };
        for data in [json!({}), json!({"uri": "x:upstream"})] {
            same(&lift(ResourcesRead, data), &error(code::INVALID_PARAMS, json!({"uri": "x:client"})));
        }
        same(
            &lift(ToolsCall, json!({"a": 1})),
            &error(code::INTERNAL_ERROR, json!({"a": 1, "upstreamCode": -32002})),
        );
    }

    #[test]
    fn reserved_codes_remapped() {
        for reserved in [-32700, -32600, -32020, -32021, -32042, -32099] {
            let lifted = lift_error(V2024_11_05, Some(ToolsCall), None, error(reserved, json!("old")));
            same(&lifted, &error(code::INTERNAL_ERROR, json!({"data": "old", "upstreamCode": reserved})));
        }
        for free in [-32601, -32602, -32603, -32000, -32019, -32100, -1, 5] {
            same(&lift_error(V2024_11_05, None, None, error(free, json!(1))), &error(free, json!(1)));
        }
        same(&lift_error(V2026_07_28, None, None, error(-32021, json!(1))), &error(-32021, json!(1)));
    }
}
