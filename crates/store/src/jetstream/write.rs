//! Writes: the expectation is the server's to check, and a write whose answer was lost is looked for.

use async_nats::jetstream::{
    ErrorCode,
    stream::{PurgeRequest, PurgeResponse},
};
use bytes::Bytes;
use std::time::Duration;
use tokio::time::Instant;

use super::{
    connection::{Connection, Failed, OPERATION, is_other_sequence, of_api},
    message::Draft,
    shared::{Inner, Open},
    streams::REMEMBERED,
};
use crate::{Bucket, Error, Expect, Keep, Key, VALUE_MAX, Version, Write};

/// How long the first try waits for its answer, before the write is looked for.
const FIRST_TRY: Duration = Duration::from_millis(900);
/// The pause before a write is looked for again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Why a message was not written.
enum NotWritten {
    /// The key has another newest message than was expected.
    OtherSequence,
    Error(Error),
}

impl Inner {
    pub(super) async fn put(&self, key: &Key, value: Bytes, write: Write) -> Result<Version, Error> {
        key.check()?;
        if value.len() > VALUE_MAX {
            return Err(Error::TooLarge { limit: VALUE_MAX });
        }
        let deadline = Instant::now() + OPERATION;
        let (connection, open) = self.bucket(key).await?;
        let bytes = (key.id.len() + value.len()) as u64;
        self.make_room(connection, open, key, bytes).await?;
        let life = key.bucket.life(write.ttl);
        loop {
            let now = self.now();
            let expected = self.expected(connection, key, write.expect, deadline).await?;
            let draft = Draft {
                value: value.clone(),
                expires: life.and_then(|life| now.checked_add(life)),
                is_deletion: false,
                write: fastrand::u64(..),
                expected,
                server_ttl: life
                    .filter(|_| open.has_message_ttl())
                    .map(|life| life.saturating_add(REMEMBERED)),
            };
            match self.write(connection, key, &draft, deadline).await {
                Ok(version) => {
                    open.room.add(bytes);
                    return Ok(version);
                }
                Err(NotWritten::OtherSequence) if Instant::now() < deadline => {}
                Err(NotWritten::OtherSequence) => return Err(Error::Unreachable),
                Err(NotWritten::Error(error)) => return Err(error),
            }
        }
    }

    pub(super) async fn delete(&self, key: &Key, expect: Expect) -> Result<(), Error> {
        key.check()?;
        let deadline = Instant::now() + OPERATION;
        let (connection, _) = self.bucket(key).await?;
        loop {
            let newest = self.newest(connection, key).await.map_err(Failed::of_read)?;
            let live = newest.and_then(|stored| stored.live(self.now()));
            expect.check(live.as_ref())?;
            let Some(live) = live else { return Ok(()) };
            match self.end(connection, key, live.version, deadline).await {
                Ok(_) => return Ok(()),
                Err(NotWritten::OtherSequence) if Instant::now() < deadline => {}
                Err(NotWritten::OtherSequence) => return Err(Error::Unreachable),
                Err(NotWritten::Error(error)) => return Err(error),
            }
        }
    }

    /// Ends what has expired, if nobody has written the key since. Returns whether it did.
    pub(super) async fn end_expired(&self, key: &Key, version: Version) -> Result<bool, Error> {
        let deadline = Instant::now() + OPERATION;
        let (connection, _) = self.bucket(key).await?;
        match self.end(connection, key, version, deadline).await {
            Ok(_) => Ok(true),
            Err(NotWritten::OtherSequence) => Ok(false),
            Err(NotWritten::Error(error)) => Err(error),
        }
    }

    /// Writes the deletion of a key whose newest message is `version`, and removes what was before it.
    async fn end(
        &self,
        connection: &Connection,
        key: &Key,
        version: Version,
        deadline: Instant,
    ) -> Result<Version, NotWritten> {
        let has_message_ttl = self.opened_bucket(key.bucket).is_ok_and(Open::has_message_ttl);
        let draft = Draft {
            value: Bytes::new(),
            expires: None,
            is_deletion: true,
            write: fastrand::u64(..),
            expected: Some(version.0),
            server_ttl: has_message_ttl.then_some(REMEMBERED * 2),
        };
        let ended = self.write(connection, key, &draft, deadline).await?;
        if key.bucket.keep != Keep::Newest(1) {
            // Readers see the deletion, and none of these; the next write of the key removes them if this fails.
            let _ = self.purge(connection, key, ended).await;
        }
        Ok(ended)
    }

    /// Removes the messages of a key before `version`.
    pub(super) async fn purge(
        &self,
        connection: &Connection,
        key: &Key,
        version: Version,
    ) -> Result<(), Error> {
        let request =
            PurgeRequest { filter: Some(self.names.key(key)), sequence: Some(version.0), keep: None };
        let stream = self.names.stream(key.bucket.name);
        let purged: Result<PurgeResponse, _> =
            connection.ask(format!("STREAM.PURGE.{stream}"), &request).await;
        purged.map(|_| ()).map_err(Failed::of_read)
    }

    /// Checks an expectation. Returns the number that the newest message of the key must have, `None` if it does not matter.
    async fn expected(
        &self,
        connection: &Connection,
        key: &Key,
        expect: Expect,
        deadline: Instant,
    ) -> Result<Option<u64>, Error> {
        let keeps_one = key.bucket.keep == Keep::Newest(1);
        if keeps_one && expect == Expect::Anything {
            return Ok(None);
        }
        loop {
            let newest = match self.newest(connection, key).await {
                Err(failed) if failed.code() == Some(ErrorCode::STREAM_NOT_FOUND) => {
                    self.make_again(connection, key.bucket).await?;
                    None
                }
                newest => newest.map_err(Failed::of_read)?,
            };
            let found = newest.as_ref().map(|stored| (stored.version, stored.is_deletion));
            let live = newest.and_then(|stored| stored.live(self.now()));
            expect.check(live.as_ref())?;
            let Some((version, is_deletion)) = found else { return Ok(Some(0)) };
            if keeps_one || live.is_some() {
                return Ok((expect != Expect::Anything).then_some(version.0));
            }
            // The key has ended: its older versions do not come back with the new one. The deletion stays before it, so that watches
            // hear of the end even if the new version is not written.
            let deleted = match is_deletion {
                true => version,
                false => match self.end(connection, key, version, deadline).await {
                    Ok(deleted) => deleted,
                    Err(NotWritten::OtherSequence) if Instant::now() < deadline => continue,
                    Err(NotWritten::OtherSequence) => return Err(Error::Unreachable),
                    Err(NotWritten::Error(error)) => return Err(error),
                },
            };
            self.purge(connection, key, deleted).await?;
            return Ok(Some(deleted.0));
        }
    }

    /// Writes a message. If no answer comes, it looks for the message, and writes it again under the same id.
    async fn write(
        &self,
        connection: &Connection,
        key: &Key,
        draft: &Draft,
        deadline: Instant,
    ) -> Result<Version, NotWritten> {
        let (mut is_lost, mut is_made) = (false, false);
        let mut until = deadline.min(Instant::now() + FIRST_TRY);
        loop {
            let sent =
                connection.publish(self.names.key(key), draft.headers(), draft.value.clone(), until).await;
            let failed = match sent {
                Ok(sequence) => return Ok(Version(sequence)),
                Err(failed) => failed,
            };
            let code = failed.code();
            match failed {
                Failed::Lost => is_lost = true,
                // It is not known what became of the first one.
                _ if is_lost && code.is_none_or(is_other_sequence) => {}
                Failed::Unsent => return Err(NotWritten::Error(Error::Unreachable)),
                Failed::NoResponders if is_made => return Err(NotWritten::Error(Error::Unreachable)),
                Failed::NoResponders => {
                    self.make_again(connection, key.bucket).await.map_err(NotWritten::Error)?;
                    is_made = true;
                    continue;
                }
                Failed::Api(error) if is_other_sequence(error.error_code()) => {
                    return Err(NotWritten::OtherSequence);
                }
                Failed::Api(error) => return Err(NotWritten::Error(of_api(error))),
                Failed::Refused(text) => return Err(NotWritten::Error(Error::ReadOnly(text.to_string()))),
                Failed::Other(error) => return Err(NotWritten::Error(Error::Fault(error))),
            }
            match self.look_for(connection, key, draft, deadline).await {
                Some(version) => return Ok(version),
                None if Instant::now() >= deadline || code.is_some() => {
                    self.counters.unknown.increment();
                    return Err(NotWritten::Error(Error::Unknown));
                }
                None => until = deadline,
            }
        }
    }

    /// Looks for a message whose answer was lost, until there is a connection that can tell.
    async fn look_for(
        &self,
        connection: &Connection,
        key: &Key,
        draft: &Draft,
        deadline: Instant,
    ) -> Option<Version> {
        while connection.connected(deadline).await && Instant::now() < deadline {
            let newest = tokio::time::timeout_at(deadline, self.newest(connection, key)).await.ok()?;
            if let Ok(newest) = newest {
                return newest
                    .filter(|stored| stored.write == Some(draft.write))
                    .map(|stored| stored.version);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        None
    }

    /// Makes the stream of a bucket again if somebody removed it: all that was in it is gone.
    pub(super) async fn make_again(
        &self,
        connection: &Connection,
        bucket: &'static Bucket,
    ) -> Result<(), Error> {
        let known = self.ensure(connection, bucket).await?;
        let open = self.opened_bucket(bucket)?;
        // It may have had no leader, which is no loss.
        if open.is_same_stream(&known) {
            return Ok(());
        }
        tracing::error!(bucket = bucket.name, "the stream of the store was gone; it is made again, empty");
        open.set(known);
        self.watchers.reset();
        Ok(())
    }
}
