//! Observation of the messages of clients, as they are on the wire.
//!
//! A message is seen where it arrives. What is written for it later is seen by the observer that was returned then, which
//! travels with the task: the functions in between have nothing to do with it.

use std::{fmt, future::Future, num::NonZeroU64, sync::Arc};

use anyport_service::Context;
use bytes::Bytes;

/// Sees the messages of the clients of a listener.
pub trait ClientObserver: fmt::Debug + Send + Sync + 'static {
    /// Sees a message of a client, before it is read. Returns the observer of the messages that the client is sent for it, or `None` if
    /// nothing is to be seen.
    fn received(&self, message: &[u8]) -> Option<Arc<dyn CallObserver>>;
}

/// Sees the messages that a client is sent for one of its own.
pub trait CallObserver: Send + Sync + 'static {
    /// The number of the call, which its context has: [`Context::observed_call`].
    fn number(&self) -> NonZeroU64;

    /// Sees a message for the client, before it is written. The parts of its text follow one another; some may be empty.
    fn sent(&self, message: &[Bytes]);
}

tokio::task_local! {
    /// The observer of the message that the task answers.
    static OBSERVED: Arc<dyn CallObserver>;
}

/// Shows `message` to `observer`; the observer of what is sent for it, if there is one.
pub(crate) fn received(
    observer: Option<&Arc<dyn ClientObserver>>,
    message: &[u8],
) -> Option<Arc<dyn CallObserver>> {
    observer?.received(message)
}

/// Answers a message that `observer` sees. Boxed, so that the future of a message that nobody sees stays small.
pub(crate) async fn answer<F: Future>(observer: Arc<dyn CallObserver>, answer: F) -> F::Output {
    Box::pin(OBSERVED.scope(observer, answer)).await
}

/// The observer of the message that is being answered.
pub(crate) fn current() -> Option<Arc<dyn CallObserver>> {
    OBSERVED.try_with(Arc::clone).ok()
}

/// `context` with the number of the call that is observed, if it is.
pub(crate) fn numbered(context: Context) -> Context {
    match current() {
        Some(observer) => context.with_observed_call(observer.number()),
        None => context,
    }
}
