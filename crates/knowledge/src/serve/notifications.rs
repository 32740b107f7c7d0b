//! Notifies clients of changed documents.

use std::{convert::Infallible, sync::Arc};

use anyport_server::{Builder, Server};
use anyport_service::sync::Lock;
use tokio::{sync::broadcast::error::RecvError, task::JoinHandle};

use super::{offer::Offer, tools};
use crate::{Document, Library, live::Change};

/// Notifies clients of changes, from the start of the server to its stop.
pub(super) fn while_it_runs(builder: Builder, offer: Arc<Offer>) -> Builder {
    let begun: Arc<Lock<Option<JoinHandle<()>>>> = Arc::default();
    let ended = begun.clone();
    builder
        .on_start(move |server: Server| {
            let task = tokio::spawn(announce(offer.clone(), server));
            *begun.lock() = Some(task);
            async { Ok::<_, Infallible>(()) }
        })
        .on_stop(move |_: Server| {
            if let Some(task) = ended.lock().take() {
                task.abort();
            }
            async {}
        })
}

/// Notifies every batch of changes: once for the list, and once for each document.
async fn announce(offer: Arc<Offer>, server: Server) {
    let mut changes = offer.knowledge.changes();
    let mut before = offer.knowledge.library();
    // The changes without a subscriber.
    choose(&offer, &server, &before);
    loop {
        let change = match changes.recv().await {
            Ok(change) => Some(change),
            Err(RecvError::Lagged(_)) => None,
            Err(RecvError::Closed) => return,
        };
        let now = offer.knowledge.library();
        choose(&offer, &server, &now);
        match change {
            Some(change) => tell(&server, &change, &before, &now),
            None => tell(&server, &difference(&before, &now), &before, &now),
        }
        before = now;
    }
}

/// Updates the choices in the tools' schemas. Clients are notified if the schemas differ.
fn choose(offer: &Arc<Offer>, server: &Server, library: &Library) {
    if !offer.retopic(library) {
        return;
    }
    let tools = tools::with_topics(offer);
    let changed = server.change(|change| {
        for tool in tools {
            change.replace(tool);
        }
    });
    if let Err(error) = changed {
        tracing::error!(%error, "the tools cannot be offered with the languages and domains that there are now");
    }
}

fn tell(server: &Server, change: &Change, before: &Library, now: &Library) {
    let events = server.events();
    // Added and removed documents are notified too: a client may have subscribed before the document existed, or may be
    // reading it.
    for path in change.added.iter().chain(&change.changed).chain(&change.removed) {
        events.resource_updated(&crate::uri::of(path));
    }
    if is_listed_otherwise(before, now) {
        events.resources_changed();
    }
}

/// Whether a list of `now` says something else than one of `before`.
///
/// Compares with the last notified list, not with the change: `now` may already include later changes, which would show
/// no difference when they are notified.
fn is_listed_otherwise(before: &Library, now: &Library) -> bool {
    let differ = |(old, new): (&Arc<Document>, &Arc<Document>)| {
        !Arc::ptr_eq(old, new) && (old.path != new.path || listed(old) != listed(new))
    };
    before.len() != now.len() || before.iter().zip(now).any(differ)
}

/// A document's list entry without its size: a change of size is already sent as a resource update.
fn listed(document: &Document) -> (&str, &str) {
    (&document.title, &document.description)
}

/// The differences of two libraries, for a subscriber that has missed changes.
fn difference(before: &Library, now: &Library) -> Change {
    let mut change = Change::default();
    for document in now {
        match before.get(document.path.as_str()) {
            None => change.added.push(document.path.clone()),
            Some(old) if !Arc::ptr_eq(old, document) && old != document => {
                change.changed.push(document.path.clone())
            }
            Some(_) => {}
        }
    }
    let gone = before.iter().filter(|document| now.get(document.path.as_str()).is_none());
    change.removed.extend(gone.map(|document| document.path.clone()));
    change
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DocumentPath, FileTimes};

    fn library(documents: &[(&str, &str)]) -> Library {
        Library::new(documents.iter().map(|(path, text)| {
            Document::parse(DocumentPath::new(*path).unwrap(), text, FileTimes::default()).0
        }))
    }

    #[test]
    fn a_list_is_another_when_documents_come_go_or_are_called_otherwise() {
        let before = [("a.md", "# A\n\nOne."), ("b.md", "# B\n\nOne.\n\nTwo.")];
        let otherwise = |now: &[(&str, &str)]| is_listed_otherwise(&library(&before), &library(now));
        assert!(!otherwise(&before));
        assert!(!otherwise(&[before[0], ("b.md", "# B\n\nOne.\n\nThree.")]));
        assert!(otherwise(&[before[0], ("b.md", "# C\n\nOne.\n\nTwo.")]));
        assert!(otherwise(&[before[0], ("b.md", "# B\n\nOther.")]));
        assert!(otherwise(&[before[0], ("c.md", before[1].1)]));
        assert!(otherwise(&before[..1]) && otherwise(&[before[0], before[1], ("c.md", "")]));
    }

    #[test]
    fn what_was_missed_is_found_out() {
        let before = library(&[("a.md", "1"), ("b.md", "1"), ("c.md", "1")]);
        let now = library(&[("a.md", "1"), ("b.md", "2"), ("d.md", "1")]);
        let path = |path: &str| vec![DocumentPath::new(path).unwrap()];
        let expected = Change { added: path("d.md"), changed: path("b.md"), removed: path("c.md") };
        assert_eq!(difference(&before, &now), expected);
    }
}
