//! The audit log of a program that serves: what `[audit]` of its file and `--audit` say, and its start and end.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Result;
use anyport_audit::{Arguments, AuditLimits, AuditLog, CallLogLayer, Mode, Options, Redaction};
use anyport_config::gateway::{AuditArguments, AuditConfig, AuditMode};
use anyport_metrics::Metrics;
use anyport_seal::Key;
use anyport_store::Store;
use anyport_transport::http::{HttpRefusal, RefusalObserver};

use crate::{secret_names, target::redacted_for_log, user_error::UserError};

/// Whether and when calls are recorded, as an option says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum AuditChoice {
    /// They are not.
    Off,
    /// Behind the answer.
    On,
    /// Durably, before a call goes to its server and before its answer goes out.
    Required,
}

/// How calls are recorded.
#[derive(Debug)]
pub(crate) struct AuditSettings {
    mode: Mode,
    redaction: Redaction,
    keep: Option<Duration>,
    file: Option<PathBuf>,
}

/// The days for which records are kept.
const KEEP: u32 = 90;
const DAY: u64 = 24 * 60 * 60;

/// Writes a line of the program's log for each call, without what `config` keeps out of the audit log. Members whose names say that they may
/// be secret have no place in it, whatever `config` says: it goes to more readers.
pub(crate) fn call_log(config: &AuditConfig) -> CallLogLayer {
    let arguments = match config.arguments {
        AuditArguments::None => Arguments::None,
        AuditArguments::Redacted | AuditArguments::Full => Arguments::Redacted,
    };
    CallLogLayer::new(redaction(config, arguments))
}

/// What `config` keeps out of logs.
fn redaction(config: &AuditConfig, arguments: Arguments) -> Redaction {
    Redaction::default()
        .arguments(arguments)
        .members(config.redact.iter().cloned())
        .secret_names(secret_names::is_secret)
        .known_secrets(redacted_for_log)
}

impl AuditSettings {
    /// What `config` says, whose paths are relative to `folder`; `chosen` comes before its mode. `None`: nothing is recorded.
    pub(crate) fn new(config: &AuditConfig, folder: &Path, chosen: Option<AuditChoice>) -> Option<Self> {
        let mode = match (chosen, config.mode) {
            (Some(AuditChoice::On), _) | (None, AuditMode::On) => Mode::On,
            (Some(AuditChoice::Required), _) | (None, AuditMode::Required) => Mode::Required,
            (Some(AuditChoice::Off), _) | (None, AuditMode::Off) => return None,
        };
        let arguments = match config.arguments {
            AuditArguments::None => Arguments::None,
            AuditArguments::Redacted => Arguments::Redacted,
            AuditArguments::Full => Arguments::Full,
        };
        let days = Some(config.keep.unwrap_or(KEEP)).filter(|days| *days > 0);
        Some(Self {
            mode,
            redaction: redaction(config, arguments),
            keep: days.map(|days| Duration::from_secs(u64::from(days) * DAY)),
            file: config.file.as_ref().map(|file| folder.join(file)),
        })
    }

    /// What an option alone says.
    pub(crate) fn chosen(chosen: Option<AuditChoice>) -> Option<Self> {
        Self::new(&AuditConfig::default(), Path::new("."), chosen)
    }
}

/// Begins the log in `store`.
///
/// # Errors
/// If there is no store. If it cannot be written, and calls must not go on without it.
pub(crate) async fn start(
    settings: AuditSettings,
    store: Option<Arc<dyn Store>>,
    key: &Key,
    limits: AuditLimits,
    metrics: &Metrics,
) -> Result<AuditLog> {
    let Some(store) = store else {
        let help = "name one that can be written with --state-dir DIR: the audit log is kept there";
        return Err(UserError::usage("there is no folder for the program's state", help));
    };
    let options = Options::default()
        .version(env!("CARGO_PKG_VERSION"))
        .redaction(settings.redaction)
        .keep(settings.keep)
        .file(settings.file)
        .limits(limits)
        .metrics(metrics.clone());
    let log = AuditLog::start(store, key, settings.mode, options);
    match (log.opened().await, settings.mode) {
        // The log itself has said why, and goes on trying.
        (Ok(()), _) | (Err(_), Mode::On) => Ok(log),
        (Err(why), Mode::Required) => {
            let help = "make room for the store in the state folder, or allow calls without the log: [audit] mode = \"on\"";
            Err(UserError::failed(format!("the audit log cannot be written: {why}"), help))
        }
    }
}

/// Records the requests that are refused before they are read.
#[derive(Debug)]
struct Refusals(AuditLog);

impl RefusalObserver for Refusals {
    fn refused(&self, refusal: &HttpRefusal<'_>) {
        let HttpRefusal { method, path, status, address, .. } = *refusal;
        self.0.record_refused_request(method, path, status.as_u16(), address);
    }
}

/// The observer of such requests.
pub(crate) fn refusals(log: &AuditLog) -> Arc<dyn RefusalObserver> {
    Arc::new(Refusals(log.clone()))
}

/// Writes what waits, and ends the log.
pub(crate) async fn close(log: Option<AuditLog>) {
    if let Some(log) = log {
        log.close().await;
    }
}
