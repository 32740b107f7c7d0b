use std::{mem, path::PathBuf, sync::Arc, time::Duration};

use anyport_store::Error;
use bytes::Bytes;
use jiff::Timestamp;
use tokio::{
    sync::{oneshot, watch},
    time::{Instant, sleep},
};

use super::{
    file, opening,
    queue::{Batch, Taken, Unavailable, Written},
    shared::Shared,
};
use crate::{
    Event, Opening, Record,
    chain::{Head, MarkKind, Writing},
    places::Places,
    retention,
};

/// The one writer of a chain.
pub(super) struct Writer {
    shared: Arc<Shared>,
    places: Places,
    head: Head,
    /// The block of the mark of the head.
    marked: u64,
    told: Instant,
    swept: Option<Instant>,
    is_file_failing: bool,
}

/// A block, and who waits for it.
struct Ready {
    value: Bytes,
    head: Head,
    records: u64,
    waiters: Vec<oneshot::Sender<Written>>,
    lines: String,
}

/// How long a block waits for further records if no call waits for one of them.
const LINGER: Duration = Duration::from_millis(100);
/// How often summaries are made and the head is marked.
const TICK: Duration = Duration::from_secs(1);
/// How often the head goes to the log.
const TELL: Duration = Duration::from_secs(60);
/// How often old blocks are looked for.
const SWEEP: Duration = Duration::from_secs(60 * 60);
/// The time before a write is tried again.
const RETRY: Duration = Duration::from_millis(200);

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, places: Places) -> Self {
        // To the microsecond: a process may open two logs in a millisecond.
        let started = Timestamp::now().strftime("%Y%m%dT%H%M%S%.6fZ").to_string();
        let member = &places.store().members().me().id;
        let head = Head::start(format!("{started}-{member}"));
        Self { shared, places, head, marked: 0, told: Instant::now(), swept: None, is_file_failing: false }
    }

    /// Writes until the log is closed and nothing waits.
    pub(super) async fn run(mut self, open: watch::Sender<Option<Result<(), String>>>) {
        if !self.open(&open).await {
            return;
        }
        let mut ticked = Instant::now();
        loop {
            if ticked.elapsed() >= TICK {
                ticked = Instant::now();
                self.tick().await;
            }
            // At the latest for the next summary.
            self.shared.queue.ready(LINGER, TICK).await;
            let taken = self.shared.queue.take();
            if taken.batch.is_empty() && taken.lost == 0 {
                if taken.is_closed {
                    break;
                }
                continue;
            }
            let Taken { mut batch, lost, .. } = taken;
            if lost > 0 {
                add(&mut batch, &Record::now(Event::Lost { records: lost }));
            }
            if !self.write(batch).await {
                return;
            }
        }
        let mut last = Batch::default();
        let records = self.shared.summaries().chain([Record::now(Event::Close)]);
        records.for_each(|record| add(&mut last, &record));
        if self.write(last).await {
            self.mark().await;
        }
    }

    /// Writes the first block. Returns whether it could, before the log was closed.
    async fn open(&mut self, open: &watch::Sender<Option<Result<(), String>>>) -> bool {
        loop {
            let opened = async {
                let heads = opening::heads(&self.places).await?;
                let version = self.shared.options.version.clone();
                let mut opening = Batch::default();
                add(&mut opening, &Record::now(Event::Open(Opening { version, heads })));
                let ready = self.ready(opening)?;
                // Before the chain, so that one without a mark is one whose mark was removed.
                self.places.put_mark(MarkKind::Head, &self.head).await?;
                self.places.put_block(&ready.head, ready.value.clone()).await?;
                self.places.put_mark(MarkKind::Head, &ready.head).await?;
                Ok::<_, Error>(ready)
            };
            match opened.await {
                Ok(ready) => {
                    self.marked = ready.head.block;
                    self.written(ready).await;
                    open.send_replace(Some(Ok(())));
                    return true;
                }
                Err(error) => {
                    self.failed(&error);
                    open.send_replace(Some(Err(error.to_string())));
                }
            }
            if self.shared.queue.is_closed() {
                return false;
            }
            sleep(RETRY).await;
        }
    }

    /// Writes a block, again and again until it is in the store. Returns whether it is: the log may be closed meanwhile.
    ///
    /// The same bytes under the same key: a write of which nobody knows whether it happened happens once.
    async fn write(&mut self, batch: Batch) -> bool {
        let mut ready = match self.ready(batch) {
            Ok(ready) => ready,
            // JSON of our own types does not fail.
            Err(error) => {
                tracing::error!(%error, "records of the audit log cannot be written");
                return true;
            }
        };
        loop {
            match self.places.put_block(&ready.head, ready.value.clone()).await {
                Ok(()) => {
                    self.written(ready).await;
                    return true;
                }
                Err(error) => self.failed(&error),
            }
            tell(&mut ready.waiters, Err(Unavailable));
            if self.shared.queue.is_closed() {
                tracing::error!("the audit log ends without its last records, which cannot be written");
                return false;
            }
            self.shared.summarize();
            sleep(RETRY).await;
        }
    }

    fn ready(&self, mut batch: Batch) -> Result<Ready, Error> {
        let Self { shared, places, head, .. } = self;
        let (count, bytes) = (batch.len() as u64, batch.bytes());
        let mut writing = Writing::after(head, count, bytes, batch.until, &places.key)
            .map_err(|error| Error::Fault(error.into()))?;
        let mut lines = String::new();
        for (number, json) in (head.record + 1..).zip(batch.records()) {
            let tag = writing.push(json);
            if shared.options.file.is_some() {
                let (chain, tag) = (&head.chain, tag.as_str());
                let members = json.trim_start_matches('{');
                lines.push_str(&format!(
                    "{{\"chain\":\"{chain}\",\"record\":{number},\"tag\":\"{tag}\",{members}\n"
                ));
            }
        }
        let (value, head) = writing.finish();
        let waiters = mem::take(&mut batch.waiters);
        shared.queue.recycle(batch);
        Ok(Ready { value, records: count, head, waiters, lines })
    }

    async fn written(&mut self, ready: Ready) {
        let Ready { head, records, mut waiters, lines, .. } = ready;
        let counters = &self.shared.counters;
        counters.blocks.increment();
        (0..records).for_each(|_| counters.records.increment());
        self.head = head;
        if self.shared.queue.is_failing() {
            tracing::info!("the audit log is written again");
            self.shared.queue.set_failing(false);
        }
        tell(&mut waiters, Ok(()));
        if let Some(path) = self.shared.options.file.clone() {
            self.append(path, lines).await;
        }
    }

    async fn append(&mut self, path: PathBuf, lines: String) {
        let appended = file::append(path.clone(), lines).await;
        if let Err(error) = &appended {
            self.shared.counters.file_failed.increment();
            if !self.is_file_failing {
                tracing::error!(path = %path.display(), %error, "the file of the audit log cannot be written; the store has its records");
            }
        }
        self.is_file_failing = appended.is_err();
    }

    fn failed(&self, error: &Error) {
        self.shared.counters.failed.increment();
        if !self.shared.queue.is_failing() {
            tracing::error!(%error, "the audit log cannot be written; it is tried again");
        }
        self.shared.queue.set_failing(true);
    }

    async fn tick(&mut self) {
        self.shared.summarize();
        self.mark().await;
        if self.told.elapsed() >= TELL {
            self.told = Instant::now();
            tracing::info!(head = %self.head, "the audit log");
        }
        let is_due = self.swept.is_none_or(|swept| swept.elapsed() >= SWEEP);
        if let Some(keep) = self.shared.options.keep.filter(|_| is_due) {
            self.swept = Some(Instant::now());
            match retention::drop_older(&self.places, keep).await {
                Ok(0) => {}
                Ok(blocks) => tracing::info!(blocks, "old blocks of the audit log were dropped"),
                Err(error) => tracing::warn!(%error, "old blocks of the audit log cannot be dropped"),
            }
        }
    }

    /// Marks the head, so that a chain that is cut behind it is missed.
    async fn mark(&mut self) {
        if self.marked < self.head.block && self.places.put_mark(MarkKind::Head, &self.head).await.is_ok() {
            self.marked = self.head.block;
        }
    }
}

/// Adds a record of the log itself. JSON of our own types does not fail.
fn add(batch: &mut Batch, record: &Record) {
    if let Err(error) = batch.push_record(record) {
        tracing::error!(%error, "a record of the audit log cannot be written");
    }
}

/// Tells those who wait.
fn tell(waiters: &mut Vec<oneshot::Sender<Written>>, written: Written) {
    for done in waiters.drain(..) {
        // Whoever waited may be gone.
        let _ = done.send(written);
    }
}
