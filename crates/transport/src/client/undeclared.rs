use anyport_protocol::{Error, Method, Raw, capability::ClientProfile, json::Members, jsonrpc::code};

/// 2025-11-25, elicitation §Error Handling: a request with a mode that was not declared is answered with -32602; what
/// was not declared at all does not exist.
pub(super) fn undeclared(declared: &Raw, method: Method, required: &Raw) -> Error {
    let profile = ClientProfile::of(declared);
    let in_part = match method {
        Method::Elicit => Members::find(declared.as_str(), "elicitation").is_some(),
        Method::CreateMessage => profile.sampling,
        _ => false,
    };
    let code = if in_part { code::INVALID_PARAMS } else { code::METHOD_NOT_FOUND };
    Error::new(code, format!("the client cannot be asked {}: it did not declare {required}", method.as_str()))
}
