//! `anyport store check`: looks for damage, and says what is stored.

use std::{path::Path, process::ExitCode};

use anyhow::Result;
use anyport_store::maintenance::{self, Report};
use serde_json::json;

use super::common::{Common, failed, report};
use crate::exit::Exit;

/// The arguments of `anyport store check`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = "Examples:\n  anyport store check\n  anyport store check --json")]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) common: Common,
}

/// Checks the store in `folder`.
pub(super) fn run(arguments: &Arguments, folder: &Path) -> Result<ExitCode> {
    let found = maintenance::check(folder).map_err(|refused| failed(refused, folder, None))?;
    let exit = if found.is_whole() { Exit::Done } else { Exit::Failed };
    let buckets = found.buckets.iter();
    let buckets = buckets.map(|one| json!({"name": one.name, "keys": one.keys, "bytes": one.bytes}));
    let unreadable = found.unreadable.iter();
    let unreadable = unreadable.map(|one| json!({"bucket": one.bucket, "id": one.id, "why": one.why}));
    let value = json!({
        "file": found.file, "format": found.format, "whole": found.is_whole(), "processes": found.members.len(),
        "buckets": buckets.collect::<Vec<_>>(), "damage": found.damage, "unreadable": unreadable.collect::<Vec<_>>(),
    });
    report(&arguments.common, &lines(&found), value, exit)
}

fn lines(found: &Report) -> Vec<String> {
    let is_whole = if found.is_whole() { "whole" } else { "not whole" };
    let mut lines = vec![format!("{} is {is_whole}", found.file.display())];
    let mut row = |what: &str, text: String| lines.push(format!("  {what:<10} {text}"));
    row("format", found.format.to_string());
    row(
        "processes",
        match found.members.len() {
            0 => "none uses it".to_owned(),
            1 => "1 uses it".to_owned(),
            count => format!("{count} use it"),
        },
    );
    for bucket in &found.buckets {
        let keys = if bucket.keys == 1 { "key" } else { "keys" };
        row(&bucket.name, format!("{} {keys}, {} bytes", bucket.keys, bucket.bytes));
    }
    found.damage.iter().for_each(|damage| row("damage", damage.clone()));
    for record in &found.unreadable {
        row("unreadable", format!("{} {}: {}", record.bucket, record.id, record.why));
    }
    lines
}
