use std::sync::OnceLock;

/// What a call turns out to be while it runs: which server it goes to, which item it uses, what refuses it. The first word counts.
#[derive(Default)]
pub(super) struct Noted {
    upstream: OnceLock<Box<str>>,
    item: OnceLock<Box<str>>,
    refused_by: OnceLock<Box<str>>,
    is_cached: OnceLock<()>,
}

impl Noted {
    /// It goes to this server. A call that goes to several names the first.
    pub(super) fn note_upstream(&self, name: &str) {
        let _ = self.upstream.set(name.into());
    }

    /// It uses the item that is listed under this name, where its client `asked` for another: that is what is worth a word.
    pub(super) fn note_item(&self, name: &str, asked: Option<&str>) {
        if asked != Some(name) {
            let _ = self.item.set(name.into());
        }
    }

    /// It is answered from the cache of this server.
    pub(super) fn note_cached(&self, upstream: &str) {
        self.note_upstream(upstream);
        let _ = self.is_cached.set(());
    }

    /// This limit or rule refuses it.
    pub(super) fn note_refusal(&self, what: &str) {
        let _ = self.refused_by.set(what.into());
    }

    pub(super) fn upstream(&self) -> Option<&str> {
        self.upstream.get().map(|name| &**name)
    }

    /// The item, where the client named something else.
    pub(super) fn item(&self) -> Option<&str> {
        self.item.get().map(|item| &**item)
    }

    pub(super) fn refused_by(&self) -> Option<&str> {
        self.refused_by.get().map(|by| &**by)
    }

    /// `true` if it is answered from a cache; else nothing is said of it.
    pub(super) fn cached(&self) -> Option<bool> {
        self.is_cached.get().map(|()| true)
    }
}
