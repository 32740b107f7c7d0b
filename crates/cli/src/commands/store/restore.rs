//! `anyport store restore`: makes a backup the store.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use anyport_store::{
    backup,
    maintenance::{self, Refused},
    transfer::Copied,
};
use serde_json::json;

use super::common::{Common, NatsTarget, Target, failed, failed_in_store, report, runtime};
use crate::{exit::Exit, store::shared_buckets};

/// The arguments of `anyport store restore`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(
    after_help = "Examples:\n  anyport store restore anyport-backup.db\n  anyport store restore --replace --state-dir /var/lib/anyport /backups/anyport.db\n  anyport store restore --store nats://127.0.0.1:4222 /backups/shared.db"
)]
pub(super) struct Arguments {
    /// The backup.
    file: PathBuf,
    /// Replace what the store holds. Else one that is not empty is left as it is.
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Makes the backup the store.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let Arguments { file, replace, common } = arguments;
    match common.target()? {
        Target::Folder(folder) => {
            let replaced = maintenance::restore(&folder, file, *replace)
                .map_err(|refused| failed(refused, folder.display(), Some(file)))?;
            let mut lines = vec![format!("restored {} from {}", folder.display(), file.display())];
            lines.extend(replaced.as_ref().map(|old| format!("what it replaced is {}", old.display())));
            let value = json!({"folder": folder, "from": file, "replaced": replaced});
            report(common, &lines, value, Exit::Done)
        }
        Target::Nats(nats) => {
            let copied = runtime()?.block_on(into_nats(&nats, arguments))?;
            let url = nats.open.location().to_string();
            let line = format!("restored {url} from {} ({} keys)", file.display(), copied.keys);
            let value = json!({"url": url, "from": file, "keys": copied.keys, "bytes": copied.bytes});
            report(common, &[line], value, Exit::Done)
        }
    }
}

async fn into_nats(nats: &NatsTarget, Arguments { file, replace, .. }: &Arguments) -> Result<Copied> {
    let location = nats.open.location();
    nats.reached().await?;
    let processes = nats.processes().await?;
    if !processes.is_empty() {
        return Err(failed(Refused::InUse(processes), location, Some(file)));
    }
    // No record is there before its parts.
    let mut buckets = shared_buckets();
    buckets.reverse();
    let restored = backup::restore(&nats.jetstream, &buckets, file, *replace).await;
    restored.map_err(|error| failed_in_store(error, location, Some(file)))
}
