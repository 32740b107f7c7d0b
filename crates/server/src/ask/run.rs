use std::{
    future::Future,
    pin::Pin,
    task::{Context as Task, Poll, Waker},
};

use anyport_service::{Outcome, Reply};

use super::replay::Running;
use crate::Context;

/// A running handler.
pub(crate) type HandlerFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Runs a handler until it ends, or waits for answers.
///
/// It is polled once right here, so a handler that needs no waiting costs no stream.
pub(crate) fn run<T, W>(
    context: Context,
    handling: HandlerFuture<T>,
    running: Option<Running>,
    write: W,
) -> Reply
where
    T: 'static,
    W: Fn(&Context, T) -> Outcome + Send + Unpin + 'static,
{
    let mut call = Call { context, handling, running, write };
    match call.step(&mut Task::from_waker(Waker::noop())) {
        Poll::Ready(outcome) if call.context.has_emitted() => {
            call.context.emitter().reply(async move { outcome })
        }
        Poll::Ready(outcome) => Reply::ready(outcome),
        Poll::Pending => call.context.emitter().reply(Waiting(call)),
    }
}

struct Call<T, W> {
    context: Context,
    handling: HandlerFuture<T>,
    running: Option<Running>,
    write: W,
}

impl<T, W: Fn(&Context, T) -> Outcome> Call<T, W> {
    fn step(&mut self, task: &mut Task<'_>) -> Poll<Outcome> {
        let outcome = match self.handling.as_mut().poll(task) {
            Poll::Ready(result) => (self.write)(&self.context, result),
            Poll::Pending => match self.context.verdict() {
                Some(outcome) => outcome,
                None => return Poll::Pending,
            },
        };
        self.context.end();
        if let Some(running) = self.running.take() {
            running.ended(&outcome);
        }
        Poll::Ready(outcome)
    }
}

/// A call that was not answered at once. Dropping it is cancelling it.
struct Waiting<T, W>(Call<T, W>);

impl<T, W: Fn(&Context, T) -> Outcome + Unpin> Future for Waiting<T, W> {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Outcome> {
        self.0.context.watch(task);
        self.0.step(task)
    }
}

/// However it ends, cancelled or by a panic: tasks that the handler left behind send nothing any more.
impl<T, W> Drop for Call<T, W> {
    fn drop(&mut self) {
        self.context.end();
    }
}
