//! Connections to servers over HTTP: Streamable HTTP of every revision, and HTTP+SSE of 2024-11-05.
//!
//! # Layout
//! - `drive`: the driver (`client/multiplexer.rs`) of these connections; `driver`: its state, tasks and end;
//!   `shared`: what its tasks share.
//! - `opening`: the requests of a connection's own, which find out what the server speaks.
//! - `call_stream`: the request of a call, and the response to it; `revision_check`: whether a server that refuses a call still
//!   speaks the revision of the connection; `shared_stream`: streams of the whole connection; `resume`: the rest of a
//!   stream that was cut.
//! - `headers`: what requests carry besides their message.
//! - `received`: responses, read as messages; `events`: streams of events.
//! - `outbound`: requests over kept connections; `pool`: the bound of calls that are under way; `redirect`: which redirects are followed; `connector`: makes connections; `address_policy`: the
//!   addresses that are out of bounds; `authorizer`: what gives requests their credentials; `side_request`: requests beside the protocol;
//!   `any_certificate`: a verifier that accepts every certificate; `probe`: the steps of a connection one by one, for
//!   diagnosis.

mod address_policy;
mod any_certificate;
mod authorizer;
mod call_stream;
mod client_certificate;
mod connector;
mod drive;
mod driver;
mod endpoint;
mod events;
mod fault;
#[doc(hidden)]
pub mod fuzzing;
mod headers;
mod opening;
mod outbound;
mod plain_stream;
mod pool;
mod probe;
mod received;
mod redirect;
mod resume;
mod revision_check;
mod shared;
mod shared_stream;
mod side_request;

pub use authorizer::{AccessRefusal, Authorizer, SignInFailed};
pub use client_certificate::InvalidClientCertificate;
#[cfg(feature = "client-websocket")]
pub(crate) use connector::Connector;
pub use endpoint::Endpoint;
#[cfg(feature = "client-websocket")]
pub(super) use fault::shown;
pub use fault::{Fault, without_secrets};
pub(crate) use opening::open;
#[cfg(feature = "client-websocket")]
pub(crate) use outbound::{USER_AGENT, uri};
pub use pool::{HttpPool, HttpPoolLimits, PoolExhausted, PoolUse};
pub use probe::{FetchedDocument, Probe, ProbedConnection};
#[cfg(feature = "client-websocket")]
pub(crate) use received::{Reading, Refusal};
pub use side_request::{SideAnswer, SideRequest};
