//! Back-pressure for answers of servers over HTTP: reading stops while the budget is used up.

use std::{
    sync::Arc,
    task::{Context as Task, Poll, ready},
};

use anyport_metrics::Held;
use anyport_protocol::failure::Failure;

use super::{
    budget::{BufferedBytes, RoomWait, Used},
    large::LARGE,
};

/// Lets a call read the answer of a server as long as there is room for it: what is not read stays with the server.
#[derive(Default)]
pub(crate) struct ReadGate {
    /// The budget, and the server that the answer comes from; `None` if the gate is always open.
    budget: Option<(BufferedBytes, Arc<str>)>,
    answer: Option<Answer>,
    waiting: Option<RoomWait>,
}

/// A large answer that is being read.
struct Answer {
    number: u64,
    server: Arc<str>,
    budget: BufferedBytes,
    bytes: usize,
    gauge: Held,
}

impl ReadGate {
    /// A gate for an answer of `server`; without a budget it is always open.
    pub(crate) fn new(budget: Option<BufferedBytes>, server: &Arc<str>) -> Self {
        Self { budget: budget.map(|budget| (budget, server.clone())), ..Self::default() }
    }

    /// Waits until more may be read.
    ///
    /// # Errors
    /// [`Failure::Overloaded`].
    pub(crate) fn poll_ready(&mut self, task: &mut Task<'_>) -> Poll<Result<(), Failure>> {
        let Some(answer) = &self.answer else { return Poll::Ready(Ok(())) };
        let budget = &answer.budget;
        if self.waiting.is_none() && budget.may_read(&budget.0.used.lock(), &answer.server, answer.number) {
            return Poll::Ready(Ok(()));
        }
        let waiting = self.waiting.get_or_insert_with(|| {
            let Answer { number, bytes, .. } = *answer;
            let (budget, server) = (budget.clone(), answer.server.clone());
            Box::pin(async move {
                budget.clone().until(bytes, move |used| budget.may_read(used, &server, number)).await
            })
        });
        let room = ready!(waiting.as_mut().poll(task));
        self.waiting = None;
        Poll::Ready(room)
    }

    /// The bytes of the answer that are in memory by now.
    pub(crate) fn set(&mut self, bytes: usize) {
        let Some((budget, server)) = self.budget.as_ref().filter(|_| bytes > LARGE) else {
            self.answer = None;
            return;
        };
        self.answer.get_or_insert_with(|| Answer::new(budget, server)).set(bytes);
    }

    /// The answer is complete, and the next one begins.
    pub(crate) fn complete(&mut self) {
        self.answer = None;
    }
}

impl Answer {
    fn new(budget: &BufferedBytes, server: &Arc<str>) -> Self {
        let number = budget.0.used.lock().reads.begin(server);
        let gauge = budget.0.gauge.hold_many(0);
        Self { number, server: server.clone(), budget: budget.clone(), bytes: 0, gauge }
    }

    fn set(&mut self, bytes: usize) {
        match bytes.checked_sub(self.bytes) {
            Some(0) => {}
            Some(more) => {
                self.gauge.grow(more);
                self.count(bytes);
            }
            None => {
                self.gauge = self.budget.0.gauge.hold_many(bytes);
                self.count(bytes);
                self.budget.0.freed.notify_waiters();
            }
        }
    }

    fn count(&mut self, bytes: usize) {
        let mut used = self.budget.0.used.lock();
        used.pending = used.pending - self.bytes + bytes;
        used.reads.count(&self.server, self.bytes, bytes);
        self.bytes = bytes;
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.count(0);
        self.budget.0.used.lock().reads.end(&self.server, self.number);
        self.budget.0.freed.notify_waiters();
    }
}

impl BufferedBytes {
    /// Whether an answer of `server` may be read on: it needs room among those that clients have not read afterwards.
    fn may_read(&self, used: &Used, server: &str, number: u64) -> bool {
        let free = self.max_pending().saturating_sub(used.pending);
        used.unread < self.max_unread() && used.reads.may_go_on(server, number, free)
    }
}
