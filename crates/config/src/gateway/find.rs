use std::path::{Path, PathBuf};

/// The name of the file.
pub const FILE_NAME: &str = "anyport.toml";

/// The `anyport.toml` of `folder`, or of the nearest folder above it that has one.
pub fn find(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().map(|folder| folder.join(FILE_NAME)).find(|path| path.is_file())
}
