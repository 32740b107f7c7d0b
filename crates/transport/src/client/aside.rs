use std::sync::{Arc, OnceLock};

use anyport_service::ServerRequest;

/// Hears of what an older server asks where no call can be meant.
pub trait Aside: Send + Sync + 'static {
    /// The server asks while no call is open that may ask.
    ///
    /// # Errors
    /// The question, when nobody can be asked: it is held or refused, as the protocol has it.
    fn ask(&self, question: ServerRequest) -> Result<(), ServerRequest>;

    /// The server asked without saying which call it means, and only one could be meant. While that one is open, nobody
    /// else can be asked here.
    fn unnamed(&self) {}

    /// The server asked while calls of several callers were open, and was refused: only on a connection of its own can a
    /// caller be asked by it.
    fn several(&self);
}

/// Whoever hears of it, once there is somebody.
#[derive(Clone, Default)]
pub(crate) struct Asides(Arc<OnceLock<Arc<dyn Aside>>>);

impl Asides {
    /// The first that is set stays.
    pub(crate) fn set(&self, aside: Arc<dyn Aside>) {
        let _ = self.0.set(aside);
    }

    pub(crate) fn ask(&self, question: ServerRequest) -> Result<(), ServerRequest> {
        match self.0.get() {
            Some(aside) => aside.ask(question),
            None => Err(question),
        }
    }

    pub(crate) fn unnamed(&self) {
        if let Some(aside) = self.0.get() {
            aside.unnamed();
        }
    }

    pub(crate) fn several(&self) {
        if let Some(aside) = self.0.get() {
            aside.several();
        }
    }
}
