//! What is read of the database.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};

use crate::{Entry, Key, Version};

/// A row of the table: a version, or a deletion.
pub(super) struct Found {
    pub(super) version: Version,
    /// `None`: deleted.
    pub(super) value: Option<Vec<u8>>,
    pub(super) expires: Option<SystemTime>,
}

/// A change that another process made.
pub(super) struct Foreign {
    pub(super) bucket: String,
    pub(super) id: String,
    pub(super) found: Found,
}

impl Found {
    /// Reads the three columns from `first` on.
    fn from_row(row: &Row<'_>, first: usize) -> Result<Self> {
        let expires: Option<i64> = row.get(first + 2)?;
        Ok(Self {
            version: Version(row.get::<_, i64>(first)?.unsigned_abs()),
            value: row.get(first + 1)?,
            expires: expires.map(time),
        })
    }

    /// The entry, unless it is a deletion or has expired.
    pub(super) fn live(self, now: SystemTime) -> Option<Entry> {
        let value = Bytes::from(self.value?);
        let entry = Entry { version: self.version, value, expires: self.expires };
        (!entry.is_expired(now)).then_some(entry)
    }
}

/// A time as the database has it. It is rounded up, so that nothing expires early.
pub(super) fn milliseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX)
}

fn time(milliseconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(milliseconds.unsigned_abs())
}

pub(super) fn version(version: Version) -> i64 {
    i64::try_from(version.0).unwrap_or(i64::MAX)
}

/// The newest version of a key, if it is there.
pub(super) fn newest(connection: &Connection, key: &Key, now: SystemTime) -> Result<Option<Entry>> {
    let mut statement = connection.prepare_cached(
        "SELECT version, value, expires FROM entry WHERE bucket = ?1 AND id = ?2 ORDER BY version DESC LIMIT 1",
    )?;
    let found = statement.query_row(params![key.bucket.name, &*key.id], |row| Found::from_row(row, 0));
    Ok(found.optional()?.and_then(|found| found.live(now)))
}

/// A page of the versions of a key, oldest first.
pub(super) fn versions(
    connection: &Connection,
    key: &Key,
    after: Version,
    limit: usize,
    now: SystemTime,
) -> Result<Vec<Entry>> {
    // Both reads see one state.
    let transaction = connection.unchecked_transaction()?;
    if newest(&transaction, key, now)?.is_none() {
        return Ok(Vec::new());
    }
    let mut statement = transaction.prepare_cached(
        "SELECT version, value, expires FROM entry WHERE bucket = ?1 AND id = ?2 AND version > ?3 ORDER BY version",
    )?;
    let mut rows = statement.query(params![key.bucket.name, &*key.id, version(after)])?;
    let mut page = Vec::new();
    while page.len() < limit
        && let Some(row) = rows.next()?
    {
        page.extend(Found::from_row(row, 0)?.live(now));
    }
    Ok(page)
}

/// A page of the keys under a prefix, in byte order.
pub(super) fn list(
    connection: &Connection,
    prefix: &Key,
    after: Option<&Key>,
    limit: usize,
    now: SystemTime,
) -> Result<Vec<(Key, Entry)>> {
    let transaction = connection.unchecked_transaction()?;
    let (after, mut page) = (after.map(|after| &*after.id), Vec::new());
    if !prefix.id.is_empty() && limit > 0 && after.is_none_or(|after| after < &*prefix.id) {
        page.extend(newest(&transaction, prefix, now)?.map(|entry| (prefix.clone(), entry)));
    }
    // The ids below the prefix stand between `PREFIX/` and `PREFIX0`, as 0 is the character after /.
    let below = if prefix.id.is_empty() { String::new() } else { format!("{}/", prefix.id) };
    let end = if prefix.id.is_empty() { None } else { Some(format!("{}0", prefix.id)) };
    let mut statement = transaction.prepare_cached(
        "SELECT id, version, value, expires FROM entry AS one
         WHERE bucket = ?1 AND id >= ?2 AND id > ?3 AND (?4 IS NULL OR id < ?4) AND version =
             (SELECT max(version) FROM entry AS newest WHERE newest.bucket = one.bucket AND newest.id = one.id)
         ORDER BY id",
    )?;
    let mut rows = statement.query(params![prefix.bucket.name, below, after.unwrap_or_default(), end])?;
    while page.len() < limit
        && let Some(row) = rows.next()?
    {
        let id: String = row.get(0)?;
        let entry = Found::from_row(row, 1)?.live(now);
        page.extend(entry.map(|entry| (Key::new(prefix.bucket, id), entry)));
    }
    Ok(page)
}

/// A number that changes when another connection has written.
pub(super) fn data_version(connection: &Connection) -> Result<i64> {
    connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))
}

/// The newest version of all keys.
pub(super) fn last_version(connection: &Connection) -> Result<Version> {
    let mut statement = connection.prepare_cached("SELECT coalesce(max(version), 0) FROM entry")?;
    statement.query_row([], |row| Ok(Version(row.get::<_, i64>(0)?.unsigned_abs())))
}

/// The newest deletion that was forgotten.
pub(super) fn forgotten(connection: &Connection) -> Result<Version> {
    let mut statement = connection.prepare_cached("SELECT version FROM forgotten")?;
    statement.query_row([], |row| Ok(Version(row.get::<_, i64>(0)?.unsigned_abs())))
}

/// What was written after `last`, oldest first.
pub(super) fn changes(connection: &Connection, last: Version, limit: usize) -> Result<Vec<Foreign>> {
    let mut statement = connection.prepare_cached(
        "SELECT bucket, id, version, value, expires FROM entry WHERE version > ?1 ORDER BY version LIMIT ?2",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![version(last), limit], |row| {
        Ok(Foreign { bucket: row.get(0)?, id: row.get(1)?, found: Found::from_row(row, 2)? })
    })?;
    rows.collect()
}
