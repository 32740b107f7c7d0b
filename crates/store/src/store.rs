use std::time::SystemTime;

use bytes::Bytes;

use crate::{Answer, Bucket, Entry, Error, Expect, Key, Members, Status, Version, Watch, Write};

/// The largest value in bytes. A [`Collection`](crate::Collection) compresses and divides larger records.
pub const VALUE_MAX: usize = 512 << 10;

/// Keeps values under keys where they outlive the process and other processes find them. Knows bytes, not MCP.
///
/// A key is a log: `put` appends a version, `get` reads the newest, the bucket says how many stay: 1 for a record, 32 for a
/// context with its history, all for an audit log. There is no transaction over two keys, and nothing may need one.
pub trait Store: Send + Sync + 'static {
    /// Returns the newest version; `None` if the key was never written, was deleted or has expired.
    ///
    /// It is never older than a write that this handle saw acknowledged. It may be older than another member's: decide with
    /// [`Expect`], never with `get` alone.
    fn get<'a>(&'a self, key: &'a Key) -> Answer<'a, Option<Entry>>;

    /// Appends a version if `write.expect` holds. Resolves when it is as durable as [`Status::durability`] says.
    fn put<'a>(&'a self, key: &'a Key, value: Bytes, write: Write) -> Answer<'a, Version>;

    /// Ends the key: no version of it stays readable. Deleting an absent key does nothing.
    fn delete<'a>(&'a self, key: &'a Key, expect: Expect) -> Answer<'a, ()>;

    /// Returns one page of the versions of a key after `after`, oldest first.
    fn read<'a>(&'a self, key: &'a Key, after: Version, limit: usize) -> Answer<'a, Vec<Entry>>;

    /// Returns one page of the keys under `prefix`, by whole segments, in byte order, each with its newest version.
    fn list<'a>(
        &'a self,
        prefix: &'a Key,
        after: Option<&'a Key>,
        limit: usize,
    ) -> Answer<'a, Vec<(Key, Entry)>>;

    /// Reports what is under `prefix`, then [`Change::Current`](crate::Change::Current), then each change: at least once, per
    /// key in order.
    ///
    /// A version that is overwritten before it is reported may be left out.
    fn watch(&self, prefix: &Key) -> Watch;

    /// The processes that share this store, and which of them are alive.
    fn members(&self) -> &Members;

    /// The processes that share this bucket: those of the store, unless it keeps buckets of this machine elsewhere.
    fn members_of(&self, bucket: &Bucket) -> &Members {
        let _ = bucket;
        self.members()
    }

    /// Counts that a record of `bucket` cannot be read, for what reads records on top of the store.
    fn note_fault(&self, bucket: &Bucket, error: &Error) {
        let _ = (bucket, error);
    }

    /// The time by which entries expire: by the clock of the servers, if the store is on some, so that all members have the same.
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    /// Whether writes succeed, what they survive, and how much is stored.
    fn status(&self) -> Status;
}
