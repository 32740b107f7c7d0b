use std::{
    future::Future,
    pin::Pin,
    task::{Context as Task, Poll},
    time::Duration,
};

use anyport_metrics::Counter;
use tokio::time::{Instant, Sleep, sleep_until};

use super::result::ToolResult;
use crate::{ask::HandlerFuture, call_env::CallResources};

/// Until when a tool's function may run.
///
/// It has its time anew in each round of questions: while one is open it does not run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeout {
    limit: Duration,
    deadline: Instant,
}

impl Timeout {
    /// The timeout that starts now, and the context that shows it to the handler.
    pub(crate) fn begin(
        own: Option<Duration>,
        resources: &CallResources,
        service: anyport_service::Context,
    ) -> (Option<Self>, anyport_service::Context) {
        let Some(limit) = own.or(resources.default_timeout) else { return (None, service) };
        // A limit beyond the clock's range is no limit.
        let Some(deadline) = Instant::now().checked_add(limit) else { return (None, service) };
        (Some(Self { limit, deadline }), service.with_deadline(deadline))
    }

    /// Drops `handling` when its time is over; the result says so to the model, which can do something about it.
    pub(crate) fn bound(
        timeout: Option<Self>,
        handling: HandlerFuture<ToolResult>,
        resources: &CallResources,
    ) -> HandlerFuture<ToolResult> {
        match timeout {
            None => handling,
            Some(timeout) => {
                let expired = resources.refused.tool_timeout.clone();
                Box::pin(TimeoutFuture { handling: Some(handling), timeout, sleep: None, expired })
            }
        }
    }

    fn words(self) -> String {
        let (seconds, rest) = (self.limit.as_secs(), self.limit.subsec_millis());
        match rest {
            0 => format!("timed out after {seconds} s"),
            _ => format!("timed out after {} ms", self.limit.as_millis()),
        }
    }
}

struct TimeoutFuture {
    handling: Option<HandlerFuture<ToolResult>>,
    timeout: Timeout,
    /// Made when the handler has to wait: most calls end at once.
    sleep: Option<Pin<Box<Sleep>>>,
    expired: Counter,
}

impl Future for TimeoutFuture {
    type Output = ToolResult;

    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<ToolResult> {
        let this = &mut *self;
        if let Some(handling) = &mut this.handling
            && let Poll::Ready(result) = handling.as_mut().poll(task)
        {
            return Poll::Ready(result);
        }
        let deadline = this.timeout.deadline;
        let sleep = this.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        std::task::ready!(sleep.as_mut().poll(task));
        this.handling = None;
        this.expired.increment();
        Poll::Ready(ToolResult::error(this.timeout.words()))
    }
}
