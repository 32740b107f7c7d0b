//! The state of a member, for people and programs that operate a federation.

use std::sync::{Arc, atomic::Ordering};

use jiff::Timestamp;

use super::{
    catalog::Catalog,
    health::MemberState,
    large_result::estimated_tokens,
    latency::Latency,
    list_kind::ListKind,
    member::MemberEntry,
    pins::{PendingDefinition, Pins},
    suspicious::SuspiciousDefinition,
};

/// The state of a member.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MemberStatus {
    /// Its name in the configuration.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// Whether it can be reached.
    pub state: MemberState,
    /// Since when it is in this state.
    pub since: Timestamp,
    /// Why it could not be reached the last time that it could not.
    pub last_error: Option<String>,
    /// The number of its tools; `None` if its list was never read.
    pub tools: Option<usize>,
    /// The tokens of the definitions of its tools, estimated, likewise.
    pub tool_tokens: Option<usize>,
    /// The number of its prompts, likewise.
    pub prompts: Option<usize>,
    /// The number of its resources, likewise.
    pub resources: Option<usize>,
    /// The number of its resource templates, likewise.
    pub templates: Option<usize>,
    /// The number of calls that went to it.
    pub calls: u64,
    /// The number of those that ended with an error or a failure.
    pub errors: u64,
    /// The number of those in flight.
    pub in_flight: u64,
    /// The number of answers that were given from the cache, without a call.
    pub cached: u64,
    /// How long its last calls took; `None` if none has ended.
    pub latency: Option<Latency>,
    /// The definitions that differ from the pinned ones and are not accepted.
    pub pending: Vec<PendingDefinition>,
    /// Whether these are quarantined.
    pub is_strict: bool,
    /// The definitions with hidden instructions or invisible characters.
    pub suspicious: Vec<SuspiciousDefinition>,
}

/// The state of `member`.
pub(super) fn of(member: &MemberEntry) -> MemberStatus {
    let core = &member.core;
    let (known, catalogs) = (core.health.known(), member.catalogs.all());
    MemberStatus {
        name: core.name.to_string(),
        title: member.title.to_string(),
        state: known.state,
        since: known.since,
        last_error: known.last_error,
        tools: entries(&catalogs, ListKind::Tools),
        tool_tokens: tool_tokens(&catalogs),
        prompts: entries(&catalogs, ListKind::Prompts),
        resources: entries(&catalogs, ListKind::Resources),
        templates: entries(&catalogs, ListKind::Templates),
        calls: core.calls.load(Ordering::Relaxed),
        errors: core.errors.load(Ordering::Relaxed),
        in_flight: core.in_flight.load(Ordering::Relaxed),
        cached: core.answers.given(),
        latency: core.recent_calls.latency(),
        pending: core.pins.as_ref().map(Pins::pending).unwrap_or_default(),
        is_strict: core.is_strict(),
        suspicious: core.suspicious.all(),
    }
}

/// The number of entries of a list. It may depend on the client's capabilities: the longest counts.
fn entries(catalogs: &[Arc<Catalog>], kind: ListKind) -> Option<usize> {
    catalogs.iter().filter_map(|catalog| Some(catalog.peek(kind).value()?.entries.len())).max()
}

/// The tokens of the definitions of the tools, as the member writes them. The longest list counts, as above.
fn tool_tokens(catalogs: &[Arc<Catalog>]) -> Option<usize> {
    let lists = catalogs.iter().filter_map(|catalog| catalog.peek(ListKind::Tools).value());
    lists.map(|list| list.entries.iter().map(|entry| estimated_tokens(entry.text.as_str())).sum()).max()
}
