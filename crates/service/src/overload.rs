use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use anyport_protocol::failure::Failure;

use crate::sync::Lock;

/// Whether new work is refused because the process would run out of something, such as memory.
///
/// What watches the process sets it; layers and transports read it for each call, which costs an atomic read. Clones share the state.
#[derive(Clone, Debug, Default)]
pub struct Overload(Arc<State>);

#[derive(Debug, Default)]
struct State {
    is_overloaded: AtomicBool,
    cause: Lock<Option<OverloadCause>>,
}

/// Why new work is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverloadCause {
    /// The name of the limit that is reached.
    pub limit: &'static str,
    /// What is used up, for a person.
    pub why: String,
}

impl Overload {
    /// Refuses new work for `cause`, or with `None` no longer.
    pub fn set(&self, cause: Option<OverloadCause>) {
        let mut current = self.0.cause.lock();
        self.0.is_overloaded.store(cause.is_some(), Ordering::Relaxed);
        *current = cause;
    }

    /// Why new work is refused; `None` if it is not.
    pub fn cause(&self) -> Option<OverloadCause> {
        if !self.0.is_overloaded.load(Ordering::Relaxed) {
            return None;
        }
        self.0.cause.lock().clone()
    }
}

impl OverloadCause {
    /// What the caller is told.
    pub fn message(&self) -> String {
        format!("{} ({}); try again later", self.why, self.limit)
    }
}

impl From<OverloadCause> for Failure {
    fn from(cause: OverloadCause) -> Self {
        Self::Overloaded { limit: cause.limit, why: cause.message() }
    }
}
