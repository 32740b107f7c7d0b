//! Opening a store: the connection, the format, and a stream for each bucket.

use std::collections::HashMap;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{
    connection::{Connection, Failed, OPERATION},
    messages::{self, Wanted},
    shared::{Inner, META, Open},
    streams::{self, Known},
    upkeep,
};
use crate::{Bucket, Error, Key, memory::undeclared};

/// The format of the streams and messages. Another release reads it before anything else.
const FORMAT: u8 = 1;
/// How many streams are made at once.
const AT_ONCE: usize = 8;

/// The record that says in which format a store is.
#[derive(Deserialize, Serialize)]
struct Format {
    format: u8,
}

impl Inner {
    /// Opens the store if it is not open, and returns the stream of the key's bucket.
    pub(super) async fn bucket(&self, key: &Key) -> Result<(&Connection, &Open), Error> {
        let connection = self.connection().await?;
        let opened = self.opened.get_or_try_init(|| self.open(connection)).await?;
        let open = opened.get(key.bucket.name).ok_or_else(|| undeclared(key.bucket.name))?;
        Ok((connection, open))
    }

    pub(super) async fn opened_bucket_of(&self, bucket: &'static Bucket) -> Result<&Open, Error> {
        self.bucket(&Key::all(bucket)).await.map(|(_, open)| open)
    }

    pub(super) fn opened_bucket(&self, bucket: &Bucket) -> Result<&Open, Error> {
        self.opened.get().and_then(|opened| opened.get(bucket.name)).ok_or_else(|| undeclared(bucket.name))
    }

    async fn connection(&self) -> Result<&Connection, Error> {
        let name = format!("anyport {}", self.options.name);
        self.connection.get_or_try_init(|| Connection::begin(&self.address, &self.options.tls, &name)).await
    }

    async fn open(&self, connection: &Connection) -> Result<HashMap<&'static str, Open>, Error> {
        // The format before all else.
        self.ensure(connection, &META).await?;
        self.check_format(connection).await?;
        let opening: Vec<_> =
            self.buckets.iter().map(|bucket| self.open_bucket(connection, bucket)).collect();
        let opened = stream::iter(opening).buffer_unordered(AT_ONCE).try_collect().await?;
        upkeep::start(self.me.clone(), connection.clone(), self.closed()).await?;
        Ok(opened)
    }

    async fn open_bucket(
        &self,
        connection: &Connection,
        bucket: &'static Bucket,
    ) -> Result<(&'static str, Open), Error> {
        let known = self.ensure(connection, bucket).await?;
        let bytes = self.content(bucket.name, known.bytes, known.messages);
        Ok((bucket.name, Open::new(bucket, known, bytes)))
    }

    pub(super) async fn ensure(
        &self,
        connection: &Connection,
        bucket: &'static Bucket,
    ) -> Result<Known, Error> {
        streams::ensure(connection, &self.names, bucket, self.options.replicas).await
    }

    /// Refuses a store that a newer release wrote; says in which format a new one is.
    async fn check_format(&self, connection: &Connection) -> Result<(), Error> {
        let key = Key::new(&META, "format");
        let subject = self.names.key(&key);
        let wanted = Wanted { last_of: Some(subject.clone()), ..Wanted::default() };
        let stream = self.names.stream(META.name);
        let Some(found) = messages::message(connection, &stream, &wanted).await.map_err(Failed::of_read)?
        else {
            let record = serde_json::to_vec(&Format { format: FORMAT }).map_err(Error::fault)?;
            let deadline = Instant::now() + OPERATION;
            let headers = async_nats::HeaderMap::new();
            // Written twice, it says the same.
            let written = connection.publish(subject, headers, record.into(), deadline).await;
            return written.map(|_| ()).map_err(Failed::of_read);
        };
        let found: Format = serde_json::from_slice(&found.payload).map_err(|_| Error::Unreadable)?;
        if found.format > FORMAT { Err(Error::Newer { format: found.format }) } else { Ok(()) }
    }

    /// The number of the last message of a bucket.
    pub(super) async fn last_of(&self, bucket: &'static Bucket) -> Result<u64, Error> {
        let connection = self.connection().await?;
        let info = streams::info(connection, &self.names.stream(bucket.name)).await;
        info.map(|info| info.state.last_sequence).map_err(Failed::of_read)
    }
}
