//! What is read of a store.

use std::time::SystemTime;

use async_nats::jetstream::{ErrorCode, consumer::DeliverPolicy};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::{
    connection::{Connection, Failed},
    message::Stored,
    messages::{Scan, Scanned, Wanted, message, scan, subjects},
    shared::Inner,
    subject,
};
use crate::{Entry, Error, Key, Version};

/// How many keys of a list are read at once.
const AT_ONCE: usize = 16;
impl Inner {
    /// The newest message of a key.
    pub(super) async fn newest(&self, connection: &Connection, key: &Key) -> Result<Option<Stored>, Failed> {
        let wanted = Wanted { last_of: Some(self.names.key(key)), ..Wanted::default() };
        let found = message(connection, &self.names.stream(key.bucket.name), &wanted).await?;
        Ok(found.map(Stored::from))
    }

    pub(super) async fn get(&self, key: &Key) -> Result<Option<Entry>, Error> {
        let (connection, _) = self.bucket(key).await?;
        let now = self.now();
        match self.newest(connection, key).await {
            Ok(found) => Ok(found.and_then(|stored| stored.live(now))),
            Err(failed) if failed.code() == Some(ErrorCode::STREAM_NOT_FOUND) => {
                self.make_again(connection, key.bucket).await?;
                Ok(None)
            }
            Err(failed) => Err(failed.of_read()),
        }
    }

    pub(super) async fn versions(
        &self,
        key: &Key,
        after: Version,
        limit: usize,
    ) -> Result<Vec<Entry>, Error> {
        let (connection, _) = self.bucket(key).await?;
        let now = self.now();
        let newest = self.newest(connection, key).await.map_err(Failed::of_read)?;
        let Some(newest) = newest.and_then(|stored| stored.live(now)) else { return Ok(Vec::new()) };
        if newest.version <= after || limit == 0 {
            return Ok(Vec::new());
        }
        let (mut page, mut last) = (Vec::new(), after);
        while page.len() < limit && last < newest.version {
            let scanned = scan(
                connection,
                Scan {
                    stream: self.names.stream(key.bucket.name),
                    filter: self.names.key(key),
                    from: DeliverPolicy::ByStartSequence { start_sequence: last.0.saturating_add(1) },
                    without_values: false,
                },
                limit - page.len(),
            );
            let scanned = scanned.await?;
            let Some(end) = scanned.last() else { break };
            last = end.stored.version;
            for Scanned { stored, .. } in scanned {
                if stored.is_deletion {
                    // What was before it has ended.
                    page.clear();
                }
                page.extend(stored.live(now));
            }
        }
        Ok(page)
    }

    pub(super) async fn list(
        &self,
        prefix: &Key,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Entry)>, Error> {
        let (connection, _) = self.bucket(prefix).await?;
        let now = self.now();
        let mut keys = self.keys(connection, prefix).await?;
        keys.retain(|key| after.is_none_or(|after| key > after));
        keys.sort_unstable();
        let mut page = Vec::new();
        for keys in keys.chunks(AT_ONCE * 4) {
            let reads: Vec<_> = keys.iter().map(|key| self.entry(connection, key, now)).collect();
            let found: Vec<_> = stream::iter(reads).buffered(AT_ONCE).try_collect().await?;
            page.extend(keys.iter().cloned().zip(found).filter_map(|(key, entry)| Some((key, entry?))));
            if page.len() >= limit {
                break;
            }
        }
        page.truncate(limit);
        Ok(page)
    }

    async fn entry(
        &self,
        connection: &Connection,
        key: &Key,
        now: SystemTime,
    ) -> Result<Option<Entry>, Error> {
        let newest = self.newest(connection, key).await.map_err(Failed::of_read)?;
        Ok(newest.and_then(|stored| stored.live(now)))
    }

    /// The keys that a prefix covers, the deleted ones that are remembered as well, in no order.
    async fn keys(&self, connection: &Connection, prefix: &Key) -> Result<Vec<Key>, Error> {
        let stream = self.names.stream(prefix.bucket.name);
        let (before, below) = (self.names.bucket(prefix.bucket.name), self.names.below(prefix));
        let mut keys = if prefix.id.is_empty() { Vec::new() } else { vec![prefix.clone()] };
        let mut offset = 0;
        loop {
            let page = subjects(connection, &stream, &below, offset).await.map_err(Failed::of_read)?;
            let subjects = page.state.subjects.unwrap_or_default();
            offset += subjects.len();
            for subject in subjects.keys() {
                match subject.strip_prefix(&*before).and_then(subject::id) {
                    Some(id) => keys.push(Key::new(prefix.bucket, id)),
                    None => tracing::warn!(subject, "a subject names no key of the store"),
                }
            }
            if subjects.is_empty() || offset >= page.total {
                return Ok(keys);
            }
        }
    }
}
