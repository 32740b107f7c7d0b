use std::time::Duration;

use anyport_protocol::limits;

limits! {
    /// How to serve WebSockets.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Config {
        /// The paths of the endpoint.
        #[default("`/mcp/ws` and `/ws`" = vec!["/mcp/ws".into(), "/ws".into()])]
        pub paths: Vec<String>,
        /// The time in which the first message of a client must arrive.
        #[default(30 s)]
        #[limit(
            Seconds "first_message",
            beyond = "the connection is closed: by 1008, on a Unix socket after an error message"
        )]
        pub first_message: Duration,
        /// The time that a client may be silent without an open request or subscription.
        #[default(1 day)]
        #[limit(
            Seconds "connection_idle", note = " without a message, open request or subscription",
            beyond = "the same"
        )]
        pub connection_idle: Duration,
        /// The size of one frame in bytes. A message may consist of several frames.
        #[default("as large as a message may be" = None)]
        #[limit(
            Bytes "max_frame_bytes", note = "as `max_message_bytes`; WebSockets only",
            beyond = "the connection is closed by 1009"
        )]
        pub max_frame_bytes: Option<usize>,
        /// The interval of pings to the client.
        #[default(30 s)]
        #[limit(Seconds "ping_interval", note = "; WebSockets only", beyond = "the interval of pings")]
        pub ping_interval: Duration,
        /// The time in which the client must answer a ping. Before the pong it reads what was written earlier.
        #[default(60 s)]
        #[limit(Seconds "pong_timeout", note = "; WebSockets only", beyond = "the connection is closed by 1011")]
        pub pong_timeout: Duration,
        /// The number of pings and pongs that a client may send within one `ping_interval`.
        #[default(1_000)]
        #[limit(
            Count "max_pings", note = " a `ping_interval`; WebSockets only",
            beyond = "the connection is closed by 1008"
        )]
        pub max_pings: usize,
    }
}
