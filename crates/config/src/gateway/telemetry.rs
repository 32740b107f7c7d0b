//! `[telemetry]`: spans and metrics for a collector.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Spans and metrics of calls, sent to an OpenTelemetry collector by OTLP over HTTP. The standard environment variables (`OTEL_...`) come
/// before these keys.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetryConfig {
    /// The URL of the collector, without the path of a signal: `http://localhost:4318`. Default: none, so that nothing is sent.
    pub endpoint: Option<String>,
    /// The headers of each request to it, by name. A value is the place of a secret (`env:NAME`, `file:PATH` or `cmd:COMMAND`), or `text:` and
    /// the value itself.
    pub headers: IndexMap<String, String>,
    /// The name of this program in traces and metrics: `service.name`. Default: anyport.
    pub service_name: Option<String>,
    /// Further attributes of this program, by name, such as `deployment.environment.name`.
    pub attributes: IndexMap<String, String>,
    /// Whether spans are sent. Default: true.
    pub traces: Option<bool>,
    /// Whether metrics are sent. Default: true.
    pub metrics: Option<bool>,
    /// The share of the traces that begin here, from 0 to 1. A caller that has begun a trace decides about it. Default: 1.
    pub sample_ratio: Option<f64>,
    /// The seconds between two requests with metrics. Default: 60.
    pub interval: Option<f64>,
    /// The seconds that a request may take. Default: 10.
    pub timeout: Option<f64>,
}

impl TelemetryConfig {
    /// Checks the numbers. The error is the key, and what is wrong.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if self.sample_ratio.is_some_and(|ratio| !(0.0..=1.0).contains(&ratio)) {
            return Err(("sample_ratio", "it is a number from 0 to 1".to_owned()));
        }
        for (key, seconds) in [("interval", self.interval), ("timeout", self.timeout)] {
            if seconds.is_some_and(|seconds| !(0.01..=86_400.0).contains(&seconds)) {
                return Err((key, "it is a number of seconds, from 0.01 to 86400".to_owned()));
            }
        }
        Ok(())
    }
}
