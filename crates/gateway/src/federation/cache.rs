//! The cache of a member's answers: which of them are kept, how long, and under which key.

use std::{collections::BTreeMap, time::Duration};

use anyport_layers::CacheRule;
use anyport_protocol::{
    Method, Raw,
    meta::key::{CLIENT_CAPABILITIES, CLIENT_INFO, LOG_LEVEL, PROGRESS_TOKEN, PROTOCOL_VERSION, TRACEPARENT},
};
use anyport_service::{Context, Request};
use sha2::{Digest as _, Sha256};

use super::listed::Listed;

/// Which answers of a member are kept, and for how long.
///
/// Kept are results of tools that only read (`readOnlyHint`), and contents of resources as long as the member says (`ttlMs`). The key is
/// the caller, with its scopes and its revision, and the whole request, so an answer is given to an equal request of the same caller only,
/// whatever its `cacheScope` is. Errors, results with `isError`, questions and the answers to their retries are never kept, nor is
/// the answer of a call with notifications or server requests.
///
/// All answers of a member are forgotten when it notifies of a change of a list or of a resource, when it is connected anew, and
/// when members are replaced. Those of a tool are, too, when its definition changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberCache {
    ttl: Duration,
    tools: BTreeMap<String, Duration>,
    prompts: BTreeMap<String, Duration>,
    is_per_session: bool,
}

impl MemberCache {
    /// Keeps answers of tools that only read, and contents of resources, for `ttl` at most.
    pub fn new(ttl: Duration) -> Self {
        Self { ttl, ..Self::default() }
    }

    /// Keeps the results of the tool that the member calls `own` for `ttl`, also if it has no annotations; zero: not at all. A tool that
    /// says that it changes something (`readOnlyHint: false`, `destructiveHint: true`) is never cached.
    #[must_use]
    pub fn tool(mut self, own: impl Into<String>, ttl: Duration) -> Self {
        self.tools.insert(own.into(), ttl);
        self
    }

    /// Keeps the prompt that the member calls `own` for `ttl`. Others are not kept.
    #[must_use]
    pub fn prompt(mut self, own: impl Into<String>, ttl: Duration) -> Self {
        self.prompts.insert(own.into(), ttl);
        self
    }

    /// Gives answers within the session alone in which they were given, since the member may remember it.
    #[must_use]
    pub fn per_session(self) -> Self {
        Self { is_per_session: true, ..self }
    }

    /// How the answer to `request` about `item` is kept, if it is.
    pub(super) fn rule(
        &self,
        item: &CachedItem<'_>,
        method: Method,
        request: &Request,
        context: &Context,
    ) -> Option<CacheRule> {
        let CachedItem { own, listed, .. } = *item;
        // Callers that have neither a name nor a session are not one caller.
        if self.is_per_session && context.session_id().is_none() && context.principal().is_anonymous() {
            return None;
        }
        let ttl = match method {
            Method::ToolsCall => self.ttl_of_tool(own, listed.map(Listed::text))?,
            Method::PromptsGet => *self.prompts.get(own)?,
            Method::ResourcesRead => self.ttl,
            _ => return None,
        };
        if ttl.is_zero() || !is_plain(&request.params.member("_meta").unwrap_or(Raw::EMPTY_OBJECT)) {
            return None;
        }
        let rule = CacheRule::new(listed.map_or(0, Listed::version), ttl).facts(self.facts(item, context));
        Some(if method == Method::ResourcesRead { rule.only_stated() } else { rule })
    }

    fn ttl_of_tool(&self, own: &str, listed: Option<&Raw>) -> Option<Duration> {
        // A tool that is not known may change something.
        let annotations = listed?.member("annotations");
        let hint = |name| annotations.as_ref()?.member(name)?.decode::<bool>().ok();
        let changes = hint("readOnlyHint") == Some(false) || hint("destructiveHint") == Some(true);
        match self.tools.get(own) {
            // 2026-07-28, schema `ToolAnnotations`: `destructiveHint` "is meaningful only when `readOnlyHint == false`".
            _ if hint("readOnlyHint") == Some(true) => Some(*self.tools.get(own).unwrap_or(&self.ttl)),
            Some(ttl) if !changes => Some(*ttl),
            _ => None,
        }
    }

    /// What an answer of the member depends on beside the request and its caller.
    fn facts(&self, item: &CachedItem<'_>, context: &Context) -> Vec<u8> {
        let mut facts = Vec::with_capacity(64);
        let mut part = |bytes: &[u8]| {
            facts.extend_from_slice(&bytes.len().to_le_bytes());
            facts.extend_from_slice(bytes);
        };
        // No other member, and no other state of this one, ever has this number.
        part(&item.state.to_le_bytes());
        part(item.own.as_bytes());
        if !item.headers.is_empty() {
            part(&digest(item.headers, context));
        }
        // A member receives it, and may answer one client otherwise than another.
        part(context.client_info().map_or(&[], |info| info.as_str().as_bytes()));
        // A legacy server may have the roots of the session.
        if self.is_per_session || context.capabilities().member("roots").is_some() {
            let number = context.session_id().map(|session| session.number().to_le_bytes());
            part(number.as_ref().map_or(&[], |number| number.as_slice()));
        }
        facts
    }
}

/// A digest of the keys that a caller brings in these headers: they are secrets, and none is kept.
fn digest(headers: &[String], context: &Context) -> [u8; 32] {
    let mut hash = Sha256::new();
    for name in headers {
        let value = context.client_headers().and_then(|headers| headers.get(name));
        for bytes in [name.as_bytes(), &[u8::from(value.is_some())], value.unwrap_or_default().as_bytes()] {
            hash.update(bytes.len().to_le_bytes());
            hash.update(bytes);
        }
    }
    hash.finalize().into()
}

/// What is asked of a member.
#[derive(Clone, Copy)]
pub(super) struct CachedItem<'a> {
    /// What the member calls it.
    pub(super) own: &'a str,
    /// Its definition, if it is known.
    pub(super) listed: Option<&'a Listed>,
    /// The number of the member's state.
    pub(super) state: u64,
    /// The headers of clients that are passed on to the member.
    pub(super) headers: &'a [String],
}

/// Whether metadata has nothing that an answer may depend on and the key does not have.
fn is_plain(meta: &Raw) -> bool {
    // Not `baggage`: it is the caller's, and an answer may depend on it.
    const KNOWN: [&str; 7] = [
        PROTOCOL_VERSION,
        CLIENT_INFO,
        CLIENT_CAPABILITIES,
        LOG_LEVEL,
        PROGRESS_TOKEN,
        TRACEPARENT,
        "tracestate",
    ];
    meta.members().all(|member| KNOWN.contains(&&*member.key()))
}
