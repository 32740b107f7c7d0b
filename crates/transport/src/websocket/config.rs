use std::time::Duration;

/// How to serve WebSockets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where. Default `/mcp/ws` and `/ws`.
    pub paths: Vec<String>,
    /// Bytes of one frame (`max_frame_bytes`); a message may consist of several. Without one, as many as a message may
    /// have, which is the default.
    pub max_frame_bytes: Option<usize>,
    /// How often a client is asked whether it is still there. Default 30 s.
    pub ping_interval: Duration,
    /// How long it may take to show that it is. Default 60 s: before its answer it reads what was written before.
    pub pong_timeout: Duration,
    /// Pings and pongs that a client may send within one `ping_interval`. Default 1,000.
    pub max_pings: usize,
    /// How long a client may take to say anything once it is connected. Default 30 s.
    pub first_message: Duration,
    /// How long a client may say nothing while nothing of it runs and it is told of no changes. Default 1 day.
    pub connection_idle: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            paths: vec!["/mcp/ws".into(), "/ws".into()],
            max_frame_bytes: None,
            ping_interval: Duration::from_secs(30),
            pong_timeout: Duration::from_secs(60),
            max_pings: 1000,
            first_message: Duration::from_secs(30),
            connection_idle: Duration::from_secs(24 * 3600),
        }
    }
}
