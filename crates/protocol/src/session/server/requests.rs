use std::collections::HashMap;

use smallvec::SmallVec;

use crate::{
    Error, Id, Method, Raw,
    json::{Members, Splice},
};

/// The requests of this server that its client has not answered.
///
/// `R` takes the answer; the driver chooses it.
#[derive(Debug)]
pub(super) struct OpenRequests<R> {
    by_id: HashMap<Id, OpenRequest<R>>,
}

/// One request that the client has not answered.
#[derive(Debug)]
pub(super) struct OpenRequest<R> {
    pub(super) method: Method,
    /// The params in the newest vocabulary, as they were before they were lowered.
    pub(super) params: Raw,
    pub(super) responder: R,
}

/// The open requests that one call has sent to the client, or those that belong to no call.
#[derive(Debug, Default)]
pub struct SentRequests {
    ids: SmallVec<[Id; 1]>,
    /// The elicitations by URL of which the client is notified when they are complete.
    elicitations: Vec<Raw>,
}

/// A request that is ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutgoingRequest {
    /// An id that this session has never used before.
    pub id: Id,
    /// The method.
    pub method: Method,
    /// The params in the client's revision.
    pub params: Raw,
}

/// A request that could not be sent: the error is for `responder`.
#[derive(Debug)]
pub struct Unsendable<R> {
    /// Waits for the answer.
    pub responder: R,
    /// The reason.
    pub error: Error,
}

/// What a call that has ended leaves to be sent.
#[derive(Debug)]
pub struct CallEnd<R> {
    /// Requests of the call that no longer wait for an answer: each is cancelled.
    pub withdrawn: Withdrawn<R>,
    /// `elicitationId` of each elicitation by URL that is complete.
    pub completed: Vec<Raw>,
}

/// Requests that were withdrawn, and those who would have taken their answers.
pub type Withdrawn<R> = SmallVec<[(Id, R); 1]>;

impl<R> Default for OpenRequests<R> {
    fn default() -> Self {
        Self { by_id: HashMap::new() }
    }
}

impl<R> OpenRequests<R> {
    pub(super) fn insert(&mut self, from: &mut SentRequests, id: Id, request: OpenRequest<R>) {
        from.ids.push(id.clone());
        self.by_id.insert(id, request);
    }

    /// Removes the request that a response answers. `None` for a response to nothing: it may have crossed the withdrawal.
    pub(super) fn answered(&mut self, id: &Id) -> Option<OpenRequest<R>> {
        self.by_id.remove(id)
    }

    /// Removes the first request of `from` for which `is_withdrawn` returns true, and forgets those that were answered.
    pub(super) fn withdraw(
        &mut self,
        from: &mut SentRequests,
        mut is_withdrawn: impl FnMut(&mut R) -> bool,
    ) -> Option<(Id, R)> {
        from.ids.retain(|id| self.by_id.contains_key(id));
        let by_id = &mut self.by_id;
        let index = from
            .ids
            .iter()
            .position(|id| by_id.get_mut(id).is_some_and(|request| is_withdrawn(&mut request.responder)))?;
        let id = from.ids.swap_remove(index);
        let request = self.by_id.remove(&id)?;
        Some((id, request.responder))
    }

    /// Removes all requests of `from`. Returns those that were open.
    pub(super) fn withdraw_all(&mut self, from: &mut SentRequests) -> Withdrawn<R> {
        let open = from.ids.drain(..).filter_map(|id| {
            let request = self.by_id.remove(&id)?;
            Some((id, request.responder))
        });
        open.collect()
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Removes all requests.
    pub(super) fn close(&mut self) -> Vec<R> {
        self.by_id.drain().map(|(_, request)| request.responder).collect()
    }
}

impl SentRequests {
    /// Whether a request may be open; without one there is nothing to withdraw.
    pub fn has_open(&self) -> bool {
        !self.ids.is_empty()
    }

    /// Whether the end of the call leaves nothing to be sent.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty() && self.elicitations.is_empty()
    }

    /// Gives an elicitation by URL its id.
    ///
    /// 2025-11-25, elicitation §URL Mode: every such request has an `elicitationId`.
    pub(super) fn with_elicitation_id(
        &mut self,
        params: Raw,
        mint: fn() -> Result<String, Error>,
    ) -> Result<Raw, Error> {
        if Members::find(params.as_str(), "mode") != Some("\"url\"") {
            return Ok(params);
        }
        let id = Raw::string(&mint()?);
        let params =
            Splice::retain(&params, |key| key != "elicitationId").with("elicitationId", &id).finish();
        self.elicitations.push(id);
        Ok(params)
    }

    pub(super) fn take_elicitations(&mut self) -> Vec<Raw> {
        std::mem::take(&mut self.elicitations)
    }
}
