//! `anyport store backup`: copies the store into a new file.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Result;
use anyport_store::maintenance;
use serde_json::json;

use super::common::{Common, failed, report};
use crate::exit::Exit;

/// The arguments of `anyport store backup`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(
    after_help = "Examples:\n  anyport store backup anyport-backup.db\n  anyport store backup --state-dir /var/lib/anyport /backups/anyport.db"
)]
pub(super) struct Arguments {
    /// The new file.
    file: PathBuf,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Copies the store in `folder`.
pub(super) fn run(arguments: &Arguments, folder: &Path) -> Result<ExitCode> {
    let file = &arguments.file;
    let bytes = maintenance::backup(folder, file).map_err(|refused| failed(refused, folder, Some(file)))?;
    let line = format!("wrote {} ({bytes} bytes)", file.display());
    report(&arguments.common, &[line], json!({"file": file, "bytes": bytes}), Exit::Done)
}
