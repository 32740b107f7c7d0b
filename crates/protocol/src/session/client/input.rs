use std::{sync::Arc, time::Duration};

use bytestring::ByteString;
use smallvec::SmallVec;

use super::{
    call_id::{CallId, ServerRequestId},
    malformed::MalformedMessage,
    message::ServerMessage,
    negotiated::NegotiatedSession,
    negotiation::NegotiationError,
};
use crate::{
    Id, Message, Method, Raw, Revision,
    capability::{ClientProfile, InputCapability},
    failure::{CloseReason, Failure},
    jsonrpc::{RpcResult, write_error, write_notification, write_request, write_result},
    meta::LogLevel,
};

/// How messages of the server reach us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// All on one channel that every call shares: stdio, sockets, memory, the one stream of HTTP+SSE (2024-11-05).
    Shared,
    /// Each call on the response to its own request: Streamable HTTP. A session may have one more stream for everything
    /// else.
    PerCall,
}

/// The stream on which a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The stream that all calls share.
    Shared,
    /// The response to this request of ours, a request of the connection itself included.
    Call(CallId),
}

/// What the connection has to know of a call. The request itself stays with the driver.
#[derive(Clone, Debug)]
pub struct CallFacts<C> {
    /// What is called; `None` if the protocol does not have the method.
    pub method: Option<Method>,
    /// Who calls: compared, never read.
    pub caller: C,
    /// Whether calls of this caller are unrelated although they compare as equal (anonymous over modern HTTP).
    pub unidentifiable: bool,
    /// The capabilities of the caller for server requests.
    pub profile: ClientProfile,
    /// The least severe log messages that the caller wants; `None` if it wants none.
    pub log_level: Option<LogLevel>,
    /// Whether the caller has left the log level to the server: a legacy server then gets no `logging/setLevel`.
    pub log_level_is_default: bool,
    /// Whether the caller wants progress.
    pub progress: bool,
    /// The URI of `resources/subscribe` and `resources/unsubscribe`: a renewed session is subscribed again.
    pub subscription: Option<ByteString>,
}

/// What happens to a connection. Everything that grows with a message is read from it before, outside any lock: see
/// [`Input::received`] and [`Input::Malformed`].
#[derive(Debug)]
pub enum Input {
    /// A message came.
    Received {
        /// Where.
        origin: Origin,
        /// The message.
        message: ServerMessage,
    },
    /// Text came that is not a message.
    Malformed {
        /// Where.
        origin: Origin,
        /// What it was meant to be.
        message: MalformedMessage,
    },
    /// A response came that is larger than a message may be, and was passed over.
    Oversized {
        /// Where.
        origin: Origin,
        /// The request that it answers, if that could be read; else the only one in flight is meant.
        response_to: Option<CallId>,
    },
    /// A request was never sent, was refused by its HTTP status, or its response stream is cut for good. The request may
    /// be one of the connection's own.
    CallFailed {
        /// The request.
        call: CallId,
        /// Why.
        failure: Failure,
    },
    /// The server no longer knows the session in which a call was sent (HTTP 404): it refused the call unprocessed.
    SessionLost {
        /// The call.
        call: CallId,
        /// The session in which it was sent.
        generation: u32,
        /// The server's refusal, for the case that a new session is refused as well.
        why: Arc<str>,
    },
    /// The shared stream of a session over Streamable HTTP was cut, and the server does not open it again: it no longer knows
    /// the session, or is another server.
    SharedStreamLost {
        /// The session.
        generation: u32,
    },
    /// A session over Streamable HTTP is usable: the server has taken `notifications/initialized`, and the shared stream
    /// is open, was refused, or is not waited for any longer. Answers [`Action::OpenSharedStream`].
    SessionReady {
        /// The session.
        generation: u32,
        /// Why it is not usable, if it is not.
        result: Result<(), Failure>,
    },
    /// The server speaks HTTP+SSE (2024-11-05): from now on the connection has one shared stream.
    SharesOneStream,
    /// The channel is open: the first time, and after each [`Action::Reopen`].
    Opened,
    /// The channel is over.
    Closed(CloseReason),
    /// The time of [`ClientConnection::poll_timeout`](super::ClientConnection::poll_timeout) has come.
    Timeout,
}

impl Input {
    /// A message that came.
    pub fn received(origin: Origin, message: Message) -> Self {
        Self::Received { origin, message: ServerMessage::from(message) }
    }
}

/// What the driver does next, in this order.
#[derive(Debug)]
pub enum Action {
    /// Send a message of the connection's own: `initialize`, a cancellation, an answer, progress.
    Send(Outgoing),
    /// Wake the reader of a call: [`ClientConnection::next_event`](super::ClientConnection::next_event) has something.
    Wake(CallId),
    /// Close the response stream of a call, which is how it is cancelled there.
    CloseStream(CallId),
    /// Open the stream of a session on which the server sends what belongs to no request (HTTP GET), once
    /// `notifications/initialized` has been taken; then report [`Input::SessionReady`].
    OpenSharedStream {
        /// The session: how many were opened on this connection before it.
        generation: u32,
    },
    /// Open the channel anew: the server ended it at the probe. Then report [`Input::Opened`].
    Reopen,
    /// Close the channel.
    Close(CloseReason),
    /// The connection is open, and calls may begin.
    Negotiated(Arc<NegotiatedSession>),
    /// Nothing could be agreed. The connection is over.
    Refused(NegotiationError),
    /// A notification or request that belongs to no call.
    Unsolicited(UnsolicitedMessage),
    /// A request of the server's is void: withdrawn by the server, or its call is over. No answer is wanted.
    Withdrawn(ServerRequestId),
    /// The server has sent a request without saying to which call it belongs.
    Attributed(Attribution),
    /// Count something that a server should not send; the word says what.
    Count(&'static str),
}

/// The actions of one step, on the stack of the caller.
pub type Actions = SmallVec<[Action; 4]>;

/// How the call of a request on a shared stream was found, from clear to doubtful: what the isolation of callers learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attribution {
    /// Only one caller is possible. While its call is in flight, no other caller gets a server request on this connection.
    Single,
    /// Calls of several callers were in flight or shortly before, so the request was refused; or several use the connection,
    /// so that the next one may have to be.
    Ambiguous,
}

/// A message of the server's that belongs to no call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnsolicitedMessage {
    /// A notification of the protocol.
    Notification(Method, Raw),
    /// A notification that the protocol does not have.
    UnknownNotification(ByteString, Raw),
    /// A lost session was renewed: what the server would have sent meanwhile was missed.
    Missed,
    /// The session in place of a lost one is not subscribed to these resources: the server has refused that.
    Unsubscribed(Arc<[ByteString]>),
    /// A request. It is answered, or declined with
    /// [`ClientConnection::decline`](super::ClientConnection::decline) if no client can answer it.
    Request(ServerRequestId, Method, Raw),
}

/// What happens to one call, in order; [`CallEvent::Finished`] is the last.
///
/// Params are as the server sent them: [`NegotiatedSession`] lifts them, outside any lock.
#[derive(Debug)]
pub enum CallEvent {
    /// Write the request: at once, after `logging/setLevel`, or again in a renewed session.
    Send,
    /// A notification of the protocol.
    Notification(Method, Raw),
    /// A notification that the protocol does not have, of an extension perhaps.
    UnknownNotification(ByteString, Raw),
    /// The server asks the caller.
    Request(ServerRequestId, Method, Raw),
    /// The call is over.
    Finished {
        /// What the server answered, or why there is no answer.
        outcome: Result<RpcResult, Failure>,
        /// What the caller would have had to declare for a request that was refused meanwhile.
        undeclared: Option<InputCapability>,
    },
}

/// A message of the connection's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing {
    /// A request. Its response comes back as any other; if it cannot be sent, as [`Input::CallFailed`].
    Request {
        /// Its id.
        id: CallId,
        /// Its method.
        method: Method,
        /// Its params.
        params: Raw,
        /// The revision in which it is written; `None` for `initialize`, which asks for one and opens a session.
        revision: Option<Revision>,
    },
    /// A notification.
    Notification {
        /// Its method.
        method: ByteString,
        /// Its params.
        params: Option<Raw>,
    },
    /// The answer to a request of the server's.
    Response {
        /// The server's id.
        id: Id,
        /// The answer.
        outcome: RpcResult,
    },
}

impl Outgoing {
    pub(super) fn notification(method: Method, params: Option<Raw>) -> Self {
        Self::Notification { method: ByteString::from_static(method.as_str()), params }
    }

    /// The message as JSON text.
    pub fn write(&self) -> Vec<u8> {
        let mut text = Vec::new();
        match self {
            Self::Request { id, method, params, .. } => {
                write_request(&mut text, &Id::from(*id), method.as_str(), Some(params));
            }
            Self::Notification { method, params } => write_notification(&mut text, method, params.as_ref()),
            Self::Response { id, outcome: Ok(result) } => write_result(&mut text, id, result),
            Self::Response { id, outcome: Err(error) } => write_error(&mut text, Some(id), error, false),
        }
        text
    }
}

/// How a connection is opened, and its limits.
#[derive(Clone, Debug)]
pub struct ConnectionConfig {
    /// How messages of the server reach us.
    pub channel: Channel,
    /// The required revision; `None` for the newest that both sides support.
    pub revision: Option<Revision>,
    /// Whether `initialize` comes before any probe: see `VersionNegotiation::legacy_first`.
    pub legacy_first: bool,
    /// The client's capabilities, in the newest vocabulary. A legacy server gets them once, in `initialize`.
    pub capabilities: Raw,
    /// Who the client is: an `Implementation`.
    pub client_info: Raw,
    /// How long the server may be silent about `server/discover` before it is taken for a legacy one.
    pub probe_timeout: Duration,
    /// How long negotiation, or the renewal of a session, may take.
    pub open_timeout: Duration,
    /// Calls that may be in flight at once.
    pub max_open_requests: usize,
    /// Notifications of one call that may wait for its reader.
    pub call_queue: usize,
    /// Bytes of the notifications of one call that may wait for its reader; a larger one waits alone.
    pub call_queue_bytes: usize,
    /// Requests of the server's that may be open at once, held ones included.
    pub max_open_questions: usize,
    /// How long a `roots/list` outside any call is held for the next call that can take it.
    pub roots_hold: Duration,
    /// How long a legacy server goes on logging after the last call that wanted its log messages.
    pub log_hold: Duration,
    /// Bytes that a message of the server's may have, for the words of an error.
    pub max_message_bytes: usize,
}

impl Default for ConnectionConfig {
    fn default() -> Self {
        Self {
            channel: Channel::Shared,
            revision: None,
            legacy_first: false,
            capabilities: Raw::EMPTY_OBJECT,
            client_info: Raw::EMPTY_OBJECT,
            probe_timeout: Duration::from_secs(10),
            open_timeout: Duration::from_secs(60),
            max_open_requests: 1024,
            call_queue: 256,
            call_queue_bytes: 256 << 10,
            max_open_questions: 64,
            roots_hold: Duration::from_secs(45),
            log_hold: Duration::from_secs(60),
            max_message_bytes: 64 << 20,
        }
    }
}
