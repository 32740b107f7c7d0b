use std::{
    collections::BTreeMap,
    fs,
    future::Future,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyport_protocol::{Limits, Raw, Revision};
use anyport_service::sync::Lock;
use serde::{Deserialize, Serialize};
use tokio::{sync::Notify, time::sleep};

/// The last known lists of a server, in memory and in a file that outlives the program.
#[derive(Clone)]
pub(super) struct CatalogCache(Arc<Inner>);

struct Inner {
    /// `None`: in memory alone.
    path: Option<PathBuf>,
    contents: Lock<Contents>,
    /// Something changed, or the last clone is gone.
    changed: Arc<Notify>,
}

/// The file.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Contents {
    /// The server's description for modern clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    discovered: Option<Raw>,
    /// The server's description for legacy clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    discovered_by_legacy: Option<Raw>,
    /// By the method, the client's era and the client's capabilities, on which a list may depend.
    #[serde(default)]
    lists: BTreeMap<String, Raw>,
}

impl Contents {
    fn discovered_by(&mut self, revision: Revision) -> &mut Option<Raw> {
        if revision.is_stateless() { &mut self.discovered } else { &mut self.discovered_by_legacy }
    }
}

/// The largest stored list in bytes; a larger one is requested each time.
const MOST: usize = 8 << 20;
/// The largest number of stored lists. Clients choose their capabilities, and new clients come: if there is no room for
/// a list in use, unused ones are removed.
const LISTS: usize = 64;
/// The delay before the file is written, since changes come together.
const SETTLE: Duration = Duration::from_millis(200);

impl CatalogCache {
    /// Reads the file at `path`. An unreadable file counts as missing: everything in it can be requested.
    pub(super) fn open(path: Option<PathBuf>) -> Self {
        let contents = path.as_deref().and_then(|path| match read(path) {
            Ok(contents) => Some(contents),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "the cached description of the server cannot be read; it is requested again");
                None
            }
        });
        let contents = Lock::new(contents.unwrap_or_default());
        Self(Arc::new(Inner { path, contents, changed: Arc::default() }))
    }

    /// The server's description for clients of `revision`.
    pub(super) fn discovered(&self, revision: Revision) -> Option<Raw> {
        self.0.contents.lock().discovered_by(revision).clone()
    }

    /// The server's description for some clients.
    pub(super) fn any_discovered(&self) -> Option<Raw> {
        let contents = self.0.contents.lock();
        contents.discovered.clone().or_else(|| contents.discovered_by_legacy.clone())
    }

    pub(super) fn list(&self, key: &str) -> Option<Raw> {
        self.0.contents.lock().lists.get(key).cloned()
    }

    /// Every list of tools.
    pub(super) fn tools(&self) -> Vec<Raw> {
        let contents = self.0.contents.lock();
        let of_tools = contents.lists.iter().filter(|(key, _)| key.starts_with("tools/list "));
        of_tools.map(|(_, list)| list.clone()).collect()
    }

    pub(super) fn set_discovered(&self, revision: Revision, discovered: Raw) {
        let mut contents = self.0.contents.lock();
        let known = contents.discovered_by(revision);
        if known.as_ref() != Some(&discovered) {
            *known = Some(discovered);
            self.0.changed.notify_one();
        }
    }

    /// Returns whether a different list was stored before.
    pub(super) fn set_list(&self, key: String, list: Raw) -> bool {
        let size = key.len() + list.as_str().len();
        if size > MOST {
            return self.drop_list(&key);
        }
        let mut contents = self.0.contents.lock();
        let others = contents.lists.iter().filter(|(other, _)| **other != key);
        let (count, bytes) = others
            .fold((0, 0), |(count, bytes), (key, list)| (count + 1, bytes + key.len() + list.as_str().len()));
        if count >= LISTS || bytes + size > MOST {
            contents.lists.retain(|other, _| *other == key);
        }
        let old = contents.lists.insert(key, list.clone());
        if old.as_ref() != Some(&list) {
            self.0.changed.notify_one();
        }
        old.is_some_and(|old| old != list)
    }

    /// Removes a list that is no longer complete. Returns whether it was stored.
    pub(super) fn drop_list(&self, key: &str) -> bool {
        let was_kept = self.0.contents.lock().lists.remove(key).is_some();
        if was_kept {
            self.0.changed.notify_one();
        }
        was_kept
    }

    /// Writes the file after every change, until the last other clone is gone.
    pub(super) fn written(&self) -> impl Future<Output = ()> + Send + use<> {
        let (inner, changed) = (Arc::downgrade(&self.0), self.0.changed.clone());
        async move {
            loop {
                changed.notified().await;
                let Some(kept) = inner.upgrade().map(Self) else { return };
                sleep(SETTLE).await;
                let Some(path) = kept.0.path.clone() else { continue };
                let contents = kept.0.contents.lock().clone();
                let written = tokio::task::spawn_blocking(move || write(&path, &contents)).await;
                if let Ok(Err(error)) = written {
                    tracing::warn!(%error, "the description of the server cannot be cached: the next start waits for the server");
                }
            }
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.changed.notify_one();
    }
}

fn read(path: &Path) -> io::Result<Contents> {
    let text = fs::read(path)?;
    // The stored text must pass the scan, even if the file was edited by hand.
    let limits = Limits::default().nodes(usize::MAX).bytes(4 * MOST);
    let text = Raw::parse(text.into(), &limits).map_err(io::Error::other)?;
    text.decode().map_err(io::Error::other)
}

/// Readers see the old file or the new one, and only the user can read either.
fn write(path: &Path, contents: &Contents) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    let aside = path.with_extension(format!("{}.new", std::process::id()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&aside).and_then(|mut file| {
        file.write_all(Raw::of(contents).map_err(io::Error::other)?.as_str().as_bytes())
    });
    let moved = written.and_then(|()| fs::rename(&aside, path));
    if moved.is_err() {
        let _ = fs::remove_file(&aside);
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Raw {
        Raw::from(serde_json::json!({"tools": [{"name": text}]}))
    }

    /// Invariant: A bridge's stored lists are separate for each credential, and do not grow without bound.
    #[test]
    fn where_there_is_no_room_what_is_in_use_pushes_out_the_rest() {
        let kept = CatalogCache::open(None);
        for number in 0..LISTS {
            kept.set_list(format!("tools/list {number}"), list("old"));
        }
        assert!(!kept.set_list("tools/list new".into(), list("new")));
        assert_eq!(kept.list("tools/list new"), Some(list("new")));
        assert_eq!(kept.tools().len(), 1);
        let half = list(&"x".repeat(MOST / 2));
        for name in ["a", "b"] {
            kept.set_list(format!("tools/list {name}"), half.clone());
            assert_eq!(kept.list(&format!("tools/list {name}")).as_ref(), Some(&half));
        }
        assert_eq!(kept.tools().len(), 1, "two halves and their names are more than may be kept");
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_written_for_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept.json");
        let kept = CatalogCache::open(Some(path.clone()));
        let writing = tokio::spawn(kept.written());
        kept.set_list("tools/list {}".into(), list("last"));
        tokio::task::yield_now().await;
        drop(kept);
        writing.await.unwrap();
        assert!(std::fs::read_to_string(path).unwrap().contains("last"), "but what was to be written is");
        let kept = CatalogCache::open(None);
        let idle = tokio::spawn(kept.written());
        drop(kept);
        idle.await.unwrap();
    }

    /// Invariant: A bridge's stored lists are separate for each credential, and do not grow without bound.
    #[test]
    fn a_list_that_grew_too_large_is_forgotten_and_another_one_than_before() {
        let kept = CatalogCache::open(None);
        let huge = list(&"x".repeat(MOST));
        assert!(!kept.set_list("tools/list {}".into(), huge.clone()), "it was not known before");
        kept.set_list("tools/list {}".into(), list("small"));
        assert!(kept.set_list("tools/list {}".into(), huge));
        assert_eq!(kept.list("tools/list {}"), None);
    }
}
