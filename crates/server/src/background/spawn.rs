//! How handlers begin work in the background.

use std::future::Future;

use super::tasks::BackgroundError;
use crate::Context;

impl Context {
    /// Lets `work` go on by itself: the call does not wait for it, and neither the end of the call nor its cancellation
    /// ends it. [`crate::Server::stop`] waits for it, as long as [`crate::Builder::drain`] says, and then drops it.
    ///
    /// Notifications after the end of the call are dropped. Background work can neither ask nor use [`Context::once`]:
    /// its round is over when the answer arrives. A future that tries is dropped, with a log message. A panic in it is
    /// logged.
    ///
    /// A handler runs once in each round of questions, and so does the background work that it starts: start it after the last question.
    ///
    /// # Errors
    /// When it cannot run: see [`BackgroundError`].
    pub fn spawn_background<F>(&self, work: F) -> Result<(), BackgroundError>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.env().resources.background.spawn(work)
    }
}
