use anyport_metrics::{Counter, Metrics};
#[cfg(feature = "http")]
use anyport_protocol::{Error, jsonrpc::Reason};

/// Counts what the limits of transports refuse, by the names of the limits.
#[derive(Clone, Debug)]
pub(crate) struct Refusals {
    /// `max_open_requests`, of clients and towards servers.
    pub(crate) open_requests: Counter,
    /// `max_connections`.
    #[cfg(any(feature = "http", all(feature = "unix", unix)))]
    pub(crate) connections: Counter,
    /// `max_descriptors_percent`.
    #[cfg(any(feature = "http", all(feature = "unix", unix)))]
    pub(crate) descriptors: Counter,
    /// The connections that are open.
    #[cfg(any(feature = "http", all(feature = "unix", unix)))]
    pub(crate) open_connections: anyport_metrics::Gauge,
    /// `max_streams`.
    #[cfg(feature = "http")]
    pub(crate) streams: Counter,
    /// `max_streams_per_caller`.
    #[cfg(feature = "http")]
    pub(crate) streams_per_caller: Counter,
    /// `max_sessions`.
    #[cfg(feature = "http")]
    pub(crate) sessions: Counter,
    /// `max_sessions_per_caller`.
    #[cfg(feature = "http")]
    pub(crate) sessions_per_caller: Counter,
    /// `max_connections_per_address`.
    #[cfg(any(feature = "http", all(feature = "unix", unix)))]
    pub(crate) connections_per_address: Counter,
    /// Those of an overload, whose limit its cause names.
    #[cfg(feature = "http")]
    metrics: Metrics,
    /// `tls_handshake_timeout`.
    #[cfg(feature = "tls")]
    pub(crate) tls_handshakes: Counter,
    /// `http2_floods`: connections of HTTP/2 that were closed because of a flood.
    #[cfg(feature = "http2")]
    pub(crate) http2_floods: Counter,
    /// `write_timeout`, of streams of HTTP/2.
    #[cfg(feature = "http2")]
    pub(crate) unread_streams: Counter,
}

impl Refusals {
    /// Counts in `metrics`.
    pub(crate) fn new(metrics: &Metrics) -> Self {
        Self {
            open_requests: metrics.refusals("max_open_requests"),
            #[cfg(any(feature = "http", all(feature = "unix", unix)))]
            connections: metrics.refusals("max_connections"),
            #[cfg(any(feature = "http", all(feature = "unix", unix)))]
            descriptors: metrics.refusals("max_descriptors_percent"),
            #[cfg(any(feature = "http", all(feature = "unix", unix)))]
            open_connections: metrics.gauge("anyport_connections", "Connections of clients that are open"),
            #[cfg(feature = "http")]
            streams: metrics.refusals("max_streams"),
            #[cfg(feature = "http")]
            streams_per_caller: metrics.refusals("max_streams_per_caller"),
            #[cfg(feature = "http")]
            sessions: metrics.refusals("max_sessions"),
            #[cfg(feature = "http")]
            sessions_per_caller: metrics.refusals("max_sessions_per_caller"),
            #[cfg(any(feature = "http", all(feature = "unix", unix)))]
            connections_per_address: metrics.refusals("max_connections_per_address"),
            #[cfg(feature = "http")]
            metrics: metrics.clone(),
            #[cfg(feature = "tls")]
            tls_handshakes: metrics.refusals("tls_handshake_timeout"),
            #[cfg(feature = "http2")]
            http2_floods: metrics.refusals("http2_floods"),
            #[cfg(feature = "http2")]
            unread_streams: metrics.refusals("write_timeout"),
        }
    }
    /// Counts new work that is refused for `cause`. Returns what its client is told.
    #[cfg(feature = "http")]
    pub(crate) fn overloaded(&self, cause: &anyport_service::OverloadCause) -> Error {
        self.metrics.refusals(cause.limit).increment();
        Error::internal(cause.message()).with_reason(Reason::Overloaded)
    }
}
