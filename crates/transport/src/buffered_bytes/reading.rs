//! Answers that are being read from servers over HTTP.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    task::{Context as Task, Poll, ready},
};

use anyport_metrics::Held;
use anyport_protocol::failure::Failure;

use super::{BufferedBytes, LARGE, RoomWait, Used};

/// The large answers that are being read, by the server that they come from.
#[derive(Default)]
pub(super) struct Reads {
    servers: HashMap<Arc<str>, ServerAnswers>,
    last_number: u64,
}

/// The large answers that are being read from one server.
#[derive(Default)]
struct ServerAnswers {
    bytes: usize,
    /// The numbers of the answers; the oldest has the smallest.
    numbers: BTreeSet<u64>,
}

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
        let mut used = budget.0.used.lock();
        used.reads.last_number += 1;
        let number = used.reads.last_number;
        used.reads.servers.entry(server.clone()).or_default().numbers.insert(number);
        Self {
            number,
            server: server.clone(),
            budget: budget.clone(),
            bytes: 0,
            gauge: budget.0.gauge.hold_many(0),
        }
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
        if let Some(of_server) = used.reads.servers.get_mut(&self.server) {
            of_server.bytes = of_server.bytes - self.bytes + bytes;
        }
        self.bytes = bytes;
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.count(0);
        let mut used = self.budget.0.used.lock();
        if let Some(of_server) = used.reads.servers.get_mut(&self.server) {
            of_server.numbers.remove(&self.number);
            if of_server.numbers.is_empty() {
                used.reads.servers.remove(&self.server);
            }
        }
        drop(used);
        self.budget.0.freed.notify_waiters();
    }
}

impl BufferedBytes {
    /// Whether an answer of `server` may be read on.
    ///
    /// A server may have as much as it leaves free: alone it gets half, each of two a third, and there is always room for
    /// one more. The oldest answer of each server is read even so: otherwise none of them would come to its end.
    fn may_read(&self, used: &Used, server: &str, number: u64) -> bool {
        let Some(of_server) = used.reads.servers.get(server) else { return true };
        let is_oldest = of_server.numbers.first() == Some(&number);
        let free = self.max_pending().saturating_sub(used.pending);
        used.unread < self.max_unread() && (is_oldest || of_server.bytes < free)
    }
}
