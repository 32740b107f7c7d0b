//! Which handlers of a server can ask in one era alone.

use anyport_protocol::Method;
use anyport_service::{Request, sync::Lock};
use bytestring::ByteString;
use lru::LruCache;

use crate::era::Era;

/// The tools, prompts and resources that can ask in one era alone, and in which.
///
/// One is remembered once it has asked there. That its SDK says so is not enough: the sentence may be anybody's. It is a
/// reason to make one call there, if the call that failed could not be made again.
pub(crate) struct AskingEras(Lock<LruCache<Handler, Asking>>);

/// A tool, prompt or resource: the method and the name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Handler(Method, ByteString);

/// What is known of a handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asking {
    /// The era in which it asks.
    pub(crate) era: Era,
    /// Whether it has asked there; until then its SDK has only said so.
    pub(crate) is_proven: bool,
}

/// How many handlers are remembered.
const MAX_REMEMBERED: usize = 1_024;

/// The length of a name beyond which a handler is not remembered, in bytes.
const MAX_NAME: usize = 1_024;

impl Handler {
    /// The handler of `request`; `None` if it cannot ask, or its name is too long to remember.
    pub(crate) fn of(request: &Request) -> Option<Self> {
        let method = request.known().filter(|method| method.may_ask())?;
        let name = request.name().filter(|name| name.len() <= MAX_NAME)?;
        // A copy: the name as it came keeps the whole request in memory.
        Some(Self(method, ByteString::from(&*name)))
    }
}

impl Default for AskingEras {
    fn default() -> Self {
        Self(Lock::new(LruCache::unbounded()))
    }
}

impl AskingEras {
    /// What is known of the handler of `request`.
    pub(crate) fn of(&self, request: &Request) -> Option<Asking> {
        let mut remembered = self.0.lock();
        if remembered.is_empty() {
            return None;
        }
        remembered.get(&Handler::of(request)?).copied()
    }

    /// Forgets all of them: the server may have been replaced.
    pub(crate) fn clear(&self) {
        self.0.lock().clear();
    }

    /// Remembers that `handler` has asked in `era`.
    pub(crate) fn record_asked(&self, handler: Handler, era: Era) {
        self.put(handler, Asking { era, is_proven: true });
    }

    /// The next call of `handler` is made in `era`.
    pub(crate) fn try_era_on_next_call(&self, handler: Handler, era: Era) {
        self.put(handler, Asking { era, is_proven: false });
    }

    /// A call of `handler` has ended without a question: unless another one has asked, it is forgotten.
    pub(crate) fn forget_unless_asked(&self, handler: &Handler) {
        let mut remembered = self.0.lock();
        if remembered.peek(handler).is_some_and(|asking| !asking.is_proven) {
            remembered.pop(handler);
        }
    }

    fn put(&self, handler: Handler, asking: Asking) {
        let mut remembered = self.0.lock();
        remembered.put(handler, asking);
        while remembered.len() > MAX_REMEMBERED {
            remembered.pop_lru();
        }
    }
}

#[cfg(test)]
mod tests {
    use anyport_protocol::Raw;
    use serde_json::json;

    use super::*;

    fn call(name: &str) -> Request {
        Request::new(Method::ToolsCall, Raw::from(json!({"name": name})))
    }

    #[test]
    fn a_bounded_number_of_names_of_bounded_length_is_remembered() {
        let eras = AskingEras::default();
        assert_eq!(Handler::of(&call(&"x".repeat(MAX_NAME + 1))), None);
        for number in 0..=MAX_REMEMBERED {
            let name = format!("{number:0width$}", width = MAX_NAME);
            eras.record_asked(Handler::of(&call(&name)).unwrap(), Era::Legacy);
        }
        assert_eq!(eras.0.lock().len(), MAX_REMEMBERED);
        assert_eq!(
            eras.of(&call(&format!("{:0width$}", 0, width = MAX_NAME))),
            None,
            "the oldest is forgotten"
        );
    }

    #[test]
    fn a_handler_that_did_not_ask_is_forgotten_unless_it_has_asked_before() {
        let eras = AskingEras::default();
        let handler = Handler::of(&call("book")).unwrap();
        eras.try_era_on_next_call(handler.clone(), Era::Legacy);
        assert_eq!(eras.of(&call("book")), Some(Asking { era: Era::Legacy, is_proven: false }));
        eras.forget_unless_asked(&handler);
        assert_eq!(eras.of(&call("book")), None);
        eras.record_asked(handler.clone(), Era::Legacy);
        eras.forget_unless_asked(&handler);
        assert_eq!(eras.of(&call("book")), Some(Asking { era: Era::Legacy, is_proven: true }));
    }
}
