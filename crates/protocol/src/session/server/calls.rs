use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::{Error, Id, jsonrpc::Reason};

/// The requests of a client that are being answered, by their ids.
///
/// `C` cancels a call: the driver chooses it, and dropping it must cancel as well.
#[derive(Debug)]
pub(super) struct InFlightCalls<C> {
    by_id: HashMap<Id, InFlight<C>, RandomState>,
    limit: usize,
    last_number: u64,
    closed: bool,
}

#[derive(Debug)]
struct InFlight<C> {
    number: u64,
    kind: CallKind,
    cancel: C,
}

/// One call in flight. Ends it with [`finish`](super::ServerSession::finish).
///
/// A client may use the id of a cancelled request again while the old call still winds up, so the id alone does not tell
/// which of the two has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallHandle {
    id: Id,
    number: u64,
}

impl CallHandle {
    /// The id that the client gave the request.
    pub fn id(&self) -> &Id {
        &self.id
    }
}

/// Whether a call ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallKind {
    /// It has a result.
    Finite,
    /// It is a `subscriptions/listen` stream, which lasts for as long as the client reads.
    Subscription,
}

impl<C> InFlightCalls<C> {
    pub(super) fn new(limit: usize) -> Self {
        Self { by_id: HashMap::default(), limit, last_number: 0, closed: false }
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Returns an error if a request with this id may not begin now.
    pub(super) fn admit(&self, id: &Id) -> Result<(), Error> {
        // 2026-07-28, basic §Requests: "The request ID MUST NOT match the ID of any other request the sender has issued
        // and not yet received a response for."
        if self.by_id.contains_key(id) {
            return Err(Error::invalid_request(format!("id {id} belongs to a request that still runs")));
        }
        if self.by_id.len() >= self.limit {
            let message = format!("{} requests are open (max_open_requests)", self.limit);
            return Err(Error::internal(message).with_reason(Reason::Overloaded));
        }
        Ok(())
    }

    /// Adds a call. Once the table is closed, `cancel` is dropped at once, which cancels the call.
    pub(super) fn begin(&mut self, id: Id, kind: CallKind, cancel: C) -> Result<CallHandle, Error> {
        self.admit(&id)?;
        self.last_number += 1;
        let number = self.last_number;
        if !self.closed {
            self.by_id.insert(id.clone(), InFlight { number, kind, cancel });
        }
        Ok(CallHandle { id, number })
    }

    /// Removes a call that has ended; its id is free again.
    pub(super) fn finish(&mut self, call: &CallHandle) -> Option<C> {
        if self.by_id.get(&call.id).is_none_or(|it| it.number != call.number) {
            return None;
        }
        self.by_id.remove(&call.id).map(|it| it.cancel)
    }

    /// Removes a call that its client cancels.
    ///
    /// 2026-07-28, patterns/cancellation §Error Handling: unknown and completed requests are ignored.
    pub(super) fn cancel(&mut self, id: &Id) -> Option<C> {
        self.by_id.remove(id).map(|it| it.cancel)
    }

    /// Removes the subscriptions, which would not end by themselves.
    pub(super) fn end_subscriptions(&mut self) -> Vec<C> {
        let ended = self.by_id.extract_if(|_, it| it.kind == CallKind::Subscription);
        ended.map(|(_, it)| it.cancel).collect()
    }

    /// Removes all calls, and cancels those that begin from now on.
    pub(super) fn close(&mut self) -> Vec<C> {
        self.closed = true;
        self.by_id.drain().map(|(_, it)| it.cancel).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls() -> InFlightCalls<u32> {
        InFlightCalls::new(2)
    }

    #[test]
    fn an_id_in_use_and_one_call_too_many_are_refused() {
        let mut calls = calls();
        let first = calls.begin(Id::from(1), CallKind::Finite, 1).unwrap();
        assert_eq!(calls.begin(Id::from(1), CallKind::Finite, 2).unwrap_err().code, -32600);
        calls.begin(Id::from(2), CallKind::Finite, 2).unwrap();
        assert_eq!(calls.admit(&Id::from(3)).unwrap_err().reason, Some(Reason::Overloaded));
        assert_eq!(calls.finish(&first), Some(1));
        assert_eq!(calls.finish(&first), None);
        calls.admit(&Id::from(1)).unwrap();
    }

    #[test]
    fn the_end_of_a_cancelled_call_is_not_the_end_of_the_next_one_with_its_id() {
        let mut calls = calls();
        let old = calls.begin(Id::from(1), CallKind::Finite, 1).unwrap();
        assert_eq!(calls.cancel(&Id::from(1)), Some(1));
        let new = calls.begin(Id::from(1), CallKind::Finite, 2).unwrap();
        assert_eq!(calls.finish(&old), None);
        assert_eq!(calls.finish(&new), Some(2));
    }

    #[test]
    fn a_closed_table_cancels_what_begins() {
        let mut calls = calls();
        calls.begin(Id::from(1), CallKind::Subscription, 1).unwrap();
        calls.begin(Id::from(2), CallKind::Finite, 2).unwrap();
        assert_eq!(calls.end_subscriptions(), [1]);
        assert_eq!(calls.close(), [2]);
        let late = calls.begin(Id::from(3), CallKind::Finite, 3).unwrap();
        assert_eq!((calls.len(), calls.finish(&late)), (0, None));
    }
}
