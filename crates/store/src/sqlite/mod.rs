//! The back end that keeps what is written in a SQLite file, which several processes share.

mod apply;
mod file;
mod foreign;
mod job;
pub mod maintenance;
mod readers;
mod rows;
mod setup;
mod writer;

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    sync::{Arc, Weak},
    time::{Duration, SystemTime},
};

use anyport_metrics::Metrics;
use bytes::Bytes;
use tokio::sync::OnceCell;

use self::{
    file::Layout,
    job::{Job, Operation},
    readers::Readers,
    setup::{Counters, Setup, lock},
    writer::Writer,
};
use crate::{
    Answer, Bucket, Clock, Durability, Entry, Error, Expect, Key, Members, Status, Store, VALUE_MAX, Version,
    Watch, Write, faults::FaultCounters, watch::Pages,
};

/// A [`Store`] in a SQLite file of a folder, for all processes that open this folder. Clones are the same store.
///
/// Nothing is opened before the first operation. The folder has mode 0700 and its files 0600. Writes go through one thread,
/// which writes all that wait in one transaction; readers work beside it. Other processes' writes are read at once by
/// [`Store::get`], and reported by watches within 200 ms.
#[derive(Clone)]
pub struct SqliteStore(Arc<Inner>);

/// How a [`SqliteStore`] is opened.
#[derive(Clone, Debug, Default)]
pub struct Options {
    clock: Clock,
    metrics: Metrics,
    max_pages: Option<u32>,
}

struct Inner {
    layout: Layout,
    setup: Setup,
    members: Members,
    opened: OnceCell<Opened>,
}

/// An open file.
struct Opened {
    readers: Arc<Readers>,
    writer: Writer,
}

impl Options {
    /// Sets the clock by which entries expire.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Sets where the store counts.
    #[must_use]
    pub fn metrics(mut self, metrics: &Metrics) -> Self {
        self.metrics = metrics.clone();
        self
    }

    /// Sets the largest size of the file, in pages of 4 KiB. Beyond it a write is [`Error::Full`], as on a full disk.
    #[must_use]
    pub fn max_pages(mut self, pages: u32) -> Self {
        self.max_pages = Some(pages);
        self
    }
}

impl SqliteStore {
    /// The store in `folder`, with these buckets. Does no I/O: the first operation opens the file, and makes the folder.
    pub fn new(folder: impl Into<PathBuf>, buckets: &[&'static Bucket], options: Options) -> Self {
        let Options { clock, metrics, max_pages } = options;
        let layout = Layout::new(folder.into());
        let counters = Counters {
            writes: metrics.counter("anyport_store_writes", "Writes to the store"),
            commits: metrics
                .counter("anyport_store_commits", "Transactions of the store, of one or more writes"),
            failed_commits: metrics
                .counter("anyport_store_failed_commits", "Transactions of the store that failed"),
            faults: FaultCounters::new(&metrics),
        };
        Self(Arc::new(Inner {
            members: Members::in_folder(layout.members()),
            layout,
            setup: Setup {
                buckets: buckets.into(),
                clock,
                max_pages,
                watchers: Arc::default(),
                outage: Arc::default(),
                counters,
            },
            opened: OnceCell::new(),
        }))
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.0.layout.folder()
    }

    /// Whether the file exists: whether anything was ever stored.
    pub fn is_there(&self) -> bool {
        self.0.layout.database().exists()
    }

    /// Opens the file now, instead of at the first operation.
    ///
    /// # Errors
    /// [`Error::Newer`] if a newer release wrote the file; otherwise if it cannot be opened.
    pub async fn open(&self) -> Result<(), Error> {
        self.0.opened().await.map(|_| ())
    }

    /// Removes what has expired, and reports it to watches. The store does so once a minute.
    ///
    /// # Errors
    /// If the file cannot be opened or written.
    pub async fn sweep(&self) -> Result<(), Error> {
        self.0.opened().await?.writer.sweep().await
    }
}

impl Inner {
    async fn opened(&self) -> Result<&Opened, Error> {
        self.opened
            .get_or_try_init(|| async {
                let (layout, setup, me) =
                    (self.layout.clone(), self.setup.clone(), self.members.me().clone());
                let opened = tokio::task::spawn_blocking(move || {
                    let (connection, presence) = file::open(&layout, &setup, &me)?;
                    let readers = Arc::new(Readers::new(layout.database()));
                    let writer = Writer::start(layout, setup, connection, readers.clone(), presence)?;
                    Ok(Opened { readers, writer })
                });
                let opened = opened.await.map_err(Error::of_task)?;
                self.setup.report(opened.as_ref().err());
                opened
            })
            .await
    }

    async fn write(&self, key: &Key, operation: Operation, expect: Expect) -> Result<Version, Error> {
        key.check()?;
        self.setup.declares(key)?;
        let job = Job { key: key.clone(), operation, expect };
        self.opened().await?.writer.write(job).await
    }

    async fn list(&self, prefix: Key, after: Option<Key>, limit: usize) -> Result<Vec<(Key, Entry)>, Error> {
        self.setup.declares(&prefix)?;
        let now = self.setup.clock.now();
        let readers = &self.opened().await?.readers;
        readers.run(move |connection| rows::list(connection, &prefix, after.as_ref(), limit, now)).await
    }
}

impl Store for SqliteStore {
    fn get<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Entry>> {
        Box::pin(async move {
            self.0.setup.declares(key)?;
            let (key, now) = (key.clone(), self.0.setup.clock.now());
            let readers = &self.0.opened().await?.readers;
            readers.run(move |connection| rows::newest(connection, &key, now)).await
        })
    }

    fn put<'a>(&'a self, key: &'a Key, value: Bytes, write: Write) -> Answer<'a, Version> {
        Box::pin(async move {
            if value.len() > VALUE_MAX {
                return Err(Error::TooLarge { limit: VALUE_MAX });
            }
            let life = key.bucket.life(write.ttl);
            self.0.write(key, Operation::Put { value, life }, write.expect).await
        })
    }

    fn delete<'a>(&'a self, key: &'a Key, expect: Expect) -> Answer<'a, ()> {
        Box::pin(async move { self.0.write(key, Operation::Delete, expect).await.map(|_| ()) })
    }

    fn read<'a>(&'a self, key: &'a Key, after: Version, limit: usize) -> Answer<'a, Vec<Entry>> {
        Box::pin(async move {
            self.0.setup.declares(key)?;
            let (key, now) = (key.clone(), self.0.setup.clock.now());
            let readers = &self.0.opened().await?.readers;
            readers.run(move |connection| rows::versions(connection, &key, after, limit, now)).await
        })
    }

    fn list<'a>(
        &'a self,
        prefix: &'a Key,
        after: Option<&'a Key>,
        limit: usize,
    ) -> Answer<'a, Vec<(Key, Entry)>> {
        Box::pin(self.0.list(prefix.clone(), after.cloned(), limit))
    }

    fn watch(&self, prefix: &Key) -> Watch {
        let source: Weak<dyn Pages> = Arc::<Inner>::downgrade(&self.0);
        self.0.setup.watchers.watch(prefix, source)
    }

    fn members(&self) -> &Members {
        &self.0.members
    }

    fn note_fault(&self, _: &Bucket, error: &Error) {
        self.0.setup.counters.faults.count(error);
    }

    fn now(&self) -> SystemTime {
        self.0.setup.clock.now()
    }

    fn status(&self) -> Status {
        let database = self.0.layout.database();
        let size = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
        Status {
            outage: lock(&self.0.setup.outage).clone(),
            durability: Durability::Disk,
            bytes: size(&database) + size(&file::beside(&database, "-wal")),
            clock_offset: Duration::ZERO,
        }
    }
}

impl Pages for Inner {
    fn page<'a>(
        &'a self,
        prefix: &'a Key,
        after: Option<&'a Key>,
        limit: usize,
    ) -> Answer<'a, Vec<(Key, Entry)>> {
        Box::pin(async move {
            if after.is_none() {
                // From here on the writer reports the changes of other processes as well.
                self.opened().await?.writer.follow().await?;
            }
            self.list(prefix.clone(), after.cloned(), limit).await
        })
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("folder", &self.folder()).finish_non_exhaustive()
    }
}
