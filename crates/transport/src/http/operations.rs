//! What operators of a program see of it beside MCP: how it is, and its numbers.

use std::{fmt, future::Future, pin::Pin};

use anyport_protocol::Raw;
use anyport_service::Authorization;

/// What operators see: `GET /health`, `/health/live`, `/health/ready` and `/metrics`, beside the [REST interface](super::rest).
///
/// Set it as [`Config::operations`](super::Config::operations). Without it, health is only whether the program runs or stops, and there
/// is no `/metrics`.
pub trait Operations: fmt::Debug + Send + Sync + 'static {
    /// Looks how the program is.
    fn health(&self) -> Pin<Box<dyn Future<Output = Health> + Send + '_>>;

    /// The numbers of the program, as OpenMetrics 1.0.
    fn metrics(&self) -> String;

    /// Whether `caller` may see the details of health, and the numbers.
    fn is_operator(&self, caller: &Authorization) -> bool;
}

/// How a program is.
#[derive(Clone, Debug)]
pub struct Health {
    /// In a word.
    pub status: HealthStatus,
    /// More, for operators: a JSON object, whose members stand beside `status`.
    pub details: Raw,
}

/// How a program is, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HealthStatus {
    /// Everything works.
    Healthy,
    /// It answers, though something that it needs is down or nearly used up.
    Degraded,
    /// It cannot do what it is for.
    Unhealthy,
}

impl HealthStatus {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }
}
