use std::sync::{Arc, atomic::Ordering};

use super::{core::MemberCore, member::Members};

/// A member that was replaced or taken out of a federation: see [`super::Federation::set_members`]. It gets no more calls.
#[must_use = "its service can be shut down once its calls have ended"]
pub struct RetiredMember(Arc<MemberCore>);

impl RetiredMember {
    /// Its name in the configuration.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The number of its calls in flight.
    pub fn in_flight(&self) -> u64 {
        self.0.in_flight.load(Ordering::Relaxed)
    }
}

/// The members of `old` that are not among `new`.
pub(super) fn between(old: &Members, new: &Members) -> Vec<RetiredMember> {
    let stays = |core: &Arc<MemberCore>| new.entries.iter().any(|entry| Arc::ptr_eq(&entry.core, core));
    let gone = old.entries.iter().map(|entry| &entry.core).filter(|core| !stays(core));
    gone.map(|core| RetiredMember(core.clone())).collect()
}
