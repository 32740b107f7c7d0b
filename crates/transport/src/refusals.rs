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
            #[cfg(feature = "http")]
            streams: metrics.refusals("max_streams"),
            #[cfg(feature = "tls")]
            tls_handshakes: metrics.refusals("tls_handshake_timeout"),
            #[cfg(feature = "http2")]
            http2_floods: metrics.refusals("http2_floods"),
            #[cfg(feature = "http2")]
            unread_streams: metrics.refusals("write_timeout"),
        }
    }
}
