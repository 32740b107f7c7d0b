//! A record of a call as it is written: JSON in one step, from what the call is made of and what its caller sent.
//!
//! Its members are those of a [`Record`](crate::Record) with a [`Call`](crate::Call).

use std::{borrow::Cow, fmt, net::IpAddr};

use anyport_protocol::Raw;
use anyport_service::Principal;
use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};

use crate::{Outcome, Redaction, record::milliseconds, redacted_arguments::RedactedArguments};

/// What a record says of a call.
#[derive(Serialize)]
pub(crate) struct Line<'a> {
    #[serde(serialize_with = "milliseconds::serialize")]
    pub(crate) at: Timestamp,
    /// The name of an [`Event`](crate::Event).
    pub(crate) event: &'static str,
    pub(crate) call: u64,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "shown")]
    pub(crate) principal: Option<&'a Principal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) issuer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_version: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<IpAddr>,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(crate) revision: &'static str,
    pub(crate) method: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) item: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) upstream: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cached: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) arguments: Option<RedactedArguments<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) arguments_omitted: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) outcome: Option<&'a Outcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) duration_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bytes_in: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bytes_out: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trace: Option<Cow<'a, str>>,
}

/// The name and version of a client's program, as it says.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct ClientInfo<'a> {
    #[serde(borrow)]
    pub(crate) name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(crate) version: Option<Cow<'a, str>>,
}

impl<'a> Line<'a> {
    /// The event `event` of now, of which nothing is known but its method.
    pub(crate) fn new(event: &'static str, call: u64, method: Cow<'a, str>) -> Self {
        Self {
            at: Timestamp::now(),
            event,
            call,
            principal: None,
            issuer: None,
            subject: None,
            client: None,
            client_version: None,
            address: None,
            revision: "",
            method,
            name: None,
            item: None,
            upstream: None,
            cached: None,
            arguments: None,
            arguments_omitted: None,
            outcome: None,
            duration_us: None,
            bytes_in: None,
            bytes_out: None,
            trace: None,
        }
    }

    /// By this caller.
    pub(crate) fn caller(self, principal: &'a Principal, address: Option<IpAddr>) -> Self {
        let (issuer, subject) = (principal.issuer(), principal.subject());
        Self { principal: Some(principal), issuer, subject, address, ..self }
    }

    /// Whose program calls itself this.
    pub(crate) fn client(mut self, info: Option<&'a Raw>, redaction: &Redaction) -> Self {
        let info: Option<ClientInfo<'a>> = info.and_then(|info| serde_json::from_str(info.as_str()).ok());
        let ClientInfo { name, version } = info.unwrap_or_default();
        self.client = name.map(|name| redaction.text(name));
        self.client_version = version.map(|version| redaction.text(version));
        self
    }
}

fn shown<S: Serializer>(principal: &Option<&Principal>, serializer: S) -> Result<S::Ok, S::Error> {
    match principal {
        Some(principal) => serializer.collect_str(principal),
        None => serializer.serialize_none(),
    }
}

impl fmt::Debug for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("event", &self.event).field("call", &self.call).finish_non_exhaustive()
    }
}
