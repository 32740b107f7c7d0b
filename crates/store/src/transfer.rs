//! Copying and checking what is in a store, whatever its back end.

use std::time::SystemTime;

use crate::{
    Bucket, Entry, Error, Expect, Keep, Key, Store, Version, Write,
    collection::unreadable,
    sqlite::maintenance::{BucketReport, Unreadable},
};

/// What [`contents`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// The buckets that hold something.
    pub buckets: Vec<BucketReport>,
    /// Records that cannot be read.
    pub unreadable: Vec<Unreadable>,
}

/// What [`copy`] wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// The number of keys.
    pub keys: u64,
    /// The number of their versions.
    pub versions: u64,
    /// The bytes of the values.
    pub bytes: u64,
}

/// Why a store was not copied, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum NotCopied {
    /// The target holds something: it would be mixed with what is copied.
    #[error("the target already has values in the bucket {0}")]
    NotEmpty(&'static str),
    /// Somebody wrote the target meanwhile.
    #[error("{0:?} was written meanwhile")]
    Written(Key),
    /// One of the stores failed.
    #[error(transparent)]
    Store(#[from] Error),
}

/// How many keys or versions are read at once.
const PAGE: usize = 256;

/// Counts what is in `buckets`, and names the records that cannot be read.
///
/// # Errors
/// If the store fails.
pub async fn contents(store: &dyn Store, buckets: &[&'static Bucket]) -> Result<Contents, Error> {
    let mut found = Contents::default();
    for &bucket in buckets {
        let mut report = BucketReport { name: bucket.name().to_owned(), keys: 0, bytes: 0 };
        let mut after = None;
        while let Some((last, page)) = page_after(store, bucket, after.as_ref()).await? {
            for (key, newest) in page {
                report.keys += 1;
                for version in versions(store, &key, newest).await? {
                    report.bytes += (key.id.len() + version.value.len()) as u64;
                    if let Some(why) = unreadable(bucket.name(), &key.id, &version.value) {
                        found.unreadable.push(Unreadable {
                            bucket: bucket.name().to_owned(),
                            id: key.id.to_string(),
                            why,
                        });
                    }
                }
            }
            after = Some(last);
        }
        if report.keys > 0 {
            found.buckets.push(report);
        }
    }
    Ok(found)
}

/// Copies `buckets` from one store into another, in which they are empty. Values are copied as they are, sealed ones as well, and
/// expire when they would have; their versions get new numbers.
///
/// # Errors
/// If the target is not empty, or one of the stores fails. What was copied until then stays.
pub async fn copy(
    from: &dyn Store,
    to: &dyn Store,
    buckets: &[&'static Bucket],
) -> Result<Copied, NotCopied> {
    for &bucket in buckets {
        if !to.list(&Key::all(bucket), None, 1).await?.is_empty() {
            return Err(NotCopied::NotEmpty(bucket.name()));
        }
    }
    let mut copied = Copied::default();
    for &bucket in buckets {
        let mut after = None;
        while let Some((last, page)) = page_after(from, bucket, after.as_ref()).await? {
            for (key, newest) in page {
                let versions = versions(from, &key, newest).await?;
                copied.keys += u64::from(!versions.is_empty());
                copy_key(to, &key, versions, &mut copied).await?;
            }
            after = Some(last);
        }
    }
    Ok(copied)
}

/// Whether nothing is in `buckets`.
///
/// # Errors
/// If the store fails.
pub async fn is_empty(store: &dyn Store, buckets: &[&'static Bucket]) -> Result<bool, Error> {
    for &bucket in buckets {
        if !store.list(&Key::all(bucket), None, 1).await?.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Deletes every key of `buckets`.
///
/// # Errors
/// If the store fails. What was deleted until then is gone.
pub async fn clear(store: &dyn Store, buckets: &[&'static Bucket]) -> Result<(), Error> {
    for &bucket in buckets {
        loop {
            let page = store.list(&Key::all(bucket), None, PAGE).await?;
            if page.is_empty() {
                break;
            }
            for (key, _) in page {
                store.delete(&key, Expect::Anything).await?;
            }
        }
    }
    Ok(())
}

async fn copy_key(
    to: &dyn Store,
    key: &Key,
    versions: Vec<Entry>,
    copied: &mut Copied,
) -> Result<(), NotCopied> {
    let mut expect = Expect::Absent;
    for version in versions {
        let ttl = match version.expires.map(|expires| expires.duration_since(SystemTime::now())) {
            // It has expired meanwhile.
            Some(Err(_)) => continue,
            Some(Ok(ttl)) => Some(ttl),
            None => None,
        };
        let bytes = version.value.len() as u64;
        let written =
            to.put(key, version.value, Write { expect, ttl }).await.map_err(|error| match error {
                Error::Conflict(_) => NotCopied::Written(key.clone()),
                error => NotCopied::Store(error),
            })?;
        expect = Expect::Version(written);
        copied.versions += 1;
        copied.bytes += bytes;
    }
    Ok(())
}

/// A page of keys, and the last of them; `None` after the last page.
async fn page_after(
    store: &dyn Store,
    bucket: &'static Bucket,
    after: Option<&Key>,
) -> Result<Option<(Key, Vec<(Key, Entry)>)>, Error> {
    let page = store.list(&Key::all(bucket), after, PAGE).await?;
    Ok(page.last().map(|(last, _)| last.clone()).map(|last| (last, page)))
}

/// All versions of a key whose newest one was read, oldest first.
async fn versions(store: &dyn Store, key: &Key, newest: Entry) -> Result<Vec<Entry>, Error> {
    if key.bucket.keep == Keep::Newest(1) {
        return Ok(vec![newest]);
    }
    let (mut after, mut versions) = (Version::START, Vec::new());
    loop {
        let page = store.read(key, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(versions) };
        after = last.version;
        versions.extend(page);
    }
}
