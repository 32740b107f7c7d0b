//! What the pages below `/connect` answer to what they do not take.

use std::{future::Future, pin::Pin};

use bytes::Bytes;
use http::{Response, StatusCode};

use crate::authorization_server::{Parameters, page::Page};

/// The answer of a page, when it is there.
pub(super) type Answer = Pin<Box<dyn Future<Output = Response<Bytes>> + Send>>;

/// The parameters of a query or a form.
pub(super) fn parameters(text: &[u8]) -> Result<Parameters, Response<Bytes>> {
    Parameters::parse(text).map_err(|error| refusal(StatusCode::BAD_REQUEST, &error.to_string()))
}

pub(super) fn refusal(status: StatusCode, text: &str) -> Response<Bytes> {
    Page::new("Nothing was connected").alert(text).status(status).respond()
}

pub(super) fn unavailable() -> Response<Bytes> {
    refusal(StatusCode::SERVICE_UNAVAILABLE, "This cannot be done at the moment: try again later.")
}
