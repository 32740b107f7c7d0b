//! Typed records on top of a store.

mod encoding;

use std::{fmt, marker::PhantomData, sync::Arc, time::Duration};

use bytes::Bytes;
use bytestring::ByteString;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use tokio::time::sleep;

pub(crate) use self::encoding::unreadable;
pub use self::encoding::{BLOB, Sealer};
use self::encoding::{decode, encode};
use crate::{Bucket, Entry, Error, Expect, Key, Store, Version, Write};

/// The records of one bucket: JSON objects of type `T`, each with the number of its format.
///
/// - A record is `T` as a JSON object, with the member `format`. Members that `T` does not know survive a rewrite, so an older
///   release may write what a newer one reads.
/// - A record of a newer format is [`Error::Newer`], and is never rewritten. `T` reads the older formats, by defaults.
/// - The values of a bucket that is [`sealed`](Bucket::sealed) are encrypted by a [`Sealer`], for their bucket and id.
/// - A record of more than 512 KiB is compressed; if it is still larger, it is divided into parts in the bucket [`BLOB`], which
///   are written before it. Such a record must expire as its parts do.
pub struct Collection<T> {
    store: Arc<dyn Store>,
    bucket: &'static Bucket,
    format: u8,
    sealer: Option<Arc<dyn Sealer>>,
    record: PhantomData<fn() -> T>,
}

/// A record as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<T> {
    /// Its version.
    pub version: Version,
    /// What it holds.
    pub value: T,
}

/// How often an update is tried, since others write the same record.
const TRIES: u32 = 8;
/// The longest pause after the first conflict; it doubles with each.
const PAUSE: Duration = Duration::from_millis(2);
/// The number of versions that are read at once.
const VERSIONS_PAGE: usize = 32;
/// The member with the number of the format.
const FORMAT: &str = "format";

impl<T: Serialize + DeserializeOwned> Collection<T> {
    /// The records of `bucket`, which are written in `format`. The store must have been opened with the bucket, and with [`BLOB`]
    /// if records may be large.
    pub fn new(store: Arc<dyn Store>, bucket: &'static Bucket, format: u8) -> Self {
        Self { store, bucket, format, sealer: None, record: PhantomData }
    }

    /// Sets what encrypts the values, which a sealed bucket requires.
    #[must_use]
    pub fn sealer(mut self, sealer: Arc<dyn Sealer>) -> Self {
        self.sealer = Some(sealer);
        self
    }

    /// Returns the record `id`, if it is there.
    ///
    /// # Errors
    /// [`Error::Newer`] or [`Error::Unreadable`] if it is there and cannot be read, or if the store fails.
    pub async fn get(&self, id: &str) -> Result<Option<Record<T>>, Error> {
        let key = Key::new(self.bucket, id);
        let Some(entry) = self.store.get(&key).await? else { return Ok(None) };
        let value = self.typed(self.read(&key, &entry).await?)?;
        Ok(Some(Record { version: entry.version, value }))
    }

    /// Returns the versions of the record `id` that are kept, the oldest first. One that cannot be read is left out.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn versions(&self, id: &str) -> Result<Vec<Record<T>>, Error> {
        let key = Key::new(self.bucket, id);
        let (mut after, mut versions) = (Version::START, Vec::new());
        loop {
            let page = self.store.read(&key, after, VERSIONS_PAGE).await?;
            let Some(last) = page.last() else { return Ok(versions) };
            after = last.version;
            for entry in page {
                match self.read(&key, &entry).await.and_then(|object| self.typed(object)) {
                    Ok(value) => versions.push(Record { version: entry.version, value }),
                    Err(Error::Unreadable | Error::Newer { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }

    /// Writes a record that must not be there yet. Returns its version.
    ///
    /// # Errors
    /// [`Error::Conflict`] if it is there, or if the store fails.
    pub async fn insert(&self, id: &str, value: &T, ttl: Option<Duration>) -> Result<Version, Error> {
        self.write(&Key::new(self.bucket, id), self.object(value)?, Write { expect: Expect::Absent, ttl })
            .await
    }

    /// Writes a record, whatever it was. Returns its version.
    ///
    /// # Errors
    /// [`Error::Newer`] if the record is of a newer format, or if the store fails.
    pub async fn set(&self, id: &str, value: &T, ttl: Option<Duration>) -> Result<Version, Error> {
        self.rewrite(id, ttl, |_| self.object(value)).await
    }

    /// Changes a record. `change` gets what it was, `None` if it was not there; it may be called again, if another member writes the
    /// record meanwhile. Returns the new version.
    ///
    /// # Errors
    /// [`Error::Conflict`] if others were faster eight times; [`Error::Newer`] or [`Error::Unreadable`] if the record cannot be
    /// read, or if the store fails.
    pub async fn update(
        &self,
        id: &str,
        ttl: Option<Duration>,
        mut change: impl FnMut(Option<T>) -> T,
    ) -> Result<Version, Error> {
        self.rewrite(id, ttl, |old| {
            let old = old.map(|old| self.typed(old.clone())).transpose()?;
            self.object(&change(old))
        })
        .await
    }

    /// Writes a record, if it still has the version `expected` (compare-and-set). Returns its new version.
    ///
    /// # Errors
    /// [`Error::Conflict`] if it has another version or is gone; [`Error::Newer`] or [`Error::Unreadable`] if it cannot be read, or
    /// if the store fails.
    pub async fn replace(
        &self,
        id: &str,
        expected: Version,
        value: &T,
        ttl: Option<Duration>,
    ) -> Result<Version, Error> {
        let key = Key::new(self.bucket, id);
        let newest = self.store.get(&key).await?;
        let Some(entry) = newest.as_ref().filter(|entry| entry.version == expected) else {
            return Err(Error::Conflict(newest));
        };
        let old = self.read(&key, entry).await?;
        let known = self.typed(old.clone()).and_then(|value| self.object(&value)).unwrap_or_default();
        let mut new = self.object(value)?;
        keep_unknown(&old, &known, &mut new);
        self.write(&key, new, Write { expect: Expect::Version(expected), ttl }).await
    }

    /// Removes a record. Removing what is not there does nothing.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn remove(&self, id: &str) -> Result<(), Error> {
        self.store.delete(&Key::new(self.bucket, id), Expect::Anything).await
    }

    /// Returns one page of the records below `prefix`, in the order of their ids, and the id after which the next page begins; `None`
    /// if there is none. Records that cannot be read are left out.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<(ByteString, Record<T>)>, Option<ByteString>), Error> {
        let (prefix, after) =
            (Key::new(self.bucket, prefix), after.map(|after| Key::new(self.bucket, after)));
        let page = self.store.list(&prefix, after.as_ref(), limit).await?;
        let next = page.last().filter(|_| page.len() == limit).map(|(key, _)| key.id.clone());
        let mut records = Vec::with_capacity(page.len());
        for (key, entry) in page {
            match self.read(&key, &entry).await.and_then(|object| self.typed(object)) {
                Ok(value) => records.push((key.id, Record { version: entry.version, value })),
                Err(error @ (Error::Unreadable | Error::Newer { .. })) => {
                    tracing::warn!(?key, %error, "a record is left out");
                }
                Err(error) => return Err(error),
            }
        }
        Ok((records, next))
    }

    async fn rewrite(
        &self,
        id: &str,
        ttl: Option<Duration>,
        mut change: impl FnMut(Option<&Map<String, Value>>) -> Result<Map<String, Value>, Error>,
    ) -> Result<Version, Error> {
        let key = Key::new(self.bucket, id);
        let mut newest = self.store.get(&key).await?;
        let mut tries = 0;
        loop {
            let old = match &newest {
                Some(entry) => match self.read(&key, entry).await {
                    // Its parts are gone: whoever writes all of it mends it.
                    Err(Error::Unreadable) => None,
                    old => Some(old?),
                },
                None => None,
            };
            let mut new = change(old.as_ref())?;
            if let Some(old) = old {
                let known = self.typed(old.clone()).and_then(|value| self.object(&value)).unwrap_or_default();
                keep_unknown(&old, &known, &mut new);
            }
            let expect = newest.as_ref().map_or(Expect::Absent, |entry| Expect::Version(entry.version));
            match self.write(&key, new, Write { expect, ttl }).await {
                Err(Error::Conflict(other)) if tries + 1 < TRIES => newest = other,
                written => return written,
            }
            tries += 1;
            let most = PAUSE.as_micros() as u64 * (1 << tries);
            sleep(Duration::from_micros(fastrand::u64(..most))).await;
        }
    }

    async fn write(&self, key: &Key, object: Map<String, Value>, write: Write) -> Result<Version, Error> {
        let json = serde_json::to_vec(&object).map_err(Error::fault)?;
        let life = key.bucket.life(write.ttl);
        let value = encode(&*self.store, key, json, life, self.sealer.as_deref()).await?;
        self.store.put(key, Bytes::from(value), write).await
    }

    /// The object that an entry holds, whatever its type.
    async fn read(&self, key: &Key, entry: &Entry) -> Result<Map<String, Value>, Error> {
        let read = self.read_uncounted(key, entry).await;
        if let Err(error @ (Error::Unreadable | Error::Newer { .. })) = &read {
            self.store.note_fault(self.bucket, error);
        }
        read
    }

    async fn read_uncounted(&self, key: &Key, entry: &Entry) -> Result<Map<String, Value>, Error> {
        let json = decode(&*self.store, key, &entry.value, self.sealer.as_deref()).await?;
        let object: Map<String, Value> = serde_json::from_slice(&json).map_err(|_| Error::Unreadable)?;
        let format = object.get(FORMAT).and_then(Value::as_u64).ok_or(Error::Unreadable)?;
        if format > u64::from(self.format) {
            return Err(Error::Newer { format: u8::try_from(format).unwrap_or(u8::MAX) });
        }
        Ok(object)
    }

    fn typed(&self, mut object: Map<String, Value>) -> Result<T, Error> {
        object.remove(FORMAT);
        serde_json::from_value(Value::Object(object)).map_err(|_| Error::Unreadable)
    }

    fn object(&self, value: &T) -> Result<Map<String, Value>, Error> {
        let Value::Object(members) = serde_json::to_value(value).map_err(Error::fault)? else {
            return Err(Error::fault("a record must be a JSON object"));
        };
        let format = (FORMAT.to_owned(), self.format.into());
        Ok(std::iter::once(format).chain(members.into_iter().filter(|(name, _)| name != FORMAT)).collect())
    }
}

/// Adds to `new` the members of `old` that are not in `known`, which is `old` as this release writes it.
fn keep_unknown(old: &Map<String, Value>, known: &Map<String, Value>, new: &mut Map<String, Value>) {
    for (name, value) in old {
        match (value, known.get(name), new.get_mut(name)) {
            (value, None, None) => {
                new.insert(name.clone(), value.clone());
            }
            (Value::Object(old), Some(Value::Object(known)), Some(Value::Object(new))) => {
                keep_unknown(old, known, new);
            }
            _ => {}
        }
    }
}

impl<T> Clone for Collection<T> {
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
            bucket: self.bucket,
            format: self.format,
            sealer: self.sealer.clone(),
            record: PhantomData,
        }
    }
}

impl<T> fmt::Debug for Collection<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collection")
            .field("bucket", &self.bucket.name)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}
