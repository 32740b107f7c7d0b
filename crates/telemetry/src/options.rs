use std::time::Duration;

use crate::Sampler;

/// What is sent, where, and how often.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Where spans go; `None`: nowhere.
    pub traces: Option<Target>,
    /// Where metrics go; `None`: nowhere.
    pub metrics: Option<Target>,
    /// The attributes of what sends, `service.name` first.
    pub resource: Vec<(String, String)>,
    /// Which traces are recorded.
    pub sampler: Sampler,
    /// The time between two requests with spans.
    pub span_interval: Duration,
    /// The time between two requests with metrics.
    pub metric_interval: Duration,
}

/// Where one signal goes.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    /// The whole URL, such as `https://collector.example.com:4318/v1/traces`.
    pub url: String,
    /// The headers of each request. Their values are secrets.
    pub headers: Vec<(String, String)>,
    /// The time that a request may take.
    pub timeout: Duration,
}

/// Without the values of headers.
impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| &**name).collect();
        let url = anyport_transport::client::http::without_secrets(&self.url);
        f.debug_struct("Target").field("url", &url).field("headers", &names).finish_non_exhaustive()
    }
}
