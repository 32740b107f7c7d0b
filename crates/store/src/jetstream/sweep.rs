//! Ends what has expired, so that watches hear of it, and forgets deletions that everybody has seen.

use async_nats::jetstream::consumer::DeliverPolicy;

use super::{
    messages::{Scan, Scanned, scan},
    shared::{Inner, Open, Swept, seconds},
    streams::REMEMBERED,
    subject,
};
use crate::{Error, Key, Version};

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
        let (now, before) = (self.now(), self.names.bucket(bucket.name));
        let newest = Scan {
            stream: self.names.stream(bucket.name),
            filter: format!("{before}>"),
            from: DeliverPolicy::LastPerSubject,
            without_values: true,
            limit: usize::MAX,
        };
        let mut due = None;
        for Scanned { subject, stored, written } in scan(connection, newest).await? {
            let Some(id) = subject.strip_prefix(&*before).and_then(subject::id) else { continue };
            let key = Key::new(bucket, id);
            let forgotten = written + i64::try_from(REMEMBERED.as_secs()).unwrap_or(i64::MAX);
            if stored.is_deletion && forgotten <= self.server_seconds() {
                self.purge(connection, &key, Version(stored.version.0 + 1)).await?;
                continue;
            }
            let ended = stored.is_expired(now) && self.end_expired(&key, stored.version).await?;
            let next = match stored.expires {
                _ if stored.is_deletion || ended => Some(forgotten),
                Some(expires) => Some(seconds(expires)),
                None => None,
            };
            due = [due, next].into_iter().flatten().min();
        }
        *open.swept() = Swept { last, due };
        Ok(())
    }
}
