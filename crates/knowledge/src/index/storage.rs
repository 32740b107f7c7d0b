//! Where an index lies.

use std::path::PathBuf;

use tantivy::{IndexSettings, directory::MmapDirectory, schema::Schema};

use super::{IndexError, schema::analyzers};

/// Where an index lies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Storage {
    /// In memory.
    #[default]
    Memory,
    /// In files below this folder.
    Folder(PathBuf),
}

/// A place that is ours.
pub(super) struct Opened {
    folder: Option<tempfile::TempDir>,
}

impl Storage {
    pub(super) fn open(self) -> Result<Opened, IndexError> {
        let Self::Folder(folder) = self else { return Ok(Opened { folder: None }) };
        let made = std::fs::create_dir_all(&folder).and_then(|()| tempfile::TempDir::new_in(&folder));
        let own = made.map_err(|cause| IndexError::Folder { folder, cause })?;
        Ok(Opened { folder: Some(own) })
    }
}

impl Opened {
    pub(super) fn create(&self, schema: Schema) -> Result<tantivy::Index, IndexError> {
        let settings =
            IndexSettings { docstore_compress_dedicated_thread: false, ..IndexSettings::default() };
        let index = tantivy::Index::builder().schema(schema).settings(settings).tokenizers(analyzers());
        Ok(match &self.folder {
            None => index.create_in_ram()?,
            Some(folder) => index
                .open_or_create(MmapDirectory::open(folder.path()).map_err(tantivy::TantivyError::from)?)?,
        })
    }
}
