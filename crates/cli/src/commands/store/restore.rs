//! `anyport store restore`: replaces the store by a backup.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Result;
use anyport_store::maintenance;
use serde_json::json;

use super::common::{Common, failed, report};
use crate::exit::Exit;

/// The arguments of `anyport store restore`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(
    after_help = "Examples:\n  anyport store restore anyport-backup.db\n  anyport store restore --state-dir /var/lib/anyport /backups/anyport.db"
)]
pub(super) struct Arguments {
    /// The backup.
    file: PathBuf,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Replaces the store in `folder`.
pub(super) fn run(arguments: &Arguments, folder: &Path) -> Result<ExitCode> {
    let file = &arguments.file;
    let replaced =
        maintenance::restore(folder, file).map_err(|refused| failed(refused, folder, Some(file)))?;
    let mut lines = vec![format!("restored {} from {}", folder.display(), file.display())];
    lines.extend(replaced.as_ref().map(|old| format!("what it replaced is {}", old.display())));
    report(
        &arguments.common,
        &lines,
        json!({"folder": folder, "from": file, "replaced": replaced}),
        Exit::Done,
    )
}
