//! Ends what has expired, so that watches hear of it, and forgets deletions that everybody has seen.

use async_nats::jetstream::consumer::DeliverPolicy;

use super::{
    connection::Connection,
    messages::{Scan, Scanned, Scanning},
    shared::{Inner, Open, Swept, seconds},
    streams::REMEMBERED,
    subject,
};
use crate::{Bucket, Error, Key, Version};

/// How many keys are looked at at once: a bucket may hold any number of them.
const PAGE: usize = 256;

impl Inner {
    /// Sweeps every bucket.
    pub(super) async fn sweep(&self) -> Result<(), Error> {
        for bucket in &self.buckets {
            let open = self.opened_bucket_of(bucket).await?;
            self.sweep_bucket(open).await?;
        }
        Ok(())
    }

    /// The same, without the buckets in which nothing can have expired.
    pub(super) async fn sweep_due(&self) -> Result<(), Error> {
        for bucket in &self.buckets {
            let open = self.opened_bucket_of(bucket).await?;
            let last = self.last_of(bucket).await?;
            let is_due = {
                let swept = open.swept();
                swept.last != last || swept.due.is_some_and(|due| due <= seconds(self.now()))
            };
            if is_due {
                self.sweep_bucket(open).await?;
            }
        }
        Ok(())
    }

    async fn sweep_bucket(&self, open: &Open) -> Result<(), Error> {
        let bucket = open.bucket;
        let (connection, _) = self.bucket(&Key::all(bucket)).await?;
        let last = self.last_of(bucket).await?;
        let newest = Scan {
            stream: self.names.stream(bucket.name),
            filter: format!("{}>", self.names.bucket(bucket.name)),
            from: DeliverPolicy::LastPerSubject,
            without_values: true,
        };
        let (mut scanning, mut due) = (Scanning::begin(connection, newest).await?, None);
        loop {
            let page = scanning.page(PAGE).await?;
            if page.is_empty() {
                break;
            }
            for scanned in page {
                let next = self.sweep_key(connection, bucket, scanned).await?;
                due = [due, next].into_iter().flatten().min();
            }
        }
        *open.swept() = Swept { last, due };
        Ok(())
    }

    /// Sweeps the key of a newest message. Returns when there is something to do again, in seconds since 1970.
    async fn sweep_key(
        &self,
        connection: &Connection,
        bucket: &'static Bucket,
        Scanned { subject, stored, written }: Scanned,
    ) -> Result<Option<i64>, Error> {
        let before = self.names.bucket(bucket.name);
        let Some(id) = subject.strip_prefix(&*before).and_then(subject::id) else { return Ok(None) };
        let key = Key::new(bucket, id);
        let forgotten = written.saturating_add(i64::try_from(REMEMBERED.as_secs()).unwrap_or(i64::MAX));
        if stored.is_deletion && forgotten <= self.server_seconds() {
            self.purge(connection, &key, Version(stored.version.0.saturating_add(1))).await?;
            return Ok(None);
        }
        let ended = stored.is_expired(self.now()) && self.end_expired(&key, stored.version).await?;
        Ok(match stored.expires {
            _ if stored.is_deletion || ended => Some(forgotten),
            Some(expires) => Some(seconds(expires)),
            None => None,
        })
    }
}
