use super::call_id::CallId;

/// Requests of the connection itself that are not answered yet, and the last id that any request was given.
#[derive(Debug, Default)]
pub(super) struct OwnRequests {
    last: Option<CallId>,
    open: Vec<(CallId, OwnRequest)>,
}

/// What a request of the connection itself is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OwnRequest {
    /// `server/discover`, to find out what the server speaks.
    Probe,
    /// `initialize`, for the same.
    Initialize,
    /// `initialize`, for a session in place of a lost one.
    Renew,
    /// `logging/setLevel`.
    SetLevel,
    /// `logging/setLevel` or `resources/subscribe`, in a renewed session.
    Restore,
}

impl OwnRequests {
    /// An id that was never used on this connection.
    pub(super) fn next_id(&mut self) -> CallId {
        *self.last.insert(self.last.map_or(CallId::FIRST, CallId::next))
    }

    /// The last id that any request was given.
    pub(super) fn last_id(&self) -> Option<CallId> {
        self.last
    }

    /// Notes a request of the connection itself, under a new id.
    pub(super) fn open(&mut self, request: OwnRequest) -> CallId {
        let id = self.next_id();
        self.open.push((id, request));
        id
    }

    /// Takes a request away that was answered, or will not be.
    pub(super) fn take(&mut self, id: CallId) -> Option<OwnRequest> {
        let place = self.open.iter().position(|(open, _)| *open == id)?;
        Some(self.open.remove(place).1)
    }

    /// Forgets all of them: nothing that is said of them matters any more.
    pub(super) fn clear(&mut self) {
        self.open.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = CallId> {
        self.open.iter().map(|(id, _)| *id)
    }
}
