//! JSON-RPC 2.0: ids, errors, and the envelope around every message.

mod error;
mod id;
mod kind;
mod message;
mod params;
mod write;

pub use error::{ConnectionRefusal, Error, Reason, code};
pub use id::Id;
pub use kind::ErrorKind;
pub use message::{
    Incoming, Malformed, Message, Notification, Request, Response, RpcResult, batch_too_large, read,
};
pub use params::Params;
pub use write::{write_error, write_notification, write_request, write_result, write_result_head};
