use axum::extract::OriginalUri;
use http::request::Parts;

/// The path under which an application of axum has nested our routes: what it has cut off the path of a request.
pub(super) fn prefix(parts: &Parts) -> &str {
    let original = parts.extensions.get::<OriginalUri>();
    original.and_then(|uri| uri.path().strip_suffix(parts.uri.path())).unwrap_or_default()
}
