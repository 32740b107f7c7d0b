use bytes::Bytes;
use bytestring::ByteString;

use super::{Error, Id, Params, code, params::Notes};
use crate::{
    json::{Elements, Limits, Members, Part, Raw, Spans, scan_message, string},
    meta::Meta,
};

/// One JSON-RPC message.
#[expect(
    clippy::large_enum_variant,
    reason = "taken apart as soon as it is made; a box would cost an allocation a request"
)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Wants an answer.
    Request(Request),
    /// Wants none.
    Notification(Notification),
    /// Answers a request of the receiver's.
    Response(Response),
}

/// A request with the id its sender gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The id; it goes back as it came.
    pub id: Id,
    /// The method's name.
    pub method: ByteString,
    /// The params: an object.
    pub params: Option<Params>,
    /// The reserved members of the params' `_meta`.
    pub meta: Meta,
}

/// A message without an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// The method's name.
    pub method: ByteString,
    /// The params: an object.
    pub params: Option<Raw>,
}

/// An answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Which request; absent when its id could not be read.
    pub id: Option<Id>,
    /// The result, or the error.
    pub outcome: RpcResult,
}

/// The response to a request: the text of its `result`, or an error.
pub type RpcResult = Result<Raw, Error>;

/// Received text: one message, or a batch.
#[expect(
    clippy::large_enum_variant,
    reason = "taken apart as soon as it is made; a box would cost an allocation a message"
)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// One message.
    One(Message),
    /// An array of messages (2025-03-26 only); what is wrong with one leaves the others.
    Batch(Vec<Result<Message, Malformed>>),
}

/// Text that is no message: the error to answer it with, and the id, where that could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The error.
    pub error: Error,
    /// The id that the text gave itself.
    pub id: Option<Id>,
}

/// Scans `text` and reads the envelope. Nothing is copied: the parts share the bytes of `text`.
///
/// # Errors
/// What is wrong, ready to be answered; a [`Malformed`] never means that a connection must end.
pub fn read(text: Bytes, limits: &Limits) -> Result<Incoming, Malformed> {
    let refused = |error| Malformed { error, id: None };
    let mut spans = Spans::new();
    let scanned = Raw::unscanned(text, limits).and_then(|raw| {
        scan_message(raw.as_str(), limits, &mut spans)?;
        Ok(raw)
    });
    let raw = scanned.map_err(|error| refused(Error::from(error)))?;
    let is_array = raw.as_str().trim_ascii_start().starts_with('[');
    if !is_array {
        return Fields::of_spans(&raw, &spans).read(&raw).map(Incoming::One);
    }
    let element = |element| {
        let raw = raw.slice(element);
        Fields::of(&raw).read(&raw)
    };
    if Elements::of(raw.as_str()).nth(limits.batch).is_some() {
        return Err(refused(batch_too_large(limits)));
    }
    let batch: Vec<_> = Elements::of(raw.as_str()).map(element).collect();
    if batch.is_empty() {
        // JSON-RPC 2.0 §6: "an empty Array" is answered as an Invalid Request.
        return Err(refused(Error::invalid_request("a batch must not be empty")));
    }
    Ok(Incoming::Batch(batch))
}

/// What the sender of an array with too many messages is told (`max_batch`).
pub fn batch_too_large(limits: &Limits) -> Error {
    Error::invalid_request(format!("more than {} messages in an array (max_batch)", limits.batch))
}

/// The members of an envelope, as text.
#[derive(Default)]
struct Fields<'a> {
    /// Whether the message is an object at all.
    object: bool,
    meta: Meta,
    jsonrpc: Option<&'a str>,
    id: Option<&'a str>,
    method: Option<&'a str>,
    params: Option<&'a str>,
    result: Option<&'a str>,
    error: Option<&'a str>,
    /// Where the members of the params lie, if they were noted.
    notes: Option<Notes>,
}

impl<'a> Fields<'a> {
    /// Finds them by walking over the text.
    fn of(raw: &'a Raw) -> Self {
        let mut fields = Self { object: raw.is_object(), ..Self::default() };
        for member in raw.members() {
            fields.take(&member.key(), member.value);
        }
        fields.meta = Meta::of(fields.params.map(|params| raw.slice(params)).as_ref());
        fields
    }

    /// Takes them from what the scan has noted.
    fn of_spans(raw: &'a Raw, spans: &Spans) -> Self {
        let text = raw.as_str();
        let mut fields = Self { object: text.trim_ascii_start().starts_with('{'), ..Self::default() };
        let mut notes = Notes::default();
        for span in spans {
            let inside = &text[span.key.clone()];
            let key = if span.escaped { string::unescape(inside) } else { inside.into() };
            match span.of {
                Part::Message => {
                    fields.take(&key, &text[span.value.clone()]);
                    if key == "params" {
                        notes.begin(span);
                    }
                }
                Part::Params => notes.take(span),
                Part::Meta => fields.meta.take(&key, || raw.range(span.value.clone())),
            }
        }
        fields.notes = Some(notes);
        fields
    }

    fn take(&mut self, key: &str, value: &'a str) {
        let field = match key {
            "jsonrpc" => &mut self.jsonrpc,
            "id" => &mut self.id,
            "method" => &mut self.method,
            "params" => &mut self.params,
            "result" => &mut self.result,
            "error" => &mut self.error,
            // JSON-RPC 2.0 knows no others; a receiver that ignores them stays compatible.
            _ => return,
        };
        *field = Some(value);
    }

    fn read(self, raw: &Raw) -> Result<Message, Malformed> {
        // 2026-07-28, basic §Error Responses: errors carry the request's id "except in error cases where the ID could
        // not be read due a malformed request".
        let id = self.id.and_then(|id| Id::of(raw.slice(id)));
        self.message(raw, id.clone()).map_err(|error| Malformed { error, id })
    }

    fn message(self, raw: &Raw, id: Option<Id>) -> Result<Message, Error> {
        if !self.object {
            return Err(Error::invalid_request("a message must be an object"));
        }
        if self.jsonrpc != Some("\"2.0\"") {
            return Err(Error::invalid_request("the member \"jsonrpc\" must be \"2.0\""));
        }
        match self.method {
            Some(method) => self.call(raw, method, id),
            None => self.response(raw, id),
        }
    }

    fn call(self, raw: &Raw, method: &str, id: Option<Id>) -> Result<Message, Error> {
        if self.result.is_some() || self.error.is_some() {
            return Err(Error::invalid_request(
                "a message with \"method\" must not have \"result\" or \"error\"",
            ));
        }
        let Some(method) = raw.slice(method).as_string() else {
            return Err(Error::invalid_request("the member \"method\" must be a string"));
        };
        let params = self.params.map(|params| raw.slice(params));
        if params.as_ref().is_some_and(|params| !params.is_object()) {
            return Err(Error::invalid_request("the member \"params\" must be an object"));
        }
        match (self.id, id) {
            (None, _) => Ok(Message::Notification(Notification { method, params })),
            (Some(_), Some(id)) => {
                let params = match (params, self.notes) {
                    (Some(params), Some(notes)) => Some(notes.finish(params)),
                    (params, _) => params.map(Params::from),
                };
                Ok(Message::Request(Request { id, method, params, meta: self.meta }))
            }
            (Some(_), None) => {
                Err(Error::invalid_request("the member \"id\" must be a string or an integer, never null"))
            }
        }
    }

    fn response(&self, raw: &Raw, id: Option<Id>) -> Result<Message, Error> {
        let outcome = match (self.result, self.error) {
            (Some(result), None) => Ok(raw.slice(result)),
            (None, Some(error)) => Err(wire_error(raw, error)?),
            (Some(_), Some(_)) => {
                return Err(Error::invalid_request("a response must not have both \"result\" and \"error\""));
            }
            (None, None) => {
                return Err(Error::invalid_request("the member \"method\" is missing"));
            }
        };
        // A result without an id answers nothing; an error without one says that ours could not be read.
        let unreadable = self.id.is_some_and(|text| text != "null");
        if id.is_none() && (outcome.is_ok() || unreadable) {
            return Err(Error::invalid_request("the member \"id\" of a response must be the request's"));
        }
        Ok(Message::Response(Response { id, outcome }))
    }
}

fn wire_error(raw: &Raw, text: &str) -> Result<Error, Error> {
    let member = |name| Members::find(text, name).map(|value| raw.slice(value));
    let code = member("code").and_then(|code| code.decode::<i64>().ok());
    let message = member("message").and_then(|message| message.as_string());
    match (code, message) {
        (Some(code), Some(message)) => Ok(Error {
            code,
            message: message.to_string().into(),
            data: member("data"),
            reason: None,
            is_older: false,
            refusal: None,
        }),
        _ => Err(Error::new(
            code::INVALID_REQUEST,
            "the member \"error\" must have an integer \"code\" and a string \"message\"",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Result<Message, Malformed> {
        match read(Bytes::copy_from_slice(text.as_bytes()), &Limits::default())? {
            Incoming::One(message) => Ok(message),
            Incoming::Batch(_) => panic!("a batch"),
        }
    }

    fn refusal(text: &str) -> (i64, Option<String>) {
        let malformed = one(text).unwrap_err();
        (malformed.error.code, malformed.id.map(|id| id.to_string()))
    }

    #[test]
    fn requests_notifications_and_responses_are_told_apart() {
        let Message::Request(request) =
            one(r#"{"jsonrpc":"2.0","id":"a","method":"x\/y","params":{"k":1}}"#).unwrap()
        else {
            panic!()
        };
        assert_eq!((request.id.to_string(), &*request.method), ("\"a\"".into(), "x/y"));
        assert_eq!(request.params.unwrap().raw().as_str(), r#"{"k":1}"#);
        assert!(matches!(one(r#"{"jsonrpc":"2.0","method":"n"}"#), Ok(Message::Notification(_))));
        let Ok(Message::Response(response)) =
            one(r#"{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no","data":[]}}"#)
        else {
            panic!()
        };
        assert_eq!(response.outcome.unwrap_err().code, -1);
        assert!(matches!(
            one(r#"{"jsonrpc":"2.0","id":null,"error":{"code":-1,"message":"no"}}"#),
            Ok(Message::Response(_))
        ));
    }

    #[test]
    fn faults_keep_the_id_where_it_can_be_read() {
        assert_eq!(refusal("{"), (code::PARSE_ERROR, None));
        assert_eq!(
            refusal(r#"{"jsonrpc":"1.0","id":7,"method":"m"}"#),
            (code::INVALID_REQUEST, Some("7".into()))
        );
        assert_eq!(refusal(r#"{"id":7,"method":"m"}"#), (code::INVALID_REQUEST, Some("7".into())));
        assert_eq!(refusal(r#"{"jsonrpc":"2.0","id":null,"method":"m"}"#), (code::INVALID_REQUEST, None));
        assert_eq!(refusal(r#"{"jsonrpc":"2.0","id":1.5,"method":"m"}"#), (code::INVALID_REQUEST, None));
        assert_eq!(
            refusal(r#"{"jsonrpc":"2.0","id":1,"method":5}"#),
            (code::INVALID_REQUEST, Some("1".into()))
        );
        assert_eq!(
            refusal(r#"{"jsonrpc":"2.0","id":1,"method":"m","params":[1]}"#),
            (code::INVALID_REQUEST, Some("1".into()))
        );
        assert_eq!(refusal(r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"m"}"#), (code::INVALID_REQUEST, None));
        assert_eq!(refusal(r#"{"jsonrpc":"2.0","id":1}"#), (code::INVALID_REQUEST, Some("1".into())));
        assert_eq!(
            refusal(r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#),
            (code::INVALID_REQUEST, Some("1".into()))
        );
        assert_eq!(
            refusal(r#"{"jsonrpc":"2.0","id":1,"error":{"code":1.5,"message":"x"}}"#),
            (code::INVALID_REQUEST, Some("1".into()))
        );
        assert_eq!(refusal("17"), (code::INVALID_REQUEST, None));
    }

    #[test]
    fn what_the_scan_notes_is_what_a_walk_finds() {
        let meta = r#"{"progressToken":1,"io.modelcontextprotocol/logLevel":"info","traceparent":"t"}"#;
        for params in [
            format!(r#"{{"_meta":{meta},"arguments":{{"_meta":{{"progressToken":2}}}}}}"#),
            format!(r#"{{"arguments":[{{"_meta":{{"progressToken":2}}}}],"\u005fmeta":{meta}}}"#),
            format!(r#"{{"params":{{"_meta":{meta}}}}}"#),
            format!(r#"{{"_meta":[{meta}]}}"#),
            r#"{"_meta":"x"}"#.into(),
            r#"{"_meta":{"progress\u0054oken":{"progressToken":3}}}"#.into(),
            "{}".into(),
        ] {
            for message in [
                format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{params}}}"#),
                format!(
                    r#" {{ "p\u0061rams" : {params} , "method":"m","id":1,"jsonrpc":"2.0", "x":{{"params":{params}}} }} "#
                ),
            ] {
                let Message::Request(noted) = one(&message).unwrap() else { panic!() };
                let Ok(Incoming::Batch(batch)) = read(format!("[{message}]").into(), &Limits::default())
                else {
                    panic!()
                };
                let Ok(Message::Request(walked)) = &batch[0] else { panic!() };
                assert_eq!(noted, *walked, "{message}");
                assert_eq!(noted.meta, Meta::of(noted.params.as_ref().map(crate::jsonrpc::Params::raw)));
            }
        }
    }

    #[test]
    fn a_batch_keeps_its_order_and_its_faults() {
        let text = r#"[{"jsonrpc":"2.0","id":1,"method":"a"},5,{"jsonrpc":"2.0","method":"b"}]"#;
        let Ok(Incoming::Batch(batch)) = read(text.into(), &Limits::default()) else { panic!() };
        assert!(matches!(&batch[0], Ok(Message::Request(request)) if &*request.method == "a"));
        assert!(batch[1].is_err());
        assert!(matches!(&batch[2], Ok(Message::Notification(_))));
        assert!(read("[]".into(), &Limits::default()).is_err());
    }
}
