//! What is written, within a transaction.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension as _, Result, params};

use super::{
    job::{Job, Operation},
    rows::{self, milliseconds},
};
use crate::{Change, Entry, Error, Keep, Key, Version};

/// A write that was done, within a transaction that is still open.
pub(super) struct Done {
    pub(super) version: Version,
    /// `None`: nothing had to be written.
    pub(super) change: Option<Change>,
    pub(super) write_id: i64,
}

/// How long a deletion is remembered, so that other processes learn of it.
const REMEMBERED: Duration = Duration::from_secs(60 * 60);
/// The number of keys that one transaction sweeps.
const SWEPT: usize = 1_000;

/// Carries out one write. The inner error is the write's own; the outer one fails the transaction.
pub(super) fn write(connection: &Connection, job: &Job, now: SystemTime) -> Result<Result<Done, Error>> {
    let newest = rows::newest(connection, &job.key, now)?;
    if let Err(error) = job.expect.check(newest.as_ref()) {
        return Ok(Err(error));
    }
    match &job.operation {
        Operation::Put { value, life } => {
            let expires = life.and_then(|life| now.checked_add(life));
            put(connection, &job.key, value, expires, newest.is_some())
        }
        Operation::Delete => match newest {
            Some(_) => delete(connection, &job.key, now).map(Ok),
            None => Ok(Ok(Done { version: Version::START, change: None, write_id: 0 })),
        },
    }
}

fn put(
    connection: &Connection,
    key: &Key,
    value: &Bytes,
    expires: Option<SystemTime>,
    is_there: bool,
) -> Result<Result<Done, Error>> {
    let (bucket, id) = (key.bucket.name, &*key.id);
    let stay = match key.bucket.keep {
        // What was deleted or has expired has ended: its older versions do not come back.
        _ if !is_there => Some(0),
        Keep::Newest(count) => Some(count.max(1) - 1),
        Keep::All => None,
    };
    let freed: i64 = match stay {
        Some(stay) => connection
            .prepare_cached(
                "SELECT coalesce(sum(octet_length(id) + coalesce(octet_length(value), 0)), 0) FROM
                 (SELECT id, value FROM entry WHERE bucket = ?1 AND id = ?2 ORDER BY version DESC LIMIT -1 OFFSET ?3)",
            )?
            .query_row(params![bucket, id, stay], |row| row.get(0))?,
        None => 0,
    };
    let bytes: i64 = connection
        .prepare_cached("SELECT bytes FROM bucket WHERE name = ?1")?
        .query_row([bucket], |row| row.get(0))?;
    let bytes = (bytes - freed).unsigned_abs() + (id.len() + value.len()) as u64;
    if bytes > key.bucket.max_bytes {
        return Ok(Err(Error::Full));
    }
    if let Some(stay) = stay {
        connection
            .prepare_cached(
                "DELETE FROM entry WHERE version IN
                 (SELECT version FROM entry WHERE bucket = ?1 AND id = ?2 ORDER BY version DESC LIMIT -1 OFFSET ?3)",
            )?
            .execute(params![bucket, id, stay])?;
    }
    let (version, write_id) = insert(connection, key, Some(value), expires)?;
    let entry = Entry { version, value: value.clone(), expires };
    Ok(Ok(Done { version, change: Some(Change::Put(key.clone(), entry)), write_id }))
}

fn delete(connection: &Connection, key: &Key, now: SystemTime) -> Result<Done> {
    connection
        .prepare_cached("DELETE FROM entry WHERE bucket = ?1 AND id = ?2")?
        .execute(params![key.bucket.name, &*key.id])?;
    let (version, write_id) = insert(connection, key, None, now.checked_add(REMEMBERED))?;
    Ok(Done { version, change: Some(Change::Deleted(key.clone(), version)), write_id })
}

fn insert(
    connection: &Connection,
    key: &Key,
    value: Option<&Bytes>,
    expires: Option<SystemTime>,
) -> Result<(Version, i64)> {
    let write_id = fastrand::i64(..);
    connection
        .prepare_cached(
            "INSERT INTO entry (bucket, id, value, expires, write_id) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            key.bucket.name,
            &*key.id,
            value.map(|value| &value[..]),
            expires.map(milliseconds),
            write_id
        ])?;
    Ok((Version(connection.last_insert_rowid().unsigned_abs()), write_id))
}

/// Whether a write is in the file whose commit failed.
pub(super) fn is_there(connection: &Connection, key: &Key, write_id: i64) -> Result<bool> {
    let mut statement =
        connection.prepare_cached("SELECT 1 FROM entry WHERE bucket = ?1 AND id = ?2 AND write_id = ?3")?;
    statement.exists(params![key.bucket.name, &*key.id, write_id])
}

/// Whether anything has expired.
pub(super) fn has_expired(connection: &Connection, now: SystemTime) -> Result<bool> {
    connection.prepare_cached("SELECT 1 FROM entry WHERE expires <= ?1 LIMIT 1")?.exists([milliseconds(now)])
}

/// Removes what has expired, some of it if it is much, and returns the keys that ended.
pub(super) fn sweep(
    connection: &Connection,
    now: SystemTime,
    bucket: impl Fn(&str) -> Option<&'static crate::Bucket>,
) -> Result<Vec<Change>> {
    let at = milliseconds(now);
    let oldest: Option<i64> = connection
        .query_row("SELECT max(version) FROM entry WHERE value IS NULL AND expires <= ?1", [at], |row| {
            row.get(0)
        })
        .optional()?
        .flatten();
    if let Some(version) = oldest {
        connection.execute("UPDATE forgotten SET version = max(version, ?1)", [version])?;
        connection.execute("DELETE FROM entry WHERE value IS NULL AND expires <= ?1", [at])?;
    }
    let mut statement = connection.prepare_cached(
        "SELECT bucket, id, version = (SELECT max(version) FROM entry AS newest
             WHERE newest.bucket = one.bucket AND newest.id = one.id), version
         FROM entry AS one WHERE expires <= ?1 AND value IS NOT NULL LIMIT ?2",
    )?;
    let rows = statement.query_map(params![at, SWEPT as i64], |row| {
        Ok((
            row.get::<_, String>(0)?,
            row.get::<_, String>(1)?,
            row.get::<_, bool>(2)?,
            row.get::<_, i64>(3)?,
        ))
    })?;
    let expired: Vec<_> = rows.collect::<Result<_>>()?;
    let mut changes = Vec::new();
    for (name, id, is_newest, version) in expired {
        // The bucket of a newer release: that one sweeps it.
        let Some(bucket) = bucket(&name) else { continue };
        if is_newest {
            changes.extend(delete(connection, &Key::new(bucket, id), now)?.change);
        } else {
            connection.execute("DELETE FROM entry WHERE version = ?1", [version])?;
        }
    }
    Ok(changes)
}
