use anyport_service::{Context, Reply, Request, Service};

use crate::{era::Era, pool::Pool, retry::RetryState};

/// The calls of one era of a server: below the adapter that converts what it asks.
///
/// A server that does not speak the era is called in the other one.
#[derive(Clone)]
pub(crate) struct EraCalls {
    pub(crate) pool: Pool,
    pub(crate) era: Era,
}

impl Service for EraCalls {
    fn call(&self, request: Request, context: Context) -> Reply {
        self.pool.attempt(request, context, RetryState::new(self.era))
    }
}
