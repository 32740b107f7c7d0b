//! What a program needs: servers, documents, its store.

use std::{future::Future, pin::Pin, time::Duration};

use anyport_gateway::federation::{MemberState, MemberStatus, PINS};
use anyport_knowledge::{Knowledge, health};
use anyport_protocol::limits;
use anyport_store::Key;
use anyport_upstream::{Upstream, UpstreamHealth};
use indexmap::IndexMap;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::{Instant, timeout};

use crate::store::OpenStore;

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
    /// Of a store that was chosen: where an acknowledged write is, and when it is on a disk
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) durability: Option<String>,
    /// Of a store that was chosen: when an acknowledged write may be lost
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) warning: Option<String>,
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
        Self {
            status,
            kind,
            since: None,
            latency_ms: None,
            last_error: None,
            durability: None,
            warning: None,
        }
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
            durability: None,
            warning: None,
        }
    }
}

limits! {
    /// The limits of looking how the program is.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct HealthLimits {
        /// The time that the store may take to answer.
        #[default(2 s)]
        #[limit(
            Seconds "health_store_timeout", note = " for the store to answer",
            beyond = "`/health` and `health_check` say that the store is unhealthy, and the program degraded"
        )]
        pub(crate) store_timeout: Duration,
    }
}

/// How the store is: it is asked for something that is not there.
pub(crate) async fn of_store(open: &OpenStore, limits: HealthLimits) -> Dependency {
    let (store, began) = (&open.store, Instant::now());
    let fault = fault_of(store.get(&Key::new(&PINS, "health")), limits).await;
    let outage = store.status().outage;
    let fault = fault.or_else(|| outage.as_ref().map(|outage| outage.why.clone()));
    let since = outage.and_then(|outage| Timestamp::try_from(outage.since).ok()).map(iso_8601);
    let latency = Some(milliseconds(began.elapsed()));
    let durability = open.status().await.map(|status| status.durability);
    let (durability, warning) = durability.map_or((None, None), |said| (Some(said.durability), said.warning));
    Dependency {
        durability,
        warning,
        since,
        latency_ms: latency,
        last_error: fault.clone(),
        ..Dependency::new("store", fault.is_none())
    }
}

/// What is wrong with an answer of the store, or that there is none in time.
async fn fault_of<T>(
    answer: impl Future<Output = Result<T, anyport_store::Error>>,
    limits: HealthLimits,
) -> Option<String> {
    let after = limits.store_timeout;
    match timeout(after, answer).await {
        Err(_) => Some(format!("it has not answered within {} s (health_store_timeout)", after.as_secs())),
        Ok(Err(error)) => Some(error.to_string()),
        Ok(Ok(_)) => None,
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

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_store_that_does_not_answer_is_waited_for_as_long_as_health_store_timeout_says() {
        let (limits, began) = (HealthLimits::default().store_timeout(Duration::from_secs(7)), Instant::now());
        let fault = fault_of::<()>(pending(), limits).await;
        assert_eq!(fault.as_deref(), Some("it has not answered within 7 s (health_store_timeout)"));
        assert_eq!(began.elapsed().as_secs(), 7);
        assert_eq!(fault_of(ready(Ok(())), limits).await, None);
    }
}
