use anyport_protocol::Method;
use anyport_service::{Request, sync::Lock};
use bytestring::ByteString;
use lru::LruCache;

use crate::era::Era;

/// The tools, prompts and resources that can ask in one era alone, and in which.
pub(crate) struct AskingEras(Lock<LruCache<(Method, ByteString), Era>>);

/// How many of them are remembered.
const MAX_REMEMBERED: usize = 1_024;

impl Default for AskingEras {
    fn default() -> Self {
        Self(Lock::new(LruCache::unbounded()))
    }
}

impl AskingEras {
    /// The era in which the handler of `request` can ask, if that is known to be one alone.
    pub(crate) fn era_of(&self, request: &Request) -> Option<Era> {
        let mut remembered = self.0.lock();
        if remembered.is_empty() {
            return None;
        }
        remembered.get(&key(request)?).copied()
    }

    /// Forgets all of them: the server is not what it was.
    pub(crate) fn clear(&self) {
        self.0.lock().clear();
    }

    /// Remembers that the handler of `request` can ask in `era` alone.
    pub(crate) fn remember(&self, request: &Request, era: Era) {
        let Some(key) = key(request) else { return };
        let mut remembered = self.0.lock();
        remembered.put(key, era);
        while remembered.len() > MAX_REMEMBERED {
            remembered.pop_lru();
        }
    }
}

/// The method and the name; a copy, since the name as it came keeps the whole request in memory.
fn key(request: &Request) -> Option<(Method, ByteString)> {
    let method = request.known().filter(|method| method.may_ask())?;
    Some((method, ByteString::from(&*request.name()?)))
}
