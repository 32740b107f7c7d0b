//! The state of a running gateway and of its servers, as `anyport status --json` shows it.

use std::{fmt, net::SocketAddr, path::PathBuf, str::FromStr, time::Duration};

use anyport_auth::SignInState;
use anyport_config::gateway::Pin;
use anyport_gateway::federation::{
    Latency, MemberState, MemberStatus, PendingDefinition, SuspiciousDefinition,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::store::StoreStatus;

/// The state of a running gateway.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct GatewayStatus {
    /// The number of its process.
    pub(crate) pid: u32,
    /// The version of the program.
    pub(crate) version: String,
    /// The file that it serves.
    pub(crate) file: PathBuf,
    /// Where it listens for HTTP, if it does.
    pub(crate) address: Option<SocketAddr>,
    /// The URL for clients, likewise.
    pub(crate) url: Option<String>,
    /// When it was started.
    pub(crate) since: Time,
    /// The servers, in the order of the file.
    pub(crate) servers: Vec<ServerStatus>,
    /// The paths of the virtual servers.
    #[serde(rename = "virtual")]
    pub(crate) virtual_servers: Vec<String>,
    /// The limits of the file that hold only after a restart of the gateway.
    #[serde(default)]
    pub(crate) needs_restart: Vec<String>,
    /// The store, if it is another one than that of the state folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) store: Option<StoreStatus>,
}

/// The state of a server of a running gateway.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ServerStatus {
    /// Its name in the gateway.
    pub(crate) name: String,
    /// What people call it.
    pub(crate) title: String,
    pub(crate) state: ServerState,
    /// Since when it is in this state.
    pub(crate) since: Time,
    /// Why it could not be reached the last time that it could not.
    pub(crate) last_error: Option<String>,
    /// The number of its tools; `None` if its list was never read.
    pub(crate) tools: Option<usize>,
    /// The tokens of the definitions of its tools, estimated, likewise.
    pub(crate) tool_tokens: Option<usize>,
    /// The number of its prompts, likewise.
    pub(crate) prompts: Option<usize>,
    /// The number of its resources, likewise.
    pub(crate) resources: Option<usize>,
    /// The number of its resource templates, likewise.
    pub(crate) templates: Option<usize>,
    /// The number of calls that went to it.
    pub(crate) calls: u64,
    /// The number of those that ended with an error or a failure.
    pub(crate) errors: u64,
    /// The number of those in flight.
    pub(crate) in_flight: u64,
    /// The number of answers from the cache, if there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cached: Option<u64>,
    /// How long its last 256 calls took; `None` if none has ended.
    pub(crate) latency_ms: Option<LatencyStatus>,
    /// The definitions that differ from the pinned ones and are not accepted.
    pub(crate) changed: Vec<ChangedDefinition>,
    /// The definitions with hidden instructions or invisible characters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) suspicious: Vec<SuspiciousStatus>,
    /// Over what it is reached, in a word: `documents` for a folder of documents.
    pub(crate) transport: String,
    /// What only an upstream has; `None` for documents.
    #[serde(flatten)]
    pub(crate) upstream: Option<UpstreamStatus>,
}

/// What is known of an upstream beside what is known of all servers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct UpstreamStatus {
    /// What becomes of changed definitions.
    pub(crate) pin: Pin,
    /// Its URL or its program.
    pub(crate) server: String,
    /// The next attempt to connect it, if it is down.
    pub(crate) retry_at: Option<Time>,
    /// The login by which it is reached, if it is reached by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) login: Option<Login>,
    /// Its callers, if each signs in there with a login of its own, as far as they have called since the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) callers: Option<CallersStatus>,
    /// The revision that it was found to speak.
    pub(crate) revision: Option<String>,
}

/// The callers of a server at which each signs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CallersStatus {
    /// Those that have signed in.
    pub(crate) signed_in: usize,
    /// Those that have not, or whose login is over.
    pub(crate) signed_out: usize,
    /// The calls that wait for a login.
    pub(crate) waiting: usize,
}

/// How long the last calls of a server took, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LatencyStatus {
    /// Half of the calls took at most this long (p50).
    pub(crate) median: f64,
    /// 99 of 100 calls took at most this long.
    pub(crate) p99: f64,
}

/// What the login of a server needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Login {
    /// Nothing.
    #[serde(rename = "signed in")]
    SignedIn,
    /// The token has ended, and is renewed before the next call.
    #[serde(rename = "expired")]
    Expired,
    /// The token is being renewed.
    #[serde(rename = "refreshing")]
    Refreshing,
    /// The user.
    #[serde(rename = "needs login")]
    Needed,
}

impl Login {
    /// The login whose state is `state`.
    pub(crate) fn of(state: SignInState) -> Self {
        match state {
            SignInState::SignedIn => Self::SignedIn,
            SignInState::Expired => Self::Expired,
            SignInState::Refreshing => Self::Refreshing,
            _ => Self::Needed,
        }
    }

    /// It in words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::SignedIn => "signed in",
            Self::Expired => "expired",
            Self::Refreshing => "refreshing",
            Self::Needed => "needs login",
        }
    }
}

/// Whether a server can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ServerState {
    Up,
    Down,
    /// It was ended for want of use.
    Idle,
    /// Nothing was requested of it yet.
    Unused,
}

/// A definition that differs from the pinned one and is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChangedDefinition {
    /// The list of the item.
    pub(crate) list: String,
    /// The name, URI or URI template of the item.
    pub(crate) name: String,
    /// Whether the item itself is new.
    #[serde(rename = "new")]
    pub(crate) is_new: bool,
}

/// A definition with hidden instructions or invisible characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SuspiciousStatus {
    /// The list of the item.
    pub(crate) list: String,
    /// The name, URI or URI template of the item.
    pub(crate) name: String,
    /// What is suspicious about it.
    pub(crate) findings: Vec<String>,
}

/// A time, as text in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct Time(pub(crate) Timestamp);

impl ServerStatus {
    /// What a federation knows of a member.
    pub(super) fn of(member: MemberStatus) -> Self {
        let changed = |one: PendingDefinition| ChangedDefinition {
            list: one.list.to_owned(),
            name: one.name,
            is_new: one.is_new,
        };
        Self {
            state: match member.state {
                MemberState::Up => ServerState::Up,
                MemberState::Down => ServerState::Down,
                _ => ServerState::Unused,
            },
            name: member.name,
            title: member.title,
            since: Time(member.since),
            last_error: member.last_error,
            tools: member.tools,
            tool_tokens: member.tool_tokens,
            prompts: member.prompts,
            resources: member.resources,
            templates: member.templates,
            calls: member.calls,
            errors: member.errors,
            in_flight: member.in_flight,
            cached: (member.cached > 0).then_some(member.cached),
            latency_ms: member.latency.map(LatencyStatus::of),
            changed: member.pending.into_iter().map(changed).collect(),
            suspicious: member.suspicious.into_iter().map(SuspiciousStatus::of).collect(),
            transport: "documents".to_owned(),
            upstream: None,
        }
    }
}

impl SuspiciousStatus {
    fn of(one: SuspiciousDefinition) -> Self {
        let findings = one.findings.iter().map(|finding| finding.as_str().to_owned()).collect();
        Self { list: one.list.to_owned(), name: one.name, findings }
    }
}

impl LatencyStatus {
    fn of(latency: Latency) -> Self {
        // Whole microseconds.
        let milliseconds = |time: Duration| time.as_micros() as f64 / 1000.0;
        Self { median: milliseconds(latency.median), p99: milliseconds(latency.p99) }
    }
}

impl ServerState {
    /// The word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Idle => "idle",
            Self::Unused => "unused",
        }
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Time> for String {
    fn from(time: Time) -> Self {
        time.to_string()
    }
}

impl TryFrom<String> for Time {
    type Error = jiff::Error;

    fn try_from(text: String) -> Result<Self, jiff::Error> {
        Timestamp::from_str(&text).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// What programs read, byte for byte: an upstream and documents.
    #[test]
    fn the_json_of_a_gateway_has_its_members_in_their_order() {
        let since = "2026-11-23T10:00:00Z";
        let counts = json!({
            "tools": 2, "tool_tokens": 90, "prompts": null, "resources": 0, "templates": null, "calls": 3, "errors": 1, "in_flight": 0,
            "latency_ms": {"median": 0.5, "p99": 12.0},
        });
        let mut upstream =
            json!({"name": "files", "title": "Files", "state": "down", "since": since, "last_error": "gone"});
        let mut documents =
            json!({"name": "docs", "title": "docs", "state": "unused", "since": since, "last_error": null});
        for (server, further) in [
            (
                &mut upstream,
                json!({"changed": [{"list": "tools", "name": "a", "new": true}], "transport": "stdio", "pin": "report",
                       "server": "npx", "retry_at": since, "revision": null}),
            ),
            (&mut documents, json!({"changed": [], "transport": "documents"})),
        ] {
            let of = |value: &Value| value.as_object().unwrap().clone();
            server.as_object_mut().unwrap().extend(of(&counts).into_iter().chain(of(&further)));
        }
        let written = json!({
            "pid": 7, "version": "1.0.0", "file": "/a/anyport.toml", "address": "127.0.0.1:3020",
            "url": "http://127.0.0.1:3020/mcp", "since": since, "servers": [upstream, documents], "virtual": ["/s/a/mcp"], "needs_restart": ["max_sessions"],
        });
        let status: GatewayStatus = serde_json::from_value(written.clone()).unwrap();
        assert_eq!(status.servers[0].upstream.as_ref().unwrap().retry_at, Some(status.since));
        assert_eq!(status.servers[1].upstream, None);
        assert_eq!(serde_json::to_string(&status).unwrap(), written.to_string());
    }
}
