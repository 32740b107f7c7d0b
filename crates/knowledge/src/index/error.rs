use tantivy::TantivyError;

/// The index cannot be written or searched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The folder of [`Storage::Folder`](super::Storage::Folder) cannot be used.
    #[error("cannot keep the search index in {}: {cause}; name a folder that can be written", .folder.display())]
    Folder {
        /// The folder.
        folder: std::path::PathBuf,
        /// The system's error.
        cause: std::io::Error,
    },
    /// The engine failed, most likely for want of disk or memory.
    #[error("the search index failed: {0}")]
    Engine(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<TantivyError> for IndexError {
    fn from(error: TantivyError) -> Self {
        Self::Engine(error.into())
    }
}
