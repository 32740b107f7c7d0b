//! A call of a tool behind an audit log, in one process without a transport: what the log costs.

use std::{str::FromStr, sync::Arc};

use anyport::{Service, layer::Layer as _};
use anyport_audit::{AUDIT, AuditLog, Mode, Options, RecordLayer, UpstreamLayer};
use anyport_metrics::Metrics;
use anyport_protocol::{Method, Raw, Revision};
use anyport_seal::Key;
use anyport_service::{Context, Principal, Request};
use anyport_store::MemoryStore;

use crate::{Written, server};

/// How calls are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// They are not.
    Bare,
    /// Behind the answer.
    On,
    /// Before the call and before the answer.
    Required,
}

impl FromStr for Case {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "bare" => Ok(Self::Bare),
            "on" => Ok(Self::On),
            "required" => Ok(Self::Required),
            _ => Err(()),
        }
    }
}

/// Calls a tool `count` times, one after the other, and has everything recorded. The store is in memory, so that what is counted is the
/// log and not SQLite. Returns whether every call was answered.
///
/// # Errors
/// When the server cannot be built, which would be a fault of this crate.
pub async fn call(case: Case, count: u32) -> Result<bool, anyport::BuildError> {
    let server = server(2, Written::Builder)?;
    let mode = match case {
        Case::Bare => return Ok(calls(&server, count).await),
        Case::On => Mode::On,
        Case::Required => Mode::Required,
    };
    let store = Arc::new(MemoryStore::new(&[&AUDIT], &Metrics::new()));
    let log = AuditLog::start(store, &Key::from_bytes([7; 32]), mode, Options::default());
    let service = RecordLayer::new(log.clone()).layer(UpstreamLayer::new("bench").layer(server));
    let is_good = log.opened().await.is_ok() && calls(&service, count).await;
    // What was recorded behind the answers is counted as well.
    log.close().await;
    Ok(is_good)
}

async fn calls(service: &impl Service, count: u32) -> bool {
    let params =
        Raw::from(serde_json::json!({"name": "echo", "arguments": {"text": "How much is the fish?"}}));
    let context = Context::new(Principal::named("bench"), Revision::V2026_07_28);
    for _ in 0..count {
        let reply = service.call(Request::new(Method::ToolsCall, params.clone()), context.clone());
        if reply.outcome().await.is_error() {
            return false;
        }
    }
    true
}
