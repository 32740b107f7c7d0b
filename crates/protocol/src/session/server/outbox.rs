use std::collections::VecDeque;

use bytestring::ByteString;

use super::SentRequests;
use crate::{Method, Raw};

/// Messages to the client that belong to no call. They wait until the client listens, up to a limit.
#[derive(Debug)]
pub(super) struct Outbox<R> {
    waiting: VecDeque<Waiting<R>>,
    /// The requests that were sent outside any call and are not settled.
    pub(super) sent: SentRequests,
    closed: bool,
}

/// A message that waits.
#[derive(Debug)]
pub(super) enum Waiting<R> {
    Notification(ByteString, Raw),
    Request { method: Method, params: Raw, responder: R },
}

/// The most messages that wait for a client that does not listen.
const MAX_WAITING: usize = 64;

impl<R> Default for Outbox<R> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), sent: SentRequests::default(), closed: false }
    }
}

impl<R> Outbox<R> {
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) fn has_room(&self) -> bool {
        !self.closed && self.waiting.len() < MAX_WAITING
    }

    /// Adds a message. The caller has made sure that there is room.
    pub(super) fn push(&mut self, message: Waiting<R>) {
        self.waiting.push_back(message);
    }

    pub(super) fn pop(&mut self) -> Option<Waiting<R>> {
        self.waiting.pop_front()
    }

    /// Takes no more messages. Returns those who wait for an answer to a request that was never sent.
    pub(super) fn close(&mut self) -> Vec<R> {
        self.closed = true;
        let waiting = std::mem::take(&mut self.waiting).into_iter();
        let responders = waiting.filter_map(|message| match message {
            Waiting::Request { responder, .. } => Some(responder),
            Waiting::Notification(..) => None,
        });
        responders.collect()
    }
}
