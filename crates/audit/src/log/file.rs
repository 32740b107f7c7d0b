use std::{
    fs::OpenOptions,
    io::{self, Write as _},
    path::PathBuf,
};

/// Appends `lines` to the file at `path`, which only the user can read if it is made now. It is opened for each block, so that it may be
/// moved away meanwhile.
pub(super) async fn append(path: PathBuf, lines: String) -> io::Result<()> {
    let written = tokio::task::spawn_blocking(move || {
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        // One write, so that lines of several processes are not mixed.
        options.open(path)?.write_all(lines.as_bytes())
    });
    written.await.map_err(io::Error::other)?
}
