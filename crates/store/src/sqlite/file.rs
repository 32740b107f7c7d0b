//! The folder and its files: permissions, the gate through which processes open, settings and schema.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, OpenFlags, TransactionBehavior, config::DbConfig};

use super::setup::{Setup, failure};
use crate::{
    Bucket, Error, Member,
    members::{self, Presence},
};

/// Where the files are.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    folder: PathBuf,
}

impl Layout {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The database.
    pub(super) fn database(&self) -> PathBuf {
        self.folder.join("anyport.db")
    }

    /// The folder of the members' locked files.
    pub(super) fn members(&self) -> PathBuf {
        self.folder.join("members")
    }

    /// Makes the folders.
    pub(super) fn create(&self) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(self.members())
    }

    /// Locks the gate: a process opens the store, and a backup is restored, one after the other.
    pub(super) fn gate(&self) -> Result<File, Error> {
        let file = private().create(true).truncate(false).open(self.folder.join("gate.lock"));
        let file = file.map_err(Error::fault)?;
        let deadline = Instant::now() + BUSY;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    // A thread of its own, which may wait.
                    thread::park_timeout(Duration::from_millis(10));
                }
                Err(TryLockError::WouldBlock) => return Err(Error::Unreachable),
                Err(TryLockError::Error(error)) => return Err(Error::fault(error)),
            }
        }
    }
}

/// How long one process waits for another that writes or opens.
pub(super) const BUSY: Duration = Duration::from_secs(5);
/// Says that a SQLite file is ours: the bytes `Anyp`.
pub(super) const APPLICATION_ID: i32 = 0x416e_7970;
/// The format of the file: the number of migrations.
pub(super) const FORMAT: i32 = MIGRATIONS.len() as i32;

/// A commit returns once the log is on the disk, for which macOS has to ask twice. A page that cannot be read is an error and
/// not a signal.
const SETTINGS: &str = "
    PRAGMA synchronous = FULL;
    PRAGMA fullfsync = ON;
    PRAGMA checkpoint_fullfsync = ON;
    PRAGMA mmap_size = 0;
    PRAGMA journal_size_limit = 67108864;
";

/// What makes a file of format n + 1 out of one of format n.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE entry (
        version INTEGER PRIMARY KEY AUTOINCREMENT,
        bucket TEXT NOT NULL,
        id TEXT NOT NULL,
        value BLOB,               -- NULL: deleted
        expires INTEGER,          -- milliseconds since 1970; of a deletion: when it may be forgotten
        write_id INTEGER NOT NULL -- random: finds a write again whose commit failed
    );
    CREATE UNIQUE INDEX entry_key ON entry (bucket, id, version);
    CREATE INDEX entry_expires ON entry (expires) WHERE expires IS NOT NULL;
    -- The bytes of ids and values in each bucket.
    CREATE TABLE bucket (name TEXT PRIMARY KEY, bytes INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TRIGGER entry_added AFTER INSERT ON entry BEGIN
        UPDATE bucket SET bytes = bytes + octet_length(NEW.id) + coalesce(octet_length(NEW.value), 0)
            WHERE name = NEW.bucket;
    END;
    CREATE TRIGGER entry_removed AFTER DELETE ON entry BEGIN
        UPDATE bucket SET bytes = bytes - octet_length(OLD.id) - coalesce(octet_length(OLD.value), 0)
            WHERE name = OLD.bucket;
    END;
    -- The newest deletion that was forgotten: who has not seen it begins again.
    CREATE TABLE forgotten (one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER NOT NULL);
    INSERT INTO forgotten VALUES (1, 0);
"];

/// Opens the store of this process: its member file, and a connection that writes.
pub(super) fn open(layout: &Layout, setup: &Setup, me: &Member) -> Result<(Connection, Presence), Error> {
    layout.create().map_err(Error::fault)?;
    let _gate = layout.gate()?;
    // Removes the files of processes that were killed; it does no harm if it cannot.
    let _ = members::alive(&layout.members());
    let presence = Presence::announce(&layout.members(), me).map_err(Error::fault)?;
    let database = layout.database();
    create(&database).map_err(Error::fault)?;
    let mut connection = connect(&database).map_err(failure)?;
    let format = format_of(&connection)?;
    connection.execute_batch("PRAGMA journal_mode = WAL").map_err(failure)?;
    limit_size(&connection, setup)?;
    migrate(&mut connection, format, &setup.buckets).map_err(failure)?;
    Ok((connection, presence))
}

/// Opens a file again after a commit failed, and checks that it is whole.
pub(super) fn reopen(layout: &Layout, setup: &Setup) -> Result<Connection, Error> {
    let connection = connect(&layout.database()).map_err(failure)?;
    format_of(&connection)?;
    let found: String =
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(failure)?;
    if found != "ok" {
        return Err(Error::fault(found));
    }
    limit_size(&connection, setup)?;
    Ok(connection)
}

fn limit_size(connection: &Connection, setup: &Setup) -> Result<(), Error> {
    match setup.max_pages {
        Some(pages) => connection.execute_batch(&format!("PRAGMA max_page_count = {pages}")).map_err(failure),
        None => Ok(()),
    }
}

/// Makes an empty file that only its owner can read. SQLite gives the files beside it the same mode.
pub(super) fn create(path: &Path) -> io::Result<()> {
    private().create(true).truncate(false).open(path)?;
    if let Some(folder) = path.parent() {
        sync_folder(folder)?;
    }
    Ok(())
}

/// Has the names in a folder survive a loss of power.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    // Windows has no such call, and needs none.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// A connection with the settings that a writer needs.
pub(super) fn connect(path: &Path) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.execute_batch(SETTINGS)?;
    connection.set_prepared_statement_cache_capacity(32);
    // Else a prepared statement is compiled anew for each new parameter that a statistic could know, which none is kept for here.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(connection)
}

/// Returns the format of a file; 0 if it is new.
///
/// # Errors
/// If it is no file of ours, or a newer release wrote it.
pub(super) fn format_of(connection: &Connection) -> Result<i32, Error> {
    let number =
        |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0)).map_err(failure);
    let (application, format) = (number("application_id")?, number("user_version")?);
    let tables = "SELECT count(*) FROM sqlite_schema";
    let tables: i64 = connection.query_row(tables, [], |row| row.get(0)).map_err(failure)?;
    if application == 0 && format == 0 && tables == 0 {
        return Ok(0);
    }
    if application != APPLICATION_ID {
        return Err(Error::fault("the file is a SQLite database of another program"));
    }
    if format > FORMAT {
        return Err(Error::Newer { format: u8::try_from(format).unwrap_or(u8::MAX) });
    }
    Ok(format)
}

/// Brings a file up to [`FORMAT`], and adds the buckets that it does not have.
fn migrate(connection: &mut Connection, from: i32, buckets: &[&Bucket]) -> Result<(), rusqlite::Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for migration in MIGRATIONS.iter().skip(usize::try_from(from).unwrap_or_default()) {
        transaction.execute_batch(migration)?;
    }
    if from < FORMAT {
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", FORMAT)?;
    }
    for bucket in buckets {
        transaction.execute("INSERT OR IGNORE INTO bucket VALUES (?1, 0)", [bucket.name])?;
    }
    transaction.commit()
}

/// The file beside a database, such as its log.
pub(super) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(database);
    name.push(suffix);
    name.into()
}

/// How a file is made that only its owner can read.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}
