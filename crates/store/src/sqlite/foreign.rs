//! What other processes have written since the last look.

use rusqlite::Connection;

use super::rows::{self, Foreign};
use crate::Version;

/// What other processes have written.
pub(super) enum Missed {
    Changes(Vec<Foreign>),
    /// More than a watch queues, or deletions that are forgotten: watches begin again after this version.
    TooMany(Version),
}

/// What others wrote after `reported`.
pub(super) fn read_missed(connection: &Connection, reported: Version) -> rusqlite::Result<Missed> {
    let changes = rows::changes(connection, reported, PAGE + 1)?;
    if changes.len() > PAGE || rows::forgotten(connection)? > reported {
        return Ok(Missed::TooMany(rows::last_version(connection)?.max(reported)));
    }
    Ok(Missed::Changes(changes))
}

/// What others wrote after `reported` if the counter is not `seen`, with the counter, and up to where it is reported.
pub(super) fn read_since(
    connection: &Connection,
    seen: i64,
    reported: Option<Version>,
) -> rusqlite::Result<(i64, Version, Missed)> {
    let current = rows::data_version(connection)?;
    let nothing = Missed::Changes(Vec::new());
    match reported {
        // From now on: watches list what was there.
        None => Ok((current, rows::last_version(connection)?, nothing)),
        Some(reported) if current == seen => Ok((current, reported, nothing)),
        Some(reported) => Ok((current, reported, read_missed(connection, reported)?)),
    }
}

/// The number of changes that are reported at once: as many as a watch queues.
const PAGE: usize = 256;
