//! The check of what a server answers that asks by `input_required`.

use anyport_protocol::{Method, Raw, capability::ClientProfile, failure::Failure, json::Members};
use anyport_service::Context;

/// A server request of an `InputRequiredResult`: its key, its method and its params.
pub(crate) type InputRequest = (String, Method, Raw);

/// The server requests of an `InputRequiredResult`, for a caller with `profile`.
///
/// 2026-07-28, patterns/mrtr §Server Requirements: "Servers **MUST NOT** send an `inputRequests` that the client has not
/// declared support for in its capabilities", and "**MUST** include at least one of `inputRequests` or `requestState`".
///
/// # Errors
/// What is wrong with it.
pub(crate) fn input_requests(required: &Raw, profile: &ClientProfile) -> Result<Vec<InputRequest>, Failure> {
    let mut requests = Vec::new();
    let all = required.member("inputRequests");
    for member in all.iter().flat_map(Raw::members) {
        let name = Members::find(member.value, "method").map(|name| name.trim_matches('"'));
        let method = match name.and_then(Method::named) {
            Some(method @ (Method::Elicit | Method::CreateMessage | Method::ListRoots)) => method,
            _ => return Err(invalid("a question that is no question")),
        };
        let params = Members::find(member.value, "params").map(|params| required.slice(params));
        let params = params.unwrap_or(Raw::EMPTY_OBJECT);
        if let Some(lacking) = profile.lacks(method, &params) {
            return Err(invalid(&format!("a question that needs {lacking}")));
        }
        requests.push((member.key().into_owned(), method, params));
    }
    let has_state = required.member("requestState").is_some_and(|state| !state.is_null());
    match requests.is_empty() && !has_state {
        true => Err(invalid("neither questions nor a state")),
        false => Ok(requests),
    }
}

/// Checks an `InputRequiredResult` for the caller of `context`, which receives it as it came.
///
/// # Errors
/// As for a caller that is asked inline: [`Failure::InvalidPeer`] if the server asks what the caller did not declare, or asks
/// nothing and gives no state.
pub fn check_input_required(required: &Raw, context: &Context) -> Result<(), Failure> {
    input_requests(required, &context.profile()).map(|_| ())
}

fn invalid(what: &str) -> Failure {
    Failure::InvalidPeer(format!("the server answered {what}"))
}
