//! Backups of any store, as files of the back end in SQLite.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    Bucket, Options, SqliteStore, Store,
    maintenance::{self, Refused},
    transfer::{self, Copied, NotCopied},
};

/// Why a store was not backed up or restored.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The file cannot be written or read, or is no whole backup.
    #[error(transparent)]
    File(#[from] Refused),
    /// The store holds something that is not to be replaced, or failed.
    #[error(transparent)]
    Store(#[from] NotCopied),
}

/// Copies `buckets` of a store into the new file `to`, beside processes that use it.
///
/// Each key is as it was at one moment, and different keys may be from different ones: no state of a store spans several keys. The parts of large
/// records ([`BLOB`](crate::BLOB)) must be the last bucket, so that those of each record are found: they are written before it.
///
/// # Errors
/// If `to` is there or cannot be written, or the store fails. There is no file then.
pub async fn write(store: &dyn Store, buckets: &[&'static Bucket], to: &Path) -> Result<Copied, Failed> {
    if to.exists() {
        return Err(Refused::Exists(to.to_owned()).into());
    }
    let folder = Folder::beside(to)?;
    let target = SqliteStore::new(folder.path(), buckets, Options::default());
    let copied = transfer::copy(store, &target, buckets).await?;
    // An empty store is a file as well.
    target.open().await.map_err(NotCopied::from)?;
    maintenance::backup(folder.path(), to)?;
    Ok(copied)
}

/// Copies `buckets` of the backup `from` into a store; `replaces`: after all that is in them was deleted. The parts of large records must be
/// the first bucket, so that no record is there before its parts.
///
/// # Errors
/// If `from` is no whole backup, the store holds something that is not to be replaced, or fails. What was written until then stays.
pub async fn restore(
    store: &dyn Store,
    buckets: &[&'static Bucket],
    from: &Path,
    replaces: bool,
) -> Result<Copied, Failed> {
    let folder = Folder::in_temporary()?;
    maintenance::restore(folder.path(), from, true)?;
    let source = SqliteStore::new(folder.path(), buckets, Options::default());
    source.open().await.map_err(NotCopied::from)?;
    if replaces {
        transfer::clear(store, buckets).await.map_err(NotCopied::from)?;
    }
    Ok(transfer::copy(&source, store, buckets).await?)
}

/// A folder that is removed with all that is in it.
struct Folder(PathBuf);

impl Folder {
    /// Beside a file, where there is room for it or not.
    fn beside(file: &Path) -> Result<Self, Refused> {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Self::make(folder)
    }

    fn in_temporary() -> Result<Self, Refused> {
        Self::make(&std::env::temp_dir())
    }

    fn make(folder: &Path) -> Result<Self, Refused> {
        let folder = folder.join(format!(".anyport-backup-{:016x}", fastrand::u64(..)));
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&folder)?;
        Ok(Self(folder))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
