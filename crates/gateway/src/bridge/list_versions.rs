//! Lists that differ from those that the bridge answered.

use std::{collections::HashMap, sync::Arc};

use anyport_protocol::Method;
use anyport_service::{Context, sync::Lock};
use anyport_upstream::Upstream;
use tokio::{sync::watch, time::Instant};

/// The versions of lists: when each list was found to differ, by its cache key, and which lists are being read again.
#[derive(Clone, Default)]
pub(super) struct ListVersions(Arc<Inner>);

#[derive(Default)]
struct Inner {
    changed: watch::Sender<HashMap<String, Instant>>,
    reading: Lock<HashMap<String, bool>>,
}

/// The largest number of remembered changes: one for each kind of list and each set of capabilities.
const MOST: usize = 1_024;

impl ListVersions {
    /// Notes that the list under `key` has changed.
    pub(super) fn changed(&self, key: &str) {
        self.0.changed.send_modify(|changed| {
            if changed.len() >= MOST {
                changed.clear();
            }
            changed.insert(key.to_owned(), Instant::now());
        });
    }

    /// The changes, earlier ones included.
    pub(super) fn watch(&self) -> watch::Receiver<HashMap<String, Instant>> {
        self.0.changed.subscribe()
    }

    /// Begins to read the list under `key` again. Returns `false` if that is under way; then it is read once more.
    pub(super) fn begin(&self, key: &str) -> bool {
        let mut reading = self.0.reading.lock();
        match reading.get_mut(key) {
            Some(again) => {
                *again = true;
                false
            }
            None => reading.insert(key.to_owned(), false).is_none(),
        }
    }

    /// Ends the reading of a list. Returns `true` if it must be read once more, since it may have changed meanwhile.
    pub(super) fn again(&self, key: &str) -> bool {
        let mut reading = self.0.reading.lock();
        let again = reading.get_mut(key).is_some_and(std::mem::take);
        if !again {
            reading.remove(key);
        }
        again
    }
}

/// The lists that each list-changed notification is about.
pub(super) fn lists(change: Method) -> &'static [Method] {
    match change {
        Method::ToolsChanged => &[Method::ToolsList],
        Method::PromptsChanged => &[Method::PromptsList],
        Method::ResourcesChanged => &[Method::ResourcesList, Method::TemplatesList],
        _ => &[],
    }
}

/// The cache key of a list, which may depend on the client's era, in which the server is called, and its capabilities.
pub(super) fn key(method: Method, context: &Context) -> String {
    let era = if context.revision().is_stateless() { "" } else { "legacy " };
    format!("{} {era}{}", method.as_str(), Upstream::profile(context))
}
