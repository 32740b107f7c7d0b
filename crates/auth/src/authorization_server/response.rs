//! The responses of the endpoints that are no pages.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use super::page::Page;

/// A JSON document that nobody keeps.
///
/// RFC 6749 §5.1: "The authorization server MUST include the HTTP "Cache-Control" response header field with a value of
/// "no-store" in any response containing tokens, credentials, or other sensitive information".
pub(super) fn json_response(status: StatusCode, value: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(value.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

/// An error of RFC 6749 §5.2.
pub(super) fn error_response(status: StatusCode, code: &str, description: &str) -> Response<Bytes> {
    // RFC 6749 §5.2: "Values for the "error_description" parameter MUST NOT include characters outside the set
    // %x20-21 / %x23-5B / %x5D-7E."
    let is_allowed = |sign: char| matches!(sign, ' '..='~') && sign != '"' && sign != '\\';
    let description: String =
        description.chars().map(|sign| if is_allowed(sign) { sign } else { '\'' }).collect();
    json_response(status, &json!({ "error": code, "error_description": description }))
}

/// Sends the browser to `url`. 303: what follows is a GET, also after a form.
pub(super) fn redirect(url: &str) -> Response<Bytes> {
    let Ok(mut location) = HeaderValue::from_str(url) else {
        return Page::new("Something is wrong")
            .paragraph("The address that the browser should go to cannot be written.")
            .status(StatusCode::INTERNAL_SERVER_ERROR)
            .respond();
    };
    // It may have a code.
    location.set_sensitive(true);
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, location);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
