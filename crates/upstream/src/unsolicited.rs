//! Server requests that belong to no call.

use std::sync::{Arc, Weak};

use anyport_protocol::Method;
use anyport_service::ServerRequest;
use anyport_transport::client::Aside;

use crate::{
    pool::{Inner, Pool},
    slot::Slot,
};

/// Hears of what a legacy server asks on one connection where no call can be meant.
pub(crate) struct UnsolicitedRequests {
    pool: Weak<Inner>,
    slot: Weak<Slot>,
}

impl UnsolicitedRequests {
    pub(crate) fn of(pool: &Pool, slot: &Arc<Slot>) -> Arc<Self> {
        Arc::new(Self { pool: Arc::downgrade(&pool.0), slot: Arc::downgrade(slot) })
    }
}

impl Aside for UnsolicitedRequests {
    /// On a session's own connection there is no doubt whom the server means. On one that several share, nobody is asked,
    /// and from then on each gets one of its own; but not for roots, which nearly every server asks for as it begins.
    fn ask(&self, question: ServerRequest) -> Result<(), ServerRequest> {
        let Some(slot) = self.slot.upgrade() else { return Err(question) };
        match slot.sharers() {
            (_, Some(sole)) => sole.request(question),
            (0, None) => Err(question),
            (_, None) => {
                if question.method != Method::ListRoots {
                    self.several();
                }
                Err(question)
            }
        }
    }

    fn unnamed(&self) {
        if let Some(inner) = self.pool.upgrade() {
            Pool(inner).lock().ambiguous = true;
        }
    }

    fn several(&self) {
        if let Some(inner) = self.pool.upgrade() {
            Pool(inner).isolate();
        }
    }
}
