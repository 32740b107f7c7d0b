//! How a call ended, in the words of this interface.

use anyport_protocol::{
    Error, Id, Method, Raw,
    json::{Elements, Members, Splice, string},
    jsonrpc::{ErrorKind, Reason, code, write_error},
    meta::key,
};
use anyport_service::Outcome;
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};

use super::envelope::Call;
use crate::{
    dialogue::one_line,
    http::{
        body::Response,
        response::{self, LacksScope},
    },
};

/// One answer, written out.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) text: Bytes,
    /// What HTTP says of it, when it stands alone.
    pub(super) status: StatusCode,
    /// When to come back, in seconds.
    retry_after: Option<u64>,
    /// The scopes that the call needs, if its caller lacks one.
    scopes: Option<Vec<String>>,
}

impl Answer {
    /// Of a call that could not be read.
    pub(super) fn unread(lead: Lead, id: Option<&Id>, error: &Error) -> Self {
        let answer = Self::failed(lead, id, error);
        match error.code {
            code::INVALID_REQUEST => Self { status: StatusCode::BAD_REQUEST, ..answer },
            _ => answer,
        }
    }

    fn done(lead: Lead, id: Option<&Id>, result: &[&str]) -> Self {
        const ID: &[u8] = br#"{"jsonrpc":"2.0","id":"#;
        const RESULT: &[u8] = br#","result":"#;
        let id = id.map_or("null", |id| id.as_raw().as_str());
        let size: usize = result.iter().map(|part| part.len()).sum();
        let mut text = lead.begin(ID.len() + id.len() + RESULT.len() + size + 1);
        text.extend_from_slice(ID);
        text.extend_from_slice(id.as_bytes());
        text.extend_from_slice(RESULT);
        for part in result {
            text.extend_from_slice(part.as_bytes());
        }
        text.push(b'}');
        Self { text: one_line(text), status: StatusCode::OK, retry_after: None, scopes: None }
    }

    fn failed(lead: Lead, id: Option<&Id>, error: &Error) -> Self {
        let mut text = lead.begin(160);
        write_error(&mut text, id, error, true);
        let status = status(error);
        let later = matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS);
        let retry_after = later.then(|| wait(error));
        Self { text: one_line(text), status, retry_after, scopes: error.required_scopes() }
    }

    /// As a response of its own.
    pub(super) fn into_response(self) -> Response {
        let mut response = response::json(self.status, self.text);
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(scopes) = self.scopes {
            // A client of this interface speaks no revision; it is treated as those of the newest.
            response.extensions_mut().insert(LacksScope { scopes, with_granted: false });
        }
        response
    }
}

/// What is written before an answer, so that answers can be put together without copying them.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lead {
    Nothing,
    /// The first of an array.
    Open,
    /// One of the others.
    Comma,
}

impl Lead {
    /// A text that begins with it, with room for so many bytes behind.
    fn begin(self, size: usize) -> Vec<u8> {
        let mut text = Vec::with_capacity(size + usize::from(!matches!(self, Self::Nothing)));
        match self {
            Self::Nothing => {}
            Self::Open => text.push(b'['),
            Self::Comma => text.push(b','),
        }
        text
    }
}

/// What HTTP says of an error beyond its code: whether to come back.
pub(super) fn status(error: &Error) -> StatusCode {
    if error.code == ErrorKind::RateLimited.rest_code() {
        return StatusCode::TOO_MANY_REQUESTS;
    }
    match error.reason {
        Some(Reason::Overloaded | Reason::ShuttingDown | Reason::AuditUnavailable) => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Some(Reason::InsufficientScope) => StatusCode::FORBIDDEN,
        _ => StatusCode::OK,
    }
}

/// The code of this interface for an error about the caller's credential; that of another error is its own.
pub(crate) fn code_of(error: &Error) -> i64 {
    match error.reason {
        Some(Reason::Unauthenticated) => -32401,
        Some(Reason::InsufficientScope) => -32403,
        _ => error.code,
    }
}

/// After how many seconds to come back: rounded up, as trying too early only costs another refusal.
pub(super) fn wait(error: &Error) -> u64 {
    response::seconds(error.retry_after())
}

/// The answer to `call`; `endpoint` is where MCP is spoken.
pub(super) fn answer(lead: Lead, call: &Call, outcome: Outcome, endpoint: &str) -> Answer {
    let id = call.id.as_ref();
    let error = match outcome {
        Outcome::Result(result) => match Parts::of(&result) {
            parts if parts.is_error => parts.error(&result),
            parts => return parts.answer(lead, id),
        },
        Outcome::InputRequired(_) => asks(Error::new(0, ""), endpoint),
        Outcome::Error(error) => translated(error, &call.name, endpoint),
        Outcome::Failed(failure) => translated(failure.to_error(), &call.name, endpoint),
    };
    Answer::failed(lead, id, &error)
}

/// A tool's result, taken apart.
#[derive(Default)]
struct Parts<'a> {
    content: &'a str,
    structured: Option<&'a str>,
    is_error: bool,
    meta: &'a str,
}

impl<'a> Parts<'a> {
    fn of(result: &'a Raw) -> Self {
        let mut parts = Self::default();
        for member in result.members() {
            match &*member.key() {
                "content" => parts.content = member.value,
                "structuredContent" => parts.structured = Some(member.value),
                "isError" => parts.is_error = member.value == "true",
                "_meta" => parts.meta = member.value,
                _ => {}
            }
        }
        parts
    }

    fn answer(&self, lead: Lead, id: Option<&Id>) -> Answer {
        if let Some(structured) = self.structured {
            return Answer::done(lead, id, &[structured]);
        }
        match texts(self.content) {
            // What stands between the quotes is written on as it is, so a line end is one that is escaped.
            Some(texts) => Answer::done(lead, id, &["\"", &texts.join("\\n"), "\""]),
            None => Answer::done(lead, id, &[if self.content.is_empty() { "[]" } else { self.content }]),
        }
    }

    /// What a result that `isError` says as an error.
    fn error(&self, result: &Raw) -> Error {
        let says = Members::find(self.meta, key::ERROR).unwrap_or_default();
        let reason = Members::find(says, "reason").and_then(|reason| result.slice(reason).as_string());
        let kind = reason.as_deref().and_then(ErrorKind::from_name).unwrap_or_default();
        let by_schema = Members::find(says, "by") == Some("\"schema\"");
        let code = match kind {
            ErrorKind::Validation if by_schema => code::INVALID_PARAMS,
            kind => kind.rest_code(),
        };
        let mut data = Splice::new().with("reason", &Raw::string(reason.as_deref().unwrap_or(kind.as_str())));
        if let Some(wait) = Members::find(says, "retryAfterMs") {
            data = data.with("retryAfterMs", &result.slice(wait));
        }
        if let Some(faults) = Members::find(self.meta, key::FAULTS) {
            let first = Elements::of(faults).next().unwrap_or_default();
            for name in ["field", "expected", "got"] {
                if let Some(value) = Members::find(first, name) {
                    data = data.with(name, &result.slice(value));
                }
            }
            data = data.with("faults", &result.slice(faults));
        }
        if let Some(structured) = self.structured {
            data = data.with("result", &result.slice(structured));
        }
        Error::new(code, self.words()).with_data(data.finish())
    }

    /// All that the text blocks say, a line each.
    fn words(&self) -> String {
        let words: Vec<_> = Elements::of(self.content).filter_map(text).map(string::unescape).collect();
        if words.is_empty() { "the tool failed".to_owned() } else { words.join("\n") }
    }
}

/// The insides of the texts, where there is nothing but text.
fn texts(content: &str) -> Option<Vec<&str>> {
    content.starts_with('[').then(|| Elements::of(content).map(text).collect())?
}

/// What stands between the quotes of a block of text.
fn text(block: &str) -> Option<&str> {
    let (mut is_text, mut text) = (false, None);
    for member in Members::of(block) {
        if member.is("type") {
            is_text = member.value == "\"text\"";
        } else if member.is("text") {
            text = member.value.strip_prefix('"')?.strip_suffix('"');
        }
    }
    text.filter(|_| is_text)
}

/// An error that ended the call, by a code of this interface.
fn translated(error: Error, name: &Raw, endpoint: &str) -> Error {
    let mut error = match error.code {
        code::MISSING_CLIENT_CAPABILITY => return asks(error, endpoint),
        _ => recoded(error),
    };
    if error.code == code::METHOD_NOT_FOUND {
        let name = name.as_string().unwrap_or_default();
        let none = Error::method_not_found(Method::ToolsCall.as_str());
        if error.message == none.message {
            error.message = format!("unknown tool: {name:.128}; there are no tools").into();
        }
        // Who posts MCP here has missed its place by a path.
        if Method::named(&name).is_some() {
            let there = format!("; \"method\" is the name of a tool here, MCP is at {endpoint}");
            error.message = format!("{}{there}", error.message).into();
        }
    }
    error
}

/// `error` by a code of this interface. What has a code of its own keeps it.
pub(super) fn recoded(mut error: Error) -> Error {
    let told = error.data.as_ref().and_then(|data| data.member("reason")?.as_string());
    let reason = error.reason.map(Reason::as_str).or(told.as_deref()).unwrap_or_default();
    let is = |known: Reason| reason == known.as_str();
    let kind = match error.code {
        code::INSUFFICIENT_SCOPE if error.reason == Some(Reason::InsufficientScope) => {
            error.code = code_of(&error);
            return error;
        }
        code::INVALID_PARAMS if is(Reason::UnknownTool) => {
            error.code = code::METHOD_NOT_FOUND;
            return error;
        }
        code::RATE_LIMITED | code::INTERNAL_ERROR if is(Reason::RateLimited) => ErrorKind::RateLimited,
        code::INTERNAL_ERROR if is(Reason::Forbidden) => ErrorKind::PermissionDenied,
        code::INTERNAL_ERROR if is(Reason::Timeout) => ErrorKind::Execution,
        _ => return error,
    };
    error.code = kind.rest_code();
    error
}

/// A tool that cannot go on without asking its client, which nobody would answer.
fn asks(error: Error, endpoint: &str) -> Error {
    let words = format!(
        "the tool asks its client, which a plain call cannot answer; call it as a client of MCP at {endpoint}"
    );
    let old = error.data.unwrap_or(Raw::EMPTY_OBJECT);
    let data = Splice::retain(&old, |key| key != "reason").with("reason", &Raw::string("asks")).finish();
    Error::new(ErrorKind::Execution.rest_code(), words).with_data(data)
}

#[cfg(test)]
mod tests {
    use anyport_protocol::Limits;

    use super::*;

    fn raw(text: &str) -> Raw {
        Raw::parse(text.to_owned().into(), &Limits::default()).unwrap()
    }

    fn said(outcome: Outcome) -> (String, u16, Option<u64>) {
        let call = Call::read(&raw(r#"{"method":"x","id":1}"#)).unwrap();
        let answer = answer(Lead::Nothing, &call, outcome, "/mcp");
        let text = String::from_utf8(answer.text.to_vec()).unwrap();
        let text = text.strip_prefix(r#"{"jsonrpc":"2.0","id":1,"#).unwrap().strip_suffix('}').unwrap();
        (text.to_owned(), answer.status.as_u16(), answer.retry_after)
    }

    fn result(result: &str) -> String {
        said(Outcome::Result(raw(result))).0
    }

    #[test]
    fn a_result_is_what_the_tool_says() {
        let twin =
            r#"{"content":[{"type":"text","text":"{}"}],"structuredContent":{ "a": 1.50 },"isError":false}"#;
        assert_eq!(result(twin), r#""result":{ "a": 1.50 }"#);
        let null = r#"{"content":[{"type":"text","text":"null"}],"structuredContent":null}"#;
        assert_eq!(result(null), r#""result":null"#);
        let text = r#"{"content":[{"text":"a \"b\" \u00e4","type":"text"}]}"#;
        assert_eq!(result(text), r#""result":"a \"b\" \u00e4""#);
        let two = r#"{"content":[{"type":"text","text":"a"},{"type":"text","text":"b","annotations":{}}]}"#;
        assert_eq!(result(two), r#""result":"a\nb""#);
        assert_eq!(result(r#"{"content":[]}"#), r#""result":"""#);
        let mixed =
            r#"{"content":[{"type":"text","text":"a"},{"type":"image","data":"","mimeType":"image/png"}]}"#;
        let blocks = mixed.strip_prefix(r#"{"content":"#).unwrap().strip_suffix('}').unwrap();
        assert_eq!(result(mixed), format!("\"result\":{blocks}"));
        // What no server of ours answers is no reason to fail either.
        assert_eq!(result("{}"), r#""result":[]"#);
        assert_eq!(result(r#"{"content":"x"}"#), r#""result":"x""#);
    }

    #[test]
    fn a_failure_of_a_tool_has_the_code_of_its_kind() {
        let failed = |meta: &str| {
            let text = r#"{"content":[{"type":"text","text":"no \"ink\""}],"isError":true,"_meta":"#;
            let (text, status, _) = said(Outcome::Result(raw(&format!("{text}{meta}}}"))));
            let error: serde_json::Value =
                serde_json::from_str(text.strip_prefix(r#""error":"#).unwrap()).unwrap();
            assert_eq!(error["message"], "no \"ink\"");
            (error["code"].as_i64().unwrap(), error["data"].to_string(), status)
        };
        let plain = |code, reason: &str, status| (code, format!(r#"{{"reason":"{reason}"}}"#), status);
        assert_eq!(failed("{}"), plain(-32000, "tool_execution", 200));
        for kind in ErrorKind::ALL {
            let status = if kind == ErrorKind::RateLimited { 429 } else { 200 };
            let meta = format!(r#"{{"dev.anyport/error":{{"reason":"{kind}"}}}}"#);
            assert_eq!(failed(&meta), plain(kind.rest_code(), kind.as_str(), status));
        }
        assert_eq!(failed(r#"{"dev.anyport/error":{"reason":"new"}}"#), plain(-32000, "new", 200));
        let faults = r#"[{"field":"a","expected":"x","got":"1"},{"field":"b","expected":"y"}]"#;
        let meta = r#"{"dev.anyport/error":{"reason":"validation","by":"schema"},"dev.anyport/faults":"#;
        let data = r#"{"reason":"validation","field":"a","expected":"x","got":"1","faults":"#;
        assert_eq!(failed(&format!("{meta}{faults}}}")), (-32602, format!("{data}{faults}}}"), 200));
    }

    #[test]
    fn who_comes_too_often_is_told_when_to_come_back() {
        let text = r#"{"content":[],"isError":true,"_meta":{"dev.anyport/error":{"reason":"rate_limited","retryAfterMs":1500}}}"#;
        let (text, status, retry) = said(Outcome::Result(raw(text)));
        assert_eq!((status, retry), (429, Some(2)));
        assert!(
            text.contains(
                r#""message":"the tool failed","data":{"reason":"rate_limited","retryAfterMs":1500}"#
            )
        );
    }

    #[test]
    fn errors_of_the_service_are_told_by_codes_of_this_interface() {
        let of = |error: Error| {
            let (text, status, retry) = said(Outcome::Error(error));
            let error: serde_json::Value =
                serde_json::from_str(text.strip_prefix(r#""error":"#).unwrap()).unwrap();
            (error["code"].as_i64().unwrap(), status, retry)
        };
        let because = |reason| Error::internal("no").with_reason(reason);
        assert_eq!(of(because(Reason::RateLimited)), (-32004, 429, Some(1)));
        assert_eq!(of(because(Reason::Forbidden)), (-32003, 200, None));
        assert_eq!(of(because(Reason::Timeout)), (-32000, 200, None));
        assert_eq!(of(because(Reason::Overloaded)), (-32603, 503, Some(1)));
        assert_eq!(of(because(Reason::ShuttingDown)), (-32603, 503, Some(1)));
        assert_eq!(of(Error::internal("no")), (-32603, 200, None));
        let unknown = || Error::invalid_params("no").with_reason(Reason::UnknownTool);
        assert_eq!(of(unknown()), (-32601, 200, None));
        // As one that has come from another server is.
        assert_eq!(of(Error { reason: None, ..unknown() }), (-32601, 200, None));
        assert_eq!(of(Error::invalid_params("no")), (-32602, 200, None));
        assert_eq!(of(Error::method_not_found("tools/call")), (-32601, 200, None));
        assert_eq!(of(Error::new(4711, "no").with_reason(Reason::Timeout)), (4711, 200, None));
        assert_eq!(of(Error::missing_capability(&Raw::EMPTY_OBJECT)), (-32000, 200, None));
        assert_eq!(said(Outcome::InputRequired(Raw::EMPTY_OBJECT)).1, 200);
        let (asks, ..) = said(Outcome::InputRequired(Raw::EMPTY_OBJECT));
        assert!(asks.contains("at /mcp") && asks.ends_with(r#""data":{"reason":"asks"}}"#), "{asks}");
    }
}
