//! What a program needs: servers, documents, its store.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use anyport_gateway::federation::{MemberState, MemberStatus, PINS};
use anyport_knowledge::{Knowledge, health};
use anyport_store::{Key, Store};
use anyport_upstream::{Upstream, UpstreamHealth};
use indexmap::IndexMap;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::{Instant, timeout};

/// What a program needs, each by its name.
pub(crate) trait Dependencies: Send + Sync {
    /// Looks at all of it. It takes a second or two at most.
    fn look(&self) -> Pin<Box<dyn Future<Output = IndexMap<String, Dependency>> + Send + '_>>;
}

/// A look at what a program needs.
pub(crate) type Looking = Pin<Box<dyn Future<Output = IndexMap<String, Dependency>> + Send>>;

impl<F: Fn() -> Looking + Send + Sync> Dependencies for F {
    fn look(&self) -> Pin<Box<dyn Future<Output = IndexMap<String, Dependency>> + Send + '_>> {
        self()
    }
}

/// Something that the program needs.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Dependency {
    /// healthy, unhealthy, or unknown if nothing was asked of it yet
    pub(crate) status: DependencyStatus,
    /// What it is: upstream, documents, index, watcher or store
    pub(crate) kind: &'static str,
    /// Since when it is so, ISO 8601
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<String>,
    /// How long it takes to answer, in milliseconds; of an upstream, the median of its last calls
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) latency_ms: Option<f64>,
    /// What was wrong the last time that something was
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_error: Option<String>,
}

/// Whether something that the program needs is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DependencyStatus {
    Healthy,
    Unhealthy,
    Unknown,
}

impl Dependency {
    fn new(kind: &'static str, is_well: bool) -> Self {
        let status = if is_well { DependencyStatus::Healthy } else { DependencyStatus::Unhealthy };
        Self { status, kind, since: None, latency_ms: None, last_error: None }
    }
}

impl From<MemberStatus> for Dependency {
    fn from(member: MemberStatus) -> Self {
        let status = match member.state {
            MemberState::Up => DependencyStatus::Healthy,
            MemberState::Down => DependencyStatus::Unhealthy,
            _ => DependencyStatus::Unknown,
        };
        Self {
            status,
            kind: "upstream",
            since: Some(iso_8601(member.since)),
            latency_ms: member.latency.map(|latency| milliseconds(latency.median)),
            last_error: member.last_error,
        }
    }
}

/// How long the store may take to answer.
const STORE_TIMEOUT: Duration = Duration::from_secs(2);

/// How the store is: it is asked for something that is not there.
pub(crate) async fn of_store(store: &Arc<dyn Store>) -> Dependency {
    let began = Instant::now();
    let answer = timeout(STORE_TIMEOUT, store.get(&Key::new(&PINS, "health"))).await;
    let outage = store.status().outage;
    let fault = match answer {
        Err(_) => Some(format!("it has not answered within {} s", STORE_TIMEOUT.as_secs())),
        Ok(Err(error)) => Some(error.to_string()),
        Ok(Ok(_)) => outage.as_ref().map(|outage| outage.why.clone()),
    };
    let since = outage.and_then(|outage| Timestamp::try_from(outage.since).ok()).map(iso_8601);
    let latency = Some(milliseconds(began.elapsed()));
    Dependency {
        since,
        latency_ms: latency,
        last_error: fault.clone(),
        ..Dependency::new("store", fault.is_none())
    }
}

/// How the only server of a bridge is.
pub(crate) fn of_upstream(upstream: &Upstream) -> Dependency {
    let (status, since, last_error) = match upstream.health() {
        UpstreamHealth::Connected { since } => (DependencyStatus::Healthy, Some(since), None),
        UpstreamHealth::Down { since, why, .. } => (DependencyStatus::Unhealthy, Some(since), Some(why)),
        _ => (DependencyStatus::Unknown, None, None),
    };
    let since = since.map(iso_8601);
    Dependency { status, since, last_error, ..Dependency::new("upstream", true) }
}

/// How the documents are.
pub(crate) fn of_documents(knowledge: &Knowledge) -> [(String, Dependency); 2] {
    let state = health::Dependencies::of(knowledge);
    let of = |kind, status| (str::to_owned(kind), Dependency::new(kind, status == health::Status::Healthy));
    [of("documents", state.documents), of("index", state.index)]
}

fn iso_8601(at: Timestamp) -> String {
    format!("{at:.3}")
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e5).round() / 100.0
}
