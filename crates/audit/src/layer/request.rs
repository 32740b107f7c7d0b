use std::borrow::Cow;

use anyport_protocol::{Method, Raw, json::Splice};
use anyport_service::{Context, Request};
use bytestring::ByteString;

/// The bytes of params that a call may keep until it ends. Of larger ones, the parts that are recorded are copied.
const SMALL: usize = 8 << 10;

/// A text of `request` that stays until the call ends.
pub(super) fn kept(request: &Request, text: ByteString) -> ByteString {
    if is_small(request) { text } else { ByteString::from(text.to_string()) }
}

/// A part of `request` that stays until the call ends.
pub(super) fn kept_raw(request: &Request, part: Raw) -> Raw {
    if is_small(request) { part } else { part.compact() }
}

fn is_small(request: &Request) -> bool {
    request.params.raw().as_str().len() <= SMALL
}

/// The `traceparent` of a call, as its message or its HTTP headers have it.
pub(super) fn traceparent(context: &Context) -> Option<&Raw> {
    context.traceparent().or_else(|| context.trace_headers().map(|headers| &headers.traceparent))
}

/// The tool, prompt or resource that a request is for; of a completion, that whose argument is completed.
pub(super) fn named(request: &Request) -> Option<ByteString> {
    match request.known()? {
        Method::Complete => {
            let target = request.params.member("ref")?;
            target.member("name").or_else(|| target.member("uri"))?.as_string()
        }
        _ => request.name(),
    }
}

/// What a call passes to its tool or prompt. A completion passes one argument of them, which is recorded by its name as theirs are.
pub(super) fn arguments(request: &Request) -> Option<Raw> {
    match request.known()? {
        Method::ToolsCall | Method::PromptsGet => request.params.member("arguments"),
        Method::Complete => {
            let argument = request.params.member("argument")?;
            let (name, value) = (argument.member("name")?.as_string()?, argument.member("value")?);
            Some(Splice::new().with(&name, &value).finish())
        }
        _ => None,
    }
}

/// The trace id of a `traceparent`: 32 hexadecimal digits after the version (W3C Trace Context, section 3.2.2.3).
pub(super) fn trace_id(traceparent: &Raw) -> Option<Cow<'_, str>> {
    let text = traceparent.as_str().strip_prefix('"')?.strip_suffix('"')?;
    let id = text.split('-').nth(1)?;
    let is_id = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then(|| match id.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(id.to_ascii_lowercase()),
        false => Cow::Borrowed(id),
    })
}
