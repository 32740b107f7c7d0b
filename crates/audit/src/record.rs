//! What the log says.

use std::net::IpAddr;

use anyport_service::Principal;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::chain::Head;

/// One record of the log: what happened, and when.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Record {
    /// When: the end of what it describes, in UTC.
    #[serde(with = "milliseconds")]
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// A process begins its chain.
    Open(Opening),
    /// A call, with its outcome.
    Call(Box<Call>),
    /// A call goes to its server, or a stream opens. A record of its end follows, with the same number: if none does, the process ended
    /// before it.
    Begin(Box<Call>),
    /// The end of a call or stream whose beginning is recorded.
    End(Box<Call>),
    /// Refusals of one caller that have no records of their own, since there were too many in a second.
    Refusals(Refusals),
    /// Records that could not be kept, since too many waited.
    Lost {
        /// How many.
        records: u64,
    },
    /// A process ends its chain.
    Close,
}

/// The first record of a chain.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct Opening {
    /// The version of the program.
    pub version: String,
    /// The heads of the chains that were there and that no chain had named as they stood, so that one that is removed or cut is missed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heads: Vec<Head>,
}

/// One call.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub struct Call {
    /// Its number in the process.
    pub call: u64,
    /// Who called.
    #[serde(flatten)]
    pub caller: Caller,
    /// The revision that the client speaks.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub revision: String,
    /// The method; of a request that was refused before it was read, that of HTTP.
    pub method: String,
    /// The name of the tool or prompt, or the URI of the resource, as the client wrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The name or URI under which it is listed, where the client named something else: an alias, or the tool that calls others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// The upstream server that it went to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// Whether it was answered from the cache, without that server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached: Option<bool>,
    /// The arguments, as far as they are recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Value>,
    /// The size in bytes of arguments that are too large to be recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments_omitted: Option<usize>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// How long it took, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_us: Option<u64>,
    /// The bytes of its params.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_in: Option<u64>,
    /// The bytes of its result or error and of its notifications.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_out: Option<u64>,
    /// The trace id, if the client sends a `traceparent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
}

/// Who called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(default)]
pub struct Caller {
    /// The principal, in a text that no other has; empty if it is not known.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub principal: String,
    /// The issuer that knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// Its subject at the issuer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The name of the client's program, as it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Its version, as it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_version: Option<String>,
    /// The address that it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Outcome {
    /// Which way.
    pub kind: OutcomeKind,
    /// The code of the JSON-RPC error, or the status of HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i64>,
    /// The reason in the error's data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The limit or the rule that refused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_by: Option<String>,
}

/// The ways in which a call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OutcomeKind {
    /// A result.
    Ok,
    /// The server needs input, whereupon the client calls again.
    InputRequired,
    /// The result of a tool that says that it failed (`isError`).
    ToolError,
    /// An error.
    Error,
    /// A limit or a rule of this program refused it.
    Refused,
    /// The client took it back, or is gone.
    Cancelled,
}

/// Refusals without records of their own.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(default)]
pub struct Refusals {
    /// Whose calls were refused.
    #[serde(flatten)]
    pub caller: Caller,
    /// How many.
    pub count: u64,
    /// By what, as far as one is known: that of the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused_by: Option<String>,
}

impl OutcomeKind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Ok, Self::InputRequired, Self::ToolError, Self::Error, Self::Refused, Self::Cancelled];

    /// Its name in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::InputRequired => "input_required",
            Self::ToolError => "tool_error",
            Self::Error => "error",
            Self::Refused => "refused",
            Self::Cancelled => "cancelled",
        }
    }
}

impl Outcome {
    /// An outcome without a code.
    pub(crate) fn of(kind: OutcomeKind) -> Self {
        Self { kind, code: None, reason: None, refused_by: None }
    }
}

impl Caller {
    /// The caller `principal` at `address`.
    pub(crate) fn of(principal: &Principal, address: Option<IpAddr>) -> Self {
        Self {
            principal: principal.to_string(),
            issuer: principal.issuer().map(str::to_owned),
            subject: principal.subject().map(str::to_owned),
            address,
            ..Self::default()
        }
    }
}

impl Record {
    /// What happens now.
    pub(crate) fn now(event: Event) -> Self {
        Self { at: Timestamp::now(), event }
    }

    /// The call of the record, if it is one of a call.
    pub fn call(&self) -> Option<&Call> {
        match &self.event {
            Event::Call(call) | Event::Begin(call) | Event::End(call) => Some(call),
            _ => None,
        }
    }

    /// Who caused it, if somebody did.
    pub fn caller(&self) -> Option<&Caller> {
        match &self.event {
            Event::Refusals(refusals) => Some(&refusals.caller),
            _ => Some(&self.call()?.caller),
        }
    }
}

/// A time as text, in milliseconds: `2026-11-24T02:40:00.123Z`.
pub(crate) mod milliseconds {
    use jiff::Timestamp;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(crate) fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{at:.3}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
