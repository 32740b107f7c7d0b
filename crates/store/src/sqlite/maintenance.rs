//! Checking, backing up and restoring the file of a [`SqliteStore`](super::SqliteStore), from any process.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, backup::Backup};

use super::{
    file::{self, Layout},
    setup::failure,
};
use crate::{Error, Member, collection::unreadable, members};

/// What [`check`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The file.
    pub file: PathBuf,
    /// The number of the file's format.
    pub format: i32,
    /// The buckets that hold something, by name.
    pub buckets: Vec<BucketReport>,
    /// The processes that use the store now.
    pub members: Vec<Member>,
    /// Damage of the file, as SQLite describes it.
    pub damage: Vec<String>,
    /// Records that cannot be read: each with its bucket, its id and the reason. They are left out of lists, and left as they are.
    pub unreadable: Vec<Unreadable>,
}

/// One bucket in a [`Report`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketReport {
    /// Its name.
    pub name: String,
    /// The number of its keys.
    pub keys: u64,
    /// The bytes of its ids and values.
    pub bytes: u64,
}

/// One record in a [`Report`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The bucket.
    pub bucket: String,
    /// The id in the bucket.
    pub id: String,
    /// Why it cannot be read.
    pub why: &'static str,
}

/// Why a store was not backed up or restored.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// There is no store in the folder.
    #[error("{} has no store", .0.display())]
    NoStore(PathBuf),
    /// The file to be written is there.
    #[error("{} is there already", .0.display())]
    Exists(PathBuf),
    /// The store holds something, which was not to be replaced.
    #[error("{} is not empty", .0.display())]
    NotEmpty(PathBuf),
    /// Processes use the store.
    #[error("{} running {} the store", .0.len(), if .0.len() == 1 { "process uses" } else { "processes use" })]
    InUse(Vec<Member>),
    /// The file is no backup of a store, or is damaged.
    #[error("{} is no whole backup: {why}", .file.display())]
    NoBackup {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Error),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self::Store(Error::fault(error))
    }
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_whole(&self) -> bool {
        self.damage.is_empty() && self.unreadable.is_empty()
    }
}

/// Checks the store in `folder`, beside processes that use it.
///
/// # Errors
/// If there is no store, a newer release wrote it, or it cannot be read.
pub fn check(folder: &Path) -> Result<Report, Refused> {
    let layout = Layout::new(folder.to_owned());
    let connection = existing(&layout)?;
    let format = file::format_of(&connection)?;
    let mut damage = texts(&connection, "PRAGMA integrity_check(20)").map_err(failure)?;
    damage.retain(|line| line != "ok");
    Ok(Report {
        file: layout.database(),
        format,
        buckets: buckets(&connection).map_err(failure)?,
        members: members::alive(&layout.members())?,
        damage,
        unreadable: unreadable_records(&connection).map_err(failure)?,
    })
}

/// Copies the store in `folder` into the new file `to`, as it is at one moment, beside processes that use it. Returns the size of the copy in bytes.
///
/// # Errors
/// If there is no store, `to` is there, or a file cannot be read or written.
pub fn backup(folder: &Path, to: &Path) -> Result<u64, Refused> {
    let from = existing(&Layout::new(folder.to_owned()))?;
    file::format_of(&from)?;
    match file::private().create_new(true).open(to) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(Refused::Exists(to.to_owned()));
        }
        Err(error) => return Err(error.into()),
    }
    let copied = copy(&from, to);
    if copied.is_err() {
        let _ = fs::remove_file(to);
    }
    copied?;
    Ok(fs::metadata(to)?.len())
}

/// Makes the backup `from` the store in `folder`; `replaces`: also where there is one that holds something. Returns where the replaced file
/// is now, if there was one.
///
/// # Errors
/// If a process uses the store, it holds something that is not to be replaced, `from` is no whole backup, or a file cannot be written. The
/// store is then as it was.
pub fn restore(folder: &Path, from: &Path, replaces: bool) -> Result<Option<PathBuf>, Refused> {
    let layout = Layout::new(folder.to_owned());
    layout.create()?;
    // Who opens the store waits until this is done.
    let _gate = layout.gate()?;
    let members = members::alive(&layout.members())?;
    if !members.is_empty() {
        return Err(Refused::InUse(members));
    }
    if !replaces && holds_something(&layout) {
        return Err(Refused::NotEmpty(layout.database()));
    }
    let source = whole_backup(from)?;
    let (database, new) = (layout.database(), file::beside(&layout.database(), ".new"));
    let _ = fs::remove_file(&new);
    file::create(&new)?;
    copy(&source, &new)?;
    let replaced = match database.exists() {
        true => Some(set_aside(&database)?),
        false => None,
    };
    fs::rename(&new, &database)?;
    file::sync_folder(folder)?;
    Ok(replaced)
}

/// Whether there is a store that is not empty. What cannot be read is not, either.
fn holds_something(layout: &Layout) -> bool {
    let Ok(connection) = existing(layout) else { return layout.database().exists() };
    let count = "SELECT count(*) FROM entry WHERE value IS NOT NULL";
    !matches!(connection.query_row(count, [], |row| row.get::<_, i64>(0)), Ok(0))
}

/// Moves a database and the files beside it out of the way.
fn set_aside(database: &Path) -> io::Result<PathBuf> {
    let aside = file::beside(database, ".replaced");
    // The log belongs to the file: without it the newest writes would be lost, with another file it would be damage.
    for suffix in ["-wal", "-shm", ""] {
        let (from, to) = (file::beside(database, suffix), file::beside(&aside, suffix));
        match fs::rename(&from, &to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let _ = fs::remove_file(to);
            }
            moved => moved?,
        }
    }
    Ok(aside)
}

fn existing(layout: &Layout) -> Result<Connection, Refused> {
    let database = layout.database();
    if !database.exists() {
        return Err(Refused::NoStore(layout.folder().to_owned()));
    }
    Ok(file::connect(&database).map_err(failure)?)
}

/// Opens a backup and checks that it is whole.
fn whole_backup(path: &Path) -> Result<Connection, Refused> {
    let refused = |why: String| Refused::NoBackup { file: path.to_owned(), why };
    // A name that is not there is not to become an empty file.
    fs::File::open(path).map_err(|error| refused(error.to_string()))?;
    let connection = file::connect(path).map_err(|error| refused(error.to_string()))?;
    match file::format_of(&connection) {
        Ok(0) => return Err(refused("it is empty".to_owned())),
        Ok(_) => {}
        Err(error @ Error::Newer { .. }) => return Err(error.into()),
        Err(error) => return Err(refused(error.to_string())),
    }
    let found =
        texts(&connection, "PRAGMA integrity_check(1)").map_err(|error| refused(error.to_string()))?;
    match found.first() {
        Some(first) if first == "ok" => Ok(connection),
        first => Err(refused(first.cloned().unwrap_or_default())),
    }
}

/// Copies a database into an empty file. All pages are read in one step, so that writers do not make it begin again.
fn copy(from: &Connection, to: &Path) -> Result<(), Error> {
    let mut target = file::connect(to).map_err(failure)?;
    {
        let backup = Backup::new(from, &mut target).map_err(failure)?;
        match backup.step(-1).map_err(failure)? {
            rusqlite::backup::StepResult::Done => {}
            _ => return Err(Error::Unreachable),
        }
    }
    // One file, without a log beside it.
    target.execute_batch("PRAGMA journal_mode = DELETE").map_err(failure)?;
    target.close().map_err(|(_, error)| failure(error))?;
    fs::File::open(to).and_then(|file| file.sync_all()).map_err(Error::fault)
}

fn texts(connection: &Connection, query: &str) -> Result<Vec<String>, rusqlite::Error> {
    let mut statement = connection.prepare(query)?;
    let rows = statement.query_map([], |row| row.get(0))?;
    rows.collect()
}

fn buckets(connection: &Connection) -> Result<Vec<BucketReport>, rusqlite::Error> {
    let mut statement = connection.prepare(
        "SELECT bucket, count(DISTINCT id), sum(octet_length(id) + octet_length(value)) FROM entry
         WHERE value IS NOT NULL GROUP BY bucket ORDER BY bucket",
    )?;
    let rows = statement.query_map([], |row| {
        let (keys, bytes): (i64, i64) = (row.get(1)?, row.get(2)?);
        Ok(BucketReport { name: row.get(0)?, keys: keys.unsigned_abs(), bytes: bytes.unsigned_abs() })
    })?;
    rows.collect()
}

fn unreadable_records(connection: &Connection) -> Result<Vec<Unreadable>, rusqlite::Error> {
    let mut statement = connection.prepare("SELECT bucket, id, value FROM entry WHERE value IS NOT NULL")?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (bucket, id, value): (String, String, Vec<u8>) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if let Some(why) = unreadable(&bucket, &id, &value) {
            found.push(Unreadable { bucket, id, why });
        }
    }
    Ok(found)
}
