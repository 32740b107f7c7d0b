//! Functions of a handler that block their thread, and what they await.

use std::future::Future;

use anyport_layers::panicked;
use anyport_protocol::{Error, jsonrpc::Reason};
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;

use super::pool::is_blocking_thread;
use crate::{Context, ToolResult, ask::HandlerFuture};

/// Why [`Context::block_on`] has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlockOnError {
    /// The call is over: it was cancelled or timed out, or a question ended it for now, and the function runs again when
    /// the answer is there. Return: the result is dropped.
    #[error("the call is over")]
    Ended,
    /// It was not called by a function given to [`crate::Tool::run_blocking`], on the thread that this was given.
    #[error(
        "block_on works only on the thread of a function given to run_blocking; elsewhere, await the future"
    )]
    Elsewhere,
}

impl Context {
    /// Waits for `future` in a function given to [`crate::Tool::run_blocking`], so that this can tell progress, ask, and do
    /// what else is asynchronous:
    ///
    /// ```
    /// # use anyport_server::{BlockOnError, Context, NoArguments, Tool};
    /// let tool = Tool::new("count").run_blocking(|_: NoArguments, context: Context| {
    ///     for done in 1..=3 {
    ///         // ... one third of the work ...
    ///         context.block_on(context.progress(f64::from(done), 3.0, None))?;
    ///     }
    ///     Ok::<_, BlockOnError>("done")
    /// });
    /// # let _ = tool;
    /// ```
    ///
    /// A blocking function cannot be dropped like an asynchronous one. So when its call is over, this returns
    /// [`BlockOnError::Ended`], and the function should return too: after a cancellation, after its timeout, and after
    /// a question without an answer yet. Then it runs again from its top, as every handler that asks.
    ///
    /// # Errors
    /// See [`BlockOnError`].
    pub fn block_on<F: Future>(&self, future: F) -> Result<F::Output, BlockOnError> {
        if !is_blocking_thread() {
            return Err(BlockOnError::Elsewhere);
        }
        let runtime = Handle::try_current().map_err(|_| BlockOnError::Elsewhere)?;
        let ended = self.ended();
        if ended.is_cancelled() {
            return Err(BlockOnError::Ended);
        }
        runtime.block_on(ended.run_until_cancelled(future)).ok_or(BlockOnError::Ended)
    }
}

/// Runs `work` on the pool of the context's server. Dropping it before a thread is free is the end of it; after that the
/// thread goes on to the end of `work`, and holds its place.
pub(crate) fn run(
    context: Context,
    work: impl FnOnce(Context) -> ToolResult + Send + 'static,
) -> HandlerFuture<ToolResult> {
    Box::pin(async move {
        let env = context.env().clone();
        let pool = &env.resources.blocking;
        let permit = match pool.permit().await {
            Ok(permit) => permit,
            Err(error) => return ToolResult::failure(error),
        };
        let span = tracing::Span::current();
        let work = pool.spawn(permit, move || {
            let _span = span.enter();
            work(context)
        });
        AbortOnDropHandle::new(work).await.unwrap_or_else(|error| {
            ToolResult::failure(match error.try_into_panic() {
                Ok(panic) => panicked("tools/call", &*panic),
                // The runtime is shutting down.
                Err(_) => Error::internal("the call was cut short").with_reason(Reason::ShuttingDown),
            })
        })
    })
}
