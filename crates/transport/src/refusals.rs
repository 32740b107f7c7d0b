use anyport_metrics::{Counter, Metrics};

/// Counts what the limits of transports refuse, by the names of the limits.
#[derive(Clone, Debug)]
pub(crate) struct Refusals {
    /// `max_open_requests`, of clients and towards servers.
    pub(crate) open_requests: Counter,
    /// `max_streams`.
    #[cfg(feature = "http")]
    pub(crate) streams: Counter,
    /// `tls_handshake_timeout`.
    #[cfg(feature = "tls")]
    pub(crate) tls_handshakes: Counter,
}

impl Refusals {
    /// Counts in `metrics`.
    pub(crate) fn new(metrics: &Metrics) -> Self {
        Self {
            open_requests: metrics.refusals("max_open_requests"),
            #[cfg(feature = "http")]
            streams: metrics.refusals("max_streams"),
            #[cfg(feature = "tls")]
            tls_handshakes: metrics.refusals("tls_handshake_timeout"),
        }
    }
}
