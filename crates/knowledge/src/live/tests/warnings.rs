//! What is wrong is logged once.
//!
//! Invariant: A change is notified once, when it can be searched; a touched file causes no notification, and
//! a fault is logged once.

use std::sync::Mutex;

use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use super::*;
use crate::live::mailbox::Woken;

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN && metadata.target().starts_with("anyport_knowledge")
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        struct Message(String);
        impl Visit for Message {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                if field.name() == "message" {
                    self.0 = format!("{value:?}");
                }
            }
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        self.0.lock().unwrap().push(message.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[test]
fn a_fault_is_logged_once_until_it_is_another() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "good.md", "good");
    write(folder.path(), "broken.md", "---\ntags: {a: b}\n---\n");
    write(folder.path(), "binary.md", "\0");
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let shared = Shared::new(Library::default(), Progress::default(), Storage::Memory);
    let mailbox = Arc::new(Mailbox::default());
    let (queue, _indexer) = indexing::queue(&shared);
    let folders = Folders::new(folder.path());
    let (mut synchronizer, work) =
        Synchronizer::new(folders, 1 << 20, shared.clone(), mailbox.clone(), queue).unwrap();
    synchronizer.carry_out(work);
    let mut said = log.take();
    said.sort();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("binary.md: skipped: binary"), "{said:?}");
    assert!(said[1].contains("broken.md:2: front matter: `tags`"), "{said:?}");

    // Looked at again, and changed elsewhere, they say nothing new.
    synchronizer.look_through();
    write(folder.path(), "broken.md", "---\ntags: {a: b}\n---\nmore");
    synchronizer.look_through();
    assert_eq!(log.take(), Vec::<String>::new());
    assert_eq!(shared.library.load().len(), 2);

    write(folder.path(), "broken.md", "---\ntitle: x\ntags: {a: b}\n---\nmore");
    let Woken::Changed(changes) = mailbox.wait(PATIENCE) else { panic!("nothing was told") };
    synchronizer.look_at(changes);
    let said = log.take();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("broken.md:3: front matter: `tags`"), "{said:?}");
}
