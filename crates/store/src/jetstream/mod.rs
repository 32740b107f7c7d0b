//! The back end that keeps what is written in streams of NATS JetStream, which processes on several machines share.

mod address;
mod connection;
mod follow;
mod limit;
mod message;
mod messages;
mod opening;
mod operations;
mod options;
mod read;
mod room;
mod shared;
mod streams;
mod subject;
mod sweep;
mod upkeep;
mod write;

use std::{fmt, sync::Arc, time::SystemTime};

use bytes::Bytes;

pub use self::{
    address::{Address, InvalidAddress},
    options::JetStreamOptions,
};
use self::{
    operations::within,
    shared::{Inner, META},
};
use crate::{Answer, Bucket, Entry, Error, Expect, Key, Members, Status, Store, Version, Watch, Write};

/// A [`Store`] in NATS JetStream, for all processes that use the same servers and name. Clones are the same store.
///
/// A bucket is a stream, a key a subject, a version the number of a message. Nothing is done before the first operation, which
/// connects and makes the streams that are not there. An operation takes at most 2 s; while there is no connection it fails at
/// once, and the connection is made again for ever. A write whose answer was lost is looked for: [`Error::Unknown`] is left only
/// where no server could say what became of it.
#[derive(Clone)]
pub struct JetStreamStore(Arc<Inner>);

impl JetStreamStore {
    /// The store at `address`, with these buckets. Does no I/O.
    pub fn new(address: Address, buckets: &[&'static Bucket], options: JetStreamOptions) -> Self {
        Self(Inner::new(address, buckets, options))
    }

    /// Connects and opens now, instead of at the first operation.
    ///
    /// # Errors
    /// [`Error::Newer`] if a newer release wrote the store, [`Error::Unreachable`] if no server answers; otherwise if a stream has
    /// other settings than its bucket needs.
    pub async fn open(&self) -> Result<(), Error> {
        within(async { self.0.bucket(&Key::all(&META)).await.map(|_| ()) }).await
    }

    /// The release of the server that is connected; `None` before the first connection.
    pub fn server_version(&self) -> Option<String> {
        let connection = self.0.connection.get().filter(|connection| connection.is_connected())?;
        Some(connection.client.server_info().version)
    }

    /// Why no server can be connected, in the words of the last attempt; `None` if one is, or none was tried.
    pub fn connection_fault(&self) -> Option<String> {
        self.0.connection.get().and_then(|connection| connection.fault()).map(|fault| fault.to_string())
    }

    /// Ends what has expired, and reports it to watches. One member does so once a minute.
    ///
    /// # Errors
    /// If the servers cannot be reached.
    pub async fn sweep(&self) -> Result<(), Error> {
        self.0.sweep().await
    }

    /// Waits until the other members are known: those that are running have said so.
    pub async fn know_members(&self) {
        while !self.0.beats.is_settled() {
            tokio::time::sleep(self.0.options.beat / 4).await;
        }
    }
}

impl Store for JetStreamStore {
    fn get<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Entry>> {
        Store::get(&*self.0, key)
    }

    fn put<'a>(&'a self, key: &'a Key, value: Bytes, write: Write) -> Answer<'a, Version> {
        Store::put(&*self.0, key, value, write)
    }

    fn delete<'a>(&'a self, key: &'a Key, expect: Expect) -> Answer<'a, ()> {
        Store::delete(&*self.0, key, expect)
    }

    fn read<'a>(&'a self, key: &'a Key, after: Version, limit: usize) -> Answer<'a, Vec<Entry>> {
        Store::read(&*self.0, key, after, limit)
    }

    fn list<'a>(
        &'a self,
        prefix: &'a Key,
        after: Option<&'a Key>,
        limit: usize,
    ) -> Answer<'a, Vec<(Key, Entry)>> {
        Store::list(&*self.0, prefix, after, limit)
    }

    fn watch(&self, prefix: &Key) -> Watch {
        self.0.watch(prefix)
    }

    fn members(&self) -> &Members {
        self.0.members()
    }

    fn note_fault(&self, bucket: &Bucket, error: &Error) {
        self.0.note_fault(bucket, error);
    }

    fn now(&self) -> SystemTime {
        Store::now(&*self.0)
    }

    fn status(&self) -> Status {
        self.0.status()
    }
}

impl fmt::Debug for JetStreamStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JetStreamStore")
            .field("address", &self.0.address)
            .field("name", &self.0.options.name)
            .finish_non_exhaustive()
    }
}
