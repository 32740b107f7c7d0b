//! Every bound of the program by its name: `--limit NAME=VALUE`.

use std::{num::NonZeroU32, path::PathBuf, time::Duration};

use anyport_adapters::{LegacyClientLimits, ParkLimits};
use anyport_knowledge::{Folders, Settings, answers::DEFAULT_MAX_ANSWER_CHARS};
use anyport_layers::{CacheLimits, Quota};
use anyport_server::Builder;
use anyport_transport::{http, unix, websocket};
use anyport_upstream::UpstreamLimits;

use crate::logging::Rotation;

/// The bounds of a program that serves.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) http: http::Limits,
    pub(crate) websocket: websocket::Config,
    pub(crate) shim: LegacyClientLimits,
    pub(crate) park: ParkLimits,
    pub(crate) quota: Quota,
    pub(crate) max_concurrent_calls: usize,
    pub(crate) max_open_requests: usize,
    /// Connections of a bridge to its server, where that was set.
    pub(crate) connections: Option<usize>,
    /// For how long a call waits for one of them.
    pub(crate) connection_wait: Duration,
    pub(crate) cache: CacheLimits,
    pub(crate) rotation: Rotation,
    documents: DocumentLimits,
    server: ServerLimits,
    /// How many characters of a document an answer holds.
    pub(crate) max_answer_chars: usize,
}

/// Those bounds of documents that were set.
#[derive(Clone, Copy, Debug, Default)]
struct DocumentLimits {
    max_documents: Option<usize>,
    max_document_bytes: Option<u64>,
    max_held_bytes: Option<u64>,
}

/// Those bounds of the server that were set.
#[derive(Clone, Copy, Debug, Default)]
struct ServerLimits {
    max_listeners: Option<usize>,
    max_subscriptions: Option<usize>,
    max_subscription_bytes: Option<usize>,
    page_size: Option<usize>,
}

impl Default for Limits {
    fn default() -> Self {
        const CALLS_PER_SECOND: NonZeroU32 = NonZeroU32::new(1000).unwrap();
        const CALL_BURST: NonZeroU32 = NonZeroU32::new(2000).unwrap();
        Self {
            http: http::Limits { drain: DRAIN, ..http::Limits::default() },
            websocket: websocket::Config::default(),
            shim: LegacyClientLimits::default(),
            park: ParkLimits::default(),
            quota: Quota { per_second: CALLS_PER_SECOND, burst: CALL_BURST },
            max_concurrent_calls: 1024,
            max_open_requests: 1024,
            connections: None,
            connection_wait: UpstreamLimits::default().connection_wait,
            cache: CacheLimits::default(),
            rotation: Rotation::default(),
            documents: DocumentLimits::default(),
            server: ServerLimits::default(),
            max_answer_chars: DEFAULT_MAX_ANSWER_CHARS,
        }
    }
}

/// How long running calls may continue when the program stops.
const DRAIN: Duration = Duration::from_secs(10);

/// One bound, as it was given: `NAME=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    name: String,
    value: u32,
}

/// Every name, with its unit.
const NAMES: &str = "max_message_bytes, max_depth, max_nodes, max_headers, max_header_bytes, max_streams, max_sessions, \
    sse_log, sse_buffer, batch_concurrency, max_tools_listed, max_frame_bytes, max_pings, header_timeout, body_timeout, write_timeout, session_idle, sse_log_ttl, keep_alive, drain, \
    ask_timeout, ping_interval, pong_timeout, first_message, connection_idle (seconds), max_listeners, \
    max_subscriptions, max_subscription_bytes, page_size, max_concurrent_calls, max_open_requests, connections, connection_wait (seconds), calls_per_second, call_burst, rounds, questions, park_ttl (seconds), parked_per_principal, parked_total, parked_bytes, max_reprompts, \
    replay (seconds), state_bytes, elicitation_wait (seconds), \
    cache_entries, cache_bytes, log_file_bytes, log_files, max_documents, max_document_bytes, max_held_bytes, max_answer_chars";

impl std::str::FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or("must be NAME=VALUE")?;
        let least = if name.eq_ignore_ascii_case("max_header_bytes") { LEAST_HEADER_BYTES } else { 1 };
        let value = value.parse().ok().filter(|value| *value >= least);
        let value = value.ok_or_else(|| {
            format!("the value of {name} must be a whole number from {least} on, and {} at most", u32::MAX)
        })?;
        let limit = Self { name: name.to_ascii_lowercase(), value };
        // Whether there is a bound of this name is found out by setting it.
        Limits::default().set(&limit)?;
        Ok(limit)
    }
}

/// The head of a request is read into a buffer that is never smaller.
const LEAST_HEADER_BYTES: u32 = 8192;

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}={}", self.name, self.value)
    }
}

impl Limits {
    /// The default bounds, with these set.
    pub(crate) fn with(limits: &[Limit]) -> Self {
        let mut all = Self::default();
        for limit in limits {
            // Each was set once already, when it was read.
            let _ = all.set(limit);
        }
        all
    }

    /// The bounds of a Unix socket: those that it shares with the other transports have the same values.
    pub(crate) fn unix(&self, max_connections: usize) -> unix::Limits {
        unix::Limits {
            message: self.http.message,
            max_connections,
            max_open_requests: self.max_open_requests,
            first_message: self.websocket.first_message,
            connection_idle: self.websocket.connection_idle,
            write_timeout: self.http.write_timeout,
            drain: self.http.drain,
        }
    }

    /// `folders` with those of their own.
    pub(crate) fn of_documents(&self, mut folders: Folders) -> Folders {
        if let Some(limit) = self.documents.max_documents {
            folders = folders.max_documents(limit);
        }
        match self.documents.max_document_bytes {
            Some(limit) => folders.max_document_bytes(limit),
            None => folders,
        }
    }

    /// The settings of documents, with the index below `index_dir`.
    pub(crate) fn of_knowledge(&self, index_dir: Option<PathBuf>) -> Settings {
        let default = Settings::default();
        let max_held_bytes = self.documents.max_held_bytes.unwrap_or(default.max_held_bytes);
        Settings { index_dir, max_held_bytes }
    }

    /// `server` with those of its own.
    pub(crate) fn of_server(&self, mut server: Builder) -> Builder {
        let ServerLimits { max_listeners, max_subscriptions, max_subscription_bytes, page_size } =
            self.server;
        if let Some(limit) = max_listeners {
            server = server.max_listeners(limit);
        }
        if let Some(limit) = max_subscriptions {
            server = server.max_subscriptions(limit);
        }
        if let Some(limit) = max_subscription_bytes {
            server = server.max_subscription_bytes(limit);
        }
        match page_size {
            Some(size) => server.page_size(size),
            None => server,
        }
    }

    fn set(&mut self, limit: &Limit) -> Result<(), String> {
        let count = usize::try_from(limit.value).unwrap_or(usize::MAX);
        let rate = NonZeroU32::new(limit.value).unwrap_or(NonZeroU32::MIN);
        let seconds = Duration::from_secs(limit.value.into());
        let http = &mut self.http;
        match limit.name.as_str() {
            "max_message_bytes" => http.message.bytes = count,
            "max_depth" => http.message.depth = count,
            "max_nodes" => http.message.nodes = count,
            "max_headers" => http.max_headers = count,
            "max_header_bytes" => http.max_header_bytes = count,
            "max_streams" => http.max_streams = count,
            "max_sessions" => http.max_sessions = count,
            "sse_buffer" => http.sse_buffer = count,
            "sse_log" => http.sse_log = count,
            "batch_concurrency" => http.batch_concurrency = count,
            "max_tools_listed" => http.max_tools_listed = count,
            "header_timeout" => http.header_timeout = seconds,
            "body_timeout" => http.body_timeout = seconds,
            "write_timeout" => http.write_timeout = seconds,
            "session_idle" => http.session_idle = seconds,
            "sse_log_ttl" => http.sse_log_ttl = seconds,
            "keep_alive" => http.keep_alive = seconds,
            "drain" => http.drain = seconds,
            "ask_timeout" => self.shim.ask_timeout = seconds,
            "rounds" => {
                self.shim.rounds = limit.value;
                self.park.rounds = limit.value;
            }
            "questions" => {
                self.shim.questions = count;
                self.park.questions = count;
            }
            "park_ttl" => self.park.park_ttl = seconds,
            "parked_per_principal" => self.park.parked_per_principal = count,
            "parked_total" => self.park.parked_total = count,
            "parked_bytes" => self.park.parked_bytes = count,
            "max_reprompts" => self.park.max_reprompts = limit.value,
            "replay" => self.park.replay = seconds,
            "state_bytes" => self.park.state_bytes = count,
            "elicitation_wait" => self.park.elicitation_wait = seconds,
            "max_concurrent_calls" => self.max_concurrent_calls = count,
            "max_open_requests" => {
                http.max_open_requests = count;
                self.max_open_requests = count;
            }
            "connections" => self.connections = Some(count),
            "connection_wait" => self.connection_wait = seconds,
            "max_frame_bytes" => self.websocket.max_frame_bytes = Some(count),
            "max_pings" => self.websocket.max_pings = count,
            "ping_interval" => self.websocket.ping_interval = seconds,
            "pong_timeout" => self.websocket.pong_timeout = seconds,
            "first_message" => self.websocket.first_message = seconds,
            "connection_idle" => self.websocket.connection_idle = seconds,
            "calls_per_second" => self.quota.per_second = rate,
            "call_burst" => self.quota.burst = rate,
            "cache_entries" => self.cache.entries = count,
            "cache_bytes" => self.cache.bytes = count,
            "log_file_bytes" => self.rotation.bytes = limit.value.into(),
            "log_files" => self.rotation.files = count,
            "max_documents" => self.documents.max_documents = Some(count),
            "max_document_bytes" => self.documents.max_document_bytes = Some(limit.value.into()),
            "max_held_bytes" => self.documents.max_held_bytes = Some(limit.value.into()),
            "max_listeners" => self.server.max_listeners = Some(count),
            "max_subscriptions" => self.server.max_subscriptions = Some(count),
            "max_subscription_bytes" => self.server.max_subscription_bytes = Some(count),
            "page_size" => self.server.page_size = Some(count),
            "max_answer_chars" => self.max_answer_chars = count,
            "max_connections" => return Err("the connections are set by --max-connections".into()),
            "cache_ttl" => return Err("the time that answers are kept is set by --cache".into()),
            "call_timeout" | "timeout" => return Err("the time of a call is set by --timeout".into()),
            name => return Err(format!("there is no limit {name:?}; there are {NAMES}")),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_that_is_told_is_a_limit_and_is_documented() {
        let page = include_str!("../../../../docs/limits.md");
        for name in NAMES.split(", ").map(|name| name.split(' ').next().unwrap()) {
            assert!(format!("{name}=9000").parse::<Limit>().is_ok(), "{name}");
            assert!(page.contains(&format!("`{name}`")), "{name} is not in docs/limits.md");
        }
    }

    #[test]
    fn limits_are_set_by_name_and_mistakes_are_explained() {
        let limits = Limits::with(&["max_message_bytes=99".parse().unwrap(), "DRAIN=3".parse().unwrap()]);
        assert_eq!((limits.http.message.bytes, limits.http.drain), (99, Duration::from_secs(3)));
        for (wrong, told) in [
            ("max_depth", "NAME=VALUE"),
            ("max_depth=0", "from 1 on"),
            ("max_dept=1", "max_depth"),
            ("rounds=x", "rounds"),
            ("drain=99999999999", "4294967295 at most"),
            ("max_header_bytes=100", "from 8192 on"),
            ("max_connections=5", "--max-connections"),
            ("timeout=5", "--timeout"),
            ("cache_ttl=5", "--cache"),
        ] {
            assert!(wrong.parse::<Limit>().unwrap_err().contains(told), "{wrong}");
        }
    }
}
