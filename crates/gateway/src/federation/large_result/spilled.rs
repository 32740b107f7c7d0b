//! Results that can be read as resources of the gateway.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use anyport_metrics::{Counter, Metrics};
use anyport_protocol::{
    Error, Raw,
    json::{Elements, Members, Splice},
};
use anyport_seal::Key;
use anyport_service::{Context, Outcome, Principal, SessionId, sync::Lock};
use data_encoding::HEXLOWER;
use serde_json::Value;
use tokio::time::Instant;

use crate::federation::limits::FederationLimits;

/// Results that were spilled, in memory. Each belongs to the caller whose call had it.
pub(in crate::federation) struct SpilledResults {
    limits: FederationLimits,
    table: Lock<Table>,
    dropped: Dropped,
}

#[derive(Default)]
struct Table {
    by_id: HashMap<String, Spilled>,
    /// The ids, oldest first.
    order: VecDeque<String>,
    bytes: usize,
}

struct Spilled {
    result: Raw,
    owner: Owner,
    expires: Instant,
}

/// Counts results that could not be kept, by the limit.
struct Dropped {
    count: Counter,
    bytes: Counter,
}

/// Whose a result is: of a principal; of a session or connection, if the principal is anonymous. Modern callers over HTTP have neither,
/// and only the URI, which nobody can guess.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::federation) struct Owner {
    principal: Principal,
    session: Option<SessionId>,
}

/// What the URIs begin with. An alias of a member ends before a `+`.
const SCHEME: &str = "anyport-result://";

/// Whether `uri` is one of a spilled result.
pub(in crate::federation) fn is_spilled(uri: &str) -> bool {
    uri.starts_with(SCHEME)
}

impl Owner {
    /// The caller of `context`.
    pub(in crate::federation) fn of(context: &Context) -> Self {
        let principal = context.principal().clone();
        let session = context.session_id().filter(|_| principal.is_anonymous());
        Self { principal, session }
    }
}

impl SpilledResults {
    /// No results yet.
    pub(in crate::federation) fn new(limits: FederationLimits, metrics: &Metrics) -> Self {
        let dropped =
            Dropped { count: metrics.refusals("spilled_results"), bytes: metrics.refusals("spilled_bytes") };
        Self { limits, table: Lock::default(), dropped }
    }

    /// Keeps a result. Returns the URI at which its owner can read it; `None` if it is larger than all results together may be.
    pub(super) fn add(&self, result: &Raw, owner: Owner) -> Option<String> {
        let bytes = result.as_str().len();
        if bytes > self.limits.spilled_bytes || self.limits.spilled_results == 0 {
            self.dropped.bytes.increment();
            return None;
        }
        let id = HEXLOWER.encode(&Key::random().ok()?.as_bytes()[..16]);
        let now = Instant::now();
        let mut table = self.table.lock();
        table.drop_expired(now);
        while table.order.len() >= self.limits.spilled_results {
            self.dropped.count.increment();
            table.drop_oldest();
        }
        while table.bytes + bytes > self.limits.spilled_bytes {
            self.dropped.bytes.increment();
            table.drop_oldest();
        }
        table.bytes += bytes;
        table.order.push_back(id.clone());
        // The text may be a part of a larger message.
        let spilled = Spilled { result: result.compact(), owner, expires: now + self.limits.spill_ttl };
        table.by_id.insert(id.clone(), spilled);
        Some(format!("{SCHEME}{id}"))
    }

    /// Answers `resources/read` of a spilled result.
    pub(in crate::federation) fn read(&self, uri: &str, owner: &Owner, meta: &Raw) -> Outcome {
        let now = Instant::now();
        let mut table = self.table.lock();
        table.drop_expired(now);
        let id = uri.strip_prefix(SCHEME).unwrap_or_default();
        match table.by_id.get(id).filter(|spilled| spilled.owner == *owner) {
            Some(spilled) => {
                let ttl = spilled.expires - now;
                let result = spilled.result.clone();
                drop(table);
                Outcome::Result(read_result(uri, &result, ttl, meta))
            }
            // Whether another caller has it is not said.
            None => Outcome::Error(Error::resource_not_found(uri)),
        }
    }
}

impl Table {
    fn drop_oldest(&mut self) {
        let spilled = self.order.pop_front().and_then(|id| self.by_id.remove(&id));
        self.bytes -= spilled.map_or(0, |spilled| spilled.result.as_str().len());
    }

    fn drop_expired(&mut self, now: Instant) {
        // All live equally long: the oldest expires first.
        while self.order.front().is_some_and(|id| self.by_id.get(id).is_none_or(|one| one.expires <= now)) {
            self.drop_oldest();
        }
    }
}

/// A `ReadResourceResult` with all of a result: each block of content, and the structured content.
///
/// 2026-07-28, caching §Cacheable Results: results of `resources/read` "MUST include caching hints".
fn read_result(uri: &str, result: &Raw, ttl: Duration, meta: &Raw) -> Raw {
    let part = |mime: &str| Splice::new().with("uri", &Raw::string(uri)).with("mimeType", &Raw::string(mime));
    let mut contents = Vec::new();
    for block in Elements::of(Members::find(result.as_str(), "content").unwrap_or("[]")) {
        let member = |name: &str| Members::find(block, name).map(|value| result.slice(value));
        let kind = member("type").and_then(|kind| kind.as_string()).unwrap_or_default();
        contents.push(match (&*kind, member("text"), member("data"), member("resource")) {
            ("text", Some(text), ..) => part("text/plain").with("text", &text).finish(),
            ("image" | "audio", _, Some(data), _) => {
                let mime = member("mimeType").and_then(|mime| mime.as_string()).unwrap_or_default();
                part(&mime).with("blob", &data).finish()
            }
            ("resource", .., Some(resource)) => resource,
            _ => part("application/json").with("text", &Raw::string(block)).finish(),
        });
    }
    if let Some(structured) = Members::find(result.as_str(), "structuredContent") {
        contents.push(part("application/json").with("text", &Raw::string(structured)).finish());
    }
    let contents: Vec<&str> = contents.iter().map(Raw::as_str).collect();
    Splice::new()
        .with("resultType", &Raw::string("complete"))
        .with("contents", &Raw::trusted(format!("[{}]", contents.join(",")).into_bytes()))
        .with("ttlMs", &Raw::from(Value::from(u64::try_from(ttl.as_millis()).unwrap_or_default())))
        .with("cacheScope", &Raw::string("private"))
        .with("_meta", meta)
        .finish()
}
