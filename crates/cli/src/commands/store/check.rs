//! `anyport store check`: looks for damage, and says what is stored.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use anyport_store::{
    maintenance::{self, BucketReport, Unreadable},
    transfer,
};
use serde_json::json;

use super::common::{Common, NatsTarget, Target, failed, report, runtime};
use crate::{
    exit::Exit,
    store::{StoreStatus, shared_buckets, status_of},
};

/// The arguments of `anyport store check`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(
    after_help = "Examples:\n  anyport store check\n  anyport store check --json\n  anyport store check --store nats://127.0.0.1:4222"
)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) common: Common,
}

/// What was found, wherever the store is.
struct Found {
    /// The file, or the URL of servers.
    name: String,
    file: Option<PathBuf>,
    format: Option<i32>,
    processes: usize,
    buckets: Vec<BucketReport>,
    damage: Vec<String>,
    unreadable: Vec<Unreadable>,
    status: Option<StoreStatus>,
}

/// Checks the store.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let found = match arguments.common.target()? {
        Target::Folder(folder) => {
            let found =
                maintenance::check(&folder).map_err(|refused| failed(refused, folder.display(), None))?;
            Found {
                name: found.file.display().to_string(),
                file: Some(found.file),
                format: Some(found.format),
                processes: found.members.len(),
                buckets: found.buckets,
                damage: found.damage,
                unreadable: found.unreadable,
                status: None,
            }
        }
        Target::Nats(nats) => runtime()?.block_on(of_nats(&nats))?,
    };
    let exit = if found.is_whole() { Exit::Done } else { Exit::Failed };
    report(&arguments.common, &found.lines(), found.value(), exit)
}

async fn of_nats(nats: &NatsTarget) -> Result<Found> {
    let location = nats.open.location();
    nats.reached().await?;
    let contents = transfer::contents(&nats.jetstream, &shared_buckets()).await;
    let contents = contents.map_err(|error| failed(error.into(), location, None))?;
    Ok(Found {
        name: location.to_string(),
        file: None,
        format: None,
        processes: nats.processes().await?.len(),
        buckets: contents.buckets,
        damage: Vec::new(),
        unreadable: contents.unreadable,
        status: status_of(Some(&nats.open)).await,
    })
}

impl Found {
    fn is_whole(&self) -> bool {
        self.damage.is_empty() && self.unreadable.is_empty()
    }

    fn value(&self) -> serde_json::Value {
        let buckets = self.buckets.iter();
        let buckets = buckets.map(|one| json!({"name": one.name, "keys": one.keys, "bytes": one.bytes}));
        let unreadable = self.unreadable.iter();
        let unreadable = unreadable.map(|one| json!({"bucket": one.bucket, "id": one.id, "why": one.why}));
        let mut value = json!({
            "file": self.file, "format": self.format, "whole": self.is_whole(), "processes": self.processes,
            "buckets": buckets.collect::<Vec<_>>(), "damage": self.damage, "unreadable": unreadable.collect::<Vec<_>>(),
        });
        if let (Some(status), Some(value)) = (&self.status, value.as_object_mut()) {
            value.retain(|_, member| !member.is_null());
            value.extend(json!(status).as_object().cloned().unwrap_or_default());
        }
        value
    }

    fn lines(&self) -> Vec<String> {
        let is_whole = if self.is_whole() { "whole" } else { "not whole" };
        let mut lines = vec![format!("{} is {is_whole}", self.name)];
        let mut row = |what: &str, text: String| lines.push(format!("  {what:<10} {text}"));
        if let Some(format) = self.format {
            row("format", format.to_string());
        }
        if let Some(status) = &self.status {
            row("durability", status.durability.durability.clone());
            status.durability.warning.iter().for_each(|warning| row("WARNING", warning.clone()));
        }
        row(
            "processes",
            match self.processes {
                0 => "none uses it".to_owned(),
                1 => "1 uses it".to_owned(),
                count => format!("{count} use it"),
            },
        );
        for bucket in &self.buckets {
            let keys = if bucket.keys == 1 { "key" } else { "keys" };
            row(&bucket.name, format!("{} {keys}, {} bytes", bucket.keys, bucket.bytes));
        }
        self.damage.iter().for_each(|damage| row("damage", damage.clone()));
        for record in &self.unreadable {
            row("unreadable", format!("{} {}: {}", record.bucket, record.id, record.why));
        }
        lines
    }
}
