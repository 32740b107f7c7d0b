//! `anyport store backup`: copies the store into a new file.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use anyport_store::{backup, maintenance};
use serde_json::json;

use super::common::{Common, Target, failed, failed_in_store, report, runtime};
use crate::{exit::Exit, store::shared_buckets};

/// The arguments of `anyport store backup`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(
    after_help = "Examples:\n  anyport store backup anyport-backup.db\n  anyport store backup --state-dir /var/lib/anyport /backups/anyport.db\n  anyport store backup --store nats://127.0.0.1:4222 /backups/shared.db"
)]
pub(super) struct Arguments {
    /// The new file.
    file: PathBuf,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Copies the store.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let (file, target) = (&arguments.file, arguments.common.target()?);
    let bytes = match &target {
        Target::Folder(folder) => maintenance::backup(folder, file)
            .map_err(|refused| failed(refused, folder.display(), Some(file)))?,
        Target::Nats(nats) => runtime()?.block_on(async {
            nats.reached().await?;
            let copied = backup::write(&nats.jetstream, &shared_buckets(), file).await;
            copied.map_err(|error| failed_in_store(error, &target, Some(file)))?;
            anyhow::Ok(std::fs::metadata(file)?.len())
        })?,
    };
    let line = format!("wrote {} ({bytes} bytes)", file.display());
    report(&arguments.common, &[line], json!({"file": file, "bytes": bytes}), Exit::Done)
}
