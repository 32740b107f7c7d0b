//! The server's end of a session.
//!
//! - [`ServerSession`]: the machine: requests in flight, cancellation, requests of the server's own, messages outside of
//!   calls.
//! - [`SessionState`]: what `initialize` has negotiated.
//! - [`Translation`]: between the newest vocabulary and the client's revision.
//! - [`IdleTimeout`]: how long a client may be silent.

mod calls;
mod idle;
mod outbox;
mod requests;
mod session;
mod state;
mod subscriptions;
mod translation;

pub use calls::{CallHandle, CallKind};
pub use idle::{IdleTimeout, Silence};
pub use requests::{CallEnd, OutgoingRequest, SentRequests, Unsendable, Withdrawn};
pub use session::{
    AnsweredRequest, Closed, NotificationStep, ServerSession, ServerSessionConfig, UnsolicitedStep,
};
pub use state::{RequestStep, SessionState};
pub use subscriptions::SubscriptionChange;
pub use translation::Translation;

#[cfg(test)]
mod tests;
