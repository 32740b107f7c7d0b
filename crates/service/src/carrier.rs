use anyport_protocol::Raw;

/// The network by which a call came, or a server is reached, in the words of the OpenTelemetry conventions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    /// `network.transport`: `tcp`, `unix` or `pipe`.
    pub transport: &'static str,
    /// `network.protocol.name`, if there is a protocol between it and MCP: `http` or `websocket`.
    pub protocol: Option<&'static str>,
}

impl Network {
    /// HTTP.
    pub const HTTP: Self = Self { transport: "tcp", protocol: Some("http") };
    /// A WebSocket.
    pub const WEBSOCKET: Self = Self { transport: "tcp", protocol: Some("websocket") };
    /// A Unix domain socket.
    pub const UNIX: Self = Self { transport: "unix", protocol: None };
    /// Standard input and output.
    pub const STDIO: Self = Self { transport: "pipe", protocol: None };
}

/// The trace context in the headers of an HTTP request, as its client wrote it: hostile strings until parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceHeaders {
    /// The value of `traceparent`, as a JSON string.
    pub traceparent: Raw,
    /// The value of `tracestate`.
    pub tracestate: Option<Raw>,
    /// The value of `baggage`.
    pub baggage: Option<Raw>,
}
