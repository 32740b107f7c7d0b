//! Whether there is such a socket.

use std::{fs, io::ErrorKind, os::unix::fs::FileTypeExt as _, path::Path};

use anyhow::Result;

use super::report::Report;

/// Looks at what is there. That somebody listens shows when it is connected to.
pub(super) fn find(report: &mut Report, path: &Path) -> Result<bool> {
    report.begin();
    let shown = path.display();
    match fs::metadata(path) {
        Ok(found) if found.file_type().is_socket() => {
            report.ok("socket", shown.to_string())?;
            return Ok(true);
        }
        Ok(_) => {
            report.failed(
                "socket",
                format!("{shown} is no socket"),
                "name the socket that the server made",
            )?;
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let help = "start the server, or correct the path: a socket is there as long as its server runs";
            report.failed("socket", format!("there is no {shown}"), help)?;
        }
        Err(error) => {
            let help = "the folder of a socket must be one that you may enter";
            report.failed("socket", format!("cannot look at {shown}: {error}"), help)?;
        }
    }
    Ok(false)
}
