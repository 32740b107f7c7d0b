use std::sync::Arc;

use anyport_service::sync::Lock;

use crate::{
    Knowledge, Library,
    health::Health,
    serve::{Options, schema::Topics},
};

/// The shared state of the server's parts.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) knowledge: Knowledge,
    pub(super) options: Options,
    pub(super) health: Health,
    /// The choices in the tools' current schemas.
    topics: Lock<Arc<Topics>>,
}

impl Offer {
    pub(super) fn new(knowledge: &Knowledge, options: Options) -> Arc<Self> {
        let topics = Topics::of(&knowledge.library(), &options);
        let topics = Lock::new(Arc::new(topics));
        Arc::new(Self { knowledge: knowledge.clone(), options, health: Health::new(), topics })
    }

    pub(super) fn topics(&self) -> Arc<Topics> {
        self.topics.lock().clone()
    }

    /// Takes over what `library` is about. Returns whether that is something else than before.
    pub(super) fn retopic(&self, library: &Library) -> bool {
        let next = Topics::of(library, &self.options);
        let mut now = self.topics.lock();
        let is_other = **now != next;
        if is_other {
            *now = Arc::new(next);
        }
        is_other
    }
}
