use bytestring::ByteString;

use super::call_id::CallId;
use crate::{
    Id, Message, Method, Raw,
    capability::InputCapability,
    jsonrpc::{Request, Response, RpcResult},
    meta::{LogLevel, key},
};

/// A message of the server's, with everything read from it that decides where it goes.
///
/// Reading walks over the params once, so that it is not done under a lock.
#[derive(Debug)]
pub struct ServerMessage(pub(super) Content);

/// What the message is.
#[derive(Debug)]
pub(super) enum Content {
    /// A response; `None` if it is an error that names no request.
    Response(Option<ResponseTo>, RpcResult),
    Request(IncomingRequest),
    Progress {
        call: Option<CallId>,
        progress: Option<f64>,
        params: Raw,
    },
    Log {
        level: Option<LogLevel>,
        params: Raw,
    },
    /// The server takes back a request of its own.
    Cancelled(Option<Id>),
    /// Another notification of the protocol, and the subscription of ours that it names.
    Notification {
        method: Method,
        subscription: Option<CallId>,
        params: Raw,
    },
    UnknownNotification(ByteString, Raw),
}

/// The request that a response names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResponseTo {
    /// One that may be ours.
    Call(CallId),
    /// None of ours: our ids are integers.
    Foreign,
}

/// A request of the server's.
#[derive(Debug)]
pub(super) struct IncomingRequest {
    pub(super) id: Id,
    /// `None` if the protocol does not have it.
    pub(super) method: Option<Method>,
    pub(super) name: ByteString,
    pub(super) params: Raw,
    pub(super) progress_token: Option<Raw>,
    /// What the caller must have declared.
    pub(super) needs: Option<InputCapability>,
}

impl From<Message> for ServerMessage {
    fn from(message: Message) -> Self {
        Self(match message {
            Message::Response(Response { id, outcome }) => {
                Content::Response(id.as_ref().map(response_to), outcome)
            }
            Message::Request(request) => Content::Request(request.into()),
            Message::Notification(notification) => {
                let params = notification.params.unwrap_or(Raw::EMPTY_OBJECT);
                match Method::named(&notification.method) {
                    Some(method) => known(method, params),
                    None => Content::UnknownNotification(notification.method, params),
                }
            }
        })
    }
}

fn response_to(id: &Id) -> ResponseTo {
    CallId::parse(id.as_raw().as_str()).map_or(ResponseTo::Foreign, ResponseTo::Call)
}

fn known(method: Method, params: Raw) -> Content {
    match method {
        Method::Progress => Content::Progress {
            // Tokens of ours are the ids of their requests.
            call: params.member(key::PROGRESS_TOKEN).and_then(|token| CallId::parse(token.as_str())),
            progress: params.member("progress").and_then(|progress| progress.as_str().parse().ok()),
            params,
        },
        Method::LogMessage => {
            let level = params.member("level").and_then(|level| level.as_string());
            Content::Log { level: level.and_then(|level| level.parse().ok()), params }
        }
        Method::Cancelled => Content::Cancelled(params.member("requestId").and_then(Id::of)),
        _ => {
            let subscription = params.member("_meta").and_then(|meta| meta.member(key::SUBSCRIPTION_ID));
            // A server may write the id as the string that it is in a header.
            let subscription = subscription.and_then(|id| CallId::parse(id.as_str().trim_matches('"')));
            Content::Notification { method, subscription, params }
        }
    }
}

impl From<Request> for IncomingRequest {
    fn from(request: Request) -> Self {
        let method = Method::named(&request.method);
        let params = request.params.map_or(Raw::EMPTY_OBJECT, |params| params.into_raw());
        Self {
            id: request.id,
            method,
            name: request.method,
            progress_token: request.meta.progress_token,
            needs: method.and_then(|method| InputCapability::needed(method, &params)),
            params,
        }
    }
}
