//! `anyport store copy`: copies a store into another, empty one.

use std::{process::ExitCode, sync::Arc};

use anyhow::Result;
use anyport_config::Surroundings;
use anyport_metrics::Metrics;
use anyport_store::{Store, backup::Failed, transfer};
use serde_json::json;

use super::common::{Common, Target, existing, failed_in_store, report, runtime};
use crate::{
    exit::Exit,
    store::{self, LOCATION_FORMS, Location, StorePlace, buckets, shared_buckets},
    user_error::UserError,
};

/// The arguments of `anyport store copy`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(
    after_help = "Examples:\n  anyport store copy sqlite:/var/lib/anyport/store nats://127.0.0.1:4222\n  anyport store copy env:OLD_STORE env:NEW_STORE"
)]
pub(super) struct Arguments {
    /// The store to copy: sqlite:FOLDER, nats://HOST:PORT or tls://HOST:PORT, or env:NAME or file:PATH with that.
    // Read by `place`: clap repeats a wrong value, and this one may have a password.
    from: String,
    /// The store to copy it into, which is empty.
    to: String,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Copies.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let settings = arguments.common.store.place()?;
    let (from, to) = (place("FROM", &arguments.from, &settings)?, place("TO", &arguments.to, &settings)?);
    if from.location == to.location {
        return Err(UserError::usage("FROM and TO are the same store", "name two stores"));
    }
    let is_of_machine = [&from, &to].iter().all(|place| matches!(place.location, Location::Sqlite(_)));
    // What belongs to a machine stays there.
    let buckets = if is_of_machine { buckets() } else { shared_buckets() };
    let (source, target) = (Target::at(&from)?, Target::at(&to)?);
    let copied = runtime()?.block_on(async {
        let source: Arc<dyn Store> = match &source {
            Target::Folder(folder) => Arc::new(existing(folder)?),
            Target::Nats(nats) => {
                nats.reached().await?;
                Arc::new(nats.jetstream.clone())
            }
        };
        let store: Arc<dyn Store> = match &target {
            Target::Folder(folder) => Arc::new(store::in_folder(folder.clone(), &Metrics::new())),
            Target::Nats(nats) => {
                nats.reached().await?;
                Arc::new(nats.jetstream.clone())
            }
        };
        let copied = transfer::copy(&*source, &*store, &buckets).await;
        copied.map_err(|error| failed_in_store(Failed::Store(error), &target, None))
    })?;
    let line = format!("copied {} keys ({} bytes) from {source} to {target}", copied.keys, copied.bytes);
    let value = json!({
        "from": source.to_string(), "to": target.to_string(),
        "keys": copied.keys, "versions": copied.versions, "bytes": copied.bytes,
    });
    report(&arguments.common, &[line], value, Exit::Done)
}

/// The place that `text` says, with the name and the TLS of `settings`.
fn place(which: &str, text: &str, settings: &StorePlace) -> Result<StorePlace> {
    let location = Location::read(text, &Surroundings::here())
        .map_err(|why| UserError::usage(format!("{which} is wrong: {why}"), LOCATION_FORMS))?;
    Ok(StorePlace { location, ..settings.clone() })
}
